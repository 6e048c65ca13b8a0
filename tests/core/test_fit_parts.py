"""How clips are fitted, number by number: sizes and lengths that are asked for, ends of clips, masks, what is said."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from refused import refused
from torch import Tensor

from vace_core.errors import VaceError
from vace_core.geometry import Box, Grid
from vace_core.inputs.all_frames import plan_all_frames, resampled
from vace_core.inputs.box_paths import paths_from_json
from vace_core.inputs.fitted import (
    Source,
    Target,
    fit_clip,
    fit_control,
    fit_ends,
    fit_pictures,
    plan_of,
    rest_of,
)
from vace_core.inputs.fitted_masks import clip_mask, fit_mask
from vace_core.inputs.fitting import FitPlan, ResolutionPreset, frame_times, growth, plan, plan_exact, report, thinning
from vace_core.inputs.references import cover, crop_subject, letterbox, on_white
from vace_core.inputs.resizing import resize_frames, resize_masks, resize_part, resize_parts
from vace_core.models.wan.dit import GRID

RULE = ResolutionPreset(grid=GRID, max_area=64 * 96, max_tokens=24 * 6, fps=16.0, usual_frames=9)


def code(act) -> str:
    with pytest.raises(VaceError) as error:
        act()
    return error.value.code


def numbered(count: int, height: int = 32, width: int = 48) -> Tensor:
    """`(T, H, W, 3)` uint8: each frame's number, and ramps."""
    frames = torch.zeros(count, height, width, 3, dtype=torch.uint8)
    frames[..., 0] = torch.arange(count).view(-1, 1, 1)
    frames[..., 1], frames[..., 2] = torch.arange(height).view(-1, 1) * 3, torch.arange(width) * 4
    return frames


def source(count: int = 9, height: int = 32, width: int = 48, fps: float = 16.0, **more) -> Source:
    return Source(frames=numbered(count, height, width), fps=fps, **more)


# What is asked for


def test_a_target_says_how_long_a_result_is():
    assert [Target(takes=takes, length=length).longest(64, 96) for takes, length in (
        (GRID, None), (GRID, 5), (RULE, None), (RULE, 17))] == [1, 5, 9, 17]  # fmt: skip
    free = ResolutionPreset(grid=GRID, max_area=64 * 96, max_tokens=24 * 6, fps=16.0)
    assert (free.longest(64, 96), free.usual(64, 96), free.longest(640, 960)) == (21, 21, 1)
    assert (RULE.longest(64, 80), RULE.usual(64, 96), RULE.usual(128, 192)) == (25, 9, 1)
    assert (Target(takes=RULE).grid, Target(takes=GRID).grid) == (GRID, GRID)
    half = RULE.shared(1.7)
    assert (half.max_area, half.max_tokens) == (3614, 85)
    asked = Target(takes=GRID, length=5, fps=8.0, height=32)
    assert (asked.still().length, asked.still().fps, asked.still().height) == (None, None, 32)
    assert growth(0.5, 0.25, 0.0, 1.0) == 1.75 * 2
    assert growth(-0.2, 0.0, 0.0, 0.0) == 1.0


def test_the_last_digit_of_a_border_costs_no_row_of_blocks():
    """A fifth on one side of a square is as much as a tenth on both, though its float is a little larger."""
    rule = ResolutionPreset(grid=RULE.grid, max_area=96 * 96, max_tokens=RULE.grid.tokens(17, 96, 96), fps=8.0)
    for sides in ((0.1, 0.1, 0.1, 0.1), (0.0, 0.2, 0.1, 0.1), (0.2, 0.0, 0.0, 0.2)):
        found = plan(17, 96, 96, rule.shared(growth(*sides)), fps=8.0)
        assert (found.num_frames, found.height, found.width) == (17, 80, 80)


