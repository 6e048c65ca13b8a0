"""The time line, the keys of the keyboard, copies and the list of objects."""

from __future__ import annotations

import pytest
from browser.studio import BOX, CENTRE, MOVE, keys, paths, value


def test_delete_takes_a_chosen_key_else_the_object_but_never_the_node(studio, editor):
    editor.drag(*BOX)
    editor.scrub(1)
    editor.drag(CENTRE, (0.7, 0.5))
    studio.page.mouse.click(*editor.moment(1))
    studio.press("Delete")
    (path,) = paths(value(studio))
    assert [key[0] for key in keys(path)] == [0]
    editor.click(*CENTRE)
    studio.press("Delete")
    assert studio.values() == ["[]"]
    studio.press("Delete", "Backspace")
    assert studio.values() == ["[]"]


def test_a_second_delete_takes_no_other_object(studio, editor):
    editor.drag(*BOX)
    editor.drag((0.5, 0.5), (0.8, 0.8))
    studio.press("Delete", "Delete")
    assert [path["label"] for path in paths(value(studio))] == ["Box 1"]


def test_keys_move_and_are_added_on_the_time_line(studio, editor):
    editor.drag(*BOX)
    studio.page.mouse.dblclick(*editor.moment(0.5))
    studio.settle()
    assert [key[0] for key in keys(paths(value(studio))[0])] == [0, 0.5]
    editor.drag_on_screen(editor.moment(0.5), editor.moment(0.75))
    assert [key[0] for key in keys(paths(value(studio))[0])] == [0, 0.75]
    editor.drag_on_screen(editor.moment(0.75), editor.moment(0))  # there is one already
    assert len(paths(value(studio))[0]["keys"]) == 2
    editor.scrub(0.25)
    editor.press("Add or remove a key")
    assert 0.25 in [key[0] for key in keys(paths(value(studio))[0])]
    editor.press("Add or remove a key")
    assert 0.25 not in [key[0] for key in keys(paths(value(studio))[0])]


def test_arrows_nudge_by_pixels_of_the_clip(studio, editor):
    editor.drag(*BOX)
    ((_, x, y, *_),) = keys(paths(value(studio))[0])
    studio.press("ArrowRight", "Shift+ArrowDown")
    ((_, moved_x, moved_y, *_),) = keys(paths(value(studio))[0])
    assert (moved_x - x, moved_y - y) == pytest.approx((1 / 832, 10 / 480), abs=2e-5)


LEAVE_TO_MODEL = """(names) => {
  const { widgets } = app.graph._nodes.at(-1);
  for (const widget of widgets) if (names.includes(widget.name)) widget.value = 0;
}"""
SIZES = ["width", "height", "length", "fps"]
TASK = ("VaceLayoutToVideo", 420, 60)


def test_what_is_left_to_the_model_is_shown_as_the_linked_model_takes_it(studio):
    (editor,) = studio.open(("VaceChooseModel", 20, 60), TASK, links=((0, 1, "model"),))
    studio.page.evaluate(LEAVE_TO_MODEL, SIZES)
    editor.element.locator(".vp-flag", has_text="1 / 17").wait_for()
    studio.settle()
    across, down = editor.pixels()
    assert across == pytest.approx(down, rel=0.01)
    assert not editor.element.locator(".vp-unknown").is_visible()
    assert editor.element.locator(".vp-tick").last.inner_text() == "2s"
    editor.drag(*BOX)
    ((_, x, *_),) = keys(paths(value(studio))[0])
    studio.press("ArrowRight")
    ((_, moved, *_),) = keys(paths(value(studio))[0])
    assert moved - x == pytest.approx(1 / 64, abs=2e-5)


INTO_SUBGRAPH = """() => {
  const task = app.graph._nodes.at(-1);
  const { node } = app.graph.convertToSubgraph(new Set([task]));
  app.canvas.setGraph(node.subgraph);
  app.canvas.ds.offset = [0, 0];
}"""


