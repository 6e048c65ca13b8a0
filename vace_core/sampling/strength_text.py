"""Strengths as they are typed: curves such as "0:1 0.5:1 0.6:0", and lists such as "1 1 0.5"."""

from __future__ import annotations

from ..errors import InputError, shortened
from .strength import Curve


def read_curve(text: str, name: str) -> Curve:
    """The curve of "place:factor" points, separated by spaces or commas; one number alone is that factor everywhere.

    Args:
        text: Such as "0:1 0.5:1 0.6:0". "" = no points, which is 1 everywhere.
        name: What messages call it.

    Raises:
        InputError: it is no list of points. Ranges and order are checked by `Strength`.
    """
    words = text.replace(",", " ").split()
    try:
        if len(words) == 1 and ":" not in words[0]:
            return ((0.0, float(words[0])),)
        pairs = [word.split(":") for word in words]
        return tuple((float(place), float(factor)) for place, factor in pairs)
    except ValueError:
        raise InputError(
            "curve-unreadable",
            '{name} is "{value}". Points of place:factor, places from 0 to 1, such as "0:1 0.5:1 0.6:0", or one '
            "number are needed. Change it.",
            name=name,
            value=shortened(text),
        ) from None


def read_factors(text: str, name: str) -> tuple[float, ...]:
    """The numbers of a list, separated by spaces or commas.

    Args:
        text: Such as "1 1 0.5"; "" = none.
        name: What messages call it.

    Raises:
        InputError: it is no list of numbers. Their range is checked by `Strength`.
    """
    try:
        return tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise InputError(
            "factors-unreadable",
            '{name} is "{value}". Numbers such as "1 1 0.5" are needed. Change it.',
            name=name,
            value=shortened(text),
        ) from None