def test_one_side_that_is_asked_for_keeps_the_shape():
    def size(tall: int, wide: int, **asked: int) -> tuple[int, int]:
        found = plan_of(source(5, tall, wide), Target(takes=GRID, **asked))
        return found.height, found.width

    assert size(32, 48, width=96) == (64, 96)
    assert size(32, 48, height=64) == (64, 96)
    assert size(32, 48, width=80) == (48, 80)  # 53.3
    assert size(32, 48, height=48) == (48, 64)  # 72, a half: the even one
    assert size(32, 48, height=16, width=96) == (16, 96)
    assert size(16, 320, width=64) == (16, 64)
    assert size(320, 16, height=64) == (64, 16)
    wide = plan_of(source(1, 32, 36, aspect=4 / 3), Target(takes=GRID, width=96))
    assert (wide.height, wide.width, wide.source_width, wide.aspect) == (64, 96, 36, 4 / 3)
    assert plan_of(source(1, 48, 1, aspect=0.1), Target(takes=GRID, width=16, height=16)).source_width == 1


def test_a_length_and_a_rate_take_the_beginning():
    def taken(count: int, **asked: float) -> tuple[int, int, float]:
        fitted = fit_clip(source(count), Target(takes=GRID, **asked))
        return fitted.plan.source_frames, fitted.plan.num_frames, round(fitted.plan.fps, 3)

    assert taken(21, length=5, fps=8.0)[:2] == (10, 5)
    assert taken(21, length=9, fps=7.0)[:2] == (21, 9)  # 9 / 7 s are 20.57 frames
    assert taken(21, length=5) == (21, 5, 3.902)
    assert taken(20, fps=8.0)[1] == 9  # of 10 frames the longest length that fits
    assert taken(17, length=17, fps=16.0) == (17, 17, 16.0)
    assert taken(17, length=17, fps=15.95)[:2] == (17, 17)  # within a frame of its end
    assert code(lambda: taken(16, length=17, fps=15.0)) == "clip-too-short"
    assert taken(9)[1] == 9
    with pytest.raises(VaceError) as error:
        fit_clip(source(16, name="film"), Target(takes=GRID, length=21, fps=16.0))
    assert refused(error.value) == "clip-too-short: available=1, name=film, seconds=1.312"


def test_what_one_pass_takes_is_known_of_a_clip_whose_frames_are_kept():
    keep = Target(takes=RULE, all_frames=True, any_length=True)
    assert fit_clip(source(40, 64, 96), keep).most == 21
    assert fit_clip(source(40, 64, 96), Target(takes=RULE, all_frames=True, any_length=True, length=30)).most is None
    assert fit_clip(source(40, 64, 96), Target(takes=GRID, all_frames=True)).most is None
    assert code(lambda: fit_clip(source(22, 64, 96), Target(takes=RULE, all_frames=True))) == "clip-too-long"
    large = fit_clip(source(5, 64, 96), Target(takes=RULE, all_frames=True, height=128, width=192))
    assert (large.size, large.most) == ((128, 192), 21)
    small = fit_clip(source(5, 64, 96), Target(takes=RULE, all_frames=True, height=32, width=48))
    assert small.most == RULE.longest(32, 48) > 21
    assert fit_clip(source(5, 64, 96), keep, growth=2.0).size == (48, 64)


def test_pictures_take_the_size_of_the_first():
    first, second = fit_pictures([source(1, 32, 48), source(1, 90, 40)], Target(takes=GRID, length=9, fps=8.0))
    assert (first.size, second.size, first.fps) == ((32, 48), (32, 48), None)
    assert fit_clip(source(5), Target(takes=GRID)).fps == 16.0
    assert [one.plan.num_frames for one in (first, second)] == [1, 1]


# The ends of clips


