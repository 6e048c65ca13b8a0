"""The desk under the mouse: a hand that draws on it, and what it has saved."""

from __future__ import annotations

import json
from typing import Any

from browser.studio import Editor, Studio

NODES = (("LoadImage", -340, 60), ("VaceDesk", 0, 60))
LINK = ((0, 1, "clip"),)
VALUES = """() => {
  const sorted = (graph) => [...(graph.nodes ?? graph._nodes)].sort((a, b) => a.pos[0] - b.pos[0]);
  const values = (graph) => sorted(graph).flatMap((node) => node.subgraph ? values(node.subgraph)
    : (node.widgets ?? []).filter(({ name }) => name === 'desk').map(({ value }) => value));
  return values(app.rootGraph ?? app.graph);
}"""


class Desk(Editor):
    def texts(self) -> list[str]:
        return self.studio.page.evaluate(VALUES)

    def objects(self, node: int = 0) -> list[dict[str, Any]]:
        return self.read(self.texts()[node])

    @staticmethod
    def read(text: str) -> list[dict[str, Any]]:
        return json.loads(text or '{"objects": []}')["objects"]

    def line(self, *places: tuple[float, float], steps: int = 3) -> None:
        """Draws along these places with the tool in hand."""
        mouse = self.studio.page.mouse
        mouse.move(*self.place(*places[0]))
        mouse.down()
        for place in places[1:]:
            mouse.move(*self.place(*place), steps=steps)
        mouse.up()
        self.studio.settle()

    def on_pixels(self, *places: tuple[float, float]) -> list[tuple[float, float]]:
        """The places next to these that are whole pixels of the screen, where alone a mouse can be."""
        box = self.element.locator(".vp-frame").bounding_box()
        return [
            ((round(x) - box["x"]) / box["width"], (round(y) - box["y"]) / box["height"])
            for x, y in (self.place(*place) for place in places)
        ]

    def act(self, action: str) -> None:
        self.element.locator(f"[data-action={action}]").click()
        self.studio.settle()

    def track(self) -> None:
        """Follows the object from here to the end of the clip."""
        self.element.locator(".vd-small", has_text="Track").nth(1).click()
        self.studio.settle()

    def look(self) -> None:
        self.studio.look_at(0.8, 460, 20)


def desks(studio: Studio) -> list[Desk]:
    """The desks of the graph that is open, from left to right, once each shows its clip."""
    found = studio.page.locator(".vace-desk:visible")
    found.first.locator(".vp-backdrop img, .vp-backdrop video").first.wait_for()
    all_of_them = [Desk(studio, found.nth(i)) for i in range(found.count())]
    return sorted(all_of_them, key=lambda one: one.element.bounding_box()["x"])


def opened(studio: Studio, *nodes: Any) -> list[Desk]:
    studio.open(*(nodes or NODES), links=LINK)
    studio.look_at(0.8, 460, 20)
    return desks(studio)
