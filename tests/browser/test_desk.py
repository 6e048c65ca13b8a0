"""The desk under a real mouse: what is drawn is saved, nothing of it is lost, and the server's word is shown."""

from __future__ import annotations

import io
import itertools
import json
from typing import Any

import pytest
from browser.desk import NODES, desks, opened
from PIL import Image

pytest.importorskip("aiohttp")
from browser.backend import DESK_FRAMES, REFUSED

PASTE = """(text) => {
  const data = new DataTransfer();
  data.setData('text/plain', text);
  document.querySelector('.vace-desk .vp-catcher').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }));
}"""
TURNER = """(editor) => {
  const { x, y, width, height } = editor.querySelector('.vd-turn').getBoundingClientRect();
  return [x + width / 2, y + height / 2];
}"""
SET_FILE = """(name) => {
  const widget = app.graph._nodes[0].widgets.find(({ name }) => name === 'image');
  widget.options.values?.push?.(name);
  widget.value = name;
}"""

SET_FIT = """(fit) => {
  app.graph._nodes.find(({ type }) => type === 'VaceDesk').widgets.find(({ name }) => name === 'fit').value = fit;
}"""
SHOWN = """() => app.graph._nodes.find(({ type }) => type === 'VaceDesk').onExecuted({
  vace_clip: [{ filename: 'cut.png', subfolder: '', type: 'temp' }],
  vace_clip_info: [{ width: 96, height: 64, frames: 5, fps: 8 }] })"""


@pytest.fixture
def desk(studio):
    return opened(studio)[0]


def close(found: Any, wanted: Any) -> bool:
    return found == pytest.approx(wanted, abs=0.006)


def test_the_clip_is_there_before_any_run_and_what_to_do_is_said(studio, desk):
    assert desk.notice().startswith("Draw on what you want to change.")
    assert desk.element.locator(".vp-flag").inner_text() == f"1 / {DESK_FRAMES}"
    assert desk.texts() == [""]


def test_box_brush_and_lasso_draw_objects_eraser_and_cut_take_away(studio, desk):
    desk.drag((0.1, 0.2), (0.3, 0.6))
    (box,) = desk.objects()
    assert (box["action"], box["shapes"]) == ("remove", [])
    assert close([box["keys"][0][part] for part in ("x", "y", "width", "height")], [0.2, 0.4, 0.2, 0.4])
    studio.press("Escape", "b")
    desk.line((0.5, 0.3), (0.7, 0.3))
    studio.press("e")
    desk.line((0.6, 0.2), (0.6, 0.4))
    studio.press("x")
    desk.line((0.65, 0.2), (0.75, 0.2), (0.75, 0.4), (0.65, 0.4))
    _, painted = desk.objects()
    strokes = painted["shapes"][0]["strokes"]
    assert [stroke["kind"] for stroke in strokes] == ["brush", "erase", "cut"]
    assert close(strokes[0]["points"][0], [0.5, 0.3])
    assert close(strokes[0]["points"][-1], [0.7, 0.3])
    assert len(strokes[2]["points"]) >= 4
    desk.press("New object")
    studio.press("l")
    desk.line((0.1, 0.7), (0.3, 0.7), (0.2, 0.9))
    assert [one["label"] for one in desk.objects()] == ["Object 1", "Object 2", "Object 3"]
    assert len({tuple(one["colour"]) for one in desk.objects()}) == 3


def test_a_shape_goes_where_its_box_goes(studio, desk):
    studio.press("Tab")
    desk.click(0.9, 0.9)
    studio.press("Control+z", "b")
    desk.line((0.3, 0.5), (0.4, 0.5))
    studio.press("v")
    desk.drag((0.35, 0.5), (0.55, 0.6))
    (one,) = desk.objects()
    points = one["shapes"][0]["strokes"][0]["points"]
    assert len(one["keys"]) == 1
    assert close([*points[0], *points[-1]], [0.5, 0.6, 0.6, 0.6])
    studio.press("End")
    desk.drag((0.55, 0.6), (0.35, 0.6))
    (one,) = desk.objects()
    assert [key["time"] for key in one["keys"]] == [0, 1]
    assert close(one["shapes"][0]["strokes"][0]["points"][0], [0.5, 0.6])