def test_ends_of_clips_and_what_is_left_of_them():
    before, after = fit_ends(source(30), source(20, fps=16.0), Target(takes=GRID, length=33))
    assert (before.begin, before.plan.source_frames, before.plan.indices) == (21, 9, tuple(range(9)))
    assert (after.begin, after.plan.source_frames) == (0, 9)
    assert before.rest.indices == tuple(range(21))
    assert after.rest.indices == tuple(range(9, 20))
    assert (before.notes, after.notes, before.rest.source_frames) == ((), (), 30)
    alone, none = fit_ends(source(30), None, Target(takes=GRID, length=33))
    assert (alone.plan.num_frames, none) == (13, None)  # a half of 33 are 16
    none, alone = fit_ends(None, source(30), Target(takes=GRID, length=33), keep=30)
    assert (none, alone.plan.num_frames, alone.rest.indices) == (None, 29, (29,))
    assert alone.notes == (
        "30 frames of the clip are to be kept, and it has 30 at 16 fps: 29 are kept, the most of a length that the "
        "model takes.",
    )
    whole, _ = fit_ends(source(13), None, Target(takes=GRID, length=33), keep=13)
    assert (whole.rest, whole.notes, whole.begin) == (None, (), 0)
    one, _ = fit_ends(source(1), None, Target(takes=GRID, length=33), keep=5)
    assert (one.plan.num_frames, one.rest) == (1, None)
    tiny, _ = fit_ends(source(30), None, Target(takes=GRID))
    assert tiny.plan.num_frames == 1


def test_ends_at_another_rate():
    before, after = fit_ends(source(40), source(40, fps=8.0), Target(takes=GRID, length=21, fps=8.0))
    assert (before.begin, before.plan.source_frames, before.plan.num_frames) == (30, 10, 5)
    assert (after.plan.source_frames, after.plan.num_frames, after.rest.indices) == (5, 5, tuple(range(5, 40)))
    assert len(before.rest.indices) == 15
    assert before.rest.fps == 8.0
    near, _ = fit_ends(source(40), None, Target(takes=GRID, length=21, fps=16.1))
    assert (near.plan.source_frames, near.rest.fps) == (9, 16.0)
    follows = fit_ends(source(40, fps=24.0), source(48, fps=48.0), Target(takes=GRID, length=15))[1]
    assert (follows.plan.source_frames, follows.plan.num_frames) == (10, 5)


def test_an_end_of_a_lower_rate_is_shown_at_that_of_the_other():
    _, after = fit_ends(source(40, fps=25.0), source(40, fps=16.0), Target(takes=GRID, length=17))
    assert (after.plan.source_frames, after.plan.indices) == (3, (0, 0, 1, 2, 2))
    assert (after.plan.fps, len(after.rest.indices)) == (pytest.approx(80 / 3), 58)  # 37 frames of 16 fps at 25
    before, _ = fit_ends(source(40, fps=16.0), None, Target(takes=GRID, length=11, fps=25.0))
    assert (before.begin, before.plan.indices) == (37, (0, 0, 1, 2, 2))
    _, one = fit_ends(source(40, fps=60.0), source(40, fps=16.0), Target(takes=GRID, length=17), keep=1)
    assert (one.plan.source_frames, one.plan.indices) == (1, (0,))


def test_each_frame_of_a_film_whose_rate_varies_is_taken_once():
    lasts = torch.tensor([0.04] * 10 + [0.1] * 10, dtype=torch.float64)
    edges = torch.cat([torch.zeros(1), lasts.cumsum(0)])
    film = source(20, fps=20 / 1.4, times=torch.stack([edges[:-1], edges[1:]], 1))
    before, after = fit_ends(film, film, Target(takes=GRID, length=17, whole=True))
    assert before.rest.indices + tuple(before.begin + n for n in before.plan.indices) == tuple(range(20))
    assert after.plan.indices + after.rest.indices == tuple(range(20))
    assert {one.fps for one in (before.plan, before.rest, after.plan, after.rest)} == {20 / 1.4}


