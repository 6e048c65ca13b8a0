"""The node that draws a clip of the starter's world, so that every graph runs before a file is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..vace_core.checks.room import check_room
from ..vace_core.errors import InputError, shortened
from ..vace_core.inputs.box_paths import paths_to_json
from ..vace_core.models.wan.dit import GRID
from ..vace_core.starter.model import LENGTH, SIDE, STARTER_PRESET
from ..vace_core.starter.scenes.backdrops import Backdrop
from ..vace_core.starter.scenes.captions import caption
from ..vace_core.starter.scenes.conditions import paths_of
from ..vace_core.starter.scenes.paths import Keyframe, Path
from ..vace_core.starter.scenes.people import Face
from ..vace_core.starter.scenes.render import SceneClip, render
from ..vace_core.starter.scenes.scene import Scene, SceneObject
from .comfy import host, sockets
from .comfy.bridge import images_of
from .comfy.node import Node

DRAWN = 100  # bytes a pixel: frames, depth and skeletons as drawn and as IMAGE, masks


def _line(start: tuple[float, float], end: tuple[float, float], radius: float) -> Path:
    """A straight way through the clip; places as parts of the frame."""
    (left, top), (right, bottom) = start, end
    return (
        Keyframe(time=0, x=left, y=top, radius=radius),
        Keyframe(time=1, x=right, y=bottom, radius=radius),
    )


def _scene(kind: str, colour: str, *objects: SceneObject) -> Scene:
    return Scene(backdrop=Backdrop(kind=kind, colour=colour, phase=(0.1, 0.6, 0.4, 0.5)), objects=objects)


# As large as training draws them: one shape alone, two, people, faces.
_CIRCLE = SceneObject(
    shape="circle", colour="red", motion="moves right", path=_line((0.3, 0.45), (0.7, 0.45), 0.28), depth=0.7
)
_STAR = SceneObject(
    shape="star", colour="yellow", motion="moves right", path=_line((0.25, 0.28), (0.68, 0.28), 0.24), depth=0.9
)
_TRIANGLE = SceneObject(
    shape="triangle", colour="blue", motion="moves left", path=_line((0.75, 0.74), (0.32, 0.74), 0.23), depth=0.3
)
_RING = SceneObject(
    shape="ring", colour="purple", motion="moves right", path=_line((0.25, 0.5), (0.45, 0.5), 0.235), depth=0.6
)
_WALKER = SceneObject(
    shape="person",
    colour="green",
    trousers="blue",
    face=Face(skin="tan"),
    motion="walks right",
    path=_line((0.28, 0.52), (0.72, 0.52), 0.43),
    depth=0.6,
)
_WAVER = SceneObject(
    shape="person",
    colour="red",
    trousers="green",
    face=Face(skin="dark"),
    motion="waves",
    path=(Keyframe(time=0, x=0.5, y=0.52, radius=0.43),),
    depth=0.6,
)
_FACE = SceneObject(
    shape="face",
    colour="purple",
    face=Face(skin="tan", eyes="green"),
    motion="moves right",
    path=_line((0.36, 0.5), (0.64, 0.5), 0.38),
    depth=0.6,
)

SCENES: dict[str, Scene] = {
    "circle that moves right": _scene("gradient", "beige", _CIRCLE),
    "star and triangle that pass": _scene("plain", "slate", _STAR, _TRIANGLE),
    "ring, first part": _scene("hilly", "mint", _RING),
    "ring, second part": _scene("hilly", "mint", replace(_RING, path=_line((0.55, 0.5), (0.75, 0.5), 0.235))),
    "figure that walks": _scene("plain", "gray", _WALKER),
    "figure that waves": _scene("hilly", "beige", _WAVER),
    "face that moves right": _scene("gradient", "slate", _FACE),
}
"""By the name that the node shows. Between the two parts of the ring 7 of 41 frames are missing."""


class VaceExampleClip(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceExampleClip",
            "VACE Example Clip",
            "A short clip of the starter's synthetic world, drawn on the spot with everything a workflow may "
            "need: mask, depth, pose (skeleton), reference images of its objects and their boxes. With length 1 "
            "it is a single image. For trying a workflow before you connect your own video.",
            inputs=[
                io.Combo.Input(
                    "scene",
                    options=list(SCENES),
                    tooltip="What happens in the clip. The two parts of the ring are for VACE Join Videos.",
                ),
                sockets.length_input(LENGTH, left=False),
            ],
            outputs=[
                io.Image.Output(
                    display_name="images", tooltip="The clip, 96 x 96 pixels. Replace it with your own video."
                ),
                io.Float.Output(display_name="fps", tooltip="Frames per second (fps) of the clip: 8."),
                io.Mask.Output(display_name="mask", tooltip="White on the first object."),
                io.Image.Output(
                    display_name="objects",
                    tooltip="An image of each object alone on white, to use as reference images.",
                ),
                io.Image.Output(display_name="depth", tooltip="Depth maps of the clip: white is near."),
                io.Image.Output(
                    display_name="pose",
                    tooltip="The pose: a skeleton on black, or all black where nobody walks or waves.",
                ),
                io.String.Output(
                    display_name="paths",
                    tooltip="The boxes of all objects and how they move: for the input paths of other nodes.",
                ),
                io.String.Output(
                    display_name="caption",
                    tooltip="A description of the clip in words the starter knows: use it as a prompt.",
                ),
            ],
            aliases=["test clip", "sample video", "demo clip"],
        )

    @classmethod
    def execute(cls, scene: str, length: int) -> io.NodeOutput:
        GRID.check(length, SIDE, SIDE)
        check_room(length * SIDE * SIDE * DRAWN, "The clip", frames=length)
        clip = render(SCENES[scene], num_frames=length, height=SIDE, width=SIDE)
        # A single picture has no motion: its boxes are those of the clip that it begins.
        moving = clip if length > 1 else render(SCENES[scene], num_frames=LENGTH, height=SIDE, width=SIDE)
        words = caption(SCENES[scene], plain=True)
        nobody = torch.full_like(clip.frames, -1)
        return host.output(
            cls,
            images_of(clip.frames),
            STARTER_PRESET.fps,
            clip.masks[0, 0],
            images_of(torch.cat(clip.references, dim=2)),
            images_of(clip.depth),
            images_of(nobody if clip.pose is None else clip.pose),
            _paths(moving),
            words,
            notes=[words],
        )


def clip_of(scene: str, length: int) -> tuple[Tensor, float]:
    """The images of an example clip, and their rate.

    Raises:
        InputError: there is no such scene, or it does not fit into memory.
        ShapeError: the length is not one that the starter takes.
    """
    if scene not in SCENES:
        raise InputError(
            "not-an-option",
            '{name} is "{value}". One of {options} is needed. Choose one of these.',
            name="scene",
            value=shortened(scene),
            options=", ".join(SCENES),
        )
    GRID.check(length, SIDE, SIDE)
    check_room(length * SIDE * SIDE * DRAWN, "The clip", frames=length)
    clip = render(SCENES[scene], num_frames=length, height=SIDE, width=SIDE)
    return images_of(clip.frames), STARTER_PRESET.fps


def _paths(clip: SceneClip) -> str:
    named: list[Any] = [
        replace(path, label=item.words.removeprefix("a "))
        for path, item in zip(paths_of(clip), clip.objects, strict=True)
    ]
    return paths_to_json(named)
