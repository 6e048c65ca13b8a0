"""The editor and the library agree: the same JSON, the same motion. Needs Node.js, no browser."""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

if shutil.which("node") is None:
    pytest.skip("the rules of the editor are compared with Node.js, which was not found", allow_module_level=True)
pytest.importorskip("torch")
pytest.importorskip("hypothesis")

from box_paths import box_paths
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.workflows.shipped import everything
from vace_core.errors import InputError
from vace_core.inputs.box_paths import paths_from_json, paths_to_json
from vace_core.inputs.layout import boxes
from vace_core.models.wan.dit import GRID
from vace_core.sampling.planning import plan_windows

RULES = Path(__file__).with_name("rules.mjs")
WORKFLOWS = Path(__file__).parents[2] / "workflows"
slow = settings(max_examples=12, deadline=None, derandomize=True)


def ask(*questions: dict[str, Any]) -> list[Any]:
    done = subprocess.run(["node", RULES], input=json.dumps(questions), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@slow
@given(st.lists(st.lists(box_paths(), min_size=1, max_size=4), min_size=1, max_size=8))
def test_the_editor_writes_what_it_read(clips):
    answers = ask(*({"ask": "rewrite", "text": paths_to_json(paths)} for paths in clips))
    assert [paths_from_json(answer) for answer in answers] == [tuple(paths) for paths in clips]


@slow
@given(st.lists(st.lists(box_paths(), min_size=1, max_size=4), min_size=1, max_size=8), st.integers(1, 41))
def test_the_preview_moves_as_the_layout_does(clips, frames):
    answers = ask(*({"ask": "boxes", "text": paths_to_json(paths), "frames": frames} for paths in clips))
    for paths, answer in zip(clips, answers, strict=True):
        for path, drawn in zip(paths, answer, strict=True):
            for box, expected in zip(drawn, boxes(path, frames).tolist(), strict=True):
                assert box == pytest.approx(expected, rel=1e-5, abs=1e-5)


@slow
@given(st.integers(20, 400), st.integers(9, 41), st.sampled_from([1, 5]), st.booleans(), st.integers(-3, 3))
def test_borders_stand_where_a_plan_has_them_and_snap_to_latent_frames(frames, size, overlap, loop, steps):
    window = size // 4 * 4 + 1
    try:
        plan = plan_windows(frames, fps=16, grid=GRID, window=window, overlap=overlap, loop=loop)
    except InputError:
        return  # a loop that is too short
    told = {"frames": frames, "windows": [{**asdict(one), "moved": 0} for one in plan.windows]}
    (answer, *near) = ask(
        {"ask": "plan", "plan": told},
        *({"ask": "snapped", "frames": 4 * steps + off, "group": 4} for off in (-1.9, 0, 1.9)),
    )
    borders = [(number, one.first_new, not one.overlap) for number, one in enumerate(plan.windows) if number]
    assert [(one["window"], one["frame"], one["isCut"]) for one in answer["borders"]] == borders
    assert answer["drawn"] == max(frames, plan.windows[-1].end)
    assert near == [4 * steps] * 3
    for number, frame, _ in borders:
        try:
            moved = plan.moved(number, 4 * steps)
        except InputError:
            continue
        assert moved.windows[number].first_new == frame + near[0]


def ruler(total: int, fps: float, width: int, in_frames: bool) -> list[dict[str, Any]]:
    return ask({"ask": "ticks", "ruler": {"total": total, "fps": fps, "width": width, "inFrames": in_frames}})[0]


def test_the_ruler_has_room_for_its_numbers():
    cases = ((161, 16, 560, False), (161, 16, 560, True), (20_000, 24, 400, False), (1, 16, 90, True))
    for total, fps, width, in_frames in cases:
        places = [one["at"] * width for one in ruler(total, fps, width, in_frames)]
        assert places[0] == 0
        assert places[-1] <= width
        assert all(after - before >= 46 for before, after in itertools.pairwise(places))
    labels = [one["label"] for one in ruler(1440, 16, 600, in_frames=False)]
    assert labels == ["0s", "10s", "20s", "30s", "40s", "50s", "1:00", "1:10", "1:20", "1:30"]
    assert ask(*({"ask": "seconds", "seconds": one} for one in (3.06, 59.96, 64.25))) == ["3.1s", "1:00", "1:04.3"]


def own(**changes: object) -> str:
    at = {"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}
    return json.dumps({"version": 1, "paths": [{"keys": [at], **changes}]})


def with_key(**changes: object) -> str:
    return own(keys=[{"time": 0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5, **changes}])


TEXTS = [
    own(),
    own(label="é", order=-3, colour=[1, 2, 3], smooth=True),
    own(keys=[]),
    own(speed=1),
    own(toString="a name that every object of JavaScript has"),
    with_key(constructor=1),
    own(order=1.5),
    own(order="1"),
    own(smooth="auto"),
    own(smooth="monotone"),
    own(smooth=1),
    own(label=None),
    own(colour=[0, 0]),
    own(colour=[0, 0, 256]),
    own(colour="black"),
    with_key(time=1.01),
    with_key(x=-10),
    with_key(x=-10.1),
    with_key(y=True),
    with_key(width=0),
    with_key(width=0.0001, height=10),
    with_key(height="1"),
    with_key(z=0),
    own(keys=[{"time": t, "x": 0, "y": 0, "width": 1, "height": 1} for t in (0.5, 0.5)]),
    own(keys=[{"time": t, "x": 0, "y": 0, "width": 1, "height": 1} for t in (0.5, 1)]),
    '{"version": 2}',
    '{"version": 1}',
    '{"version": 1, "paths": [3]}',
    '{"paths": []}',
    "{boxes}",
    "3",
    '[{"x": 1, "y": 2}, {"x": 3.5, "y": 4, "t": 1}]',
    '[[{"x": 1, "y": 2}], [{"x": 3, "y": 4}]]',
    '[{"x": 1}]',
    "[[]]",
    json.dumps({"version": 1, "paths": json.loads(own())["paths"] * 65}),
    own(keys=[{"time": i / 5000, "x": 0, "y": 0, "width": 1, "height": 1} for i in range(4097)]),
    own(label="x" * 1_000_001),
]


def test_the_editor_draws_exactly_what_the_library_reads():
    kinds = ask(*({"ask": "read", "text": text} for text in TEXTS))
    for text, kind in zip(TEXTS, kinds, strict=True):
        assert (kind in ("paths", "points")) == _is_read(text), text[:200]


@pytest.mark.parametrize(
    ("between", "changed"),
    [
        ([], False),
        (["GetVideoComponents", "Reroute"], False),
        (["ImageFromBatch", "GetVideoComponents"], True),
        (["ImageFromBatch (bypassed)"], False),
    ],
)
def test_a_file_that_a_node_between_changes_is_told_apart(between, changed):
    ((clip,),) = ask({"ask": "linked", "kinds": [*between, "LoadVideo"]})
    assert clip.get("changed", False) is changed
    assert clip["file"] == "film.mp4"


@pytest.mark.parametrize(
    ("size", "changed"), [({"custom_width": 0, "custom_height": 0}, False), ({"custom_width": 512}, True)]
)
def test_a_loader_that_cuts_its_frames_to_a_size_changes_its_file(size, changed):
    ((clip,),) = ask({"ask": "linked", "kinds": ["VHS_LoadVideo"], "widgets": size})
    assert clip.get("changed", False) is changed


@pytest.mark.parametrize(("skip", "every"), [(0, 1), (50, 1), (0, 2), (7, 3)])
def test_a_film_stands_at_the_frame_that_a_loader_takes(skip, every):
    reference = {"file": "film.mp4"} | ({"skip": skip} if skip else {}) | ({"every": every} if every > 1 else {})
    info, times = {"frames": 11, "fps": 24 / every}, [n / 10 for n in range(11)]
    (found,) = ask({"ask": "moments", "reference": reference, "info": info, "times": times})
    assert [int(second * 24) for second in found] == [skip + n * every for n in range(11)]


def test_nothing_drawn_is_the_default():
    assert ask({"ask": "read", "text": "[]"}, {"ask": "read", "text": ""}) == ["empty", "empty"]


def _is_read(text: str) -> bool:
    try:
        paths_from_json(text, size=(640, 360), box=(50, 50))
    except InputError:
        return False
    return True


def test_templates_are_shown_in_the_order_of_the_page_and_those_of_others_stay_as_they_are():
    names = sorted(path.stem for path in WORKFLOWS.glob("*.json"))
    other = ["b", "a"]
    (found,) = ask({"ask": "templates", "found": {"mine": ["my own", *names], "other": other}})
    assert found == {"mine": [*(graph.title for graph in everything()), "my own"], "other": other}
