"""The one check of numbers, for library, command and nodes: within a range, and finite where a network made them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

import torch
from torch import Tensor

from ..errors import InputError, shown


@dataclass(frozen=True, kw_only=True)
class Range:
    """Numbers that are allowed: `least` <= number <= `most`, and number > `above`; as text, "A number from 0 to 1"."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf
    whole: bool = False

    def __str__(self) -> str:
        bounded = -math.inf < self.most < math.inf
        kind = "A whole number" if self.whole else "A number" if bounded else "A finite number"
        low, high, over = (
            str(one) if isinstance(one, int) else f"{one:g}" for one in (self.least, self.most, self.above)
        )
        if self.above > -math.inf:
            return f"{kind} above {over}" if self.most == math.inf else f"{kind} above {over}, up to {high}"
        if self.most < math.inf:
            return f"{kind} from {low} to {high}" if self.least > -math.inf else f"{kind} of {high} or less"
        return f"{kind} of {low} or more" if self.least > -math.inf else kind


def check_number(
    what: str, value: object, *, least: float = -math.inf, most: float = math.inf, above: float = -math.inf
) -> None:
    """Validate that `value` is a finite number, also one of NumPy's, with `least` ≤ value ≤ `most` and value > `above`.

    Args:
        what: What the number is, as a sentence begins: "The shift", "Path 1, key 2: width".

    Raises:
        InputError: it is no number, NaN, infinite, or out of range.
    """
    if _is(value, Real) and _is_finite(value) and least <= value <= most and value > above:  # type: ignore[operator]
        return
    raise _refused(what, value, Range(least=least, most=most, above=above))


def check_whole(what: str, value: object, *, least: int, most: int | None = None) -> None:
    """Validate that `value` is a whole number with `least` ≤ value ≤ `most`; `what` as for `check_number`.

    Raises:
        InputError: it is no whole number, or out of range.
    """
    if _is(value, Integral) and value >= least and (most is None or value <= most):  # type: ignore[operator]
        return
    raise _refused(what, value, Range(least=least, most=math.inf if most is None else most, whole=True))


def check_finite(values: Tensor, step: str, cure: str) -> None:
    """Validate that a network made finite values.

    Args:
        values: What the network made.
        step: Which step of the job that was.
        cure: What helps, without a full stop.

    Raises:
        InputError: there are values that are not numbers.
    """
    if not bool(torch.isfinite(values).all()):
        raise InputError(
            "not-finite",
            "{step} gave values that are not numbers (NaN or infinite): the network overflowed, or its weights "
            "are damaged. Finite values are needed. {cure}.",
            step=step,
            cure=cure,
        )


def frame_named(text: str, num_frames: int) -> int:
    """The frame that a text names: counted from 0, or from the end where it is below 0; "L" is the last.

    Raises:
        ValueError: it is no whole number.
    """
    frame = -1 if text.strip().lower() == "l" else int(text)
    return frame + num_frames if -num_frames <= frame < 0 else frame


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # true and false are numbers to Python


def _is_finite(value: object) -> bool:
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond all that a computation can hold
        return False


def _refused(what: str, value: object, needed: Range) -> InputError:
    return InputError(
        "number-range",
        "{what} is {value}. {needed} is needed. Change it.",
        what=what,
        value=shown(value),
        needed=needed,
    )
