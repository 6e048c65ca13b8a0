"""Strength over steps, blocks, frames, places and references: hints act where it says and nowhere else."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import tiny
import torch
from filling import fill
from hypothesis import given
from hypothesis import strategies as st
from refused import refused
from torch.utils.flop_counter import FlopCounterMode

from vace_core import tasks
from vace_core.adapter import Attachment
from vace_core.errors import AdapterMismatchError, InputError, ShapeError
from vace_core.models.ltx.dit import GRID as LTX_GRID
from vace_core.models.wan import dit as wan
from vace_core.models.wan.dit import GRID
from vace_core.pipeline import Expert, SamplingOptions, generate, sample
from vace_core.sampling.conditions import Condition
from vace_core.sampling.schedule import NoiseSchedule
from vace_core.sampling.strength import AS_TRAINED, Strength, on_curve
from vace_core.vcu import compose

OPTIONS = SamplingOptions(steps=4, shift=3.0, guidance_scale=1.0, seed=1, solver="euler")
T, H, W = 9, 32, 48
ONE = replace(tiny.SIZES, layers=1)


@pytest.fixture(scope="module")
def model():
    return tiny.model()


@pytest.fixture(scope="module")
def unit():
    """A control to follow with two references."""
    pictures = [tiny.clip(1, H, W, seed=4), tiny.clip(1, H, W, seed=5)]
    seen = tasks.reference(pictures, num_frames=T, height=H, width=W)
    return compose(tasks.control(tiny.clip(T, H, W)), seen)


@torch.no_grad()
def velocities(strength: Strength, vcu) -> torch.Tensor:
    """Velocity `(R+t, h, w)` tokens of a base of one block, in which no token reads another's hint."""
    base, adapter = fill(wan.WanDit(ONE), 1), fill(wan.build_adapter(ONE, (0,)), 2)
    t, h, w = GRID.latent_size(vcu.num_frames, vcu.height, vcu.width)
    shape = (t + vcu.num_references, h, w)
    latents, context = (torch.randn(1, c, *shape, generator=torch.Generator().manual_seed(c)) for c in (16, 96))
    places = strength.on_tokens(vcu, GRID)
    attachment = Attachment(adapter=adapter, context=adapter.embed(context), strength=strength.overall, places=places)
    text = base.prepare_text(tiny.LetterText().encode("a"))
    acting = [attachment] if attachment.is_active(0.5) else []
    return base(latents, torch.tensor([0.5]), text, acting)[0]


def test_frames_act_where_the_curve_is_above_zero_and_nowhere_else(unit):
    with_hints, without = velocities(AS_TRAINED, unit), velocities(Strength(overall=0.0), unit)
    # Frames 0, 1..4 and 5..8: the middles lie at 0, .3125 and .8125.
    part = velocities(Strength(frames=((0.0, 0.0), (0.4, 0.0), (0.5, 1.0))), unit)
    references = unit.num_references
    assert torch.equal(part[:, references : references + 2], without[:, references : references + 2])
    assert torch.equal(part[:, references + 2 :], with_hints[:, references + 2 :])
    assert torch.equal(part[:, :references], with_hints[:, :references])  # references are no frames
    assert not torch.equal(with_hints[:, references:], without[:, references:])


def test_references_have_strengths_of_their_own(unit):
    with_hints, without = velocities(AS_TRAINED, unit), velocities(Strength(overall=0.0), unit)
    part = velocities(Strength(references=(1.0, 0.0)), unit)
    assert torch.equal(part[:, 0], with_hints[:, 0])
    assert torch.equal(part[:, 1], without[:, 1])
    assert torch.equal(part[:, 2:], with_hints[:, 2:])
    both = Strength(references=(0.0,)).on_tokens(unit, GRID)
    assert both.view(5, -1)[:2].eq(0).all()  # the last counts for those that follow


def test_space_acts_inside_the_mask_by_the_share_of_a_token_that_it_covers(unit):
    space = torch.zeros(1, 1, 1, H, W)
    space[..., :16, :16], space[..., 16:, 32:40] = 1.0, 1.0
    factors = Strength(space=space).on_tokens(unit, GRID).view(5, 2, 3)
    assert factors[2:].tolist() == [[[1.0, 0.0, 0.0], [0.0, 0.0, 0.5]]] * 3
    assert factors[:2].eq(1).all()
    with_hints, without = velocities(AS_TRAINED, unit), velocities(Strength(overall=0.0), unit)
    part = velocities(Strength(space=space), unit)
    assert torch.equal(part[:, 2:, :2, :2], with_hints[:, 2:, :2, :2])
    assert torch.equal(part[:, 2:, :2, 2:], without[:, 2:, :2, 2:])


