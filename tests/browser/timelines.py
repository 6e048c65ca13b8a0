"""The time line of VACE Plan Windows under the mouse."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from browser.studio import Studio

PATIENCE = 40  # seconds
UP = -150  # where the graph is shown: no menu lies over the time line
PLAN = ("VacePlanWindows", 420, 60)
VALUE = (
    "(name) => app.graph._nodes.find(({ type }) => type === 'VacePlanWindows').widgets.find((one) => one.name === name)"
)
READ = f"(name) => ({VALUE})(name).value"
SET = f"([name, value]) => {{ ({VALUE})(name).value = value; }}"
WINDOWS = """(element) => [...element.querySelectorAll('.vt-window b')]
  .map((one) => [...one.childNodes].map(({ textContent }) => textContent).join(' '))"""
FOCUS = "() => document.activeElement?.dataset?.window ?? null"


class Timeline:
    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.element = studio.page.locator(".vace-plan:visible")

    def read(self, name: str = "changes") -> Any:
        return self.studio.page.evaluate(READ, name)

    def set(self, **values: object) -> None:
        """Sets widgets, as a script does."""
        for name, value in values.items():
            self.studio.page.evaluate(SET, [name, value])

    def becomes(self, wanted: object, look: Callable[..., object], *given: object) -> None:
        """Waits for what the time line shows or types: a busy machine is no fault.

        Raises:
            AssertionError: it does not become that.
        """
        end = time.monotonic() + PATIENCE
        while (found := look(*given)) != wanted and time.monotonic() < end:
            self.studio.page.wait_for_timeout(100)
        assert found == wanted

    def border(self, window: int) -> Any:
        return self.element.locator(f".vt-border[data-window='{window}']")

    def frame(self, window: int) -> int:
        """The frame at which a border stands."""
        border = self.border(window)
        return int(border.get_attribute("aria-valuenow")) if border.count() else -1

    def grip(self, window: int) -> tuple[float, float]:
        box = self.border(window).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7

    def pixels_per_frame(self, frames: int) -> float:
        return self.element.locator(".vt-handles").bounding_box()["width"] / frames

    def drag(self, window: int, pixels: float, *, drop: bool = True) -> None:
        mouse, (x, y) = self.studio.page.mouse, self.grip(window)
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + pixels / 2, y + 3, steps=3)
        mouse.move(x + pixels, y, steps=3)
        if drop:
            mouse.up()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.studio.page.keyboard.press(key)

    def words(self) -> str:
        return self.element.locator(".vt-words").inner_text().strip()

    def summary(self) -> str:
        return self.element.locator(".vt-summary").inner_text().strip()

    def windows(self) -> list[str]:
        return self.element.evaluate(WINDOWS)


def opened(studio: Studio, *nodes: Any, links: Any = ()) -> Timeline:
    studio.open(*(nodes or (PLAN,)), links=links)
    studio.load(studio.saved())  # which is what the graph's own undo goes back to
    studio.look_at(1, 0, UP)
    timeline = Timeline(studio)
    timeline.element.wait_for()
    studio.settle()
    return timeline
