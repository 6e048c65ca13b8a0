"""Boxes as JSON come back equal, or are refused in plain words."""

from __future__ import annotations

import json

import pytest
from box_paths import box_paths, key
from hypothesis import given, settings
from hypothesis import strategies as st

from vace_core.errors import InputError
from vace_core.inputs.box_paths import paths_from_json, paths_to_json
from vace_core.inputs.layout import BoxPath

quick = settings(max_examples=60, deadline=None, derandomize=True)


@quick
@given(st.lists(box_paths(), min_size=1, max_size=4))
def test_json_gives_the_paths_back(paths):
    assert paths_from_json(paths_to_json(paths)) == tuple(paths)


def test_what_may_be_missing_has_the_defaults():
    text = '{"version": 1, "paths": [{"keys": [{"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}]}]}'
    assert paths_from_json(text) == (BoxPath(keys=(key(0),)),)


def test_points_of_other_editors_become_paths():
    text = '[{"x": 100, "y": 50}, {"x": 200, "y": 50}, {"x": 400, "y": 100}]'
    (path,) = paths_from_json(text, size=(400, 200), box=(40, 50))
    assert [(at.time, at.x, at.y, at.width, at.height) for at in path.keys] == [
        (0, 0.25, 0.25, 0.1, 0.25),
        (0.5, 0.5, 0.25, 0.1, 0.25),
        (1, 1, 0.5, 0.1, 0.25),
    ]
    assert paths_from_json(f"[{text}, {text}]", size=(400, 200), box=(40, 50)) == (path, path)


def own(**changes: object) -> str:
    """Our JSON with one path of one key, and something changed in the path."""
    at = {"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}
    path = {"keys": [at], **changes}
    return json.dumps({"version": 1, "paths": [path]})


def with_key(**changes: object) -> str:
    return own(keys=[{"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5, **changes}])


POINTS = "To read them, the size of the picture they were drawn on and the size of the box, in pixels, are needed."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{boxes}",
            "The boxes cannot be read as JSON: Expecting property name enclosed in double quotes: line 1 column 2 "
            "(char 1). Copy the text again from where it was made.",
        ),
        (
            "[" * 900_000,
            "The boxes cannot be read as JSON: it is nested too deeply. Copy the text again from where it was made.",
        ),
        (
            " " * 1_000_001,
            "The boxes are 1,000,001 characters of JSON. At most 1,000,000 are read. Use fewer keys.",
        ),
        ("{}", "The boxes are JSON of version None. Version 1 is needed. Make the boxes again."),
        ('{"version": 2}', "The boxes are JSON of version 2. Version 1 is needed. Make the boxes again."),
        ('{"version": 1}', "The boxes: paths are None. A list of at least one is needed. Correct them."),
        (
            '{"version": 1, "paths": [3]}',
            "Path 1: it is 3. An object in braces is needed. Correct it.",
        ),
        (own(keys=[]), "Path 1: keys are []. A list of at least one is needed. Correct them."),
        (
            own(color=[0, 0, 0]),
            "Path 1 has the unknown field 'color'. Its fields are keys, order, label, colour, smooth. Correct it.",
        ),
        (
            own(colour=[0, 0, "0"]),
            "Path 1: colour is (0, 0, '0'). Three whole numbers from 0 to 255 are needed: red, green, blue. "
            "Change colour.",
        ),
        (own(order=1.5), "Path 1: order is 1.5. A whole number is needed. Change it."),
        (own(label=7), "Path 1: label is 7. A text is needed. Change it."),
        (own(smooth="yes"), "Path 1: smooth is 'yes'. True or false is needed. Change it."),
        (
            with_key(depth=1),
            "Path 1, key 1 has the unknown field 'depth'. Its fields are time, x, y, width, height. Correct it.",
        ),
        (
            own(keys=[{"x": 0}]),
            "Path 1, key 1 lacks 'time'. Its fields are time, x, y, width, height. Correct it.",
        ),
        (
            with_key(time=1.5),
            "Path 1, key 1: time is 1.5. A number from 0 to 1 is needed. Change it.",
        ),
        (
            with_key(x=float("nan")),
            "Path 1, key 1: x is nan. A number from -10 to 10 is needed. Change it.",
        ),
        (
            with_key(y=True),
            "Path 1, key 1: y is True. A number from -10 to 10 is needed. Change it.",
        ),
        (
            with_key(width=0),
            "Path 1, key 1: width is 0. A number from 0.0001 to 10 is needed. Change it.",
        ),
        (
            with_key(height="x" * 1000),
            "Path 1, key 1: height is 'xxxxxxxxxxxx...xxxxxxxxxxxxx'. A number from 0.0001 to 10 is needed. Change it.",
        ),
        (
            with_key(x=0).replace('"x": 0', '"x": ' + "9" * 100_000),
            "Path 1, key 1: x is inf. A number from -10 to 10 is needed. Change it.",
        ),
        (
            own(keys=[json.loads(with_key())["paths"][0]["keys"][0]] * 2),
            "Path 1: A box path has a key at time 0 after one at 0. Times must rise. "
            "Sort the keys and keep one per time.",
        ),
        (
            json.dumps({"version": 1, "paths": [{}] * 65}),
            "The boxes: there are 65 paths and room for 64. Use fewer.",
        ),
        (own(keys=[{}] * 4097), "Path 1: there are 4,097 keys and room for 4,096. Use fewer."),
        ("3", "The boxes: points are 3. A list of at least one is needed. Correct them."),
        ("[]", "The boxes: points are []. A list of at least one is needed. Correct them."),
        ('[{"x": 1, "y": 2}]', f"The boxes are points in pixels. {POINTS} Set both to more than 0."),
    ],
)
def test_json_that_is_not_boxes_is_refused_in_plain_words(text, message):
    with pytest.raises(InputError) as caught:
        paths_from_json(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[3]", "Path 1, point 1: it is 3. An object in braces is needed. Correct it."),
        ("[[], []]", "Path 1: points are []. A list of at least one is needed. Correct them."),
        (
            '[{"x": 1, "y": 2}, {"x": "1", "y": 2}]',
            "Path 1, point 2: x is '1'. A number from -4000 to 4000 is needed. Change it.",
        ),
        (
            '[{"x": 1, "y": NaN}]',
            "Path 1, point 1: y is nan. A number from -2000 to 2000 is needed. Change it.",
        ),
        (json.dumps([[{"x": 1, "y": 2}]] * 65), "The boxes: there are 65 paths and room for 64. Use fewer."),
        (
            json.dumps([[{"x": 1, "y": 2}] * 2048] * 3),
            "Path 3: there are 2,048 points and room for 0. Use fewer.",
        ),
    ],
)
def test_points_that_are_not_points_are_refused_in_plain_words(text, message):
    with pytest.raises(InputError) as caught:
        paths_from_json(text, size=(400, 200), box=(40, 40))
    assert str(caught.value) == message


KNOWN = ["version", "paths", "keys", "time", "x", "y", "width", "height", "order", "label", "colour", "smooth"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KNOWN), inner, max_size=5),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(anything)
def test_no_json_breaks_the_reader(data):
    for text in (json.dumps(data), json.dumps({"version": 1, "paths": data}), own(keys=data), own(colour=data)):
        try:
            found = paths_from_json(text, size=(64, 64), box=(8, 8))
        except InputError:
            continue
        assert all(isinstance(path, BoxPath) for path in found)
