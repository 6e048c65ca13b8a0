"""JSON that a person drew or pasted, as typed objects: what is wrong with it is said with its place."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..errors import InputError, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

LONGEST_TEXT, MOST_PATHS, MOST_KEYS = 1_000_000, 64, 4096

Made = TypeVar("Made", bound="DataclassInstance")


def parsed(text: str) -> object:
    """What JSON of at most `LONGEST_TEXT` characters says.

    Raises:
        InputError: it is longer, or no JSON.
    """
    if len(text) > LONGEST_TEXT:
        raise InputError(
            "boxes-too-long",
            "The boxes are {length:,} characters of JSON. At most {limit:,} are read. Use fewer keys.",
            length=len(text),
            limit=LONGEST_TEXT,
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


def listed(where: str, value: object, what: str, most: int) -> list[Any]:
    """`value` as a list of 1 to `most` entries, or what is wrong with it and where.

    Raises:
        InputError: it is no list, empty, or too long.
    """
    if not isinstance(value, list) or not value:
        raise InputError(
            "boxes-list",
            "{where}: {what} are {value}. A list with at least one entry is needed. Correct it.",
            where=where,
            what=what,
            value=shown(value),
        )
    found = cast("list[Any]", value)
    if len(found) > most:
        raise InputError(
            "boxes-too-many",
            "{where}: there are {count:,} {what} and room for {limit:,}. Use fewer.",
            where=where,
            count=len(found),
            what=what,
            limit=most,
        )
    return found


def object_of(where: str, value: object) -> dict[str, Any]:
    """`value` as a JSON object.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, dict):
        raise InputError(
            "boxes-object",
            "{where} is {value}. A JSON object in braces is needed. Correct it.",
            where=where,
            value=shown(value),
        )
    return cast("dict[str, Any]", value)


def made(kind: type[Made], where: str, values: dict[str, Any]) -> Made:
    """A dataclass of what JSON held, or what is wrong with it and where.

    Raises:
        InputError: a field is unknown or missing, or the dataclass refuses a value.
    """
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
