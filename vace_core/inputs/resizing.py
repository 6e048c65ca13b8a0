"""Frames and masks brought to the length and size of a plan."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from ..checks.room import FRAMES, check_room
from ..errors import InputError, ShapeError
from ..media.video import levels, stand_for_bytes
from .fitting import FitPlan

_MASK_BYTES = 10  # of a pixel of a fitted mask: one frame in three channels, whether it is kept, and the number twice


def resize_frames(frames: Tensor, plan: FitPlan) -> Tensor:
    """`(B, 3, T, H, W)` float32 in -1..1: the planned frames, scaled to cover and cropped to the centre.

    Args:
        frames: `(T, H, W, 3)` uint8 as decoded (B becomes 1), or `(B, 3, T, H, W)` in -1..1. Bytes, and numbers on
            the CPU that all stand for bytes, are scaled as bytes, so that the result equals the official processor's;
            other numbers are scaled as numbers, and clamped to -1..1 where bicubic overshoots. Frames that keep their
            size keep every value.
        plan: Made for a clip of this length and size.

    Raises:
        ShapeError: the frames are not laid out like this, or are not the clip of the plan.
    """
    as_bytes, size = frames.dtype == torch.uint8, (plan.source_frames, plan.source_height, plan.source_width)
    _check_clip(tuple(frames.shape), (*size, 3) if as_bytes else (3, *size), "frames", 0 if as_bytes else 1)
    batch = 1 if as_bytes else frames.shape[0]
    _check_room(plan, batch, FRAMES, "clip")
    fitted = torch.empty(batch, 3, plan.num_frames, plan.height, plan.width, device=frames.device)
    same_as_bytes = not as_bytes and plan.resizes and stand_for_bytes(frames, plan.indices)
    for n, i in enumerate(plan.indices):
        picture = frames[i].permute(2, 0, 1)[None] if as_bytes else frames[:, :, i].float()
        if same_as_bytes:
            picture = levels(picture).round_().to(torch.uint8)
        if picture.dtype == torch.uint8:
            fitted[:, :, n] = _cover(picture, plan).float().div_(127.5).sub_(1.0)
        else:
            fitted[:, :, n] = _cover(picture, plan).clamp(-1, 1) if plan.resizes else picture
    return fitted


def resize_masks(masks: Tensor, plan: FitPlan) -> Tensor:
    """`(B, 1, T, H, W)` float32 of 0 and 1, through the same geometry as the frames.

    Scaled like the official mask video, bicubic on bytes, and 1 where the result exceeds one half.

    Args:
        masks: `(T, H, W)` or `(B, 1, T, H, W)` in 0..1, 1 = generate, 0 = keep. One frame counts for the whole clip.
        plan: Made for the clip that the masks belong to.

    Raises:
        ShapeError: the masks are not laid out like this, or are not those of the plan's clip.
        InputError: a value lies outside 0..1.
    """
    if masks.ndim == 3:
        masks = masks[None, None]
    length = 1 if masks.ndim == 5 and masks.shape[2] == 1 else plan.source_frames
    _check_clip(tuple(masks.shape), (1, length, plan.source_height, plan.source_width), "masks", 1)
    masks = masks.float()
    low, high = masks.min().item(), masks.max().item()
    if not (low >= 0 and high <= 1):
        raise InputError(
            "mask-values",
            "The masks reach from {low:g} to {high:g}. A mask needs values between 0 (keep) and 1 (generate). "
            "Divide it by its largest value.",
            low=low,
            high=high,
        )
    _check_room(plan, len(masks), _MASK_BYTES, "mask")
    # Three channels, since the byte kernel for pictures rounds differently from the one for a single channel.
    levels = (masks * 255).round().to(torch.uint8).expand(-1, 3, -1, -1, -1)
    fitted = [_cover(levels[:, :, i], plan)[:, :1] for i in (plan.indices if length > 1 else (0,))]
    kept = torch.stack(fitted, dim=2) > 127
    return kept.float().expand(-1, -1, plan.num_frames, -1, -1).contiguous()


def _check_room(plan: FitPlan, batch: int, pixel: int, what: str) -> None:
    """Accepts a result of `pixel` bytes a pixel, and one frame on its way there, if they fit into memory."""
    on_its_way = 2 * FRAMES * math.prod(plan.scaled_size) if plan.resizes else 0
    needed = batch * (plan.num_frames * plan.height * plan.width * pixel + on_its_way)
    check_room(needed, f"The fitted {what}", frames=plan.num_frames, height=plan.height, width=plan.width)


def _check_clip(shape: tuple[int, ...], expected: tuple[int, ...], name: str, batch_axes: int) -> None:
    if len(shape) != len(expected) + batch_axes or shape[batch_axes:] != expected or 0 in shape:
        needed = ", ".join(["B"] * batch_axes + [str(n) for n in expected])
        raise ShapeError(
            "plan-of-another-clip",
            "The {name} have the shape {shape}. This plan was made for ({needed}). Plan again for the clip "
            "that is fitted, or pass {name} of that length and size.",
            name=name,
            shape=shape,
            needed=needed,
        )


def _cover(pictures: Tensor, plan: FitPlan) -> Tensor:
    """`(N, C, H, W)` bytes or numbers, scaled to cover the result and cropped to its centre."""
    if not plan.resizes:
        return pictures
    scaled = functional.interpolate(pictures, size=plan.scaled_size, mode="bicubic", antialias=True)
    crop = plan.crop
    return scaled[:, :, crop.top : crop.bottom, crop.left : crop.right]
