"""Promises of the sampling options: what cannot be is refused in words where they are born, wherever they come from."""

from __future__ import annotations

import logging
import math
from dataclasses import fields, replace

import numpy as np
import pytest
import tiny
import torch
from refused import refused

from vace_core import tasks
from vace_core.checks.numbers import Range, check_number, check_whole
from vace_core.errors import InputError, ShapeError
from vace_core.inputs.fitting import ResolutionPreset
from vace_core.models import FAMILIES
from vace_core.pipeline import generate, make_noise, sample
from vace_core.sampling.options import SamplingOptions
from vace_core.starter.model import STARTER_OPTIONS
from vace_core.vcu import compose

NUMBERS = ("shift", "shift_growth", "terminal", "guidance_scale", "stg_scale", "rescale", "denoise", "strength",
           "start_percent", "end_percent")  # fmt: skip
SHORT = SamplingOptions(steps=3, shift=3.0, guidance_scale=2.0, seed=1)
NOWHERE = "adapter-never-acts: end_percent={1}, start_percent={0}"


def refusal(**changes) -> str:
    with pytest.raises(InputError) as error:
        SamplingOptions(**changes)
    return refused(error.value)


@pytest.mark.parametrize("name", [*NUMBERS, "steps", "seed"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, "5", True, torch.ones(2)])
def test_what_is_no_finite_number_is_refused(name, value):
    assert refusal(**{name: value}).startswith("number-range: ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shift": math.nan}, "number-range: needed=(0, inf), value=nan, what=The shift"),
        ({"shift": 0.0}, "number-range: needed=(0, inf), value=0.0, what=The shift"),
        ({"guidance_scale": math.inf},
         "number-range: needed=[0, inf), value=inf, what=The guidance scale (cfg)"),
        ({"strength": -0.1}, "number-range: needed=[0, inf), value=-0.1, what=The strength"),
        ({"rescale": 1.1}, "number-range: needed=[0, 1], value=1.1, what=The rescale"),
        ({"end_percent": 1.5}, "number-range: needed=[0, 1], value=1.5, what=The end percent"),
        ({"steps": 0}, "number-range: needed=whole [1, inf), value=0, what=The number of steps"),
        ({"steps": 2.5}, "number-range: needed=whole [1, inf), value=2.5, what=The number of steps"),
        ({"seed": 2**64},
         "number-range: needed=whole [0, 18446744073709551615], value=18446744073709551616, what=The seed"),
        ({"seed": -1}, "number-range: needed=whole [0, 18446744073709551615], value=-1, what=The seed"),
        ({"start_percent": 0.6, "end_percent": 0.4}, NOWHERE.format(0.6, 0.4)),
        ({"start_percent": 0.5, "end_percent": 0.5}, NOWHERE.format(0.5, 0.5)),
        ({"start_percent": 1.0}, NOWHERE.format(1, 1)),
    ],
)  # fmt: skip
def test_a_refusal_says_what_came_and_what_is_needed(change, message):
    assert refusal(**change) == message


def test_every_number_is_checked():
    """A new option cannot go unchecked: everything that is no text is among those above."""
    kinds = {field.name: type(field.default) for field in fields(SamplingOptions)}
    assert {name for name, kind in kinds.items() if kind is not str} == {
        *NUMBERS, "steps", "seed", "guidance_scales", "sigmas",  # the last two in test_phases and test_where
    }  # fmt: skip


def test_defaults_are_those_that_the_models_were_published_with():
    wan, ltx = (family.options for family in FAMILIES)
    assert wan == SamplingOptions()
    assert (wan.steps, wan.shift, wan.guidance_scale, wan.solver, wan.seed) == (50, 16.0, 5.0, "unipc", 2025)
    assert (ltx.steps, ltx.guidance_scale, ltx.stg_scale, ltx.rescale, ltx.terminal) == (40, 3.0, 1.0, 0.7, 0.1)
    assert (ltx.solver, ltx.seed, STARTER_OPTIONS.steps, STARTER_OPTIONS.shift) == ("euler", 42, 4, 3.0)
    # The shift of LTX-Video grows from 0.95 at 1024 tokens to 2.05 at 4096, as exponents.
    for tokens, exponent in ((1024, 0.95), (4096, 2.05)):
        assert math.log(ltx.shift) + ltx.shift_growth * (tokens - 1024) == pytest.approx(exponent)
    sizes = [(one.max_area, one.max_tokens, one.fps, one.usual_frames) for one in wan_and_ltx_presets()]
    assert sizes == [(480 * 832, 32760, 16.0, 81), (720 * 1280, 75600, 16.0, 81), (512 * 768, 4992, 25.0, 97)]


