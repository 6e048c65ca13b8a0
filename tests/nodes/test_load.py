"""Models from ComfyUI's folders: whole files, an adapter on a base, pairs; and what is said of the wrong ones."""

from __future__ import annotations

import native_parts
import pytest
import torch
from filling import fill
from model_files import text_encoder, write_sparse
from refusal import refusal
from safetensors.torch import save_file
from tiny_files import full_weights

from vace_core.files.safetensors_format import save
from vace_core.loading.repack import split_model
from vace_core.models.wan.dit import WanDit, WanSizes
from vace_core.models.wan.family import WAN
from vace_core.training.engine import Outcome
from vace_core.training.recipe import Data, Recipe, Tuning
from vace_core.training.run import results
from vace_core.training.schedule import Schedule
from vace_core.training.tuning import Tuned

OPTIONS = {"steps": 2, "cfg": 2.0, "shift": 3.0, "seed": 3}
FILES = {"model": "vace.safetensors", "vae": "wan_vae.safetensors", "text_encoder": "umt5.safetensors"}


@pytest.fixture(scope="module", autouse=True)
def folder(comfy, pack, request):
    """Tiny files in ComfyUI's model folders; the text encoder, which has no small version, is a class of the tests."""
    core, models = pack.vace_core, comfy.folder / "models"
    weights = {name: value.contiguous() for name, value in full_weights(core).items()}
    base = {name: value for name, value in weights.items() if not name.startswith("vace_")}
    adapter = {name: value for name, value in weights.items() if name.startswith("vace_")}
    vae = fill(core.models.wan.vae.WanVaeNetwork(width=4, blocks=1), 3).state_dict()
    for kind in ("diffusion_models", "vae", "text_encoders"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    for name in ("vace", "second"):
        save_file(weights, models / "diffusion_models" / f"{name}.safetensors")
    save_file(base, models / "diffusion_models" / "base.safetensors")
    save_file(adapter, models / "diffusion_models" / "adapter.safetensors", metadata={"vace_layers": "[0, 2]"})
    save_file({name: value.contiguous() for name, value in vae.items()}, models / "vae" / "wan_vae.safetensors")
    shapes = text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    write_sparse(models / "text_encoders" / "umt5.safetensors", shapes)
    host = pack.nodes.comfy.host
    real, host.load_clip = host.load_clip, lambda path, kind: native_parts.Clip()
    yield models
    host.load_clip = real


def sampled(run, model, **more):
    vcu = run("VaceReferenceToVideo", references=torch.zeros(1, 32, 48, 3), width=48, height=32, length=5)[0]
    return run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS, **more)[0]["samples"]


def test_a_base_with_an_adapter_is_the_whole_model(run):
    whole = run("VaceLoadModel", **FILES)[0]
    out = run("VaceLoadAdapter", adapter="adapter.safetensors")
    assert out.ui["text"] == ("An adapter of 2 context blocks for bases of Wan 2.1 of width 128.",)
    put_on = run("VaceLoadModel", **{**FILES, "model": "base.safetensors"}, adapter=out[0])[0]
    assert torch.equal(sampled(run, whole), sampled(run, put_on))


def test_a_pair_of_the_same_is_the_one(run):
    pair = run("VaceLoadModel", **FILES, low_noise_model="second.safetensors")[0]
    assert torch.equal(sampled(run, pair), sampled(run, run("VaceLoadModel", **FILES)[0]))


NEGATIVES = {"": None, "a blue star": "a blue star", "None": "none"}


@pytest.mark.parametrize("typed", NEGATIVES)
def test_the_negative_prompt_that_counts_is_said(run, pack, typed):
    """Nothing typed is the model's own; the word none is nothing."""
    model, said = run("VaceLoadModel", **FILES)[0], NEGATIVES[typed]
    vcu = run("VaceTextToVideo", width=48, height=32, length=5, negative_prompt=typed)[0]
    words = pack.vace_core.models.wan.family.WAN.options.negative_prompt if said is None else said
    out = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)
    assert out.ui["text"] == (f"2 steps of unipc, shift 3, cfg 2. Negative prompt: {words}",)
    unguided = run("VaceSampleVideo", model=model, vcu=vcu, **{**OPTIONS, "cfg": 1.0})
    assert unguided.ui["text"] == ("2 steps of unipc, shift 3, cfg 1.",)
    assert run("VaceEncodePrompt", clip=model, vcu=vcu).ui["text"] == (f"Negative prompt: {words}",)