def test_space_moves_with_the_frames_of_a_mask(unit):
    space = torch.zeros(1, 1, T, H, W)
    space[:, :, 5:7] = 1.0
    factors = Strength(space=space, frames=((0.0, 0.5),)).on_tokens(unit, GRID).view(5, 2, 3)
    assert factors[:, 0, 0].tolist() == [1.0, 1.0, 0.0, 0.0, 0.25]


@torch.no_grad()
def test_blocks_act_each_by_its_own_and_those_behind_the_last_are_not_computed(model):
    base, adapter = model.expert.base, model.expert.adapter
    latents = torch.randn(1, 16, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    context = adapter.embed(torch.randn(1, 96, 3, 4, 6, generator=torch.Generator().manual_seed(1)))
    text = base.prepare_text(tiny.LetterText().encode("a"))

    def result(*blocks: float) -> tuple[torch.Tensor, int]:
        attachment = Attachment(adapter=adapter, context=context, blocks=blocks)
        acting = [attachment] if attachment.is_active(0.5) else []
        with FlopCounterMode(display=False) as counter:
            velocity = base(latents, torch.tensor([0.5]), text, acting)
        return velocity, counter.get_total_flops()

    none, nothing = result(0.0, 0.0)
    both, work = result(1.0, 1.0)
    first, half = result(1.0, 0.0)
    last, nearly = result(0.0, 1.0)
    assert torch.equal(none, base(latents, torch.tensor([0.5]), text))
    assert torch.equal(both, result()[0])
    # The first hint alone is what an adapter of the first block alone gives.
    alone = wan.build_adapter(tiny.SIZES, (0,))
    alone.load_state_dict(adapter.state_dict(), strict=False)
    wanted = base(latents, torch.tensor([0.5]), text, [Attachment(adapter=alone, context=context)])
    assert torch.equal(first, wanted)
    assert not torch.equal(last, both)
    assert not torch.equal(last, none)
    block = (work - nothing) / 2
    assert half - nothing == pytest.approx(block)
    assert nearly == work - 2 * context.shape[1] * 128 * 128  # one projection of a hint less, no block


def test_steps_act_in_their_part_of_the_schedule_and_cost_nothing_elsewhere(model, unit):
    calls = []
    handle = model.expert.adapter.context_blocks[0].register_forward_hook(lambda *_: calls.append(1))
    late = sample(model, unit, OPTIONS, strength=Strength(steps=((0.0, 0.0), (0.49, 0.0), (0.5, 1.0))))
    handle.remove()
    assert len(calls) == 2
    assert torch.equal(late, sample(model, unit, replace(OPTIONS, start_percent=0.5)))
    falling = sample(model, unit, OPTIONS, strength=Strength(steps=((0.0, 1.0), (1.0, 0.0))))
    assert not torch.equal(falling, late)
    assert not torch.equal(falling, sample(model, unit, OPTIONS))


def test_a_strength_of_one_everywhere_is_none_to_the_bit(model, unit):
    ones = Strength(
        steps=((0.0, 1.0),),
        blocks=(1.0, 1.0),
        frames=((0.0, 1.0), (1.0, 1.0)),
        space=torch.ones(1, 1, 1, H, W),
        references=(1.0,),
    )
    assert torch.equal(sample(model, unit, OPTIONS, strength=ones), sample(model, unit, OPTIONS))


def test_overall_strengths_multiply(model, unit):
    half = sample(model, unit, replace(OPTIONS, strength=0.5))
    assert torch.equal(sample(model, unit, replace(OPTIONS, strength=2.0), strength=Strength(overall=0.25)), half)


def test_a_second_condition_adds_its_hints_at_its_own_strength(model, unit):
    plain, other = replace(unit, references=()), tasks.control(tiny.clip(T, H, W, seed=9))
    alone = sample(model, plain, OPTIONS)
    assert torch.equal(
        sample(model, plain, OPTIONS, also=[Condition(vcu=other, strength=Strength(overall=0.0))]), alone
    )
    both = sample(model, plain, OPTIONS, also=[Condition(vcu=other, strength=Strength(overall=0.4))])
    assert not torch.equal(both, alone)
    # Twice the same at a half is once.
    twice = sample(
        model, plain, OPTIONS,
        strength=Strength(overall=0.5), also=[Condition(vcu=plain, strength=Strength(overall=0.5))],
    )  # fmt: skip
    assert torch.allclose(twice, alone, atol=1e-4)


def test_a_second_condition_gets_the_references_of_the_first(model, unit):
    other = tasks.control(tiny.clip(T, H, W, seed=9))
    half = Strength(overall=0.5)
    without = sample(model, unit, OPTIONS, also=[Condition(vcu=other, strength=half)])
    given = sample(
        model, unit, OPTIONS, also=[Condition(vcu=replace(other, references=unit.references), strength=half)]
    )
    assert torch.equal(without, given)


def test_conditions_of_another_size_are_refused(model, unit):
    for wrong in (
        tasks.control(tiny.clip(5, H, W)),
        replace(tasks.control(tiny.clip(T, H, W)), references=unit.references[:1]),
    ):
        with pytest.raises(ShapeError) as error:
            sample(model, unit, OPTIONS, also=[Condition(vcu=wrong)])
        assert error.value.code == "conditions-differ"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"overall": -1.0}, "number-range"),
        ({"overall": math.nan}, "number-range"),
        ({"blocks": (1.0, -0.5)}, "number-range"),
        ({"references": (math.inf,)}, "number-range"),
        ({"steps": ((0.0, 1.0), (1.5, 1.0))}, "number-range"),
        ({"frames": ((0.0, -1.0),)}, "number-range"),
        ({"frames": ((0.5, 1.0), (0.2, 1.0))}, "curve-order"),
        ({"steps": ((0.5, 1.0), (0.5, 0.0))}, "curve-order"),
        ({"space": torch.ones(8, 8)}, "strength-space"),
        ({"space": torch.full((1, 1, 1, 8, 8), 1.5)}, "number-range"),
        ({"space": torch.full((1, 1, 1, 8, 8), math.nan)}, "not-finite"),
    ],
)
def test_what_is_no_strength_is_refused(wrong, said):
    with pytest.raises((InputError, ShapeError)) as error:
        Strength(**wrong)
    assert error.value.code == said


