"""Conversion between ComfyUI's tensors and ours.

| ComfyUI | here |
|---|---|
| IMAGE `[T, H, W, C]`, 0..1 | frames `(1, 3, T, H, W)`, −1..1 |
| MASK in all its shapes, 0..1 | masks `(T, H, W)`, 0..1, or None where it says nothing |
| LATENT `[1, C, t, h, w]`, of Wan raw, of LTX-Video normalised | normalised latents of that shape |

Everything is checked here, in the words of the node's inputs: later code trusts it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from ...vace_core.errors import InputError, ShapeError
from ...vace_core.inputs.references import on_white
from ...vace_core.models.family import Family
from .sockets import ReferenceStack

OVERSHOOT = 0.5  # resampling leaves values this far outside 0..1 at most; more is another range
NO_MASK = 64  # LoadImage gives a black mask of this side where a picture has no transparency
LEVELS = 255


def frames_of(images: Any, name: str) -> Tensor:
    """An opaque video or image as frames `(1, 3, T, H, W)` in −1..1, float32 on the CPU.

    Raises:
        InputError: no IMAGE, values that are not numbers or of another range, or transparency.
        ShapeError: no image in it, or an odd number of channels.
    """
    pixels, alpha = _checked(images, name)
    if alpha is not None and float(alpha.min()) < 1 - 1 / LEVELS:
        raise InputError(
            "image-transparent",
            'The input "{name}" has an alpha channel that is transparent in places. An opaque IMAGE is '
            "needed. Lay it on a background first, or take its colours alone with Split Image with Alpha.",
            name=name,
        )
    return _as_frames(pixels)


def pictures_of(references: Any, name: str = "references") -> tuple[Tensor, ...]:
    """Each reference as `(1, 3, 1, h, w)` in −1..1, transparent parts on white.

    Raises:
        InputError: as for `frames_of`, transparency excepted.
        ShapeError: as for `frames_of`.
    """
    if isinstance(references, ReferenceStack):
        return references.pictures
    pixels, alpha = _checked(references, name)
    frames = _as_frames(pixels)
    pictures = [frames[:, :, n : n + 1] for n in range(frames.shape[2])]
    if alpha is not None:
        pictures = [on_white(picture, alpha[n].movedim(-1, 0)[None, :, None]) for n, picture in enumerate(pictures)]
    return tuple(picture.contiguous() for picture in pictures)


def images_of(frames: Tensor) -> Tensor:
    """Frames `(1, 3, T, H, W)` as IMAGE `[T, H, W, 3]`; what came from a file of 8 bits is equal to it to the bit."""
    frames = frames[0].cpu()
    images = torch.empty(*frames.shape[1:], 3)
    for image, frame in zip(images, frames.unbind(1), strict=True):
        levels = frame.movedim(0, -1).add(1).mul_(LEVELS / 2)
        nearest = levels.round()
        # Dark values lose precision on the way to −1 and back. A level of 8 bits is found again, and divided as
        # ComfyUI divides it.
        exact = (levels - nearest).abs() < 1e-4
        image.copy_(torch.where(exact, nearest, levels).div_(LEVELS).clamp_(0, 1))
    return images


def range_warning(images: Tensor) -> list[str]:
    """The note where values were clamped to 0..1, as ComfyUI itself clamps them when it shows or saves an image."""
    low, high = (float(value) for value in torch.aminmax(images[..., :3].float()))
    if low >= -1e-3 and high <= 1 + 1e-3:
        return []
    return [f"Values from {low:.3g} to {high:.3g} were cut to 0..1."]


def masks_of(mask: Any, name: str = "mask") -> Tensor | None:
    """A MASK `[H, W]`, `[T, H, W]`, `[T, H, W, 1]` or `[T, 1, H, W]` as `(T, H, W)` float32 in 0..1.

    None where none came, and for the black 64 x 64 mask that Load Image gives for an image without transparency.

    Raises:
        InputError: no MASK, or values that are not numbers from 0 to 1.
        ShapeError: another shape.
    """
    if mask is None:
        return None
    if not isinstance(mask, Tensor):
        raise InputError(
            "not-a-mask",
            'The input "{name}" is a {kind}. A MASK is needed. Connect a MASK output.',
            name=name,
            kind=type(mask).__name__,
        )
    flat = _three_dimensional(mask, name)
    values = flat.to("cpu", torch.float32)
    low, high = (float(value) for value in torch.aminmax(values))
    if not (low >= -0.01 and high <= 1.01):
        numbers = math.isfinite(low) and math.isfinite(high)
        came = f"values from {low:g} to {high:g}" if numbers else "values that are not numbers (NaN or infinite)"
        raise InputError(
            "mask-values",
            'The input "{name}" holds {came}. Values from 0 (keep) to 1 (generate) are needed. Divide 0..255 '
            "by 255, or fix the node that made it.",
            name=name,
            came=came,
        )
    if high <= 0 and flat.shape[1:] == (NO_MASK, NO_MASK):
        return None
    return values.clamp(0, 1)


def unseen_mask(mask: Any, name: str = "mask") -> tuple[str, ...]:
    """The note on a mask that came and counts as none."""
    if mask is None or masks_of(mask, name) is not None:
        return ()
    return (
        f"The {name} is black and {NO_MASK} x {NO_MASK} pixels, as Load Image gives it for an image without "
        "transparency: it counts as none.",
    )


def _three_dimensional(mask: Tensor, name: str) -> Tensor:
    shape = tuple(mask.shape)
    if len(shape) == 2:
        mask = mask[None]
    elif len(shape) == 4 and shape[3] == 1:
        mask = mask[..., 0]
    elif len(shape) == 4 and shape[1] == 1:
        mask = mask[:, 0]
    if mask.dim() != 3 or not mask.numel():
        image = len(shape) == 4 and shape[3] in (3, 4)
        fix = (
            "It looks like an IMAGE: turn it into a MASK with Convert Image to Mask"
            if image
            else "Connect a MASK output"
        )
        raise ShapeError(
            "mask-shape",
            'The input "{name}" has the shape {shape}. (frames, height, width) is needed, with no size of 0. {fix}.',
            name=name,
            shape=shape,
            fix=fix,
        )
    return mask


def latents_of(latent: Any, family: Family, num_frames: int, num_references: int) -> Tensor:
    """The normalised latents of the video alone, references dropped if they are still in front.

    Args:
        latent: LATENT.
        family: Whose latents they must be.
        num_frames: Latent frames of the video.
        num_references: Latent frames that may be in front of it.

    Raises:
        InputError: NaN, or no latents at all.
        ShapeError: of another model, of another length, or more than one video.
    """
    samples = latent.get("samples") if isinstance(latent, dict) else None
    channels = family.latent_channels
    if not isinstance(samples, Tensor) or samples.dim() != 5 or samples.shape[1] != channels:
        came = tuple(samples.shape) if isinstance(samples, Tensor) else type(latent).__name__
        raise ShapeError(
            "latents-shape",
            "The samples are {came}. Video latents of {name}, (batch, {channels}, frames, height, width), are "
            "needed here. Connect the LATENT of VACE Sample Video, or of a sampler after VACE Apply VCU, and "
            "the model or VAE that belongs to it.",
            came=came,
            name=family.name,
            channels=channels,
        )
    if len(samples) != 1:
        raise ShapeError(
            "latents-batch",
            "The samples are a batch of {batch} videos. One is needed: a VCU is one video. Take one of them "
            "with Latent From Batch, or leave out what repeats the latent.",
            batch=len(samples),
        )
    if not bool(torch.isfinite(samples).all()):
        raise InputError(
            "latents-not-finite",
            "The samples hold values that are not numbers (NaN): sampling overflowed. Finite latents are "
            "needed. Load the model in bf16 or fp32, or lower cfg and strength.",
        )
    if samples.shape[2] == num_frames + num_references:
        samples = samples[:, :, num_references:]
    if samples.shape[2] != num_frames:
        raise ShapeError(
            "latents-length",
            "The samples have {frames} latent frames. The VCU has {vcu_frames}, and {references} references "
            "in front of them. Connect the samples that were generated from this VCU.",
            frames=samples.shape[2],
            vcu_frames=num_frames,
            references=num_references,
        )
    return family.latents.from_comfyui(samples)


def _checked(images: Any, name: str) -> tuple[Tensor, Tensor | None]:
    """Pixels `[T, H, W, 3]` float32 in 0..1 and, where there is a fourth channel, alpha `[T, H, W, 1]`."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        came = f"{images.dtype} tensor" if isinstance(images, Tensor) else type(images).__name__
        raise InputError(
            "not-an-image",
            'The input "{name}" is a {kind}. An IMAGE is needed. Connect an IMAGE output.',
            name=name,
            kind=came,
        )
    pixels = images[None] if images.dim() == 3 else images
    if pixels.dim() != 4 or not pixels.numel() or pixels.shape[3] not in (1, 3, 4):
        raise ShapeError(
            "image-shape",
            'The input "{name}" has the shape {shape}. (frames, height, width, channels) is needed, with no '
            "size of 0 and 1, 3 or 4 channels. Connect an IMAGE output that holds an image.",
            name=name,
            shape=tuple(images.shape),
        )
    pixels = pixels.to("cpu", torch.float32)
    bad = ~torch.isfinite(pixels).flatten(1).all(dim=1)
    if bool(bad.any()):
        raise InputError(
            "image-not-finite",
            'The input "{name}" holds values that are not numbers (NaN or infinite), first in frame {frame}. '
            "Values from 0 to 1 are needed. Fix the node that made it; half precision overflowing is the "
            "usual cause.",
            name=name,
            frame=int(bad.nonzero()[0]),
        )
    low, high = (float(value) for value in torch.aminmax(pixels))
    if low < -OVERSHOOT or high > 1 + OVERSHOOT:
        raise InputError(
            "image-values",
            'The input "{name}" holds values from {low:.4g} to {high:.4g}. Values from 0 (black) to 1 '
            "(white) are needed. Divide 0..255 by 255, or add 1 to -1..1 and halve it.",
            name=name,
            low=low,
            high=high,
        )
    pixels = pixels.clamp(0, 1)
    if pixels.shape[3] == 1:
        pixels = pixels.expand(-1, -1, -1, 3)
    return pixels[..., :3], pixels[..., 3:] if pixels.shape[3] == 4 else None


def _as_frames(pixels: Tensor) -> Tensor:
    return pixels.movedim(-1, 0)[None].mul(2).sub_(1).contiguous()
