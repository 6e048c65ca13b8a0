"""Which shots become clips: every filter has a name, a limit and a default, and what it drops is counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace

from torch import Tensor

from ...checks.numbers import check_number
from ...errors import InputError, shortened
from ...evaluation.indicators import Indicator, Shown
from . import measures

OFF = "off"

Text = Callable[[Tensor], float]
"""Frames `(T, H, W, 3)` uint8 → the part of the frame, 0..1, that burnt-in text covers."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a clip must have; None = that filter is off.

    Attributes:
        seconds: Least length.
        side: Least pixels of the shorter side, as the file has them and without black bars.
        picture: Least part of the frame that is left without black bars, 0..1.
        sharpness: Least variance of the Laplacian (`measures.sharpness`), against blur.
        still: Least motion in shorter sides per second (`measures.motion`), against stills.
        fast: Most motion, against what nobody can follow.
        text: Most of the frame that burnt-in text covers, 0..1.
        aesthetic: Least aesthetic score, 0..1, where its weights are given.

    Raises:
        InputError: a limit out of range.
    """

    seconds: float | None = 1.0
    side: float | None = 256
    picture: float | None = 0.5
    sharpness: float | None = 20.0
    still: float | None = 0.005
    fast: float | None = 3.0
    text: float | None = 0.03
    aesthetic: float | None = 0.45

    def __post_init__(self) -> None:
        for one in fields(self):
            value = getattr(self, one.name)
            if value is not None:
                check_number(f"filter {one.name}", value, least=0, most=1 if one.name in _SHARES else math.inf)

    def with_changes(self, said: list[str] | tuple[str, ...]) -> Limits:
        """These limits with others for some: "sharpness=40", "text=off".

        Raises:
            InputError: one is not NAME=NUMBER or NAME=off, or no such filter is known.
        """
        names = [one.name for one in fields(self)]
        changes: dict[str, float | None] = {}
        for text in said:
            name, _, value = (part.strip() for part in text.partition("="))
            try:
                changes[name] = None if value == OFF else float(value)
                known = name in names
            except ValueError:
                known = False
            if not known:
                raise InputError(
                    "filter-unreadable",
                    'The filter is "{text}". NAME=NUMBER or NAME=off is needed, with one of the names {names}. '
                    "Correct it.",
                    text=shortened(text),
                    names=", ".join(names),
                )
        return replace(self, **changes)


_SHARES = ("picture", "text", "aesthetic")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was measured of a shot and which filter, if any, drops it.

    Attributes:
        dropped: The name of a filter; None = it stays.
        measured: Values by the names of the filters, as far as they were measured: what comes after the filter that
            drops a shot is not.
    """

    dropped: str | None
    measured: Mapping[str, float]


def judge(values: Mapping[str, Callable[[], float]], limits: Limits) -> Verdict:
    """Measures one value after the other, in the order given, until one is beyond its limit; a filter that is off is
    not measured."""
    measured: dict[str, float] = {}
    for name, measure in values.items():
        limit = getattr(limits, name)
        if limit is None:
            continue
        measured[name] = found = measure()
        if found > limit if name in MOST else found < limit:
            return Verdict(dropped=name, measured=measured)
    return Verdict(dropped=None, measured=measured)


MOST = ("fast", "text")
"""The filters whose limit is the most that a clip may have; of all others it is the least."""


def values_of(
    frames: Tensor, fps: float, *, text: Text | None = None, aesthetic: Indicator | None = None
) -> dict[str, Callable[[], float]]:
    """What is measured of the pixels `(T, H, W, 3)` uint8, the cheap first.

    Args:
        frames: Of the shot, without black bars.
        fps: Frames per second.
        text: Measures burnt-in text; None = `measures.text_share`.
        aesthetic: Measures how beautiful they are; None = it is not measured.
    """
    speeds: list[float] = []

    def speed() -> float:
        if not speeds:
            speeds.append(measures.motion(frames, fps))
        return speeds[0]

    values: dict[str, Callable[[], float]] = {
        "sharpness": lambda: measures.sharpness(frames),
        "still": speed,
        "fast": speed,
        "text": lambda: (text or measures.text_share)(frames),
    }
    if aesthetic is not None:
        some = frames[measures.sampled(len(frames))]
        values["aesthetic"] = lambda: aesthetic(Shown(frames=some, fps=fps))
    return values
