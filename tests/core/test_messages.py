"""Every error has a code and fields, and its wording stands in one file."""

from __future__ import annotations

import ast
import re

import pytest
from messages import FILE, ROOT, golden, messages

MESSAGES = list(messages())


def test_the_wording_is_that_of_the_file():
    assert golden() == FILE.read_text(encoding="utf-8"), "after a change of words: python -m tests.messages"


@pytest.mark.parametrize("one", MESSAGES, ids=[one.place for one in MESSAGES])
def test_a_message_can_be_told_by_code_and_names_what_it_is_given(one):
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", one.code)
    if one.text:
        assert one.named == set(one.fields)


def test_one_code_is_one_kind_of_error():
    kinds: dict[str, set[str]] = {}
    for one in MESSAGES:
        kinds.setdefault(one.code, set()).add(one.error)
    assert {code: found for code, found in kinds.items() if len(found) > 1} == {}


def test_what_is_said_of_files_names_no_argument_of_python():
    """It reaches users of the command and of nodes, who have no such argument."""
    sources = [(path, path.read_text(encoding="utf-8")) for path in (ROOT / "vace_core" / "media").glob("*.py")]
    nodes = [node for _, source in sources for node in ast.walk(ast.parse(source))]
    names = {node.arg for node in nodes if isinstance(node, ast.arg) and "_" in node.arg}
    files = {str(path.relative_to(ROOT)) for path, _ in sources}
    said = {one.code: names & {*re.findall(r"\w+", one.text)} for one in MESSAGES if one.place.split(":")[0] in files}
    assert "sound-unreadable" in said
    assert {code: found for code, found in said.items() if found} == {}
