"""Boxes as JSON come back equal, or are refused in plain words."""

from __future__ import annotations

import json

import pytest
from box_paths import box_paths, key
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused

from vace_core.errors import InputError
from vace_core.inputs.box_paths import paths_from_json, paths_to_json
from vace_core.inputs.layout import BoxKey, BoxPath

quick = settings(max_examples=60, deadline=None, derandomize=True)


@quick
@given(st.lists(box_paths(), min_size=1, max_size=4))
def test_json_gives_the_paths_back(paths):
    assert paths_from_json(paths_to_json(paths)) == tuple(paths)


def test_what_may_be_missing_has_the_defaults():
    text = '{"version": 1, "paths": [{"keys": [{"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}]}]}'
    assert paths_from_json(text) == (BoxPath(keys=(key(0),)),)


def test_all_paths_together_have_no_more_keys_than_one_may_have():
    keys = [{"time": n / 3000, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5} for n in range(2100)]
    assert len(paths_from_json(json.dumps({"version": 1, "paths": [{"keys": keys}]}))[0].keys) == 2100
    with pytest.raises(InputError) as error:
        paths_from_json(json.dumps({"version": 1, "paths": [{"keys": keys}] * 2}))
    assert "Path 2" in str(error.value)


def test_points_of_other_editors_become_paths():
    text = '[{"x": 100, "y": 50}, {"x": 200, "y": 50}, {"x": 400, "y": 100}]'
    (path,) = paths_from_json(text, size=(400, 200), box=(40, 50))
    assert [(at.time, at.x, at.y, at.width, at.height) for at in path.keys] == [
        (0, 0.25, 0.25, 0.1, 0.25),
        (0.5, 0.5, 0.25, 0.1, 0.25),
        (1, 1, 0.5, 0.1, 0.25),
    ]
    assert paths_from_json(f"[{text}, {text}]", size=(400, 200), box=(40, 50)) == (path, path)


def test_paths_of_a_whole_picture_move_into_the_frame_that_is_cut_out_of_it():
    text = paths_to_json([BoxPath(keys=(BoxKey(time=0, x=0.5, y=0.25, width=0.2, height=0.1),))], whole=True)
    (path,) = paths_from_json(text, size=(100, 50), origin=(60, 10), picture=(200, 100))
    (at,) = path.keys
    assert (at.x, at.y, at.width, at.height) == pytest.approx((0.4, 0.3, 0.4, 0.2))
    # As they are, where nothing is cropped or the frame is what they were drawn on.
    assert paths_from_json(text)[0].keys[0].x == 0.5
    assert paths_from_json(text.replace("true", "false"), size=(100, 50), picture=(200, 100))[0].keys[0].x == 0.5


