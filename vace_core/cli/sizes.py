"""Which size, length and rate a result gets: what was asked for, and what the model likes for the rest."""

from __future__ import annotations

from typing import TypedDict

from ..errors import InputError
from ..inputs.fitted import chosen_size
from ..tasks.basic import LARGEST_RATIO
from .inputs import target_of
from .models import profile_of
from .options import Sides, Wanted


class Borders(TypedDict):
    """What is added on each side, as a ratio of that side."""

    left: float
    right: float
    top: float
    bottom: float


def blank(wanted: Wanted) -> tuple[tuple[int, int], int, float]:
    """`(H, W)`, frames and rate without an input that has them."""
    size = profile_of(wanted).size
    size = chosen_size(target_of(wanted), size, size)
    return size, length(wanted, size), rate(wanted, None)


def length(wanted: Wanted, size: tuple[int, int]) -> int:
    """Frames of a result of `(H, W)` pixels: as asked for, or as usual for the model."""
    return wanted.length or profile_of(wanted).rule.usual(*size)


def rate(wanted: Wanted, own: float | None) -> float:
    """Frames per second: as asked for, or what came with the clip, or the model's."""
    return wanted.fps or own or profile_of(wanted).rule.fps


def step(wanted: Wanted) -> int:
    """What both sides must be multiples of."""
    return profile_of(wanted).rule.grid.step


def borders(sides: Sides, height: int, width: int) -> Borders:
    """The borders that were typed, for an image of so many pixels.

    Raises:
        InputError: one of them is no number.
    """
    return {
        "left": amount(sides.left, width, "left"),
        "right": amount(sides.right, width, "right"),
        "top": amount(sides.top, height, "top"),
        "bottom": amount(sides.bottom, height, "bottom"),
    }


def amount(text: str, side: int, name: str) -> float:
    """A border as a ratio of the side: "0.25", "25%", or "64px" of a side of so many pixels.

    Raises:
        InputError: it is none of these, below 0 or more than can be added.
    """
    try:
        number, part = (text.removesuffix("px"), side) if text.endswith("px") else (text, 1)
        number, part = (number.removesuffix("%"), 100) if number.endswith("%") else (number, part)
        ratio = float(number) / part
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio <= LARGEST_RATIO:
        raise InputError(
            "margin-unreadable",
            "--{name} is {value}. A ratio such as 0.25 or 25%, or pixels such as 64px, up to {limit:g} times the side, "
            "is needed. Change it.",
            name=name,
            value=text,
            limit=LARGEST_RATIO,
        )
    return ratio
