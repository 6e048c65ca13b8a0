"""Changes of a plan's windows as people type them: `2: move +8, seed 9`, a line for each window."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError, shortened
from .windows import Plan

_NEEDED = '"2: move +8, seed 9, strength 0.8, references 1 3"'
_NUMBERS: Mapping[str, tuple[str, Callable[[str], float]]] = {
    "move": (r"[+-]?\d{1,7}", int),
    "seed": (r"\d{1,20}", int),
    "strength": (r"\d{1,6}(?:\.\d{0,9})?", float),
}


def changed(plan: Plan, text: str) -> Plan:
    """A plan with what a text changes of its windows, from the first line to the last.

    Before the colon stands the number of a window, behind it what changes, separated by commas: "move +8", the border
    before it 8 frames later; "seed 9"; "strength 0.8"; "references a.png b.png", or "references none".

    Args:
        plan: The plan; it stays as it is.
        text: What was typed. Empty lines say nothing.

    Raises:
        InputError: it is not of this form, or what `Plan.moved` and `Plan.edited` refuse.
    """
    for line in filter(None, (one.strip() for one in text.splitlines())):
        head, colon, rest = line.partition(":")
        named = re.fullmatch(r"(?:window\s+)?(\d{1,9})", head.strip(), flags=re.IGNORECASE)
        if named is None or not colon:
            raise _unreadable(line)
        number = int(named[1])
        plan.check_number(number)
        for change in rest.split(","):
            name, _, value = change.strip().partition(" ")
            name = name.lower()
            given = _given(name, value.strip(), line)
            plan = plan.moved(number, given) if name == "move" else plan.edited(number, **{name: given})
    return plan


def _given(name: str, value: str, line: str) -> Any:
    if name == "references" and value:
        return () if value.lower() == "none" else tuple(value.split())
    if name not in _NUMBERS or not re.fullmatch(_NUMBERS[name][0], value):
        raise _unreadable(line)
    return _NUMBERS[name][1](value)


def _unreadable(line: str) -> InputError:
    return InputError(
        "plan-changes",
        'The change "{line}" cannot be read. The number of a window and what changes of it, such as {needed}, are '
        "needed. Change it.",
        line=shortened(line),
        needed=_NEEDED,
    )
