"""What the time line knows of its plan before and after a run. Needs Node.js, no browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

if shutil.which("node") is None:
    pytest.skip("what a node says of its plan is asked with Node.js, which was not found", allow_module_level=True)

RULES = Path(__file__).with_name("rules.mjs")
WIDGETS = {
    "length": 161,
    "fps": 16.0,
    "window": 81,
    "overlap": 0,
    "prompts": "",
    "join_by": "latents",
    "anchor_colour": "none",
    "loop": False,
    "keyframes": "",
    "changes": "",
    "saved_plan": "",
}
UNIT = {"kind": "VaceExtendVideo"}
CHOSEN = {"kind": "VaceChooseModel", "widgets": {"profile": "ltx"}}
PREVIEW = {"kind": "VacePreviewVCU", "links": {"model": [0, 0]}}
LOADER = {"kind": "VaceLoadModel"}


def said(*before: dict[str, Any], told: Any = None, then: Any = None, widgets: Any = None, **links: Any) -> Any:
    node = {"kind": "VacePlanWindows", "widgets": {**WIDGETS, **(widgets or {})}, "links": links}
    question = [{"ask": "said", "nodes": [*before, node], "told": told, "then": then or {}}]
    done = subprocess.run(["node", RULES], input=json.dumps(question), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)[0]


def test_the_widgets_are_all_there_is_to_know_where_nothing_is_linked():
    alone = {"values": WIDGETS, "clip": None, "model": None, "isOfLastRun": False, "isEditable": True}
    assert said() == alone


def test_a_model_is_found_through_other_nodes():
    assert said(CHOSEN, PREVIEW, model=[1, 1])["model"] == "ltx"
    assert said({"kind": "VaceLoadStarter"}, model=[0, 0])["model"] == "starter"
    assert said({"kind": "VaceUseNativeModel"}, model=[0, 0])["model"] == "Wan 2.1"
    chosen = {**LOADER, "widgets": {"model": "ltx.safetensors"}}
    assert said(chosen, PREVIEW, model=[1, 1])["model"] == {"file": "ltx.safetensors"}


def test_numbers_of_primitive_nodes_are_known():
    number = {"kind": "PrimitiveInt", "widgets": {"value": 49}}
    assert said(number, length=[0, 0])["values"]["length"] == 49


@pytest.mark.parametrize(
    ("before", "links", "words"),
    [
        (UNIT, {"vcu": [0, 0]}, "The length comes from the linked VCU"),
        (LOADER, {"model": [0, 0]}, "The linked model decides"),
        ({"kind": "Compute"}, {"length": [0, 0], "window": [0, 1]}, "What comes from another node: length, window."),
        ({"kind": "Compute"}, {"saved_plan": [0, 0]}, "What comes from another node: saved_plan."),
    ],
)
def test_what_is_not_known_before_a_run_is_that_of_the_last_run_until_the_link_is_another(before, links, words):
    assert said(before, **links)["waiting"].startswith(words)
    told = {
        "values": {**WIDGETS, "length": 33, "window": 9},
        "clip": [41, 8.0],
        "model": "wan" if "model" in links else None,
    }
    known = said(before, told=told, **links)
    assert "waiting" not in known
    assert known["clip"] == ([41, 8.0] if "vcu" in links else None)
    assert known["model"] == ("wan" if "model" in links else None)
    assert known["values"]["length"] == (33 if "length" in links else 161)
    name = next(iter(links))
    assert said(before, told=told, then={name: [7, 0]}, **links)["waiting"]


def test_a_saved_plan_says_its_length_itself():
    known = said(UNIT, vcu=[0, 0], widgets={"saved_plan": "{}"})
    assert (known["clip"], known["values"]["saved_plan"]) == (None, "{}")


@pytest.mark.parametrize("value", [False, 5, [1]])
def test_what_is_no_text_goes_to_the_server_which_says_so(value):
    assert said(widgets={"saved_plan": value})["values"]["saved_plan"] == value


def test_changes_that_come_from_another_node_are_not_dragged():
    assert said({"kind": "PrimitiveString", "widgets": {"value": "1: move +4"}}, changes=[0, 0])["isEditable"] is False
