"""Boxes around what a mask covers, for editing that part of the frame alone: one box, or one that follows the mask."""

from __future__ import annotations

import torch
from torch import Tensor

from ..checks.numbers import check_number
from ..errors import InputError
from ..geometry import Box
from .masks import bounds

SMOOTH = 6.0  # frames: how slowly a box follows, the deviation of a bell curve


def crop_boxes(masks: Tensor, *, margin: float = 0.5, step: int = 16, follow: bool = False) -> tuple[Box, ...]:
    """The boxes that hold all of a mask with some surrounding, all of one size.

    Args:
        masks: `(T, H, W)` bool, True = generate.
        margin: Surrounding on each side, as a ratio of the mask's own side, ≥ 0; cut at the edges of the frame.
        step: What both sides are multiples of, wherever the frame has room for that.
        follow: A box for each frame, that follows the mask smoothly; otherwise one box holds it in all frames.

    Returns:
        One box, or with `follow` as many as frames.

    Raises:
        InputError: nothing is masked, or the margin is no number or below 0.
    """
    check_number("The crop margin", margin, least=0)
    bounds = _bounds(masks)
    if not follow or len(masks) == 1:
        low, high = bounds[:, 0].amin(0, keepdim=True), bounds[:, 1].amax(0, keepdim=True)
        bounds = torch.stack([low, high], dim=1)
    centres = _smoothed(bounds.mean(1))
    # From the centre to the farthest edge of any frame, so that a box that follows late still holds all of it.
    reach = torch.maximum(bounds[:, 1] - centres, centres - bounds[:, 0])
    around = margin * (bounds[:, 1] - bounds[:, 0])
    frame = torch.tensor(masks.shape[1:])
    wanted = (2 * (reach + around)).amax(0) + (len(bounds) > 1)  # places are rounded to whole pixels
    size = [_side(float(side), int(most), step) for side, most in zip(wanted, frame, strict=True)]
    tops, lefts = (
        (centres[:, axis] - size[axis] / 2).round().long().clamp(0, int(frame[axis]) - size[axis]).tolist()
        for axis in (0, 1)
    )
    return tuple(Box(left, top, left + size[1], top + size[0]) for top, left in zip(tops, lefts, strict=True))


def crop_masks(masks: Tensor, boxes: tuple[Box, ...]) -> Tensor:
    """`(T, h, w)`, of masks `(T, H, W)` the part inside the boxes; T is that of the longer of the two."""
    count = max(len(masks), len(boxes))
    return torch.stack([
        masks[n if len(masks) > 1 else 0, box.top : box.bottom, box.left : box.right]
        for n, box in enumerate(boxes if len(boxes) > 1 else boxes * count)
    ])  # fmt: skip


def _bounds(masks: Tensor) -> Tensor:
    """`(T, 2, 2)` float64: first and last edge of each mask, in rows and columns; an empty one has its nearest's."""
    places = [n for n, mask in enumerate(masks) if mask.any()]
    if not places:
        raise InputError(
            "nothing-to-generate",
            "The mask keeps every pixel of every frame. At least one pixel to generate (mask 1, white) is "
            "needed. Invert the mask if it is the wrong way round.",
        )
    boxes = [bounds(masks[n].numpy()) for n in places]
    found = torch.tensor([[[box.top, box.left], [box.bottom, box.right]] for box in boxes], dtype=torch.float64)
    distances = (torch.arange(len(masks))[:, None] - torch.tensor(places)[None]).abs()
    return found[distances.argmin(1)]


def _smoothed(centres: Tensor) -> Tensor:
    """`(T, 2)` averaged over neighbouring frames; what goes on evenly is left as it is, at the ends too."""
    count = len(centres)
    before, after = 2 * centres[:1] - centres[1:].flip(0), 2 * centres[-1:] - centres[:-1].flip(0)
    longer = torch.cat([before, centres, after])
    places = torch.arange(len(longer), dtype=torch.float64)
    away = (places[count - 1 : 2 * count - 1, None] - places[None]).abs()
    weights = torch.exp(-0.5 * (away / SMOOTH) ** 2) * (away < count)  # as many on both sides
    return weights @ longer / weights.sum(1, keepdim=True)


def _side(wanted: float, most: int, step: int) -> int:
    """A side in pixels that holds what is wanted: a multiple of the step, or all of the frame."""
    side = max(-int(-wanted // step) * step, step)
    return side if side <= most else most
