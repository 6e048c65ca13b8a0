"""What would do nothing, or is cut, is refused by the nodes or said in their notes."""

from __future__ import annotations

import math
from threading import Thread
from types import SimpleNamespace

import pytest
import torch
from native_parts import Clip
from refusal import refusal
from tiny_files import write_starter

SIZE = {"width": 48, "height": 32, "length": 5}
OPTIONS = {"steps": 3, "cfg": 2.0, "shift": 3.0, "sampler": "euler", "seed": 1}
NOWHERE = "adapter-never-acts: end_percent=0.4, start_percent=0.6"
WRONG = {
    "start behind the end": ({"start_percent": 0.6, "end_percent": 0.4}, NOWHERE),
    "no strength": (
        {"strength": math.nan},
        "number-range: needed=[0, 10], value=nan, what=strength",
    ),
    "no start": (
        {"start_percent": math.nan},
        "number-range: needed=[0, 1], value=nan, what=start_percent",
    ),
    "no end": (
        {"end_percent": math.nan},
        "number-range: needed=[0, 1], value=nan, what=end_percent",
    ),
}


@pytest.fixture(scope="module")
def model(pack, tmp_path_factory):
    core = pack.vace_core
    folder = write_starter(tmp_path_factory.mktemp("starter"), core)
    starter = core.starter.model
    return pack.nodes.load.managed(
        starter.load_starter(folder=folder), core.models.wan.family.WAN, starter.STARTER_OPTIONS
    )


@pytest.fixture
def unit(run):
    return run("VaceReferenceToVideo", references=torch.rand(2, 32, 48, 3), **SIZE, prompt="a red circle")[0]


@pytest.mark.parametrize("wrong", WRONG)
def test_sampling_and_attaching_refuse_alike(run, pack, tmp_path, model, unit, wrong):
    values, message = WRONG[wrong]
    assert refusal(run, "VaceSampleVideo", model=model, vcu=unit, **{**OPTIONS, **values}) == message
    native = SimpleNamespace(clone=len, get_model_object=len)  # refused before anything is asked of it
    adapter = pack.nodes.comfy.sockets.AdapterFile(path=tmp_path / "adapter.safetensors")
    attach = {"model": native, "adapter": adapter, "vcu": unit, "vae": model, **values}
    assert refusal(run, "VaceAttachAdapter", **attach) == message


def test_an_adapter_that_acts_in_no_step_is_refused(run, model, unit):
    part = {"start_percent": 0.4, "end_percent": 0.6}
    assert refusal(run, "VaceSampleVideo", model=model, vcu=unit, **OPTIONS, **part) == (
        "adapter-never-acts: end_percent=0.6, start_percent=0.4, steps=3"
    )


def test_references_that_nothing_reads_are_said_in_the_note(run, model, unit):
    (note,) = run("VaceSampleVideo", model=model, vcu=unit, **OPTIONS, strength=0.0).ui["text"]
    assert note.split("\n")[1:] == [
        "The strength is 0, so the model reads the prompt alone: it sees nothing of the VCU's 2 references.",
    ]
    (note,) = run("VaceSampleVideo", model=model, vcu=unit, **OPTIONS).ui["text"]
    assert "\n" not in note


def test_conditions_without_an_adapter_are_refused(run, pack, model, unit):
    family = pack.vace_core.models.wan.family.WAN
    plain = pack.nodes.load.managed(model.core.detach(), family, model.usual)
    assert refusal(run, "VaceSampleVideo", model=plain, vcu=unit, **OPTIONS) == "no-adapter: what=2 references"


class Tokens(Clip):
    """A CLIP with tokens as ComfyUI gives them: numbers with weights, the end token, filled up to what is usual."""

    def __init__(self, name, usual):
        self.name, self.usual, self.read = name, usual, []

    def tokenize(self, text):
        numbers = [ord(letter) for letter in text] + [1]
        return {self.name: [[(n, 1.0) for n in numbers + [0] * (self.usual - len(numbers))]]}

    def encode_from_tokens_scheduled(self, tokens):
        self.read += tokens[self.name]
        return super().encode_from_tokens_scheduled("a")