def own(**changes: object) -> str:
    """Our JSON with one path of one key, and something changed in the path."""
    at = {"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}
    path = {"keys": [at], **changes}
    return json.dumps({"version": 1, "paths": [path]})


def with_key(**changes: object) -> str:
    return own(keys=[{"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5, **changes}])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{boxes}",
            ("boxes-not-json: reason=Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ),
        (
            "[" * 900_000,
            "boxes-not-json: reason=it is nested too deeply",
        ),
        (
            " " * 1_000_001,
            "boxes-too-long: length=1000001, limit=1000000",
        ),
        ("{}", "boxes-version: version=None"),
        ('{"version": 2}', "boxes-version: version=2"),
        ('{"version": 1}', "boxes-list: value=None, what=paths, where=The boxes"),
        (
            '{"version": 1, "paths": [3]}',
            "boxes-object: value=3, where=Path 1",
        ),
        (own(keys=[]), "boxes-list: value=[], what=keys, where=Path 1"),
        (
            own(color=[0, 0, 0]),
            (
                "boxes-fields: came=has the unknown field 'color', known=keys, order, label, colour, "
                "smooth, where=Path 1"
            ),
        ),
        (
            own(colour=[0, 0, "0"]),
            "boxes-invalid: error=(colour-range: colour=(0, 0, '0')), where=Path 1",
        ),
        (
            own(order=1.5),
            "boxes-invalid: error=(value-type: name=order, needed=A whole number, value=1.5), where=Path 1",
        ),
        (own(label=7), "boxes-invalid: error=(value-type: name=label, needed=A text, value=7), where=Path 1"),
        (
            own(smooth="yes"),
            "boxes-invalid: error=(value-type: name=smooth, needed=True, false or \"auto\", value='yes'), where=Path 1",
        ),
        (
            with_key(depth=1),
            ("boxes-fields: came=has the unknown field 'depth', known=time, x, y, width, height, where=Path 1, key 1"),
        ),
        (
            own(keys=[{"x": 0}]),
            "boxes-fields: came=lacks 'time', known=time, x, y, width, height, where=Path 1, key 1",
        ),
        (
            with_key(time=1.5),
            "boxes-invalid: error=(number-range: needed=[0, 1], value=1.5, what=time), where=Path 1, key 1",
        ),
        (
            with_key(x=float("nan")),
            "boxes-invalid: error=(number-range: needed=[-10, 10], value=nan, what=x), where=Path 1, key 1",
        ),
        (
            with_key(y=True),
            "boxes-invalid: error=(number-range: needed=[-10, 10], value=True, what=y), where=Path 1, key 1",
        ),
        (
            with_key(width=0),
            ("boxes-invalid: error=(number-range: needed=[0.0001, 10], value=0, what=width), where=Path 1, key 1"),
        ),
        (
            with_key(height="x" * 1000),
            (
                "boxes-invalid: error=(number-range: needed=[0.0001, 10], "
                "value='xxxxxxxxxxxx...xxxxxxxxxxxxx', what=height), where=Path 1, key 1"
            ),
        ),
        (
            with_key(x=0).replace('"x": 0', '"x": ' + "9" * 100_000),
            "boxes-invalid: error=(number-range: needed=[-10, 10], value=inf, what=x), where=Path 1, key 1",
        ),
        (
            own(keys=[json.loads(with_key())["paths"][0]["keys"][0]] * 2),
            "boxes-invalid: error=(path-order: before=0, time=0), where=Path 1",
        ),
        (
            json.dumps({"version": 1, "paths": [{}] * 65}),
            "boxes-too-many: count=65, limit=64, what=paths, where=The boxes",
        ),
        (own(keys=[{}] * 4097), "boxes-too-many: count=4097, limit=4096, what=keys, where=Path 1"),
        ("3", "boxes-list: value=3, what=points, where=The boxes"),
        ("[]", "boxes-list: value=[], what=points, where=The boxes"),
        ('[{"x": 1, "y": 2}]', "boxes-points-size"),
    ],
)
def test_json_that_is_not_boxes_is_refused_in_plain_words(text, message):
    with pytest.raises(InputError) as caught:
        paths_from_json(text)
    assert refused(caught.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[3]", "boxes-object: value=3, where=Path 1, point 1"),
        ("[[], []]", "boxes-list: value=[], what=points, where=Path 1"),
        (
            '[{"x": 1, "y": 2}, {"x": "1", "y": 2}]',
            "number-range: needed=[-4000, 4000], value='1', what=Path 1, point 2: x",
        ),
        (
            '[{"x": 1, "y": NaN}]',
            "number-range: needed=[-2000, 2000], value=nan, what=Path 1, point 1: y",
        ),
        (json.dumps([[{"x": 1, "y": 2}]] * 65), "boxes-too-many: count=65, limit=64, what=paths, where=The boxes"),
        (
            json.dumps([[{"x": 1, "y": 2}] * 2048] * 3),
            "boxes-too-many: count=2048, limit=0, what=points, where=Path 3",
        ),
    ],
)
def test_points_that_are_not_points_are_refused_in_plain_words(text, message):
    with pytest.raises(InputError) as caught:
        paths_from_json(text, size=(400, 200), box=(40, 40))
    assert refused(caught.value) == message


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
