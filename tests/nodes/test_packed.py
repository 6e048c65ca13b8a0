"""Quantised files in a real ComfyUI: their weights stay as they are stored, on the card and beside it."""

from __future__ import annotations

import native_parts
import pytest
import torch
from filling import fill
from model_files import scaled_float8, text_encoder, write_gguf, write_sparse
from pretended_card import Card, in_comfyui, resident
from safetensors.torch import save_file
from tiny_files import full_weights

FILES = {"vae": "wan_vae.safetensors", "text_encoder": "umt5.safetensors"}
STEPS = {"steps": 2, "cfg": 2.0, "shift": 3.0, "seed": 3}
NAMES = {"fp8": "packed fp8.safetensors", "gguf": "packed.gguf"}
SCALE = 1000


def expanded(core, path):
    """The weights of a file as float32, under their official names."""
    found = core.loading.detection.identify(core.files.checkpoint.open_checkpoint(path))
    return {name: found.weights.read(name, dtype=torch.float32) for name in found.weights.stored}


@pytest.fixture(scope="module", autouse=True)
def folder(comfy, pack):
    """Each file, and beside it one of the same numbers in float32."""
    import folder_paths

    core, models = pack.vace_core, comfy.folder / "models"
    for kind in ("diffusion_models", "vae", "text_encoders"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    folder_paths.add_model_folder_path("unet_gguf", str(models / "diffusion_models"))
    folder_paths.folder_names_and_paths["unet_gguf"][1].add(".gguf")
    weights = {name: value.contiguous() for name, value in full_weights(core).items()}
    layers = {"vace_layers": "[0, 2]"}
    save_file(scaled_float8(weights), models / "diffusion_models" / NAMES["fp8"], metadata=layers)
    write_gguf(models / "diffusion_models" / NAMES["gguf"], weights)
    for name in NAMES.values():
        state = expanded(core, models / "diffusion_models" / name)
        save_file(state, models / "diffusion_models" / f"{name}.expanded.safetensors", metadata=layers)
    vae = fill(core.models.wan.vae.WanVaeNetwork(width=4, blocks=1), 3).state_dict()
    save_file({name: value.contiguous() for name, value in vae.items()}, models / "vae" / FILES["vae"])
    shapes = text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    write_sparse(models / "text_encoders" / FILES["text_encoder"], shapes)
    host = pack.nodes.comfy.host
    real, host.load_clip = host.load_clip, lambda path, kind: native_parts.Clip()
    yield models / "diffusion_models"
    host.load_clip = real


def sampled(run, model):
    words = {"prompt": "a dog", "negative_prompt": "none"}  # the model's own takes more than these toys' weights
    picture = torch.zeros(1, 32, 48, 3)
    vcu = run("VaceReferenceToVideo", references=picture, width=48, height=32, length=5, **words)[0]
    return run("VaceSampleVideo", model=model, vcu=vcu, **STEPS)[0]["samples"]


def size(model):
    return sum(weight.nbytes for weight in model.experts[0].model.parameters())


def on_card(run, kind, budget):
    """Latents, the most weights and bytes that were on the card, and what all the weights take."""
    with Card(budget) as card, in_comfyui(card, SCALE):
        model = run("VaceLoadModel", model=NAMES[kind], **FILES)[0]
        seen = []
        model.core.expert.base.register_forward_hook(lambda *_: seen.append(resident(model.experts[0].model)))
        return sampled(run, model), max(seen), card.peak, size(model)


@pytest.mark.parametrize("kind", NAMES)
def test_what_is_stored_is_held_and_computes_what_its_numbers_do(run, kind):
    packed = run("VaceLoadModel", model=NAMES[kind], **FILES)[0]
    plain = run("VaceLoadModel", model=f"{NAMES[kind]}.expanded.safetensors", **FILES)[0]
    assert size(packed) < size(plain) / 3
    assert torch.equal(sampled(run, packed), sampled(run, plain))


@pytest.mark.parametrize("kind", NAMES)
def test_a_small_card_streams_it_as_it_is_stored(run, pack, monkeypatch, kind):
    from comfy import model_management as management

    memory = pack.nodes.comfy.memory
    room = memory._room
    monkeypatch.setattr(management, "minimum_inference_memory", lambda: 0)
    monkeypatch.setattr(management, "extra_reserved_memory", lambda: 0)
    monkeypatch.setattr(memory, "_room", lambda *given: room(*given) * SCALE)
    monkeypatch.setattr(management, "unet_dtype", lambda **_: torch.float32)
    wanted, _, peak, size = on_card(run, kind, 2**30)
    assert peak > size
    budget = room(run("VaceLoadModel", model=NAMES[kind], **FILES)[0], 3 * 2 * 3) + size // 2
    got, most, peak, _ = on_card(run, kind, budget)
    assert torch.equal(got, wanted)
    assert most <= size / 2
    assert peak <= budget


def test_an_adapter_stays_as_it_is_stored_on_a_model_of_comfyui(run, pack, folder):
    core = pack.vace_core
    base, vae = native_parts.plain_model(core), native_parts.vae(core)
    vcu = run("VaceReferenceToVideo", references=torch.zeros(1, 32, 48, 3), width=48, height=32, length=5)[0]
    made = {}
    for name in (NAMES["fp8"], f"{NAMES['fp8']}.expanded.safetensors"):
        adapter = pack.nodes.comfy.sockets.AdapterFile(path=folder / name)
        attached, latent, _ = run("VaceAttachAdapter", model=base, adapter=adapter, vcu=vcu, vae=vae).result
        (handle,) = attached.additional_models["vace 1"]
        texts = [native_parts.Clip().encode_from_tokens_scheduled(words) for words in ("a dog", "")]
        samples = _sampled_by_comfyui(attached, texts, latent)
        made[name] = samples, sum(weight.nbytes for weight in handle.model.parameters())
    (packed, small), (plain, large) = made.values()
    assert small < large / 2
    assert torch.equal(packed, plain)


def _sampled_by_comfyui(model, texts, latent):
    import nodes

    with torch.inference_mode():
        return nodes.common_ksampler(model, 3, 2, 2.0, "euler", "simple", *texts, latent)[0]["samples"]
