"""The masks of a clip, brought to what the model gets of it and to the clip itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import ShapeError
from .fitted import Fitted, Source
from .resizing import resize_frames, resize_masks


def fit_mask(masks: Tensor, fitted: Fitted, *, name: str = "mask") -> tuple[Tensor, tuple[str, ...]]:
    """The masks `(1, 1, T, H, W)` of a fitted clip, 0 or 1, and what is to be known of them.

    Args:
        masks: `(T, H, W)` in 0..1, or uint8 0..255; the largest value = generate. Of the whole source, or one frame
            that counts for all. Another size of the same shape is scaled.
        fitted: The clip they belong to.
        name: What messages call them.

    Raises:
        ShapeError: they have another shape or length than the source.
        InputError: a value lies outside 0..1.
    """
    masks, notes = clip_mask(masks, fitted.source, name=name)
    if len(masks) > 1:
        masks = masks[fitted.begin : fitted.begin + fitted.plan.source_frames]
    return resize_masks(masks, fitted.plan), notes


def fit_levels(levels: Tensor, fitted: Fitted) -> Tensor:
    """A soft mask `(T, H, W)` uint8 of the shape of a clip, scaled and cropped as the clip is; any other as it is."""
    source, plan, (count, height, width) = fitted.source, fitted.plan, levels.shape
    stored, shown = (is_alike((height, width), source.shape[1:], aspect) for aspect in (1.0, source.aspect))
    if (height, width) == fitted.size or not (stored or shown):
        return levels
    if count == source.shape[0]:
        levels = levels[fitted.begin : fitted.begin + plan.source_frames]
    indices = plan.shown if len(levels) == plan.source_frames else tuple(range(len(levels)))
    plan = replace(
        plan, source_frames=len(levels), source_height=height, source_width=width, indices=indices, padding=0,
        aspect=source.aspect if stored else 1.0,
    )  # fmt: skip
    as_pictures = levels[..., None].expand(-1, -1, -1, 3)
    return ((resize_frames(as_pictures, plan)[0, 0] + 1) * 127.5).round().to(torch.uint8)


def clip_mask(masks: Tensor, source: Source, *, name: str = "mask") -> tuple[Tensor, tuple[str, ...]]:
    """The masks `(T, H, W)` of a clip at its own size, numbers like those that came, and what is to be known of them.

    Args:
        masks: As `fit_mask`.
        source: The clip that they belong to.
        name: What messages call them.

    Raises:
        ShapeError: they have another shape or length than the source.
    """
    notes, (count, height, width) = list[str](), masks.shape
    total, *size = source.shape
    if count not in (1, total):
        raise ShapeError(
            "mask-length",
            "The {name} has {count} frames, the {clip} {total}. One frame for all, or as many frames as the "
            "clip has, are needed. Use the mask of this clip.",
            name=name,
            count=count,
            clip=source.called,
            total=total,
        )
    if [height, width] != size:
        _check_shape((height, width), (size[0], size[1]), source.aspect, name, source.called)
        masks = torch.stack([_scaled(mask, (size[0], size[1])) for mask in masks])
        notes.append(f"The {name} of {width} x {height} was scaled to its clip's {size[1]} x {size[0]}.")
    return masks, (*notes, *said_of_levels(masks, name=name))


def said_of_levels(masks: Iterable[Tensor], *, name: str = "mask") -> tuple[str, ...]:
    """What is to be known of the levels of masks, each `(H, W)` in 0..1, or uint8 0..255."""
    brightest, soft = 0.0, False
    for mask in masks:
        most = 255 if mask.dtype == torch.uint8 else 1
        brightest = max(brightest, float(mask.max()) / most)
        soft = soft or bool(((mask > 0) & (mask < most)).any())
    if 0 < brightest <= 0.5:
        return (
            f"The {name} is nowhere brighter than {brightest:.1%} of white, and only what is above one half is "
            "generated: nothing is. Paint it white, without colour.",
        )
    return (f"The {name} has soft values: above one half is generated.",) if soft else ()


def _scaled(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """One mask `(H, W)` at another size."""
    as_bytes = mask.dtype == torch.uint8
    numbers = mask.float() / 255 if as_bytes else mask
    scaled = functional.interpolate(numbers[None, None], size=size, mode="bilinear", align_corners=False)
    scaled = scaled[0, 0].clamp(0, 1)
    return (scaled * 255).round().to(torch.uint8) if as_bytes else scaled


def _check_shape(mask: tuple[int, int], size: tuple[int, int], aspect: float, name: str, clip: str) -> None:
    """Accepts a mask `(H, W)` that has the shape of the clip, as it is stored or as it is shown."""
    if is_alike(mask, size, 1.0) or is_alike(mask, size, aspect):
        return
    raise ShapeError(
        "mask-aspect",
        "The {name} is {width} x {height} pixels, the {clip} {clip_width} x {clip_height}, which is "
        "another aspect ratio. The mask must have that of its clip. Make it from this clip, or resize it.",
        name=name,
        width=mask[1],
        height=mask[0],
        clip=clip,
        clip_width=size[1],
        clip_height=size[0],
    )


def is_alike(mask: tuple[int, int], size: tuple[int, int], aspect: float) -> bool:
    """Whether a mask `(H, W)` has the shape of a clip of pixels that are so wide, up to one pixel of either."""
    scale = size[1] * aspect / mask[1]
    return abs(mask[0] * scale - size[0]) <= max(scale, 1.0)
