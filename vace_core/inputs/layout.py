"""Layouts: boxes that move along keyframed paths, drawn as the model learned them.

A layout is a control signal on white: one outline per object, and the object follows it. Boxes are given in fractions
of the frame, so that one path serves every size; times in fractions of the clip, so that it serves every length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..checks.numbers import check_number, check_whole
from ..checks.room import check_room
from ..errors import InputError, shown
from ..geometry import Box
from .masks import each_frame, opencv

FARTHEST = 10
"""Frames: far enough to leave any frame, near enough for OpenCV's whole numbers."""

_SMALLEST = 0.0001
# Bytes of a frame's boxes, of a pixel of a layout (bytes, and numbers twice while they are scaled), and of a mask.
_BOXES, _DRAWN, _MASK = 1024, 27, 4

Colour = tuple[int, int, int]
Smooth = bool | Literal["auto"]
BLACK: Colour = (0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class BoxKey:
    """Where a box is at one moment.

    Attributes:
        time: 0..1 of the clip; 0 is the first frame, 1 exactly the last.
        x, y: the box's centre, 0..1 of the frame's width and height; -10..10, so a box may leave the frame.
        width, height: its size, 0.0001..10 of the frame's.
    """

    time: float
    x: float
    y: float
    width: float
    height: float

    def __post_init__(self) -> None:
        check_number("time", self.time, least=0, most=1)
        check_number("x", self.x, least=-FARTHEST, most=FARTHEST)
        check_number("y", self.y, least=-FARTHEST, most=FARTHEST)
        check_number("width", self.width, least=_SMALLEST, most=FARTHEST)
        check_number("height", self.height, least=_SMALLEST, most=FARTHEST)


@dataclass(frozen=True, kw_only=True)
class BoxPath:
    """One object's box through the clip. Before its first key and after its last one it stands still.

    Attributes:
        keys: at least one, their times rising.
        order: who is drawn over whom; the higher is in front, equals in the order given.
        label: a name for the eye; it is not drawn.
        colour: red, green, blue of the outline, 0..255. Black is what the official annotator draws by default.
        smooth: False moves in straight lines from key to key. "auto" goes round corners without stopping, as animation
            programs do with automatic Bézier handles; the size never swings past a key. True eases through the keys
            on a monotone cubic, in which nothing swings past a key: where both x and y turn, the box stops.
    """

    keys: tuple[BoxKey, ...]
    order: int = 0
    label: str = ""
    colour: Colour = BLACK
    smooth: Smooth = False

    def __post_init__(self) -> None:
        if not self.keys:
            raise InputError(
                "path-empty", "A box path has no keys. At least one is needed. Place the box in at least one frame."
            )
        for before, after in pairwise(self.keys):
            if after.time <= before.time:
                raise InputError(
                    "path-order",
                    "A box path has a key at time {time:g} after one at {before:g}. Times must rise. Sort the "
                    "keys and keep one per time.",
                    time=after.time,
                    before=before.time,
                )
        _check_type("order", self.order, int, "A whole number")
        _check_type("label", self.label, str, "A text")
        check_smooth(self.smooth)
        _check_colour(self.colour)


def boxes(path: BoxPath, num_frames: int) -> Tensor:
    """The box of every frame, `(T, 4)`: x, y of the centre, width, height, in fractions of the frame.

    A box arrives exactly: the last frame is time 1.
    """
    _check_size(num_frames)
    check_room(num_frames * _BOXES, "The path", frames=num_frames)
    keys = np.array([(key.x, key.y, key.width, key.height) for key in path.keys], dtype=np.float64)
    times = np.array([key.time for key in path.keys], dtype=np.float64)
    found = between_keys(times, keys, np.linspace(0.0, 1.0, num_frames), smooth=path.smooth)
    return torch.tensor(found, dtype=torch.float32)


def between_keys(
    times: NDArray[np.float64], keys: NDArray[np.float64], moments: NDArray[np.float64], *, smooth: Smooth
) -> NDArray[np.float64]:
    """The numbers `(M, N)` at `moments` `(M,)` of what is keyed as `keys` `(K, N)` at rising `times` `(K,)`.

    The first two columns are a place. Before the first key and after the last one nothing moves; `smooth` as for
    `BoxPath`.
    """
    if len(keys) == 1:
        return np.broadcast_to(keys, (len(moments), keys.shape[1]))
    if smooth:
        return _eased(times, keys, moments, rounded=smooth == "auto")
    return np.stack([np.interp(moments, times, column) for column in keys.T], axis=1)


def draw_layout(paths: Sequence[BoxPath], *, num_frames: int, height: int, width: int) -> Tensor:
    """The layout `frames` `(1, 3, T, H, W)`, -1..1: outlines on white, 2 thick as the official annotator draws them.

    Outlines in front are drawn over those behind; nothing is filled, so every outline stays visible.

    Source: ali-vilab/VACE, annotators/layout.py (LayoutBboxAnnotator), for the look.
    """
    cv2 = opencv()
    clip = _white(num_frames, height, width)
    for path in sorted(paths, key=lambda path: path.order):
        for frame, box in zip(clip, pixel_boxes(path, num_frames, height, width), strict=True):
            cv2.rectangle(frame, (box.left, box.top), (box.right - 1, box.bottom - 1), path.colour, 2)
    return _to_frames(clip)


def draw_track(masks: Tensor, *, colour: Colour = BLACK) -> Tensor:
    """The outlines of `masks` `(B, 1, T, H, W)` as a layout: `frames` `(B, 3, T, H, W)`, -1..1, 3 thick on white.

    For an object that was tracked in another video. Only outer outlines are drawn, not those of holes.

    Source: ali-vilab/VACE, annotators/layout.py (LayoutTrackAnnotator, LayoutMaskAnnotator).
    """
    cv2 = opencv()
    _check_colour(colour)
    flat = each_frame(masks)
    clip = _white(*flat.shape)
    for frame, mask in zip(clip, flat, strict=True):
        outlines = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
        cv2.drawContours(frame, outlines, -1, colour, thickness=3)
    return _to_frames(clip, len(masks)).to(masks.device)


def said_of_paths(paths: Sequence[BoxPath], num_frames: int) -> list[str]:
    """How many boxes move, and which of them, the first being number 1, is outside of the frame in all frames."""
    said = ["1 box that moves." if len(paths) == 1 else f"{len(paths)} boxes that move."]
    for number, path in enumerate(paths, 1):
        x, y, width, height = boxes(path, num_frames).unbind(1)
        if not bool((((x - 0.5).abs() < (1 + width) / 2) & ((y - 0.5).abs() < (1 + height) / 2)).any()):
            said.append(f"Box {number} is outside of the frame all the time: nothing of it is seen.")
    return said


def path_mask(paths: Sequence[BoxPath], *, num_frames: int, height: int, width: int) -> Tensor:
    """`masks` `(1, 1, T, H, W)` of the filled boxes: 1 inside at least one of them."""
    _check_size(num_frames, height, width)
    check_room(num_frames * height * width * _MASK, "The mask", frames=num_frames, height=height, width=width)
    masks = torch.zeros(1, 1, num_frames, height, width)
    for path in paths:
        for frame, box in zip(masks[0, 0], pixel_boxes(path, num_frames, height, width), strict=True):
            frame[max(box.top, 0) : max(box.bottom, 0), max(box.left, 0) : max(box.right, 0)] = 1
    return masks


def _eased(
    times: NDArray[np.float64], keys: NDArray[np.float64], moments: NDArray[np.float64], *, rounded: bool
) -> NDArray[np.float64]:
    """A cubic through `keys` `(K, N)` that stays between neighbours: slopes by Fritsch and Butland (1984).

    If `rounded`, the place, of the first two columns, goes on through a turn.
    """
    gaps = np.diff(times)[:, None]
    rises = np.diff(keys, axis=0) / gaps
    before, after = 2 * gaps[1:] + gaps[:-1], gaps[1:] + 2 * gaps[:-1]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = (before + after) / (before / rises[:-1] + after / rises[1:])
    inner = np.where(rises[:-1] * rises[1:] > 0, mean, 0.0)  # a turning point is passed level
    if rounded:
        inner[:, :2] = _through(gaps, rises[:, :2])
    slopes = np.concatenate((rises[:1], inner, rises[-1:]))
    moments = np.clip(moments, times[0], times[-1])
    i = np.minimum(np.searchsorted(times, moments, side="right"), len(gaps)) - 1
    s = (moments - times[i])[:, None] / gaps[i]
    return (
        (2 * s**3 - 3 * s**2 + 1) * keys[i]
        + (3 * s**2 - 2 * s**3) * keys[i + 1]
        + ((s**3 - 2 * s**2 + s) * slopes[i] + (s**3 - s**2) * slopes[i + 1]) * gaps[i]
    )


def _through(gaps: NDArray[np.float64], rises: NDArray[np.float64]) -> NDArray[np.float64]:
    """The velocity at each inner key: of a parabola through it and both neighbours, at most thrice the slower side.

    So a box that rests before or after a key starts there, and on a straight line none swings past a key.
    """
    found = (gaps[1:] * rises[:-1] + gaps[:-1] * rises[1:]) / (gaps[1:] + gaps[:-1])
    speed, sides = np.hypot(*found.T), np.hypot(*rises.T)
    most = 3 * np.minimum(sides[:-1], sides[1:])
    return found * np.where(speed > most, most / np.where(speed > 0, speed, 1.0), 1.0)[:, None]


def pixel_boxes(path: BoxPath, num_frames: int, height: int, width: int) -> list[Box]:
    """The box of every frame in whole pixels, at least one pixel in size."""
    found, frame = boxes(path, num_frames).double(), torch.tensor([width, height])
    sizes = (found[:, 2:] * frame).round().clamp(min=1)
    # Corners from the rounded size, so that a box of constant size does not flicker by a pixel.
    corners = (found[:, :2] * frame - sizes / 2).round()
    return [Box(*map(int, corner)) for corner in torch.cat((corners, corners + sizes), dim=1).tolist()]


def _white(num_frames: int, height: int, width: int) -> NDArray[np.uint8]:
    _check_size(num_frames, height, width)
    check_room(num_frames * height * width * _DRAWN, "The layout", frames=num_frames, height=height, width=width)
    return np.full((num_frames, height, width, 3), 255, np.uint8)


def _to_frames(clip: NDArray[np.uint8], batch: int = 1) -> Tensor:
    frames = torch.from_numpy(clip).float() / 127.5 - 1
    return frames.unflatten(0, (batch, -1)).permute(0, 4, 1, 2, 3).contiguous()


def _check_size(num_frames: int, height: int = 1, width: int = 1) -> None:
    for name, value in (("length", num_frames), ("height", height), ("width", width)):
        check_whole(f"The {name}", value, least=1)


def _check_type(name: str, value: object, kind: type, words: str) -> None:
    if type(value) is not kind:
        raise InputError(
            "value-type",
            "{name} is {value}. {needed} is needed. Change it.",
            name=name,
            value=shown(value),
            needed=words,
        )


def check_smooth(value: object) -> None:
    """Validate a kind of motion between keys.

    Raises:
        InputError: it is none of those of `BoxPath`.
    """
    if value != "auto":
        _check_type("smooth", value, bool, 'True, false or "auto"')


def _check_colour(colour: object) -> None:
    parts = cast("tuple[object, ...]", colour) if isinstance(colour, tuple) else ()
    if len(parts) != 3 or not all(type(part) is int and 0 <= part <= 255 for part in parts):
        raise InputError(
            "colour-range",
            "colour is {colour}. Three whole numbers from 0 to 255 are needed: red, green, blue. Change colour.",
            colour=shown(colour),
        )
