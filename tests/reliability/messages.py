"""Row 25: every message that can be raised, in the sources, and every one that was, in the other rows."""

from __future__ import annotations

import ast
import re
from typing import Any

from .pack import ROOT
from .row import Row

KINDS = {"VaceError", "InputError", "ShapeError", "ModelError", "UnsupportedModelError", "WeightsError",
         "AdapterMismatchError"}  # fmt: skip
ELSEWHERE = re.compile(r"^WORD: WORD$|^WORD [A-Z]|\. WORD$")  # another message with its place, or what is needed


def parts(message: str) -> int:
    """Into how many statements a message falls: what came, what is needed, what to do."""
    return len([part for part in re.split(r"(?<=[.:;!?])\s+|, which needs ", message.strip()) if part])


def written() -> dict[str, Any]:
    """Messages in the sources; what is put in at run time counts as one word."""
    found, short, unread = 0, [], []
    for path in [*(ROOT / "vace_core").rglob("*.py"), *(ROOT / "nodes").rglob("*.py")]:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        constants = {
            target.id: _text(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in KINDS and node.args):
                continue
            argument = node.args[0]
            text = constants.get(argument.id) if isinstance(argument, ast.Name) else _text(argument)
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            found += 1
            if text is None:
                unread.append(where)
            elif parts(text) < 3 and not ELSEWHERE.search(text):
                short.append(f"{where}: {text}")
    return {"messages": found, "short": short, "unread": unread}


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(str(one.value) if isinstance(one, ast.Constant) else "WORD" for one in node.values)
    if isinstance(node, ast.IfExp):
        return _text(node.body)
    return None


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
