"""Which of the world's shapes an outline is, however it is turned."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from ..scenes.shapes import SHAPES
from .objects import silhouette, vivid

__all__ = ["shape_of", "shape_scores", "vivid"]

_TURNS = 24
_NAMES = tuple(SHAPES)


def shape_of(found: Tensor) -> str | None:
    """The shape that the outlines of all frames `(T, H, W)` fit best, in any turn; None where nothing is found."""
    scores = shape_scores(found)
    return None if scores is None else max(scores, key=lambda name: scores[name])


def shape_scores(found: Tensor) -> dict[str, float] | None:
    """How well each shape fits, 0..1: overlap in its best turn, mean over the frames; an empty one counts as 0.

    Frames in which the outline is cut off by the border do not count, unless all are.
    """
    whole = found[~_cut_off(found)]
    found = whole if whole.any() else found
    normal = [one for one in map(silhouette, found) if one is not None]
    if not normal:
        return None
    ours = torch.stack(normal).flatten(1).float()
    models = _models()
    shared = ours @ models.T
    union = ours.sum(1)[:, None] + models.sum(1)[None] - shared
    fits = (shared / union).unflatten(1, (len(_NAMES), _TURNS)).amax(2).mean(0) * (len(normal) / len(found))
    return dict(zip(_NAMES, fits.tolist(), strict=True))


def _cut_off(found: Tensor) -> Tensor:
    """`(T,)`: whether what was found touches the border of the frame."""
    return found[:, [0, -1]].flatten(1).any(1) | found[:, :, [0, -1]].flatten(1).any(1)


@lru_cache(maxsize=1)
def _models() -> Tensor:
    """`(shapes · turns, 64 · 64)`: every shape in its normal form, in every turn."""
    axis = (torch.arange(128) + 0.5 - 64) / 58
    rows: list[Tensor] = []
    for shape in _NAMES:
        for turn in torch.arange(_TURNS) * (2 * torch.pi / _TURNS):
            x, y = axis[None, :], axis[:, None]
            inside = SHAPES[shape](turn.cos() * x + turn.sin() * y, turn.cos() * y - turn.sin() * x) <= 0
            normal = silhouette(inside)
            assert normal is not None
            rows.append(normal.flatten().float())
    return torch.stack(rows)
