"""What may be done on the desk, without a browser: every deed gives the text that is saved. Needs Node.js."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

if shutil.which("node") is None:
    pytest.skip("the edits of the desk run in Node.js, which was not found", allow_module_level=True)

RULES = Path(__file__).with_name("rules.mjs")
BOX = {"x": 0.3, "y": 0.4, "width": 0.2, "height": 0.2}
THERE = {"x": 0.7, "y": 0.6, "width": 0.4, "height": 0.2}
LINE = {"kind": "brush", "width": 0.1, "points": [[0.3, 0.5], [0.4, 0.5]]}


def done(*deeds: list[Any], text: str = "") -> list[str]:
    """The text after each deed."""
    question = json.dumps([{"ask": "desk", "text": text, "deeds": deeds}])
    told = subprocess.run(["node", RULES], input=question, capture_output=True, text=True, check=True)
    return json.loads(told.stdout)[0]


def objects(text: str) -> list[dict[str, Any]]:
    return json.loads(text)["objects"]


def place(key: dict[str, Any]) -> list[float]:
    return [key[part] for part in ("x", "y", "width", "height")]


def test_every_edit_can_be_undone_and_done_again():
    deeds = [
        ["addBox", BOX],
        ["setAction", "move"],
        ["addStroke", LINE],
        ["newShape"],
        ["paste", '[{"x": 10, "y": 20}]'],
        ["reorder", -1],
        ["removeObject"],
    ]
    texts = done(*deeds, *[["undo"]] * len(deeds), *[["redo"]] * len(deeds))
    there, back, again = texts[:7], texts[7:14], texts[14:]
    assert len(set(there)) == 6  # a shape where one is already says nothing new
    assert back == [*reversed(there[:-1]), ""]
    assert again == there


def test_a_shape_moves_with_the_only_box_that_it_has_and_stays_in_it_with_more():
    texts = done(
        ["addStroke", LINE],
        ["commitBox", {"x": 0.55, "y": 0.6, "width": 0.4, "height": 0.4}],
        ["goTo", 1],
        ["commitBox", BOX],
        ["goTo", 0],
        ["commitBox", {"x": 0.35, "y": 0.5, "width": 0.2, "height": 0.1}],
    )
    (one,) = objects(texts[0])
    assert place(one["keys"][0]) == pytest.approx(
        [0.35, 0.5, 0.2, 0.17333], abs=1e-4
    )  # as high as it is wide, in pixels
    first, moved = one["shapes"][0]["strokes"][0], objects(texts[1])[0]["shapes"][0]["strokes"][0]
    assert moved["points"][0][0] == pytest.approx(0.55 + (0.3 - 0.35) * 2, abs=1e-4)
    assert moved["width"] > 1.9 * first["width"]
    assert objects(texts[3])[0]["shapes"][0]["strokes"][0] == moved  # a later key leaves it where it is
    assert [key["time"] for key in objects(texts[5])[0]["keys"]] == [0, 1]
    last = objects(texts[5])[0]["shapes"][0]["strokes"][0]
    assert last["points"][0] == pytest.approx(first["points"][0], abs=1e-4)


def test_the_eraser_on_a_box_makes_it_a_shape():
    texts = done(["addBox", BOX], ["addStroke", {**LINE, "kind": "erase"}])
    strokes = objects(texts[1])[0]["shapes"][0]["strokes"]
    assert [stroke["kind"] for stroke in strokes] == ["lasso", "erase"]
    assert strokes[0]["points"] == [[0.2, 0.3], [0.4, 0.3], [0.4, 0.5], [0.2, 0.5]]


def test_what_moves_has_a_path_and_another_action_keeps_it():
    texts = done(
        ["addBox", BOX],
        ["setAction", "move"],
        ["goTo", 1],
        ["commitBox", THERE],
        ["setAction", "remove"],
        ["setAction", "move"],
        ["goTo", 0],
        ["removeKeyOf", 1, 1],
    )
    start, moved, kept, again, last = (objects(texts[n])[0] for n in (1, 3, 4, 5, 7))
    assert [place(key) for key in start["path"]["keys"]] == [list(BOX.values())] * 2
    assert [place(key) for key in moved["path"]["keys"]] == [list(BOX.values()), list(THERE.values())]
    assert moved["keys"] == start["keys"]
    assert kept["path"] == moved["path"] == again["path"]
    assert last["path"] == again["path"]  # a path of one key goes nowhere


def test_tracked_keys_give_way_to_new_ones_and_those_by_hand_stay():
    def keys(dx: float) -> list[dict[str, Any]]:
        return [{"time": n / 80, **BOX, "x": BOX["x"] + dx * n, "tracked": True} for n in range(1, 81)]

    texts = done(
        ["addBox", BOX], ["trackAll", keys(0.001)], ["goTo", 0.5], ["commitBox", THERE], ["trackAll", keys(0.002)]
    )
    tracked, corrected, again = (objects(texts[n])[0]["keys"] for n in (1, 3, 4))
    assert [key.get("tracked", False) for key in tracked] == [False] + [True] * 80
    assert sum(not key.get("tracked", False) for key in corrected) == 2
    by_hand = [key for key in again if not key.get("tracked", False)]
    assert [place(key) for key in by_hand] == [list(BOX.values()), list(THERE.values())]
    assert again[-1]["x"] == pytest.approx(0.46)
    assert len(again) == 81


PATHS = json.dumps({"version": 1, "paths": [{"label": "dog", "keys": [{"time": 0, **BOX}]}]})
POINTS = '[{"x": 83.2, "y": 240}, {"x": 416, "y": 480}]'
BOXES = '[{"x": 0, "y": 0, "width": 416, "height": 240}]'


def test_objects_paths_points_and_boxes_are_pasted():
    first = done(["addStroke", LINE])[0]
    texts = done(*(["paste", text] for text in (PATHS, POINTS, BOXES, "nothing", first)), text=first)
    assert texts[3] == texts[2]
    drawn, dog, points, boxes, copy = objects(texts[4])
    assert (dog["label"], dog["action"], place(dog["keys"][0])) == ("dog", "generate", list(BOX.values()))
    assert [(key["time"], key["x"], key["y"]) for key in points["keys"]] == [(0, 0.1, 0.5), (1, 0.5, 1)]
    assert place(boxes["keys"][0]) == [0.25, 0.25, 0.5, 0.5]
    assert copy["label"] == "Object 4"
    assert copy["colour"] != drawn["colour"]
    moved, still = (one["shapes"][0]["strokes"][0]["points"][0] for one in (copy, drawn))
    assert moved == pytest.approx([still[0] + 0.03, still[1] + 0.03], abs=1e-4)


def test_a_text_that_cannot_be_drawn_is_never_written_over():
    for text in ('{"version": 2}', "[[[", '{"version": 1, "objects": [{"action": "fly"}]}'):
        assert done(["addBox", BOX], ["undo"], ["removeObject"], text=text) == [text] * 3


def test_every_sentence_has_its_chinese():
    web = Path(__file__).parents[2] / "web" / "js"
    source = "".join(
        path.read_text() for name in ("desk", "paths", "plan") for path in sorted((web / name).glob("*.mjs"))
    )
    question = json.dumps([{"ask": "chinese"}])
    told = subprocess.run(["node", RULES], input=question, capture_output=True, text=True, check=True)
    (known,) = json.loads(told.stdout)
    said = set(re.findall(r'\bt\(\s*"([^"]{3,})"', source))
    assert len(said) > 40
    assert said <= set(known)
    assert [one for one in known if f'"{one}"' not in source and f"{one}:" not in source] == []


def ask(*questions: dict[str, Any]) -> list[Any]:
    told = subprocess.run(["node", RULES], input=json.dumps(questions), capture_output=True, text=True, check=True)
    return json.loads(told.stdout)


def drawing(**changes: Any) -> str:
    keys = [{"time": 0, **BOX, "angle": 20}, {"time": 0.6, **THERE, "angle": -35}, {"time": 1, **BOX, "tracked": True}]
    area = {"kind": "lasso", "points": [[0.2, 0.2], [0.45, 0.25], [0.4, 0.6], [0.15, 0.55]]}
    hole = {"kind": "erase", "width": 0.05, "points": [[0.2, 0.3], [0.4, 0.5]]}
    shapes = [{"time": 0, "strokes": [area, LINE, hole]}, {"time": 0.5, "strokes": [LINE]}]
    way = {"smooth": True, "ease": "in-out", "keys": [{"time": 0.1, **BOX}, {"time": 0.5, **THERE}, {"time": 1, **BOX}]}
    one = {"action": "move", "smooth": True, "keys": keys, "shapes": shapes, "path": way, **changes}
    return json.dumps({"version": 1, "objects": [one]})


@pytest.mark.parametrize("changes", [{}, {"shapes": []}, {"smooth": False}], ids=["shapes", "box", "straight"])
@pytest.mark.parametrize("there", [False, True], ids=["here", "on its path"])
def test_the_masks_that_are_shown_are_those_that_the_model_gets(changes, there):
    pytest.importorskip("torch")
    pytest.importorskip("cv2")
    from vace_core.inputs.desk.document import Shape, Stroke
    from vace_core.inputs.desk.drawing import draw_object, draw_shape
    from vace_core.inputs.desk.reading import desk_from_json

    text, frames, height, width = drawing(**changes), 7, 240, 416
    question = {"ask": "strokes", "text": text, "frames": frames, "aspect": width / height, "there": there}
    (shown,) = ask(question)[0]
    (one,) = desk_from_json(text).objects
    expected = draw_object(one, frames, height, width, there=there)
    for strokes, mask in zip(shown, expected, strict=True):
        made = [Stroke(**{**stroke, "points": tuple(map(tuple, stroke["points"]))}) for stroke in strokes]
        drawn = draw_shape(Shape(time=0, strokes=tuple(made)), height, width)
        both, either = (drawn & mask).astype(bool).sum(), (drawn | mask).astype(bool).sum()
        assert both >= 0.98 * either > 0  # an upright box is in whole pixels


TEXTS = [
    drawing(),
    drawing(action="fly"),
    drawing(speed=1),
    drawing(toString="a name that every object of JavaScript has"),
    drawing(grow=513),
    drawing(grow=1.5),
    drawing(feather=-1),
    drawing(strength=2.1),
    drawing(label="x" * 201),
    drawing(colour=[0, 0]),
    drawing(picture=-1),
    drawing(path=None),
    drawing(path={"keys": [{"time": 0, **BOX}]}),
    drawing(path={"ease": "toString", "keys": [{"time": 0, **BOX}, {"time": 1, **BOX}]}),
    drawing(path={"ease": "bounce", "keys": [{"time": 0, **BOX}, {"time": 1, **BOX}]}),
    drawing(keys=[{"time": 0.5, **BOX}, {"time": 0.5, **BOX}]),
    drawing(keys=[{"time": 0, **BOX, "angle": 3601}]),
    drawing(shapes=[{"time": 0, "strokes": [{"kind": "lasso", "points": [[0, 0], [1, 1]]}]}]),
    drawing(shapes=[{"time": 0, "strokes": [{"kind": "brush", "width": 0.1, "points": [[0, 0]]}]}]),
    drawing(shapes=[{"time": 0, "strokes": [{"kind": "brush", "width": 0.1, "points": [[0, 11]]}]}]),
    '{"version": 1, "objects": [], "clip": {"width": 1, "height": 1, "frames": 1}}',
    '{"version": 1, "objects": [{}]}',
    '{"version": 3, "objects": []}',
    "{",
]


def test_the_desk_draws_exactly_what_the_library_reads_and_writes_what_it_read():
    pytest.importorskip("torch")
    from vace_core.errors import InputError
    from vace_core.inputs.desk.reading import desk_from_json

    kinds = ask(*({"ask": "read desk", "text": text} for text in TEXTS))
    for text, kind in zip(TEXTS, kinds, strict=True):
        try:
            read = desk_from_json(text)
        except InputError:
            assert kind == "unreadable", text
        else:
            assert kind != "unreadable", text
            if kind == "desk":
                assert desk_from_json(ask({"ask": "rewrite desk", "text": text})[0]) == read
