"""Strengths, further conditions, pinning and less noise by VACE Sample Video: the library with what was given."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hostile_values import Drawn
from refusal import refusal
from tiny_files import write_starter

OPTIONS = {"steps": 3, "cfg": 1.0, "shift": 3.0, "sampler": "euler", "seed": 1}


@pytest.fixture(scope="module")
def model(pack, tmp_path_factory):
    core = pack.vace_core
    starter = core.starter.model
    loaded = starter.load_starter(folder=write_starter(tmp_path_factory.mktemp("starter"), core))
    return pack.nodes.load.managed(loaded, core.models.wan.family.WAN, starter.STARTER_OPTIONS)


def clip(frames=5, seed=0):
    return torch.rand(frames, 32, 48, 3, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def unit(run):
    mask = torch.zeros(5, 32, 48)
    mask[:, :, 24:] = 1
    return run("VaceInpaintVideo", images=clip(), mask=mask, fit="as it is")[0]


@pytest.fixture
def sampled(run, model):
    return lambda vcu, **values: run("VaceSampleVideo", model=model, vcu=vcu, **{**OPTIONS, **values})[0]["samples"]


@pytest.fixture
def library(pack, model):
    """What the library gives, as ComfyUI's latents."""
    core = pack.vace_core

    def call(vcu, *, begin=None, pin=False, also=(), strength=None, **changed):
        options = replace(
            model.usual, steps=3, guidance_scale=1.0, shift=3.0, solver="euler", seed=1, stg_scale=0.0, **changed
        )
        strength = core.sampling.strength.AS_TRAINED if strength is None else strength
        with torch.inference_mode():
            made = core.pipeline.sample(model.core, vcu, options, strength=strength, also=also, pin=pin, begin=begin)
        return core.models.wan.latents.LATENTS.to_comfyui(made)

    return call


class TestSampleVideo:
    def test_strengths_reach_the_library(self, run, pack, unit, sampled, library):
        mask = torch.zeros(1, 32, 48)
        mask[:, :16] = 1
        said = {"over_steps": "0:1 1:0.2", "over_frames": "0.5", "over_blocks": "1 0.5", "mask": mask, "strength": 0.9}
        given = run("VaceStrength", **said)[0]
        meant = pack.vace_core.sampling.strength.Strength(
            overall=0.9, steps=((0.0, 1.0), (1.0, 0.2)), frames=((0.0, 0.5),), blocks=(1.0, 0.5), space=mask[None, None]
        )
        made = sampled(unit, strengths=given)
        assert torch.equal(made, library(unit, strength=meant))
        assert not torch.equal(made, sampled(unit))

    def test_a_further_condition_has_its_strength_and_the_number_is_that_of_the_first(
        self, run, pack, unit, sampled, library
    ):
        other = run("VaceControlVideo", images=clip(seed=5), kind="gray", fit="as it is")[0]
        condition, strength = pack.vace_core.sampling.conditions.Condition, pack.vace_core.sampling.strength.Strength
        also = [condition(vcu=other, strength=strength(overall=0.9))]
        more = run("VaceAddCondition", vcu=other, strength=0.9)
        assert more.ui["text"] == ("1 more at strength 0.9.",)
        made = sampled(unit, strength=0.4, conditions=more[0])
        assert torch.equal(made, library(unit, strength=strength(overall=0.4), also=also))

    def test_room_is_kept_for_every_condition(self, run, pack, model, unit, sampled, monkeypatch):
        memory, asked = pack.nodes.comfy.memory, []
        room = memory._room
        monkeypatch.setattr(memory, "_room", lambda *given: asked.append(given[1:]) or room(*given))
        stack = None
        for _ in range(3):
            sampled(unit, conditions=stack)
            stack = run("VaceAddCondition", vcu=unit, conditions=stack)[0]
        activations = [memory.beside_weights(model, 12, count)[0] for count in (1, 2, 3)]
        assert activations[0] < activations[1] < activations[2]
        assert asked == [(12, 1), (12, 2), (12, 3)]

    def test_behind_a_job_the_vae_keeps_no_more_than_its_weights(self, run, model, unit, sampled):
        def held():
            found = [model.core.vae._gray_clip, *model.core.vae._gray_features.values()]
            return [one for one in found if one is not None]

        sampled(unit)
        assert not held()
        vcu = run("VaceTextToVideo", width=48, height=32, length=9, fps=16.0)[0]
        plan = run("VacePlanWindows", vcu=vcu, window=5, overlap=1)[0]
        run("VaceSampleLongVideo", model=model, vcu=vcu, plan=plan, **{**OPTIONS, "steps": 1})
        assert not held()

    def test_pinning_and_less_noise(self, pack, unit, sampled, library):
        frames = pack.nodes.comfy.bridge.frames_of(clip(seed=8), "start")
        assert torch.equal(sampled(unit, pin=True), library(unit, pin=True))
        assert torch.equal(sampled(unit, denoise=0.5), library(unit, denoise=0.5))
        started = sampled(unit, denoise=0.5, start=clip(seed=8))
        assert torch.equal(started, library(unit, denoise=0.5, begin=frames))
        assert not torch.equal(started, library(unit, denoise=0.5))

    def test_samples_of_another_sampler_to_begin_from(self, pack, run, unit, sampled):
        first = sampled(unit)
        again = sampled(unit, denoise=0.3, start={"samples": first})
        assert again.shape == first.shape
        assert (again - first).abs().mean() < (sampled(unit, seed=2) - first).abs().mean()

    def test_sigmas_take_the_place_of_steps_and_shift(self, pack, unit, sampled, library):
        levels = pack.vace_core.sampling.schedule.NoiseSchedule(steps=3, shift=3.0).sigmas()
        assert torch.equal(sampled(unit, sigmas=torch.tensor(levels, dtype=torch.float64), steps=50), sampled(unit))
        last = torch.tensor(levels[1:], dtype=torch.float64)
        assert torch.equal(sampled(unit, sigmas=last), library(unit, sigmas=tuple(levels[1:])))

    @pytest.mark.parametrize(
        ("values", "said"),
        [
            ({"start": clip(9), "denoise": 0.5}, "start-size: came=9 x 32 x 48, needed=5 x 32 x 48"),
            ({"start": clip()}, "start-without-denoise"),
            ({"sigmas": torch.tensor([0.5, 0.7, 0.0])}, "sigmas-order"),
            ({"sigmas": torch.tensor([0.5])}, "sigmas-order"),
            ({"sigmas": torch.tensor([0.5, 0.0]), "denoise": 0.5}, "denoise-and-sigmas: denoise=0.5"),
        ],
    )
    def test_what_cannot_be_begun_from_is_refused(self, run, model, unit, values, said):
        assert refusal(run, "VaceSampleVideo", model=model, vcu=unit, **{**OPTIONS, **values}).startswith(said)

    def test_nothing_to_pin_is_refused(self, run, model):
        vcu = run("VaceTextToVideo", width=48, height=32, length=5)[0]
        for values in ({"pin": True}, {"denoise": 0.5}):
            assert refusal(run, "VaceSampleVideo", model=model, vcu=vcu, **OPTIONS, **values) == "pin-without-source"

    def test_the_note_says_so(self, run, model, unit):
        def said(**values):
            made = run("VaceSampleVideo", model=model, vcu=unit, **{**OPTIONS, "steps": 1, **values})
            return made.ui["text"][0].split("\n")[-1]

        assert said(denoise=0.5) == "1 steps of euler, shift 3, denoise 0.5, cfg 1."
        assert said(sigmas=torch.tensor([0.5, 0.2, 0.0])) == "2 steps of euler, the sigmas given, cfg 1."


