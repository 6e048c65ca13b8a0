"""Boxes around the objects of a clip: given in a file, or found by a detector; and which of them are kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

from torch import Tensor

from ...checks.numbers import check_number
from ...errors import InputError
from ...files import strict_json
from ...files.replacing import reason
from ...geometry import Box
from ..data.derive import LEAST_OBJECT

FACE = "face"
GIVEN = ".boxes.json"


@dataclass(frozen=True, kw_only=True)
class Found:
    """An object in one frame.

    Attributes:
        box: In pixels of the frame.
        label: What it is; "" = not said.
        score: How sure it is, 0..1.
        frame: In which frame of the clip.
    """

    box: Box
    label: str = ""
    score: float = 1.0
    frame: int = 0


Detect: TypeAlias = Callable[[Tensor, Sequence[str]], list[Found]]
"""A picture `(H, W, 3)` uint8 and what to look for → what was found, the surest first."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """A box that lies beside a film: `film.boxes.json`.

    Attributes:
        left, top, right, bottom: In fractions of the frame, 0..1.
        label: What is in it.
        time: At which second of the film.
    """

    left: float
    top: float
    right: float
    bottom: float
    label: str = ""
    time: float = 0.0

    def at(self, frame: int, height: int, width: int) -> Found:
        """It in a frame of so many pixels."""
        box = Box(
            round(self.left * width), round(self.top * height), round(self.right * width), round(self.bottom * height)
        )
        return Found(box=box, label=self.label, frame=frame)


def read_given(path: Path, seconds: float) -> list[Given]:
    """The boxes of a file: `[{"box": [left, top, right, bottom], "label": "fox", "time": 0.0}]`.

    Args:
        path: The file.
        seconds: How long its film is.

    Raises:
        InputError: the file cannot be read, or holds something else, such as a time after the end of the film.
    """
    try:
        with path.open("rb") as file:
            said = strict_json.parse(file.read(strict_json.MAX_JSON + 1))
    except (OSError, ValueError) as error:
        raise _wrong(path, reason(error)) from error
    if not isinstance(said, list):
        raise _wrong(path, "it is no list")
    found = [_given(path, one) for one in cast("list[Any]", said)]
    if late := [one.time for one in found if one.time > seconds]:
        raise _wrong(path, f"a box is at {late[0]:g} s, and the film ends at {seconds:.3f} s")
    return found


def _given(path: Path, said: Any) -> Given:
    table = cast("dict[str, Any]", said) if isinstance(said, dict) else {}
    box, label, time = table.get("box"), table.get("label", ""), table.get("time", 0.0)
    if set(table) - {"box", "label", "time"} or not isinstance(box, list) or not isinstance(label, str):
        raise _wrong(path, 'an entry is not {"box": [left, top, right, bottom], "label": ..., "time": ...}')
    sides = cast("list[Any]", box)
    if len(sides) != 4:
        raise _wrong(path, f"a box has {len(sides)} sides")
    for side in sides:
        check_number(f"side of a box in {path}", side, least=0, most=1)
    check_number(f"time of a box in {path}", time, least=0)
    left, top, right, bottom = (float(side) for side in sides)
    if left >= right or top >= bottom:
        raise _wrong(path, "a box has no area")
    return Given(left=left, top=top, right=right, bottom=bottom, label=label, time=float(time))


def _wrong(path: Path, problem: str) -> InputError:
    return InputError(
        "boxes-wrong",
        "The boxes {path} cannot be used: {problem}. A list of boxes in fractions of the frame is needed. Correct it.",
        path=path,
        problem=problem,
    )


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Which objects become masks. Source of the two filters: VACE, arXiv 2503.07598, section 4.1; the paper names no
    numbers, these are ours.

    Attributes:
        least: Least part of the frame, 0..1, that a box covers.
        most: Most of the frame that a box covers.
        present: Least effective frame ratio: the part of the frames in which the object is there.
        visible: Least part of a frame that a mask covers where the object counts as there; a training counts alike.
        count: Most objects of a clip; the surest stay.
        overlap: Boxes that overlap by more than this (intersection over union) are one object.

    Raises:
        InputError: a number out of range.
    """

    least: float = 0.01
    most: float = 0.7
    present: float = 0.7
    visible: float = LEAST_OBJECT
    count: int = 4
    overlap: float = 0.7

    def __post_init__(self) -> None:
        for name in ("least", "most", "present", "visible", "overlap"):
            check_number(name, getattr(self, name), least=0, most=1)


def chosen(found: Sequence[Found], height: int, width: int, kept: Kept) -> tuple[list[Found], dict[str, int]]:
    """Which boxes are tracked, cut at the frame's edges, and how many were dropped and why."""
    stay: list[Found] = []
    dropped = dict.fromkeys(("too small", "too large", "twice", "too many"), 0)
    for one in sorted(found, key=lambda one: -one.score):
        box = one.box.grown(0, height, width)
        share = box.area / (height * width)
        if share < kept.least or not box.area:
            dropped["too small"] += 1
        elif share > kept.most:
            dropped["too large"] += 1
        elif any(other.frame == one.frame and overlap(other.box, box) > kept.overlap for other in stay):
            dropped["twice"] += 1
        elif len(stay) >= kept.count:
            dropped["too many"] += 1
        else:
            stay.append(Found(box=box, label=one.label, score=one.score, frame=one.frame))
    return stay, {why: count for why, count in dropped.items() if count}


def overlap(one: Box, other: Box) -> float:
    """Intersection over union, 0..1."""
    both = Box(
        max(one.left, other.left), max(one.top, other.top), min(one.right, other.right), min(one.bottom, other.bottom)
    )
    return both.area / max(one.area + other.area - both.area, 1)
