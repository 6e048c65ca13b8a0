"""Noise levels, against the lists of the official code."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from refused import refused

from vace_core.errors import InputError
from vace_core.sampling.options import SamplingOptions
from vace_core.sampling.schedule import NoiseSchedule, percent_to_sigma, shift_sigma, sigmas
from vace_core.sampling.solvers import UNIPC_FIRST


@pytest.mark.parametrize(
    ("steps", "shift", "first", "head", "tail"),
    [
        # The official UniPC starts at 0.999, the official DPM++ at 1. Measured on Wan2.1, wan/utils/fm_solvers*.py.
        (50, 16, 0.999, [0.99994, 0.99866, 0.99734, 0.99596, 0.99453], [0.505, 0.39975, 0.24596]),
        (50, 16, 1.0, [1, 0.99873, 0.9974, 0.99603, 0.99459], [0.50526, 0.4, 0.24615]),
        (20, 5, 0.999, [0.9998, 0.98938, 0.97805, 0.96569, 0.95215], [0.46846, 0.35689, 0.20816]),
        (20, 5, 1.0, [1, 0.98958, 0.97826, 0.96591, 0.95238], [0.46875, 0.35714, 0.20833]),
        (4, 5, 0.999, [0.9998, 0.93727, 0.83306, 0.62469], []),
    ],
)
def test_noise_levels_equal_the_official_lists(steps, shift, first, head, tail):
    levels = sigmas(steps, shift, first=first)
    assert len(levels) == steps + 1
    assert levels[-1] == 0
    assert levels[: len(head)] == pytest.approx(head, abs=6e-6)
    assert levels[steps - len(tail) : steps] == pytest.approx(tail, abs=6e-6)


LTX = SamplingOptions(shift=math.exp(0.95), shift_growth=1.1 / 3072, terminal=0.1)


@pytest.mark.parametrize(
    ("steps", "tokens", "head", "tail"),
    [
        # Measured on Lightricks/LTX-Video 0.9.1, schedulers/rf.py: 97 frames of 768 x 512, and one reference more.
        (40, 4992, [1, 0.99726, 0.99439, 0.99138, 0.98822], [0.54652, 0.47613, 0.38596, 0.26634, 0.1]),
        (20, 4992, [1, 0.99312, 0.98555, 0.97718, 0.96789], [0.69201, 0.61727, 0.51299, 0.35735, 0.1]),
        (40, 5376, [1, 0.99753, 0.99495, 0.99224, 0.98939], [0.28123, 0.1]),
    ],
)
def test_a_schedule_that_grows_with_the_clip_equals_the_official_lists(steps, tokens, head, tail):
    levels = replace(LTX, steps=steps).schedule(tokens).sigmas()
    assert len(levels) == steps + 1
    assert levels[-1] == 0
    assert levels[: len(head)] == pytest.approx(head, abs=6e-6)
    assert levels[steps - len(tail) : steps] == pytest.approx(tail, abs=6e-6)


def test_a_schedule_that_nobody_stretches_or_grows_is_the_plain_one():
    options = SamplingOptions(steps=7, shift=3.0)
    assert options.schedule(10).sigmas() == options.schedule(10_000).sigmas() == sigmas(7, 3.0)
    assert options.schedule(10, first=0.999).sigmas() == sigmas(7, 3.0, first=0.999)
    assert options.schedule(10).at(0.3) == percent_to_sigma(0.3, 3.0)


@pytest.mark.parametrize("percent", [0.0, 0.25, 0.5, 0.975, 1.0])
def test_percent_counts_along_a_stretched_schedule(percent):
    schedule = replace(LTX, steps=40).schedule(4992)
    acting = sum(level > schedule.at(percent) for level in schedule.sigmas()[:-1])
    assert acting == round(percent * 40)


def test_a_schedule_begins_with_noise_alone():
    assert NoiseSchedule(steps=2, shift=1.0).sigmas() == [1.0, 0.5, 0.0]


def test_a_single_step_cannot_be_stretched():
    for first in (1.0, UNIPC_FIRST):
        schedule = replace(LTX, steps=1).schedule(4992, first=first)
        assert schedule.sigmas() == [shift_sigma(first, schedule.shift), 0.0]
        assert schedule.behind(schedule.at(0.3)) == pytest.approx(0.3)


def test_percent_counts_along_the_schedule():
    assert percent_to_sigma(0.0, 5.0) == 1.0
    assert percent_to_sigma(0.5, 5.0) == shift_sigma(0.5, 5.0)
    assert percent_to_sigma(1.0, 5.0) == 0.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: sigmas(0, 5.0),
            "number-range: needed=whole [1, inf), value=0, what=The number of steps",
        ),
        (lambda: sigmas(20, 0.0), "number-range: needed=(0, inf), value=0.0, what=The shift"),
        (
            lambda: sigmas(20, float("nan")),
            "number-range: needed=(0, inf), value=nan, what=The shift",
        ),
        (
            lambda: percent_to_sigma(1.2, 5.0),
            "number-range: needed=[0, 1], value=1.2, what=The percent",
        ),
    ],
)
def test_values_out_of_range_are_named(call, message):
    with pytest.raises(InputError) as error:
        call()
    assert refused(error.value) == message
