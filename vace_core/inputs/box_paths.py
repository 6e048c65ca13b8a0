"""Boxes that move as JSON: our own, and the points that path editors of other node packs write.

The JSON of `paths_to_json`:

    {"version": 1, "paths": [
        {"label": "dog", "order": 0, "colour": [0, 0, 0], "smooth": false, "keys": [
            {"time": 0.0, "x": 0.2, "y": 0.5, "width": 0.1, "height": 0.2}, …]}, …]}

All numbers as in `BoxKey` and `BoxPath`; "label", "order", "colour" and "smooth" may be missing, nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import MISSING, asdict, fields
from typing import Any, TypeVar, cast

from ..checks.numbers import check_number
from ..errors import InputError, shown
from .layout import BLACK, FARTHEST, BoxKey, BoxPath

_LONGEST_TEXT, _MOST_PATHS, _MOST_KEYS = 1_000_000, 64, 4096

Made = TypeVar("Made", BoxKey, BoxPath)


def paths_to_json(paths: Sequence[BoxPath]) -> str:
    """The paths as one line of JSON, which `paths_from_json` reads back exactly."""
    return json.dumps({"version": 1, "paths": [asdict(path) for path in paths]}, allow_nan=False)


def paths_from_json(
    text: str, *, size: tuple[int, int] | None = None, box: tuple[float, float] | None = None
) -> tuple[BoxPath, ...]:
    """Reads paths from JSON: our own, or the points that path editors of other node packs write.

    Args:
        text: at most 1,000,000 characters, 64 paths and 4,096 keys. Either what `paths_to_json` writes, or
            `[{"x": 12, "y": 34}, …]` in pixels, or a list of such lists: each list is one path, its points equally far
            apart in time, the first in the first frame, the last in the last.
        size: width, height in pixels of the image the points were drawn on. Only points need it.
        box: width, height in pixels of the box that follows the points. Only points need it.

    Raises:
        InputError: the text is not such JSON, and why.
    """
    data = _parsed(text)
    if isinstance(data, dict):
        return _from_own(cast("dict[str, Any]", data))
    return _from_points(data, size, box)


def _parsed(text: str) -> object:
    if len(text) > _LONGEST_TEXT:
        raise InputError(
            "boxes-too-long",
            "The boxes are {length:,} characters of JSON. At most {limit:,} are read. Use fewer keys.",
            length=len(text),
            limit=_LONGEST_TEXT,
        )

    def whole(digits: str) -> float:
        # Thousands of digits take Python seconds, or an error, to turn into a whole number.
        return int(digits) if len(digits) < 16 else float(digits)

    try:
        return json.loads(text, parse_int=whole)
    except ValueError as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    raise InputError(
        "boxes-not-json",
        "The boxes cannot be read as JSON: {reason}. Copy the text again from where it was made.",
        reason=reason,
    )


def _from_own(data: dict[str, Any]) -> tuple[BoxPath, ...]:
    if data.get("version") != 1:
        raise InputError(
            "boxes-version",
            "The boxes are JSON of version {version}. Version 1 is needed. Make the boxes again.",
            version=shown(data.get("version")),
        )
    found: list[BoxPath] = []
    room = _MOST_KEYS
    for number, entry in enumerate(_listed("The boxes", data.get("paths"), "paths", _MOST_PATHS), 1):
        where = f"Path {number}"
        values = _object(where, entry)
        listed = _listed(where, values.get("keys"), "keys", room)
        room -= len(listed)
        keys = [_made(BoxKey, f"{where}, key {count}", _object(where, key)) for count, key in enumerate(listed, 1)]
        colour = values.get("colour", BLACK)
        colour = tuple(colour) if isinstance(colour, list) else colour
        found.append(_made(BoxPath, where, {**values, "keys": tuple(keys), "colour": colour}))
    return tuple(found)


def _from_points(data: object, size: tuple[int, int] | None, box: tuple[float, float] | None) -> tuple[BoxPath, ...]:
    lists = _listed("The boxes", data, "points", _MOST_KEYS)
    if size is None or box is None or min(*size, *box) <= 0:
        raise InputError(
            "boxes-points-size",
            "The boxes are points in pixels. To read them, the size of the image they were drawn on and the "
            "size of the box, in pixels, are needed. Set both to more than 0.",
        )
    (width, height), found, room = size, list[BoxPath](), _MOST_KEYS
    lists = lists if isinstance(lists[0], list) else [lists]
    for number, entry in enumerate(_listed("The boxes", lists, "paths", _MOST_PATHS), 1):
        points, keys = _listed(f"Path {number}", entry, "points", room), list[BoxKey]()
        room -= len(points)
        for count, value in enumerate(points):
            where = f"Path {number}, point {count + 1}"
            point = _object(where, value)
            check_number(f"{where}: x", point.get("x"), least=-FARTHEST * width, most=FARTHEST * width)
            check_number(f"{where}: y", point.get("y"), least=-FARTHEST * height, most=FARTHEST * height)
            time, x, y = count / max(len(points) - 1, 1), point["x"] / width, point["y"] / height
            keys.append(BoxKey(time=time, x=x, y=y, width=box[0] / width, height=box[1] / height))
        found.append(BoxPath(keys=tuple(keys)))
    return tuple(found)


def _listed(where: str, value: object, what: str, most: int) -> list[Any]:
    if not isinstance(value, list) or not value:
        raise InputError(
            "boxes-list",
            "{where}: {what} are {value}. A list with at least one entry is needed. Correct it.",
            where=where,
            what=what,
            value=shown(value),
        )
    listed = cast("list[Any]", value)
    if len(listed) > most:
        raise InputError(
            "boxes-too-many",
            "{where}: there are {count:,} {what} and room for {limit:,}. Use fewer.",
            where=where,
            count=len(listed),
            what=what,
            limit=most,
        )
    return listed


def _object(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(
            "boxes-object",
            "{where} is {value}. A JSON object in braces is needed. Correct it.",
            where=where,
            value=shown(value),
        )
    return cast("dict[str, Any]", value)


def _made(kind: type[Made], where: str, values: dict[str, Any]) -> Made:
    """A `BoxKey` or `BoxPath` of what JSON held, or what is wrong with it and where."""
    known = {field.name: field.default is MISSING for field in fields(kind)}
    unknown = [name for name in values if name not in known]
    missing = [name for name, needed in known.items() if needed and name not in values]
    if unknown or missing:
        came = f"has the unknown field {shown(unknown[0])}" if unknown else f"lacks {shown(missing[0])}"
        raise InputError(
            "boxes-fields",
            "{where} {came}. Its fields are {known}. Correct it.",
            where=where,
            came=came,
            known=", ".join(known),
        )
    try:
        return kind(**values)
    except InputError as error:
        raise InputError("boxes-invalid", "{where}: {error}", where=where, error=error) from None
