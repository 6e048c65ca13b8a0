"""Drives the frontend and the editor as a hand does: with the mouse and the keys."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Playwright

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
PATIENCE = 240_000  # milliseconds: a busy machine is no fault
EMPTY = {"last_node_id": 0, "last_link_id": 0, "nodes": [], "links": [], "groups": [], "version": 0.4}

LAYOUT = ("VaceLayoutToVideo", 420, 60)
MOVE = ("VaceMoveAnything", 420, 60)
BOX = ((0.1, 0.2), (0.3, 0.6))  # two corners
CENTRE = (0.2, 0.4)

ADD_NODES = """([types, links]) => {
  const nodes = types.map(([type, x, y]) => {
    const node = LiteGraph.createNode(type);
    node.pos = [x, y];
    app.graph.add(node);
    return node;
  });
  for (const [from, to, input] of links) {
    nodes[from].connect(0, nodes[to], nodes[to].inputs.findIndex(({ name }) => name === input));
  }
}"""
LOOK_AT = """([scale, x, y]) => {
  app.canvas.ds.scale = scale;
  app.canvas.ds.offset = [x, y];
  app.canvas.setDirty(true, true);
}"""
VALUES = """() => {
  const isHeld = ({ name }) => ['paths', 'desk'].includes(name);
  const held = (node) => (node.widgets ?? []).filter(isHeld).map(({ value }) => value);
  const values = (graph) =>
    (graph.nodes ?? graph._nodes).flatMap((node) => node.subgraph ? values(node.subgraph) : held(node));
  return values(app.rootGraph ?? app.graph);
}"""
SET_VALUE = """([index, text]) => {
  app.graph._nodes[index].widgets.find(({ name }) => ['paths', 'desk'].includes(name)).value = text;
}"""
OUTLINES = """(editor) => {
  const frame = editor.querySelector('.vp-frame').style;
  const [left, top, across, down] = ['left', 'top', 'width', 'height'].map((side) => parseFloat(frame[side]));
  return [...editor.querySelectorAll('.vp-box .vp-halo')].map((box) => {
    const [x, y, width, height] = ['x', 'y', 'width', 'height'].map((name) => Number(box.getAttribute(name)));
    return [(x + width / 2 - left) / across, (y + height / 2 - top) / down, width / across, height / down];
  });
}"""
COMPLAINTS = """() =>
  [...document.querySelectorAll('[role=dialog], [role=alertdialog], [role=alert], [data-testid=error-overlay]')]
    .filter((one) => one.checkVisibility()).map((one) => one.innerText.trim()).filter(Boolean)"""
RECORD_TROUBLE = """() => {
  window.trouble = [];
  const ours = (text) => /extensions\\/vace/.test(text);
  const listen = (name, stack, words) =>
    window.addEventListener(name, (event) => ours(stack(event)) && trouble.push(String(words(event))));
  listen('error', (event) => event.error?.stack ?? event.filename, (event) => event.message);
  listen('unhandledrejection', (event) => event.reason?.stack ?? '', (event) => event.reason);
  for (const level of ['error', 'warn']) {
    const before = console[level];
    console[level] = (...words) => {
      if (ours(new Error().stack)) trouble.push(words.join(' '));
      before.apply(console, words);
    };
  }
}"""


class Driver:
    """Playwright, which can be started only once in a process: the studios share it, the last one stops it."""

    def __init__(self) -> None:
        self._users = 0

    def start(self) -> Playwright:
        from playwright.sync_api import sync_playwright

        if not self._users:
            self._playwright = sync_playwright().start()
        self._users += 1
        return self._playwright

    def stop(self) -> None:
        self._users -= 1
        if not self._users:
            self._playwright.stop()


DRIVER = Driver()


class Studio:
    def __init__(
        self,
        backend: Any,
        chromium: str,
        *,
        nodes_2: bool,
        name: str = "",
        view: tuple[int, int] = (1600, 1000),
        persist: bool = False,
    ) -> None:
        for setting, wanted in (
            ("Comfy.TutorialCompleted", True),
            ("Comfy.VueNodes.Enabled", nodes_2),
            ("Comfy.Minimap.Visible", False),
            ("Comfy.Workflow.Persist", persist),
        ):
            backend.settings[setting] = wanted
        self.nodes_2 = nodes_2
        self.name = name
        self._browser = DRIVER.start().chromium.launch(executable_path=chromium, args=ARGUMENTS)
        self.page = self._browser.new_page(viewport={"width": view[0], "height": view[1]}, has_touch=True)
        self.page.set_default_timeout(PATIENCE // 6)
        self.errors: list[str] = []
        """What the page's console says of errors, whosever they are; a file that is not there is none."""
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.add_init_script(f"({RECORD_TROUBLE})()")
        self.page.goto(backend.url, wait_until="domcontentloaded", timeout=PATIENCE)
        ready = "() => window.app?.graph && window.LiteGraph?.registered_node_types?.VaceMoveAnything"
        self.page.wait_for_function(ready, timeout=PATIENCE)
        self.page.wait_for_timeout(3000)
        self.page.keyboard.press("Escape")

    def close(self) -> None:
        self._browser.close()
        DRIVER.stop()

    def open(self, *types: tuple[str, int, int], links: tuple[tuple[int, int, str], ...] = ()) -> list[Editor]:
        """A new graph with these nodes, and its editors."""
        self.load(EMPTY)
        self.page.evaluate(ADD_NODES, [types, links])
        self.look_at(1, 0, 0)
        return self.editors()

    def load(self, workflow: object) -> None:
        load = "(graph) => app.loadGraphData(graph, true, true, null, {})"
        self.page.evaluate(load, workflow)
        self.settle()

    def editors(self) -> list[Editor]:
        self.settle()
        found = self.page.locator(".vace-paths:visible")
        return [Editor(self, found.nth(i)) for i in range(found.count())]

    def look_at(self, scale: float, x: float, y: float) -> None:
        self.page.evaluate(LOOK_AT, [scale, x, y])
        self.settle()

    def settle(self) -> None:
        """Waits until everything that follows from the last deed is drawn."""
        self.page.wait_for_timeout(500)
        for _ in range(2):
            self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def values(self) -> list[str]:
        """The texts of all widgets that hold a drawing, those in subgraphs too."""
        return self.page.evaluate(VALUES)

    def saved(self) -> dict[str, Any]:
        return json.loads(self.page.evaluate("async () => JSON.stringify((await app.graphToPrompt()).workflow)"))

    def prompt(self) -> dict[str, Any]:
        return self.page.evaluate("async () => (await app.graphToPrompt()).output")

    def trouble(self) -> list[str]:
        """Errors and warnings that came through our scripts."""
        return self.page.evaluate("trouble")

    def complaints(self) -> list[str]:
        """The texts of the dialogs and warnings that lie over the graph."""
        return self.page.evaluate(COMPLAINTS)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.errors.append(message.text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
        self.settle()


class Editor:
    """One editor. Places are in fractions of the frame, times in fractions of the clip."""

    def __init__(self, studio: Studio, element: Locator) -> None:
        self.studio = studio
        self.element = element

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where that place of the frame is on the screen."""
        box = self.element.locator(".vp-frame").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    def pixels(self) -> tuple[float, float]:
        """The frame's size on the screen."""
        box = self.element.locator(".vp-frame").bounding_box()
        return box["width"], box["height"]

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.drag_on_screen(self.place(*start), self.place(*end))

    def drag_on_screen(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.studio.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        mouse.move(*end)
        mouse.up()
        self.studio.settle()

    def click(self, x: float, y: float) -> None:
        self.studio.page.mouse.click(*self.place(x, y))
        self.studio.settle()

    def button(self, label: str) -> Locator:
        return self.element.locator(f"button[aria-label^='{label}']")

    def press(self, label: str) -> None:
        self.button(label).click()
        self.studio.settle()

    def moment(self, time: float, row: int = 0) -> tuple[float, float]:
        """Where that time is on the screen, in a row of the time line."""
        box = self.element.locator(".vp-lane .vp-track").nth(row).bounding_box()
        return box["x"] + time * box["width"], box["y"] + box["height"] / 2

    def scrub(self, time: float) -> None:
        """Goes to a time on the ruler."""
        box = self.element.locator(".vp-ruler .vp-track").bounding_box()
        self.studio.page.mouse.click(box["x"] + time * box["width"], box["y"] + 8)
        self.studio.settle()

    def outlines(self) -> list[tuple[float, float, float, float]]:
        """x, y, width, height of the boxes as drawn now, from back to front."""
        return [tuple(box) for box in self.element.evaluate(OUTLINES)]

    def notice(self) -> str:
        notice = self.element.locator(".vp-notice")
        return notice.inner_text().strip() if notice.is_visible() else ""

    def set_text(self, text: str, node: int = 0) -> None:
        """Sets the widget of node number `node`, as a script does."""
        self.studio.page.evaluate(SET_VALUE, [node, text])
        self.studio.settle()


def paths(text: str) -> list[dict[str, Any]]:
    return json.loads(text)["paths"] if text != "[]" else []


def keys(path: dict[str, Any]) -> list[tuple[float, ...]]:
    return [tuple(key[part] for part in ("time", "x", "y", "width", "height")) for key in path["keys"]]


def value(studio: Studio) -> str:
    return studio.values()[0]


def near(editor: Editor, found: list[tuple[float, ...]], expected: list[tuple[float, ...]]) -> bool:
    """Whether keys agree: times exactly, places and sizes to half a pixel of the screen."""
    across, down = editor.pixels()
    room = (1e-9, 0.5 / across, 0.5 / down, 0.5 / across, 0.5 / down)
    return len(found) == len(expected) and all(
        abs(a - b) <= most
        for key, wanted in zip(found, expected, strict=True)
        for a, b, most in zip(key, wanted, room, strict=True)
    )
