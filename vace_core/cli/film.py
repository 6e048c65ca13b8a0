"""The whole video that a clip is part of: the frames before it, the generated clip, the frames after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..inputs import fitting
from ..inputs.fitting import FitPlan
from ..media.video import Clip, to_uint8

PIECE = 16  # frames fitted at once: what a scaled frame takes in between is not held for a whole film


@dataclass(frozen=True, kw_only=True, eq=False)
class Rest:
    """The frames of a clip that the model is not shown, in bytes until used: a video can be long.

    Attributes:
        pictures: `(T, H, W, 3)` uint8, the whole file as it was decoded.
        plan: Which of its frames are the rest, fitted with the geometry of those that the model is shown.
    """

    pictures: Tensor
    plan: FitPlan

    def write_to(self, film: Tensor) -> None:
        """Fills `film` `(T, H, W, 3)` uint8, T the frames of the plan."""
        indices = self.plan.indices
        for begin in range(0, len(indices), PIECE):
            piece = replace(self.plan, indices=indices[begin : begin + PIECE])
            film[begin : begin + PIECE] = to_uint8(fitting.apply(self.pictures, piece))


def rest_of(clip: Clip, begin: int, end: int, plan: FitPlan, fps: float) -> Rest:
    """The frames `begin` up to `end` of a clip, at a rate, fitted as `plan` fits others of it.

    At the clip's own rate every frame is taken once.
    """
    indices: tuple[int, ...] = ()
    if begin < end:
        start, stop = float(clip.times[begin, 0]), float(clip.times[end - 1, 1])
        # The frame that is on show in the middle of each step: at its edges two would be as near.
        middles = start + (torch.arange(round((stop - start) * fps), dtype=torch.float64) + 0.5) / fps
        indices = tuple(torch.searchsorted(clip.times[:, 1].contiguous(), middles).clamp(begin, end - 1).tolist())
    return Rest(pictures=clip.frames, plan=replace(plan, source_frames=len(clip.frames), indices=indices))


def joined(before: Rest | None, made: Tensor, after: Rest | None) -> Tensor:
    """The whole video in bytes, `(T, H, W, 3)` uint8: `made` `(1, 3, T, H, W)` in −1..1 with its rests around it."""
    clip = to_uint8(made)
    first, last = (0 if rest is None else rest.plan.num_frames for rest in (before, after))
    if not first + last:
        return clip
    end = first + len(clip)
    film = clip.new_empty(end + last, *clip.shape[1:])
    film[first:end] = clip
    if before is not None:
        before.write_to(film[:first])
    if after is not None:
        after.write_to(film[end:])
    return film
