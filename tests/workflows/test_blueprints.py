"""The blueprints: one node each, with what the task needs to be seen on it."""

from __future__ import annotations

import json

import pytest

from tools.workflows.shipped import SUBGRAPHS, WORKFLOWS, files

SAVED = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SUBGRAPHS.glob("*.json"))}
ENDS = (-10, -20)


@pytest.fixture(params=SAVED)
def saved(request):
    return SAVED[request.param]


@pytest.fixture
def inner(saved):
    (one,) = saved["definitions"]["subgraphs"]
    return one


def test_the_files_are_those_of_the_code():
    """If this fails: `python -m tools.workflows` writes them."""
    wanted = {path: text for path, text in files().items() if path.parent == SUBGRAPHS}
    assert set(SUBGRAPHS.glob("*.json")) == set(wanted)
    for path, text in wanted.items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_no_blueprint_shares_its_name_with_a_template():
    """Frontends keep drafts by name: of two alike, a reload of the page loses the unsaved one."""
    assert set(SAVED) & {path.stem for path in WORKFLOWS.glob("*.json")} == set()


def test_it_is_one_node(saved, inner):
    (node,) = saved["nodes"]
    assert node["type"] == inner["id"]
    assert saved["links"] == []
    assert [one["name"] for one in node["inputs"]] == [one["name"] for one in inner["inputs"]]
    assert [one["name"] for one in node["outputs"]] == [one["name"] for one in inner["outputs"]]
    assert inner["category"]
    assert inner["description"]


def test_links_meet_the_slots_they_name(inner):
    nodes = {node["id"]: node for node in inner["nodes"]}
    for link in inner["links"]:
        slot, number = link["origin_slot"], link["id"]
        if link["origin_id"] == ENDS[0]:
            assert number in inner["inputs"][slot]["linkIds"]
        else:
            assert number in nodes[link["origin_id"]]["outputs"][slot]["links"]
        slot = link["target_slot"]
        if link["target_id"] == ENDS[1]:
            assert number in inner["outputs"][slot]["linkIds"]
        else:
            assert nodes[link["target_id"]]["inputs"][slot]["link"] == number
    assert sorted(n for one in inner["inputs"] for n in one["linkIds"]) == sorted(
        link["id"] for link in inner["links"] if link["origin_id"] == ENDS[0]
    )


def test_every_input_goes_somewhere(inner):
    assert all(one["linkIds"] for one in (*inner["inputs"], *inner["outputs"]))


def test_the_widgets_that_matter_are_on_it(saved, inner):
    """And those are widgets of the nodes inside."""
    (node,) = saved["nodes"]
    promoted = node["properties"]["proxyWidgets"]
    nodes = {str(one["id"]): one for one in inner["nodes"]}
    for number, name in promoted:
        assert any(one["name"] == name and "widget" in one for one in nodes[number]["inputs"])
    names = [name for _, name in promoted]
    assert [one["name"] for one in node["inputs"] if "widget" in one] == names
    assert {"prompt", "negative_prompt", "seed", "steps", "cfg", "shift"} <= set(names)


def test_kept_pixels_are_put_back(inner):
    kinds = [one["type"] for one in inner["nodes"]]
    assert {"VacePreviewVCU", "VaceSampleVideo", "VaceDecodeVideo", "CreateVideo"} <= set(kinds)
