"""The whole video that a clip is part of: the frames before it, the generated clip, the frames after it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from ..inputs.fitted import Fitted
from ..inputs.fitting import FitPlan
from ..inputs.resizing import film_frames, resize_frames
from ..media.footage import Footage
from ..media.video import to_uint8

PIECE = 16  # frames fitted at once: what a scaled frame takes in between is not held for a whole film


@dataclass(frozen=True, kw_only=True, eq=False)
class Rest:
    """The frames of a clip that the model is not shown, decoded or scaled when they are used: a video can be long.

    Attributes:
        pictures: The whole clip: a film, or `(T, H, W, 3)` uint8.
        plan: Which of its frames are the rest, fitted with the geometry of those that the model is shown.
    """

    pictures: Tensor | Footage
    plan: FitPlan

    def write_to(self, film: Tensor) -> None:
        """Fills `film` `(T, H, W, 3)` uint8, T the frames of the plan."""
        if isinstance(self.pictures, Footage):
            for n, picture in enumerate(film_frames(self.pictures, self.plan)):
                film[n] = to_uint8(picture[:, :, None])[0]
            return
        indices = self.plan.indices
        for begin in range(0, len(indices), PIECE):
            piece = replace(self.plan, indices=indices[begin : begin + PIECE])
            film[begin : begin + PIECE] = to_uint8(resize_frames(self.pictures, piece))


def rest_of(end: Fitted | None) -> Rest | None:
    """What the model is not shown of the end of a clip; None = nothing."""
    return None if end is None or end.rest is None else Rest(pictures=end.source.frames, plan=end.rest)


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
