"""The whole video that a clip is part of: the frames before it, the generated clip, the frames after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from ..inputs.fitted import Fitted
from ..inputs.fitting import FitPlan
from ..inputs.resizing import film_frames, resize_frames
from ..media.footage import Footage
from ..media.joined import Frames, shape_of, taken
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

    def chunks(self) -> Iterator[Tensor]:
        """The frames in order, `(n, H, W, 3)` uint8."""
        if isinstance(self.pictures, Footage):
            for picture in film_frames(self.pictures, self.plan):
                yield to_uint8(picture[:, :, None])
            return
        indices = self.plan.indices
        for begin in range(0, len(indices), PIECE):
            yield to_uint8(resize_frames(self.pictures, replace(self.plan, indices=indices[begin : begin + PIECE])))


def rest_of(end: Fitted | None) -> Rest | None:
    """What the model is not shown of the end of a clip; None = nothing."""
    return None if end is None or end.rest is None else Rest(pictures=end.source.frames, plan=end.rest)


def joined(before: Rest | None, made: Frames, after: Rest | None) -> Iterator[Tensor]:
    """The whole video in chunks `(n, H, W, 3)` uint8: `made` with its rests around it."""
    if before is not None:
        yield from before.chunks()
    count = shape_of(made)[0]
    size = PIECE if isinstance(made, Footage) else count
    for begin in range(0, count, size):
        yield to_uint8(taken(made, begin, min(begin + size, count)))
    if after is not None:
        yield from after.chunks()
