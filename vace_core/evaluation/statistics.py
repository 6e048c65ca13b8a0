"""Means with confidence intervals, by the bootstrap: no shape is assumed of what few clips show."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DRAWS, COVERED = 2000, 0.95
Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A number with its 95 % confidence interval.

    Attributes:
        value: The mean, or another statistic.
        low: Lower end; None with fewer than two clips, of which nothing can be said.
        high: Upper end.
        count: Clips.
    """

    value: float
    low: float | None
    high: float | None
    count: int

    def text(self, scale: float = 1.0, digits: int = 2) -> str:
        """ "71.54 (70.10 to 72.98)", or the number alone."""
        value, low, high = (
            None if one is None else f"{one * scale:.{digits}f}" for one in (self.value, self.low, self.high)
        )
        return f"{value}" if low is None else f"{value} ({low} to {high})"


def mean(values: Sequence[float]) -> Summary | None:
    """Their mean with its interval; None of none. NaN does not count."""
    known = np.array([value for value in values if not math.isnan(value)], dtype=np.float64)
    return summarise(known[:, None], lambda rows: rows.mean(axis=1)[:, 0]) if len(known) else None


def summarise(rows: Numbers, statistic: Callable[[Numbers], Numbers], *, seed: int = 0) -> Summary:
    """A statistic of clips with its interval: clips are drawn again with replacement, rows and all.

    Args:
        rows: `(clips, numbers)`.
        statistic: `(draws, clips, numbers)` → `(draws,)`.
        seed: Of the draws; the same rows give the same interval.
    """
    count = len(rows)
    value = float(statistic(rows[None])[0])
    if count < 2:
        return Summary(value=value, low=None, high=None, count=count)
    dice = np.random.default_rng(seed)
    drawn = statistic(rows[dice.integers(0, count, (DRAWS, count))])
    rest = 100 * (1 - COVERED) / 2
    low, high = (float(np.percentile(drawn, at)) for at in (rest, 100 - rest))
    return Summary(value=value, low=low, high=high, count=count)
