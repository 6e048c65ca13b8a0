"""What the pages say of files, tests, commands and counts is so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from typer.main import get_command

from vace_core import cli

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "benchmarks" / "README.md",
    ROOT / "vace_core" / "starter" / "MODEL_CARD.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "web" / "docs").glob("*.md")),
]
CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r'\]\(([^)\s]+)\)|src="([^"]+)"')


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """Of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", CODE.sub("", text_of(page)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    prose = re.sub(r"`[^`\n]*`", "", CODE.sub("", text_of(page)))
    for link in ("".join(parts) for parts in LINK.findall(prose)):
        if link.startswith("https://"):
            continue
        path, _, anchor = link.partition("#")
        there = page.parent / unquote(path) if path else page
        assert there.exists(), link
        assert not anchor or anchor in anchors(there), link


def test_every_page_is_linked_from_the_readme():
    linked = {path for path, _ in LINK.findall(text_of(ROOT / "README.md"))}
    assert not [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in linked]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_tests_and_scripts_that_are_named_are_there(page):
    tests = [path for path in (ROOT / "tests").rglob("*.py") if path.name.startswith("test_")]
    named = re.findall(r"\b(test_\w+)(\.py)?", text_of(page))
    defined = {name for path in tests for name in (path.name, *re.findall(r"def (test_\w+)", text_of(path)))}
    assert not {name + ending for name, ending in named} - defined - {path.stem for path in tests}
    if page.stem == "CHANGELOG":  # its tables hold what was before, too
        return
    scripts = re.findall(r"\b(?:benchmarks|tests|tools|vace_core|nodes)/[\w/]+\.(?:py|json|txt)\b", text_of(page))
    assert not [path for path in scripts if not (ROOT / path).exists()]
    modules = re.findall(r"python -m ((?:tests|tools|benchmarks|vace_core)[\w.]*)", text_of(page))
    places = [ROOT.joinpath(*name.split(".")) for name in modules]
    assert not [
        place for place in places if not (place.with_suffix(".py").exists() or (place / "__main__.py").exists())
    ]


def commands(command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """All commands, with their options."""
    yield " ".join(words), {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    for name, further in getattr(command, "commands", {}).items():
        yield from commands(further, (*words, name))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_options_that_are_shown_are_there(page):
    known = dict(commands(get_command(cli.app)))
    text = text_of(page).replace("\\\n", " ")
    blocks = [line for block in CODE.findall(text) for line in block.splitlines()]
    shown = [*blocks, *re.findall(r"`([^`]+)`", CODE.sub("", text))]
    for line in shown:
        called = re.match(r"(?:\S+/)?vace ([a-z-]+)(?: (make|score))?\b(.*)", line.split("  #")[0].replace("\n", " "))
        if not called:
            continue
        name = f"{called[1]} {called[2]}" if called[1] == "study" and called[2] else called[1]
        assert name in known, line
        options = re.findall(r"(?<=\s)(--[a-z][a-z-]*|-[a-z])\b", re.sub(r'"[^"]*"', "", called[3]))
        assert set(options) <= known[name], line


def test_the_readme_counts_what_there_is():
    readme = text_of(ROOT / "README.md")
    workflows = len(list((ROOT / "workflows").glob("*.json")))
    page = text_of(ROOT / "docs" / "workflows.md")
    at_once = page.split("## Without downloads")[1].split("\n## ")[0].count("<img ")
    assert f"[{workflows} workflows](docs/workflows.md)" in readme
    assert f"{at_once} of them run as they are on the small model" in readme
    nodes = len(json.loads(text_of(ROOT / "tests" / "nodes" / "forms.json")))
    assert f"The {nodes} nodes are under" in readme
    zoom = text_of(ROOT / "docs" / "templates.md")
    assert f"{workflows} of {workflows} open at 60% or more." in zoom
    assert f"All {workflows} open at a zoom of 60 % or more" in readme
    (hand,) = re.findall(r"^(\d+ nodes and \d+ actions) in ComfyUI", text_of(ROOT / "docs" / "desk.md"), re.MULTILINE)
    assert hand in readme
    rows = text_of(ROOT / "docs" / "reliability.md").split("rows:begin")[1].split("rows:end")[0]
    assert f"[{len(re.findall(r'^. [0-9]+ .', rows, re.MULTILINE))} rows](docs/reliability.md)" in readme


def test_prose_counts_the_searches_of_its_table():
    page = text_of(ROOT / "docs" / "search.md")
    rows = re.findall(r"^\| [^|]+ \| VACE[^|]+ \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    for column, version in enumerate(
        re.search(r"^\| typed \| right \| (\S+) \| (\S+) \|$", page, re.MULTILINE).groups()
    ):
        first = sum(int(row[column]) <= 5 for row in rows)
        assert f"{first} of {len(rows)} are among the first 5 in the frontend {version}." in page


def test_the_architecture_names_what_there_is():
    page = text_of(ROOT / "docs" / "architecture.md")
    shared = [path.name for path in (ROOT / "nodes" / "comfy").glob("*.py") if path.stem != "__init__"]
    assert not [name for name in shared if f"`{name}`" not in page]
    folders = [path.parent.name for path in (ROOT / "vace_core").glob("*/__init__.py")]
    assert not [name for name in folders if f"  {name}/" not in page]
