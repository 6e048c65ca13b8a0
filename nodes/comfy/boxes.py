"""Boxes, points and tracks as other packs hand them on, in and out, and the inputs that take them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from torch import Tensor

from ...vace_core.errors import InputError, shown
from ...vace_core.geometry import Box
from ...vace_core.inputs.layout import BoxKey, BoxPath
from . import sockets

MOST = 10_000  # boxes read of one socket

Seen = tuple[float, float, float, float]
"""Left, top, width and height of the frame, in pixels of the image that boxes, points and tracks were made on."""


def box_paths() -> list[Any]:
    """Moving boxes, drawn in the editor or linked from another pack's."""
    return [
        io.String.Input(
            "paths",
            default="[]",
            tooltip=(
                "The boxes and how they move, as JSON: drawn in the editor of this node, or linked from another "
                "pack's path editor (a list of points x, y in pixels, or a list of such lists)."
            ),
        ),
        io.Float.Input(
            "box_size",
            default=0.25,
            min=0.01,
            max=1.0,
            step=0.01,
            tooltip="Only for points from another pack: the size of the box around a point, as a fraction of the "
            "image.",
        ),
    ]


def linked_boxes() -> list[Any]:
    """Moving boxes out of what detectors and trackers find, beside those of `box_paths`."""
    return [
        io.MultiType.Input(
            "boxes",
            types=[io.BBOX, sockets.BoundingBox],
            optional=True,
            tooltip="Bounding boxes in pixels, for all frames or one list per frame: further boxes beside those drawn.",
        ),
        sockets.Tracks.Input(
            "tracks",
            optional=True,
            tooltip="Tracks of points in pixels: further boxes beside those drawn, of box_size around each point.",
        ),
    ]


def boxes_of(value: Any, num_frames: int) -> list[list[Box]]:
    """The boxes of every frame, in pixels.

    Args:
        value: BBOX: a list of (left, top, right, bottom); or BOUNDING_BOX: a list of objects with x, y, width and
            height. Either may be a single box, or a list with a list for every frame; arrays and tensors are lists.
        num_frames: Frames of the video.

    Raises:
        InputError: it is none of these, there is no box, or lists for another number of frames came.
    """
    value = _plain(value)
    if isinstance(value, list) and all(one == [] for one in value):  # for all frames, or in each of them
        raise InputError(
            "boxes-empty",
            "The boxes are an empty list, as detectors give it that found nothing, and editors where nothing is drawn. "
            "At least one box is needed. Look at what the detector gets, draw a box (ComfyUI's own editor shows itself "
            "in Nodes 2.0 alone), or disconnect boxes.",
        )
    if _is_box(value):
        value = [value]
    if not isinstance(value, (list, tuple)) or not value or len(value) > MOST:
        raise _unreadable(value)
    lists: list[Any] = [value] if all(_is_box(one) for one in value) else list(value)
    if not all(isinstance(one, (list, tuple)) and all(_is_box(box) for box in one) for one in lists):
        raise _unreadable(value)
    if len(lists) not in (1, num_frames):
        raise InputError(
            "boxes-length",
            "The boxes are lists for {lists} frames, and the video has {num_frames}. One list for all "
            "frames, or one list per frame, is needed. Make the boxes from this video.",
            lists=len(lists),
            num_frames=num_frames,
        )
    numbers = [number for boxes in lists for box in boxes for number in _numbers(box)]
    if numbers and all(0 <= one <= 1 for one in numbers):
        raise InputError(
            "boxes-fractions",
            "The boxes are {value}, all of it between 0 and 1: fractions of the frame. Boxes in pixels are needed. "
            "Multiply them by the width and the height, or have the detector give pixels.",
            value=shown(value),
        )
    frames = [[_box(one) for one in boxes] for boxes in lists]
    return frames * num_frames if len(frames) == 1 else frames


def paths_of_boxes(frames: list[list[Box]], seen: Seen) -> list[BoxPath]:
    """A path for each place in the lists of `boxes_of`: the first box of every frame is one object, and so on."""
    left, top, width, height = seen
    found, last = list[BoxPath](), max(len(frames) - 1, 1)
    still = all(boxes == frames[0] for boxes in frames)
    for place in range(max(len(boxes) for boxes in frames)):
        there = [(n, boxes[place]) for n, boxes in enumerate(frames) if place < len(boxes)]
        keys = [
            BoxKey(
                time=n / last,
                x=((box.left + box.right) / 2 - left) / width,
                y=((box.top + box.bottom) / 2 - top) / height,
                width=box.width / width,
                height=box.height / height,
            )
            for n, box in (there[:1] if still else there)
        ]
        found.append(BoxPath(keys=tuple(keys), label=f"box {place + 1}"))
    return found


