"""Guidance by steps and presets for distilled LoRA: what is computed, and how often."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import tiny
import torch
from refused import refused
from typer.testing import CliRunner

from vace_core import tasks
from vace_core.cli import app
from vace_core.cli.models import options_of
from vace_core.cli.options import DistilledName, Run, Wanted
from vace_core.errors import InputError
from vace_core.models.wan.family import WAN
from vace_core.models.wan.vae import VaeSizes
from vace_core.pipeline import Expert, SamplingOptions, make_noise, sample
from vace_core.preview.cost import ModelSizes, job_cost
from vace_core.sampling.guidance import guide
from vace_core.sampling.phases import parse_scales, said_scales
from vace_core.sampling.presets import DISTILLED
from vace_core.sampling.solvers import SOLVERS

OPTIONS = SamplingOptions(steps=4, shift=3.0, solver="euler", seed=3, negative_prompt="blurred")
UNIT = tasks.text(num_frames=5, height=32, width=48, prompt="a dog")


class Counting:
    """A base that counts its passes."""

    def __init__(self, base):
        self.base, self.sizes, self.passes = base, base.sizes, 0

    def prepare_text(self, text_embeds, *, fps):
        return self.base.prepare_text(text_embeds, fps=fps)

    def __call__(self, *given):
        self.passes += 1
        return self.base(*given)


def counted(**options):
    model = tiny.model(with_adapter=False)
    base = Counting(model.expert.base)
    latents = sample(replace(model, expert=Expert(base=base)), UNIT, replace(OPTIONS, strength=0, **options))
    return latents, base.passes


@torch.no_grad()
def test_guidance_in_the_first_steps_is_two_samplers_in_a_row():
    got, passes = counted(guidance_scales=(6.0, 6.0, 1.0))
    base = tiny.base()
    prompt, negative = (
        base.prepare_text(tiny.LetterText().encode(words), fps=UNIT.fps) for words in ("a dog", "blurred")
    )
    levels = OPTIONS.schedule(0).sigmas()
    euler = SOLVERS["euler"].run
    noise = make_noise(tuple(got.shape), OPTIONS.seed)
    between = euler(guide(base, prompt, negative, guidance_scale=6.0), noise, levels[:3])
    assert got.equal(euler(guide(base, prompt, negative, guidance_scale=1.0), between, levels[2:]))
    assert passes == 2 * 2 + 2


@pytest.mark.parametrize("solver", SOLVERS)
def test_steps_of_scale_one_cost_one_pass_and_the_cost_says_so(solver):
    scales = (3.0, 1.0, 2.0, 1.0)
    _, passes = counted(guidance_scales=scales, solver=solver)
    assert passes == 6
    sizes = ModelSizes(
        family=WAN,
        base=tiny.SIZES,
        context_blocks=2,
        vae=VaeSizes(width=4, blocks=1),
        weights={},
        bytes_per_number=4,
    )
    cost = job_cost(sizes, UNIT, replace(OPTIONS, guidance_scales=scales, end_percent=0.2))
    assert (cost.base_passes, cost.adapter_passes) == (6, 2)  # the adapter acts in the first step alone


def test_one_scale_for_all_is_the_same_said_twice():
    plain, _ = counted(guidance_scale=2.0)
    spelled, _ = counted(guidance_scales=(2.0,))
    assert plain.equal(spelled)


TYPED = {"": (), "6": (6.0,), "6 x 2, 1": (6.0, 6.0, 1.0), "6,3.5 ,1": (6.0, 3.5, 1.0), "2*3": (2.0,) * 3}


@pytest.mark.parametrize("typed", TYPED)
def test_scales_are_typed_with_their_steps(typed):
    assert parse_scales(typed) == TYPED[typed]


@pytest.mark.parametrize("typed", ["six", "1 x", "-1", "3 x 0", "nan", "1;2"])
def test_what_is_no_scale_is_refused(typed):
    with pytest.raises(InputError) as error:
        parse_scales(typed)
    assert refused(error.value) == f"guidance-scales-unreadable: text={typed}"


def test_scales_are_said_in_short():
    assert said_scales(replace(OPTIONS, guidance_scales=(6.0, 6.0, 1.0)).scales) == "6 x 2, 1 x 2"
    assert said_scales(OPTIONS.scales) == "5"


def test_more_scales_than_steps_are_refused():
    with pytest.raises(InputError) as error:
        replace(OPTIONS, guidance_scales=(1.0,) * 5)
    assert refused(error.value) == "guidance-scales-many: count=5, steps=4"
    with pytest.raises(InputError):
        replace(OPTIONS, guidance_scales=(-1.0,))


PUBLISHED = {  # steps, shift, solver
    "causvid-4": (4, 8.0, "unipc"),
    "causvid-8": (8, 8.0, "unipc"),
    "lightx2v-4": (4, 5.0, "euler"),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_presets_have_the_values_that_were_published(name):
    assert {*PUBLISHED} == {*DISTILLED} == {one.value for one in DistilledName}
    made = DISTILLED[name].options(WAN.options)
    assert (made.steps, made.shift, made.solver) == PUBLISHED[name]
    assert made.scales == (1.0,) * made.steps
    assert made.negative_prompt == WAN.options.negative_prompt


def test_lightx2v_visits_the_levels_it_was_distilled_for():
    """Those of its own scheduler: 1000, 750, 500 and 250 of 1000 steps, shifted by 5."""
    wanted = [5 * level / (1 + 4 * level) for level in (1.0, 0.75, 0.5, 0.25)]
    levels = DISTILLED["lightx2v-4"].options(WAN.options).schedule(0, first=SOLVERS["euler"].first).sigmas()
    assert levels == pytest.approx([*wanted, 0.0], abs=1e-12)
    assert sum(level >= 0.875 for level in levels) == 2  # of a pair, each network has two steps


def test_what_is_typed_goes_before_a_preset(tmp_path):
    wanted = Wanted(model=str(tmp_path / "none.safetensors"))
    made = options_of(wanted, Run(distilled=DistilledName.causvid_4, steps=6, cfg_steps="3 x 2, 1"))
    assert (made.steps, made.shift, made.solver, made.scales) == (6, 8.0, "unipc", (3.0, 3.0, 1.0, 1.0, 1.0, 1.0))
    with pytest.raises(InputError) as error:
        options_of(wanted, Run(cfg=2.0, cfg_steps="3"))
    assert refused(error.value) == "cfg-twice"


def test_the_command_says_the_scales_and_counts_the_passes(tmp_path):
    words = ["text", "-p", "a star", "--steps", "4", "--cfg-steps", "2 x 1, 1", "--dry-run", "--json"]
    done = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "a.mp4")])
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["options"]["guidance_scales"] == [2.0, 1.0]
    assert told["cost"]["base_passes"] == 5
    assert "cfg 2 x 1, 1 x 3" in done.stderr


def test_presets_leave_out_what_distilled_models_were_not_taught():
    usual = replace(WAN.options, stg_scale=1.0, shift_growth=0.5, guidance_scales=(3.0, 1.0), seed=7)
    for preset in DISTILLED.values():
        made = preset.options(usual)
        assert (made.stg_scale, made.shift_growth, made.guidance_scales, made.seed) == (0, 0, (), 7)
        assert not made.is_guided
    assert {name: one.strengths for name, one in DISTILLED.items()} == {
        "causvid-4": (0.3, 0.7), "causvid-8": (0.3, 0.5), "lightx2v-4": (1.0, 1.0)
    }  # fmt: skip
