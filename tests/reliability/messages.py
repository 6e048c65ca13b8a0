"""Row 25: every message that can be raised, in the sources, and every one that was, in the other rows."""

from __future__ import annotations

import re
from typing import Any

from tests.messages import messages

from .row import Row

# Another message with its place, or with what is needed.
ELSEWHERE = re.compile(r"^\{\w+\}: \{\w+\}$|^\{\w+\} [A-Z]|\. \{\w+\}$")


def parts(message: str) -> int:
    """Into how many statements a message falls: what came, what is needed, what to do."""
    return len([part for part in re.split(r"(?<=[.:;!?])\s+|, which needs ", message.strip()) if part])


def written() -> dict[str, Any]:
    """Messages in the sources; what is put in at run time counts as one word."""
    found = list(messages())
    return {
        "messages": len(found),
        "short": [
            f"{one.place}: {one.text}" for one in found if parts(one.text) < 3 and not ELSEWHERE.search(one.text)
        ],
        "unread": [one.place for one in found if not one.text],
    }


def row_25(found: dict[str, Any], said: list[str]) -> Row:
    good = found["messages"] - len(found["short"]) - len(found["unread"])
    short = [message for message in said if parts(message) < 3]
    return Row(
        25,
        f"{good} of {found['messages']} in the sources, {len(said) - len(short)} of {len(said)} different ones "
        "that were raised by the other rows",
        good == found["messages"] and not short,
        "A message has three parts: what came (with the name of the input), what is needed, what to do. Counted in the "
        "sources and on what was really raised.",
        {"short": short[:50]},
    )
