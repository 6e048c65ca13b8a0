"""What is measured of a shot without a network: black bars, sharpness, motion and burnt-in text.

All of it on some frames that lie evenly in the shot; frames are `(T, H, W, 3)` uint8.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from statistics import mean, median

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...geometry import Box
from ...inputs.masks import opencv

SAMPLED = 8  # frames, or pairs of frames
SHARP_SIDE, MOTION_SIDE, TEXT_SIDE = 360, 240, 360  # pixels of the shorter side at which they are measured
DARK, EVEN = 24, 6.0  # levels of 8 bits: what is no brighter and varies no more is part of a bar
LEAST_INSIDE = 0.25  # of a side: what is darker almost everywhere is a dark picture, and has no bars

Gray = NDArray[np.uint8]


def sampled(count: int, most: int = SAMPLED) -> list[int]:
    """At most `most` places that lie evenly among `count`, first and last included."""
    return sorted({round(place * (count - 1) / max(most - 1, 1)) for place in range(most)})


def inside_bars(frames: Tensor) -> Box:
    """The part of the frames that is not black bars, which come in pairs: above and below, left and right.

    Beside a bar a line more is left out, in which a codec has mixed both.
    """
    pictures = [frame.numpy() for frame in frames[sampled(len(frames))]]
    height, width = pictures[0].shape[:2]
    top, bottom = _bars([_is_bar(picture.max(axis=2), axis=1) for picture in pictures])
    left, right = _bars([_is_bar(picture.max(axis=2), axis=0) for picture in pictures])
    return Box(left, top, width - right, height - bottom)


def sharpness(frames: Tensor) -> float:
    """The variance of the Laplacian at 360 pixels of the shorter side, the median of some frames.

    A smaller frame is measured as it is; it looks sharper than it would be if it were enlarged.
    """
    cv2 = opencv()
    grays = [_gray(frames[place], SHARP_SIDE) for place in sampled(len(frames))]
    return median(float(cv2.Laplacian(gray, cv2.CV_32F).var()) for gray in grays)


def motion(frames: Tensor, fps: float) -> float:
    """How far the picture moves on average, in shorter sides per second, by dense optical flow; of one frame 0."""
    cv2 = opencv()
    if len(frames) < 2:
        return 0.0
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    speeds: list[float] = []
    for place in sampled(len(frames) - 1):
        before, after = (_padded(_gray(frames[at], MOTION_SIDE)) for at in (place, place + 1))
        moved = search.calc(before, after, None)
        speeds.append(float(np.linalg.norm(moved, axis=2).mean()) * fps / min(before.shape))
    return mean(speeds)


def text_share(frames: Tensor) -> float:
    """The part of the frame, 0..1, that lines of text cover which stand still: subtitles, credits, logos.

    Lines are found as groups of strong, close, upright strokes; what moves with the picture does not count where the
    picture moves. It is a rough guess that a network does better: see `Tools.text`.
    """
    lines = [_text_lines(_gray(frames[place], TEXT_SIDE)) for place in sampled(len(frames))]
    # Text that comes and goes in a shot counts while it stands: in at least two neighbouring samples.
    still = [first & second for first, second in pairwise(lines)] or lines
    return max(float(part.mean()) for part in still)


def _bars(found: Sequence[NDArray[np.bool_]]) -> tuple[int, int]:
    """How many lines at the beginning and at the end are bars in all frames; 0 where only one end has any."""
    always = np.logical_and.reduce(found)
    if always[len(always) // 2 :].all() or always[: len(always) // 2].all():
        return 0, 0
    before, after = int(np.argmin(always)), int(np.argmin(always[::-1]))
    alike = abs(before - after) <= max(4, 0.25 * max(before, after))
    inside = len(always) - before - after >= LEAST_INSIDE * len(always)
    return (before + 1, after + 1) if min(before, after) >= 2 and alike and inside else (0, 0)


def _is_bar(bright: NDArray[np.uint8], axis: int) -> NDArray[np.bool_]:
    lit = np.percentile(bright, 98, axis=axis) > DARK
    return ~lit & (bright.std(axis=axis) <= EVEN)


def _text_lines(gray: Gray) -> NDArray[np.bool_]:
    """`(H, W)`: where lines of text are, as filled boxes."""
    cv2 = opencv()
    height, width = gray.shape
    strokes = cv2.morphologyEx(gray, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    strong = (strokes > 80).astype(np.uint8)
    joined = cv2.morphologyEx(strong, cv2.MORPH_CLOSE, np.ones((1, max(width // 60, 3)), np.uint8))
    filled = np.zeros(gray.shape, dtype=bool)
    count, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    for left, top, across, down, area in stats[1:count]:
        line = 0.012 * height <= down <= 0.15 * height and across >= 2.5 * down
        part = strong[top : top + down, left : left + across]
        if line and area >= 0.5 * across * down and _many_strokes(part):
            filled[top : top + down, left : left + across] = True
    return filled


def _many_strokes(part: Gray) -> bool:
    """Whether a row through the part crosses edges as often as letters do: at least once in a height's length."""
    crossings = np.abs(np.diff(part.astype(np.int8), axis=1)).sum(axis=1)
    return float(np.median(crossings)) >= 1.2 * part.shape[1] / part.shape[0]


def _gray(frame: Tensor, side: int) -> Gray:
    """`(h, w)` of a frame, scaled down so that its shorter side has at most so many pixels."""
    cv2 = opencv()
    gray = cv2.cvtColor(frame.numpy(), cv2.COLOR_RGB2GRAY)
    scale = side / min(gray.shape)
    if scale >= 1:
        return gray
    size = max(round(gray.shape[1] * scale), 1), max(round(gray.shape[0] * scale), 1)
    return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)


def _padded(gray: Gray) -> Gray:
    """At least 16 pixels each way, which the search for motion needs."""
    down, across = (max(16 - side, 0) for side in gray.shape)
    return gray if not (down or across) else opencv().copyMakeBorder(gray, 0, down, 0, across, 1)
