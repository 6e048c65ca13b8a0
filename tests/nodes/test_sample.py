"""VACE Sample Video on a model of Wan: the library with what the node was given, shown step by step."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType
from unittest import mock

import numpy as np
import pytest
import torch
from refusal import refusal
from tiny_files import write_starter

from tests.reliability.material import FakeVae

OPTIONS = {"steps": 3, "cfg": 2.0, "shift": 5.0, "sampler": "euler", "seed": 1}
WORDS = {"prompt": "a red circle moves right on a plain gray background", "negative_prompt": "a star"}


@pytest.fixture(scope="module")
def model(pack, tmp_path_factory):
    core = pack.vace_core
    starter = core.starter.model
    loaded = starter.load_starter(folder=write_starter(tmp_path_factory.mktemp("starter"), core))
    return pack.nodes.load.managed(loaded, core.models.wan.family.WAN, starter.STARTER_OPTIONS)


def unit_of(run, length=5, height=32, width=48):
    return run("VaceTextToVideo", width=width, height=height, length=length, fps=8.0, **WORDS)[0]


@pytest.fixture
def bar():
    """What ComfyUI's bar is told, in place of its own: (done, total, picture) each time."""
    told = []

    class Bar:
        def __init__(self, total):
            assert total == 1

        def update_absolute(self, done, total, preview):
            told.append((done, total, preview))

    with _in_comfy("utils", ProgressBar=Bar):
        yield told


def _in_comfy(name, **attributes):
    """These in ComfyUI's module, or, where there is none, a module that has only them."""
    try:
        __import__(f"comfy.{name}")
    except ImportError:
        package, module = sys.modules.get("comfy", ModuleType("comfy")), ModuleType(f"comfy.{name}")
        vars(module).update(attributes)
        return mock.patch.dict(sys.modules, {"comfy": package, module.__name__: module})
    return mock.patch.multiple(f"comfy.{name}", **attributes)


def picture_of(told):
    kind, picture, most = told[2]
    assert (kind, most) == ("JPEG", 512)
    return np.array(picture).astype(int)


CHANGES = {
    "as it is": ({}, {}),
    "the shift of the model": ({"shift": 0.0}, {"shift": 3.0}),
    "other steps": ({"steps": 2}, {"steps": 2}),
    "no guidance": ({"cfg": 1.0}, {"guidance_scale": 1.0}),
    "another seed": ({"seed": 2}, {"seed": 2}),
    "another solver": ({"sampler": "unipc"}, {"solver": "unipc"}),
    "half the strength": ({"strength": 0.5}, {"strength": 0.5}),
    "from the middle": ({"start_percent": 0.5}, {"start_percent": 0.5}),
    "to the middle": ({"end_percent": 0.5}, {"end_percent": 0.5}),
    "guidance in space and time, which it has not": ({"stg": 1.0}, {}),
}


class TestWhatItSamples:
    @pytest.mark.parametrize("name", CHANGES)
    def test_it_is_the_library_with_the_same_options(self, run, pack, model, name):
        typed, meant = CHANGES[name]
        vcu = unit_of(run)
        usual = {"steps": 3, "guidance_scale": 2.0, "shift": 5.0, "solver": "euler", "seed": 1, "stg_scale": 0.0}
        with torch.inference_mode():
            wanted = pack.vace_core.pipeline.sample(model.core, vcu, replace(model.usual, **{**usual, **meant}))
        got = run("VaceSampleVideo", model=model, vcu=vcu, **{**OPTIONS, **typed})[0]["samples"]
        assert torch.equal(got, pack.vace_core.models.wan.latents.LATENTS.to_comfyui(wanted))

    def test_the_note_says_how(self, run, model):
        def said(**changed):
            return run("VaceSampleVideo", model=model, vcu=unit_of(run), **{**OPTIONS, **changed}).ui["text"][0]

        assert said(shift=0.0).split("\n")[-1] == "3 steps of euler, shift 3, cfg 2. Negative prompt: a star"
        assert said(cfg=1.0, sampler="unipc").split("\n")[-1] == "3 steps of unipc, shift 5, cfg 1."

    def test_what_the_starter_was_never_taught_is_said_first(self, run, model):
        other = run("VaceTextToVideo", width=64, height=64, length=5, fps=8.0, prompt="fox", negative_prompt="")[0]
        notes = [run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS).ui["text"][0].split("\n")
                 for vcu in (unit_of(run, 5, 64, 64), other)]  # fmt: skip
        assert len(notes[0]) == 1
        assert notes[1][0].startswith("! This is a small teaching model")
        assert notes[1][1].startswith("3 steps of euler")