@pytest.mark.parametrize("later", [0.04, 0.025])  # the average is that of the other clip only with the second
def test_a_clip_that_begins_slowly_is_joined_at_its_own_speed(later):
    lasts = torch.tensor([0.1] * 10 + [later] * 40, dtype=torch.float64)
    edges = torch.cat([torch.zeros(1), lasts.cumsum(0)])
    film = source(50, fps=50 / float(edges[-1]), times=torch.stack([edges[:-1], edges[1:]], 1))
    _, after = fit_ends(source(40, fps=25.0), film, Target(takes=GRID, length=17))
    assert after.plan.num_frames == 5
    assert after.plan.source_frames == 2  # 0.2 s of it for 0.2 s of the result
    assert len(after.rest.indices) == round(25 * (float(edges[-1]) - 0.2))
    reverse = replace(film, times=(edges[-1] - film.times).flip(0, 1))
    before, _ = fit_ends(reverse, None, Target(takes=GRID, length=11, fps=25.0))
    assert (before.begin, before.plan.num_frames) == (48, 5)
    alone, _ = fit_ends(film, None, Target(takes=GRID, length=11))  # it decides the rate: its average
    assert (alone.plan.num_frames, alone.fps) == (5, film.fps)
    assert alone.begin == pytest.approx(50 - 5 / film.fps / later, abs=0.6)
    assert 5 + len(alone.rest.indices) == pytest.approx(50, abs=1)


def test_clips_of_two_sizes_are_refused_where_nothing_is_fitted():
    act = lambda: fit_ends(source(9), source(9, 32, 64), Target(takes=GRID, length=17))  # noqa: E731
    assert code(act) == "end-size"
    before, after = fit_ends(source(9, 64, 96), source(9, 90, 96), Target(takes=RULE, length=17))
    assert before.size == after.size == (64, 96)


def test_what_is_left_of_a_clip():
    one = source(10)
    fit = plan_exact(10, 32, 48, GRID, length=9, fps=16.0)
    assert rest_of(one, 4, 4, fit, 16.0) is None
    assert rest_of(one, 9, 10, fit, 16.0).indices == (9,)
    assert rest_of(one, 2, 6, fit, 8.0).indices == (2, 4)
    assert rest_of(one, 2, 3, fit, 4.0) is None  # shorter than half a step
    assert resampled(one.all_times(), 2, 6, 16.0) == (2, 3, 4, 5)


def test_a_part_of_a_clip():
    times = torch.tensor([[0.0, 0.1], [0.1, 0.3], [0.3, 0.4], [0.4, 0.6]], dtype=torch.float64)
    one = source(4, times=times)
    part = one.part(1, 3)
    assert part.frames[:, 0, 0, 0].tolist() == [1, 2]
    assert torch.allclose(part.times, torch.tensor([[0.0, 0.2], [0.2, 0.3]], dtype=torch.float64))
    floats = Source(frames=torch.zeros(1, 3, 7, 32, 48), fps=8.0)
    assert (floats.shape, floats.part(2, 6).shape, floats.called) == ((7, 32, 48), (4, 32, 48), "clip")
    fitted = fit_clip(source(9), Target(takes=GRID))
    assert fitted.stretch(2, 5).plan.indices == (2, 3, 4)
    padded = fit_clip(source(6), Target(takes=GRID, all_frames=True))
    assert (padded.plan.padding, padded.stretch(4, 9).plan.indices, padded.stretch(4, 9).plan.padding) == (3, (4, 5), 0)


def test_a_control_goes_through_the_fit_of_its_clip():
    before, _ = fit_ends(source(20), None, Target(takes=GRID, length=17))
    control = Source(frames=numbered(20, 64, 96), fps=16.0)
    found = fit_control(control, before)
    assert found.shape == (1, 3, 5, 32, 48)
    assert ((found[0, 0, :, 0, 0] + 1) * 127.5).round().tolist() == [15, 16, 17, 18, 19]
    assert code(lambda: fit_control(Source(frames=numbered(19), fps=16.0), before)) == "control-length"


# Masks


def test_masks_are_those_of_the_part_and_one_is_for_all():
    before, _ = fit_ends(source(20), None, Target(takes=GRID, length=17))
    masks = torch.zeros(20, 32, 48, dtype=torch.uint8)
    masks[15] = 255
    masks[16, :16] = 255
    found, notes = fit_mask(masks, before)
    assert (found.sum((0, 1, 3, 4)).tolist(), notes) == ([1536, 768, 0, 0, 0], ())
    found, _ = fit_mask(masks[15:16], before)
    assert found.sum((0, 1, 3, 4)).tolist() == [1536] * 5
    single, _ = fit_ends(source(1), None, Target(takes=GRID, length=17))
    assert fit_mask(masks[15:16], single)[0].sum() == 1536
    assert code(lambda: fit_mask(masks[:19], before)) == "mask-length"


