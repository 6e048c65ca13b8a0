"""Changes of a plan's windows as people type them: `2: move +8, seed 9`, a line for each window."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError, VaceError, shortened
from .windows import Plan

_NEEDED = '"2: move +8, seed 9, strength 0.8, references 1 3"'
_NUMBERS: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "move": (r"[+-]?\d{1,7}", int),
    "seed": (r"\d{1,20}", int),
    "strength": (r"\d{1,6}(?:\.\d{0,9})?", float),
}


def changed(plan: Plan, text: str) -> Plan:
    """A plan with what a text changes of its windows.

    Before the colon stands the number of a window, behind it what changes, separated by commas: "move +8", the border
    before it 8 frames later; "seed 9"; "strength 0.8"; "references a.png b.png", or "references none". Borders move
    all at once, everything else goes from the first line to the last.

    Args:
        plan: The plan; it stays as it is.
        text: What was typed. Empty lines say nothing.

    Raises:
        InputError: it is not of this form, or what `Plan.with_moves` and `Plan.edited` refuse.
    """
    moves: dict[int, int] = {}
    for line in filter(None, (one.strip() for one in text.splitlines())):
        number, parts = _read(line)
        plan.check_number(number)
        for part in parts:
            name, given = _given(part, line)
            if name == "move":
                moves[number] = moves.get(number, 0) + given
            else:
                plan = plan.edited(number, **{name: given})
    return plan.with_moves(moves)


def with_move(text: str, number: int, frames: int) -> str:
    """A text of changes in which the border before a window is moved by so many frames more.

    All else stays as it was typed. A border that is back where it was is no longer mentioned.

    Raises:
        InputError: as `changed`, for what is no change.
    """
    lines = text.splitlines(keepends=True)
    own = {place: _read(line.strip())[1] for place, line in enumerate(lines) if line.strip() and _named(line) == number}
    moved = {place: [part for part in parts if _is_move(part)] for place, parts in own.items()}
    total = frames + sum(_given(part, lines[place])[1] for place, parts in moved.items() for part in parts)
    target = next((place for place, parts in moved.items() if parts), next(iter(own), None))
    for place, parts in own.items():
        kept = [part for part in parts if not _is_move(part)]
        if total and place == target:
            at = next((n for n, part in enumerate(parts) if _is_move(part)), 0)
            kept.insert(at, f" move {total:+d}")
        head = lines[place].partition(":")[0]
        ending = lines[place][len(lines[place].rstrip("\r\n")) :]
        lines[place] = f"{head}:{','.join(kept).rstrip()}{ending}" if kept else ""
    said = "".join(lines)
    if total and target is None:
        said += ("\n" if said and not said.endswith("\n") else "") + f"{number}: move {total:+d}"
    return said if said.strip() else ""


def move_border(plan: Plan, text: str, number: int, frames: int) -> tuple[str, int, VaceError | None]:
    """Moves a border of a plan that a text has changed, by as many of the frames as it can.

    Args:
        plan: The plan without the changes.
        text: The changes so far.
        number: Of the window behind the border.
        frames: How far, later for numbers above 0.

    Returns:
        The changes then, the frames by which it moved, and what refuses the next latent frame if it was not all.

    Raises:
        InputError: the text is not of the form or refused by itself, or as `Plan.moved`, for what is no border.
    """
    changed(plan, text).moved(number, 0 if frames % plan.group == 0 else frames)
    step = plan.group if frames > 0 else -plan.group

    def refusal(steps: int) -> VaceError | None:
        try:
            changed(plan, with_move(text, number, steps * step))
        except VaceError as error:
            return error
        return None

    most = abs(frames) // plan.group
    refused = refusal(most)
    least = 0 if refused else most
    while most - least > 1:
        middle = (least + most) // 2
        error = refusal(middle)
        if error is None:
            least = middle
        else:
            most, refused = middle, error
    return with_move(text, number, least * step), least * step, refused


def _named(line: str) -> int:
    return _read(line.strip())[0]


def _read(line: str) -> tuple[int, list[str]]:
    """The number of the window, and what stands between the commas."""
    head, colon, rest = line.partition(":")
    named = re.fullmatch(r"(?:window\s+)?(\d{1,9})", head.strip(), flags=re.IGNORECASE)
    if named is None or not colon:
        raise _unreadable(line)
    return int(named[1]), rest.split(",")


def _is_move(part: str) -> bool:
    return part.strip().partition(" ")[0].lower() == "move"


def _given(part: str, line: str) -> tuple[str, Any]:
    name, _, value = part.strip().partition(" ")
    name, value = name.lower(), value.strip()
    if name == "references" and value:
        return name, () if value.lower() == "none" else tuple(value.split())
    if name not in _NUMBERS or not re.fullmatch(_NUMBERS[name][0], value):
        raise _unreadable(line)
    return name, _NUMBERS[name][1](value)


def _unreadable(line: str) -> InputError:
    return InputError(
        "plan-changes",
        'The change "{line}" cannot be read. The number of a window and what changes of it, such as {needed}, are '
        "needed. Change it.",
        line=shortened(line),
        needed=_NEEDED,
    )
