"""What was refused, by code and fields, so that tests stay when a sentence is improved."""

from __future__ import annotations

from math import inf
from typing import Any


def refused(error: BaseException | None) -> str:
    """The library's error in `error`, or in what led to it, as "code: name=value, name=value", by name."""
    error = library_error(error)
    named = ", ".join(f"{name}={_value(value)}" for name, value in sorted(error.fields.items()))
    return f"{error.code}: {named}" if named else error.code


def library_error(error: BaseException | None) -> Any:
    """The library's error in `error`, or in what led to it: the command ends with an exit code instead."""
    while not hasattr(error, "fields"):
        assert error is not None, "no error of the library"
        error = error.__context__
    return error


def _value(value: Any) -> str:
    if isinstance(value, BaseException) and hasattr(value, "fields"):
        return f"({refused(value)})"
    if hasattr(value, "least"):
        return _interval(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _interval(numbers: Any) -> str:
    """A range as one writes intervals: "[0, 1]", "(0, inf)", "whole [1, inf)"."""
    least = f"[{_value(numbers.least)}" if numbers.least > -inf else "(-inf"
    if numbers.above > -inf:
        least = f"({_value(numbers.above)}"
    most = f"{_value(numbers.most)}]" if numbers.most < inf else "inf)"
    return f"{'whole ' if numbers.whole else ''}{least}, {most}"
