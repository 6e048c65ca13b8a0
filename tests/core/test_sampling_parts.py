"""Sampling, number by number: what counts on each token, levels, scales, limits of options, what is pinned."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import tiny
import torch

from vace_core import tasks
from vace_core.errors import InputError, VaceError
from vace_core.models.wan.dit import GRID
from vace_core.sampling.conditions import Condition, check_adapter, conditions_of
from vace_core.sampling.guidance import PAIR_BOUNDARY, switch_experts
from vace_core.sampling.options import ALL_NOISE, AdapterOptions, SamplingOptions
from vace_core.sampling.phases import parse_scales, said_scales, scale_by_level
from vace_core.sampling.pinning import Held, behind_references, kept_cells, pinned, pinned_cells
from vace_core.sampling.progress import LATENTS, Reached, check_reached
from vace_core.sampling.schedule import NoiseSchedule, found_percent, grown_shift, percent_to_sigma, sigma_to_percent
from vace_core.sampling.strength import Strength, on_curve
from vace_core.sampling.strength_text import read_curve, read_factors


def code(act) -> str:
    with pytest.raises(VaceError) as error:
        act()
    return error.value.code


# Strength


def test_tokens_have_the_factor_of_their_place_and_time():
    pictures = [tiny.clip(1, 32, 48, seed=seed) for seed in range(3)]
    unit = tasks.reference(pictures, num_frames=9, height=32, width=48)
    assert Strength(overall=0.5, steps=((0.0, 0.0),), blocks=(0.0,)).on_tokens(unit, GRID) is None
    space = torch.linspace(0, 1, 48).expand(1, 1, 1, 32, 48)
    found = Strength(frames=((0.0, 0.0), (1.0, 1.0)), space=space, references=(0.5, 2.0)).on_tokens(unit, GRID)
    assert found.shape == (1, 36, 1)
    rows = found.view(6, 2, 3)
    assert [row.unique().tolist() for row in rows[:3]] == [[0.5], [2.0], [2.0]]
    across = space[0, 0, 0, 0].view(3, 16).mean(1)
    for row, middle in zip(rows[3:], (0.0, 2.5 / 8, 6.5 / 8), strict=True):
        assert torch.allclose(row, middle * across.expand(2, 3), atol=1e-6)
    single = tasks.text(num_frames=1, height=32, width=48)
    assert Strength(frames=((0.0, 0.25), (1.0, 1.0))).on_tokens(single, GRID).tolist() == [[[0.25]] * 6]


@pytest.mark.parametrize(("width", "fits"), [(48, True), (50, True), (51, False), (46, True), (45, False)])
def test_strength_over_space_is_of_about_the_shape_of_the_video(width, fits):
    unit, space = tasks.text(num_frames=5, height=32, width=48), torch.ones(1, 1, 1, 32, width)
    act = lambda: Strength(space=space).on_tokens(unit, GRID)  # noqa: E731
    assert act().shape == (1, 12, 1) if fits else code(act) == "strength-space-size"


def test_limits_of_strengths():
    Strength(overall=0, steps=((0, 0), (1, 3)), blocks=(0,), references=(0,), frames=((0, 0), (1, 0)))
    Strength(space=torch.tensor([0.0, 1.0]).view(1, 1, 1, 1, 2))
    for wrong in ({"space": torch.full((1, 1, 1, 2, 2), -0.1)}, {"space": torch.ones(1, 2, 1, 2, 2)},
                  {"space": torch.ones(2, 1, 1, 2, 2)}, {"frames": ((-0.1, 1),)}):  # fmt: skip
        assert code(lambda wrong=wrong: Strength(**wrong)) in ("number-range", "strength-space")
    assert on_curve(((0.25, 0.5), (0.75, 1.5)), 0.25) == 0.5
    assert [on_curve(((0.25, 0.5), (0.75, 1.5)), at) for at in (0.0, 0.5, 0.75, 1.0)] == [0.5, 1.0, 1.5, 1.5]
    assert Strength(steps=((0.0, 1.0), (1.0, 0.0))).at(0.25) == 0.75


def test_strengths_are_typed():
    assert read_curve("0:1, .5:0.25 1:2", "x") == ((0.0, 1.0), (0.5, 0.25), (1.0, 2.0))
    assert (read_curve(" 0.5 ", "x"), read_curve("", "x"), read_curve("0:0.5", "x")) == (
        ((0.0, 0.5),), (), ((0.0, 0.5),)
    )  # fmt: skip
    assert (read_factors("1,1 .5", "x"), read_factors("", "x")) == ((1.0, 1.0, 0.5), ())
    for wrong in ("0:1 2", "a", "0:1:2", "1 1"):
        assert code(lambda wrong=wrong: read_curve(wrong, "x")) == "curve-unreadable"
    assert code(lambda: read_factors("1 b", "x")) == "factors-unreadable"


# Schedules, guidance and options


def test_levels_of_a_schedule():
    assert NoiseSchedule(steps=4, shift=1.0).sigmas() == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert NoiseSchedule(steps=2, shift=1.0, denoise=0.5).sigmas() == [0.5, 0.25, 0.0]
    assert NoiseSchedule(steps=3, shift=1.0, denoise=0.4).sigmas() == pytest.approx([3 / 7, 2 / 7, 1 / 7, 0])
    assert NoiseSchedule(steps=4, shift=1.0, terminal=0.1).sigmas() == pytest.approx([1, 0.7, 0.4, 0.1, 0])
    assert NoiseSchedule(steps=1, shift=1.0, terminal=0.1).sigmas() == [1.0, 0.0]
    assert NoiseSchedule(steps=4, shift=2.0, levels=(0.5, 0.0)).sigmas() == [0.5, 0.0]
    stretched = NoiseSchedule(steps=4, shift=1.0, terminal=0.1)
    assert [stretched.at(percent) for percent in (0.0, 0.25, 1.0)] == pytest.approx([1.0, 0.7, 0.0])
    assert stretched.behind(0.7) == pytest.approx(0.25)
    one = NoiseSchedule(steps=1, shift=3.0, terminal=0.1)
    assert one.behind(0.75) == pytest.approx(0.5)
    assert percent_to_sigma(0.5, 3.0) == pytest.approx(0.75)
    assert sigma_to_percent(0.75, 3.0) == pytest.approx(0.5)
    assert grown_shift(2.0, 0.001, 1024) == 2.0
    assert grown_shift(2.0, 0.001, 2024) == pytest.approx(2 * math.e)
    assert found_percent(lambda percent: 1 - percent**2, 0.75) == 0.5
    assert [found_percent(lambda percent: 1 - percent, level) for level in (1.0, 0.0)] == [0.0, 1.0]


def test_networks_change_at_the_boundary():
    both = switch_experts(lambda *_: "high", lambda *_: "low", PAIR_BOUNDARY)
    assert [both(None, level) for level in (1.0, 0.875, 0.8749)] == ["high", "high", "low"]


def test_scales_of_steps():
    assert parse_scales("6 x 2, .5, 1.*1") == (6.0, 6.0, 0.5, 1.0)
    assert said_scales((6.0, 6.0, 1.0)) == "6 x 2, 1 x 1"
    scale = scale_by_level([1.0, 0.6, 0.3, 0.0], (5.0, 3.0, 1.0))
    assert [scale(level) for level in (1.0, 0.61, 0.59, 0.3, 0.0)] == [5, 3, 3, 1, 1]
    assert code(lambda: SamplingOptions(guidance_scales=(1.0, -0.1))) == "number-range"
    assert SamplingOptions(steps=2, guidance_scales=(0.0, 2.0)).scales == (0.0, 2.0)
    assert SamplingOptions(sigmas=(1.0, 0.5, 0.2, 0.0), guidance_scale=2.0).scales == (2.0, 2.0, 2.0)


def test_options_that_nobody_gives():
    one = SamplingOptions()
    assert (one.steps, one.shift, one.shift_growth, one.terminal, one.guidance_scale) == (50, 16.0, 0.0, 0.0, 5.0)
    assert (one.stg_scale, one.rescale, one.denoise, one.sigmas, one.solver, one.seed) == (0, 0, 1.0, (), "unipc", 2025)
    assert (one.strength, one.start_percent, one.end_percent, one.guidance_scales) == (1.0, 0.0, 1.0, ())
    assert (one.adapter, one.begins_from_clip) == (AdapterOptions(), False)
    whole = AdapterOptions().sigma_range(lambda percent: 1 / 0)
    assert (whole.start, whole.end) == (math.inf, -math.inf)
    part = AdapterOptions(start_percent=0.25, end_percent=0.75).sigma_range(lambda percent: 1 - percent)
    assert (part.start, part.end) == (0.75, 0.25)


def test_a_job_begins_from_a_clip_below_the_level_of_noise_alone():
    for level, begins in ((1.0, False), (ALL_NOISE, False), (0.998, True)):
        assert SamplingOptions(sigmas=(level, 0.5, 0.0)).begins_from_clip == begins
    assert SamplingOptions(denoise=0.99).begins_from_clip
    assert ALL_NOISE == 0.999
    for wrong in ((0.0,), (0.5, 0.5, 0.0), (0.5, 0.1), (0.2, 0.5, 0.0)):
        assert code(lambda wrong=wrong: SamplingOptions(sigmas=wrong)) == "sigmas-order"
    assert code(lambda: SamplingOptions(sigmas=(1.1, 0.0))) == "number-range"
    assert code(lambda: SamplingOptions(sigmas=(1.0, 0.0), denoise=0.9)) == "denoise-and-sigmas"
    with pytest.raises(InputError) as error:
        SamplingOptions(sigmas=(*[0.5] * 8, 0.0))
    assert error.value.fields["sigmas"].endswith("0.5, ...")
    with pytest.raises(InputError) as error:
        SamplingOptions(sigmas=(0.5,) * 8)
    assert error.value.fields["sigmas"].endswith("0.5, 0.5")


def test_no_negative_prompt_is_said_by_a_word():
    def negative(words: str, usual: str = "usual") -> str:
        unit = tasks.text(num_frames=1, height=16, width=16, negative_prompt=words)
        return SamplingOptions(negative_prompt=usual).negative_for(unit)

    assert [negative(words) for words in ("", " ", "None", "blur; none; dark", "blur")] == [
        "usual", "usual", "", "blur; dark", "blur"
    ]  # fmt: skip


# Pinning and conditions


def test_cells_are_those_of_each_clip():
    masks = torch.zeros(2, 1, 9, 16, 24)
    masks[1, 0, 4, 15, 23] = 0.5
    cells = kept_cells(masks, GRID)
    assert (~cells).nonzero().tolist() == [[1, 0, 1, 1, 2]]
    unit = replace(tasks.inpaint(tiny.clip(9, 16, 32), torch.ones(1, 1, 9, 16, 32)), references=(tiny.clip(1, 16, 32),))
    assert (pinned_cells(unit, GRID).shape, bool(pinned_cells(unit, GRID).any())) == ((1, 1, 4, 2, 4), False)
    video, context = torch.ones(1, 2, 3, 1, 1), torch.arange(20.0).view(1, 4, 5, 1, 1)
    assert behind_references(video, context)[0, :, :, 0, 0].tolist() == [[0, 1, 1, 1, 1], [5, 6, 1, 1, 1]]


def test_what_is_pinned_is_the_source_at_every_level():
    source, noise, latents = (torch.full((1, 2, 2, 1, 1), level) for level in (2.0, 4.0, 9.0))
    cells = torch.tensor([True, False]).view(1, 1, 2, 1, 1)
    seen = []

    def denoise(given, sigma):
        seen.append(given[0, 0, :, 0, 0].tolist())
        return given * 10

    found = pinned(denoise, source, noise, cells)(latents, 0.25)
    assert seen == [[0.75 * 2 + 0.25 * 4, 9]]
    assert found[0, 0, :, 0, 0].tolist() == [2, 90]
    lower = Held(latents=torch.tensor([1.0, 2, 3]), cells=torch.tensor([True, True, False]))
    upper = Held(latents=torch.tensor([7.0, 8, 9]), cells=torch.tensor([False, True, False]))
    both = lower.under(upper)
    assert (both.latents.tolist(), both.cells.tolist()) == ([1, 8, 3], [True, True, False])
    assert lower.under(None) is lower


def test_conditions_say_what_they_are(caplog):
    unit = tasks.depth(tiny.clip(5))
    first, second = conditions_of(unit, Strength(overall=0.5), [Condition(vcu=unit)])
    assert (first.strength.overall, second.strength.overall) == (0.5, 1.0)
    check_adapter(tasks.text(num_frames=5, height=32, width=48), SamplingOptions(), attached=False)
    check_adapter(unit, SamplingOptions(), attached=True)
    assert caplog.messages == []
    check_adapter(unit, SamplingOptions(strength=0.0), attached=True)
    check_adapter(unit, SamplingOptions(strength=0.0), attached=False)
    assert len(caplog.messages) == 2
    assert code(lambda: check_adapter(unit, SamplingOptions(), attached=False)) == "no-adapter"


def test_progress_is_of_one_job():
    latents, shape = torch.zeros(1, 2, 3, 4, 4), (1, 2, 3, 4, 4)
    carries = (frozenset({"a", "b"}), frozenset({"a", "b", "c"}))

    def check(steps: int, total: int, names: str, tensor: torch.Tensor = latents, **given) -> None:
        tensors = {LATENTS if name == "l" else name: tensor for name in names}
        kept = Reached(steps=steps, total=total, tensors=tensors)
        check_reached(kept, shape=shape, total=4, carries=carries, **given)

    check(1, 4, "ab")
    check(3, 4, "abc")
    check(4, 4, "l")
    for wrong in ((0, 4, "ab"), (5, 4, "ab"), (1, 5, "ab"), (1, 4, "l"), (4, 4, "ab"), (1, 4, "a"),
                  (1, 4, "ab", torch.zeros(1, 2, 3, 4, 5)), (1, 4, "")):  # fmt: skip
        assert code(lambda wrong=wrong: check(*wrong)) == "progress-other-job"
