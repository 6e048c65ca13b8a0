"""The wires of the pack's own types have colours, on dark and light graphs, whatever palette is loaded."""

from __future__ import annotations

from browser.studio import LAYOUT

SHOWN = """() => {
  const names = ['VACE_VCU', 'VACE_MODEL', 'VACE_PLAN'];
  const style = getComputedStyle(document.documentElement);
  return names.map((name) => [
    app.canvas.constructor.link_type_colors[name],
    app.canvas.default_connection_color_byType[name],
    style.getPropertyValue(`--color-datatype-${name}`).trim(),
  ]);
}"""
PALETTE = "(id) => app.extensionManager.setting.set('Comfy.ColorPalette', id)"
OURS = ["#DB5A1F", "#8B5CF6", "#1F8F63"]


def test_our_types_keep_their_colours_under_every_palette(studio):
    before_this = studio.trouble()
    studio.open(LAYOUT)
    for palette in ("dark", "light", "dark"):
        studio.page.evaluate(PALETTE, palette)
        studio.settle()
        assert studio.page.evaluate(SHOWN) == [[colour] * 3 for colour in OURS], palette
    assert studio.trouble() == before_this
