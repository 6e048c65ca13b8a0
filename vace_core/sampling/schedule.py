"""The noise schedule: which sigmas a job visits. 1 is pure noise, 0 is the clean latents.

Source: Wan-Video/Wan2.1, wan/utils/fm_solvers.py and fm_solvers_unipc.py; Lightricks/LTX-Video, schedulers/rf.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..checks.numbers import check_number, check_whole

BASE_TOKENS = 1024


def shift_sigma(sigma: float, shift: float) -> float:
    """Moves a noise level (0..1) towards 1 for `shift` > 1, so that more steps are spent where there is much noise."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def sigmas(steps: int, shift: float, *, first: float = 1.0) -> list[float]:
    """`steps` + 1 noise levels from (the shifted) `first` down to 0.

    Args:
        steps: Denoising steps, ≥ 1.
        shift: > 0; 1 = evenly spaced. Wan VACE is run with 16 (paper's settings) down to 3.
        first: Unshifted level of the first step, 0..1; `Solver.first`. The official UniPC starts at 0.999, DPM++ at 1.

    Raises:
        InputError: a value out of range.
    """
    check_whole("The number of steps", steps, least=1)
    check_number("The shift", shift, above=0)
    # Added up as the official code does it, so that no level comes to the other side of a whole timestep.
    return [shift_sigma(first + index * (-first / steps), shift) for index in range(steps)] + [0.0]


def percent_to_sigma(percent: float, shift: float) -> float:
    """The noise level at which `percent` (0..1) of the schedule is behind: 1 at the start, 0 at the end.

    Raises:
        InputError: `percent` is not within 0..1.
    """
    check_number("The percent", percent, least=0, most=1)
    return shift_sigma(1.0 - percent, shift)


def sigma_to_percent(sigma: float, shift: float) -> float:
    """How much (0..1) of the schedule is behind at a noise level (0..1); `percent_to_sigma` turned round."""
    return 1.0 - shift_sigma(sigma, 1.0 / shift)


def found_percent(percent_to_sigma: Callable[[float], float], sigma: float) -> float:
    """How much (0..1) of a schedule is behind at a noise level, where only the way back is known: it is searched for.

    Args:
        percent_to_sigma: How much is behind → the noise level, which falls.
        sigma: The noise level, which may come in single precision.

    Returns:
        It to five digits, so that the edge of a curve that a level lies on is met.
    """
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if percent_to_sigma(middle) > sigma else (low, middle)
    return round(high, 5)


def grown_shift(shift: float, growth: float, tokens: int) -> float:
    """The shift for a clip of `tokens`, where `shift` is the one for 1024: longer and larger clips need more noise."""
    return shift * math.exp(growth * (tokens - BASE_TOKENS))


@dataclass(frozen=True, kw_only=True)
class NoiseSchedule:
    """The noise levels of one job.

    Attributes:
        steps: Denoising steps, ≥ 1.
        shift: > 0; 1 = evenly spaced.
        first: Unshifted level of the first step, 0..1.
        terminal: Level 0..1 at which the last of several steps begins, to which the others are stretched; 0 = where
            the shift puts it.
        denoise: Part of the schedule, above 0 to 1, that is gone through: the last one, in `steps` steps.
        levels: Noise levels that are gone through instead; () = those of the schedule.
    """

    steps: int
    shift: float
    first: float = 1.0
    terminal: float = 0.0
    denoise: float = 1.0
    levels: tuple[float, ...] = ()

    def sigmas(self) -> list[float]:
        """`steps` + 1 noise levels down to 0, or `levels`. Raises as the function of this name."""
        if self.levels:
            return list(self.levels)
        levels = sigmas(self._all_steps, self.shift, first=self.first)[:-1]
        return [*map(self._stretched, levels[-self.steps :]), 0.0]

    @property
    def _all_steps(self) -> int:
        """Steps of the whole schedule; as many as ComfyUI's samplers take."""
        return max(int(self.steps / self.denoise), self.steps)

    def at(self, percent: float) -> float:
        """The noise level at which `percent` (0..1) of the schedule is behind. Raises as `percent_to_sigma`."""
        level = percent_to_sigma(percent, self.shift)
        return self._stretched(level) if 0.0 < percent < 1.0 else level

    def behind(self, level: float) -> float:
        """How much (0..1) of the schedule is behind at a noise level (0..1); `at` turned round."""
        if self._stretches:
            level = 1 - (1 - level) * (1 - self._last) / (1 - self.terminal)
        return sigma_to_percent(level, self.shift)

    def _stretched(self, level: float) -> float:
        return 1 - (1 - level) * (1 - self.terminal) / (1 - self._last) if self._stretches else level

    @property
    def _stretches(self) -> bool:
        """A single step begins where all begins, at noise, whatever level the last of several would begin at."""
        return self.terminal > 0 and self._all_steps > 1 and self._last != 1.0

    @property
    def _last(self) -> float:
        """The level at which the last step begins, before levels are stretched."""
        return shift_sigma(self.first / self._all_steps, self.shift)