class TestStrength:
    def test_curves_of_comfyuis_own_editor(self, run, pack):
        given = run("VaceStrength", steps_curve=Drawn(), frames_curve=Drawn())[0]
        on_curve = pack.vace_core.sampling.strength.on_curve
        for curve in (given.steps, given.frames):
            assert [on_curve(curve, place) for place in (0.0, 0.3, 1.0)] == pytest.approx([1.0, 0.7, 0.0])
        assert refusal(run, "VaceStrength", over_steps="1", steps_curve=Drawn()) == (
            "curve-twice: drawn=steps_curve, name=over_steps"
        )

    def test_what_cannot_be_read_is_refused(self, run):
        assert refusal(run, "VaceStrength", over_frames="a:b") == "curve-unreadable: name=over_frames, value=a:b"
        assert refusal(run, "VaceStrength", over_blocks="a") == "factors-unreadable: name=over_blocks, value=a"

    def test_it_is_drawn(self, run):
        given = run("VaceStrength", over_steps="0:1 1:0")
        assert given.ui["images"]

    def test_conditions_add_up_in_order(self, run, unit):
        first = run("VaceAddCondition", vcu=unit, strength=0.4)[0]
        half = run("VaceStrength", strength=0.5)[0]
        both = run("VaceAddCondition", vcu=unit, strengths=half, conditions=first)
        assert [one.strength.overall for one in both[0].conditions] == [0.4, 0.5]
        assert both.ui["text"] == ("2 more at strength 0.4, 0.5.",)


def test_pinned_latents_of_ltx_video_are_refused(pack):
    families = pack.vace_core.models.FAMILIES
    for family in families:
        check = pack.nodes.comfy.where.check_pinning
        check("source", family)
        if family.name.startswith("Wan"):
            check("pinned", family)
            continue
        with pytest.raises(pack.vace_core.errors.InputError) as error:
            check("pinned", family)
        assert error.value.code == "pinned-latent-family"