def test_masks_of_another_size_and_soft_ones_are_said():
    one = source(2)
    masks = torch.zeros(1, 64, 96, dtype=torch.uint8)
    masks[:, :32] = 255
    found, notes = clip_mask(masks, one, name="matte")
    assert (found.shape, found.dtype, found[0, 0, 0], found[0, -1, 0]) == ((1, 32, 48), torch.uint8, 255, 0)
    assert notes[0] == "The matte of 96 x 64 was scaled to its clip's 48 x 32."
    numbers, _ = clip_mask(masks / 255, one)
    assert (numbers.dtype, float(numbers.max())) == (torch.float32, 1.0)
    hard = torch.zeros(2, 32, 48)
    hard[0] = 1
    assert clip_mask(hard, one)[1] == ()
    for level in (0.01, 0.99):
        assert clip_mask(hard.clamp(0.0, level) if level > 0.5 else hard + level * (1 - hard), one)[1] == (
            "The mask has soft values: above one half is generated.",
        )
    for level, said in ((0, 0), (1, 1), (254, 1), (255, 0)):
        assert len(clip_mask(torch.full((1, 32, 48), level, dtype=torch.uint8), one)[1]) == said


@pytest.mark.parametrize(("level", "generates"), [(127, False), (128, True)])
def test_above_one_half_is_generated(level, generates):
    masks = torch.full((3, 32, 48), level, dtype=torch.uint8)
    same, half = (plan_exact(3, 32, 48, GRID, length=1, size=size, fps=8) for size in ((32, 48), (16, 32)))
    for fit in (same, half, FitPlan(**(vars(half) | {"whole": True}))):
        assert resize_masks(masks, fit).all() == generates == resize_masks(masks, fit).any()
    assert resize_masks(masks / 255, same).all() == generates
    spot = torch.zeros(3, 32, 48)
    spot[:, 5, 7] = 1
    whole = resize_masks(spot, FitPlan(**(vars(half) | {"whole": True})))
    assert whole.nonzero().tolist() == [[0, 0, 0, 2, 4], [0, 0, 0, 2, 5]]  # wherever a pixel of it is
    assert resize_masks(spot, half).sum() == 0


# Frames


def test_frames_are_taken_scaled_and_cropped_as_planned():
    frames = numbered(9, 40, 64)
    fit = plan_exact(9, 40, 64, GRID, length=5, size=(32, 48), fps=8.0)
    assert (fit.scale, fit.scaled_size, fit.crop) == (0.8, (32, 51), Box(1, 0, 49, 32))
    found = resize_frames(frames, fit)
    assert ((found[0, 0, :, 5, 5] + 1) * 127.5).round().tolist() == list(fit.indices) == [0, 2, 4, 6, 8]
    both = resize_frames(torch.cat([found, found]), plan_exact(5, 32, 48, GRID, fps=8.0))
    assert torch.equal(both, torch.cat([found, found]))
    tall = plan_exact(9, 64, 40, GRID, size=(48, 32), fps=8.0)
    assert (tall.scaled_size, tall.crop) == ((51, 32), Box(0, 1, 32, 49))
    whole = FitPlan(**(vars(fit) | {"whole": True}))
    assert (whole.scaled_size, whole.crop, whole.resizes) == ((32, 48), Box(0, 0, 48, 32), True)
    square = FitPlan(**(vars(plan_exact(9, 32, 48, GRID, fps=8.0)) | {"aspect": 2.0}))
    assert (square.resizes, FitPlan(**(vars(square) | {"whole": True})).resizes) == (True, False)
    assert square.scaled_size == (32, 96)
    for wrong in (frames[:8], frames[:, :39], frames[..., :2], frames[None]):
        assert code(lambda wrong=wrong: resize_frames(wrong, fit)) == "plan-of-another-clip"


