"""The time line of VACE Plan Windows in a real ComfyUI: what is drawn before the run is the plan that the run makes.

Needs a real ComfyUI in COMFYUI_PATH (and its Python in COMFYUI_PYTHON); it shows the frontend installed with it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("the plan of a run needs a ComfyUI in COMFYUI_PATH", allow_module_level=True)

from browser.found import chromium, missing
from browser.server import Server
from browser.studio import Studio
from browser.timelines import Timeline, opened

if missing():
    pytest.skip(missing(), allow_module_level=True)

SHOWN = (("VacePlanWindows", 420, 40), ("PreviewAny", 1100, 60))
OF_A_UNIT = (*SHOWN, ("VaceTextToVideo", -80, 60))
CONNECT = """([from, slot, to, name]) => {
  const [source, target] = [from, to].map((type) => app.graph._nodes.find((node) => node.type === type));
  source.connect(slot, target, target.inputs.findIndex((input) => input.name === name));
}"""
SAVED_PLAN = 2  # which output it is
PATIENCE = 120  # seconds


@pytest.fixture(scope="module")
def real():
    server = Server(Path(os.environ["COMFYUI_PATH"]))
    studio = Studio(server, chromium(), nodes_2=False)
    yield server, studio
    studio.close()
    server.close()


def graph(studio: Studio, nodes: tuple, *wires: tuple) -> Timeline:
    timeline = opened(studio, *nodes)
    for wire in wires:
        studio.page.evaluate(CONNECT, list(wire))
    studio.page.wait_for_timeout(1000)
    return timeline


def made(server: Server, studio: Studio) -> dict[str, Any]:
    """The plan that a new run makes."""
    count = len(server.get("/history")) + 1
    studio.press("Control+Enter")
    job = server.finished(count=count, patience=PATIENCE)
    (text,) = next(one["text"] for one in job["outputs"].values() if "vace_plan" not in one)
    studio.page.wait_for_timeout(1500)
    return json.loads(text)


def borders(timeline: Timeline) -> list[int]:
    found = timeline.element.locator(".vt-border").all()
    return [int(one.get_attribute("aria-valuenow")) for one in found]


def test_what_is_drawn_and_dragged_is_what_the_run_plans(real):
    server, studio = real
    timeline = graph(studio, SHOWN, ("VacePlanWindows", SAVED_PLAN, "PreviewAny", "source"))
    timeline.set(
        length=257, prompts="[0-6s] a man walks | [6s] it rains | [10s, new shot] he sits", changes="3: seed 9"
    )
    stretches = timeline.element.locator(".vt-stretch")
    timeline.becomes(["a man walks", "it rains", "he sits"], stretches.all_inner_texts)
    assert timeline.summary().startswith("257 frames at 16 fps, 16.1s · ")
    assert timeline.element.locator(".vt-border.vt-cut").count() == 1
    before = borders(timeline)
    timeline.drag(1, timeline.pixels_per_frame(257) * 8)
    timeline.becomes("3: seed 9\n1: move +8", timeline.read)
    plan = made(server, studio)
    drawn = [one["begin"] + one["overlap"] for one in plan["windows"][1:]]
    assert borders(timeline) == drawn == [before[0] + 8, *before[1:]]
    timeline.drag(1, -300)
    timeline.becomes(True, lambda: "would begin before the clip" in timeline.words())
    assert made(server, studio)["windows"][0]["end"] == timeline.frame(1) < before[0]
    timeline.set(prompts="[0-6s")
    timeline.becomes(True, lambda: "does not say when it begins" in timeline.words())
    assert studio.trouble() == []


def test_the_length_of_a_unit_is_known_after_a_run(real):
    server, studio = real
    wires = (("VacePlanWindows", SAVED_PLAN, "PreviewAny", "source"), ("VaceTextToVideo", 0, "VacePlanWindows", "vcu"))
    timeline = graph(studio, OF_A_UNIT, *wires)
    timeline.becomes(True, lambda: timeline.words().endswith("the plan is shown here after a run."))
    plan = made(server, studio)
    timeline.becomes(True, lambda: timeline.summary().endswith("length of the last run"))
    assert timeline.summary().startswith(f"{plan['num_frames']} frames")
    timeline.set(window=33)
    timeline.becomes(True, lambda: len(borders(timeline)) > len(plan["windows"]) - 1)
    assert studio.trouble() == []
