"""A plan cuts a clip of any length into windows on the model's lengths, and can be typed, saved, edited and drawn."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused
from typer.testing import CliRunner
from video_files import encode, noise

from vace_core.cli import app
from vace_core.errors import InputError
from vace_core.media.pictures import write_image
from vace_core.models.ltx.dit import GRID as LTX_GRID
from vace_core.models.wan.dit import GRID
from vace_core.preview.timeline import draw_plan, plan_rows
from vace_core.sampling.plan_text import plan_from_json, plan_to_json, read_plan, spans_from_text
from vace_core.sampling.planning import Span, plan_windows, usual_overlap
from vace_core.sampling.windows import Keyframe, Plan, Window

CUT = (Span(begin=0, end=40, prompt="a"), Span(begin=40, end=75, prompt="b"), Span(begin=75, end=100, new_shot=True))


def planned(num_frames: int = 100, window: int = 33, overlap: int = 9, **more) -> Plan:
    return plan_windows(num_frames, fps=16, grid=GRID, window=window, overlap=overlap, **more)


def code(act) -> str:
    with pytest.raises(InputError) as error:
        act()
    return error.value.code


@settings(max_examples=60, deadline=None)
@given(
    num_frames=st.integers(1, 400),
    groups=st.integers(1, 20),
    shared=st.integers(0, 19),
    grid=st.sampled_from([GRID, LTX_GRID]),
    loop=st.booleans(),
)
def test_windows_cover_every_frame_once_on_the_models_lengths(num_frames, groups, shared, grid, loop):
    window, overlap = groups * grid.frames + 1, min(shared, groups - 1) * grid.frames + 1
    loop = loop and num_frames > 3 * window and window > 3 * overlap
    loop = loop and groups > 2  # smaller ones may be refused: there is no room to share frames with both neighbours
    plan = plan_windows(num_frames, fps=16, grid=grid, window=window, overlap=overlap, loop=loop)
    new = [frame for one in plan.windows for frame in range(one.first_new, one.end)]
    assert new[:num_frames] == list(range(num_frames))
    assert (len(new) > num_frames) == loop
    assert plan.windows[-1].first_new < num_frames
    for number in range(len(plan)):
        assert plan.length(number) <= window
        grid.check(plan.length(number), grid.step, grid.step)
        assert plan.length(number) - plan.windows[number].frames in (
            range(grid.frames) if number == len(plan) - 1 and not loop else (0,)
        )
    assert plan_from_json(plan_to_json(plan)) == plan


def test_a_single_window_is_the_clip():
    (window,) = planned(33).windows
    assert (window.begin, window.end, window.overlap) == (0, 33, 0)


def test_a_prompt_begins_a_window_and_a_new_shot_begins_at_its_frame():
    plan = planned(spans=CUT)
    assert plan.shots == ((0, 4), (4, 5))
    assert [window.prompt for window in plan.windows] == ["a", "a", "b", "b", None]
    assert [plan.windows[number].first_new for number in (2, 4)] == [41, 75]  # the next latent frame; the very frame
    assert plan.windows[4].overlap == 0


def test_an_end_frame_is_in_the_last_window_alone():
    plan = planned(keyframes=[Keyframe(frame=-1, picture="end.png"), Keyframe(frame=30, picture="between.png")])
    found = [plan.keyframes_in(window.begin, window.end) for window in plan.windows]
    assert [bool("end.png" in one.values()) for one in found] == [False] * (len(plan) - 1) + [True]
    assert found[-1] == {plan.windows[-1].frames - 1: "end.png"}
    assert found[0] == {30: "between.png"}
    assert found[1] == {30 - plan.windows[1].begin: "between.png"}  # within the overlap of both


def test_stretches_are_typed_with_times_of_every_kind():
    text = "[0-4s] a man walks | [4s] he stops | [00:00:06:00, new shot] a | [128f-160f] b"
    spans = spans_from_text(text, num_frames=None, fps=16)
    assert [(one.begin, one.end, one.prompt, one.new_shot) for one in spans] == [
        (0, 64, "a man walks", False),
        (64, 96, "he stops", False),
        (96, 128, "a", True),
        (128, 160, "b", False),
    ]
    assert spans_from_text("a fox", num_frames=9, fps=16) == (Span(begin=0, end=9, prompt="a fox"),)
    assert spans_from_text("[0-80f] x", num_frames=80, fps=16)[0].end == 80
    at = spans_from_text("[10:00:00:00] x | [10:00:01:00] y", num_frames=50, fps=25, timecode="10:00:00:00")
    assert [one.begin for one in at] == [0, 25]


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[0] a", "spans-open"),
        ("[0] a | b", "spans-unreadable"),
        ("[0, hard] a", "spans-unknown"),
        ("[soon] a", "time-unreadable"),
    ],
)
def test_a_text_that_cannot_be_read_is_refused(text, wrong):
    assert code(lambda: spans_from_text(text, num_frames=None, fps=16)) == wrong


@pytest.mark.parametrize(
    ("act", "wrong"),
    [
        (lambda: planned(window=9, overlap=9), "window-overlap"),
        (lambda: planned(window=32), "window-size"),
        (lambda: planned(overlap=8), "window-size"),
        (lambda: planned(spans=[Span(begin=0, end=40), Span(begin=44, end=100)]), "spans-order"),
        (lambda: planned(spans=[Span(begin=0, end=40), Span(begin=40, end=120)]), "spans-order"),
        (lambda: planned(spans=[Span(begin=0, end=40)]), "spans-end"),
        (lambda: planned(spans=[Span(begin=0, end=40), Span(begin=40, end=42), Span(begin=42, end=100)]),
         "borders-too-near"),
        (lambda: planned(keyframes=[Keyframe(frame=100, picture="x.png")]), "keyframe-outside-plan"),
        (lambda: planned(keyframes=[Keyframe(frame=-101, picture="x.png")]), "keyframe-outside-plan"),
        (lambda: planned(keyframes=[Keyframe(frame=-1, picture="x"), Keyframe(frame=99, picture="y")]),
         "keyframe-twice"),
        (lambda: planned(20, loop=True), "loop-windows"),
        (lambda: planned(100, window=13, overlap=9, loop=True), "loop-too-short"),
        (lambda: replace(planned(33), loop=True), "plan-ends"),
        (lambda: replace(planned(33), loop=True, num_frames=30), "loop-windows"),
        (lambda: planned().edited(4, prompt="x"), "window-unknown"),
        (lambda: planned().edited(1, begin=20), "plan-gap"),
        (lambda: planned().edited(1, strength=-1.0), "number-range"),
        (lambda: planned().edited(1, seed=-1), "number-range"),
        (lambda: planned().moved(0, 4), "plan-move"),
        (lambda: planned().moved(1, 3), "plan-move"),
        (lambda: replace(planned(), order=(0, 0, 1, 2)), "plan-order"),
        (lambda: replace(planned(), windows=()), "plan-empty"),
        (lambda: replace(planned(), num_frames=90), "plan-ends"),
        (lambda: Plan(num_frames=16, fps=8, group=4, windows=(Window(begin=0, end=8),
                                                             Window(begin=3, end=16, overlap=5))),
         "window-length"),
        (lambda: Plan(num_frames=14, fps=8, group=4, windows=(Window(begin=0, end=9),
                                                             Window(begin=5, end=14, overlap=4))),
         "window-length"),
        (lambda: planned().check_clip(99, 16, GRID), "plan-of-another"),
        (lambda: planned().check_clip(100, 25, GRID), "plan-of-another"),
        (lambda: planned().check_clip(100, 16, LTX_GRID), "plan-of-another-model"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_is_refused(act, wrong):
    assert code(act) == wrong


def test_a_plan_is_checked_against_its_own_clip():
    planned().check_clip(100, 16.05, GRID)


def test_a_border_moves_and_a_window_is_edited():
    plan = planned()
    before, moved = plan.windows, plan.moved(2, -4).edited(1, prompt="it rains", seed=9, references=("fox.png",))
    assert moved.windows[1] == replace(
        before[1], end=before[1].end - 4, prompt="it rains", seed=9, references=("fox.png",)
    )
    assert moved.windows[2].first_new == before[2].first_new - 4
    assert plan_from_json(plan_to_json(moved)) == moved


def test_a_loop_goes_on_with_its_first_frames():
    plan = planned(98, loop=True)
    assert plan.shared_with_next(len(plan) - 1) == plan.windows[-1].end - 98 >= 9
    assert plan.shared_with_next(0) == 9


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"vace_plan": 2}, 'it has no "vace_plan": 1'),
        ({"extra": 1}, '"extra" is unknown'),
        ({"fps": "16"}, '"fps" is no number'),
        ({"num_frames": True}, '"num_frames" is no whole number'),
        ({"loop": 1}, '"loop" is neither true nor false'),
        ({"windows": {}}, '"windows" is no list'),
        ({"windows": [3]}, "a table is needed for each window"),
        ({"windows": [{"begin": 0}]}, '"end" is missing'),
        ({"windows": [{"begin": 0, "end": 9, "references": ["a", 1]}]}, '"references" is no text'),
        ({"keyframes": [{"frame": 0, "picture": 1}]}, '"picture" is no text'),
        ({"order": [1.5]}, '"order" is no whole number'),
    ],
)
def test_a_file_that_is_no_plan_is_refused(change, what):
    text = json.dumps(json.loads(plan_to_json(planned())) | change)
    with pytest.raises(InputError) as error:
        plan_from_json(text)
    assert refused(error.value) == f"plan-unreadable: error={what}"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"vace_plan": 1}'])
def test_what_is_no_json_of_a_plan_is_refused(text):
    assert code(lambda: plan_from_json(text)) == "plan-unreadable"


def test_a_plan_is_told_and_drawn():
    plan = planned(spans=CUT, keyframes=[Keyframe(frame=-1, picture="end.png")])
    rows = dict(plan_rows(plan))
    assert len(rows) == len(plan) + 2
    assert rows["window 4"] == "frames 75 to 99 (25 in the model), a new shot"
    assert rows["frame 99"] == "shows end.png"
    cut = (214, 62, 54)
    for colour in ((66, 135, 245), (120, 200, 140), cut, (255, 200, 60)):  # new frames, shared ones, cut, keyframe
        assert (np.array(draw_plan(plan)) == colour).all(-1).any()
    assert not (np.array(draw_plan(planned())) == cut).all(-1).any()


def test_the_usual_overlap_is_a_quarter():
    assert (usual_overlap(81, GRID), usual_overlap(17, GRID), usual_overlap(97, LTX_GRID)) == (21, 5, 25)


def test_the_command_plans_saves_draws_and_reads(tmp_path):
    file, sheet = tmp_path / "plan.json", tmp_path / "plan.png"
    words = ["plan", "--length", "40", "--prompts", "[0-2s] a star | [2s] a circle", "--keyframe", "-1=end.png"]
    done = CliRunner().invoke(app, [*words, "-o", str(file), "--sheet", str(sheet)])
    assert done.exit_code == 0, done.output
    plan = read_plan(file)
    assert (plan.num_frames, plan.fps, plan.windows[0].prompt) == (40, 8, "a star")
    assert all(plan.length(number) <= 17 for number in range(len(plan)))
    assert sheet.stat().st_size > 1000
    again = CliRunner().invoke(app, ["plan", str(file), "--json"])
    assert plan_from_json(again.stdout[again.stdout.index("{") :]) == plan
    assert CliRunner().invoke(app, ["plan"]).exit_code == 3
    other = CliRunner().invoke(app, ["plan", str(file), "--windows", "9", "--loop"])
    assert refused(other.exception) == f"plan-is-made: options=--windows, --loop, path={file}"


def test_the_windows_of_a_plan_are_those_that_the_task_would_have(tmp_path):
    clip, mask, file = tmp_path / "clip.mp4", tmp_path / "mask.png", tmp_path / "plan.json"
    encode(clip, noise(60, 192, 128, 3), fps=8)
    write_image(mask, torch.ones(1, 3, 1, 192, 128))
    assert CliRunner().invoke(app, ["plan", str(clip), "-o", str(file)]).exit_code == 0
    words = ["inpaint", str(clip), "--mask", str(mask), "--dry-run", "-o", str(tmp_path / "out.mp4")]
    shown, planned = (CliRunner().invoke(app, [*words, *more]) for more in ((), ("--plan", str(file))))
    assert (shown.exit_code, planned.exit_code) == (0, 0), planned.output
    windows = [[line for line in one.stderr.splitlines() if line.startswith("window")] for one in (shown, planned)]
    assert windows[0] == windows[1] != []


@pytest.mark.parametrize(("window", "overlap", "fits"), [(17, 17, False), (17, 21, False), (17, 13, True)])
def test_an_overlap_leaves_something_of_a_window_to_make(window, overlap, fits):
    if fits:
        assert len(planned(40, window, overlap)) > 1
        return
    with pytest.raises(InputError) as error:
        planned(40, window, overlap)
    assert refused(error.value) == f"window-overlap: frames={window}, overlap={overlap}"
