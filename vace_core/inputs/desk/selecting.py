"""Objects selected by points and a box: GrabCut of OpenCV, and its outline as strokes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...geometry import Box
from ..masks import opencv
from ..tracking import Mask, Picture, cut_out, in_box
from .document import Point, Stroke

SIDE = 480  # pixels of the shorter side at which objects are selected
_DOT = 0.012  # of the shorter side: how far around a point all belongs to the object, or none
_REACH = 0.35  # of the frame: how far around points without a box the object may reach
_LEAST = 0.002  # of the selected area, as a fraction: smaller parts and holes are left out
_EXACT = 0.6  # pixels by which an outline may be off
_ROUNDS = 6
_LIKE, _SAME = 30.0, 6.0  # how far colours are apart that may be of the object, and that surely are, where connected


def select(
    picture: Picture,
    inside: Sequence[Point],
    outside: Sequence[Point] = (),
    box: tuple[float, float, float, float] | None = None,
) -> tuple[Stroke, ...]:
    """The outline of an object as strokes: `lasso` for what belongs to it, `cut` for holes in it.

    Args:
        picture: `(H, W, 3)` uint8.
        inside: Places in fractions of the picture that belong to the object.
        outside: Places that do not.
        box: Left, top, right and bottom in fractions: what lies outside does not belong to it.

    Raises:
        InputError: neither a point inside nor a box, or nothing was found.
    """
    if not inside and box is None:
        raise InputError(
            "desk-select-nothing",
            "There is no point on an object, and no box around one. One of them is needed. Click on the object.",
        )
    height, width = picture.shape[:2]
    scale = min(SIDE / min(height, width), 1.0)
    cv2 = opencv()
    size = max(round(width * scale), 16), max(round(height * scale), 16)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if scale < 1 else picture
    found = selected(small, inside, outside, box)
    strokes = outlines(found)
    if not strokes:
        raise InputError(
            "desk-select-empty",
            "No object stands out at {points} points. One that differs in colour from its surroundings is needed. Set "
            "more points, draw a box around it, or draw it with the brush.",
            points=len(inside) + len(outside),
        )
    return strokes


def selected(
    picture: Picture,
    inside: Sequence[Point],
    outside: Sequence[Point],
    box: tuple[float, float, float, float] | None,
) -> Mask:
    """The mask `(H, W)` bool of an object; arguments as for `select`."""
    cv2 = opencv()
    height, width = picture.shape[:2]
    area = _area(inside, box, height, width)
    if not inside:
        marks = np.where(in_box(picture, area), cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        marks[~_within(area, height, width)] = cv2.GC_BGD
    else:
        marks = np.full((height, width), cv2.GC_BGD, np.uint8)
        marks[_within(area, height, width)] = cv2.GC_PR_BGD
        within = _within(area, height, width)
        marks[_alike(picture, inside, _LIKE) & within] = cv2.GC_PR_FGD
        marks[_reached(_alike(picture, inside, _SAME) & within, inside, height, width)] = cv2.GC_FGD
    dot = max(round(_DOT * min(height, width)), 1)
    for points, mark in ((outside, cv2.GC_BGD), (inside, cv2.GC_FGD)):
        for x, y in points:
            cv2.circle(marks, (int(x * width), int(y * height)), dot, int(mark), -1)
    found = cut_out(picture, marks, area.grown(4, height, width), _ROUNDS)
    return _reached(found, inside, height, width)


def outlines(mask: Mask) -> tuple[Stroke, ...]:
    """A mask `(H, W)` as strokes that draw it again."""
    cv2 = opencv()
    height, width = mask.shape
    # Twice as large, so that outlines run along the edges of pixels rather than through their centres.
    large = cv2.resize(mask.astype(np.uint8), (2 * width, 2 * height), interpolation=cv2.INTER_NEAREST)
    found, levels = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    least = max(_LEAST * float(large.sum()), 8)
    strokes = list[Stroke]()
    for kind, wanted in (("lasso", False), ("cut", True)):
        for contour, level in zip(found, levels[0] if levels is not None else (), strict=True):
            if bool(level[3] >= 0) is wanted and cv2.contourArea(contour) >= least:
                points = _points(contour, height, width)
                if len(points) >= 3:
                    strokes.append(Stroke(kind=kind, points=points))  # type: ignore[arg-type]
    return tuple(strokes)


def _points(contour: Any, height: int, width: int) -> tuple[Point, ...]:
    near = opencv().approxPolyDP(contour, 2 * _EXACT, True).reshape(-1, 2)
    places: NDArray[np.float64] = (near + 0.5) / 2 / (width, height)
    return tuple((round(float(x), 5), round(float(y), 5)) for x, y in places)


def _area(inside: Sequence[Point], box: tuple[float, float, float, float] | None, height: int, width: int) -> Box:
    """Where the object may be, in pixels."""
    if box is None:
        xs, ys = [x for x, _ in inside], [y for _, y in inside]
        box = min(xs) - _REACH, min(ys) - _REACH, max(xs) + _REACH, max(ys) + _REACH
    left, right = sorted((box[0], box[2]))
    top, bottom = sorted((box[1], box[3]))
    found = Box(int(left * width), int(top * height), round(right * width), round(bottom * height))
    found = found.grown(0, height, width)
    if found.width < 2 or found.height < 2:
        raise InputError(
            "desk-select-box",
            "The box around the object is {width} x {height} pixels of the frame. At least 2 x 2 are needed. Draw it "
            "larger, inside the frame.",
            width=max(found.width, 0),
            height=max(found.height, 0),
        )
    return found


def _within(area: Box, height: int, width: int) -> Mask:
    found = np.zeros((height, width), dtype=bool)
    found[area.top : area.bottom, area.left : area.right] = True
    return found


def _alike(picture: Picture, inside: Sequence[Point], apart: float) -> Mask:
    """Pixels whose colour is at most `apart` from that at one of the points inside, in Lab of 8 bits."""
    height, width = picture.shape[:2]
    cv2 = opencv()
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB).astype(np.float32)
    found = np.zeros((height, width), dtype=bool)
    for x, y in inside:
        column, row = min(max(int(x * width), 0), width - 1), min(max(int(y * height), 0), height - 1)
        found |= np.linalg.norm(lab - lab[row, column], axis=2) <= apart
    return found


def _reached(mask: Mask, inside: Sequence[Point], height: int, width: int) -> Mask:
    """The connected parts at the points inside; without points the whole."""
    if not inside:
        return mask
    _, parts = opencv().connectedComponents(mask.astype(np.uint8))
    seen = set[int]()
    for x, y in inside:
        column, row = min(max(int(x * width), 0), width - 1), min(max(int(y * height), 0), height - 1)
        seen.add(int(parts[row, column]))
    return np.isin(parts, sorted(seen - {0}))
