"""The document of the desk as JSON, read strictly: what is wrong is said with its place, and nothing is corrected.

    {"version": 1, "clip": {"width": 1280, "height": 720, "frames": 81}, "objects": [
        {"action": "remove", "label": "dog", "keys": [{"time": 0.0, "x": 0.2, "y": 0.5, "width": 0.1, "height": 0.2}],
         "shapes": [{"time": 0.0, "strokes": [{"kind": "lasso", "points": [[0.1, 0.4], …]}, …]}], …}, …]}

All names and numbers as in `document`; of an object only "action" must be there. Paths of `box_paths`, and points
of other packs' path editors, are read too: each becomes an object to generate.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, cast

from ...errors import InputError, shown
from ..box_paths import paths_from_json
from ..layout import BoxPath
from ..typed_json import made, object_of, parsed
from .document import (
    MOST_KEYS,
    MOST_OBJECTS,
    MOST_POINTS,
    MOST_STROKES,
    ClipSize,
    Desk,
    DeskKey,
    DeskObject,
    Shape,
    Stroke,
    Way,
)
from .document import Point as Place

VERSION = 1


def desk_to_json(desk: Desk) -> str:
    """The document as one line of JSON, which `desk_from_json` reads back exactly."""
    return json.dumps({"version": VERSION, **asdict(desk)}, allow_nan=False)


def desk_from_json(text: str, *, size: tuple[int, int] | None = None, box: tuple[float, float] | None = None) -> Desk:
    """Reads the document. An empty text is one without objects.

    Args:
        text: At most 1,000,000 characters: what `desk_to_json` writes, or what `box_paths.paths_from_json` reads.
        size: As for `paths_from_json`: width and height of the clip, for points in pixels.
        box: As for `paths_from_json`.

    Raises:
        InputError: the text is no such JSON, and why.
    """
    if not text.strip():
        return Desk()
    try:
        data = parsed(text)
    except InputError as error:
        raise InputError(
            "desk-unreadable",
            "The drawing of the desk cannot be read. What is needed: {error} Undo what was pasted; the drawing was not "
            "changed.",
            error=error,
        ) from None
    if data == []:
        return Desk()
    if isinstance(data, list) or (isinstance(data, dict) and "paths" in data):
        return Desk(objects=objects_of_paths(paths_from_json(text, size=size, box=box)))
    return _desk(object_of("The drawing", data))


def object_from_json(data: object) -> DeskObject:
    """One object of the document, out of what JSON held.

    Raises:
        InputError: it is none, and why.
    """
    return _object("The object", data)


def objects_of_paths(paths: Sequence[BoxPath]) -> tuple[DeskObject, ...]:
    """Objects to generate, whose boxes move along `paths`."""
    return tuple(
        DeskObject(
            action="generate",
            label=path.label[:200],
            order=path.order,
            colour=path.colour,
            smooth=path.smooth,
            keys=tuple(DeskKey(**asdict(key)) for key in path.keys),
        )
        for path in paths
    )


def _desk(data: dict[str, Any]) -> Desk:
    if "objects" not in data or "version" not in data:
        raise InputError(
            "desk-not-ours",
            "The drawing is JSON with the fields {fields}. A drawing of this desk has version and objects; paths and "
            "lists of points are read too. Paste one of these, or undo what was pasted.",
            fields=shown(list(data)),
        )
    if data["version"] != VERSION:
        raise InputError(
            "desk-version",
            "The drawing is of version {version}. Version 1 is needed. Update the pack, or draw it again.",
            version=shown(data["version"]),
        )
    values = {name: value for name, value in data.items() if name != "version"}
    clip = values.get("clip")
    objects = _list("The drawing", values["objects"], "objects", MOST_OBJECTS)
    values["clip"] = None if clip is None else made(ClipSize, "The clip", object_of("The clip", clip))
    values["objects"] = tuple(_object(f"Object {number}", one) for number, one in enumerate(objects, 1))
    return made(Desk, "The drawing", values)


def _object(where: str, data: object) -> DeskObject:
    values = dict(object_of(where, data))
    label = values.get("label")
    where = f'{where} ("{label[:40]}")' if isinstance(label, str) and label else where
    if isinstance(values.get("colour"), list):
        values["colour"] = tuple(values["colour"])
    values["keys"] = _keys(where, values.get("keys", []))
    shapes = _list(where, values.get("shapes", []), "shapes", MOST_STROKES)
    values["shapes"] = tuple(_shape(f"{where}, shape {number}", one) for number, one in enumerate(shapes, 1))
    if values.get("path") is not None:
        way = dict(object_of(f"{where}, path", values["path"]))
        way["keys"] = _keys(f"{where}, path", way.get("keys", []))
        values["path"] = made(Way, f"{where}, path", way)
    return made(DeskObject, where, values)


def _keys(where: str, data: object) -> tuple[DeskKey, ...]:
    keys = _list(where, data, "keys", MOST_KEYS)
    return tuple(
        made(DeskKey, f"{where}, key {number}", object_of(f"{where}, key {number}", one))
        for number, one in enumerate(keys, 1)
    )


def _shape(where: str, data: object) -> Shape:
    values = dict(object_of(where, data))
    strokes = _list(where, values.get("strokes", []), "strokes", MOST_STROKES)
    values["strokes"] = tuple(_stroke(f"{where}, stroke {number}", one) for number, one in enumerate(strokes, 1))
    return made(Shape, where, values)


def _stroke(where: str, data: object) -> Stroke:
    values: dict[str, Any] = dict(object_of(where, data))
    points = _list(where, values.get("points", []), "points", MOST_POINTS)
    values["points"] = tuple(point_of(where, point) for point in points)
    return made(Stroke, where, values)


def point_of(where: str, data: object) -> Place:
    """A place `[x, y]`.

    Raises:
        InputError: it is none.
    """
    pair = cast("list[Any]", data) if isinstance(data, list) else []
    if len(pair) != 2:
        raise InputError(
            "desk-point",
            "{where}: a point is {value}. Two numbers, x and y in fractions of the frame, are needed. Draw it again.",
            where=where,
            value=shown(data),
        )
    return pair[0], pair[1]


def _list(where: str, data: object, what: str, most: int) -> list[Any]:
    """A list of at most `most` entries; it may be empty."""
    found = cast("list[Any]", data) if isinstance(data, list) else None
    if found is None or len(found) > most:
        raise InputError(
            "desk-list",
            "{where}: {what} are {value}. A list of at most {most:,} is needed. Correct it.",
            where=where,
            what=what,
            value=shown(cast("object", data)) if found is None else f"{len(found):,}",
            most=most,
        )
    return found


def clip_notes(desk: Desk, width: int, height: int, frames: int) -> list[str]:
    """What is to be known where the clip is not the one that was drawn on. The drawing itself is kept as it is."""
    drawn = desk.clip
    if drawn is None or (drawn.width, drawn.height, drawn.frames) == (width, height, frames):
        return []
    notes = [
        f"! The drawing was made on a clip of {drawn.frames} frames of {drawn.width} x {drawn.height}, and this one "
        f"has {frames} of {width} x {height}. The drawing is kept, and laid over the whole of this clip."
    ]
    if abs(width * drawn.height / (height * drawn.width) - 1) > 0.02:
        notes.append("! The clip has another aspect ratio than the drawing, which is stretched to it. Look at it.")
    if drawn.frames != frames:
        notes.append("! The clip has another length: keys lie at other frames. Look through the time line.")
    return notes