def test_what_moves_gets_a_path_of_its_own_and_is_turned(studio, desk):
    desk.drag((0.1, 0.3), (0.3, 0.7))
    desk.act("move")
    studio.press("End")
    desk.drag((0.2, 0.5), (0.7, 0.5))
    (one,) = desk.objects()
    assert [key["x"] for key in one["keys"]] == pytest.approx([0.2], abs=0.006)
    assert [key["x"] for key in one["path"]["keys"]] == pytest.approx([0.2, 0.7], abs=0.006)
    desk.element.locator(".vd-ease").select_option("in-out")
    studio.settle()
    start = tuple(desk.element.evaluate(TURNER))
    centre = desk.place(0.7, 0.5)
    desk.drag_on_screen(start, (centre[0] - (start[1] - centre[1]), centre[1]))  # from below to the left
    (one,) = desk.objects()
    assert one["path"]["ease"] == "in-out"
    assert one["path"]["keys"][1]["angle"] == pytest.approx(90, abs=1)
    desk.act("remove")
    desk.act("move")
    assert desk.objects()[0]["path"] == one["path"]


def test_a_hand_records_a_path_while_time_runs(studio, desk):
    desk.drag((0.1, 0.3), (0.3, 0.7))
    studio.press("r")
    mouse = studio.page.mouse
    mouse.move(*desk.place(0.2, 0.5))
    mouse.down()
    for step in range(12):
        mouse.move(*desk.place(0.2 + 0.04 * step, 0.5 + 0.1 * (step % 3)))
        studio.page.wait_for_timeout(100)
    mouse.up()
    studio.settle()
    keys = desk.objects()[0]["keys"]
    assert keys[0]["time"] == 0
    assert len(keys) >= 2  # how many, a busy machine decides
    assert keys[-1]["x"] > keys[0]["x"]
    assert all(before["time"] < after["time"] for before, after in itertools.pairwise(keys))
    studio.press("Control+z")
    assert len(desk.objects()[0]["keys"]) == 1


def test_points_select_and_tracked_keys_give_way_to_the_hand(studio, desk):
    studio.press("Tab")
    desk.click(0.9, 0.9)
    studio.press("Control+z", "p")
    desk.click(0.4, 0.5)
    (one,) = desk.objects()
    assert [stroke["kind"] for stroke in one["shapes"][0]["strokes"]] == ["lasso"]
    studio.page.keyboard.down("Alt")
    desk.click(0.6, 0.5)
    studio.page.keyboard.up("Alt")
    assert desk.element.locator(".vd-inside, .vd-outside").count() == 2
    studio.press("v")
    desk.track()
    keys = desk.objects()[0]["keys"]
    assert [key.get("tracked", False) for key in keys] == [False] + [True] * (DESK_FRAMES - 1)
    studio.press("End")
    desk.drag((0.7, 0.5), (0.75, 0.6))
    last = desk.objects()[0]["keys"][-1]
    assert "tracked" not in last
    assert last["y"] == pytest.approx(keys[-1]["y"] + 0.1, abs=0.006)
    studio.press("Home")
    desk.track()
    assert desk.objects()[0]["keys"][-1] == last


def test_every_edit_is_undone_and_done_again(studio, desk):
    seen = [desk.texts()[0]]
    for deed in (
        lambda: desk.drag((0.1, 0.2), (0.3, 0.6)),
        lambda: desk.act("generate"),
        lambda: (studio.press("b"), desk.line((0.4, 0.4), (0.5, 0.5))),
        lambda: desk.press("Duplicate"),
        lambda: desk.press("Send backward"),
        lambda: desk.press("Delete this object"),
    ):
        deed()
        seen.append(desk.texts()[0])
    assert len(set(seen)) == len(seen)
    desk.scrub(0)
    for text in reversed(seen[:-1]):
        studio.press("Control+z")
        assert desk.objects() == json.loads(text or '{"objects": []}')["objects"]
    for text in seen[1:]:
        studio.press("Control+y")
        assert desk.texts() == [text]