def wan_and_ltx_presets() -> list[ResolutionPreset]:
    return [preset for family in FAMILIES for preset in family.presets.values()]


def test_numbers_of_numpy_are_numbers():
    options = SamplingOptions(steps=np.int64(3), shift=np.float32(3), seed=np.uint64(2**64 - 1))
    assert options.schedule(1024).sigmas() == SamplingOptions(steps=3, shift=3.0).schedule(1024).sigmas()
    assert torch.equal(make_noise((4,), options.seed), make_noise((4,), 2**64 - 1))


def test_what_models_were_published_with_is_accepted():
    for options in (*(family.options for family in FAMILIES), STARTER_OPTIONS):
        assert replace(options, seed=1).steps == options.steps


def test_the_first_and_the_last_seed_make_noise():
    noise = [make_noise((4,), SamplingOptions(seed=seed).seed) for seed in (0, 2**64 - 1)]
    assert not torch.equal(*noise)


@pytest.mark.parametrize("words", [None, 5, b"a dog"])
@pytest.mark.parametrize("name", ["prompt", "negative_prompt"])
def test_a_prompt_that_is_no_text_is_refused(name, words):
    with pytest.raises(InputError) as error:
        tasks.text(num_frames=5, height=32, width=48, **{name: words})
    assert refused(error.value) == (
        f"text-type: name={name.replace('_', ' ')}, type={type(words).__name__}, value={words!r}"
    )


def test_a_boundary_that_is_no_number_is_refused():
    with pytest.raises(InputError) as error:
        replace(tiny.model(), boundary=math.nan)
    assert refused(error.value) == "number-range: needed=(-inf, inf), value=nan, what=The boundary"


@pytest.mark.parametrize(
    ("value", "range_", "words"),
    [
        (3.5, {"least": 3, "most": 3}, "A number from 3 to 3"),
        (-1, {"least": 0}, "A finite number of 0 or more"),
        (2, {"most": 1.5}, "A number of 1.5 or less"),
        (0, {"above": 0}, "A finite number above 0"),
        (2, {"above": 0, "most": 1}, "A number above 0, up to 1"),
        (10**400, {}, "A finite number"),
    ],
)
def test_a_number_is_refused_in_one_sentence(value, range_, words):
    with pytest.raises(InputError) as error:
        check_number("The size", value, **range_)
    assert error.value.code == "number-range"
    assert words in str(error.value)


def test_the_ends_of_a_range_are_in_it_but_for_above():
    check_number("The size", 3, least=3, most=3)
    check_number("The size", math.nextafter(0, 1), above=0)
    check_whole("The size", 2**64, least=2**64, most=2**64)
    for value in (2**64 - 1, 2**64 + 1, float(2**64)):
        with pytest.raises(InputError):
            check_whole("The size", value, least=2**64, most=2**64)


# What does nothing is said


@pytest.fixture(scope="module")
def model():
    return tiny.model()


def conditioned():
    masks = torch.zeros(1, 1, 5, 32, 48)
    masks[..., 8:20, 10:30] = 1
    return {
        "2 references": tasks.reference([tiny.clip(1), tiny.clip(1)], num_frames=5, height=32, width=48),
        "1 reference": tasks.reference([tiny.clip(1)], num_frames=5, height=32, width=48),
        "a control to follow": tasks.depth(tiny.clip()),
        "pixels to keep": tasks.inpaint(tiny.clip(), masks),
        "pixels to keep and a control to follow": compose(
            tasks.inpaint(tiny.clip(), masks), tasks.depth(tiny.clip(), masks=masks)
        ),
    }


