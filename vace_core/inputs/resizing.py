"""Frames and masks brought to the length and size of a plan."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..checks.room import FRAMES, check_room
from ..errors import InputError, ShapeError
from ..media.files import pillow
from ..media.footage import Footage
from ..media.video import levels, stand_for_bytes
from .fitting import FitPlan

_MASK_BYTES = 10  # of a pixel of a fitted mask: one frame in three channels, whether it is kept, and the number twice


def resize_frames(frames: Tensor | Footage, plan: FitPlan) -> Tensor:
    """`(B, 3, T, H, W)` float32 in -1..1: the planned frames, scaled to cover and cropped to the centre.

    Args:
        frames: `(T, H, W, 3)` uint8 as decoded (B becomes 1), or `(B, 3, T, H, W)` in -1..1. Bytes, and numbers on
            the CPU that all stand for bytes, are scaled as bytes, so that the result equals the official processor's;
            other numbers are scaled as numbers, and clamped to -1..1 where bicubic overshoots. Frames that keep their
            size keep every value. Of a film the planned frames alone are decoded, a few at a time.
        plan: Made for a clip of this length and size.

    Raises:
        ShapeError: the frames are not laid out like this, or are not the clip of the plan.
    """
    if isinstance(frames, Footage):
        return _resize_film(frames, plan)
    as_bytes, size = frames.dtype == torch.uint8, _size_of(plan)
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
            fitted[:, :, n] = _bytes_fitted(picture, plan)
        else:
            fitted[:, :, n] = _cover(picture, plan).clamp(-1, 1) if plan.resizes else picture
    return fitted


def resize_masks(masks: Tensor, plan: FitPlan) -> Tensor:
    """`(B, 1, T, H, W)` float32 of 0 and 1, through the same geometry as the frames.

    Scaled like the official mask video, bicubic on bytes, and 1 where the result exceeds one half. Where the whole
    picture is scaled, to be put back, it is 1 wherever a pixel of it is, so that all of them are generated.

    Args:
        masks: `(T, H, W)` or `(B, 1, T, H, W)` in 0..1, or uint8 0..255; 1 or 255 = generate, 0 = keep. One frame
            counts for the whole clip.
        plan: Made for the clip that the masks belong to.

    Raises:
        ShapeError: the masks are not laid out like this, or are not those of the plan's clip.
        InputError: a value lies outside 0..1.
    """
    if masks.ndim == 3:
        masks = masks[None, None]
    length = 1 if masks.ndim == 5 and masks.shape[2] == 1 else plan.source_frames
    _check_clip(tuple(masks.shape), (1, length, plan.source_height, plan.source_width), "masks", 1)
    levels = masks if masks.dtype == torch.uint8 else _levels_of(masks)
    _check_room(plan, len(masks), _MASK_BYTES, "mask")
    fitted = [_mask_fitted(levels[:, :, i], plan) for i in (plan.indices if length > 1 else (0,))]
    return torch.stack(fitted, dim=2).float().expand(-1, -1, plan.num_frames, -1, -1).contiguous()


def resize_part(picture: Tensor, box: tuple[float, float, float, float], size: tuple[int, int]) -> Tensor:
    """`(3, H, W)` float32 in -1..1 on the CPU: a part of a picture `(3, h, w)`, scaled by Lanczos.

    Args:
        picture: In -1..1.
        box: Left, top, right and bottom of the part, in pixels of the picture and fractions of them.
        size: `(H, W)` of the result.
    """
    left, top, right, bottom = (int(edge) for edge in box)
    if (float(left), float(top), float(right), float(bottom)) == box and size == (bottom - top, right - left):
        return picture[:, top:bottom, left:right].detach().cpu().float()
    image, scaled = pillow(), torch.empty(3, *size)
    for channel, plane in enumerate(picture.detach().cpu().float().numpy()):
        whole = image.fromarray(np.ascontiguousarray(plane))
        lanczos = whole.resize((size[1], size[0]), image.Resampling.LANCZOS, box=box)
        scaled[channel] = torch.from_numpy(np.array(lanczos))
    return scaled.clamp_(-1, 1)


def resize_parts(frames: Tensor, box: tuple[float, float, float, float], size: tuple[int, int]) -> Tensor:
    """`(1, 3, n, H, W)`: the same part of every frame of `(1, 3, n, h, w)`, as `resize_part`."""
    return torch.stack([resize_part(frame, box, size) for frame in frames[0].unbind(1)], dim=1)[None]


def _levels_of(masks: Tensor) -> Tensor:
    """Numbers in 0..1 as bytes."""
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
    return (masks * 255).round().to(torch.uint8)


def _mask_fitted(levels: Tensor, plan: FitPlan) -> Tensor:
    """`(B, 1, h, w)` bool of one frame `(B, 1, H, W)` of bytes."""
    if plan.whole:
        return functional.adaptive_max_pool2d((levels > 127).float(), (plan.height, plan.width)) > 0
    # Three channels, since the byte kernel for pictures rounds differently from the one for a single channel.
    return _cover(levels.expand(-1, 3, -1, -1), plan)[:, :1] > 127


def film_frames(film: Footage, plan: FitPlan) -> Iterator[Tensor]:
    """The planned frames of a film one by one, `(1, 3, h, w)` in -1..1, none decoded twice.

    Raises:
        ShapeError: the film is not the clip of the plan.
        InputError: a frame cannot be decoded.
    """
    _check_clip((film.count, film.height, film.width), _size_of(plan), "frames", 0)
    for chunk in film.chunks(indices=plan.indices):
        for picture in chunk.frames:
            yield _bytes_fitted(picture.permute(2, 0, 1)[None], plan)


def _resize_film(film: Footage, plan: FitPlan) -> Tensor:
    """As `resize_frames`, chunk by chunk."""
    _check_room(plan, 1, FRAMES, "clip")
    fitted = torch.empty(1, 3, plan.num_frames, plan.height, plan.width)
    for n, picture in enumerate(film_frames(film, plan)):
        fitted[:, :, n] = picture
    return fitted


def _bytes_fitted(picture: Tensor, plan: FitPlan) -> Tensor:
    return _cover(picture, plan).float().div_(127.5).sub_(1.0)


def _size_of(plan: FitPlan) -> tuple[int, int, int]:
    return plan.source_frames, plan.source_height, plan.source_width


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