def test_words_and_numbers_of_an_object_are_kept(studio, desk):
    desk.drag((0.1, 0.2), (0.3, 0.6))
    desk.act("generate")
    desk.element.locator(".vd-prompt").fill("a red balloon")
    grow = desk.element.locator(".vd-number[aria-label=Grow]")
    grow.fill("12")
    grow.press("Enter")
    desk.element.locator(".vd-number[aria-label=Strength]").fill("9")
    desk.scrub(0)
    studio.settle()
    (one,) = desk.objects()
    assert (one["prompt"], one["grow"], one["strength"], one["action"]) == ("a red balloon", 12, 2, "generate")


def test_saving_with_the_keys_takes_the_words_that_are_being_typed(studio, desk):
    desk.drag((0.1, 0.2), (0.3, 0.6))
    desk.element.locator(".vd-prompt").fill("a red balloon")
    desk.element.locator(".vd-prompt").press("Control+s")
    studio.settle()
    asked = studio.complaints()
    studio.press("Escape")
    assert len(asked) == 1  # ComfyUI's, for the name of the file
    assert desk.objects()[0]["prompt"] == "a red balloon"


def test_saving_loading_copying_and_a_subgraph_lose_nothing(studio, desk):
    desk.drag((0.1, 0.2), (0.3, 0.6))
    studio.press("b")
    desk.line((0.4, 0.4), (0.5, 0.5))
    (before,) = desk.texts()
    studio.load(studio.saved())
    assert desk.texts() == [before]
    studio.page.evaluate("""() => {
      const node = app.graph._nodes.find(({ type }) => type === 'VaceDesk');
      node.mode = 4;
      app.canvas.selectNode(node);
      app.canvas.copyToClipboard();
      app.canvas.pasteFromClipboard();
      node.mode = 0;
    }""")
    studio.settle()
    assert desk.texts() == [before, before]
    studio.page.evaluate("""() => {
      app.canvas.deselectAll?.();
      app.canvas.selectNode(app.graph._nodes.find(({ type }) => type === 'VaceDesk'));
      app.graph.convertToSubgraph(app.canvas.selectedItems);
    }""")
    studio.settle()
    studio.load(studio.saved())
    assert desk.texts() == [before, before]


def test_two_desks_are_two_drawings_and_objects_go_between_them(studio):
    first, second = opened(studio, *NODES, ("VaceDesk", 1000, 60))
    first.drag((0.1, 0.2), (0.3, 0.6))
    assert [bool(text) for text in first.texts()] == [True, False]
    studio.press("Control+c")
    studio.look_at(0.8, -500, 20)
    second.click(0.9, 0.95)
    studio.press("Escape", "Control+v")
    assert [len(second.objects(node)) for node in (0, 1)] == [1, 2]


KEY = '{"time": 0, "x": 0.5, "y": 0.5, "width": 0.2, "height": 0.2}'
PATHS = '{"version": 1, "paths": [{"label": "dog", "keys": [' + KEY + "]}]}"
POINTS = '[{"x": 64, "y": 180}, {"x": 576, "y": 180}]'
BOXES = '[{"x": 0, "y": 0, "width": 320, "height": 180}]'


def test_what_other_nodes_write_may_be_pasted(studio, desk):
    desk.drag((0.1, 0.2), (0.3, 0.6))
    for text in (PATHS, POINTS, BOXES, "nothing of the kind"):
        studio.page.evaluate(PASTE, text)
    studio.settle()
    _, path, points, boxes = desk.objects()
    assert (path["label"], path["action"]) == ("dog", "generate")
    assert [(key["x"], key["y"]) for key in points["keys"]] == [(0.1, 0.5), (0.9, 0.5)]
    assert [boxes["keys"][0][part] for part in ("x", "y", "width", "height")] == [0.25, 0.25, 0.5, 0.5]
    assert desk.notice().startswith("The clipboard holds nothing that can be drawn")


