"""Nodes that edit or extend a video: inpaint, outpaint, extend, join, keyframes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..vace_core import tasks
from ..vace_core.checks.numbers import frame_named
from ..vace_core.errors import InputError, shortened
from ..vace_core.inputs.fitted import Fitted, fit_ends, fit_pictures
from ..vace_core.inputs.fitting import growth
from .comfy import host, sockets
from .comfy.chosen import ZERO
from .comfy.fitted import (
    fit_clip,
    grid_of,
    notes_of,
    notes_of_ends,
    padded,
    require_mask,
    rest_of,
    source_of,
    target_of,
)
from .comfy.node import Task
from .comfy.registry import tips


class VaceInpaintVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceInpaintVideo",
            "VACE Inpaint Video",
            "Inpaints a video: generates the masked part and keeps the rest exactly. Gray fill, length and size "
            "are handled for you.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("images", tooltip="The input video."),
                io.Mask.Input(
                    "mask", tooltip="White = generate, black = keep. A single frame applies to the whole video."
                ),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.for_model(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["inpainting", "object removal", "remove object", "replace object", "replace background", "mv2v"],
        )

    @classmethod
    def execute(cls, images: Any, mask: Any, fps: float, fit: str, prompt: str, negative_prompt: str) -> io.NodeOutput:
        clip = fit_clip(images, fit, fps)
        masks, notes = require_mask(mask, clip)
        vcu = tasks.inpaint(clip.frames, masks, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps)
        return host.output(cls, padded(vcu, clip), notes=(*notes_of(clip), *notes))


class VaceOutpaintVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceOutpaintVideo",
            "VACE Outpaint Video",
            "Outpaints a video: enlarges the frame and generates the new border. The video is scaled so that the "
            "larger canvas still fits the model, and the canvas is widened to multiples of 16, or 32 for "
            "LTX-Video.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("images", tooltip="The input video."),
                sockets.border("left", 0.25),
                sockets.border("right", 0.25),
                sockets.border("top", 0.0),
                sockets.border("bottom", 0.0),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.for_model(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["outpainting", "pad image for outpainting", "extend canvas", "uncrop", "zoom out", "reframe"],
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
        clip = fit_clip(images, fit, fps, growth=growth(left, right, top, bottom))
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
        said = (*notes_of(clip), f"The canvas is {vcu.width} x {vcu.height}.")
        return host.output(cls, padded(vcu, clip), notes=said)


class VaceExtendVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceExtendVideo",
            "VACE Extend Video",
            "Extends a video: generates what comes after an image or clip, before one, or between two. Of a long "
            "clip the model is shown only the end that matters; connect before and after to VACE Decode Video to "
            "get the whole video back.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("first", optional=True, tooltip="The image or clip at the start."),
                io.Image.Input("last", optional=True, tooltip="The image or clip at the end."),
                *_ends(),
            ],
            outputs=_end_outputs(),
            aliases=[
                "i2v",
                "image to video",
                "start image",
                "first frame",
                "end frame",
                "end image",
                "last frame",
                "first last frame",
                "flf2v",
                "continue video",
                "long video",
            ],
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


class VaceJoinVideos(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceJoinVideos",
            "VACE Join Videos",
            "Joins two clips: generates the transition between them. Connect before and after to VACE Decode "
            "Video to get the whole video.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("first", tooltip="The first clip."),
                io.Image.Input("last", tooltip="The second clip."),
                *_ends(),
            ],
            outputs=_end_outputs(),
            aliases=["transition", "bridge", "merge videos", "join clips", "seamless loop"],
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


class VacePlaceKeyframes(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VacePlaceKeyframes",
            "VACE Place Keyframes",
            "Keyframes to video: shows your images at the frames you choose and generates the frames between them.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("images", tooltip="The keyframe images, in order, as one batch: from Batch Images."),
                io.String.Input(
                    "positions",
                    default="0, -1",
                    tooltip="The frame of each image, separated by commas. 0 is the first, -1 or L the last, -2 "
                    "the one before.",
                ),
                sockets.length_input(),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                sockets.for_model(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["first middle last frame", "fmlf", "storyboard", "inbetween"],
        )

    @classmethod
    def execute(
        cls, images: Any, positions: str, length: int, fps: float, fit: str, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        pictures = source_of(images, fps)
        places = _positions(positions, length, pictures.shape[0])
        each = [replace(pictures.part(n, n + 1), name=f"picture {n + 1}") for n in range(len(places))]
        fitted = fit_pictures(each, target_of(fit))
        grid_of(fit).check(length, *fitted[0].size)
        vcu = tasks.keyframes(
            {place: one.frames for place, one in zip(places, fitted, strict=True)},
            num_frames=length,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=fps,
        )
        at = f"The pictures stand at the frames {', '.join(map(str, places))} of {length}."
        return host.output(cls, vcu, notes=(*notes_of(fitted[0]), at))


def _ends() -> list[Any]:
    return [
        io.Int.Input(
            "length",
            default=81,
            min=0,
            max=8192,
            tooltip=f"Frames the model works on, input frames included: {tips('length', ', ')}. 81 is valid for all. "
            f"{ZERO}",
        ),
        io.Int.Input(
            "keep",
            default=0,
            min=0,
            max=8192,
            tooltip="Frames of each clip that the model is shown, 4n + 1 (LTX-Video 8n + 1). 0 = up to half of "
            "the length, or a third for each of two clips.",
        ),
        sockets.fps(),
        sockets.fit(),
        *sockets.prompts(),
        sockets.for_model(),
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
    sources = [
        None if images is None else source_of(images, fps, name) for images, name in ((first, "first"), (last, "last"))
    ]
    before, after = fit_ends(*sources, target_of(fit, length), keep=keep or None)
    ends = [end for end in (before, after) if end is not None]
    if ends:
        grid_of(fit).check(length, *ends[0].size)
    vcu = tasks.extend(
        _frames(before), _frames(after), num_frames=length, prompt=prompt, negative_prompt=negative_prompt, fps=fps
    )
    return host.output(cls, vcu, rest_of(before), rest_of(after), notes=notes_of_ends(ends))


def _frames(end: Fitted | None) -> Tensor | None:
    return None if end is None else end.frames


def _positions(text: str, length: int, pictures: int) -> list[int]:
    """The frame of each image.

    Raises:
        InputError: they are no numbers, not as many as there are images, beside the video, or the same twice.
    """
    try:
        places = [frame_named(part, length) for part in text.replace(";", ",").split(",") if part.strip()]
    except ValueError:
        raise InputError(
            "positions-unreadable",
            'positions is "{value}". Whole numbers separated by commas are needed, such as 0, 40, -1, or L for the '
            "last frame. Change it.",
            value=shortened(text),
        ) from None
    if len(places) != pictures:
        raise InputError(
            "positions-count",
            "There are {positions} positions and {pictures} images. One for each is needed. Change "
            "positions, or connect as many images.",
            positions=len(places),
            pictures=pictures,
        )
    if len(set(places)) < len(places):
        raise InputError(
            "positions-twice",
            "positions says {value}, which names a frame twice. Each image needs its own. Change it.",
            value=shortened(text),
        )
    return places