def test_a_model_is_found_from_inside_of_a_subgraph(studio):
    studio.open(("VaceChooseModel", 20, 60), TASK, links=((0, 1, "model"),))
    studio.page.evaluate(LEAVE_TO_MODEL, SIZES)
    studio.page.evaluate(INTO_SUBGRAPH)
    studio.page.locator(".vace-paths:visible .vp-flag", has_text="1 / 17").wait_for()
    assert not studio.page.locator(".vp-unknown").first.is_visible()


@pytest.mark.parametrize("before", [(("VaceLoadModel", 20, 60),), ()])
def test_what_no_model_says_yet_is_called_unknown_and_no_number_stands_for_it(studio, before):
    (editor,) = studio.open(*before, TASK, links=((0, 1, "model"),) if before else ())
    assert not editor.element.locator(".vp-unknown").is_visible()
    studio.page.evaluate(LEAVE_TO_MODEL, SIZES)
    unknown = editor.element.locator(".vp-unknown", has_text="not known yet: width, height, length, fps")
    unknown.wait_for()
    assert editor.element.locator(".vp-flag").inner_text() == "0 %"
    assert editor.element.locator(".vp-tick").count() == 0
    editor.drag(*BOX)
    assert len(paths(value(studio))) == 1
    assert unknown.is_visible()


def test_a_path_is_copied_to_another_node_with_the_keys(studio):
    first, second = studio.open(MOVE, ("VaceLayoutToVideo", 940, 60))
    first.drag(*BOX)
    studio.press("Control+c")
    assert first.notice() == "Copied “Box 1”. Paste it here or in another editor."
    second.click(0.9, 0.9)
    studio.press("Control+v")
    texts = studio.values()
    assert paths(texts[0]) == paths(texts[1])
    studio.press("Control+v")
    again = paths(studio.values()[1])
    assert [path["label"] for path in again] == ["Box 1", "Box 2"]
    assert again[1]["keys"][0]["x"] == pytest.approx(again[0]["keys"][0]["x"] + 0.03)
    studio.press("Control+x")
    second.press("Paste a path")
    assert len(paths(studio.values()[1])) == 2
    assert studio.page.evaluate("app.graph._nodes.length") == 2


def test_objects_have_names_colours_and_an_order(studio, editor):
    editor.drag((0.1, 0.1), (0.4, 0.4))
    editor.drag((0.6, 0.6), (0.9, 0.9))
    editor.press("Send backward")
    editor.press("Smooth")
    assert [path["order"] for path in paths(value(studio))] == [1, 0]
    names = editor.element.locator(".vp-rows .vp-label")
    assert names.all_inner_texts() == ["Box 1", "Box 2"]  # the front one on top
    names.nth(1).dblclick()
    studio.page.keyboard.type("dog")
    studio.press("Enter")
    editor.element.locator(".vp-rows .vp-swatch").nth(1).click()
    editor.element.locator(".vp-colours [aria-label=blue]").click()
    studio.settle()
    first, second = paths(value(studio))
    assert (second["label"], second["colour"], second["smooth"]) == ("dog", [0, 110, 220], False)
    assert (first["label"], first["colour"], first["smooth"]) == ("Box 1", [0, 0, 0], "auto")


def test_play_goes_on_and_stops(studio, editor):
    editor.drag(*BOX)
    editor.scrub(1)
    editor.drag(CENTRE, (0.7, 0.4))
    editor.scrub(0)
    studio.press(" ")
    studio.page.wait_for_timeout(700)
    first = editor.outlines()[0][0]
    studio.page.wait_for_timeout(400)
    assert editor.outlines()[0][0] != first
    studio.press(" ")
    stopped = editor.outlines()
    studio.page.wait_for_timeout(400)
    assert editor.outlines() == stopped


def test_undo_works_in_the_editor_and_leaves_the_graph_alone(studio, editor):
    editor.drag(*BOX)
    one = value(studio)
    editor.drag((0.5, 0.5), (0.8, 0.8))
    two = value(studio)
    studio.press("Control+z")
    assert value(studio) == one
    studio.press("Control+z", "Control+z", "Control+z")
    assert studio.values() == ["[]"]  # and the node is still there
    studio.press("Control+y")
    assert value(studio) == one
    studio.press("Control+Shift+z")
    assert value(studio) == two
    editor.press("Undo")
    assert value(studio) == one