def paths_of_tracks(tracks: Any, seen: Seen, box: float) -> list[BoxPath]:
    """A path for each of core's TRACKS `{"track_path": (T, N, 2)}` in pixels, `box` of the frame around its points.

    Raises:
        InputError: a point that is no number, or far outside.
    """
    points, (left, top, width, height) = tracks["track_path"].detach().float().cpu(), seen
    if not bool(torch.isfinite(points).all()):
        raise InputError(
            "tracks-not-finite",
            "The tracks hold places that are not numbers (NaN), as trackers give them for points that are lost. Places "
            "in every frame are needed. Choose points that stay in sight, or another tracker.",
        )
    last = max(len(points) - 1, 1)
    return [
        BoxPath(
            keys=tuple(
                BoxKey(time=n / last, x=(x - left) / width, y=(y - top) / height, width=box, height=box)
                for n, (x, y) in enumerate(points[:, place].tolist())
            ),
            label=f"track {place + 1}",
        )
        for place in range(points.shape[1])
    ]


def points_text(ways: Sequence[Sequence[tuple[float, float]]]) -> str:
    """Places in pixels, a list for each object with one for each frame, as KJNodes' path editor writes them."""
    return json.dumps([[{"x": round(x, 3), "y": round(y, 3)} for x, y in way] for way in ways])


def tracks_of(ways: Sequence[Sequence[tuple[float, float]]], num_frames: int) -> dict[str, Tensor]:
    """The same as core's TRACKS, all of them visible."""
    path = torch.tensor(ways, dtype=torch.float32).reshape(len(ways), num_frames, 2).transpose(0, 1).contiguous()
    return {"track_path": path, "track_visibility": torch.ones(num_frames, len(ways), dtype=torch.bool)}


def boxes_around(masks: Sequence[Any]) -> list[list[dict[str, int]]]:
    """Core's BOUNDING_BOX of arrays `(T, H, W)`: for every frame the boxes of what is in each of them."""
    frames: list[list[dict[str, int]]] = [[] for _ in range(len(masks[0]) if masks else 0)]
    for mask in masks:
        for boxes, frame in zip(frames, mask, strict=True):
            rows, columns = frame.any(axis=1).nonzero()[0], frame.any(axis=0).nonzero()[0]
            if len(rows):
                left, top = int(columns[0]), int(rows[0])
                size = {"width": int(columns[-1]) + 1 - left, "height": int(rows[-1]) + 1 - top}
                boxes.append({"x": left, "y": top, **size})
    return frames


def box_masks(frames: list[list[Box]], height: int, width: int) -> Tensor:
    """`(1, 1, T, H, W)`: 1 inside the boxes of each frame."""
    masks = torch.zeros(1, 1, len(frames), height, width)
    for mask, boxes in zip(masks[0, 0], frames, strict=True):
        for box in boxes:
            mask[max(box.top, 0) : max(box.bottom, 0), max(box.left, 0) : max(box.right, 0)] = 1
    return masks


def _plain(value: Any, depth: int = 3) -> Any:
    """The boxes in lists and Python's own numbers, where detectors give arrays and tensors of them."""
    held = isinstance(value, (np.ndarray, np.generic)) or (
        isinstance(value, Tensor) and value.layout == torch.strided and not value.is_meta
    )
    if held and value.nbytes <= 64 * MOST:  # more is a picture
        return value.tolist()
    if depth and isinstance(value, (list, tuple)) and len(value) <= MOST:
        return [_plain(one, depth - 1) for one in value]
    if depth and isinstance(value, dict):
        return {name: _plain(one, depth - 1) for name, one in value.items()}
    return value


def _is_box(value: Any) -> bool:
    found = _numbers(value)
    return len(found) == 4 and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) and abs(one) < 1e6 for one in found
    )


def _numbers(value: Any) -> Sequence[Any]:
    if isinstance(value, dict):
        return [value.get(name) for name in ("x", "y", "width", "height")]
    return value if isinstance(value, (list, tuple)) else ()


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
    left, top, right, bottom = round(left), round(top), round(right), round(bottom)
    return Box(left, top, max(right, left + 1), max(bottom, top + 1))


def _unreadable(value: Any) -> InputError:
    return InputError(
        "boxes-unreadable",
        "The boxes are {value}. Lists of four numbers, or of x, y, width and height, are needed, for all "
        "frames or a list for each. Connect a BBOX or BOUNDING_BOX output.",
        value=shown(value),
    )
