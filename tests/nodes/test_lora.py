"""LoRA in a real ComfyUI: our loader's and the stock ones' give what weights with the LoRA in them give."""

from __future__ import annotations

import lora_files
import native_parts
import pytest
import torch
from filling import fill, relative
from lora_files import added, dotted, factors, kohya
from model_files import text_encoder, write_sparse
from refusal import refusal
from safetensors.torch import save_file
from tiny_files import full_weights

OPTIONS = {"steps": 3, "cfg": 2.0, "shift": 3.0, "seed": 3}
FILES = {"model": "plain.safetensors", "vae": "wan_vae.safetensors", "text_encoder": "umt5.safetensors"}
LAYERS = ("blocks.0.self_attn.q", "blocks.2.ffn.0", "vace_blocks.0.cross_attn.k", "vace_blocks.1.after_proj")
STRENGTH = 0.5
SCALE = STRENGTH * lora_files.ALPHA / lora_files.RANK


@pytest.fixture(scope="module")
def weights(comfy, pack):
    return {name: value.contiguous() for name, value in full_weights(pack.vace_core).items()}


@pytest.fixture(scope="module")
def named(weights):
    return factors({name: tuple(value.shape) for name, value in weights.items()}, LAYERS)


@pytest.fixture(scope="module", autouse=True)
def folder(comfy, pack, weights, named):
    """A model without and with a LoRA in it, and the LoRA: kohya's names, and the official ones for the base alone."""
    core, models = pack.vace_core, comfy.folder / "models"
    merged = added(weights, named, SCALE)
    for kind in ("diffusion_models", "vae", "text_encoders", "loras"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    for name, state in (("plain", weights), ("merged", merged)):
        adapter = {key: value for key, value in state.items() if key.startswith("vace_")}
        base = {key: value for key, value in state.items() if key not in adapter}
        for expert in (name, f"{name}_low"):
            save_file(state, models / "diffusion_models" / f"{expert}.safetensors")
        save_file(base, models / "diffusion_models" / f"{name}_base.safetensors")
        save_file(adapter, models / "diffusion_models" / f"{name}_adapter.safetensors", {"vace_layers": "[0, 2]"})
    lora_files.write(models / "loras" / "kohya.safetensors", kohya(named))
    half = {layer: pair for layer, pair in named.items() if layer.startswith("blocks")}
    lora_files.write(models / "loras" / "base.safetensors", dotted(half, alpha=True))
    lora_files.write(models / "loras" / "foreign.safetensors", {"double_blocks.0.lora_up.weight": torch.zeros(1, 1)})
    vae = fill(core.models.wan.vae.WanVaeNetwork(width=4, blocks=1), 3).state_dict()
    save_file({name: value.contiguous() for name, value in vae.items()}, models / "vae" / "wan_vae.safetensors")
    shapes = text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    write_sparse(models / "text_encoders" / "umt5.safetensors", shapes)
    host = pack.nodes.comfy.host
    real, host.load_clip = host.load_clip, lambda path, kind: native_parts.Clip()
    yield models
    host.load_clip = real


@pytest.fixture
def vcu(run):
    return run("VaceReferenceToVideo", references=torch.rand(1, 32, 48, 3, generator=torch.Generator().manual_seed(1)),
               width=48, height=32, length=5, prompt="a dog")[0]  # fmt: skip


def loras(run, name="kohya.safetensors", **more):
    return run("VaceLoadLora", lora=name, strength=STRENGTH, **more)[0]


def more(run, **values):
    return run("VaceSamplingOptions", **values)[0]


def test_load_model_with_a_lora_is_the_model_that_has_it(run, vcu):
    def sampled(**files):
        model = run("VaceLoadModel", **{**FILES, **files})[0]
        return run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS)[0]["samples"]

    wanted = sampled(model="merged.safetensors")
    assert relative(sampled(loras=loras(run)), wanted) < 1e-5
    assert relative(sampled(), wanted) > 1e-3
    pair = {"model": "plain.safetensors", "low_noise_model": "plain_low.safetensors"}
    high = sampled(**pair, loras=loras(run, network="high noise"))
    assert relative(high, wanted) > 1e-3
    both = loras(run, network="low noise", loras=loras(run, network="high noise"))
    assert relative(sampled(**pair, loras=both), wanted) < 1e-5


def test_what_does_not_match_is_said_and_what_fits_nowhere_refused(run):
    out = run("VaceLoadModel", **FILES, loras=loras(run, "base.safetensors"))
    assert not any("match nothing" in line for line in out.ui["text"])
    said = refusal(run, "VaceLoadModel", **FILES, loras=loras(run, "foreign.safetensors"))
    assert said.startswith("lora-matches-nothing: count=1, ")
    assert refusal(run, "VaceLoadLora", lora="absent.safetensors").startswith("model-file-missing")
    with_pair = loras(run, network="low noise")
    assert refusal(run, "VaceLoadModel", **FILES, loras=with_pair).startswith("lora-noise: noise=low")


def stock_lora(comfy, model, name):
    return native_parts.node_result(
        comfy.nodes.NODE_CLASS_MAPPINGS["LoraLoaderModelOnly"], model=model, lora_name=name, strength_model=STRENGTH
    )


def native(comfy, name):
    return native_parts.node_result(
        comfy.nodes.NODE_CLASS_MAPPINGS["UNETLoader"], unet_name=f"{name}.safetensors", weight_dtype="default"
    )