def test_a_pair_is_sampled_with_the_shift_of_pairs(run, pack):
    vcu = run("VaceTextToVideo", width=48, height=32, length=5)[0]
    for low_noise, shift in (("none", 16), ("second.safetensors", 12)):
        out = run("VaceLoadModel", **FILES, low_noise_model=low_noise)
        assert f"shift {shift};" in out.ui["text"][0]
        sampled = run("VaceSampleVideo", model=out[0], vcu=vcu, **{**OPTIONS, "shift": 0.0})
        assert f"shift {shift}," in sampled.ui["text"][0]


def test_a_base_alone_needs_an_adapter(run):
    assert refusal(run, "VaceLoadModel", **{**FILES, "model": "base.safetensors"}) == (
        "adapter-missing: found=a base without VACE, name=base.safetensors"
    )


def test_a_base_is_no_adapter(run):
    assert refusal(run, "VaceLoadAdapter", adapter="base.safetensors") == (
        "not-an-adapter: adapter=base.safetensors, found=a base without VACE"
    )


def test_files_that_came_in_the_place_of_others_are_named(run, folder):
    """A click too far in a list: one file for both networks of a pair, a VAE for the model."""
    both = refusal(run, "VaceLoadModel", **FILES, low_noise_model="vace.safetensors")
    assert both == f"experts-same: path={folder / 'diffusion_models' / 'vace.safetensors'}"
    adapter = run("VaceLoadAdapter", adapter="adapter.safetensors")[0]
    wrong = refusal(run, "VaceLoadModel", **{**FILES, "model": "adapter.safetensors"}, adapter=adapter)
    assert wrong.startswith("weights-other-part: found=a VACE adapter without base, needed=a Wan text-to-video base")


def test_a_model_is_no_vae(run, folder):
    save_file({"a": torch.zeros(1)}, folder / "vae" / "other.safetensors")
    assert refusal(run, "VaceLoadModel", **{**FILES, "vae": "other.safetensors"}).startswith("model-unsupported: ")


def test_comfyui_has_the_networks_in_its_hands(run):
    from comfy.model_management import current_loaded_models

    model = run("VaceLoadModel", **FILES)[0]
    assert len(model.experts) == 1
    sampled(run, model)
    handles = (model.vae, *model.experts)
    assert {id(one) for one in handles} <= {id(loaded.model) for loaded in current_loaded_models}


def test_a_replaced_file_changes_the_fingerprint(run, pack, folder):
    node = pack.by_id["VaceLoadModel"]
    values = {**FILES, "low_noise_model": "none", "boundary": 0.875}
    before = node.fingerprint_inputs(**values)
    assert node.fingerprint_inputs(**values) == before
    path = folder / "diffusion_models" / "vace.safetensors"
    path.write_bytes(path.read_bytes() + b"")
    assert node.fingerprint_inputs(**values) != before


def test_what_full_fine_tuning_made_is_a_model_like_any(run, pack, folder):
    """A base that reads the condition itself, as training writes it, whole and in halves."""
    base, places = WanDit(WanSizes(width=128, ffn=192, layers=4)), folder / "diffusion_models"
    tuned = Tuned(fill(base, 1), fill(WAN.build_adapter(base.sizes, ()), 5))
    recipe = Recipe(
        tuning=Tuning(what="full", stored="float32"),
        data=Data(examples=1),
        schedule=Schedule(steps=1, learning_rate=1.0),
    )
    outcome = Outcome(weights=dict(tuned.state_dict()), steps=1, finished=True)
    for name, written in results(recipe, WAN, tuned, tuned.adapter, outcome).items():
        save(places / name, *written)
    split_model(*(places / f"{name}.safetensors" for name in ("model", "full_base", "full_adapter")))
    whole = run("VaceLoadModel", **{**FILES, "model": "model.safetensors"})[0]
    out = run("VaceLoadAdapter", adapter="full_adapter.safetensors")
    assert out.ui["text"] == ("An adapter of 0 context blocks for bases of Wan 2.1 of width 128.",)
    put_on = run("VaceLoadModel", **{**FILES, "model": "full_base.safetensors"}, adapter=out[0])[0]
    made = sampled(run, whole)
    assert torch.equal(made, sampled(run, put_on))
    assert not torch.equal(made, sampled(run, whole, strength=0.0))
