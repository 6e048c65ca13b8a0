"""The node that restyles a video."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from ..vace_core.tasks import anything
from .comfy import host, sockets
from .comfy.bridge import images_of, pictures_of
from .comfy.fitted import fit_clip, fit_where, notes_of, padded
from .comfy.node import Task


class VaceStylizeVideo(Task):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceStylizeVideo",
            "VACE Stylize Video",
            "Restyles a video: the same shapes and motion, with the colours and textures of the prompt or of style "
            "images.",
            category="VACE/Tasks",
            inputs=[
                io.Image.Input("images", tooltip="The input video."),
                io.Combo.Input(
                    "follow",
                    options=list(anything.FOLLOWED),
                    default="outlines",
                    tooltip="What is taken over of the video: its outlines, which leave most to the style, or its "
                    "brightness too.",
                ),
                sockets.fps(),
                sockets.fit(),
                *sockets.prompts(),
                io.MultiType.Input(
                    "style",
                    types=[sockets.References, io.Image],
                    optional=True,
                    tooltip="Images in the style: an IMAGE (every image of a batch counts) or a stack from VACE Stack "
                    "References. The middle of each fills the frame.",
                ),
                io.Mask.Input("mask", optional=True, tooltip="Restyle only where the mask is white; the rest is kept."),
                sockets.for_model(),
            ],
            outputs=[
                sockets.vcu_output(),
                io.Image.Output(display_name="control", tooltip="The control video as the model gets it."),
            ],
            aliases=["style transfer", "restyle", "style", "cartoon", "anime", "painting", "v2v", "video to video"],
        )

    @classmethod
    def execute(
        cls,
        images: Any,
        follow: str,
        fps: float,
        fit: str,
        prompt: str,
        negative_prompt: str,
        style: Any | None = None,
        mask: Any | None = None,
    ) -> io.NodeOutput:
        clip = fit_clip(images, fit, fps)
        masks, said = fit_where(mask, clip)
        vcu = anything.stylize(
            clip.frames,
            () if style is None else pictures_of(style),
            follow=follow,
            masks=masks,
            prompt=prompt,
            negative_prompt=negative_prompt,
            fps=clip.plan.fps,
        )
        return host.output(cls, padded(vcu, clip), images_of(vcu.control), notes=(*notes_of(clip), *said))
