"""Masks of objects through a clip, from the frames they were found in; and the filter on effective frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from ...geometry import Box
from .boxes import Found, Kept

Track: TypeAlias = Callable[[Tensor, Sequence[Box]], Tensor]
"""Frames `(T, H, W, 3)` uint8 and N boxes in the first of them → masks `(N, T, H, W)` bool."""


def tracked(track: Track, frames: Tensor, found: Sequence[Found]) -> Tensor:
    """Masks `(N, T, H, W)` bool of objects, each followed forwards and backwards from the frame it was found in.

    Args:
        track: What follows boxes.
        frames: `(T, H, W, 3)` uint8.
        found: N objects.
    """
    masks = torch.zeros(len(found), *frames.shape[:3], dtype=torch.bool)
    for frame in sorted({one.frame for one in found}):
        places = [place for place, one in enumerate(found) if one.frame == frame]
        boxes = [found[place].box for place in places]
        masks[places, frame:] = track(frames[frame:], boxes)
        if frame:
            before = track(frames[: frame + 1].flip(0), boxes)
            masks[places, :frame] = before[:, 1:].flip(1)
    return masks


def present(mask: Tensor, kept: Kept) -> float:
    """The effective frame ratio of a mask `(T, H, W)` bool: the part of the frames in which enough of it is seen."""
    return float((mask.float().mean((1, 2)) >= kept.visible).float().mean())
