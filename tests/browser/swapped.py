"""A swap from an empty graph as an artist does it, with every action of the hand: the page of the desk.

    COMFYUI_PATH=... COMFYUI_PYTHON=... python tests/browser/swapped.py docs/desk.md docs/pictures

One action is a click, a double click, a drag, a file dropped, or a text typed with the key that ends it.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from browser.desk import Desk, desks
from browser.found import chromium
from browser.opened import OPEN
from browser.own_clips import BACKGROUND, STAR, write_clips
from browser.screenshots import save
from browser.searched import OPTIONS
from browser.server import PACK, Server
from browser.studio import EMPTY, Studio

SCREEN, TEMPLATE = (1920, 1080), (1600, 950)
PROMPT = f"a blue star moves right on a {BACKGROUND}"
BOX = ((0.01, 0.18), (0.55, 0.72))  # around the circle of the clip where it starts
MOST_NODES, MOST_ACTIONS = 8, 25
PATIENCE = 300  # seconds
SHOWN = 15_000  # milliseconds, until a busy machine shows what a run gave
DROP = """([name, kind, data, x, y]) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(atob(data), (one) => one.charCodeAt(0))], name, { type: kind }));
  const event = { bubbles: true, cancelable: true, dataTransfer, clientX: x, clientY: y };
  const there = document.elementFromPoint(x, y);
  for (const type of ['dragenter', 'dragover', 'drop']) there.dispatchEvent(new DragEvent(type, event));
}"""
SOCKET = """([kind, side, name]) => {
  const node = app.graph._nodes.find(({ type }) => type === kind);
  const [x, y] = node.getConnectionPos(side === 'inputs', node[side].findIndex((slot) => slot.name === name));
  const { ds, canvas } = app.canvas;
  const frame = canvas.getBoundingClientRect();
  return [frame.x + (x + ds.offset[0]) * ds.scale, frame.y + (y + ds.offset[1]) * ds.scale];
}"""
HAS = "(kind) => app.graph._nodes.some(({ type, flags }) => type === kind && !flags.ghost)"
COUNT = "() => app.graph._nodes.length"
HEAD = """\
# The desk

*VACE Desk* shows the clip with its time line. Draw on it (box, brush, lasso, points), say what shall happen to each \
object, and see what the model will get while you draw.

![VACE Desk as its template opens: the star is marked to be removed, the triangle to be moved along a path]\
(pictures/desk.webp)

## A swap on your own clip, from an empty graph

{nodes} nodes and {actions} actions in ComfyUI {comfyui} with the built-in starter, on a screen of {width} x {height}. \
An action is a click, a drag, a file dropped, or a text typed with the key that ends it. `test_swap_from_empty.py` \
does it by mouse and keyboard, and sees in the sampled video that the picture has taken the object's place.

{steps}
![What the hand made: seven nodes, the clip on the desk with the tracked object, and the video]\
(pictures/swap-from-empty.webp)

