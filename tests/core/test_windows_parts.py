"""Plans of windows, number by number: where they cut, their limits, how they are typed, and what they weigh."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused

from vace_core.errors import VaceError
from vace_core.geometry import Grid
from vace_core.models.ltx.dit import GRID as LTX_GRID
from vace_core.models.wan.dit import GRID
from vace_core.preview.timeline import stretches
from vace_core.sampling.overlap import Stretch, blended, pyramid, ramp
from vace_core.sampling.plan_changes import changed, move_border, with_move
from vace_core.sampling.plan_text import plan_from_json, plan_to_json, spans_from_text
from vace_core.sampling.planning import Span, plan_windows, usual_overlap
from vace_core.sampling.windows import Keyframe, Plan, Window


def code(act) -> str:
    with pytest.raises(VaceError) as error:
        act()
    return error.value.code


# Plans


def cut(num_frames: int, window: int = 33, overlap: int = 9, grid: Grid = GRID, **more) -> list[tuple[int, int, int]]:
    plan = plan_windows(num_frames, fps=16, grid=grid, window=window, overlap=overlap, **more)
    return [(one.begin, one.end, one.overlap) for one in plan.windows]


@pytest.mark.parametrize(
    ("plan", "wanted"),
    [
        (lambda: cut(1), [(0, 1, 0)]),
        (lambda: cut(33), [(0, 33, 0)]),
        (lambda: cut(34), [(0, 25, 0), (16, 34, 9)]),
        (lambda: cut(57), [(0, 33, 0), (24, 57, 9)]),
        (lambda: cut(58), [(0, 29, 0), (20, 45, 9), (36, 58, 9)]),
        (lambda: cut(100, 33, 1), [(0, 29, 0), (28, 53, 1), (52, 77, 1), (76, 100, 1)]),
        (lambda: cut(101, 33, 29), [(n * 4, n * 4 + 33, 29 if n else 0) for n in range(18)]),
        (lambda: cut(97, 49, 17, LTX_GRID), [(0, 49, 0), (32, 73, 17), (56, 97, 17)]),
        (lambda: cut(60, loop=True), [(0, 29, 0), (20, 49, 9), (40, 69, 9)]),
        (lambda: cut(61, loop=True), [(0, 33, 0), (24, 53, 9), (44, 73, 9)]),
        (lambda: cut(64, loop=True), [(0, 33, 0), (24, 53, 9), (44, 73, 9)]),
        (lambda: cut(65, loop=True), [(0, 33, 0), (24, 57, 9), (48, 77, 9)]),
        (lambda: cut(50, 21, 9, loop=True), [(0, 21, 0), (12, 33, 9), (24, 41, 9), (32, 49, 9), (40, 61, 9)]),
        (lambda: cut(74, 33, 13, loop=True), [(0, 33, 0), (20, 53, 13), (40, 73, 13), (60, 89, 13)]),
        (
            lambda: cut(75, loop=True, spans=(Span(begin=0, end=30), Span(begin=30, end=75, new_shot=True))),
            [(0, 30, 0), (30, 63, 0), (54, 87, 9)],
        ),
    ],
)
def test_a_clip_is_cut_into_even_windows(plan, wanted):
    assert plan() == wanted


def test_prompts_and_shots_are_borders():
    spans = (Span(begin=0, end=21, prompt="a"), Span(begin=21, end=46, prompt="b"),
             Span(begin=46, end=81, prompt="c", new_shot=True), Span(begin=81, end=100, prompt="d"))  # fmt: skip
    plan = plan_windows(100, fps=24, grid=GRID, window=33, overlap=9, spans=spans,
                        keyframes=(Keyframe(frame=-100, picture="x"), Keyframe(frame=99, picture="y")))  # fmt: skip
    assert [(one.begin, one.end, one.overlap, one.prompt) for one in plan.windows] == [
        (0, 21, 0, "a"), (12, 37, 9, "b"), (28, 46, 9, "b"), (46, 71, 0, "c"), (62, 83, 9, "c"), (74, 100, 9, "d")
    ]  # fmt: skip
    assert plan.shots == ((0, 3), (3, 6))
    assert (plan.fps, plan.group, plan.shortest, plan.loop, plan.made_in) == (24.0, 4, 1, False, (0, 1, 2, 3, 4, 5))
    assert [plan.length(number) for number in range(6)] == [21, 25, 21, 25, 21, 29]
    assert [plan.shared_with_next(number) for number in range(6)] == [9, 9, 0, 9, 9, 0]
    assert (plan.keyframes_in(0, 1), plan.keyframes_in(74, 100), plan.keyframes_in(1, 99)) == ({0: "x"}, {25: "y"}, {})


def test_limits_of_spans():
    def spans(*edges: int, end: int = 40) -> list[Span]:
        return [Span(begin=begin, end=after) for begin, after in zip(edges, [*edges[1:], end], strict=True)]

    def plan(spans: list[Span], frames: int = 40) -> Plan:
        return plan_windows(frames, fps=16, grid=GRID, window=33, overlap=9, spans=spans)

    assert len(plan(spans(0, 4))) > 1
    assert code(lambda: plan(spans(0, 3))) == "borders-too-near"
    assert plan(spans(0, end=3), 3).windows[0].end == 3  # one alone may be short
    assert code(lambda: plan(spans(1))) == "spans-order"
    assert code(lambda: plan(spans(0, 20, 20))) == "spans-order"
    assert code(lambda: plan(spans(0, end=41))) == "spans-order"
    assert code(lambda: plan(spans(0, end=39))) == "spans-end"
    assert code(lambda: plan_windows(0, fps=16, grid=GRID, window=33, overlap=9)) == "number-range"
    assert [usual_overlap(window, GRID) for window in (1, 4, 8, 17, 20, 21, 81)] == [1, 1, 5, 5, 5, 5, 21]


def test_limits_of_a_window():
    assert Window(begin=0, end=5, overlap=4).first_new == 4
    assert (Window(begin=3, end=9).frames, Window(begin=3, end=9, overlap=2).first_new) == (6, 5)
    assert code(lambda: Window(begin=0, end=5, overlap=5)) == "window-overlap"
    assert code(lambda: Window(begin=-1, end=5)) == code(lambda: Window(begin=0, end=5, overlap=-1)) == "number-range"
    last = 2**64 - 1
    assert Window(begin=0, end=5, seed=last, strength=0.0).seed == last
    assert code(lambda: Window(begin=0, end=5, seed=last + 1)) == "number-range"
    one = Window(begin=0, end=1)
    assert (one.overlap, one.prompt, one.negative_prompt, one.references, one.strength, one.seed) == (
        0, None, None, None, 1.0, None
    )  # fmt: skip


def windows(*edges: tuple[int, int, int]) -> tuple[Window, ...]:
    return tuple(Window(begin=begin, end=end, overlap=overlap) for begin, end, overlap in edges)


def test_limits_of_a_plan():
    def plan(count: int, *edges: tuple[int, int, int], **more) -> Plan:
        return Plan(num_frames=count, fps=8, **{"group": 4} | more, windows=windows(*edges))

    assert plan(14, (0, 9, 0), (4, 14, 5)).length(1) == 13  # the last may be padded
    assert code(lambda: plan(14, (0, 9, 0), (5, 14, 5))) == "plan-gap"
    assert code(lambda: plan(18, (0, 9, 0), (0, 18, 13))) == "plan-gap"
    assert plan(17, (0, 9, 0), (0, 17, 9)).lengths == "4n + 1"
    assert code(lambda: plan(14, (1, 14, 0))) == "plan-ends"
    assert plan(12, (0, 7, 0), (7, 12, 0)).shots == ((0, 1), (1, 2))
    assert plan(3, (0, 3, 0), shortest=5).length(0) == 5
    assert [plan(20, (0, 20, 0), shortest=5).longer(frames) for frames in (1, 5, 6, 9, 10)] == [5, 5, 9, 9, 13]
    ring = plan(16, (0, 9, 0), (4, 21, 5), loop=True)
    assert [ring.shared_with_next(number) for number in (0, 1)] == [5, 5]
    assert plan(16, (0, 9, 0), (4, 25, 5), loop=True).shared_with_next(1) == 9
    assert code(lambda: plan(16, (0, 9, 0), (4, 29, 5), loop=True)) == "loop-windows"
    assert code(lambda: plan(16, (0, 9, 0), (4, 16, 5), loop=True)) == "plan-ends"
    assert code(lambda: plan(16, (0, 9, 0), (4, 20, 5), loop=True)) == "window-length"
    assert code(lambda: plan(9, (0, 13, 0), loop=True)) == "loop-windows"
    for wrong in ({"group": 0}, {"shortest": 0}, {"fps": 0.0}):
        assert code(
            lambda wrong=wrong: Plan(**{"num_frames": 9, "fps": 8, "group": 4} | wrong, windows=windows((0, 9, 0)))
        ) == ("number-range")
    with pytest.raises(VaceError) as error:
        plan(16, (0, 8, 0), (3, 16, 5))
    assert refused(error.value) == "window-length: choice=5 or 9, frames=8, lengths=4n + 1, number=0, what=is"
    with pytest.raises(VaceError) as error:
        plan(14, (0, 9, 0), (5, 14, 4))
    assert refused(error.value) == (
        "window-length: choice=1 or 5, frames=4, lengths=4n + 1, number=1, what=has an overlap of"
    )
    with pytest.raises(VaceError) as error:
        plan(20, (0, 3, 0), (2, 20, 1), shortest=5)
    assert "choice=5, frames=3" in refused(error.value)


def test_a_plan_is_of_clips_at_about_its_rate():
    plan = plan_windows(40, fps=25, grid=GRID, window=33, overlap=9)
    plan.check_clip(40, 25.24, GRID)
    plan.check_clip(40, 24.76, GRID)
    for fps in (25.26, 24.74):
        assert code(lambda fps=fps: plan.check_clip(40, fps, GRID)) == "plan-of-another"
    assert code(lambda: plan.check_clip(41, 25, GRID)) == "plan-of-another"
    other = Grid(frames=4, pixels=8, patch=2, shortest=(5, 2))
    assert code(lambda: plan.check_clip(40, 25, other)) == "plan-of-another-model"


def test_borders_move_and_numbers_are_those_of_the_plan():
    plan = plan_windows(100, fps=16, grid=GRID, window=33, overlap=9)
    ends = [(one.begin, one.end) for one in plan.windows]
    moved = plan.moved(1, 4)
    assert [(one.begin, one.end) for one in moved.windows] == [
        (ends[0][0], ends[0][1] + 4), (ends[1][0] + 4, ends[1][1]), *ends[2:]
    ]  # fmt: skip
    plan.check_number(0)
    plan.check_number(len(plan) - 1)
    for number in (-1, len(plan)):
        assert code(lambda number=number: plan.check_number(number)) == "window-unknown"
    assert replace(plan, order=(3, 1, 0, 2)).made_in == (3, 1, 0, 2)


def test_changes_are_typed_line_by_line():
    plan = plan_windows(100, fps=16, grid=GRID, window=33, overlap=9)
    text = "\n window 1: move +4, Seed 7 \n2: strength 0.5, references a.png  b.png\n\n3: references NONE, move -4"
    made = changed(plan, text)
    wanted = plan.moved(1, 4).edited(1, seed=7).edited(2, strength=0.5, references=("a.png", "b.png"))
    assert made == wanted.edited(3, references=()).moved(3, -4)
    assert changed(plan, "") == plan
    for wrong in ("1 move 4", "x: seed 3", "1: seed", "1: seed -3", "1: references", "1: move 4.5", "1: fox 3",
                  "1: strength -1", "1: seed 123456789012345678901", "1 2: seed 3", "1: strength 1x"):  # fmt: skip
        assert code(lambda wrong=wrong: changed(plan, wrong)) == "plan-changes"
    assert code(lambda: changed(plan, "9: seed 3")) == "window-unknown"
    assert changed(plan, f"0: seed {2**64 - 1}").windows[0].seed == 2**64 - 1


def test_stretches_go_on_to_the_next_one():
    spans = spans_from_text("[0] a | [2s-3s] | [3s, New Shot]  b ", num_frames=64, fps=16)
    assert spans == (Span(begin=0, end=32, prompt="a"), Span(begin=32, end=48),
                     Span(begin=48, end=64, prompt="b", new_shot=True))  # fmt: skip
    assert spans_from_text("[4-20f] x", num_frames=None, fps=8)[0] == Span(begin=4, end=20, prompt="x")
    assert spans_from_text("[0s] x | [1s-20f] y", num_frames=None, fps=8)[1] == Span(begin=8, end=20, prompt="y")
    assert code(lambda: spans_from_text("[0] a", num_frames=None, fps=8)) == "spans-open"


def test_a_plan_is_read_as_it_was_written():
    plan = plan_windows(70, fps=16, grid=GRID, window=33, overlap=9, keyframes=[Keyframe(frame=3, picture="狗")])
    plan = replace(plan.edited(1, negative_prompt="n", references=(), seed=3, strength=0.5), order=(0, 2, 1))
    text = plan_to_json(plan)
    assert "狗" in text
    assert text.endswith("}\n")
    assert json.loads(text)["vace_plan"] == 1
    assert plan_from_json(text) == plan
    little = {"vace_plan": 1, "num_frames": 5, "fps": 8, "group": 4, "windows": [{"begin": 0, "end": 5, "seed": None}]}
    assert plan_from_json(json.dumps(little)) == Plan(num_frames=5, fps=8, group=4, windows=windows((0, 5, 0)))


# Weights of windows


def test_weights_of_windows():
    assert ramp(5, 2, 0).tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1, 1])
    assert ramp(5, 0, 3).tolist() == pytest.approx([1, 1, 3 / 4, 2 / 4, 1 / 4])
    assert ramp(3, 2, 2).tolist() == pytest.approx([1 / 3, 2 / 3 * 2 / 3, 1 / 3])
    assert (ramp(4, 0, 3)[1:] + ramp(4, 3, 0)[:3]).tolist() == pytest.approx([1, 1, 1])
    assert pyramid(5).tolist() == [1, 2, 3, 2, 1]
    assert pyramid(4).tolist() == [1, 2, 2, 1]


def test_windows_are_blended_by_their_weights():
    latents = torch.arange(6.0).view(1, 1, 6, 1, 1).expand(2, 3, 6, 2, 2)  # one reference and five frames
    seen = []

    def adds(number: float):
        def denoise(part, sigma):
            seen.append((part[0, 0, :, 0, 0].tolist(), sigma))
            return part + number

        return denoise

    both = blended([Stretch(denoise=adds(1), begin=0, weights=torch.tensor([1.0, 1.0, 0.25])),
                    Stretch(denoise=adds(3), begin=2, weights=torch.tensor([0.75, 1.0, 2.0]))], 1)  # fmt: skip
    found = both(latents, 0.5)
    assert seen == [([0, 1, 2, 3], 0.5), ([0, 3, 4, 5], 0.5)]
    assert (found - latents)[1, 2, :, 1, 1].tolist() == pytest.approx([2, 1, 1, 0.25 * 1 + 0.75 * 3, 3, 3])


def test_moves_count_together_whatever_their_order():
    plan = plan_windows(100, fps=16, grid=GRID, window=33, overlap=9)
    far = plan.windows[1].frames - 9  # nothing is left of window 1, unless the border behind it goes too
    both = changed(plan, f"2: move +4\n1: move +{far}")
    assert changed(plan, f"1: move +{far}\n2: move +4") == both == plan.with_moves({1: far, 2: 4})
    assert code(lambda: changed(plan, f"1: move +{far}")) == "window-overlap"
    assert changed(plan, "1: move +4\n1: move +4") == plan.moved(1, 8)


@pytest.mark.parametrize(
    ("text", "frames", "wanted"),
    [
        ("", 8, "2: move +8"),
        ("1: seed 3", -4, "1: seed 3\n2: move -4"),
        ("1: seed 3\n", 4, "1: seed 3\n2: move +4"),
        ("2: move +8, seed 9", -4, "2: move +4, seed 9"),
        ("2: seed 9,  strength 0.5\n3: move 4", 4, "2: move +4, seed 9,  strength 0.5\n3: move 4"),
        ("Window 2: Seed 9, Move 8\r\n1: seed 3", 4, "Window 2: Seed 9, move +12\r\n1: seed 3"),
        ("2: seed 9, move +8", -8, "2: seed 9"),
        ("2: move +8", -8, ""),
        ("1: seed 3\n2: move +8\n3: seed 1", -8, "1: seed 3\n3: seed 1"),
        ("2: move +4\n\n2: seed 9, move +4", 4, "2: move +12\n\n2: seed 9"),
        ("2: move +4\n2: seed 9, move -4", 4, "2: move +4\n2: seed 9"),
        ("22: move +4", 4, "22: move +4\n2: move +4"),
    ],
)
def test_a_move_is_written_among_what_is_typed(text, frames, wanted):
    assert with_move(text, 2, frames) == wanted


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(1, 3), st.lists(st.tuples(st.integers(1, 3), st.integers(-2, 2)), max_size=2), st.integers(-15, 15))
def test_a_border_goes_as_far_as_the_plan_lets_it(number, before, steps):
    plan = plan_windows(140, fps=16, grid=GRID, window=41, overlap=9)
    text = "\n".join(f"{one}: seed 5, move {4 * by:+d}" for one, by in before)
    now = changed(plan, text)
    said, moved, refused = move_border(plan, text, number, 4 * steps)
    assert changed(plan, said) == now.moved(number, moved)
    assert (refused is None) == (moved == 4 * steps)
    if refused is not None:
        assert 0 <= abs(moved) < abs(4 * steps)
        assert code(lambda: now.moved(number, moved + (4 if steps > 0 else -4))) == refused.code


def test_only_borders_between_windows_move():
    plan = plan_windows(100, fps=16, grid=GRID, window=33, overlap=9)
    assert code(lambda: move_border(plan, "", 0, 4)) == "plan-move"
    assert code(lambda: move_border(plan, "", 1, 3)) == "plan-move"
    assert code(lambda: move_border(plan, "", 9, 4)) == "window-unknown"
    assert code(lambda: move_border(plan, "1: fly", 1, 4)) == "plan-changes"


def test_a_border_leaves_room_for_the_shared_frames_behind_it():
    plan = plan_windows(100, fps=16, grid=GRID, window=33, overlap=9)
    far = -plan.windows[1].begin - 4
    with pytest.raises(VaceError) as error:
        plan.moved(1, far)
    assert refused(error.value) == f"plan-move-far: frames={far}, number=1, overlap=9"


def test_stretches_are_windows_with_one_prompt_up_to_a_cut():
    spans = (Span(begin=0, end=60, prompt="a"), Span(begin=60, end=100, prompt="a", new_shot=True))
    plan = plan_windows(100, fps=16, grid=GRID, window=33, overlap=9, spans=spans)
    assert stretches(plan) == [(0, 60, "a"), (60, 100, "a")]
    assert stretches(plan_windows(100, fps=16, grid=GRID, window=33, overlap=9)) == [(0, 100, None)]
    ring = plan_windows(100, fps=16, grid=GRID, window=33, overlap=9, loop=True)
    assert stretches(ring) == [(0, 100, None)]
