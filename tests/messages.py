"""The wording of every error, in one file: `python -m tests.messages` writes `tests/messages.txt` again.

Tests assert codes and fields, so that a sentence can be improved without touching them.
"""

from __future__ import annotations

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILE = ROOT / "tests" / "messages.txt"
SOURCES = ("vace_core", "nodes")


@dataclass(frozen=True, kw_only=True, order=True)
class Message:
    """One place in the source that raises.

    Attributes:
        code: What is wrong.
        error: The class of the error.
        text: The message, with the names of its fields in braces; "" where it is made elsewhere.
        fields: The names of what is given for them.
        place: File and line.
    """

    code: str
    error: str
    text: str
    fields: tuple[str, ...]
    place: str

    @property
    def named(self) -> set[str]:
        """The fields that the text names."""
        return {name.split(".")[0] for _, name, _, _ in string.Formatter().parse(self.text) if name}


def messages() -> Iterator[Message]:
    """Every error of the library and the nodes, by file."""
    errors = _names_of_errors()
    for source in SOURCES:
        for path in sorted((ROOT / source).rglob("*.py")):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            constants = _constants(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in errors:
                    yield _message(node, constants, f"{path.relative_to(ROOT).as_posix()}:{node.lineno}")


def golden() -> str:
    """What `tests/messages.txt` holds: each message once, by its code."""
    lines = {f"{one.code} ({one.error})\n    {one.text}\n" for one in messages()}
    return "\n".join(sorted(lines))


def _names_of_errors() -> set[str]:
    tree = ast.parse((ROOT / "vace_core" / "errors.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


def _constants(tree: ast.Module) -> dict[str, str]:
    """The texts that a module names."""
    return {
        target.id: str(node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _message(call: ast.Call, constants: dict[str, str], place: str) -> Message:
    code, text = (
        one.value if isinstance(one, ast.Constant) else constants.get(ast.unparse(one), "") for one in call.args
    )
    names = tuple(word.arg or "**" for word in call.keywords)
    return Message(code=str(code), error=ast.unparse(call.func), text=str(text), fields=names, place=place)


if __name__ == "__main__":
    FILE.write_text(golden(), encoding="utf-8")