@pytest.mark.parametrize("path", ["use native model", "apply vcu"])
def test_the_stock_loader_acts_on_the_native_vace_model(comfy, run, pack, vcu, path):
    vae, clip = native_parts.vae(pack.vace_core), native_parts.Clip()

    def sampled(model):
        if path == "use native model":
            own = run("VaceUseNativeModel", model=model, clip=clip, vae=vae)[0]
            return run("VaceSampleVideo", model=own, vcu=vcu, **OPTIONS)[0]["samples"]
        texts = {
            name: clip.encode_from_tokens_scheduled(words) for name, words in (("positive", "a dog"), ("negative", ""))
        }
        positive, negative, latent, *_ = run("VaceApplyVCU", **texts, vae=vae, vcu=vcu).result
        with torch.inference_mode():
            return comfy.nodes.common_ksampler(model, 3, 3, 2.0, "euler", "simple", positive, negative, latent)[0][
                "samples"
            ]

    wanted = sampled(native(comfy, "merged"))
    with_lora = sampled(stock_lora(comfy, native(comfy, "plain"), "kohya.safetensors"))
    assert relative(with_lora, wanted) < 1e-5
    assert relative(sampled(native(comfy, "plain")), wanted) > 1e-3


def test_an_attached_adapter_has_its_own_and_the_model_the_stock_ones(comfy, run, pack, vcu):
    vae, clip = native_parts.vae(pack.vace_core), native_parts.Clip()
    texts = [clip.encode_from_tokens_scheduled(words) for words in ("a dog", "")]

    def sampled(model, adapter, **more):
        own = run("VaceLoadAdapter", adapter=f"{adapter}_adapter.safetensors")[0]
        out = run("VaceAttachAdapter", model=model, adapter=own, vcu=vcu, vae=vae, **more)
        with torch.inference_mode():
            made = comfy.nodes.common_ksampler(out[0], 3, 3, 2.0, "euler", "simple", *texts, out[1])[0]["samples"]
        return made, out.ui["text"] if out.ui else ()

    wanted, _ = sampled(native(comfy, "merged_base"), "merged")
    with_base = stock_lora(comfy, native(comfy, "plain_base"), "base.safetensors")
    got, said = sampled(with_base, "plain", loras=loras(run))
    assert relative(got, wanted) < 1e-5
    assert any("6 of its 12 names match nothing" in line for line in said)  # those of the base
    assert relative(sampled(with_base, "plain")[0], wanted) > 1e-3


@pytest.mark.parametrize("network", ["high noise", "low noise"])
def test_an_attached_adapter_takes_no_lora_of_one_network_of_a_pair(comfy, run, pack, vcu, network):
    """Whichever MODEL comes: which of a pair it is, nothing says."""
    own = run("VaceLoadAdapter", adapter="plain_adapter.safetensors")[0]
    given = {"model": native(comfy, "plain_base"), "adapter": own, "vae": native_parts.vae(pack.vace_core), "vcu": vcu}
    said = refusal(run, "VaceAttachAdapter", **given, loras=loras(run, network=network))
    assert said.startswith(f"lora-noise-attached: noise={network.split()[0]}")


def test_guidance_by_steps_is_two_samplings_in_a_row(comfy, run, pack, vcu):
    """On ComfyUI's own model: its guider for the first steps, and on what it gives another one without guidance."""
    model, clip = native(comfy, "plain"), native_parts.Clip()
    vae = native_parts.vae(pack.vace_core)
    own = run("VaceUseNativeModel", model=model, clip=clip, vae=vae)[0]
    options = {**OPTIONS, "steps": 4, "sampler": "euler"}
    out = run("VaceSampleVideo", model=own, vcu=vcu, **options, options=more(run, cfg_steps="3 x 2, 1"))
    assert "cfg 3 x 2, 1 x 2." in out.ui["text"][-1]
    core, nodes = pack.vace_core, pack.nodes.comfy
    with torch.inference_mode():
        negative = core.models.wan.family.WAN.options.negative_prompt
        words = dict(zip(("positive", "negative"), ("a dog", negative), strict=True))
        plain = {name: nodes.host.conditioning(clip, one) for name, one in words.items()}
        *texts, latent = run("VaceApplyVCU", **plain, vae=vae, vcu=vcu).result[:3]
        levels = core.sampling.schedule.sigmas(4, 3.0)
        noise = core.pipeline.make_noise(tuple(latent["samples"].shape), 3)
        latents = between(comfy, model, texts, 3.0, levels[:3], noise, torch.zeros_like(noise))
        latents = between(comfy, model, texts, 1.0, levels[2:], torch.zeros_like(noise), latents)
    assert relative(out[0]["samples"], latents[:, :, 1:]) < 1e-5
    same = run("VaceSampleVideo", model=own, vcu=vcu, **options)[0]["samples"]
    assert relative(same, latents[:, :, 1:]) > 1e-3


def between(comfy, model, texts, cfg, levels, noise, latents):
    """A sampling of ComfyUI's own: its euler over these noise levels."""
    import comfy.sample
    import comfy.samplers

    sampler = comfy.samplers.sampler_object("euler")
    return comfy.sample.sample_custom(model, noise, cfg, sampler, torch.tensor(levels), *texts, latents, seed=3)


def test_a_preset_sets_steps_shift_and_sampler(run, vcu, pack):
    model = run("VaceLoadModel", **FILES)[0]
    out = run("VaceSampleVideo", model=model, vcu=vcu, **OPTIONS, options=more(run, distilled="lightx2v-4"))
    assert out.ui["text"] == ("4 steps of euler, shift 5, cfg 1.",)
    typed = {**OPTIONS, "steps": 4, "shift": 5.0, "cfg": 1.0, "sampler": "euler"}
    assert out[0]["samples"].equal(run("VaceSampleVideo", model=model, vcu=vcu, **typed)[0]["samples"])