class TestWhatItShows:
    @pytest.mark.parametrize(("length", "shown"), [(1, [0]), (5, [0, 1]), (9, [0, 1, 2]), (25, [0, 2, 4, 6])])
    def test_up_to_four_frames_after_every_step(self, run, pack, model, bar, length, shown):
        """Of latent frames as the VAE decodes each alone, from the first to the last, two in a row."""
        vcu = unit_of(run, length)
        samples = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)[0]["samples"]
        steps = [one for one in bar if one[1] == 3 and one[2] is not None]
        assert [one[0] for one in steps] == [1, 2, 3]
        picture = picture_of(steps[-1])
        latents = pack.vace_core.models.wan.latents.LATENTS.from_comfyui(samples)
        with torch.inference_mode():
            frames = [model.core.vae.decode(latents[:, :, [at]])[0, :, 0] for at in shown]
        down, across = -(-len(shown) // 2), min(len(shown), 2)
        assert picture.shape == (32 * down, 48 * across, 3)
        for n in range(down * across):
            row, column = divmod(n, across)
            part = picture[32 * row : 32 * (row + 1), 48 * column : 48 * (column + 1)]
            wanted = ((frames[n] + 1) * 127.5).movedim(0, -1).numpy() if n < len(frames) else 0.0
            assert np.abs(part - wanted).max() <= 1

    @pytest.mark.parametrize(("height", "by_vae"), [(128, True), (144, False)])
    def test_large_frames_are_shown_in_rough_colours(self, run, pack, model, bar, height, by_vae):
        """The VAE would take longer than the step: ComfyUI's factors of its own latents tell the colours."""
        factors, bias = torch.rand(16, 3).tolist(), [0.1, 0.2, -0.1]
        wan = type("Wan21", (), {"latent_channels": 16, "latent_rgb_factors": factors, "latent_rgb_factors_bias": bias})
        ltx = type("LTXV", (), {"latent_channels": 128, "latent_rgb_factors": None})
        with _in_comfy("latent_formats", Wan21=wan, LTXV=ltx):
            samples = run("VaceSampleVideo", model=model, vcu=unit_of(run, 1, height, 128), **OPTIONS)[0]["samples"]
        picture = picture_of([one for one in bar if one[1] == 3][-1])
        if by_vae:
            assert picture.shape == (128, 128, 3)
            return
        latents = pack.vace_core.models.wan.latents.LATENTS.from_comfyui(samples)[0, :, 0]
        wanted = torch.einsum("chw,cd->hwd", latents, torch.tensor(factors)) + torch.tensor(bias)
        assert picture.shape == (height // 8, 16, 3)
        assert np.abs(picture - ((wanted.clamp(-1, 1) + 1) * 127.5).numpy()).max() <= 1


class TestWhatItRefuses:
    def test_sigmas_without_a_level(self, run, model):
        given = {"model": model, "vcu": unit_of(run), "sigmas": torch.tensor([])}
        assert refusal(run, "VaceSampleVideo", **given) == "sigmas-empty"

    def test_a_cfg_between_the_models_own_and_none(self, run, model):
        given = {"model": model, "vcu": unit_of(run), "steps": 1}
        assert refusal(run, "VaceSampleVideo", **given, cfg=-0.5) == "cfg-below-zero: cfg=-0.5"

    def test_a_network_that_overflows(self, run, model):
        weight = model.core.expert.base.head.head.weight
        kept = weight.detach().clone()
        with torch.inference_mode():
            weight.fill_(float("nan"))
        try:
            said = refusal(run, "VaceSampleVideo", model=model, vcu=unit_of(run), **OPTIONS)
        finally:
            with torch.inference_mode():
                weight.copy_(kept)
        assert said.startswith("not-finite: ")
        assert "step=Step 1 of 3 of sampling" in said


class TestApplied:
    def test_both_texts_get_the_context_and_the_latent_has_room_for_references(self, run):
        vcu = run("VaceReferenceToVideo", references=torch.rand(2, 32, 48, 3), width=48, height=32, length=5)[0]
        texts = [[torch.full((1, 1, 8), value), {"mark": value}] for value in (1.0, 2.0)]
        given = {"positive": [texts[0]], "negative": [texts[1]], "vae": FakeVae(), "vcu": vcu}
        positive, negative, latent, trim, model = run("VaceApplyVCU", **given, strength=0.5).result
        for (text, values), (wanted, said) in zip((*positive, *negative), texts, strict=True):
            assert text is wanted
            assert said == {"mark": values["mark"]}  # what came is as it was
            assert values["vace_strength"] == [0.5]
            assert values["vace_frames"][0].shape == (1, 32, 4, 4, 6)
            assert values["vace_mask"][0].shape == (1, 64, 4, 4, 6)
        assert torch.equal(latent["samples"], torch.zeros(1, 16, 4, 4, 6))
        assert trim == 2
        assert model is None

    def test_a_vae_of_ltx_video_is_refused_with_the_way_that_works(self, run, pack):
        with torch.device("meta"):
            network = pack.vace_core.models.ltx.vae.LtxVaeNetwork(width=8)
        vae, text = FakeVae(), [[torch.zeros(1, 1, 8), {}]]
        vae.first_stage_model = network
        said = refusal(run, "VaceApplyVCU", positive=text, negative=text, vae=vae, vcu=unit_of(run), strength=1.0)
        assert said == "native-without-vace: kind=LTX-Video, needed=Wan 2.1"
