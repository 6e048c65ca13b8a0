"""What stops a run stands in the node that it stopped, until the next run begins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from browser.studio import LAYOUT, MOVE

SAID = "The mask has 9 frames. 17 are needed, or one for all. Choose a mask of the clip."
HEAR = "(text) => app.api.socket.dispatchEvent(new MessageEvent('message', { data: text }))"
SIZE = "(index) => [...app.graph._nodes[index].size]"
WRAP = """() => {
  const [inner] = app.graph._nodes;
  const { node } = app.graph.convertToSubgraph(new Set([inner]));
  return [node.id, [...node.subgraph.nodes][0].id].join(':');
}"""
ID = "(index) => String(app.graph._nodes[index].id)"


def hear(studio: Any, kind: str, **data: object) -> None:
    """What the server tells, through the socket as it comes."""
    studio.page.evaluate(HEAR, json.dumps({"type": kind, "data": {"prompt_id": "1", "timestamp": 0, **data}}))
    studio.settle()


def fail(studio: Any, node_id: str, node_type: str = "VaceMoveAnything", said: str = SAID) -> None:
    nothing: dict[str, object] = {"executed": [], "traceback": [], "current_inputs": {}, "current_outputs": []}
    error = {"exception_message": said, "exception_type": "InputError"}
    hear(studio, "execution_error", node_id=node_id, node_type=node_type, **error, **nothing)
    studio.press("Escape")  # a frontend's own dialog


def shown(studio: Any) -> list[str]:
    return studio.page.locator(".vace-error:visible").all_inner_texts()


def test_the_sentence_stands_in_the_node_until_the_next_run(studio):
    before_this = studio.trouble()
    studio.open(LAYOUT, ("VaceMoveAnything", 940, 60))
    before = studio.page.evaluate(SIZE, 1)
    saved, prompt = studio.saved()["nodes"][1]["widgets_values"], studio.prompt()
    fail(studio, studio.page.evaluate(ID, 1))
    assert shown(studio) == [SAID]
    assert studio.page.evaluate(SIZE, 1)[1] > before[1]
    assert studio.saved()["nodes"][1]["widgets_values"] == saved
    assert studio.prompt() == prompt
    left, width = (studio.page.locator(".vace-error").bounding_box()[side] for side in ("x", "width"))
    assert left >= 940
    assert left + width <= 940 + before[0] + 80
    hear(studio, "execution_start")
    assert shown(studio) == []
    # In Nodes 2.0 the page decides on the height, to a few pixels.
    assert studio.page.evaluate(SIZE, 1)[1] - before[1] <= 10 * studio.nodes_2
    assert studio.trouble() == before_this


def test_only_the_last_is_shown(studio):
    studio.open(MOVE)
    for said in ("One.", "Two."):
        fail(studio, studio.page.evaluate(ID, 0), said=said)
    assert shown(studio) == ["Two."]


def test_nodes_of_others_are_left_alone(studio):
    before_this = studio.trouble()
    studio.open(("MakeText", 420, 60))
    fail(studio, studio.page.evaluate(ID, 0), "MakeText")
    fail(studio, "4711")
    assert shown(studio) == []
    assert studio.trouble() == before_this


def test_a_subgraph_says_what_stopped_a_node_in_it(studio):
    before_this = studio.trouble()
    studio.open(("VaceExampleClip", 420, 60))
    if not studio.page.evaluate("() => Boolean(app.graph.convertToSubgraph)"):
        pytest.skip("this frontend has no subgraphs")
    fail(studio, studio.page.evaluate(WRAP), "VaceExampleClip")
    assert shown(studio) == [SAID]
    assert studio.trouble() == before_this
