"""The path editor under a real mouse: what is drawn is what is saved."""

from __future__ import annotations

import pytest
from browser.studio import BOX, CENTRE, keys, near, paths, value


def test_a_new_node_is_empty_and_says_what_to_do(studio, editor):
    assert value(studio) == "[]"
    assert editor.notice().startswith("Drag to draw a box where an object should be.")


def test_a_drag_draws_a_box_and_a_drag_at_the_end_moves_it(studio, editor):
    editor.drag(*BOX)
    (path,) = paths(value(studio))
    assert near(editor, keys(path), [(0, *CENTRE, 0.2, 0.4)])
    assert {name: path[name] for name in path if name != "keys"} == {
        "label": "Box 1",
        "order": 0,
        "colour": [0, 0, 0],
        "smooth": "auto",
    }
    studio.press("End")
    editor.drag(CENTRE, (0.7, 0.5))
    (path,) = paths(value(studio))
    assert near(editor, keys(path), [(0, *CENTRE, 0.2, 0.4), (1, 0.7, 0.5, 0.2, 0.4)])
    editor.scrub(0.5)
    assert near(editor, [(0, *editor.outlines()[0])], [(0, 0.45, 0.45, 0.2, 0.4)])


@pytest.mark.parametrize("scale", [0.25, 0.5, 1, 2, 4])
def test_places_are_right_at_any_zoom(studio, editor, scale):
    editor.drag((0.3, 0.3), (0.7, 0.7))  # a row more: the frame now keeps its size
    studio.press("Delete", "n")
    x, y = editor.place(0.5, 0.5)
    studio.look_at(scale, 800 / scale - x, 480 / scale - y)
    reach = 0.1 if scale > 1 else 0.4
    start, end = (0.5 - reach, 0.5 - reach), (0.5 + reach, 0.5 + reach)
    editor.drag(start, end)
    (path,) = paths(value(studio))
    assert near(editor, keys(path), [(0, 0.5, 0.5, 2 * reach, 2 * reach)])


def test_handles_resize_and_ctrl_moves_the_whole_path(studio, editor):
    editor.drag(*BOX)
    editor.drag((0.3, 0.6), (0.5, 0.8))
    (path,) = paths(value(studio))
    assert near(editor, keys(path), [(0, 0.3, 0.5, 0.4, 0.6)])
    studio.press("End")
    editor.drag((0.3, 0.5), (0.6, 0.5))
    studio.page.keyboard.down("Control")
    editor.drag((0.6, 0.5), (0.55, 0.55))
    studio.page.keyboard.up("Control")
    (path,) = paths(value(studio))
    assert near(editor, keys(path), [(0, 0.25, 0.55, 0.4, 0.6), (1, 0.55, 0.55, 0.4, 0.6)])


def test_boxes_leave_the_frame_but_stay_in_reach(studio, editor):
    editor.drag(*BOX)
    editor.drag(CENTRE, (-3, 0.4))
    (path,) = paths(value(studio))
    ((_, x, _, width, _),) = keys(path)
    assert x + width / 2 < 0.01
    left = editor.element.locator(".vp-stage").bounding_box()["x"]
    assert editor.place(x + width / 2, 0)[0] > left + 5


def test_a_finger_draws(studio, editor):
    session = studio.page.context.new_cdp_session(studio.page)

    def touch(kind: str, *place: float) -> None:
        points = [{"x": place[0], "y": place[1]}] if place else []
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", *editor.place(0.2, 0.2))
    touch("touchMove", *editor.place(0.4, 0.4))
    touch("touchMove", *editor.place(0.6, 0.6))
    touch("touchEnd")
    studio.settle()
    assert near(editor, keys(paths(value(studio))[0]), [(0, 0.4, 0.4, 0.4, 0.4)])


def test_nothing_is_said_on_the_console(studio, editor):
    editor.drag(*BOX)
    assert studio.trouble() == []
