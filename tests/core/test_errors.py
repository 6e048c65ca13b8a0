"""Every message can be logged and printed anywhere, whatever a user typed or a file held."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from vace_core import errors

ROOT = Path(__file__).parents[2]
SOURCES = [path for folder in ("vace_core", "nodes") for path in sorted((ROOT / folder).rglob("*.py"))]
KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.VaceError)]
HOSTILE = ("\ud83d", "a\0b", "\x1b[31m", "\u202e", "\u2028", "\x85", "\r", "\x7f")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_what_cannot_be_printed_is_escaped(kind, text):
    said = str(kind("file-missing", 'The file "{name}" is not there.\nChoose another.', name=text))
    assert said.startswith('The file "')
    assert all(line.isprintable() for line in said.split("\n"))
    said.encode("utf-8")
    assert said.count("\n") == 1


def test_other_scripts_stay_readable():
    error = errors.InputError("file-empty", "The file {name} is empty.", name="\u4e2d\u6587.png")
    assert str(error) == "The file \u4e2d\u6587.png is empty."


def test_an_endless_message_keeps_its_end():
    said = str(errors.InputError("positions", "positions is {value}. Change it.", value="9" * 100_000))
    assert len(said) <= errors.LONGEST
    assert said.startswith("positions is 999")
    assert said.endswith("999. Change it.")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a name", "a name"),
        ("\u4e2d\u6587", "\u4e2d\u6587"),
        ("a\nb", r"'a\nb'"),
        ("\ud83d", r"'\ud83d'"),
        ("x" * 81, "x" * 80 + "..."),
        (5, "5"),
    ],
)
def test_a_text_in_a_message_is_short_and_printable(value, text):
    assert errors.shortened(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        ("\ud83d", r"'\ud83d'"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, ...]"),
    ],
)
def test_any_value_in_a_message_is_short_and_printable(value, text):
    assert errors.shown(value) == text


def test_a_number_that_python_does_not_write():
    assert errors.shown(10**5000) == errors.shown([10**5000]) == "a number of thousands of digits"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_code_that_runs_is_ascii(path):
    """A traceback shows lines of it, and a message its words: consoles of one byte a character print both."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    said = {number for number, line in enumerate(lines, start=1) if not line.isascii() and line.strip()[:1] != "#"}
    tree = ast.parse(text)
    for function in ast.walk(tree):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        start = function.body[0].lineno if isinstance(function, ast.FunctionDef) else function.lineno
        if isinstance(function, ast.FunctionDef) and ast.get_docstring(function) is not None:
            start = (function.body[0].end_lineno or start) + 1
        inner = {
            line
            for node in ast.walk(function)
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        }
        wrong = said & set(range(start, (function.end_lineno or start) + 1)) - inner
        assert not wrong, sorted(lines[number - 1] for number in wrong)
