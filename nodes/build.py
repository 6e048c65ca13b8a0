"""Nodes that build a VCU from a prompt and reference images, and the general builder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..vace_core import tasks
from ..vace_core.errors import InputError
from ..vace_core.inputs.fitted import Fitted, fit_control
from ..vace_core.vcu import VideoConditionUnit, compose
from .comfy import host, sockets
from .comfy.bridge import masks_of, pictures_of
from .comfy.fitted import ANY_GRID, fit_clip, fit_mask, grid_of, notes_of, padded, source_of
from .comfy.node import Task


class VaceTextToVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceTextToVideo",
            "VACE Text to Video",
            "Text to video: generates a whole video from the prompt.",
            category="VACE/Tasks",
            inputs=[*sockets.sizes(), sockets.fps(), *sockets.prompts(), sockets.for_model()],
            outputs=[sockets.vcu_output()],
            aliases=["t2v", "text2video", "prompt", "empty latent"],
        )

    @classmethod
    def execute(
        cls, width: int, height: int, length: int, fps: float, prompt: str, negative_prompt: str
    ) -> io.NodeOutput:
        ANY_GRID.check(length, height, width)
        vcu = tasks.text(
            num_frames=length, height=height, width=width, prompt=prompt, negative_prompt=negative_prompt, fps=fps
        )
        return host.output(cls, vcu)


class VaceReferenceToVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceReferenceToVideo",
            "VACE Reference to Video",
            "Reference to video: generates a video with the people or things in your reference images. Any "
            "number of images, in order; each is shown to the model whole, on white. Cut-out subjects work best.",
            category="VACE/Tasks",
            inputs=[sockets.references(), *sockets.sizes(), sockets.fps(), *sockets.prompts(), sockets.for_model()],
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
        ANY_GRID.check(length, height, width)
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
        return host.output(cls, vcu, notes=references_note(pictures))


class VaceBuildVCU(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceBuildVCU",
            "VACE Build VCU",
            "The general builder of a VCU (Video Condition Unit): a video to keep parts of, a mask of what to "
            "generate, a control video to follow there, and reference images. Leave out what you do not have. "
            "Every common task has a node of its own.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input(
                    "images", optional=True, tooltip="The video whose pixels are kept where the mask is black."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White = generate, black = keep. A single frame applies to the whole video. No mask "
                    "= generate everything.",
                ),
                io.Image.Input(
                    "control",
                    optional=True,
                    tooltip="A control video (depth, pose, lines \u2026) to follow in the generated part. As long as "
                    "the video.",
                ),
                sockets.references(optional=True),
                sockets.fit(),
                *sockets.sizes(),
                sockets.fps(),
                *sockets.prompts(),
                sockets.for_model(),
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
                    "mask-without-images",
                    "A mask was given, but neither images nor control that it belongs to. One of them is needed with "
                    "a mask. Connect the video, or leave the mask out.",
                )
            grid_of(fit).check(length, height, width)
            vcu, notes = tasks.text(num_frames=length, height=height, width=width, fps=fps), ()
        else:
            clip = fit_clip(given, fit, fps, name="images" if images is not None else "control")
            signal = None if control is None else fit_control(source_of(control, fps, "control"), clip)
            vcu, notes = _unit(clip, images is not None, signal, fit_mask(mask, clip))
        vcu = replace(vcu, prompt=prompt, negative_prompt=negative_prompt)
        if references is not None:
            pictures = pictures_of(references)
            vcu, notes = with_references(vcu, pictures), (*notes, *references_note(pictures))
        return host.output(cls, vcu, notes=notes)


def with_references(vcu: VideoConditionUnit, pictures: tuple[Tensor, ...]) -> VideoConditionUnit:
    """`vcu` in which the subjects of `pictures` appear."""
    return compose(vcu, tasks.reference(pictures, **_shape(vcu)))


def references_note(pictures: tuple[Tensor, ...]) -> tuple[str, ...]:
    sizes = ", ".join(f"{picture.shape[4]} x {picture.shape[3]}" for picture in pictures)
    return (f"references: {len(pictures)} ({sizes}), each shown whole on white.",)


def _shape(vcu: VideoConditionUnit) -> dict[str, Any]:
    return {"num_frames": vcu.num_frames, "height": vcu.height, "width": vcu.width, "fps": vcu.fps}


def _unit(
    clip: Fitted, keeps: bool, control: Tensor | None, mask: tuple[Tensor | None, tuple[str, ...]]
) -> tuple[VideoConditionUnit, tuple[str, ...]]:
    notes = (*notes_of(clip), *mask[1])
    masks = torch.ones_like(clip.frames[:, :1]) if mask[0] is None else mask[0]
    fps = clip.plan.fps
    units = [tasks.inpaint(clip.frames, masks, fps=fps)] if keeps else []
    if control is not None:
        units.append(tasks.control(control, masks=masks, fps=fps))
    return padded(compose(*units), clip), notes
