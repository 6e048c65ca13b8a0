"""Nodes that follow a control: computed from a video, made by another pack, or drawn as boxes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..vace_core import tasks
from ..vace_core.errors import InputError
from ..vace_core.inputs import controls
from ..vace_core.inputs.box_paths import paths_from_json
from ..vace_core.inputs.control_checks import ControlKind, check_control, fix_control
from ..vace_core.inputs.layout import BoxPath, said_of_paths
from ..vace_core.vcu import compose
from .comfy import host, sockets
from .comfy.boxes import Seen, box_paths, boxes_of, linked_boxes, paths_of_boxes, paths_of_tracks
from .comfy.bridge import images_of
from .comfy.fitted import ANY_GRID, fit_clip, fit_where, notes_of, padded
from .comfy.node import Task

COMPUTED: dict[str, Callable[[Tensor], Tensor]] = {
    "gray": controls.gray,
    "scribble": controls.scribble,
    "flow": controls.flow,
}
GIVEN: dict[str, ControlKind] = {
    "depth": "depth",
    "pose": "pose",
    "given scribble": "scribble",
    "given flow": "flow",
    "given layout": "layout",
}


NO_BOXES = (
    "There are no boxes yet. At least one that moves is needed. Draw one in the editor of this node, or link a path "
    "from another pack's editor to paths."
)


class VaceControlVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceControlVideo",
            "VACE Control Video",
            "Generates a video that follows a control video: brightness, outlines (scribble) or optical flow, "
            "which are computed here from a video, or depth and pose from preprocessor nodes. Common mistakes in "
            "those are found and reported.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input(
                    "images",
                    tooltip="The source video for gray, scribble and flow; for the other kinds, the "
                    "control video itself.",
                ),
                io.Combo.Input(
                    "kind",
                    options=[*COMPUTED, *GIVEN],
                    default="scribble",
                    tooltip=(
                        "gray, scribble and flow are computed from the video. For depth, pose and the given "
                        "kinds connect the output of a preprocessor (annotator)."
                    ),
                ),
                io.Boolean.Input(
                    "mend",
                    default=False,
                    tooltip="Fixes (sanitises) what is certainly wrong with a control video that was given, and "
                    "reports it.",
                ),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="Follow the control video only where the mask is white. For gray, scribble and flow "
                    "the rest of the video is kept.",
                ),
                sockets.for_model(),
            ],
            outputs=[
                sockets.vcu_output(),
                io.Image.Output(display_name="control", tooltip="The control video as the model gets it."),
            ],
            aliases=[
                "v2v",
                "video to video",
                "controlnet",
                "depth",
                "pose",
                "openpose",
                "dwpose",
                "scribble",
                "sketch",
                "lineart",
                "canny",
                "optical flow",
                "colorize",
                "style transfer",
                "restyle",
            ],
        )

    @classmethod
    def execute(
        cls,
        images: Any,
        kind: str,
        mend: bool,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
        mask: Any | None = None,
    ) -> io.NodeOutput:
        clip = fit_clip(images, fit, fps)
        masks, said = fit_where(mask, clip)
        frames, notes = control_of(clip.frames, kind, mend)
        vcu = tasks.control(frames, masks=masks, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps)
        if masks is not None and kind in COMPUTED:
            vcu = compose(tasks.inpaint(clip.frames, masks, fps=clip.plan.fps), vcu)
        return host.output(cls, padded(vcu, clip), images_of(frames), notes=(*notes_of(clip), *said, *notes))


class VaceLayoutToVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceLayoutToVideo",
            "VACE Layout to Video",
            "Generates a video in which objects stay inside moving boxes. Draw the boxes in the node, or link a "
            "path from another pack's editor.",
            category="VACE/Tasks",
            inputs=[
                *box_paths(),
                *sockets.sizes(),
                sockets.fps(),
                *sockets.prompts(),
                sockets.for_model(),
                *linked_boxes(),
            ],
            outputs=[
                sockets.vcu_output(),
                io.Image.Output(display_name="control", tooltip="The boxes as the model gets them."),
            ],
            aliases=["bounding box", "trajectory", "spline", "box path", "motion control"],
        )

    @classmethod
    def execute(
        cls,
        paths: str,
        box_size: float,
        width: int,
        height: int,
        length: int,
        fps: float,
        prompt: str,
        negative_prompt: str,
        boxes: Any | None = None,
        tracks: Any | None = None,
    ) -> io.NodeOutput:
        ANY_GRID.check(length, height, width)
        moving = paths_given(paths, boxes, tracks, length, (0, 0, width, height), box_size)
        vcu = tasks.layout(
            moving,
            num_frames=length,
            height=height,
            width=width,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=fps,
        )
        return host.output(cls, vcu, images_of(vcu.frames), notes=tuple(said_of_paths(moving, length)))


def control_of(frames: Tensor, kind: str, mend: bool) -> tuple[Tensor, list[str]]:
    """The control video of this kind that a clip is or is turned into, and notes on it.

    Raises:
        InputError: a clip that the control cannot be computed from.
    """
    if kind in COMPUTED:
        return COMPUTED[kind](frames), []
    notes = list[str]()
    if mend:
        frames, notes = fix_control(frames, GIVEN[kind])
    return frames, [*notes, *check_control(frames, GIVEN[kind])]


def no_boxes(text: str) -> bool:
    """Whether the editor is still empty."""
    return re.sub(r"\s", "", text) in ("", "[]", '{"version":1,"paths":[]}')


def paths_typed(
    text: str, seen: Seen, box_size: float, picture: tuple[float, float] | None = None
) -> tuple[BoxPath, ...]:
    """Boxes that move, from the editor's JSON or another pack's points.

    Args:
        text: What the widget holds or what was linked.
        seen: What of the image that points refer to is the frame.
        box_size: Size of the box around a point, as a part of the frame.
        picture: Width and height of that image; None = the frame is all of it.

    Raises:
        InputError: there is no box, or the text cannot be read.
    """
    if no_boxes(text):
        raise InputError("no-boxes", NO_BOXES)
    left, top, width, height = seen
    box = box_size * width, box_size * height
    return paths_from_json(text, size=(width, height), box=box, origin=(left, top), picture=picture)


def paths_given(
    text: str,
    boxes: Any | None,
    tracks: Any | None,
    num_frames: int,
    seen: Seen,
    box_size: float,
    picture: tuple[float, float] | None = None,
) -> tuple[BoxPath, ...]:
    """Boxes that move, drawn and linked.

    Args:
        text: As for `paths_typed`; it may be empty where there are others.
        boxes: BBOX or BOUNDING_BOX, if any.
        tracks: TRACKS, if any.
        num_frames: Of what they are for.
        seen: What of the image that all but drawn boxes refer to is the frame.
        box_size: Size of the box around a point, as a part of the frame.
        picture: As for `paths_typed`.

    Raises:
        InputError: there is no box at all, or one of them cannot be read.
    """
    linked = list[BoxPath]()
    if boxes is not None:
        linked += paths_of_boxes(boxes_of(boxes, num_frames), seen)
    if tracks is not None:
        linked += paths_of_tracks(tracks, seen, box_size)
    drawn = () if linked and no_boxes(text) else paths_typed(text, seen, box_size, picture)
    return (*drawn, *linked)
