"""The help page of every node: `web/docs/<id>.md`, with a picture that the real node made."""

from __future__ import annotations

import re
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
    """By `python tests/pictures/draw.py`, of every node."""
    cases = (Path(__file__).parents[1] / "pictures" / "cases.py").read_text(encoding="utf-8")
    assert sorted(re.findall(r'^@case\("(\w+)"\)', cases, re.MULTILINE)) == sorted(nodes)


def test_pictures_are_small_and_none_is_left_over(nodes):
    sizes = {path.stem: path.stat().st_size for path in PICTURES.iterdir()}
    assert sizes.keys() == nodes.keys()
    assert max(sizes.values()) < 40_000
    assert sum(sizes.values()) < 1_200_000


def test_pages_need_no_network(nodes):
    for node_id in nodes:
        assert not SOURCE.search((DOCS / f"{node_id}.md").read_text(encoding="utf-8")), node_id