@pytest.mark.parametrize(
    ("name", "usual", "reader", "most"),
    [("umt5xxl", 512, "Wan", 511), ("t5xxl", 128, "LTX-Video", 127), ("t5xxl", 700, "LTX-Video", 127)],
)
def test_a_prompt_that_is_too_long_is_cut_before_its_end_token_and_that_is_said(run, name, usual, reader, most):
    clip = Tokens(name, usual)
    vcu = run("VaceTextToVideo", **SIZE, prompt="a" * 600)[0]
    (note,) = run("VaceEncodePrompt", clip=clip, vcu=vcu).ui["text"]
    assert (
        f"The prompt has 600 tokens, and {reader} reads {most}: its last {600 - most} were cut. Put what matters "
        "first, or say it in fewer words." in note.split("\n")
    )
    assert [number for number, _ in clip.read[0]] == [ord("a")] * most + [1]


@pytest.mark.parametrize("length", [0, 5, 511])
def test_a_prompt_that_fits_is_left_as_it_is(run, length):
    clip = Tokens("umt5xxl", 512)
    vcu = run("VaceTextToVideo", **SIZE, prompt="a" * length, negative_prompt="a" * length)[0]
    out = run("VaceEncodePrompt", clip=clip, vcu=vcu)
    assert clip.read[0] == clip.tokenize("a" * length)["umt5xxl"][0]
    assert "cut" not in str(out.ui)


def test_an_adapter_for_low_noise_without_a_model_for_it_is_refused(run, pack, tmp_path):
    """As a LoRA for low noise is: the one model would sample all levels without it."""
    adapter = pack.nodes.comfy.sockets.AdapterFile(path=tmp_path / "low.safetensors")
    names = dict.fromkeys(("model", "vae", "text_encoder"), "one.safetensors")
    said = refusal(run, "VaceLoadModel", **names, low_noise_model="none", low_noise_adapter=adapter)
    assert said == "low-noise-adapter-alone: adapter=low.safetensors"


def test_a_note_is_of_the_node_that_runs(pack):
    """What fails in an editor's request meanwhile is in ComfyUI's log alone."""

    def request():
        pack.nodes.comfy.routes.answered(lambda said: 1 / 0, {})

    with pack.nodes.comfy.node.captured_warnings() as said:
        other = Thread(target=request)
        other.start()
        other.join()
        assert said == []
        request()
    assert said == ["A request of an editor failed: ZeroDivisionError: division by zero."]


def test_what_was_said_before_is_not_left_standing(run):
    """A node shows its last notes until it says something else, so that it must say something after a warning."""
    after_preset = run("VaceSamplingOptions", distilled="off").ui["text"]
    assert after_preset == ("No preset, nothing is changed.",)
    assert run("VaceSamplingOptions", cfg_steps="6 x 2, 1").ui["text"] == ("No preset, cfg 6 x 2, 1 x 1.",)
    assert run("VaceStrength").ui["text"] == ("Strength 1, the same everywhere.",)
    mask = torch.ones(1, 32, 48)
    assert run("VaceStrength", strength=0.5, over_steps="0:1 1:0", mask=mask).ui["text"] == (
        "Strength 0.5, over steps, places.",
    )


@pytest.mark.parametrize(("tokens", "advice"), [(12, "Conditioning (Set Mask)"), (30, "as references")])
def test_a_conditioning_of_a_part_or_with_images_is_refused_with_what_helps(pack, tokens, advice):
    adapter = SimpleNamespace(embed=lambda latents: torch.zeros(1, 24, 4))
    begun = pack.nodes.comfy.hooks.Pass(adapter, torch.zeros(1, 4), 1.0)
    with pytest.raises(pack.vace_core.errors.InputError, match=f"on {tokens} tokens, the latent has 24") as error:
        begun.begin(torch.zeros(1, tokens, 4))
    assert advice in str(error.value)