@pytest.mark.parametrize("said", conditioned())
def test_conditions_without_an_adapter_are_refused(model, said):
    with pytest.raises(InputError) as error:
        generate(model.detach(), conditioned()[said], SHORT)
    assert refused(error.value) == f"no-adapter: what={said}"


@pytest.mark.parametrize("said", ["2 references", "pixels to keep"])
def test_conditions_at_strength_zero_are_said_to_be_ignored(model, said, caplog):
    with caplog.at_level(logging.WARNING, "vace"):
        sample(model, conditioned()[said], replace(SHORT, strength=0.0))
    assert caplog.messages == [
        f"the strength is 0, so the model reads the prompt alone: it sees nothing of the VCU's {said}"
    ]


def test_a_prompt_alone_needs_no_adapter_and_no_word(model, caplog):
    unit = tasks.text(num_frames=5, height=32, width=48, prompt="a dog")
    with caplog.at_level(logging.WARNING, "vace"):
        generate(model.detach(), unit, SHORT)
        generate(model, unit, replace(SHORT, strength=0.0))
    assert caplog.messages == []


def test_a_part_of_the_schedule_without_a_step_is_refused(model):
    with pytest.raises(InputError) as error:
        sample(model, conditioned()["2 references"], replace(SHORT, start_percent=0.4, end_percent=0.6))
    assert refused(error.value) == "adapter-never-acts: end_percent=0.6, start_percent=0.4, steps=3"


def test_more_tokens_than_wan_reads_are_refused(model):
    with pytest.raises(ShapeError) as error:
        model.expert.base.prepare_text(torch.zeros(1, 513, 32))
    assert refused(error.value) == "prompt-tokens: limit=512, tokens=513"
    model.expert.base.prepare_text(torch.zeros(1, 512, 32))


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("terminal", 0, 1), ("rescale", 0, 1), ("denoise", 1e-6, 1),
     ("shift_growth", 0, 1e6), ("guidance_scale", 0, 1e6), ("stg_scale", 0, 1e6), ("strength", 0, 1e6)],
)  # fmt: skip
def test_the_ends_of_a_range_belong_to_it_and_nothing_beyond(name, least, most):
    for value in (least, most):
        SamplingOptions(**{name: value})
    for value in (least - 0.001, *((most + 0.001,) if most == 1 else ())):
        assert refusal(**{name: value}).startswith("number-range: ")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"least": 0, "most": 1_000_000, "whole": True}, "A whole number from 0 to 1000000"),
        ({"least": 0.5, "most": 1.0}, "A number from 0.5 to 1"),
        ({"above": 0, "most": 2.5}, "A number above 0, up to 2.5"),
        ({"above": 0.25}, "A finite number above 0.25"),
        ({"most": 3}, "A number of 3 or less"),
        ({"least": 1, "whole": True}, "A whole number of 1 or more"),
        ({}, "A finite number"),
    ],
)
def test_a_range_is_said_in_its_own_numbers(given, said):
    assert str(Range(**given)) == said


def test_any_scale_but_one_is_guidance():
    assert not SamplingOptions(guidance_scale=1.0).is_guided
    assert all(SamplingOptions(guidance_scale=scale).is_guided for scale in (0.0, 0.9, 1.1, 2.0))
    assert SamplingOptions(steps=3, guidance_scales=(1.0, 2.0)).scales == (1.0, 2.0, 2.0)
    assert SamplingOptions(steps=3, guidance_scales=(1.0, 2.0)).is_guided


def test_where_there_are_sigmas_they_say_how_many_steps_there_are():
    two = SamplingOptions(steps=50, sigmas=(1.0, 0.5, 0.0), guidance_scale=3.0)
    assert (two.count, two.scales) == (2, (3.0, 3.0))
    assert replace(two, guidance_scales=(2.0, 1.0)).scales == (2.0, 1.0)
    with pytest.raises(InputError) as error:
        replace(two, guidance_scales=(2.0, 2.0, 1.0))
    assert refused(error.value) == "guidance-scales-many: count=3, steps=2"
