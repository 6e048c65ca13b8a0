"""Noise levels: which sigmas a job visits. 1 is pure noise, 0 is the picture.

Source: Wan-Video/Wan2.1, wan/utils/fm_solvers.py and fm_solvers_unipc.py.
"""

from __future__ import annotations

from .errors import InputError


def shift_sigma(sigma: float, shift: float) -> float:
    """Moves a noise level (0..1) towards 1 for `shift` > 1, so that more steps are spent where there is much noise."""
    return shift * sigma / (1 + (shift - 1) * sigma)


def sigmas(steps: int, shift: float, *, first: float = 1.0) -> list[float]:
    """`steps` + 1 noise levels from (the shifted) `first` down to 0.

    Args:
        steps: Denoising steps, ≥ 1.
        shift: > 0; 1 = evenly spaced. Wan VACE is run with 16 (paper's settings) down to 3.
        first: Unshifted level of the first step, 0..1. The official UniPC starts at 0.999, the official DPM++ at 1.

    Raises:
        InputError: a value out of range.
    """
    if steps < 1:
        raise InputError(f"The number of steps is {steps}. At least 1 is needed. Set steps, e.g. to 20.")
    if not shift > 0:
        raise InputError(f"The shift is {shift}. A number above 0 is needed. Set shift, e.g. to 5.")
    return [shift_sigma(first * (steps - index) / steps, shift) for index in range(steps)] + [0.0]


def percent_to_sigma(percent: float, shift: float) -> float:
    """The noise level at which `percent` (0..1) of the schedule is behind; beyond both ends, a level no step reaches.

    Raises:
        InputError: `percent` is not within 0..1.
    """
    if not 0.0 <= percent <= 1.0:
        raise InputError(
            f"The percent is {percent}. A number from 0 (start) to 1 (end) is needed. Set it within these."
        )
    if percent == 0.0:
        return 1.0
    return -1.0 if percent == 1.0 else shift_sigma(1.0 - percent, shift)
