"""The masks of drawn objects: strokes filled in, carried along by their moving box, grown; nothing is anti-aliased.

A point lies in pixels at its fraction times the side of the frame; the centre of the first pixel is at 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from ...checks.room import check_room
from .. import masks as shapes
from ..layout import Smooth, between_keys, pixel_boxes
from ..masks import opencv
from .document import DeskKey, DeskObject, Shape, Stroke, Way

Masks = NDArray[np.uint8]
"""`(T, H, W)`, 0 or 255."""

Numbers = NDArray[np.float64]

FINE = 512  # pixels of the shorter side below which shapes are drawn larger, so that edges lie right
_FINEST = 9
_SUBPIXEL = 4  # bits of a pixel that OpenCV draws with
_FAR = 20_000  # pixels: what lies farther does not fit OpenCV's numbers, and is outside anyway
_BYTES = 6  # of a pixel of a mask while it is drawn and grown


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A box in pixels: its centre, its size, and how it is turned, in radians."""

    x: float
    y: float
    width: float
    height: float
    angle: float

    def corners(self) -> Numbers:
        """`(4, 2)`, clockwise from the top left."""
        half = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]], dtype=np.float64) * (self.width / 2, self.height / 2)
        return half @ turned(self.angle).T + (self.x, self.y)


def turned(angle: float) -> Numbers:
    """The matrix of a turn, clockwise as seen."""
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def carry(before: Placed, after: Placed) -> Numbers:
    """`(2, 3)`: the affine map that takes what lies in one box along to another: moved, scaled, turned."""
    scale = np.diag([after.width / before.width, after.height / before.height])
    matrix = turned(after.angle) @ scale @ turned(-before.angle)
    offset = np.array([after.x, after.y]) - matrix @ np.array([before.x, before.y])
    return np.hstack([matrix, offset[:, None]])


def moments(num_frames: int) -> Numbers:
    """The time of every frame: the first is 0, the last exactly 1."""
    return np.linspace(0.0, 1.0, num_frames)


def boxes_at(keys: Sequence[DeskKey], times: Numbers, height: int, width: int, *, smooth: Smooth) -> list[Placed]:
    """The box at each of `times`, in pixels of a frame; at least one key is needed."""
    columns = np.array([(key.x, key.y, key.width, key.height, key.angle) for key in keys], dtype=np.float64)
    found = between_keys(np.array([key.time for key in keys], dtype=np.float64), columns, times, smooth=smooth)
    found = found * (width, height, width, height, np.pi / 180)
    return [Placed(x=x, y=y, width=w, height=h, angle=angle) for x, y, w, h, angle in found.tolist()]


def way_at(way: Way, times: Numbers, height: int, width: int) -> list[Placed]:
    """Where a path is at each of `times`, with its ease."""
    first, last = way.keys[0].time, way.keys[-1].time
    part = np.clip((times - first) / (last - first), 0.0, 1.0)
    eased = {
        "linear": part,
        "in": part**2,
        "out": 1 - (1 - part) ** 2,
        "in-out": part**2 * (3 - 2 * part),
    }[way.ease]
    return boxes_at(way.keys, first + eased * (last - first), height, width, smooth=way.smooth)


def draw_object(
    one: DeskObject,
    num_frames: int,
    height: int,
    width: int,
    *,
    frames: Sequence[int] | None = None,
    there: bool = False,
) -> Masks:
    """The mask of an object, `(T, H, W)` of 0 and 255; its grow is not in it.

    Args:
        one: The object.
        num_frames: Frames of the clip.
        height: Pixels of the clip.
        width: Pixels of the clip.
        frames: Those that are drawn; the others stay empty. None = all.
        there: Where its path takes it, in place of where it is.
    """
    check_room(num_frames * height * width * _BYTES, "The mask", frames=num_frames, height=height, width=width)
    masks, times = np.zeros((num_frames, height, width), np.uint8), moments(num_frames)
    if not one.is_drawn:
        return masks
    chosen = range(num_frames) if frames is None else sorted(set(frames))
    way = one.path if there else None
    boxes = boxes_at(one.keys, times, height, width, smooth=one.smooth) if one.keys else None
    ends = boxes if way is None else way_at(way, times, height, width)
    if not any(shape.strokes for shape in one.shapes):
        return _draw_boxes(masks, one, ends or [], chosen, turned_too=way is not None)
    starts = None
    if one.keys:
        drawn_at = np.array([shape.time for shape in one.shapes])
        starts = boxes_at(one.keys, drawn_at, height, width, smooth=one.smooth)
    for frame in chosen:
        number = max((n for n, shape in enumerate(one.shapes) if shape.time <= times[frame] + 1e-9), default=0)
        # The same move that takes the shape to its box now, and that box to where the path has it.
        way_to = None if starts is None or ends is None else carry(starts[number], ends[frame])
        masks[frame] = draw_shape(one.shapes[number], height, width, way_to)
    return masks


