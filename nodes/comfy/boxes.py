"""Boxes as other packs hand them on."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...vace_core.errors import InputError, shown
from ...vace_core.geometry import Box

MOST = 10_000  # boxes read of one socket


def boxes_of(value: Any, num_frames: int) -> list[list[Box]]:
    """The boxes of every frame, in pixels.

    Args:
        value: BBOX: a list of (left, top, right, bottom); or BOUNDING_BOX: a list of objects with x, y, width and
            height. Either may be a single box, or a list with a list for every frame.
        num_frames: Frames of the video.

    Raises:
        InputError: it is none of these, or lists for another number of frames came.
    """
    if _is_box(value):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value or len(value) > MOST:
        raise _unreadable(value)
    if all(_is_box(one) for one in value):
        return [[_box(one) for one in value]] * num_frames
    if not all(isinstance(one, (list, tuple)) and all(_is_box(box) for box in one) for one in value):
        raise _unreadable(value)
    if len(value) not in (1, num_frames):
        raise InputError(
            "boxes-length",
            "The boxes are lists for {lists} frames, and the video has {num_frames}. One list for all "
            "frames, or one list per frame, is needed. Make the boxes from this video.",
            lists=len(value),
            num_frames=num_frames,
        )
    frames = [[_box(one) for one in boxes] for boxes in value]
    return frames * num_frames if len(frames) == 1 else frames


def box_masks(frames: list[list[Box]], height: int, width: int) -> Tensor:
    """`(1, 1, T, H, W)`: 1 inside the boxes of each frame."""
    masks = torch.zeros(1, 1, len(frames), height, width)
    for mask, boxes in zip(masks[0, 0], frames, strict=True):
        for box in boxes:
            mask[max(box.top, 0) : max(box.bottom, 0), max(box.left, 0) : max(box.right, 0)] = 1
    return masks


def _is_box(value: Any) -> bool:
    if isinstance(value, dict):
        value = [value.get(name) for name in ("x", "y", "width", "height")]
    return (
        isinstance(value, (list, tuple))
        and len(value) == 4
        and all(isinstance(one, (int, float)) and not isinstance(one, bool) and abs(one) < 1e6 for one in value)
    )


def _box(value: Any) -> Box:
    if isinstance(value, dict):
        left, top = value["x"], value["y"]
        right, bottom = left + value["width"], top + value["height"]
    else:
        left, top, right, bottom = value
    if right <= left or bottom <= top:
        raise InputError(
            "box-corners",
            "A box reaches from {left:g}, {top:g} to {right:g}, {bottom:g}. Its right and bottom must lie "
            "beyond its left and top. Connect boxes of corners (BBOX), or of x, y, width and height "
            "(BOUNDING_BOX).",
            left=left,
            top=top,
            right=right,
            bottom=bottom,
        )
    return Box(round(left), round(top), round(right), round(bottom))


def _unreadable(value: Any) -> InputError:
    return InputError(
        "boxes-unreadable",
        "The boxes are {value}. Lists of four numbers, or of x, y, width and height, are needed, for all "
        "frames or a list for each. Connect a BBOX or BOUNDING_BOX output.",
        value=shown(value),
    )