def test_strengths_for_another_adapter_or_video_are_refused(model, unit):
    with pytest.raises(AdapterMismatchError) as blocks:
        sample(model, unit, OPTIONS, strength=Strength(blocks=(1.0,) * 8))
    assert refused(blocks.value) == "strength-blocks: blocks=2, given=8"
    with pytest.raises(ShapeError) as space:
        sample(model, unit, OPTIONS, strength=Strength(space=torch.ones(1, 1, 2, H, W)))
    assert space.value.code == "strength-space-size"


@given(st.floats(0, 1))
def test_a_curve_is_straight_between_its_points_and_level_beyond(place):
    curve = ((0.2, 1.0), (0.6, 0.0), (0.8, 2.0))
    wanted = 1.0 if place <= 0.2 else 2.0 if place >= 0.8 else None
    if wanted is None:
        wanted = (0.6 - place) / 0.4 if place <= 0.6 else (place - 0.6) * 10
    assert on_curve(curve, place) == pytest.approx(wanted, abs=1e-9)
    assert on_curve((), place) == 1.0


@given(st.integers(1, 60), st.floats(1, 16), st.floats(0, 0.3), st.floats(0.001, 0.999))
def test_what_is_behind_a_level_is_what_led_to_it(steps, shift, terminal, percent):
    schedule = NoiseSchedule(steps=steps, shift=shift, terminal=terminal)
    assert schedule.behind(schedule.at(percent)) == pytest.approx(percent, abs=1e-6)


def test_every_pixel_frame_is_in_one_latent_frame():
    for grid, frames in ((GRID, 21), (LTX_GRID, 33)):
        ranges = [grid.frames_of(number) for number in range(grid.latent_frames(frames))]
        assert [place for begin, end in ranges for place in range(begin, end)] == list(range(frames))
    assert GRID.frames_of(0) == (0, 1)
    assert GRID.frames_of(2) == (5, 9)


def test_the_base_alone_needs_no_adapter_for_a_strength_of_zero(model, unit):
    off = sample(model, unit, OPTIONS, strength=Strength(overall=0.0))
    assert torch.equal(off, sample(model, unit, replace(OPTIONS, strength=0.0)))
    assert Expert(base=model.expert.base).adapter is None


def test_the_film_is_generated_with_it(model):
    vcu = tasks.inpaint(tiny.clip(T, H, W), torch.ones(1, 1, 1, H, W))
    assert generate(model, vcu, OPTIONS, strength=Strength(overall=0.5)).shape == (1, 3, T, H, W)
