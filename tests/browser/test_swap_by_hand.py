"""A swap on one's own clip, from an empty graph, by mouse and keyboard: at most 8 nodes and 25 actions.

Every deed of the hand is counted: a node through the search, a link, a value, a stroke, a button, the run. With
`ACTIONS_TO=FILE` the list is written there, as `docs/desk.md` shows it. Needs a real ComfyUI in COMFYUI_PATH (and its
Python in COMFYUI_PYTHON); it shows the frontend installed with it.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

if not os.environ.get("COMFYUI_PATH"):
    pytest.skip("a swap by hand needs a ComfyUI in COMFYUI_PATH", allow_module_level=True)
pytest.importorskip("torch")

from browser.desk import Desk, desks
from browser.found import chromium, missing
from browser.own_clips import BACKGROUND, FACE, circle, write_clips
from browser.server import Server
from browser.studio import EMPTY, Studio

from vace_core.media.video import from_uint8, read_video
from vace_core.starter.evaluation.objects import coloured, things

if missing():
    pytest.skip(missing(), allow_module_level=True)

MOST_NODES, MOST_ACTIONS = 8, 25
SLOT = """([type, name, isInput]) => {
  const node = app.graph._nodes.find((one) => one.type === type);
  const slot = (isInput ? node.inputs : node.outputs).findIndex((one) => one.name === name);
  const [x, y] = node.getConnectionPos(isInput, slot);
  const { scale, offset } = app.canvas.ds;
  const { left, top } = app.canvas.canvas.getBoundingClientRect();
  return [(x + offset[0]) * scale + left, (y + offset[1]) * scale + top];
}"""
WIDGET = """([type, name]) => {
  const node = app.graph._nodes.find((one) => one.type === type);
  const { y, last_y } = node.widgets.find((one) => one.name === name);
  const { scale, offset } = app.canvas.ds;
  const { left, top } = app.canvas.canvas.getBoundingClientRect();
  return [(node.pos[0] + node.size[0] / 2 + offset[0]) * scale + left,
    (node.pos[1] + (y ?? last_y) + 10 + offset[1]) * scale + top];
}"""
VALUE = """([type, name]) =>
  app.graph._nodes.find((one) => one.type === type).widgets.find((one) => one.name === name).value"""
LINKS = "() => app.graph._nodes.flatMap(({ inputs }) => inputs ?? []).filter(({ link }) => link != null).length"
COUNT = "() => app.graph._nodes.length"
SCALE = 0.5


class Hand:
    """Does what an artist does, and counts it."""

    def __init__(self, studio: Studio) -> None:
        self.studio, self.page = studio, studio.page
        self.done: list[str] = []

    def add(self, name: str, x: float, y: float) -> None:
        """Double-click, type, take the entry of that name, click where it should be."""
        self.done.append(f"Double-click the empty graph, search **{name}**, choose it")
        count = self.page.evaluate(COUNT)
        self.page.mouse.dblclick(x, y)
        self.page.get_by_role("option").first.wait_for()
        self.page.keyboard.type(name)
        entry = self.page.get_by_role("option").filter(has_text=re.compile(rf"^\s*{name}(?!\w)"))
        entry.first.click()
        self.page.mouse.move(x + 6, y - 6)
        self.studio.settle()
        self.page.mouse.click(x + 6, y - 6)
        self.page.wait_for_function(f"() => app.graph._nodes.length === {count + 1}")
        self.studio.settle()

    def link(self, source: tuple[str, str], target: tuple[str, str]) -> None:
        self.done.append(f"Drag `{source[1]}` of {_words(source[0])} to `{target[1]}` of {_words(target[0])}")
        count = self.page.evaluate(LINKS)
        places = (self.page.evaluate(SLOT, [*end, end is target]) for end in (source, target))
        (x, y), (x2, y2) = places
        self.page.mouse.move(x, y)
        self.page.mouse.down()
        self.page.mouse.move((x + x2) / 2, (y + y2) / 2, steps=4)
        self.page.mouse.move(x2, y2, steps=4)
        self.page.mouse.up()
        self.studio.settle()
        assert self.page.evaluate(LINKS) == count + 1, self.done[-1]

    def choose(self, kind: str, widget: str, value: str) -> None:
        self.done.append(f"In {_words(kind)}, set `{widget}` to *{value}*")
        self.page.mouse.click(*self.page.evaluate(WIDGET, [kind, widget]))
        self.page.locator(".litemenu-entry", has_text=value).first.click()
        self.studio.settle()
        assert self.page.evaluate(VALUE, [kind, widget]) == value

    def box(self, desk: Desk, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.done.append("On the desk, draw a box around the object")
        desk.drag(start, end)

    def act(self, desk: Desk, action: str) -> None:
        self.done.append(f"Beside it, press *{action.capitalize()}*")
        desk.act(action)

    def say(self, desk: Desk, words: str) -> None:
        self.done.append(f"Type what it shall be: *{words}*")
        desk.element.locator(".vd-prompt").click()
        self.page.keyboard.type(words)
        self.page.keyboard.press("Tab")
        self.studio.settle()

    def track(self, desk: Desk) -> None:
        self.done.append("Press *Track*")
        desk.track()
        for _ in range(40):
            if len(desk.objects()[0]["keys"]) > 1:
                break
            self.page.wait_for_timeout(500)

    def run(self) -> None:
        self.done.append("Press Run (Ctrl + Enter)")
        self.studio.press("Control+Enter")


def _words(kind: str) -> str:
    """As a node's title says it."""
    return {"VaceChooseModel": "VACE Model", "SaveWEBM": "Save WEBM"}.get(kind, re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind))


