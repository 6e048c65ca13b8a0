"""Tables of a TOML file as typed dataclasses and back: exactly the entries that are known, or a sentence about them."""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ..errors import InputError, ModelError, shortened
from ..files.replacing import reason

MAX_BYTES = 1_000_000
NEEDED: dict[Any, str] = {float: "A number", int: "A whole number", bool: "true or false"}

Made = TypeVar("Made")


def read_toml(path: Path) -> dict[str, Any]:
    """The table that a TOML file is.

    Raises:
        InputError: it cannot be read, or is no TOML.
        ModelError: Python before 3.11 needs the package tomli for it, which is not installed.
    """
    try:
        toml = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    except ImportError as error:
        raise ModelError(
            "tomli-not-installed",
            "The Python package tomli is not installed. Python before 3.11 reads recipes with it. Install it "
            "with: pip install tomli",
        ) from error
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
        return toml.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(
            "recipe-unreadable",
            "The recipe {path} cannot be read ({error}). A TOML file is needed. Choose one that is there.",
            path=path,
            error=error.strerror,
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            "recipe-not-toml",
            "The recipe {path} is not valid TOML ({error}). A recipe as in docs/training.md is needed. Correct it.",
            path=path,
            error=shortened(reason(error), 200),
        ) from error


def build(kind: type[Made], table: Mapping[str, Any], where: str = "") -> Made:
    """The dataclass `kind` with the entries of `table`; entries that are left out keep their defaults.

    Args:
        where: What the messages call the table: "schedule".

    Raises:
        InputError: an entry that is not known, missing, or of another type.
    """
    hints = get_type_hints(kind)
    known = {field.name: field for field in fields(cast("Any", kind))}
    start = f"{where}." if where else ""
    for name in table:
        if name not in known:
            raise InputError(
                "recipe-entry-unknown",
                "The recipe has the entry {entry}, which is not known. Known entries are {known}. Remove it, or "
                "correct its name.",
                entry=shortened(f"{start}{name}"),
                known=", ".join(known),
            )
    for name, field in known.items():
        if name not in table and field.default is MISSING and field.default_factory is MISSING:
            raise InputError(
                "recipe-entry-missing",
                "The recipe lacks the entry {entry}. It is needed. Add it.",
                entry=f"{start}{name}",
            )
    return kind(**{name: _value(value, hints[name], f"{start}{name}") for name, value in table.items()})


def plain(value: Any) -> Any:
    """A dataclass as tables, lists and plain values, as TOML and JSON have them; what is None is left out."""
    if is_dataclass(value):
        named = {field.name: getattr(value, field.name) for field in fields(value)}
        return {name: plain(entry) for name, entry in named.items() if entry is not None}
    if isinstance(value, Mapping):
        table = cast("Mapping[Any, Any]", value)
        return {str(name): plain(entry) for name, entry in table.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry) for entry in cast("Sequence[Any]", value)]
    return str(value) if isinstance(value, Path) else value


def to_toml(table: Mapping[str, Any], path: str = "") -> str:
    """A table of plain values as TOML."""
    lines: list[str] = []
    for name, value in table.items():
        if not _is_table(value) and not _are_tables(value):
            lines.append(f"{name} = {_written(value)}")
    for name, value in table.items():
        place = f"{path}.{name}" if path else name
        if _is_table(value) and value:
            lines += ["", f"[{place}]", to_toml(value, place)]
        elif _are_tables(value):
            for entry in value:
                lines += ["", f"[[{place}]]", to_toml(entry, place)]
    return "\n".join(lines)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_is_table(entry) for entry in cast("list[Any]", value))


def _written(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_written(entry) for entry in cast('list[Any]', value))}]"
    return json.dumps(value, ensure_ascii=False)


def _value(value: Any, hint: Any, where: str) -> Any:
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _value(value, next(kind for kind in inner if kind is not type(None)), where)
    if origin is Literal:
        if value not in inner:
            raise _wrong(where, value, f"One of {', '.join(map(str, inner))}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _wrong(where, value, "A list in square brackets")
        kinds = [inner[0]] * len(value) if inner[-1] is ... else list(inner)
        if len(kinds) != len(value):
            raise _wrong(where, value, f"A list of {len(kinds)} entries")
        return tuple(_value(entry, kind, where) for entry, kind in zip(value, kinds, strict=True))
    if is_dataclass(hint) or origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise _wrong(where, value, "A table")
        table = cast("dict[str, Any]", value)
        if is_dataclass(hint):
            return build(cast("type[Any]", hint), table, where)
        return {name: _value(entry, inner[1], f"{where}.{name}") for name, entry in table.items()}
    return _scalar(value, hint, where)


def _scalar(value: Any, hint: Any, where: str) -> Any:
    if hint is float and type(value) is int:
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if type(value) is not hint:
        raise _wrong(where, value, NEEDED.get(hint, "A text in quotes"))
    return value


def _wrong(where: str, value: Any, needed: str) -> InputError:
    return InputError(
        "recipe-value",
        "The recipe gives {where} as {value}. {needed} is needed. Correct it.",
        where=where,
        value=shortened(value),
        needed=needed,
    )