def test_what_the_model_gets_is_shown_after_a_stroke_and_a_refusal_keeps_the_drawing(studio, desk):
    desk.drag((0.1, 0.2), (0.3, 0.6))
    sheet = desk.element.locator(".vd-sheet img")
    sheet.wait_for(state="visible")
    assert desk.element.locator(".vd-sheet-notes").inner_text() == "17 frames"
    (before,) = desk.texts()
    studio.page.evaluate(SET_FILE, "gone.mp4")
    refused = desk.element.locator(".vd-refused")
    refused.wait_for(state="visible")
    assert refused.inner_text() == REFUSED
    assert desk.texts() == [before]


@pytest.mark.parametrize(
    ("before", "profile"),
    [
        (("VaceLoadStarter", "Reroute"), "starter"),
        (("VaceChooseModel", "VacePreviewVCU"), "starter"),
        (("VaceUseNativeModel",), "Wan 2.1"),
        (("VaceLoadModel",), None),
        ((), None),
    ],
)
def test_the_sheet_is_asked_for_by_the_linked_model_or_why_there_is_none_is_said(studio, before, profile):
    asked: list[Any] = []
    studio.page.on("request", hear := lambda one: one.url.endswith("/sheet") and asked.append(one.post_data_json))
    models = [(kind, -700, 60 + 200 * n) for n, kind in enumerate(before)]
    chain = [(n + 2, n + 3, "" if kind == "Reroute" else "model") for n, kind in enumerate(before[1:])]
    last = [(len(before) + 1, 1, "model")] if before else []
    studio.open(*NODES, *models, links=((0, 1, "clip"), *chain, *last))
    studio.page.evaluate(SET_FIT, "auto")
    studio.look_at(0.8, 460, 20)
    (desk,) = desks(studio)
    desk.drag((0.1, 0.2), (0.3, 0.6))
    refused, sheet = desk.element.locator(".vd-refused"), desk.element.locator(".vd-sheet img")
    if before and profile is None:
        refused.wait_for(state="visible")
        assert refused.inner_text().startswith("The linked model is not known before a run")
        assert (sheet.is_visible(), asked) == (False, [])
        studio.page.evaluate(SET_FIT, "480p")
    sheet.wait_for(state="visible")
    assert not refused.is_visible()
    assert asked[-1]["settings"].get("profile") == profile
    studio.page.remove_listener("request", hear)


def test_what_a_node_between_made_of_the_file_is_drawn_on_once_it_ran(studio):
    types = (("LoadImage", -340, 60), ("ImageScale", -340, 400), ("VaceDesk", 0, 60))
    studio.open(*types, links=((0, 1, "image"), (1, 2, "clip")))
    studio.look_at(0.8, 460, 20)
    (desk,) = desks(studio)
    image = desk.element.locator(".vp-backdrop img")
    assert "filename=scene.png" in image.get_attribute("src")
    studio.page.evaluate(SHOWN)
    desk.element.locator(".vp-backdrop img[src*='cut.png'][src*='type=temp']").wait_for()
    assert desk.element.locator(".vp-flag").inner_text() == "1 / 5"
    studio.page.evaluate(SET_FILE, "tall.png")
    desk.element.locator(".vp-backdrop img[src*='tall.png']").wait_for()


COUNT_URLS = """() => {
  const { createObjectURL, revokeObjectURL } = URL;
  window.given = new Set();
  URL.createObjectURL = (blob) => { const url = createObjectURL.call(URL, blob); given.add(url); return url; };
  URL.revokeObjectURL = (url) => { given.delete(url); revokeObjectURL.call(URL, url); };
}"""
CHOOSE_SCENE = "() => { app.graph._nodes[0].widgets[0].value = 'figure that walks'; }"


