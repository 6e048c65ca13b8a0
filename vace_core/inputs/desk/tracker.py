"""The box of an object tracked through a clip by OpenCV, between the keys that were set by hand."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...checks.numbers import check_number
from ...errors import InputError
from ..masks import bounds
from ..tracking import Mask, follow, follow_masks
from .document import DeskKey, DeskObject
from .drawing import Placed, boxes_at, draw_object, moments

_LEAST = 4  # pixels of a mask that is still followed


def span(num_frames: int, begin: float, end: float) -> tuple[int, int]:
    """The frames between two times, the first lower: those that `track` asks for."""
    for name, time in (("from", begin), ("to", end)):
        check_number(name, time, least=0, most=1)
    first, last = (round(time * (num_frames - 1)) for time in (begin, end))
    return min(first, last), max(first, last)


def track(frames: Tensor, one: DeskObject, num_frames: int, begin: float, end: float) -> tuple[DeskKey, ...]:
    """Keys of the object's box at the frames between two times, which follow what it covers at the first of them.

    Keys set by hand stay: the tracked way goes through them, and what it was off there is spread over the way to them.
    Where the object is lost, the keys end.

    Args:
        frames: `(T, H, W, 3)` uint8: those of `span`, both ends among them.
        one: The object; without a key its box is that of its shape.
        num_frames: Frames of the whole clip.
        begin: Where it is tracked from, 0..1 of the clip.
        end: Up to where; it may lie before `begin`.

    Returns:
        The new keys, their times rising, `tracked`; none at the time of a key that was set by hand.

    Raises:
        InputError: there is nothing to track, or it is lost at once.
    """
    low, high = span(num_frames, begin, end)
    if low == high:
        raise InputError(
            "desk-track-short",
            "From {begin:g} to {end:g} is a single frame. At least two are needed to track. Choose a later end.",
            begin=begin,
            end=end,
        )
    height, width = frames.shape[1:3]
    times, start = moments(num_frames), low if begin <= end else high
    order = list(range(low, high + 1) if begin <= end else range(high, low - 1, -1))
    found = dict[int, Placed]()
    first = _box_at(one, times[start], height, width)
    stops = [place for place in order[1:] if _by_hand(one, times[place], num_frames)]
    for stop in [*stops, *([] if stops and stops[-1] == order[-1] else [order[-1]])]:
        stretch = order[order.index(start) : order.index(stop) + 1]
        shown = torch.stack([frames[place - low] for place in stretch])
        mask = draw_object(one, num_frames, height, width, frames=[start])[start] > 0
        moved = _followed(shown, mask, first, drawn=any(shape.strokes for shape in one.shapes))
        if stop in stops:
            moved = _through(moved, _box_at(one, times[stop], height, width), len(stretch))
        found.update(zip(stretch, moved, strict=False))
        start, first = stop, _box_at(one, times[stop], height, width)
    return _keys(one, found, order[0], num_frames, (height, width))


def _followed(frames: Tensor, mask: Mask, box: Placed, *, drawn: bool) -> list[Placed]:
    """The box in every frame, as far as the object is found."""
    if int(mask.sum()) < _LEAST:
        raise InputError(
            "desk-track-empty",
            "The object covers {pixels} pixels of the frame that it is tracked from. At least {least} are needed. Go "
            "to a frame in which it is seen, or draw its box there.",
            pixels=int(mask.sum()),
            least=_LEAST,
        )
    masks = (follow_masks(frames, [mask]) if drawn else follow(frames, [bounds(mask)]))[0].numpy()
    before = _extent(masks[0])
    boxes = [box]
    for one in masks[1:]:
        now = _extent(one)
        if before is None or now is None:
            break
        size = now[2] / before[2], now[3] / before[3]
        boxes.append(
            Placed(
                x=now[0] + (box.x - before[0]) * size[0],
                y=now[1] + (box.y - before[1]) * size[1],
                width=box.width * size[0],
                height=box.height * size[1],
                angle=box.angle,
            )
        )
    if len(boxes) < 2:
        raise InputError(
            "desk-track-lost",
            "The object is lost in the first frame that it was to be tracked to. One that differs in colour from its "
            "surroundings is needed. Draw its box or outline closer, or set keys by hand.",
        )
    return boxes


def _through(boxes: list[Placed], end: Placed, length: int) -> list[Placed]:
    """The way bent so that it ends in a box that was set by hand; where the object was lost, straight on to it."""
    if len(boxes) < length:
        last, left = boxes[-1], length - len(boxes)
        boxes = [*boxes, *(_between(last, end, (n + 1) / left) for n in range(left))]
    off = boxes[-1]
    return [
        Placed(
            x=one.x + (end.x - off.x) * part,
            y=one.y + (end.y - off.y) * part,
            width=one.width * (end.width / off.width) ** part,
            height=one.height * (end.height / off.height) ** part,
            angle=one.angle + (end.angle - off.angle) * part,
        )
        for one, part in zip(boxes, np.linspace(0, 1, len(boxes)).tolist(), strict=True)
    ]


def _between(first: Placed, last: Placed, part: float) -> Placed:
    def at(name: str) -> float:
        return float(getattr(first, name) + (getattr(last, name) - getattr(first, name)) * part)

    return Placed(x=at("x"), y=at("y"), width=at("width"), height=at("height"), angle=at("angle"))


def _box_at(one: DeskObject, time: float, height: int, width: int) -> Placed:
    if one.keys:
        return boxes_at(one.keys, np.array([time]), height, width, smooth=one.smooth)[0]
    mask = draw_object(one, 1, height, width)[0] > 0
    if not mask.any():
        return Placed(x=width / 2, y=height / 2, width=1.0, height=1.0, angle=0.0)
    box = bounds(mask)
    return Placed(
        x=(box.left + box.right) / 2, y=(box.top + box.bottom) / 2, width=box.width, height=box.height, angle=0.0
    )


def _by_hand(one: DeskObject, time: float, num_frames: int) -> bool:
    near = 0.5 / max(num_frames - 1, 1)
    return any(not key.tracked and abs(key.time - time) < near for key in one.keys)


def _keys(
    one: DeskObject, found: dict[int, Placed], start: int, num_frames: int, size: tuple[int, int]
) -> tuple[DeskKey, ...]:
    times, (height, width) = moments(num_frames), size
    kept = [
        place
        for place in sorted(found)
        if not _by_hand(one, times[place], num_frames) and (place != start or not one.keys)
    ]
    return tuple(
        DeskKey(
            time=round(float(times[place]), 6),
            x=found[place].x / width,
            y=found[place].y / height,
            width=found[place].width / width,
            height=found[place].height / height,
            angle=float(np.rad2deg(found[place].angle)),
            tracked=True,
        )
        for place in kept
    )


def _extent(mask: Mask) -> tuple[float, float, float, float] | None:
    """Centre and spread of a mask in pixels; None where it is lost."""
    rows, columns = np.nonzero(mask)
    if len(rows) < _LEAST:
        return None
    spread: NDArray[np.float64] = np.array([columns.std(), rows.std()]).clip(min=0.29)  # that of one pixel
    return float(columns.mean()) + 0.5, float(rows.mean()) + 0.5, float(spread[0]), float(spread[1])
