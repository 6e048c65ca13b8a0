"""Nodes that turn latents into a video: decode, paste kept pixels back, report how exactly they were kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from comfy_api.latest import io
from torch import Tensor

from ..vace_core import pipeline
from ..vace_core.checks.numbers import check_finite
from ..vace_core.context import VAE_ADVICE
from ..vace_core.errors import ShapeError
from ..vace_core.geometry import Grid
from ..vace_core.inputs.blending import BlendMode
from ..vace_core.models.family import Family
from ..vace_core.pipeline.composite import composite_vcu, max_kept_error
from ..vace_core.protocols import VideoVae
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, memory, native, placement, sockets
from .comfy.bridge import frames_of, images_of, latents_of
from .comfy.node import Node
from .comfy.registry import NATIVE_VACE
from .comfy.sockets import LibraryModel, NativeModel
from .comfy.where import with_padding


class VaceDecodeVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceDecodeVideo",
            "VACE Decode Video",
            "Decodes latents into the video: reference frames are dropped, and every kept pixel comes back "
            "exactly as it was. Where memory is short, frames are decoded in tiles.",
            inputs=[
                io.Latent.Input("samples", tooltip="From VACE Sample Video, or from any sampler after VACE Apply VCU."),
                sockets.Vcu.Input("vcu", tooltip="The VCU that the samples were generated from."),
                io.MultiType.Input(
                    "vae",
                    types=[io.Vae, sockets.Model],
                    tooltip="The VACE model that generated the samples, or its VAE.",
                ),
                *edges(),
                io.Image.Input(
                    "before",
                    optional=True,
                    tooltip="Frames to put in front of the result: before of VACE Extend Video.",
                ),
                io.Image.Input(
                    "after", optional=True, tooltip="Frames to put behind the result: after of VACE Extend Video."
                ),
                sockets.blend(),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The frames of the video."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for Create Video."),
                io.String.Output(display_name="report", tooltip="How much was kept, and how exactly."),
            ],
            aliases=["vae decode", "paste back", "trim video latent"],
        )

    @classmethod
    def execute(
        cls,
        samples: Any,
        vcu: VideoConditionUnit,
        vae: Any,
        feather: int,
        match_colour: bool,
        before: Any | None = None,
        after: Any | None = None,
        blend: BlendMode = "feather",
    ) -> io.NodeOutput:
        family = _family(vae)
        latents = latents_of(samples, family, family.grid.latent_frames(vcu.num_frames), vcu.num_references)
        _check_same_size(latents, vcu, family.grid)
        progress = host.Progress()

        def run(decoder: VideoVae) -> Tensor:
            return pipeline.finish(
                decoder,
                vcu,
                latents,
                feather=feather,
                match_colour=match_colour,
                blend_mode=blend,
                on_chunk=lambda *at: progress(*at),
            )

        with memory.said("decoding", vcu):
            frames = _with_decoder(vae, vcu, family, run).cpu()
        check_finite(frames, "Decoding", VAE_ADVICE)
        said = _kept_note(frames, vcu)
        placement.free_cache()
        return host.output(cls, joined(before, images_of(frames), after), vcu.fps, said, notes=[said])


class VaceCompositeVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceCompositeVideo",
            "VACE Composite Video",
            "Puts every kept pixel back into a video that was decoded elsewhere, exactly as it was. VACE Decode "
            "Video does this by itself.",
            inputs=[
                io.Image.Input("images", tooltip="The decoded video, of the VCU's size and length."),
                sockets.Vcu.Input("vcu", tooltip="The VCU that the video was generated from."),
                *edges(),
                sockets.blend(),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The frames of the video."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for Create Video."),
                io.String.Output(display_name="report", tooltip="How much was kept, and how exactly."),
            ],
            aliases=["paste back", "stitch", "image composite masked"],
        )

    @classmethod
    def execute(
        cls,
        images: Any,
        vcu: VideoConditionUnit,
        feather: int,
        match_colour: bool,
        blend: BlendMode = "feather",
    ) -> io.NodeOutput:
        frames = with_padding(frames_of(images, "images"), vcu)  # VACE Decode Video has dropped it
        if frames.shape[2:] != vcu.roles.shape[2:]:
            raise ShapeError(
                "images-size",
                "The images are {frames} frames of {width} x {height} pixels, the VCU {vcu_frames} of "
                "{vcu_width} x {vcu_height}. Both need the same. Drop the references from the latent with Trim "
                "Video Latent before it is decoded, or connect the images that were decoded from samples of this "
                "VCU.",
                frames=frames.shape[2],
                width=frames.shape[4],
                height=frames.shape[3],
                vcu_frames=vcu.num_frames,
                vcu_width=vcu.width,
                vcu_height=vcu.height,
            )
        result = composite_vcu(frames, vcu, feather=feather, match_colour=match_colour, blend_mode=blend)
        result = vcu.shown(result)
        said = _kept_note(result, vcu)
        return host.output(cls, images_of(result), vcu.fps, said, notes=[said])


def edges(shift_of: str = "the whole video") -> list[Any]:
    """How generated pixels meet kept ones. `shift_of` names what has one shift of its colours."""
    return [
        io.Int.Input(
            "feather",
            default=0,
            min=0,
            max=512,
            tooltip="Width in pixels of the soft edge inside the mask; 0 = a hard edge.",
        ),
        io.Boolean.Input(
            "match_colour",
            default=False,
            tooltip="Matches the colours of the generated part to the kept pixels around it, with one shift for "
            f"{shift_of}.",
        ),
    ]


def _family(vae: Any) -> Family:
    """The model family that the samples must be latents of."""
    if isinstance(vae, LibraryModel):
        return vae.family
    return NATIVE_VACE if isinstance(vae, NativeModel) else native.family_of(vae)


def _with_decoder(vae: Any, vcu: VideoConditionUnit, family: Family, run: Callable[[VideoVae], Tensor]) -> Tensor:
    if isinstance(vae, LibraryModel):
        return memory.with_vae(vae, vcu, run)
    return run(native.NativeVae(vae.vae if isinstance(vae, NativeModel) else vae, family))


def _check_same_size(latents: Tensor, vcu: VideoConditionUnit, grid: Grid) -> None:
    height, width = (side * grid.pixels for side in latents.shape[3:])
    if (height, width) != (vcu.height, vcu.width):
        raise ShapeError(
            "latents-size",
            "The samples are of a video of {width} x {height} pixels, the VCU is {vcu_width} x {vcu_height}. "
            "Both need the same size. Connect the samples that were generated from this VCU.",
            width=width,
            height=height,
            vcu_width=vcu.width,
            vcu_height=vcu.height,
        )


def _kept_note(frames: Tensor, vcu: VideoConditionUnit) -> str:
    said = f"{vcu.shown_frames} frames of {vcu.width} x {vcu.height} at {vcu.fps:.4g} fps."
    if vcu.source is None:
        return f"{said} All of it was generated."
    masks = vcu.shown(vcu.masks)
    error = max_kept_error(frames, vcu.shown(vcu.source), masks) * 127.5
    kept = 1 - float(masks.mean())
    return f"{said} {kept:.1%} was kept; largest difference to the source there: {error:.4g} of 255."


def joined(before: Any | None, images: Tensor, after: Any | None) -> Tensor:
    parts = [images]
    for name, part in (("before", before), ("after", after)):
        if part is None:
            continue
        frames_of(part, name)
        part = part[None] if part.dim() == 3 else part
        if part.shape[1:] != images.shape[1:]:
            raise ShapeError(
                "joined-size",
                "The {name} is {width} x {height} pixels with {channels} channels, the result {images_width} x "
                "{images_height} with 3. Both need the same. Connect the output {name} of the task that the VCU "
                "comes from.",
                name=name,
                width=part.shape[2],
                height=part.shape[1],
                channels=part.shape[3],
                images_width=images.shape[2],
                images_height=images.shape[1],
            )
        parts = [part.cpu(), *parts] if name == "before" else [*parts, part.cpu()]
    return torch.cat(parts) if len(parts) > 1 else images
