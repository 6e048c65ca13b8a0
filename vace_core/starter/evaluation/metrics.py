"""Numbers for how well a clip does what was asked: pure functions of pixels and truth, the same every time.

`frames` are `(1, 3, T, H, W)` in -1..1, what is `found` is `(T, H, W)` bool. NaN means that there is nothing to
measure.
A frame in which the object is missing counts as a miss, never as left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ...inputs.masks import mask_overlap
from .objects import boxes_of, centres_of, coloured, largest, motion

MISSED = 0.5  # of the frame: as far as a blind guess is off on average
_FAST = 0.5  # pixels per frame from which on something moves
_TRAVEL = 0.08  # of the frame: less is no direction


def box_iou(found: Tensor, boxes: Tensor) -> float:
    """Mean overlap, 0..1, of the found boxes with `boxes` `(T, 4)` as far as these lie in the frame."""
    height, width = found.shape[1:]
    most = torch.tensor([width, height, width, height])
    ours, theirs = boxes_of(found).nan_to_num(0), boxes.clamp(min=0).minimum(most)
    low, high = torch.maximum(ours[:, :2], theirs[:, :2]), torch.minimum(ours[:, 2:], theirs[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = sum((box[:, 2:] - box[:, :2]).clamp(min=0).prod(1) for box in (ours, theirs)) - shared
    return float((shared / union).nan_to_num(0).mean())


def centre_error(found: Tensor, boxes: Tensor) -> float:
    """Mean distance of the found boxes' centres from those of `boxes` `(T, 4)`, in sides of the frame.

    0.5 where nothing is found.
    """
    size = torch.tensor(found.shape[:0:-1])
    ours, theirs = ((box[:, :2] + box[:, 2:]) / 2 / size for box in (boxes_of(found), boxes))
    return float((ours - theirs).norm(dim=1).nan_to_num(MISSED).mean())


def mask_iou(found: Tensor, masks: Tensor) -> float:
    """Mean overlap, 0..1, with the true `masks` `(T, H, W)` over the frames in which there is something to find."""
    each = [mask_overlap(ours, theirs) for ours, theirs in zip(found, masks > 0, strict=True) if theirs.any()]
    return sum(each) / len(each) if each else math.nan


def direction_agreement(frames: Tensor, flow: Tensor) -> float:
    """Mean cosine, -1..1, between the motion seen in `frames` and the true `flow`, where that moves; still = 0."""
    moving = flow.norm(dim=0) > _FAST
    if not moving.any():
        return math.nan
    seen = motion(frames)
    cosine = functional.cosine_similarity(seen, flow, dim=0) * (seen.norm(dim=0) > 0.1)
    return float(cosine[moving].mean())


def are_present(frames: Tensor, colours: Sequence[str]) -> float:
    """The share of `colours`, 0..1, that are seen as an object in at least half of the frames."""
    seen = [float(largest(coloured(frames, name)).flatten(1).any(1).float().mean()) >= 0.5 for name in colours]
    return sum(seen) / len(seen) if seen else math.nan


def direction_of(found: Tensor) -> str | None:
    """ "right", "left", "up" or "down": where what was found goes from the first frames to the last; None = nowhere."""
    centres = centres_of(found)
    seen = centres[~centres.isnan().any(1)]
    if len(seen) < 2:
        return None
    # The ends are means of a few frames, so that one bad frame does not decide.
    few = max(len(seen) // 5, 1)
    across, down = (seen[-few:].mean(0) - seen[:few].mean(0)).tolist()
    if max(abs(across), abs(down)) < _TRAVEL:
        return None
    if abs(across) > abs(down):
        return "right" if across > 0 else "left"
    return "down" if down > 0 else "up"
