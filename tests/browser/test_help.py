"""The help page of a node, in the frontend's own panel."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser.studio import LAYOUT

DOCS = Path(__file__).parents[2] / "web" / "docs"
PICTURES = """() => [...document.querySelectorAll('img')].filter(({ src }) => src.includes('/extensions/vace/'))
  .map(({ src, complete, naturalWidth }) => [src, complete && naturalWidth > 0])"""


UNDER = "() => [[250, 900], [1550, 900]].map(([x, y]) => document.elementFromPoint(x, y).tagName)"
CLOSE = "[data-testid=properties-panel] [aria-label='Toggle properties panel']"
INFO = "[data-testid=info-button]"


@pytest.fixture
def info(studio):
    """The button that opens the panel. It is closed afterwards: it covers a part of the graph."""
    button = studio.page.locator(INFO).first
    yield button
    close = studio.page.locator(CLOSE)
    (close.first if close.count() else button).click()
    studio.settle()


def test_the_help_page_is_shown_with_its_pictures(studio, info):
    studio.open(LAYOUT)
    studio.look_at(1, 0, 120)  # room for the bar above the node
    said = (DOCS / "VaceLayoutToVideo.md").read_text().splitlines()[2].partition(".")[0]
    studio.page.evaluate("() => app.canvas.selectNode(app.graph._nodes[0])")
    info.click()
    studio.page.get_by_text(said).first.wait_for()
    studio.page.get_by_role("heading", name="Inputs").first.wait_for()
    studio.page.wait_for_timeout(1000)
    shown = studio.page.evaluate(PICTURES)
    assert shown
    assert all(is_there for _, is_there in shown)


def test_the_panel_is_closed_again(studio):
    """Or tests after this one would click on it instead of the graph."""
    under = studio.page.evaluate(UNDER)
    assert under == ["CANVAS", "CANVAS"]