def test_parts_of_a_picture_keep_their_numbers_where_nothing_is_scaled():
    picture = torch.rand(3, 10, 12, generator=torch.Generator().manual_seed(3)) * 2 - 1
    assert torch.equal(resize_part(picture, (2.0, 1.0, 8.0, 7.0), (6, 6)), picture[:, 1:7, 2:8])
    moved = resize_part(picture, (2.5, 1.0, 8.5, 7.0), (6, 6))
    assert not torch.equal(moved, picture[:, 1:7, 2:8])
    double = resize_part(picture, (2.0, 1.0, 8.0, 7.0), (12, 6))
    assert double.shape == (3, 12, 6)
    assert (double.view(3, 6, 2, 6).mean(2) - picture[:, 1:7, 2:8]).abs().max() < 0.35
    both = resize_parts(torch.stack([picture, -picture], 1)[None], (0.0, 0.0, 12.0, 10.0), (5, 6))
    assert torch.allclose(both[0, :, 0], -both[0, :, 1], atol=1e-6)
    edge = torch.full((3, 4, 4), -1.0)
    edge[:, :, 2:] = 1
    assert resize_part(edge, (0.0, 0.0, 4.0, 4.0), (4, 9)).abs().max() <= 1


# Plans and what is said of them


def test_the_official_rule_at_its_limits():
    assert code(lambda: plan(0, 32, 32, RULE, fps=8)) == code(lambda: plan(1, 15, 99, RULE, fps=8)) == "clip-too-small"
    assert (plan(1, 16, 16, RULE, fps=8).height, plan(1, 31, 16, RULE, fps=8).height) == (16, 16)
    assert code(lambda: plan(1, 16, 1600, ResolutionPreset(grid=GRID, max_area=512, max_tokens=9, fps=8), fps=8)) == (
        "clip-too-narrow"
    )
    assert code(lambda: plan_exact(3, 32, 48, GRID, length=5, fps=8)) == "clip-too-short"
    assert code(lambda: plan_exact(5, 32, 0, GRID, size=(32, 48), fps=8)) == "clip-empty"
    assert plan_exact(1, 1, 1, GRID, size=(32, 48), fps=8).num_frames == 1


def test_times_of_frames():
    times, fps = frame_times(3, 4, None)
    assert (times.tolist(), fps) == ([[0.0, 0.25], [0.25, 0.5], [0.5, 0.75]], 4.0)
    given = torch.tensor([[1.0, 1.5], [1.5, 3.0]])
    assert frame_times(2, None, given)[1] == 1.0
    assert frame_times(2, 7.0, given)[1] == 7.0
    for wrong in (None, 0.0, -1.0, float("nan"), float("inf")):
        assert code(lambda wrong=wrong: frame_times(2, wrong, None)) == "fps-unknown"
    for wrong in ([[0.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.5, 2.0]], [[0.0, 1.0], [1.0, float("inf")]]):
        assert code(lambda wrong=wrong: frame_times(2, 8.0, torch.tensor(wrong))) == "times-order"
    assert frame_times(2, 8.0, torch.tensor([[0.0, 1.0], [1.5, 2.0]]))[1] == 8.0  # a gap is none of the clip
    assert code(lambda: frame_times(3, 8.0, given)) == "times-shape"


def test_reports_of_plans():
    assert report(plan_exact(5, 32, 48, GRID, fps=8.0)) == (
        "5 frames of 48 x 32 pixels at 8 fps (0.62 s) go to the model unchanged."
    )
    one = report(plan_exact(1, 64, 96, GRID, size=(32, 48), fps=8.0))
    assert one == (
        "1 frame of 96 x 64 pixels at 8 fps (0.12 s) goes to the model as 1 frame of 48 x 32 at 8 fps. The picture is "
        "scaled by 0.5 to 48 x 32, nothing is cropped."
    )
    few = report(plan_exact(13, 40, 64, GRID, length=5, size=(32, 48), fps=8.0))
    assert "scaled by 0.8 to 51 x 32, then cropped by 1 px left, 2 px right." in few
    assert "Frames dropped: 8 (1, 2, 4, 5, 7, 8, 10, 11)." in few
    many = report(plan_exact(14, 40, 64, GRID, length=5, size=(32, 64), fps=8.0))
    assert "then cropped by 4 px top, 4 px bottom." in many
    assert "Frames dropped: 9 (" in many
    assert many.count(", ...).") == 1
    whole = FitPlan(**(vars(plan_exact(5, 40, 64, GRID, size=(32, 48), fps=8.0)) | {"whole": True}))
    assert "The picture is scaled to 48 x 32, nothing is cropped." in report(whole)
    padded = report(plan_all_frames(6, 32, 48, GRID, size=(32, 48), fps=8.0))
    assert padded.endswith("The last 3 repeat the last frame to fill the length, and are dropped again.")
    assert "shown more than once" not in padded


