"""The help page of every node: `web/docs/<id>.md`, with a picture that the real node made."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest
from PIL import Image

DOCS = Path(__file__).parents[2] / "web" / "docs"
PICTURES = DOCS / "pictures"
SECTIONS = ["Inputs", "Outputs", "Example", "Troubleshooting"]
SHOWN = re.compile(r"^!\[([^\]]+)\]\((pictures/[A-Za-z]+\.webp)\)$", re.MULTILINE)
ITEM = re.compile(r"^- `([a-z0-9_]+)`(?: \(optional\))?: \S", re.MULTILINE)
SOURCE = re.compile(r"https?://|(?<![\w/])/(?:[\w.-]+/)|src=")  # what a reader without a network would not see


@pytest.fixture
def nodes(forms_of_standin):
    return forms_of_standin


def sections(page: str) -> dict[str, str]:
    """The parts of a page by their headings."""
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_there_is_a_page_for_every_node_and_none_for_another(nodes):
    assert sorted(path.stem for path in DOCS.glob("*.md")) == sorted(nodes)


def test_a_page_has_the_same_parts_as_all_others(nodes):
    for node_id, form in nodes.items():
        page = (DOCS / f"{node_id}.md").read_text(encoding="utf-8")
        assert page.startswith(f"# {form['display_name']}\n\n")
        assert list(sections(page)) == SECTIONS, node_id


def test_a_page_names_every_input_in_order_and_says_which_may_be_left_out(nodes):
    for node_id, form in nodes.items():
        part = sections((DOCS / f"{node_id}.md").read_text(encoding="utf-8"))["Inputs"]
        wanted = [name for group in ("required", "optional") for name in form["input"].get(group, {})]
        assert ITEM.findall(part) == wanted, node_id
        left_out = re.findall(r"^- `([a-z0-9_]+)` \(optional\)", part, re.MULTILINE)
        assert left_out == list(form["input"].get("optional", {})), node_id
        assert wanted or part.strip() == "None.", node_id


def test_a_page_names_every_output_in_order(nodes):
    for node_id, form in nodes.items():
        part = sections((DOCS / f"{node_id}.md").read_text(encoding="utf-8"))["Outputs"]
        assert ITEM.findall(part) == form["output_name"], node_id


def test_what_a_page_says_of_nodes_and_choices_is_there(nodes):
    """Nodes in bold are ComfyUI's or ours; ours have the name they have in the menu."""
    names = {form["display_name"] for form in nodes.values()}
    for node_id in nodes:
        page = (DOCS / f"{node_id}.md").read_text(encoding="utf-8")
        assert not set(re.findall(r"\*\*(VACE [^*]+)\*\*", page)) - names, node_id


def test_every_page_shows_the_picture_of_its_node(nodes):
    for node_id, form in nodes.items():
        page = (DOCS / f"{node_id}.md").read_text(encoding="utf-8")
        shown = SHOWN.findall(page.split("## Inputs")[0])
        assert [path for _, path in shown] == [f"pictures/{node_id}.webp"]
        assert shown[0][0].startswith(f"{form['display_name']}: ")
        with Image.open(DOCS / shown[0][1]) as picture:
            picture.load()
            assert (picture.format, picture.width) == ("WEBP", 640)


def test_pictures_can_be_drawn_anew(nodes):
    """By `python -m tools.pictures`, of every node."""
    cases = (Path(__file__).parents[2] / "tools" / "pictures" / "cases.py").read_text(encoding="utf-8")
    assert sorted(re.findall(r'^@case\("(\w+)"\)', cases, re.MULTILINE)) == sorted(nodes)


def test_pictures_are_small_and_none_is_left_over(nodes):
    sizes = {path.stem: path.stat().st_size for path in PICTURES.iterdir()}
    assert sizes.keys() == nodes.keys()
    assert max(sizes.values()) < 40_000
    assert sum(sizes.values()) < 1_200_000


def test_pages_need_no_network(nodes):
    for node_id in nodes:
        assert not SOURCE.search((DOCS / f"{node_id}.md").read_text(encoding="utf-8")), node_id


def strings(path: Path) -> list[str]:
    """The texts in a source, with … for what is put in."""
    found, parts = [], set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            found += ["".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in parts:
            found += [re.sub(r"{[^}]*}", "…", node.value)]
    return found


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z]+|…", re.sub(r"\d+", "…", text.lower())))


def shared(quote: tuple[str, ...], text: tuple[str, ...]) -> int:
    """How many words of a quote stand in a text, in order and without another between; … takes the place of some."""

    @cache
    def from_here(at: int, place: int) -> int:
        if at == len(quote):
            return 0
        if quote[at] == "…":
            return max(from_here(at + 1, later) for later in range(place, len(text) + 1))
        if place == len(text):
            return -99
        if text[place] == "…":
            return max(from_here(next_one, place + 1) for next_one in range(at, min(len(quote), at + 7) + 1))
        return 1 + from_here(at + 1, place + 1) if quote[at] == text[place] else -99

    return max((from_here(0, place) for place in range(len(text))), default=0)


def test_what_troubleshooting_quotes_is_said_somewhere():
    """In italics at the beginning of an item: a message, to be found by who reads it. Symptoms are not in italics."""
    root = Path(__file__).parents[2]
    sources = [path for folder in ("vace_core", "nodes") for path in (root / folder).rglob("*.py")]
    texts = {words(text) for path in sources for text in strings(path)}
    unknown = []
    for path in DOCS.glob("*.md"):
        part = sections(path.read_text(encoding="utf-8"))["Troubleshooting"]
        for item in re.findall(r"^- (\*.+)$", part, re.MULTILINE):
            for quote in re.findall(r"(?:^|, )\*([^*]+)\*", item):
                quoted = words(re.sub(r" \(in the .*\)", "", quote))
                needed = 0.6 * sum(word != "…" for word in quoted)
                literal = {*quoted} - {"…"}
                near = (text for text in texts if len(literal & {*text}) >= min(needed, len(literal)))
                if not any(shared(quoted, text) >= needed for text in near):
                    unknown += [f"{path.stem}: {quote}"]
    assert not unknown


def test_a_page_says_what_auto_and_0_mean(nodes):
    """Both are defaults, or leave a value to the model that is connected."""
    for node_id, form in nodes.items():
        part = sections((DOCS / f"{node_id}.md").read_text(encoding="utf-8"))["Inputs"]
        said = dict(re.findall(r"^- `([a-z0-9_]+)`(?: \(optional\))?: (.+)$", part, re.MULTILINE))
        for name, (kind, extra) in {**form["input"].get("required", {}), **form["input"].get("optional", {})}.items():
            assert "0 = as the connected" in said[name] or "0 = as the connected" not in extra["tooltip"], (
                node_id,
                name,
            )
            choices = kind if isinstance(kind, list) else extra.get("options", [])
            assert "auto" not in choices or "auto" in said[name], (node_id, name)
