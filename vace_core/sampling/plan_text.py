"""The plan of a long clip as people type it, and as a file.

Typed, it is stretches with a prompt each: `[0-4s] a man walks | [4s, new shot] he sits`. A file is JSON and holds the
windows themselves.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, fields
from functools import partial
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from ..errors import InputError, shortened
from ..files.replacing import replacing
from ..files.strict_json import parse
from ..media.ranges import frame_in
from .planning import Span
from .windows import Keyframe, Plan, Window

VERSION = 1
_NEW_SHOT = "new shot"
_NEEDED = '"[0-4s] a man walks | [4s, new shot] he sits"'


def spans_from_text(
    text: str,
    *,
    num_frames: int | None,
    fps: float,
    timecode: str | None = None,
    begin: float = 0.0,
    times: Tensor | None = None,
) -> tuple[Span, ...]:
    """Stretches of a clip and their prompts, separated by "|"; their times are read by `media.ranges`.

    Before a prompt stands when: "[4s]" from there to the next one, "[0-4s]" up to there, in seconds ("4s", "4"), frames
    ("80f") or timecodes ("00:00:04:00"). ", new shot" behind it makes a hard cut.

    Args:
        text: What was typed. A text without "[" is the prompt of the whole clip.
        num_frames: Frames of the clip. None = up to the end of the last stretch, which must then be stated.
        fps: Frames per second.
        timecode: As `media.ranges.frame_in`, as are all others.
        begin: As `frame_in`.
        times: As `frame_in`.

    Raises:
        InputError: it is not of this form, stretches leave gaps, or the clip has no end.
    """
    parts = text.split("|") if "[" in text else ["[0] " + text]
    place = partial(frame_in, fps=fps, timecode=timecode, begin=begin, times=times)
    found = [_stretch(part.strip(), place) for part in parts]
    spans: list[Span] = []
    for number, (first, end, new_shot, prompt) in enumerate(found):
        following = found[number + 1][0] if number + 1 < len(found) else num_frames
        until = following if end is None else end
        if until is None:
            raise InputError(
                "spans-open",
                'The last prompt, "{prompt}", has no end, and the clip has no length yet. One of the two is needed. '
                'Write as "[4-8s]", or set the length.',
                prompt=shortened(prompt),
            )
        spans.append(Span(begin=first, end=until, prompt=prompt.strip() or None, new_shot=new_shot))
    return tuple(spans)


def plan_to_json(plan: Plan) -> str:
    """The plan as JSON, of which `plan_from_json` makes an equal one."""
    return json.dumps({"vace_plan": VERSION, **asdict(plan)}, indent=2, ensure_ascii=False) + "\n"


def plan_from_json(text: str) -> Plan:
    """The plan that a JSON text holds.

    Raises:
        InputError: it is no JSON, holds something unknown or lacks something, or as `Plan` and `Window`.
    """
    try:
        table = parse(text)
        if not isinstance(table, dict):
            raise ValueError("a table is needed")
        given = cast("dict[str, Any]", table)
        if given.pop("vace_plan", None) != VERSION:
            raise ValueError(f'it has no "vace_plan": {VERSION}')
        given["windows"] = tuple(_made(Window, one, _WINDOW) for one in _listed(given, "windows"))
        given["keyframes"] = tuple(_made(Keyframe, one, _KEYFRAME) for one in _listed(given, "keyframes"))
        given["order"] = tuple(_whole(one, "order") for one in _listed(given, "order"))
        return _made(Plan, given, _PLAN)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(
            "plan-unreadable",
            "The plan cannot be read: {error}. A plan as vace plan writes it is needed. Write it again, or correct it.",
            error=error,
        ) from error


def read_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        InputError: there is no such file, or as `plan_from_json`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            "plan-file",
            "The plan {path} cannot be read ({error}). A file that vace plan wrote is needed. Check the name.",
            path=path,
            error=error,
        ) from error
    return plan_from_json(text)


def write_plan(path: Path, plan: Plan) -> None:
    """Writes the plan as a file, whole or not at all.

    Raises:
        InputError: it cannot be written there.
    """
    with replacing(path) as part:
        part.write_text(plan_to_json(plan), encoding="utf-8")


def _stretch(part: str, frame: Callable[[str], int]) -> tuple[int, int | None, bool, str]:
    """First frame, frame after the last if stated, whether it is a new shot, and prompt."""
    found = re.fullmatch(r"\[([^\]]*)\](.*)", part, flags=re.DOTALL)
    if found is None:
        raise InputError(
            "spans-unreadable",
            'The part "{part}" does not say when it begins. A text such as {needed} is needed. Write the time before '
            "each prompt.",
            part=shortened(part),
            needed=_NEEDED,
        )
    when, comma, more = found[1].partition(",")
    if comma and more.strip().lower() != _NEW_SHOT:
        raise InputError(
            "spans-unknown",
            'Behind the time stands "{more}". Nothing or "new shot" is needed there. Change it.',
            more=shortened(more.strip()),
        )
    begin, dash, end = (one.strip() for one in when.partition("-"))
    if dash and begin.replace(".", "", 1).isdigit() and end.rstrip().endswith("f"):
        begin += "f"  # "0-80f": both are frames
    return frame(begin), frame(end) if dash else None, bool(comma), found[2].strip()


def _made(kind: Callable[..., Any], given: object, readers: Mapping[str, Callable[[Any, str], Any]]) -> Any:
    """A dataclass of what a table holds: every name known, every value of its type."""
    if not isinstance(given, dict):
        raise ValueError(f"a table is needed for each {kind.__name__.lower()}")
    table = cast("dict[str, Any]", given)
    if unknown := set(table) - set(readers):
        raise ValueError(f'"{shortened(min(unknown))}" is unknown')
    needed = {one.name for one in fields(cast("Any", kind)) if one.default is one.default_factory}  # both are MISSING
    if missing := needed - set(table):
        raise ValueError(f'"{min(missing)}" is missing')
    return kind(**{name: readers[name](value, name) for name, value in table.items()})


def _listed(given: dict[str, Any], name: str) -> list[Any]:
    found = given.get(name, [])
    if not isinstance(found, list):
        raise ValueError(f'"{name}" is no list')
    return cast("list[Any]", found)


def _whole(value: object, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f'"{name}" is no whole number')
    return value


def _number(value: object, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f'"{name}" is no number')
    return float(value)


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f'"{name}" is no text')
    return value


def _flag(value: object, name: str) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f'"{name}" is neither true nor false')
    return value


def _texts(value: object, name: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f'"{name}" is no list')
    return tuple(_text(one, name) for one in cast("list[Any]", value))


def _or_none(reader: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    return lambda value, name: None if value is None else reader(value, name)


def _as_is(value: Any, _name: str) -> Any:
    return value


_WINDOW = {
    "begin": _whole,
    "end": _whole,
    "overlap": _whole,
    "prompt": _or_none(_text),
    "negative_prompt": _or_none(_text),
    "references": _or_none(_texts),
    "strength": _number,
    "seed": _or_none(_whole),
}
_KEYFRAME = {"frame": _whole, "picture": _text}
_PLAN = {
    "num_frames": _whole,
    "fps": _number,
    "group": _whole,
    "shortest": _whole,
    "windows": _as_is,
    "keyframes": _as_is,
    "order": _as_is,
    "loop": _flag,
}
