"""The desk: objects drawn on a clip, and what shall happen to each, as one condition."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ..vace_core.checks.room import check_room
from ..vace_core.inputs.box_paths import paths_to_json
from ..vace_core.inputs.desk.document import Desk, DeskObject
from ..vace_core.inputs.desk.drawing import boxes_at, feathered, moments, way_at
from ..vace_core.inputs.desk.reading import clip_notes, desk_from_json, objects_of_paths
from ..vace_core.inputs.fitted import Fitted, fit_control
from ..vace_core.inputs.layout import BoxKey, BoxPath
from ..vace_core.sampling.strength import AS_TRAINED, Strength
from ..vace_core.tasks.desk import DeskCondition, Layers, desk_condition, layers_of
from .comfy import host, shown_clips, sockets
from .comfy.boxes import boxes_around, boxes_of, paths_of_boxes, paths_of_tracks, points_text, tracks_of
from .comfy.bridge import pictures_of
from .comfy.fitted import fit_clip, notes_of, source_of
from .comfy.node import Task
from .comfy.sockets import ReferenceStack

EMPTY = (
    "Nothing is drawn yet. At least one object is needed. Draw one in the editor of this node, or link boxes, tracks "
    "or a path from another pack's editor."
)
POINT_BOX = 0.25  # of the frame: the box around a point or track that has none
_MASKS = 9  # bytes of a pixel of each object: its masks, soft ones among them


class VaceDesk(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceDesk",
            "VACE Desk",
            "Draw on a video and say what shall happen to each object: keep it, remove it, replace it with a picture, "
            "move it along a path, have it follow a control video, or generate it from words. Several objects work "
            "together.",
            category="VACE/Tasks",
            inputs=[
                io.MultiType.Input(
                    "clip",
                    types=[io.Image, sockets.Video],
                    tooltip="The video to draw on: an IMAGE, or a VIDEO straight from Load Video.",
                ),
                io.String.Input(
                    "desk",
                    default="",
                    tooltip="What was drawn, as JSON: from the editor of this node, or linked from another pack's path "
                    "editor (each path becomes an object to generate).",
                ),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                io.MultiType.Input(
                    "pictures",
                    types=[sockets.References, io.Image],
                    optional=True,
                    tooltip="Images that take the place of objects with the action replace, by their numbers, from 1.",
                ),
                io.Image.Input(
                    "control",
                    optional=True,
                    tooltip="The control video that objects with the action control follow: depth, pose, scribble, of "
                    "the clip's length.",
                ),
                io.MultiType.Input(
                    "boxes",
                    types=[io.BBOX, sockets.BoundingBox],
                    optional=True,
                    tooltip="Bounding boxes in pixels, for all frames or one list per frame: further objects, to "
                    "generate.",
                ),
                sockets.Tracks.Input(
                    "tracks", optional=True, tooltip="Tracks of points: further objects, to generate, around them."
                ),
                sockets.for_model(),
            ],
            outputs=[
                sockets.vcu_output(),
                io.Mask.Output(display_name="mask", tooltip="What is generated, in the clip's size and length."),
                io.Mask.Output(
                    display_name="object_masks",
                    tooltip="Each object's own mask through the clip, one object after the other.",
                ),
                io.String.Output(
                    display_name="paths",
                    tooltip="The boxes and how they move, for the input paths of other VACE nodes.",
                ),
                sockets.BoundingBox.Output(
                    display_name="boxes", tooltip="The box around each object, a list per frame: for SAM, say."
                ),
                sockets.References.Output(display_name="references", tooltip="The pictures that replace objects."),
                sockets.Strength.Output(
                    display_name="strengths",
                    tooltip="The objects' strengths, for the input strengths of VACE Sample Video and others.",
                ),
                io.String.Output(
                    display_name="points",
                    tooltip="The centres of the objects in pixels, in every frame, as KJNodes writes them.",
                ),
                sockets.Tracks.Output(display_name="tracks", tooltip="The same as tracks, for nodes of ComfyUI."),
            ],
            aliases=[
                "draw mask",
                "paint mask",
                "mask editor",
                "brush mask",
                "lasso",
                "timeline",
                "rotoscope",
                "roto",
                "points editor",
                "spline editor",
                "track object",
                "remove object",
                "replace object",
                "move object",
                "canvas",
                "segment",
            ],
        )

    @classmethod
    def execute(
        cls,
        clip: Any,
        desk: str,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
        pictures: Any | None = None,
        control: Any | None = None,
        boxes: Any | None = None,
        tracks: Any | None = None,
    ) -> io.NodeOutput:
        images, fps = shown_clips.images_and_rate(clip, fps)
        fitted = fit_clip(images, fit, fps, name="clip")
        count, height, width = fitted.source.shape
        drawn = drawn_of(desk, (count, height, width), boxes, tracks)
        shown = shown_clips.show(cls, clip, images, fps)
        notes = [*notes_of(fitted), *clip_notes(drawn, width, height, count)]
        if not drawn.objects:
            return host.waiting(cls, EMPTY, notes=notes, more=shown)
        check_room(
            len(drawn.objects) * count * height * width * _MASKS,
            "The objects on the desk",
            frames=count,
            height=height,
            width=width,
        )
        layers = layers_of(drawn, count, height, width)
        made = condition_of(drawn, fitted, prompt, negative_prompt, pictures, control, layers)
        said = [_said(drawn), *made.notes]
        return host.output(
            cls,
            made.vcu,
            *_masks_out(drawn, layers),
            _paths_out(drawn, count),
            boxes_around(layers.objects),
            ReferenceStack(pictures=made.references),
            strength_of(made),
            *_motion_out(drawn, count, height, width),
            notes=[*notes, *said],
            more=shown,
        )


def drawn_of(text: str, size: tuple[int, int, int], boxes: Any | None = None, tracks: Any | None = None) -> Desk:
    """What was drawn, and what was linked, which lies behind it.

    Args:
        text: What the widget holds or what was linked.
        size: `(T, H, W)` of the clip.
        boxes: BBOX or BOUNDING_BOX.
        tracks: TRACKS.

    Raises:
        InputError: one of them cannot be read.
    """
    count, height, width = size
    drawn = desk_from_json(text, size=(width, height), box=(POINT_BOX * width, POINT_BOX * height))
    linked = list[BoxPath]()
    if boxes is not None:
        linked += paths_of_boxes(boxes_of(boxes, count), (0, 0, width, height))
    if tracks is not None:
        linked += paths_of_tracks(tracks, (0, 0, width, height), POINT_BOX)
    if not linked:
        return drawn
    behind = min((one.order for one in drawn.objects), default=0) - 1
    more = (replace(one, order=behind) for one in objects_of_paths(linked))
    return replace(drawn, objects=(*drawn.objects, *more))


def condition_of(
    drawn: Desk,
    fitted: Fitted,
    prompt: str,
    negative_prompt: str,
    pictures: Any | None,
    control: Any | None,
    layers: Layers | None = None,
) -> DeskCondition:
    """The condition of a desk, of what came in the node's sockets; arguments as for `tasks.desk.desk_condition`."""

    def follow() -> Tensor:
        return fit_control(source_of(control, fitted.source.fps, "control"), fitted)

    return desk_condition(
        drawn,
        fitted,
        pictures=() if pictures is None else pictures_of(pictures, "pictures"),
        follow=None if control is None else follow,
        prompt=prompt,
        negative_prompt=negative_prompt,
        layers=layers,
    )


