"""Promises of fitting: the official size and length, nothing resampled twice, nothing lost without a word."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from refused import refused
from torch import Tensor
from torch.nn import functional

from vace_core.errors import InputError, ShapeError
from vace_core.geometry import Grid
from vace_core.inputs.fitted import Source, Target, fit_clip, fit_ends
from vace_core.inputs.fitted_masks import clip_mask, fit_mask
from vace_core.inputs.fitting import FitPlan, ResolutionPreset, frame_times, plan, plan_exact, report
from vace_core.inputs.resizing import resize_frames, resize_masks
from vace_core.models import FAMILIES

WAN = Grid(frames=4, pixels=8, patch=2)
PRESETS = {name: rule for family in FAMILIES for name, rule in family.presets.items()}
SMALL = ResolutionPreset(grid=WAN, max_area=64 * 64, max_tokens=80, fps=16.0)
sizes = st.tuples(st.integers(1, 120), st.integers(16, 700), st.integers(16, 700))
presets = st.sampled_from(sorted(PRESETS))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def small_plan(num_frames: int = 6, height: int = 50, width: int = 70) -> FitPlan:
    return plan_exact(num_frames, height, width, WAN, length=5, size=(32, 48), fps=10)


# From VaceVideoProcessor._get_frameid_bbox (keep_last) of ali-vilab/VACE at 48eb44f1, numpy with its pre-2.0 linspace,
# frame times i/fps .. (i+1)/fps in float32. Columns: preset, frames, height, width, fps -> length, height, width, fps,
# first dropped frames, number dropped, sum of the indices. Exact but for fps, which came in float32.
OFFICIAL = [
    ("wan-480p", 8, 270, 480, 30, 5, 256, 480, 20.0, (2, 4, 6), 3, 16),
    ("wan-480p", 82, 480, 832, 16, 81, 480, 832, 15.90184, (54,), 1, 3267),
    ("wan-480p", 300, 1080, 1920, 30000 / 1001, 81, 480, 832, 8.105417, (1, 2, 4, 5, 6, 8, 9, 10), 219, 12090),
    ("wan-480p", 163, 1869, 2160, 25, 81, 592, 672, 12.461538, (1, 3, 5, 7, 9, 11, 13, 15), 82, 6546),
    ("wan-480p", 100, 832, 480, 24, 81, 832, 480, 19.537689, (5, 10, 15, 20, 25, 30, 35, 40), 19, 3990),
    ("wan-480p", 500, 64, 64, 16, 497, 64, 64, 15.91992, (142, 285, 428), 3, 123895),
    ("wan-480p", 20, 47, 640, 16, 17, 32, 640, 13.948718, (5, 11, 16), 3, 158),
    ("wan-720p", 100, 1080, 1920, 24, 81, 720, 1280, 19.537689, (5, 10, 15, 20, 25, 30, 35, 40), 19, 3990),
    ("wan-720p", 14, 163, 36, 28, 13, 160, 32, 26.962963, (8,), 1, 83),
    ("ltx", 120, 1080, 1920, 30, 97, 480, 800, 24.351465, (5, 10, 15, 20, 25, 30, 35, 40), 23, 5748),
    ("ltx", 300, 300, 300, 30, 297, 288, 288, 29.749582, (85, 171, 256), 3, 44338),
]


@pytest.mark.parametrize("case", OFFICIAL, ids=lambda case: f"{case[0]}-{case[1]}x{case[2]}x{case[3]}")
def test_plan_is_the_official_rule(case: tuple[str, int, int, int, float, int, int, int, float, tuple[int], int, int]):
    preset, num_frames, height, width, fps, length, out_height, out_width, out_fps, first, dropped, total = case
    fit = plan(num_frames, height, width, PRESETS[preset], fps=fps)
    assert (fit.num_frames, fit.height, fit.width) == (length, out_height, out_width)
    assert fit.fps == pytest.approx(out_fps, rel=1e-6)
    assert (fit.dropped[:8], len(fit.dropped), sum(fit.indices)) == (first, dropped, total)


@settings(deadline=None)
@given(n=st.integers(0, 30), rows=st.integers(1, 30), columns=st.integers(1, 52), fps=st.floats(1, 240))
def test_a_clip_that_fits_stays_as_it_is(n: int, rows: int, columns: int, fps: float):
    length = 4 * n + 1 if n <= 20 else 1
    fit = plan(length, 16 * rows, 16 * columns, PRESETS["wan-480p"], fps=fps)
    assert fit.indices == tuple(range(length))
    assert (fit.height, fit.width, fit.fps) == (16 * rows, 16 * columns, fps)
    assert report(fit).endswith(" to the model unchanged.")


@settings(deadline=None)
@given(size=sizes, preset=presets, fps=st.floats(1, 120))
def test_every_plan_is_a_clip_that_the_model_takes(size: tuple[int, int, int], preset: str, fps: float):
    rule = PRESETS[preset]
    assume(min(size[1:]) >= rule.grid.step)
    fit = plan(*size, rule, fps=fps)
    rule.grid.check(fit.num_frames, fit.height, fit.width)
    assert fit.height * fit.width <= rule.max_area
    assert rule.grid.tokens(fit.num_frames, fit.height, fit.width) <= rule.max_tokens
    assert fit.indices == tuple(sorted(set(fit.indices)))
    assert fit.indices[0] == 0
    assert fit.num_frames == 1 or fit.indices[-1] == size[0] - 1
    # Rounding the number of columns may add part of a block to a tiny clip, never more.
    assert fit.height <= size[1]
    assert fit.width < size[2] + rule.grid.step


@settings(deadline=None)
@given(size=sizes, preset=presets)
def test_the_scaled_picture_covers_the_result_and_the_crop_is_its_centre(size: tuple[int, int, int], preset: str):
    assume(min(size[1:]) >= PRESETS[preset].grid.step)
    fit = plan(*size, PRESETS[preset], fps=16)
    (height, width), crop = fit.scaled_size, fit.crop
    assert (crop.height, crop.width) == (fit.height, fit.width)
    assert height - crop.bottom - crop.top in (0, 1)
    assert width - crop.right - crop.left in (0, 1)
    # One side is met exactly, up to rounding; the aspect error stays below one pixel.
    assert min(height - fit.height, width - fit.width) == 0
    assert abs(height - fit.scale * size[1]) <= 0.5
    assert abs(width - fit.scale * size[2]) <= 0.5


@settings(deadline=None)
@given(gaps=st.lists(st.sampled_from([0.02, 0.04, 0.1, 0.5]), min_size=2, max_size=60))
def test_variable_rate_takes_the_frame_that_shows_at_each_time(gaps: list[float]):
    ends = torch.tensor(gaps, dtype=torch.float64).cumsum(0)
    times = torch.stack([torch.cat([torch.zeros(1, dtype=torch.float64), ends[:-1]]), ends], dim=1)
    fit = plan(len(gaps), 64, 64, PRESETS["wan-480p"], times=times)
    start, end = times.float().double().T
    last = float(times[-1].float().mean())
    moments = [i * (last / (fit.num_frames - 1)) for i in range(fit.num_frames - 1)] + [last]
    shown = [min(i for i in range(len(gaps)) if start[i] <= moment <= end[i]) for moment in moments[1:]]
    assert fit.indices == (0, *shown)[: fit.num_frames] or fit.num_frames == 1
    assert fit.source_fps == pytest.approx(len(gaps) / float(ends[-1]))


def test_times_may_start_anywhere():
    times = torch.tensor([[0.0, 0.1], [0.1, 0.5], [0.5, 0.6], [0.6, 0.7], [0.7, 1.2], [1.2, 1.3]])
    expected = plan(6, 32, 32, SMALL, times=times)
    assert plan(6, 32, 32, SMALL, times=times.double() + 100).indices == expected.indices == (0, 1, 3, 4, 5)
    _, fps = frame_times(6, None, times.double() + 100)
    assert fps == pytest.approx(6 / 1.3)


def test_frames_shown_twice_are_reported():
    times = torch.tensor([[0.0, 0.1], [0.1, 2.0], [2.0, 2.1], [2.1, 2.2], [2.2, 2.3]])
    fit = plan(5, 32, 32, SMALL, times=times)
    assert fit.indices == (0, 1, 1, 1, 4)
    assert (fit.dropped, fit.repeated) == ((2, 3), (1,))
    assert report(fit) == (
        "5 frames of 32 x 32 pixels at 2.174 fps (2.30 s) go to the model as 5 frames of 32 x 32 at 2.222 fps. "
        "Frames dropped: 2 (2, 3). Frames shown more than once: 1 (1)."
    )


def test_report_names_everything_that_is_lost():
    assert report(plan(300, 1080, 1930, PRESETS["wan-480p"], fps=30)) == (
        "300 frames of 1930 x 1080 pixels at 30 fps (10.00 s) go to the model as 81 frames of 832 x 480 at 8.114 fps. "
        "The picture is scaled by 0.4444 to 858 x 480, then cropped by 13 px left, 13 px right. "
        "Frames dropped: 219 (1, 2, 4, 5, 6, 8, 9, 10, ...)."
    )
    assert report(plan_exact(1, 32, 32, WAN, size=(64, 64), fps=16)) == (
        "1 frame of 32 x 32 pixels at 16 fps (0.06 s) goes to the model as 1 frame of 64 x 64 at 16 fps. "
        "The picture is scaled by 2 to 64 x 64, nothing is cropped."
    )


def test_exact_keeps_what_is_not_asked_for():
    fit = plan_exact(9, 64, 48, WAN, length=5, fps=8)
    assert (fit.indices, fit.height, fit.width) == ((0, 2, 4, 6, 8), 64, 48)
    fit = plan_exact(9, 64, 48, WAN, size=(32, 32), fps=8)
    assert (fit.indices, fit.height, fit.width, fit.fps) == (tuple(range(9)), 32, 32, 8)


def test_bytes_are_scaled_as_the_official_processor_scales_them():
    frames, fit = noise(6, 50, 70, 3), small_plan()
    assert fit.scaled_size == (34, 48)
    scaled = functional.interpolate(
        frames[list(fit.indices)].permute(0, 3, 1, 2), size=(34, 48), mode="bicubic", antialias=True
    )
    expected = scaled[:, :, 1:33].transpose(0, 1)[None].float() / 127.5 - 1
    assert torch.equal(resize_frames(frames, fit), expected)


def test_numbers_that_stand_for_bytes_are_scaled_as_bytes():
    frames = noise(6, 50, 70, 3)
    as_numbers = frames.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    assert torch.equal(resize_frames(as_numbers, small_plan()), resize_frames(frames, small_plan()))
    both = resize_frames(torch.cat([as_numbers, -as_numbers]), small_plan())
    halves = [resize_frames(one, small_plan()) for one in (frames, 255 - frames)]
    assert torch.equal(both, torch.cat(halves))


def test_other_numbers_are_scaled_as_numbers():
    ramp = torch.linspace(0, 255, 70)[None, None, :, None].expand(6, 50, 70, 3) * torch.tensor([1.0, 0.5, 0.2])
    as_bytes = resize_frames(ramp.round().to(torch.uint8), small_plan())
    fitted = resize_frames(ramp.permute(3, 0, 1, 2)[None] / 127.5 - 1, small_plan())
    assert 0 < (fitted - as_bytes).abs().max() <= 2 / 255
    levels = (fitted + 1) * 127.5
    assert (levels - levels.round()).abs().max() > 0.1


def test_numbers_never_leave_the_range():
    frames = (noise(1, 3, 6, 50, 70).float() > 127).float() * 2 - 1
    fitted = resize_frames(frames, small_plan())
    assert (fitted.min().item(), fitted.max().item()) == (-1.0, 1.0)


def test_frames_that_keep_their_size_keep_every_value():
    frames = noise(6, 32, 48, 3)
    fit = plan_exact(6, 32, 48, WAN, length=5, fps=10)
    expected = frames[list(fit.indices)].permute(3, 0, 1, 2)[None].float() / 127.5 - 1
    assert torch.equal(resize_frames(frames, fit), expected)
    assert torch.equal(
        resize_frames(expected.repeat(2, 1, 1, 1, 1), plan(5, 32, 48, SMALL, fps=10)), expected.repeat(2, 1, 1, 1, 1)
    )


def test_the_input_is_not_changed():
    frames, masks = noise(6, 50, 70, 3), noise(6, 50, 70).float() / 255
    before = frames.clone(), masks.clone()
    numbers = resize_frames(frames, plan_exact(6, 50, 70, WAN, length=5, size=(32, 48), fps=10))
    kept = numbers.clone()
    resize_frames(numbers, plan_exact(5, 32, 48, WAN, fps=10)).zero_()
    resize_masks(masks, small_plan())
    for after, original in zip((frames, masks, numbers), (*before, kept), strict=True):
        assert torch.equal(after, original)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), height=st.integers(16, 90), width=st.integers(16, 90))
def test_masks_go_through_the_geometry_of_the_frames(seed: int, height: int, width: int):
    fit = plan_exact(6, height, width, WAN, length=5, size=(32, 48), fps=10)
    levels = noise(6, height, width, seed=seed)
    frames = levels[..., None].expand(-1, -1, -1, 3)
    expected = (resize_frames(frames, fit)[:, :1] > 0).float()
    assert torch.equal(resize_masks(levels.float() / 255, fit), expected)


def test_one_mask_counts_for_the_whole_clip():
    mask = torch.zeros(1, 50, 70)
    mask[:, :, 35:] = 1
    fitted = resize_masks(mask, small_plan())
    assert fitted.shape == (1, 1, 5, 32, 48)
    assert torch.equal(fitted, resize_masks(mask.expand(6, -1, -1), small_plan()))
    assert torch.equal(fitted, resize_masks(mask.expand(6, -1, -1)[None, None].bool(), small_plan()))
    assert fitted.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plan(5, 8, 640, PRESETS["wan-480p"], fps=16),
            "clip-too-small: height=8, num_frames=5, step=16, width=640",
        ),
        (
            lambda: plan(5, 16, 1_000_000, PRESETS["wan-480p"], fps=16),
            "clip-too-narrow: height=16, max_area=399360, step=16, width=1000000",
        ),
        (
            lambda: plan(5, 32, 32, SMALL),
            "fps-unknown: fps=None",
        ),
        (
            lambda: plan(5, 32, 32, SMALL, fps=math.nan),
            "fps-unknown: fps=nan",
        ),
        (
            lambda: plan(5, 32, 32, SMALL, times=torch.zeros(5, 2)),
            "times-order",
        ),
        (
            lambda: plan_exact(20, 32, 32, WAN, length=33, fps=16),
            "clip-too-short: length=33, nearest=17, num_frames=20",
        ),
        (
            lambda: plan_exact(5, 0, 32, WAN, size=(32, 32), fps=16),
            "clip-empty: height=0, num_frames=5, width=32",
        ),
        (
            lambda: resize_masks(torch.full((6, 50, 70), 255.0), small_plan()),
            "mask-values: high=255, low=255",
        ),
        (
            lambda: resize_masks(torch.full((6, 50, 70), math.nan), small_plan()),
            "mask-values: high=nan, low=nan",
        ),
    ],
)
def test_input_errors_say_what_came_and_what_to_do(call: object, message: str):
    with pytest.raises(InputError) as error:
        call()  # type: ignore[operator]
    assert refused(error.value) == message


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: plan(5, 32, 32, SMALL, times=torch.zeros(4, 2)),
            "times-shape: num_frames=5, shape=(4, 2)",
        ),
        (
            lambda: plan_exact(20, 32, 32, WAN, length=18, fps=16),
            "length-for-model: choice=17 or 21, lengths=4n + 1, num_frames=18, some=1, 5, 9",
        ),
        (
            lambda: plan_exact(5, 32, 32, WAN, size=(32, 40), fps=16),
            "size-for-model: choice=32 or 48, name=width, size=40, step=16",
        ),
        (
            lambda: resize_frames(noise(5, 50, 70, 3), small_plan()),
            "plan-of-another-clip: name=frames, needed=6, 50, 70, 3, shape=(5, 50, 70, 3)",
        ),
        (
            lambda: resize_frames(torch.zeros(0, 3, 6, 50, 70), small_plan()),
            "plan-of-another-clip: name=frames, needed=B, 3, 6, 50, 70, shape=(0, 3, 6, 50, 70)",
        ),
        (
            lambda: resize_frames(torch.zeros(1, 1, 6, 50, 70), small_plan()),
            "plan-of-another-clip: name=frames, needed=B, 3, 6, 50, 70, shape=(1, 1, 6, 50, 70)",
        ),
        (
            lambda: resize_masks(torch.zeros(6, 50, 64), small_plan()),
            "plan-of-another-clip: name=masks, needed=B, 1, 6, 50, 70, shape=(1, 1, 6, 50, 64)",
        ),
        (
            lambda: resize_masks(torch.zeros(50, 70), small_plan()),
            "plan-of-another-clip: name=masks, needed=B, 1, 6, 50, 70, shape=(50, 70)",
        ),
    ],
)
def test_shape_errors_say_what_came_and_what_to_do(call: object, message: str):
    with pytest.raises(ShapeError) as error:
        call()  # type: ignore[operator]
    assert refused(error.value) == message


@pytest.mark.parametrize(
    ("size", "aspect", "fits"),
    [
        ((32, 48), 1.0, True), ((16, 24), 1.0, True), ((64, 96), 1.0, True), ((16, 48), 1.0, False),
        ((16, 24), 2.0, True),  # as the clip is stored
        ((16, 48), 2.0, True),  # as it is shown
        ((16, 36), 2.0, False), ((32, 24), 0.5, True), ((48, 24), 0.5, False),
        ((15, 24), 1.0, True), ((14, 24), 1.0, False),  # a pixel of the smaller of the two is rounding
        ((66, 96), 1.0, True), ((67, 96), 1.0, False),
    ],
)  # fmt: skip
def test_a_mask_of_another_size_has_the_shape_of_its_clip(size, aspect, fits):
    source = Source(frames=noise(2, 32, 48, 3), fps=16.0, aspect=aspect)
    masks = torch.zeros(2, *size)
    masks[1, : size[0] // 2] = 1
    if not fits:
        with pytest.raises(ShapeError) as error:
            clip_mask(masks, source)
        assert error.value.code == "mask-aspect"
        return
    found, notes = clip_mask(masks, source)
    assert found.shape == (2, 32, 48)
    assert (found[0].max(), found[1, :12].min(), found[1, 20:].max()) == (0, 1, 0)
    assert notes[:1] == (
        () if size == (32, 48) else (f"The mask of {size[1]} x {size[0]} was scaled to its clip's 48 x 32.",)
    )
    as_bytes, _ = clip_mask((masks * 255).byte(), source)
    assert torch.equal(as_bytes, (found * 255).round().byte())


def test_soft_values_of_a_mask_are_said():
    source, masks = Source(frames=noise(2, 4, 6, 3), fps=16.0), torch.ones(2, 4, 6)
    assert clip_mask(masks, source)[1] == clip_mask(masks.byte() * 255, source)[1] == ()
    for soft in (torch.where(masks > 0, 0.9, 0.0), masks.byte() * 254, masks.byte() * 128):
        assert clip_mask(soft, source)[1] == ("The mask has soft values: above one half is generated.",)


@pytest.mark.parametrize(("level", "said"), [(1, "0.4%"), (76, "29.8%"), (127, "49.8%")])
def test_a_mask_that_is_too_dark_to_generate_anything_is_said(level, said):
    """As one painted in red is, and one of the numbers 0 and 1."""
    source, masks = Source(frames=noise(2, 4, 6, 3), fps=16.0), torch.zeros(2, 4, 6, dtype=torch.uint8)
    masks[:, 1:3] = level
    for came in (masks, masks / 255):
        (note,) = clip_mask(came, source)[1]
        assert note.startswith(f"The mask is nowhere brighter than {said} of white")


@pytest.mark.parametrize(("low", "high"), [(-0.5, 1.0), (0.0, 1.5), (-0.01, 0.5), (float("nan"), 1.0)])
def test_masks_below_0_or_above_1_are_refused(low, high):
    masks = torch.full((6, 50, 70), high)
    masks[0, 0, 0] = low
    with pytest.raises(InputError) as error:
        resize_masks(masks, small_plan())
    assert error.value.code == "mask-values"


def test_a_part_of_a_clip_begins_at_0_seconds():
    times = torch.tensor([[0.0, 0.1], [0.1, 0.4], [0.4, 0.5], [0.5, 0.9]], dtype=torch.float64)
    source = Source(frames=noise(4, 4, 6, 3), fps=5.0, times=times)
    part = source.part(1, 3)
    assert torch.allclose(part.times, torch.tensor([[0.0, 0.3], [0.3, 0.4]], dtype=torch.float64))
    assert torch.equal(part.frames, source.frames[1:3])
    numbers = Source(frames=torch.rand(1, 3, 4, 4, 6), fps=5.0).part(2, 4)
    assert (numbers.frames.shape, numbers.times) == ((1, 3, 2, 4, 6), None)
    assert torch.allclose(numbers.all_times(), torch.tensor([[0.0, 0.2], [0.2, 0.4]], dtype=torch.float64))


@pytest.mark.parametrize("count", [12, 1])
def test_the_masks_of_a_part_are_those_of_its_frames_and_one_is_for_all(count):
    clip = Source(frames=noise(12, 32, 48, 3), fps=16.0)
    fitted = replace(fit_clip(clip.part(4, 9), Target(takes=WAN)), source=clip, begin=4)
    levels = torch.zeros(count, 32, 48)
    levels[min(4, count - 1)] = 1
    masks, notes = fit_mask(levels, fitted)
    assert (masks[0, 0].amax((1, 2)).tolist(), notes) == ([1.0, 0, 0, 0, 0] if count > 1 else [1.0] * 5, ())


@pytest.mark.parametrize(("both", "keep", "kept"), [(True, None, 5), (False, None, 9), (True, 9, 9), (False, 2, 1)])
def test_of_each_end_a_third_is_kept_and_of_one_a_half(both, keep, kept):
    clip = Source(frames=noise(40, 32, 48, 3), fps=16.0)
    target = Target(takes=WAN, length=25)
    first, last = fit_ends(clip, clip if both else None, target, keep=keep)
    assert (first.plan.num_frames, first.begin) == (kept, 40 - kept)
    assert (last is None) == (not both)
    if last is not None:
        assert (last.plan.num_frames, last.begin) == (kept, 0)
    assert bool(first.notes) == (keep == 2)


def test_one_frame_of_an_end_is_kept_at_a_higher_rate_too():
    clip = Source(frames=noise(8, 32, 48, 3), fps=8.0)
    first, last = fit_ends(clip, clip, Target(takes=WAN, length=9, fps=24.0), keep=1)
    assert [(one.plan.indices, one.begin, one.taken.shape[0]) for one in (first, last)] == [((0,), 7, 1), ((0,), 0, 1)]


def test_a_size_below_one_block_is_refused_by_what_the_model_needs():
    clip = Source(frames=noise(8, 64, 96, 3), fps=16.0)
    with pytest.raises(ShapeError) as error:
        fit_clip(clip, Target(takes=next(iter(FAMILIES[0].presets.values())), all_frames=True, height=10, width=48))
    assert error.value.code == "size-for-model"