def test_frames_and_sheets_go_back_to_the_browser(studio):
    """With another clip, the last object and the node; one that comes back shows its clip and sheet again."""
    studio.page.evaluate(COUNT_URLS)
    (desk,) = opened(studio, ("VaceExampleClip", -340, 60), ("VaceDesk", 0, 60))
    before = studio.page.evaluate("given.size")
    for time in (0.25, 0.5, 0.75):
        desk.scrub(time)
        studio.page.wait_for_function("(count) => given.size > count", arg=before)
        before = studio.page.evaluate("given.size")
    assert before >= 4
    studio.page.evaluate(CHOOSE_SCENE)
    studio.page.wait_for_function("() => given.size === 2")  # its first frame, and the one that is shown
    desk.drag((0.1, 0.2), (0.3, 0.6))
    sheet = desk.element.locator(".vd-sheet img")
    sheet.wait_for(state="visible")
    studio.page.wait_for_function("() => given.size === 3")
    studio.press("Delete")
    sheet.wait_for(state="hidden")
    studio.page.wait_for_function("() => given.size === 2")
    studio.press("Control+z")
    sheet.wait_for(state="visible")
    studio.page.evaluate("() => { window.gone = app.graph._nodes[1]; app.graph.remove(gone); }")
    studio.page.wait_for_function("() => given.size === 0")
    studio.page.evaluate("() => { app.graph.add(gone); app.graph._nodes[0].connect(0, gone, 0); }")
    (desk,) = desks(studio)
    desk.element.locator(".vd-sheet img").wait_for(state="visible")
    assert studio.trouble() == []


def test_the_frame_that_is_shown_is_the_one_where_a_fast_drag_ended(studio):
    """Of frames that come from the server the last that was asked for is shown; here each is as wide as its number."""

    def answer(route: Any) -> None:
        number, data = route.request.post_data_json["frame"], io.BytesIO()
        Image.new("RGB", (200 + number, 100)).save(data, "PNG")
        facts = {"X-Vace-Frames": "17", "X-Vace-Width": "200", "X-Vace-Height": "100", "X-Vace-Fps": "4"}
        route.fulfill(body=data.getvalue(), content_type="image/png", headers=facts)

    studio.page.route("**/vace/desk/frame", answer)
    try:
        (desk,) = opened(studio, ("VaceExampleClip", -340, 60), ("VaceDesk", 0, 60))
        ruler = desk.element.locator(".vp-ruler .vp-track").bounding_box()
        left, y = ruler["x"], ruler["y"] + 8
        desk.drag_on_screen((left + 2, y), (left + 0.75 * ruler["width"], y))
        assert desk.element.locator(".vp-flag").inner_text() == "13 / 17"
        shown = "() => document.querySelector('.vace-desk .vp-backdrop img').naturalWidth === 212"
        studio.page.wait_for_function(shown)
    finally:
        studio.page.unroute("**/vace/desk/frame")


def test_a_file_that_comes_straight_in_stays_after_a_run(studio, desk):
    studio.page.evaluate(SHOWN)
    studio.settle()
    assert "filename=scene.png" in desk.element.locator(".vp-backdrop img").get_attribute("src")


def test_a_clip_that_cannot_be_read_is_told_before_anything_is_drawn(studio, desk):
    studio.page.evaluate(SET_FILE, "gone.mp4")
    desk.element.locator(".vp-notice", has_text=REFUSED).wait_for()
    desk.drag((0.1, 0.2), (0.3, 0.6))
    assert len(desk.objects()) == 1


@pytest.mark.parametrize("text", ['{"version": 2}', "[[[", '{"version": 1, "objects": [{"action": "fly"}]}'])
def test_a_text_that_cannot_be_drawn_is_kept_to_the_letter(studio, desk, text):
    set_text = """(text) => { app.graph._nodes[1].widgets.find(({ name }) => name === 'desk').value = text; }"""
    studio.page.evaluate(set_text, text)
    studio.page.wait_for_timeout(600)
    assert desk.notice().startswith("This text is kept as it is, but it cannot be drawn")
    desk.drag((0.1, 0.2), (0.3, 0.6))
    assert desk.texts() == [text]


def test_a_closer_look_draws_at_the_right_place(studio, desk):
    studio.page.mouse.move(*desk.place(0.75, 0.25))
    studio.page.keyboard.down("Control")
    studio.page.mouse.wheel(0, -500)
    studio.page.keyboard.up("Control")
    studio.settle()
    assert desk.element.locator(".vd-zoom").inner_text() != "100 %"
    desk.drag((0.7, 0.2), (0.8, 0.3))
    key = desk.objects()[0]["keys"][0]
    assert close([key[part] for part in ("x", "y", "width", "height")], [0.75, 0.25, 0.1, 0.1])
    studio.press("0")
    assert not desk.element.locator(".vd-zoom").is_visible()
    assert studio.trouble() == []
