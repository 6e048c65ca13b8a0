"""Nodes that build a unit from words and references, and the general one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..vace_core import tasks
from ..vace_core.errors import InputError
from ..vace_core.inputs import fitting
from ..vace_core.vcu import VideoConditionUnit, compose
from .comfy import host, sockets
from .comfy.bridge import frames_of, masks_of, pictures_of
from .comfy.fitted import LOOSEST, Fitted, fit_clip, fit_mask, grid_of
from .comfy.node import Node


class VaceTextToVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceTextToVideo",
            "VACE Text to Video",
            "A video of what the prompt says, and nothing else.",
            category="VACE/Tasks",
            inputs=[*sockets.sizes(), sockets.fps(), *sockets.prompts()],
            outputs=[sockets.vcu_output()],
            aliases=["t2v", "empty latent"],
        )

    @classmethod
    def execute(
        cls, width: int, height: int, length: int, fps: float, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        LOOSEST.check(length, height, width)
        vcu = tasks.text(
            num_frames=length, height=height, width=width, prompt=prompt, negative_prompt=negative_prompt, fps=fps
        )
        return host.output(cls, vcu)


class VaceReferenceToVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceReferenceToVideo",
            "VACE Reference to Video",
            "A video in which the people or things of your pictures appear. Any number of pictures, in order; each is "
            "shown to the model whole, on white. Best are subjects that were cut out.",
            category="VACE/Tasks",
            inputs=[sockets.references(), *sockets.sizes(), sockets.fps(), *sockets.prompts()],
            outputs=[sockets.vcu_output()],
            aliases=["r2v", "ref2v", "s2v", "subject", "character", "face reference", "style reference", "ip adapter"],
        )

    @classmethod
    def execute(
        cls,
        references: Any,
        width: int,
        height: int,
        length: int,
        fps: float,
        prompt: str,
        negative_prompt: str,
    ) -> io.NodeOutput:
        LOOSEST.check(length, height, width)
        pictures = pictures_of(references)
        vcu = tasks.reference(
            pictures,
            num_frames=length,
            height=height,
            width=width,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=fps,
        )
        return host.output(cls, vcu, notes=said_of_references(pictures))


class VaceBuildVCU(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceBuildVCU",
            "VACE Build VCU",
            "The general builder: a video to keep parts of, a mask of what is made anew, a control video that is "
            "followed where something is made, references. Leave out what you do not have. There is a node of its own "
            "for every usual task.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input(
                    "images", optional=True, tooltip="The video whose pixels are kept where the mask is black."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White = make anew, black = keep. One frame counts for the whole video. None = make "
                    "everything.",
                ),
                io.Image.Input(
                    "control",
                    optional=True,
                    tooltip="A control video (depth, pose, lines \u2026) to follow where something is made. As long as "
                    "the video.",
                ),
                sockets.references(optional=True),
                sockets.fit(),
                *sockets.sizes(),
                sockets.fps(),
                *sockets.prompts(),
            ],
            outputs=[sockets.vcu_output()],
            aliases=["wan vace to video", "control video", "control masks", "mv2v"],
        )

    @classmethod
    def execute(
        cls,
        fit: str,
        width: int,
        height: int,
        length: int,
        fps: float,
        prompt: str,
        negative_prompt: str,
        images: Any | None = None,
        mask: Any | None = None,
        control: Any | None = None,
        references: Any | None = None,
    ) -> io.NodeOutput:
        given = images if images is not None else control
        if given is None:
            if masks_of(mask) is not None:
                raise InputError(
                    "A mask came, and neither images nor control that it belongs to. One of them is needed with a "
                    "mask. Connect the video, or leave the mask out."
                )
            grid_of(fit).check(length, height, width)
            vcu, notes = tasks.text(num_frames=length, height=height, width=width, fps=fps), ()
        else:
            clip = fit_clip(given, fit, fps, name="images" if images is not None else "control")
            signal = None if control is None else _like(control, clip)
            vcu, notes = _unit(clip, images is not None, signal, fit_mask(mask, clip))
        vcu = replace(vcu, prompt=prompt, negative_prompt=negative_prompt)
        if references is not None:
            pictures = pictures_of(references)
            vcu, notes = with_references(vcu, pictures), (*notes, *said_of_references(pictures))
        return host.output(cls, vcu, notes=notes)


def with_references(vcu: VideoConditionUnit, pictures: tuple[Tensor, ...]) -> VideoConditionUnit:
    """`vcu` in which the subjects of `pictures` appear."""
    return compose(vcu, tasks.reference(pictures, **_shape(vcu)))


def said_of_references(pictures: tuple[Tensor, ...]) -> tuple[str, ...]:
    sizes = ", ".join(f"{picture.shape[4]} x {picture.shape[3]}" for picture in pictures)
    return (f"references: {len(pictures)} ({sizes}), each shown whole on white.",)


def _shape(vcu: VideoConditionUnit) -> dict[str, Any]:
    return {"num_frames": vcu.num_frames, "height": vcu.height, "width": vcu.width, "fps": vcu.fps}


def _like(control: Any, clip: Fitted) -> Tensor:
    """A control video with the plan of the video it goes with.

    Raises:
        InputError: it has another length.
    """
    frames, plan = frames_of(control, "control"), clip.plan
    if frames.shape[2] != plan.source_frames:
        raise InputError(
            f"The control has {frames.shape[2]} frames, the images {plan.source_frames}. Both need the same. Make the "
            "control from these very images."
        )
    height, width = frames.shape[3:]
    return fitting.apply(frames, replace(plan, source_height=height, source_width=width))


def _unit(
    clip: Fitted, keeps: bool, control: Tensor | None, mask: tuple[Tensor, tuple[str, ...]] | None
) -> tuple[VideoConditionUnit, tuple[str, ...]]:
    notes = clip.notes if mask is None else (*clip.notes, *mask[1])
    masks = torch.ones_like(clip.frames[:, :1]) if mask is None else mask[0]
    fps = clip.plan.fps
    units = [tasks.inpaint(clip.frames, masks, fps=fps)] if keeps else []
    if control is not None:
        units.append(tasks.control(control, masks=masks, fps=fps))
    return compose(*units), notes
