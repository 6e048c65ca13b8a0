"""The help page of a node, in the frontend's own panel."""

from __future__ import annotations

from pathlib import Path

from browser.studio import LAYOUT

DOCS = Path(__file__).parents[2] / "web" / "docs"
PICTURES = """() => [...document.querySelectorAll('img')].filter(({ src }) => src.includes('/extensions/vace/'))
  .map(({ src, complete, naturalWidth }) => [src, complete && naturalWidth > 0])"""


def test_the_help_page_is_shown_with_its_pictures(studio):
    studio.open(LAYOUT)
    studio.look_at(1, 0, 120)  # room for the bar above the node
    said = (DOCS / "VaceLayoutToVideo.md").read_text().splitlines()[2].partition(".")[0]
    studio.page.evaluate("() => app.canvas.selectNode(app.graph._nodes[0])")
    studio.page.locator("[data-testid=info-button]").first.click()
    studio.page.get_by_text(said).first.wait_for()
    studio.page.get_by_role("heading", name="Inputs").first.wait_for()
    studio.page.wait_for_timeout(1000)
    assert all(shown for _, shown in studio.page.evaluate(PICTURES))