`python tests/browser/swapped.py docs/desk.md docs/pictures` makes this page.
"""


class Hand:
    """Mouse and keyboard on a graph; every action is written down."""

    def __init__(self, studio: Studio) -> None:
        self.page, self.studio = studio.page, studio
        self.steps: list[str] = []

    @property
    def nodes(self) -> int:
        return self.page.evaluate(COUNT)

    def drop(self, file: Path, kind: str, x: int, y: int, *, gives: str, said: str) -> None:
        data = base64.b64encode(file.read_bytes()).decode()
        self.page.evaluate(DROP, [file.name, kind, data, x, y])
        self._there(gives)
        self._did(f"Drop {said} on the canvas.")

    def search(self, kind: str, output: str, x: int, y: int, *, word: str, title: str, gives: str) -> None:
        """A wire into the empty with Shift, the word, and a click where the node shall stand."""
        self._drag(self.socket(kind, "outputs", output), (x, y), shift=True)
        self.page.locator(OPTIONS).first.wait_for()
        self._did(f"Drag {_named(kind)}'s `{output}` onto the empty canvas with Shift: the node search opens.")
        self.page.keyboard.type(word, delay=40)
        # The list follows the text after a rest; Enter takes what stands first by then.
        self.page.locator(OPTIONS).first.and_(self.page.locator(OPTIONS, has_text=title)).wait_for()
        self.studio.press("Enter")
        self._did(f'Type "{word}" and Enter.')
        self.page.mouse.click(x, y)
        self._there(gives)
        self._did(f"Click where *{title}* shall stand; it is connected.")

    def choose(self, kind: str, side: str, name: str, x: int, y: int, *, gives: str) -> None:
        """A wire into the empty, and what ComfyUI proposes there."""
        self._drag(self.socket(kind, side, name), (x, y))
        self._did(f"Drag {_named(kind)}'s `{name}` onto the empty canvas.")
        self.page.locator(".litemenu-entry", has_text=gives).first.click()
        self._there(gives)
        self._did(f"Choose {gives} in the menu.")

    def wire(self, kind: str, output: str, to: str, name: str) -> None:
        self._drag(self.socket(kind, "outputs", output), self.socket(to, "inputs", name))
        self._did(f"Drag {_named(kind)}'s `{output}` to {_named(to)}'s `{name}`.")

    def box(self, desk: Desk, start: tuple[float, float], end: tuple[float, float]) -> None:
        desk.drag(start, end)
        self._did("Drag a box around the object on the desk.")

    def replace(self, desk: Desk) -> None:
        desk.act("replace")
        self._did("Click Replace: the picture takes its place.")

    def track(self, desk: Desk) -> None:
        desk.track()
        self._did("Click Track: the box follows the object to the end of the clip.")

    def say_and_run(self, desk: Desk, words: str) -> None:
        desk.element.locator(".vd-prompt").click()
        self._did("Click into the object's words.")
        self.page.keyboard.type(words)
        self.studio.press("Control+Enter")
        self._did(f'Type "{words}", and Ctrl + Enter runs it.')

    def socket(self, kind: str, side: str, name: str) -> tuple[float, float]:
        x, y = self.page.evaluate(SOCKET, [kind, side, name])
        return x, y

    def _drag(self, start: tuple[float, float], end: tuple[float, float], *, shift: bool = False) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
        mouse.move(*end, steps=4)
        if shift:
            self.page.keyboard.down("Shift")
        mouse.up()
        if shift:
            self.page.keyboard.up("Shift")
        self.studio.settle()

    def _there(self, kind: str) -> None:
        self.page.wait_for_function(HAS, arg=kind)
        self.studio.settle()

    def _did(self, step: str) -> None:
        self.steps.append(step)


def swap(hand: Hand, clip: Path, picture: Path) -> Desk:
    """From an empty graph to the run of a swap; the desk."""
    hand.studio.load(EMPTY)
    hand.drop(clip, "video/mp4", 100, 140, gives="LoadVideo", said="your clip")
    desk, model, sample = "VaceDesk", "VaceChooseModel", "VaceSampleVideo"
    hand.search("LoadVideo", "VIDEO", 860, 150, word="VACE Desk", title="VACE Desk", gives=desk)
    hand.drop(picture, "image/png", 100, 510, gives="LoadImage", said="the picture of what shall be there")
    hand.wire("LoadImage", "IMAGE", desk, "pictures")
    hand.choose(desk, "inputs", "model", 70, 840, gives=model)
    hand.choose(desk, "outputs", "vcu", 1340, 150, gives=sample)
    hand.wire(model, "model", sample, "model")
    decode = "VaceDecodeVideo"
    hand.search(sample, "samples", 1750, 170, word="VACE Decode", title="VACE Decode Video", gives=decode)
    hand.wire(desk, "vcu", decode, "vcu")
    hand.wire(sample, "model", decode, "vae")
    hand.search(decode, "images", 1750, 520, word="save webm", title="Save WEBM", gives="SaveWEBM")
    hand.wire(decode, "fps", "SaveWEBM", "fps")
    (made,) = desks(hand.studio)
    hand.box(made, *BOX)
    hand.replace(made)
    hand.track(made)
    for _ in range(60):
        if len(made.objects()[0]["keys"]) > 1:
            break
        hand.page.wait_for_timeout(500)
    hand.say_and_run(made, PROMPT)
    return made


def _named(kind: str) -> str:
    names = {"LoadVideo": "Load Video", "LoadImage": "Load Image", "SaveWEBM": "Save WEBM"}
    return f"*{names.get(kind) or TITLES[kind]}*"


TITLES = {
    "VaceDesk": "VACE Desk",
    "VaceChooseModel": "VACE Model",
    "VaceSampleVideo": "VACE Sample Video",
    "VaceDecodeVideo": "VACE Decode Video",
}


def numbered(steps: list[str]) -> str:
    return "".join(f"{n}. {step}\n" for n, step in enumerate(steps, 1))


def page_of(hand: Hand, comfyui: str) -> str:
    width, height = SCREEN
    facts = {"nodes": hand.nodes, "actions": len(hand.steps), "comfyui": comfyui, "width": width, "height": height}
    return HEAD.format(**facts, steps=numbered(hand.steps))


def main() -> None:
    page, pictures = Path(sys.argv[1]), Path(sys.argv[2])
    server = Server(Path(os.environ["COMFYUI_PATH"]))
    studio = Studio(server, chromium() or "", nodes_2=False, view=SCREEN)
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_clips(Path(folder), 0)
            hand = Hand(studio)
            swap(hand, Path(folder) / "own.mp4", Path(folder) / STAR)
        server.finished(count=1, patience=PATIENCE)
        page.write_text(page_of(hand, server.get("/system_stats")["system"]["comfyui_version"]), encoding="utf-8")
        studio.page.wait_for_timeout(SHOWN)
        save(studio.page.screenshot(), pictures / "swap-from-empty.webp")
        studio.page.set_viewport_size({"width": TEMPLATE[0], "height": TEMPLATE[1]})
        studio.page.evaluate(OPEN, json.loads((PACK / "workflows" / "VACE Desk.json").read_text(encoding="utf-8")))
        desks(studio)
        studio.page.locator(".vd-sheet img").first.wait_for()
        studio.page.wait_for_timeout(SHOWN)
        save(studio.page.screenshot(), pictures / "desk.webp")
    finally:
        studio.close()
        server.close()


if __name__ == "__main__":
    main()