def draw_shape(shape: Shape, height: int, width: int, way: Numbers | None = None) -> NDArray[np.uint8]:
    """One shape, `(H, W)` of 0 and 255, its points taken along by an affine map `(2, 3)` of pixels."""
    canvas, fine = _canvas(height, width)
    for stroke in shape.strokes:
        _draw_stroke(canvas, stroke, (height, width), way, fine)
    return _reduced(canvas, height, width)


def grown(masks: Masks, pixels: int, *, frames: Sequence[int] | None = None) -> Masks:
    """Masks grown by `pixels`, or shrunk where that is less than 0."""
    if not pixels:
        return masks
    found = masks.copy()
    for frame in range(len(masks)) if frames is None else sorted(set(frames)):
        if masks[frame].any():
            # Nothing changes farther away than that; the work follows the object, not the frame.
            near = shapes.bounds(masks[frame] > 0).grown(abs(pixels) + 1, *masks.shape[1:])
            part = np.s_[frame, near.top : near.bottom, near.left : near.right]
            one = torch.from_numpy(masks[part] > 0).float()[None, None, None]
            changed = shapes.grow(one, pixels) if pixels > 0 else shapes.shrink(one, -pixels)
            found[part] = changed[0, 0, 0].numpy().astype(np.uint8) * 255
    return found


def feathered(masks: Masks, pixels: int) -> NDArray[np.float32]:
    """Masks in 0..1 with a soft edge inside, `masks.soften` of them."""
    soft = np.empty(masks.shape, np.float32)
    for frame, mask in enumerate(masks):
        one = torch.from_numpy(mask > 0).float()[None, None, None]
        soft[frame] = (shapes.soften(one, pixels) if pixels and mask.any() else one)[0, 0, 0].numpy()
    return soft


def _draw_boxes(
    masks: Masks, one: DeskObject, boxes: Sequence[Placed], frames: Sequence[int], *, turned_too: bool
) -> Masks:
    """The boxes themselves: level ones to the pixel as layouts have them."""
    count, height, width = masks.shape
    level = None if turned_too else pixel_boxes(one.box_path(), count, height, width)
    for frame in frames:
        box = boxes[frame]
        if level is not None and box.angle == 0:
            at = level[frame]
            masks[frame, max(at.top, 0) : max(at.bottom, 0), max(at.left, 0) : max(at.right, 0)] = 255
        else:
            masks[frame] = _filled(box.corners(), height, width)
    return masks


def _filled(points: Numbers, height: int, width: int) -> NDArray[np.uint8]:
    """A polygon of pixels, filled."""
    canvas, fine = _canvas(height, width)
    _fill(canvas, points, fine, 255)
    return _reduced(canvas, height, width)


def _canvas(height: int, width: int) -> tuple[NDArray[np.uint8], int]:
    """What is drawn on, and how many times larger it is than the frame: an odd number, so that centres are pixels."""
    fine = min(-(-FINE // min(height, width)) // 2 * 2 + 1, _FINEST)
    return np.zeros((height * fine, width * fine), np.uint8), fine


def _reduced(canvas: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The canvas at the size of the frame: a pixel is what its centre is."""
    fine = canvas.shape[0] // height
    return canvas if fine == 1 else canvas[fine // 2 :: fine, fine // 2 :: fine]


def _draw_stroke(
    canvas: NDArray[np.uint8], stroke: Stroke, size: tuple[int, int], way: Numbers | None, fine: int
) -> None:
    points, scale = np.array(stroke.points, dtype=np.float64) * (size[1], size[0]), 1.0
    if way is not None:
        points = points @ way[:, :2].T + way[:, 2]
        scale = float(np.sqrt(abs(np.linalg.det(way[:, :2]))))
    level = 255 if stroke.adds else 0
    if not stroke.is_line:
        _fill(canvas, points, fine, level)
        return
    cv2 = opencv()
    # OpenCV's lines are a pixel wider than it is told, their edges included.
    thick = min(max(round(stroke.width * size[1] * scale * fine - 1), 1), 32_000)
    placed = _whole(points, fine)
    if len(placed) == 1 or thick == 1:
        placed = np.concatenate([placed, placed[-1:]])
    for start, end in zip(placed[:-1].tolist(), placed[1:].tolist(), strict=True):
        cv2.line(canvas, start, end, level, thick, cv2.LINE_8, _SUBPIXEL)


def _fill(canvas: NDArray[np.uint8], points: Numbers, fine: int, level: int) -> None:
    cv2 = opencv()
    cv2.fillPoly(canvas, [_whole(points, fine)], level, cv2.LINE_8, _SUBPIXEL)


def _whole(points: Numbers, fine: int) -> NDArray[np.int32]:
    """Points in pixels as OpenCV takes them: centres of pixels at whole numbers, and fractions in bits."""
    placed = np.clip(points * fine - 0.5, -_FAR, _FAR) * (1 << _SUBPIXEL)
    return np.round(placed).astype(np.int32)
