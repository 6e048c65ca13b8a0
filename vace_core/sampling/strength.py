"""Where and when a condition acts: factors on the hints of an adapter that multiply."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..checks.numbers import check_finite, check_number
from ..errors import InputError, ShapeError
from ..geometry import Grid
from ..vcu import VideoConditionUnit

SAME_SHAPE = 0.05  # relative difference of width to height: a fit to a model cuts off that little

Curve = tuple[tuple[float, float], ...]
"""Points (place 0..1, factor ≥ 0), their places rising: straight lines between them, and as the first and last point
beyond those. No points = 1 everywhere."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Strength:
    """How strongly a condition acts: in which steps, blocks, frames and places, and how strongly its references do.

    All factors are ≥ 0 and multiply; 1 = as trained. A hint is added in full, in part or not at all. What the base
    itself carries from one place to another, by its attention, no factor touches.

    Attributes:
        overall: On everything.
        steps: Over the schedule: 0 = its start (pure noise), 1 = its end.
        blocks: One for each context block of the adapter; none = 1 for all. Blocks after the last one that is not 0 are
            not computed.
        frames: Over the frames of the video, 0 = the first, 1 = the last; a latent frame counts by the middle of its
            frames. References are no frames.
        space: `(1, 1, 1 or T, H, W)` in 0..1, of the video's shape, such as a mask with soft edges: the mean over the
            pixels of a token. One frame counts for all; without those for the padding, the last goes on. References
            are not touched. None = 1 everywhere.
        references: One for each reference, in order; where there are more references, the last counts for them. None
            = 1 for all. The references are in the first tokens, so this is what keeps them out of the first frames.

    Raises:
        InputError: a factor or a point out of range.
        ShapeError: `space` is no mask.
    """

    overall: float = 1.0
    steps: Curve = ()
    blocks: tuple[float, ...] = ()
    frames: Curve = ()
    space: Tensor | None = None
    references: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_number("The strength", self.overall, least=0)
        for name, factors in (("of block", self.blocks), ("of reference", self.references)):
            for number, factor in enumerate(factors, start=1):
                check_number(f"The strength {name} {number}", factor, least=0)
        for name, curve in (("the steps", self.steps), ("the frames", self.frames)):
            _check_curve(curve, name)
        if self.space is not None:
            if self.space.dim() != 5 or tuple(self.space.shape[:2]) != (1, 1):
                raise ShapeError(
                    "strength-space",
                    "The strength over space has shape {shape}. (1, 1, 1 or T, H, W) is needed. Give one mask of the "
                    "video's size.",
                    shape=tuple(self.space.shape),
                )
            check_finite(self.space, "The strength over space", "Give a mask of 0..1")
            low, high = (float(value) for value in torch.aminmax(self.space))
            check_number("The strength over space", low, least=0, most=1)
            check_number("The strength over space", high, least=0, most=1)

    def at(self, percent: float) -> float:
        """The factor of the steps at which `percent` (0..1) of the schedule is behind."""
        return on_curve(self.steps, percent)

    def on_tokens(self, vcu: VideoConditionUnit, grid: Grid) -> Tensor | None:
        """`(1, L, 1)` float32: the factor of each token, references first; None where it is 1 for all of them.

        Args:
            vcu: Whose tokens.
            grid: Of the base.

        Raises:
            ShapeError: `space` is not of the video's shape or length.
        """
        if not self.frames and self.space is None and not self.references:
            return None
        t, h, w = grid.latent_size(vcu.num_frames, vcu.height, vcu.width)
        size = (h // grid.patch, w // grid.patch)
        ranges = [grid.frames_of(number) for number in range(t)]
        shown = vcu.shown_frames  # the last frame of the curve is the last that is seen, not one that fills the length
        middles = [(begin + max(min(end, shown) - 1, begin)) / 2 / max(shown - 1, 1) for begin, end in ranges]
        video = torch.tensor([on_curve(self.frames, middle) for middle in middles]).view(t, 1, 1).expand(t, *size)
        if self.space is not None:
            video = video * self._space_of(vcu, ranges, size)
        shares = self.references or (1.0,)
        pages = [shares[min(number, len(shares) - 1)] for number in range(vcu.num_references)]
        references = torch.tensor(pages).view(-1, 1, 1).expand(-1, *size)
        return torch.cat([references, video]).reshape(1, -1, 1)

    def _space_of(self, vcu: VideoConditionUnit, ranges: list[tuple[int, int]], size: tuple[int, int]) -> Tensor:
        assert self.space is not None
        frames, height, width = self.space.shape[2:]
        alike = abs(width / height / (vcu.width / vcu.height) - 1) <= SAME_SHAPE
        if not alike or frames not in (1, vcu.shown_frames, vcu.num_frames):
            raise ShapeError(
                "strength-space-size",
                "The strength over space has {frames} frames of {width} x {height} pixels, the video {num_frames} of "
                "{video_width} x {video_height}. One frame, or as many, of the video's shape are needed. Cut it to "
                "that.",
                frames=frames,
                width=width,
                height=height,
                num_frames=vcu.shown_frames,
                video_width=vcu.width,
                video_height=vcu.height,
            )
        levels = self.space[0, 0].float().cpu()
        if 1 < frames < vcu.num_frames:
            levels = torch.cat([levels, levels[-1:].expand(vcu.padding, -1, -1)])
        every = levels.expand(vcu.num_frames, -1, -1)
        means = torch.stack([every[begin:end].mean(0) for begin, end in ranges])
        return functional.adaptive_avg_pool2d(means, size)


def on_curve(curve: Curve, place: float) -> float:
    """The factor of `curve` at `place` (0..1)."""
    if not curve:
        return 1.0
    before = max((point for point in curve if point[0] <= place), default=curve[0])
    after = min((point for point in curve if point[0] >= place), default=curve[-1])
    if before[0] == after[0] or place < before[0]:
        return before[1]
    return before[1] + (after[1] - before[1]) * (place - before[0]) / (after[0] - before[0])


def _check_curve(curve: Curve, name: str) -> None:
    for place, factor in curve:
        check_number(f"A place on the curve over {name}", place, least=0, most=1)
        check_number(f"A factor on the curve over {name}", factor, least=0)
    places = [place for place, _ in curve]
    if places != sorted(places) or len(set(places)) < len(places):
        raise InputError(
            "curve-order",
            "The points of the curve over {name} lie at {places}. Rising places from 0 to 1 are needed. Sort them, "
            "and leave out doubles.",
            name=name,
            places=", ".join(f"{place:g}" for place in places),
        )


AS_TRAINED = Strength()
