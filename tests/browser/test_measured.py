"""How exact the editor is and how much it loses, in numbers: see `results.py` for where they go."""

from __future__ import annotations

import random

import pytest
from browser.studio import LAYOUT, keys, paths, value

SCALES = (0.25, 0.5, 0.75, 1, 1.5, 2, 3, 4)
SPOTS = ((0.5, 0.5), (0.45, 0.57), (0.56, 0.44))
EDITS = 24
DRAWN_ON = {"paths": LAYOUT, "desk": ("VaceDesk", 420, 60)}

BYPASS = "(mode) => { app.graph._nodes[0].mode = mode; app.canvas.setDirty(true, true); }"
COPY = """() => {
  app.canvas.selectNode(app.graph._nodes[0]);
  app.canvas.copyToClipboard();
  app.canvas.pasteFromClipboard();
}"""
REMOVE_COPY = "() => app.graph.remove(app.graph._nodes[1])"
INTO_SUBGRAPH = """() => {
  app.canvas.selectNode(app.graph._nodes[0]);
  app.graph.convertToSubgraph(app.canvas.selectedItems);
}"""
OUT_OF_SUBGRAPH = "() => app.graph.unpackSubgraph(app.graph._nodes[0])"


def test_places_are_exact_at_every_zoom(studio, editor, results):
    editor.drag((0.3, 0.3), (0.7, 0.7))  # a row more: the frame now keeps its size
    studio.press("Delete")
    studio.look_at(1, 0, 0)
    across, down = editor.place(0.5, 0.5)
    worst: dict[str, float] = {}
    for scale in SCALES:
        studio.look_at(scale, 800 / scale - across, 480 / scale - down)
        reach = min(0.35, 0.35 / scale)
        for x, y in SPOTS:
            studio.press("n")
            editor.drag((x - reach, y - reach), (x + reach, y + reach))
            *_, path = paths(value(studio))
            ((_, *found),) = keys(path)
            width, height = editor.pixels()
            wanted = (x, y, 2 * reach, 2 * reach)
            sizes = (width, height, width, height)
            off = max(abs(a - b) * size for a, b, size in zip(found, wanted, sizes, strict=True))
            worst[str(scale)] = max(worst.get(str(scale), 0.0), off)
            studio.press("Delete")
            assert value(studio) == "[]"
    results["place_error_px"] = {scale: round(off, 3) for scale, off in worst.items()}
    results["places_measured"] = 4 * len(SCALES) * len(SPOTS)
    assert max(worst.values()) < 0.5


@pytest.mark.parametrize("widget", DRAWN_ON)
def test_no_edit_is_lost_by_anything_that_happens_to_the_node(studio, results, widget):
    (editor,) = studio.open(DRAWN_ON[widget])
    chance = random.Random(5)
    values, lost = [value(studio)], dict.fromkeys(("prompt", "reload", "copy", "bypass", "subgraph", "undo", "redo"), 0)
    checked = dict.fromkeys(lost, 0)

    def check(deed: str, after: object, wanted: object) -> None:
        checked[deed] += 1
        lost[deed] += after != wanted

    while len(values) <= EDITS:
        _edit(studio, editor, chance, on_desk=widget == "desk")
        if value(studio) == values[-1]:
            continue
        values.append(value(studio))
        check("prompt", next(iter(studio.prompt().values()))["inputs"][widget], values[-1])
    for n in reversed(range(EDITS)):
        studio.press("Control+z")
        check("undo", value(studio), values[n])
    for n in range(1, EDITS + 1):
        studio.press("Control+y")
        check("redo", value(studio), values[n])
    for text in values[1::3]:
        studio.open(DRAWN_ON[widget])[0].set_text(text)
        studio.load(studio.saved())
        check("reload", studio.values(), [text])
        studio.page.evaluate(COPY)
        studio.settle()
        check("copy", studio.values(), [text, text])
        studio.page.evaluate(REMOVE_COPY)
        for mode in (4, 0):
            studio.page.evaluate(BYPASS, mode)
            studio.load(studio.saved())
        check("bypass", studio.values(), [text])
        studio.page.evaluate(INTO_SUBGRAPH)
        studio.load(studio.saved())
        given = [node["inputs"][widget] for node in studio.prompt().values()]
        studio.page.evaluate(OUT_OF_SUBGRAPH)
        studio.settle()
        check("subgraph", (given, studio.values()), ([text], [text]))
    results.setdefault("edits", {})[widget] = {"checked": checked, "lost": lost}
    assert not any(lost.values())


def _edit(studio, editor, chance: random.Random, *, on_desk: bool) -> None:
    """One edit by mouse or key, as likely as a hand would make it."""
    spot = (chance.uniform(0.15, 0.85), chance.uniform(0.15, 0.85))
    to = (chance.uniform(0.15, 0.85), chance.uniform(0.15, 0.85))
    kinds = ("brush", "action") if on_desk else ("smooth",)
    kind = chance.choice(("draw", "move", "move", "move", "later", "nudge", "key", *kinds))
    if kind == "draw" or value(studio) in ("", "[]"):
        studio.press("n")
        editor.drag(spot, to)
        return
    (x, y, *_) = chance.choice(editor.outlines())
    editor.click(min(max(x, 0.02), 0.98), min(max(y, 0.02), 0.98))
    if kind in ("move", "later"):
        editor.scrub(chance.uniform(0, 1) if kind == "later" else chance.choice((0, 0.5, 1)))
        (x, y, *_) = chance.choice(editor.outlines())
        editor.drag((min(max(x, 0.02), 0.98), min(max(y, 0.02), 0.98)), to)
    elif kind == "nudge":
        studio.press(chance.choice(("ArrowLeft", "ArrowUp", "Shift+ArrowRight", "Shift+ArrowDown")))
    elif kind == "brush":
        studio.press("b")
        editor.drag(spot, to)
        studio.press("v")
    elif kind == "action":
        editor.element.locator("[data-action]").nth(chance.randrange(3)).click()
        studio.settle()
    elif kind == "smooth":
        if editor.button("Smooth").is_enabled():
            editor.press("Smooth")
    else:
        studio.press("k")