def test_thinning_is_said_below_nine_of_ten_frames():
    def said(fps: float, frames: int = 5) -> bool:
        fit = plan_exact(5, 32, 48, GRID, fps=10.0)
        return thinning(FitPlan(**(vars(fit) | {"fps": fps, "indices": tuple(range(frames))}))) is not None

    assert [said(fps) for fps in (10.0, 9.0, 8.99)] == [False, False, True]
    assert (said(5.0, 1), said(5.0, 2)) == (False, True)


# Pictures and boxes


def test_references_at_their_limits():
    picture = torch.rand(1, 3, 1, 6, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    assert torch.equal(cover(picture, 6, 4), picture[..., 2:6])
    assert cover(picture, 3, 8).shape == (1, 3, 1, 3, 8)
    assert code(lambda: letterbox(picture, 8, 0)) == code(lambda: letterbox(picture, 0, 8)) == "frame-size"
    assert letterbox(picture, 1, 2).shape == (1, 3, 1, 1, 2)
    soft = torch.zeros(1, 1, 1, 6, 8)
    soft[..., 2, 3] = 1
    assert torch.equal(crop_subject(picture, soft), picture[..., 2:3, 3:4])
    for alpha in (-0.01, 1.01):
        assert code(lambda alpha=alpha: on_white(picture, torch.full((1, 1, 1, 6, 8), alpha))) == "alpha-values"


def test_points_become_boxes():
    points = [{"x": 0, "y": 10}, {"x": 50, "y": 0}, {"x": 100, "y": 40}]
    one, two = paths_from_json(json.dumps([points, points[:1]]), size=(100, 40), box=(20, 10))
    assert [(key.time, key.x, key.y, key.width, key.height) for key in one.keys] == [
        (0.0, 0.0, 0.25, 0.2, 0.25), (0.5, 0.5, 0.0, 0.2, 0.25), (1.0, 1.0, 1.0, 0.2, 0.25)
    ]  # fmt: skip
    assert [key.time for key in two.keys] == [0.0]
    assert len(paths_from_json(json.dumps(points), size=(100, 40), box=(20, 10))) == 1
    edge = [{"x": 1000, "y": -400}]
    assert paths_from_json(json.dumps(edge), size=(100, 40), box=(20, 10))[0].keys[0].y == -10
    for size, box in (((0, 40), (20, 10)), ((100, 40), (20, 0)), (None, (20, 10)), ((100, 40), None)):
        assert code(lambda size=size, box=box: paths_from_json(json.dumps(points), size=size, box=box)) == (
            "boxes-points-size"
        )
    key = '{"time": 0, "x": 0, "y": 0, "width": 1, "height": 1}'
    whole = f'{{"version": 1, "paths": [{{"order": 999999999999999, "keys": [{key}]}}]}}'
    assert paths_from_json(whole)[0].order == 999_999_999_999_999
    assert code(lambda: paths_from_json(whole.replace("999999999999999", "1" + "0" * 15))) == "boxes-invalid"
    assert code(lambda: paths_from_json(" " * 1_000_001)) == "boxes-too-long"
    assert code(lambda: paths_from_json(" " * 1_000_000)) == "boxes-not-json"


def test_a_grid_of_another_model_is_kept_to():
    grid = Grid(frames=8, pixels=32, patch=1)
    fit = plan_all_frames(10, 64, 96, grid, size=(64, 96), fps=8.0)
    assert (fit.num_frames, fit.padding) == (17, 7)