@pytest.fixture(scope="module")
def real():
    server = Server(Path(os.environ["COMFYUI_PATH"]))
    write_clips(server.folder / "input", 6)
    studio = Studio(server, chromium(), nodes_2=False)
    yield server, studio
    studio.close()
    server.close()


def test_a_swap_takes_eight_nodes_and_twenty_five_actions_at_most(real, record):
    server, studio = real
    studio.load(EMPTY)
    studio.look_at(SCALE, 0, 0)
    hand = Hand(studio)
    hand.add("Load Video", 110, 170)
    hand.add("Load Image", 110, 440)
    hand.add("VACE Model", 110, 760)
    hand.add("VACE Desk", 350, 170)
    hand.add("VACE Sample Video", 900, 170)
    hand.add("VACE Decode Video", 1110, 170)
    hand.add("Save WEBM", 1280, 170)
    hand.choose("LoadVideo", "file", "own.mp4")
    hand.choose("LoadImage", "image", FACE)
    for source, target in (
        (("LoadVideo", "VIDEO"), ("VaceDesk", "clip")),
        (("LoadImage", "IMAGE"), ("VaceDesk", "pictures")),
        (("VaceChooseModel", "model"), ("VaceDesk", "model")),
        (("VaceChooseModel", "model"), ("VaceSampleVideo", "model")),
        (("VaceDesk", "vcu"), ("VaceSampleVideo", "vcu")),
        (("VaceSampleVideo", "samples"), ("VaceDecodeVideo", "samples")),
        (("VaceDesk", "vcu"), ("VaceDecodeVideo", "vcu")),
        (("VaceSampleVideo", "model"), ("VaceDecodeVideo", "vae")),
        (("VaceDecodeVideo", "images"), ("SaveWEBM", "images")),
        (("VaceDecodeVideo", "fps"), ("SaveWEBM", "fps")),
    ):
        hand.link(source, target)
    (desk,) = desks(studio)
    hand.box(desk, (0.04, 0.22), (0.5, 0.68))
    hand.act(desk, "replace")
    hand.say(desk, f"a face moves right on a {BACKGROUND}")
    hand.track(desk)
    if folder := os.environ.get("PICTURES_TO"):
        studio.page.screenshot(path=str(Path(folder) / "swap_by_hand.png"))
    hand.run()
    nodes = studio.page.evaluate(COUNT)
    (video,) = server.files(server.finished(count=1))[-1:]
    if file := os.environ.get("ACTIONS_TO"):
        Path(file).write_text("".join(f"{n}. {deed}.\n" for n, deed in enumerate(hand.done, start=1)))
    record(f"ComfyUI {server.get('/system_stats')['system']['comfyui_version']}")["swap by hand"] = {
        "nodes": nodes,
        "actions": len(hand.done),
    }
    film = from_uint8(read_video(video).frames)
    red = coloured(film, "red")
    assert float(red.float().mean()) < 0.03 * float(coloured(circle(), "red").float().mean())
    assert (things(film) & ~red).flatten(1).any(1).all()
    assert nodes <= MOST_NODES
    assert len(hand.done) <= MOST_ACTIONS
