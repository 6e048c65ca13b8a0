"""The whole method on a tiny model: seeds, kept pixels, stopping, attaching and detaching."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import tiny
import torch
from refused import refused

from vace_core import tasks
from vace_core.errors import AdapterMismatchError, InputError
from vace_core.models.wan import dit as wan
from vace_core.pipeline import Expert, SamplingOptions, generate, sample

OPTIONS = SamplingOptions(steps=3, shift=3.0, guidance_scale=2.0, seed=1)
ALONE = replace(OPTIONS, strength=0.0)  # the base without its adapter


@pytest.fixture(scope="module")
def model():
    return tiny.model()


@pytest.fixture(scope="module")
def unit():
    masks = torch.zeros(1, 1, 5, 32, 48)
    masks[..., 8:20, 10:30] = 1
    return tasks.inpaint(tiny.clip(), masks, prompt="a red fox", negative_prompt="blur")


def test_one_seed_one_result(model, unit):
    assert torch.equal(generate(model, unit, OPTIONS), generate(model, unit, OPTIONS))
    other = generate(model, unit, replace(OPTIONS, seed=2))
    assert not torch.equal(generate(model, unit, OPTIONS), other)


def test_kept_pixels_come_back_as_they_came(model, unit):
    result = generate(model, unit, OPTIONS)
    kept = unit.masks.expand_as(result) == 0
    assert torch.equal(result[kept], unit.source[kept])
    assert (result - unit.source)[~kept].abs().mean() > 0.1


def test_five_edits_one_after_the_other_change_what_they_cover_and_nothing_else(model):
    source = film = tiny.clip()
    untouched = torch.ones(1, 1, 5, 32, 48, dtype=torch.bool)
    for number in range(5):
        masks = torch.zeros(1, 1, 5, 32, 48)
        masks[..., number * 4 : number * 4 + 12, number * 7 : number * 7 + 10] = 1
        edited = generate(model, tasks.inpaint(film, masks), replace(OPTIONS, seed=number))
        kept = (masks == 0).expand_as(film)
        assert torch.equal(edited[kept], film[kept])
        assert not torch.equal(edited, film)
        film, untouched = edited, untouched & (masks == 0)
    still = untouched.expand_as(film)
    assert still.any()
    assert torch.equal(film[still], source[still])


def test_decoding_only_the_hole_changes_nothing(model, unit):
    result = generate(model, unit, OPTIONS)
    whole = model.vae.decode(sample(model, unit, OPTIONS))
    made = unit.masks.expand_as(result) == 1
    assert (result - whole)[made].abs().max() <= 1e-5


def test_references_are_dropped_before_decoding(model):
    unit = tasks.reference([tiny.clip(1, seed=4), tiny.clip(1, seed=5)], num_frames=5, height=32, width=48)
    seen = []
    result = generate(model, unit, OPTIONS, on_step=lambda index, total, denoised: seen.append(denoised.shape))
    assert result.shape == (1, 3, 5, 32, 48)
    assert seen == [(1, 16, 2, 4, 6)] * 3


def test_strength_zero_is_the_base_alone(model, unit):
    off = sample(model, unit, replace(OPTIONS, strength=0.0))
    assert torch.equal(off, sample(model.detach(), unit, ALONE))


def test_attach_and_detach_leave_the_model_as_it_was(model, unit):
    before = sample(model, unit, OPTIONS)
    detached = model.detach()
    assert not torch.equal(sample(detached, unit, ALONE), before)
    again = detached.attach(model.expert.adapter)
    assert torch.equal(sample(again, unit, OPTIONS), before)


def test_the_adapter_acts_in_its_part_of_the_schedule(model, unit):
    whole, never = sample(model, unit, OPTIONS), sample(model, unit, ALONE)
    late = sample(model, unit, replace(OPTIONS, start_percent=0.5))
    assert not torch.equal(late, whole)
    assert not torch.equal(late, never)
    one_step = [sample(model, unit, replace(OPTIONS, steps=1, end_percent=end)) for end in (0.5, 1.0)]
    assert torch.equal(*one_step)


def test_a_shift_that_grows_counts_the_tokens_of_the_clip_and_its_references(model):
    """1024 tokens have the shift that is given: shift * exp(growth * (tokens - 1024))."""
    references = [tiny.clip(1, seed=4), tiny.clip(1, seed=5)]
    unit = tasks.reference(references, num_frames=5, height=32, width=48)
    tokens = (2 + 2) * 2 * 3
    growing = replace(OPTIONS, shift=3.0, shift_growth=0.001)
    same = replace(OPTIONS, shift=3.0 * math.exp(0.001 * (tokens - 1024)), shift_growth=0.0)
    assert torch.equal(sample(model, unit, growing), sample(model, unit, same))


def test_stopping_leaves_nothing_behind(model, unit):
    before = sample(model, unit, OPTIONS)

    def stop(index: int, total: int, denoised: torch.Tensor) -> None:
        if index == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(model, unit, OPTIONS, on_step=stop)
    assert torch.equal(sample(model, unit, OPTIONS), before)


def test_a_pair_hands_over_at_its_boundary(model, unit):
    low = Expert(base=tiny.base(11), adapter=tiny.adapter(12))
    pair = replace(model, low_noise=low, boundary=0.875)
    only_high = sample(replace(pair, boundary=-1.0), unit, OPTIONS)
    only_low = sample(replace(pair, boundary=2.0), unit, OPTIONS)
    assert torch.equal(only_high, sample(model, unit, OPTIONS))
    assert torch.equal(only_low, sample(replace(model, expert=low), unit, OPTIONS))
    both = sample(pair, unit, OPTIONS)
    assert not torch.equal(both, only_high)
    assert not torch.equal(both, only_low)


@pytest.mark.parametrize(("scale", "read"), [(1.0, ["a fox"]), (2.0, ["a fox", "blurred"])])
def test_a_pair_reads_its_prompts_once_and_those_alone_that_count(model, unit, scale, read):
    text = tiny.CountingText()
    pair = replace(model, low_noise=model.expert, boundary=0.8, text=text)
    vcu = replace(unit, prompt="a fox", negative_prompt="blurred")
    options = replace(OPTIONS, guidance_scale=scale)
    assert torch.equal(sample(pair, vcu, options), sample(model, vcu, options))
    assert text.read == read


def test_a_mask_that_keeps_everything_is_refused(model):
    unit = tasks.inpaint(tiny.clip(), torch.zeros(1, 1, 5, 32, 48))
    with pytest.raises(InputError) as error:
        generate(model, unit, OPTIONS)
    assert refused(error.value) == "nothing-to-generate"


def test_an_unknown_solver_is_named(model, unit):
    with pytest.raises(InputError) as error:
        generate(model, unit, replace(OPTIONS, solver="heun"))
    assert refused(error.value) == "solver-unknown: known=unipc, euler, dpm++, name=heun"


def test_adapters_and_bases_have_to_match(model):
    wide = wan.build_adapter(wan.WanSizes(width=256, ffn=64, layers=4, text_width=32), (0, 2))
    with pytest.raises(AdapterMismatchError):
        model.attach(wide)
    with pytest.raises(InputError) as error:
        model.attach(tiny.adapter(), tiny.adapter())
    assert refused(error.value) == "adapters-count: came=Two adapters, needed=one"


def test_progress_of_encoding_and_decoding_is_told(model, unit):
    seen = []
    generate(model, unit, OPTIONS, on_chunk=lambda what, done, total: seen.append((what, done, total)))
    assert ("encode", 2, 2) in seen
    assert seen[-1] == ("decode", 2, 2)


def test_a_pair_takes_two_adapters_and_gives_both_back(model):
    pair = replace(model, low_noise=Expert(base=tiny.base(11), adapter=tiny.adapter(12)), boundary=0.875)
    bare = pair.detach()
    assert (bare.expert.adapter, bare.low_noise.adapter) == (None, None)
    first, second = tiny.adapter(21), tiny.adapter(22)
    both = bare.attach(first, second)
    assert (both.expert.adapter, both.low_noise.adapter) == (first, second)
    assert (both.expert.base, both.low_noise.base) == (pair.expert.base, pair.low_noise.base)
    for model_, given in ((bare, (first,)), (model.detach(), (first, second))):
        with pytest.raises(InputError) as error:
            model_.attach(*given)
        assert error.value.code == "adapters-count"


@pytest.mark.parametrize(
    ("how", "code"),
    [({"feather": 2}, "finish-without-source"), ({"match_colour": True}, "finish-without-source"),
     ({"blend_mode": "smooth"}, "blend-unknown"), ({"feather": -1}, "number-range")],
)  # fmt: skip
def test_how_frames_are_finished_is_checked_before_they_are_made(model, how, code):
    def made(*_):
        raise AssertionError("a step was made")

    with pytest.raises(InputError) as error:
        generate(model, tasks.text(num_frames=1, height=16, width=16), OPTIONS, on_step=made, **how)
    assert error.value.code == code
    all_of_it = tasks.inpaint(torch.zeros(1, 3, 1, 16, 16), torch.ones(1, 1, 1, 16, 16))
    with pytest.raises(InputError) as error:
        generate(model, all_of_it, OPTIONS, on_step=made, match_colour=True)
    assert error.value.code == "colours-not-comparable"
