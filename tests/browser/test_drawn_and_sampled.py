"""From the hand to the video: a box dragged with the mouse makes the thing in the sampled video go the same way.

Needs a real ComfyUI in COMFYUI_PATH (and its Python in COMFYUI_PYTHON); it shows the frontend installed with it.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from browser.studio import Editor, Studio

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("drawing and sampling needs a ComfyUI in COMFYUI_PATH", allow_module_level=True)
pytest.importorskip("torch")

import torch
from browser.found import chromium, missing
from browser.server import PACK, Server

from vace_core.media.video import from_uint8, read_video
from vace_core.starter.evaluation.objects import centres_of, largest, vivid

if missing():
    pytest.skip(missing(), allow_module_level=True)

LOOK = """() => {
  const { pos } = app.graph._nodes.find(({ type }) => /^Vace(Move|Layout)/.test(type));
  const { canvas, ds } = app.canvas;
  ds.scale = 1;
  ds.offset = [300 - pos[0], 120 - pos[1]];
  app.canvas.setDirty(true, true);
}"""
HALF = 0.28  # of the box, in parts of the frame
LEFT, RIGHT = (0.29, 0.5), (0.71, 0.5)
# For each graph two paths that part; the circle of the picture to move stands at the left.
PATHS = {
    "VaceLayoutToVideo": ((LEFT, RIGHT), (RIGHT, LEFT)),
    "VaceMoveAnything": (((0.3, 0.45), (0.7, 0.31)), ((0.3, 0.45), (0.31, 0.7))),
}
PROMPT = "a red circle wanders on a gradient beige background"  # of all directions none
NEAR, APART = 0.12, 0.25  # parts of the frame


def _graph(task: str) -> dict:
    """The shipped graph that uses this node with the starter model."""
    for path in sorted((PACK / "workflows").glob("*.json")):
        graph = json.loads(path.read_text())
        kinds = [node["type"] for node in graph["nodes"]]
        if kinds.count(task) == 1 and "VaceChooseModel" in kinds:
            node = graph["nodes"][kinds.index(task)]
            node["widgets_values"][-2] = PROMPT
            return graph
    pytest.fail(f"no graph in workflows/ has one {task} and the starter model")


@pytest.fixture(scope="module")
def real():
    server = Server(Path(os.environ["COMFYUI_PATH"]))
    studio = Studio(server, chromium(), nodes_2=False)
    yield server, studio
    studio.close()
    server.close()


def _drawn(studio: Studio, editor: Editor, start: tuple[float, float], end: tuple[float, float]) -> None:
    """A new box around `start` that goes to `end`, in place of what is there."""
    studio.page.locator(".vp-stage").first.click()
    while editor.outlines():
        editor.click(*_inside(editor.outlines()[-1]))
        editor.press("Remove this object")
    studio.press("Home", "n")
    editor.drag((start[0] - HALF, start[1] - HALF), (start[0] + HALF, start[1] + HALF))
    studio.press("End")
    editor.drag(start, end)
    studio.press("Home")


def _inside(box: tuple[float, float, float, float]) -> tuple[float, float]:
    x, y, *_ = box
    return min(max(x, 0.02), 0.98), min(max(y, 0.02), 0.98)


def _sampled(server: Server, studio: Studio, count: int):
    """`(T, 2)`: where the thing in the video of a new run is, over time."""
    studio.press("Control+Enter")
    job = server.finished(count=count)
    (video,) = [path for path in server.files(job) if path.suffix in (".mp4", ".webm")][-1:]
    return centres_of(largest(vivid(from_uint8(read_video(video).frames))))


@pytest.mark.parametrize("task", PATHS)
def test_the_thing_goes_where_the_hand_drew(real, record, task):
    server, studio = real
    studio.load(_graph(task))
    studio.press("Escape")  # some say which files of the sleeping loader are absent
    studio.page.evaluate(LOOK)
    (editor,) = studio.editors()
    done = len(server.get("/history"))
    found, errors = [], []
    for number, (start, end) in enumerate(PATHS[task], start=1):
        _drawn(studio, editor, start, end)
        place = _sampled(server, studio, done + number)
        time = torch.linspace(0, 1, len(place))[:, None]
        drawn = torch.tensor(start) * (1 - time) + torch.tensor(end) * time
        found.append(place)
        errors.append(float((place - drawn).norm(dim=1).mean()))
    system = server.get("/system_stats")["system"]
    record(f"ComfyUI {system['comfyui_version']}")[f"drawn and sampled, {task}"] = {
        "mean distance from the drawn path, in frames": [round(error, 3) for error in errors],
        "first to last place": [[[round(float(x), 2) for x in place[n]] for n in (0, -1)] for place in found],
    }
    assert max(errors) < NEAR, f"{task}: {errors} of the frame away from the drawn paths"
    assert (found[0][-1] - found[1][-1]).norm() > APART
