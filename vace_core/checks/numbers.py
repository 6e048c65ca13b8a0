"""The one check of numbers, for library, command and nodes: within a range, and finite where a network made them."""

from __future__ import annotations

import math
from numbers import Integral, Real

import torch
from torch import Tensor

from ..errors import InputError, shown


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
    kind = "A number" if -math.inf < most < math.inf else "A finite number"
    raise _refused(what, value, f"{kind}{_range(least, most, above)}")


def check_whole(what: str, value: object, *, least: int, most: int | None = None) -> None:
    """Validate that `value` is a whole number with `least` ≤ value ≤ `most`; `what` as for `check_number`.

    Raises:
        InputError: it is no whole number, or out of range.
    """
    if _is(value, Integral) and value >= least and (most is None or value <= most):  # type: ignore[operator]
        return
    raise _refused(what, value, f"A whole number{_range(least, math.inf if most is None else most)}")


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
            f"{step} gave values that are not numbers (NaN or infinite): the network overflowed, or its weights are "
            f"damaged. Finite values are needed. {cure}."
        )


def _is(value: object, kind: type) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # true and false are numbers to Python


def _is_finite(value: object) -> bool:
    try:
        return math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # a whole number beyond all that a computation can hold
        return False


def _range(least: float, most: float, above: float = -math.inf) -> str:
    low, high, over = (str(one) if isinstance(one, int) else f"{one:g}" for one in (least, most, above))
    if above > -math.inf:
        return f" above {over}" if most == math.inf else f" above {over}, up to {high}"
    if most < math.inf:
        return f" from {low} to {high}" if least > -math.inf else f" of {high} or less"
    return f" of {low} or more" if least > -math.inf else ""


def _refused(what: str, value: object, needed: str) -> InputError:
    return InputError(f"{what} is {shown(value)}. {needed} is needed. Change it.")
