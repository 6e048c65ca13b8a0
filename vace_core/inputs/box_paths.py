"""Boxes that move as JSON: our own, and the points that path editors of other node packs write.

The JSON of `paths_to_json`:

    {"version": 1, "whole": true, "paths": [
        {"label": "dog", "order": 0, "colour": [0, 0, 0], "smooth": false, "keys": [
            {"time": 0.0, "x": 0.2, "y": 0.5, "width": 0.1, "height": 0.2}, …]}, …]}

All numbers as in `BoxKey` and `BoxPath`; "whole", "label", "order", "colour" and "smooth" may be missing, nothing else.
"whole" says that they are fractions of a picture before it is cropped, not of the frame.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, cast

from ..checks.numbers import check_number
from ..errors import InputError, shown
from .layout import BLACK, FARTHEST, BoxKey, BoxPath
from .typed_json import MOST_KEYS, MOST_PATHS, listed, made, object_of, parsed


def paths_to_json(paths: Sequence[BoxPath], *, whole: bool = False) -> str:
    """The paths as one line of JSON, which `paths_from_json` reads back exactly.

    Args:
        paths: What is written.
        whole: Whether they were drawn on a clip that is cropped afterwards.
    """
    told = {"version": 1, **({"whole": True} if whole else {}), "paths": [asdict(path) for path in paths]}
    return json.dumps(told, allow_nan=False)


def paths_from_json(
    text: str,
    *,
    size: tuple[float, float] | None = None,
    box: tuple[float, float] | None = None,
    origin: tuple[float, float] = (0.0, 0.0),
    picture: tuple[float, float] | None = None,
) -> tuple[BoxPath, ...]:
    """Reads paths from JSON: our own, or the points that path editors of other node packs write.

    Args:
        text: at most 1,000,000 characters, 64 paths and 4,096 keys. Either what `paths_to_json` writes, or
            `[{"x": 12, "y": 34}, …]` in pixels, or a list of such lists: each list is one path, its points equally far
            apart in time, the first in the first frame, the last in the last.
        size: width, height of the frame in pixels of the image the points were drawn on. Points need it, and paths
            of a whole image.
        box: width, height in pixels of the box that follows the points. Only points need it.
        origin: where the frame begins in that image, in pixels, where it is a part of it.
        picture: width, height of that image; None = the frame is all of it.

    Raises:
        InputError: the text is not such JSON, and why.
    """
    data = parsed(text)
    if isinstance(data, dict):
        own = cast("dict[str, Any]", data)
        found = _from_own(own)
        return _into(found, size, origin, picture) if own.get("whole") is True and size and picture else found
    return _from_points(data, size, box, origin)


def _from_own(data: dict[str, Any]) -> tuple[BoxPath, ...]:
    if data.get("version") != 1:
        raise InputError(
            "boxes-version",
            'The boxes are JSON whose "version" is {version}. The paths of a path editor are needed ("version": 1 and '
            '"paths"), or points in pixels. Take the text of VACE Move Anything\'s paths, or type points.',
            version=shown(data.get("version")),
        )
    found: list[BoxPath] = []
    room = MOST_KEYS
    for number, entry in enumerate(listed("The boxes", data.get("paths"), "paths", MOST_PATHS), 1):
        where = f"Path {number}"
        values = object_of(where, entry)
        entries = listed(where, values.get("keys"), "keys", room)
        room -= len(entries)
        keys = [made(BoxKey, f"{where}, key {count}", object_of(where, key)) for count, key in enumerate(entries, 1)]
        colour = values.get("colour", BLACK)
        colour = tuple(colour) if isinstance(colour, list) else colour
        found.append(made(BoxPath, where, {**values, "keys": tuple(keys), "colour": colour}))
    return tuple(found)


def _into(
    paths: Sequence[BoxPath], size: tuple[float, float], origin: tuple[float, float], picture: tuple[float, float]
) -> tuple[BoxPath, ...]:
    """Paths in fractions of a picture, in fractions of the frame that is a part of it."""
    (width, height), (left, top), (across, down) = size, origin, picture

    def moved(key: BoxKey) -> BoxKey:
        x, y = (key.x * across - left) / width, (key.y * down - top) / height
        return replace(key, x=x, y=y, width=key.width * across / width, height=key.height * down / height)

    return tuple(replace(path, keys=tuple(map(moved, path.keys))) for path in paths)


def _from_points(
    data: object, size: tuple[float, float] | None, box: tuple[float, float] | None, origin: tuple[float, float]
) -> tuple[BoxPath, ...]:
    lists = listed("The boxes", data, "points", MOST_KEYS)
    if size is None or box is None or min(*size, *box) <= 0:
        raise InputError(
            "boxes-points-size",
            "The boxes are points in pixels. To read them, the size of the image they were drawn on and the "
            "size of the box, in pixels, are needed. Set both to more than 0.",
        )
    (width, height), found, room = size, list[BoxPath](), MOST_KEYS
    lists = lists if isinstance(lists[0], list) else [lists]
    for number, entry in enumerate(listed("The boxes", lists, "paths", MOST_PATHS), 1):
        points, keys = listed(f"Path {number}", entry, "points", room), list[BoxKey]()
        room -= len(points)
        for count, value in enumerate(points):
            where = f"Path {number}, point {count + 1}"
            point = object_of(where, value)
            check_number(f"{where}: x", point.get("x"), least=-FARTHEST * width, most=FARTHEST * width)
            check_number(f"{where}: y", point.get("y"), least=-FARTHEST * height, most=FARTHEST * height)
            time = count / max(len(points) - 1, 1)
            x, y = (point["x"] - origin[0]) / width, (point["y"] - origin[1]) / height
            keys.append(BoxKey(time=time, x=x, y=y, width=box[0] / width, height=box[1] / height))
        found.append(BoxPath(keys=tuple(keys)))
    return tuple(found)
