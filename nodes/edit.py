"""Nodes that change a video or make more of it: inpaint, outpaint, extend, join, keyframes."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..vace_core import tasks
from ..vace_core.errors import InputError, shortened
from .comfy import host, sockets
from .comfy.bridge import frames_of
from .comfy.fitted import Fitted, fit_clip, fit_end, grid_of, growth_of, needed_mask
from .comfy.node import Node
from .comfy.registry import tips


class VaceInpaintVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceInpaintVideo",
            "VACE Inpaint Video",
            "Makes the masked part of a video anew and keeps the rest exactly. Gray, lengths and sizes are taken "
            "care of.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("images", tooltip="The video."),
                io.Mask.Input("mask", tooltip="White = make anew, black = keep. One frame counts for the whole video."),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["remove object", "replace object", "inpainting"],
        )

    @classmethod
    def execute(cls, images: Any, mask: Any, fps: float, fit: str, prompt: str, negative_prompt: str) -> io.NodeOutput:
        clip = fit_clip(images, fit, fps)
        masks, notes = needed_mask(mask, clip)
        vcu = tasks.inpaint(clip.frames, masks, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps)
        return host.output(cls, vcu, notes=(*clip.notes, *notes))


class VaceOutpaintVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceOutpaintVideo",
            "VACE Outpaint Video",
            "Makes a video larger and fills the new border. The video is scaled so that the larger canvas still fits "
            "the model, and the canvas is widened to multiples of 16, or 32 for LTX-Video.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("images", tooltip="The video."),
                sockets.border("left", 0.25),
                sockets.border("right", 0.25),
                sockets.border("top", 0.0),
                sockets.border("bottom", 0.0),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["pad image for outpainting", "extend canvas"],
        )

    @classmethod
    def execute(
        cls,
        images: Any,
        left: float,
        right: float,
        top: float,
        bottom: float,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
    ) -> io.NodeOutput:
        clip = fit_clip(images, fit, fps, growth=growth_of(left, right, top, bottom))
        vcu = tasks.outpaint(
            clip.frames,
            left=float(left),
            right=float(right),
            top=float(top),
            bottom=float(bottom),
            step=grid_of(fit).step,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=clip.plan.fps,
        )
        return host.output(cls, vcu, notes=(*clip.notes, f"The canvas is {vcu.width} x {vcu.height}."))


class VaceExtendVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceExtendVideo",
            "VACE Extend Video",
            "Makes what comes after a picture or clip, before one, or between two. Of a long clip the model is shown "
            "the end that matters; connect before and after to VACE Decode Video to get the whole film back.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("first", optional=True, tooltip="The picture or clip at the start."),
                io.Image.Input("last", optional=True, tooltip="The picture or clip at the end."),
                *_ends(),
            ],
            outputs=_end_outputs(),
            aliases=["first last frame", "image to video", "i2v", "flf2v", "continue video"],
        )

    @classmethod
    def execute(
        cls,
        length: int,
        keep: int,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
        first: Any | None = None,
        last: Any | None = None,
    ) -> io.NodeOutput:
        return _extended(cls, first, last, length, keep, fps, fit, prompt, negative_prompt)


class VaceJoinVideos(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceJoinVideos",
            "VACE Join Videos",
            "Makes the passage between two clips, so that they become one. Connect before and after to VACE Decode "
            "Video to get the whole film.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("first", tooltip="The clip that comes first."),
                io.Image.Input("last", tooltip="The clip that follows."),
                *_ends(),
            ],
            outputs=_end_outputs(),
            aliases=["transition", "bridge", "merge videos"],
        )

    @classmethod
    def execute(
        cls,
        first: Any,
        last: Any,
        length: int,
        keep: int,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
    ) -> io.NodeOutput:
        return _extended(cls, first, last, length, keep, fps, fit, prompt, negative_prompt)


class VacePlaceKeyframes(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VacePlaceKeyframes",
            "VACE Place Keyframes",
            "A video that shows your pictures at the frames you say and is made in between.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("images", tooltip="The pictures, in order, as one batch: from Batch Images."),
                io.String.Input(
                    "positions",
                    default="0, -1",
                    tooltip="The frame of each picture, separated by commas. 0 is the first, -1 the last, -2 the one "
                    "before.",
                ),
                sockets.length_input(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["first middle last frame", "fmlf", "storyboard"],
        )

    @classmethod
    def execute(
        cls, images: Any, positions: str, length: int, fps: float, fit: str, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        pictures = frames_of(images, "images")
        places = _positions(positions, length, pictures.shape[2])
        fitted = [fit_clip(images[n : n + 1], fit, fps, name=f"picture {n + 1}") for n in range(len(places))]
        grid_of(fit).check(length, *fitted[0].size)
        vcu = tasks.keyframes(
            {place: one.frames for place, one in zip(places, fitted, strict=True)},
            num_frames=length,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=fps,
        )
        at = ", ".join(map(str, places))
        return host.output(cls, vcu, notes=(*fitted[0].notes, f"The pictures stand at the frames {at} of {length}."))


def _ends() -> list[Any]:
    return [
        io.Int.Input(
            "length",
            default=81,
            min=5,
            max=8192,
            step=4,
            tooltip=f"Frames the model works on, those given included: {tips('length', ', ')}. 81 is both.",
        ),
        io.Int.Input(
            "keep",
            default=0,
            min=0,
            max=8192,
            tooltip="Frames of each clip that the model is shown, 4n + 1 (LTX-Video 8n + 1). 0 = up to a half of the "
            "length, a third of two clips.",
        ),
        sockets.fps(),
        sockets.fit(),
        *sockets.prompts(),
    ]


def _end_outputs() -> list[Any]:
    return [
        sockets.vcu_output(),
        io.Image.Output(
            display_name="before", tooltip="The frames of first that the model is not shown. May be empty."
        ),
        io.Image.Output(display_name="after", tooltip="The frames of last that the model is not shown. May be empty."),
    ]


def _extended(
    cls: Any,
    first: Any | None,
    last: Any | None,
    length: int,
    keep: int,
    fps: float,
    fit: str,
    prompt: str,
    negative_prompt: str,
) -> io.NodeOutput:
    most = keep or max(length // (3 if first is not None and last is not None else 2), 1)
    before = None if first is None else fit_end(first, fit, fps, keep=most, size=None, at_end=True, name="first")
    size = None if before is None else before.size
    after = None if last is None else fit_end(last, fit, fps, keep=most, size=size, at_end=False, name="last")
    ends = [end for end in (before, after) if end is not None]
    if ends:
        grid_of(fit).check(length, *ends[0].size)
    vcu = tasks.extend(
        _frames(before), _frames(after), num_frames=length, prompt=prompt, negative_prompt=negative_prompt, fps=fps
    )
    rests = [None if end is None else end.rest for end in (before, after)]
    return host.output(cls, vcu, *rests, notes=[note for end in ends for note in end.notes])


def _frames(end: Fitted | None) -> Tensor | None:
    return None if end is None else end.frames


def _positions(text: str, length: int, pictures: int) -> list[int]:
    """The frame of each picture.

    Raises:
        InputError: they are no numbers, not as many as there are pictures, beside the video, or the same twice.
    """
    try:
        typed = [int(part) for part in text.replace(";", ",").split(",") if part.strip()]
    except ValueError:
        raise InputError(
            f'positions is "{shortened(text)}". Whole numbers separated by commas are needed, such as 0, 40, -1. '
            "Change it."
        ) from None
    if len(typed) != pictures:
        raise InputError(
            f"There are {len(typed)} positions and {pictures} pictures. One for each is needed. Change positions, or "
            "connect as many pictures."
        )
    places = [place + length if place < 0 else place for place in typed]
    if len(set(places)) < len(places):
        raise InputError(
            f"positions says {shortened(text)}, which names a frame twice. Each picture needs its own. Change it."
        )
    return places