def strength_of(made: DeskCondition) -> Strength:
    """The strengths of a desk; factors over space reach 1 at most, and the rest is on everything."""
    if made.strengths is None:
        return AS_TRAINED
    most = max(float(made.strengths.max()), 1e-6)
    return Strength(overall=most, space=(made.strengths / most).clamp(0, 1))


def _masks_out(drawn: Desk, layers: Layers) -> tuple[Tensor, Tensor]:
    """What is generated, and every object's own mask, as MASK."""
    whole = layers.rest.astype(np.float32)
    each = list[Any]()
    for one, mask, made in zip(drawn.objects, layers.objects, layers.made, strict=True):
        whole = np.maximum(whole, feathered(made.astype(np.uint8) * np.uint8(255), one.feather))
        each.append(feathered(mask, one.feather))
    return torch.from_numpy(whole), torch.from_numpy(np.concatenate(each))


def _paths_out(drawn: Desk, count: int) -> str:
    """The box of each object that has one as a path; "[]" where none has."""
    found = [_path(one, count) for one in drawn.objects if one.keys]
    return paths_to_json(found, whole=True) if found else "[]"


def _path(one: DeskObject, count: int) -> BoxPath:
    """Where an object goes, with a key in every frame where it is eased."""
    if one.path is None:
        return _level(one.box_path())
    if one.path.ease == "linear":
        return _level(replace(one.box_path(), keys=one.path.keys, smooth=one.path.smooth))
    times = moments(count)
    keys = [
        BoxKey(time=float(time), x=at.x, y=at.y, width=at.width, height=at.height)
        for time, at in zip(times, way_at(one.path, times, 1, 1), strict=True)
    ]
    return replace(one.box_path(), keys=tuple(keys), smooth=False)


def _level(path: BoxPath) -> BoxPath:
    """The path in what paths of layouts know: no angle, no tracker."""
    keys = [BoxKey(time=key.time, x=key.x, y=key.y, width=key.width, height=key.height) for key in path.keys]
    return replace(path, keys=tuple(keys))


def _motion_out(drawn: Desk, count: int, height: int, width: int) -> tuple[str, dict[str, Tensor]]:
    """The centre of every object that has a box, in every frame, where its path takes it."""
    ways = [_centres(one, count, height, width) for one in drawn.objects if one.keys]
    return points_text(ways), tracks_of(ways, count)


def _centres(one: DeskObject, count: int, height: int, width: int) -> list[tuple[float, float]]:
    times = moments(count)
    if one.path is not None:
        return [(at.x, at.y) for at in way_at(one.path, times, height, width)]
    return [(at.x, at.y) for at in boxes_at(one.keys, times, height, width, smooth=one.smooth)]


def _said(drawn: Desk) -> str:
    """What the desk says, in a line."""
    named = (f"{one.label or f'object {n}'}: {one.action}" for n, one in enumerate(drawn.objects, 1))
    return f"{'; '.join(named)}."
