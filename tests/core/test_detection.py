"""Models that cannot be used are named for what they are, and nothing is guessed at."""

from __future__ import annotations

import json

import pytest
import torch
from model_files import base_weights, only, released_shapes, write_sparse
from refused import refused
from safetensors.torch import save_file

from vace_core.errors import UnsupportedModelError, WeightsError
from vace_core.loading.inspect import inspect
from vace_core.models.ltx.vae import LtxVaeNetwork
from vace_core.models.wan.keys import diffusers_key


def diffusers(weights):
    return {diffusers_key(name): value for name, value in weights.items()}


def variant(**changes):
    return only("base", released_shapes(1.3)) | {name.replace("__", "."): shape for name, shape in changes.items()}


def ltx_vae_shapes():
    with torch.device("meta"):
        return {f"vae.{name}": tuple(value.shape) for name, value in LtxVaeNetwork().state_dict().items()}


def patch(channels):
    return {"patch_embedding__weight": (1536, channels, 1, 2, 2)}


INSTEAD = "whose input has {} channels instead of 16"
REFUSED = {
    "I2V": (variant(**patch(36), img_emb__proj__0__bias=(2,)), f"a Wan image-to-video model, {INSTEAD.format(36)}"),
    "I2V by its attention": (
        variant(**patch(16), blocks__0__cross_attn__k_img__weight=(2, 2)),
        f"a Wan image-to-video model, {INSTEAD.format(16)}",
    ),
    "I2V of diffusers": (
        diffusers(variant(**patch(36), blocks__0__cross_attn__k_img__weight=(2, 2))),
        f"a Wan image-to-video model, {INSTEAD.format(36)}",
    ),
    "I2V without image embedding": (
        variant(**patch(36)),
        f"a Wan image-to-video or Fun-Control model, {INSTEAD.format(36)}",
    ),
    "Fun-Control": (variant(**patch(48), ref_conv__weight=(2, 2)), f"a Wan Fun-Control model, {INSTEAD.format(48)}"),
    "camera": (
        variant(**patch(36), control_adapter__conv__weight=(2, 2)),
        f"a Wan Fun camera control model, {INSTEAD.format(36)}",
    ),
    "TI2V-5B": (
        variant(**patch(48), head__head__weight=(192, 1536)),
        f"the Wan 2.2 TI2V-5B model, {INSTEAD.format(48)}",
    ),
    "Animate": (variant(**patch(36), face_adapter__x__bias=(2,)), f"a Wan Animate model, {INSTEAD.format(36)}"),
    "another context": (
        released_shapes(1.3) | {"vace_patch_embedding.weight": (1536, 64, 1, 2, 2)},
        "an adapter whose context has 64 channels instead of 96",
    ),
    "VAE of Wan 2.2": (
        {"decoder.middle.0.residual.0.gamma": (2, 1, 1, 1), "decoder.conv1.weight": (2, 48, 3, 3, 3)},
        "the Wan 2.2 VAE of 48 latent channels",
    ),
    "VAE of Wan 2.2 in diffusers": (
        {"decoder.mid_block.resnets.0.norm1.gamma": (2, 1, 1, 1), "decoder.conv_in.weight": (2, 48, 3, 3, 3)},
        "the Wan 2.2 VAE of 48 latent channels",
    ),
    "another context for LTX": (
        {"model.diffusion_model.patchify_context_proj.weight": (2, 256)},
        "an adapter whose context has 256 channels instead of 384",
    ),
    "later VAE of LTX": (
        ltx_vae_shapes() | {"vae.decoder.conv_in.conv.weight": (1024, 128, 3, 3, 3)},
        "an LTX-Video VAE of version 0.9.1 or later",
    ),
    "later VAE of LTX in diffusers": (
        {"latents_mean": (128,), "decoder.time_embedder.timestep_embedder.linear_1.bias": (2,)},
        "an LTX-Video VAE of version 0.9.1 or later",
    ),
    "LoRA": (
        {"diffusion_model.blocks.0.ffn.0.lora_A.weight": (2, 2)},
        "a LoRA, which changes a model but is not one",
    ),
    "anything": (
        dict.fromkeys("abcdefg", (2,)),
        "a model that is not known here (it begins with a, b, c, d, e)",
    ),
    "nothing": ({}, "a model that is not known here (it begins with nothing)"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_say_what_it_is_and_what_is_known(tmp_path, case):
    shapes, what = REFUSED[case]
    path = write_sparse(tmp_path / "a.safetensors", shapes)
    with pytest.raises(UnsupportedModelError) as error:
        inspect(path)
    assert refused(error.value) == f"model-unsupported: known=Wan 2.1 and LTX-Video 0.9, path={path}, what={what}"


def described(text):
    return torch.tensor(list(json.dumps(text).encode()), dtype=torch.uint8)


def with_beside(dtype=torch.float8_e4m3fn, **beside):
    weights = base_weights()
    weights["head.head.weight"] = weights["head.head.weight"].to(dtype)
    return weights | {f"head.head.{name}": value for name, value in beside.items()}


QUANTISED = {
    "nvfp4": (with_beside(torch.uint8, comfy_quant=described({"format": "nvfp4"})), "nvfp4", None),
    "int8": (with_beside(torch.int8, comfy_quant=described({"format": "int8_tensorwise"})), "int8_tensorwise", None),
    "garbage": (with_beside(comfy_quant=described([])), "no format", None),
    "in the header": (base_weights(), "mxfp8", json.dumps({"layers": {"blocks.0.ffn.0": {"format": "mxfp8"}}})),
    "two scales": (with_beside(weight_scale_2=torch.ones(1)), "a format with two scales, such as nvfp4", None),
    "a scale per row": (with_beside(weight_scale=torch.ones(64, 1)), "F8_E4M3 with scales of shape (64, 1)", None),
    "scaled integers": (with_beside(torch.int8, weight_scale=torch.ones(1)), "I8 with scales of shape (1,)", None),
    "integers": (with_beside(torch.int8), "I8", None),
}


@pytest.mark.parametrize("case", QUANTISED)
def test_a_quantisation_that_is_not_known_is_named_and_not_guessed_at(tmp_path, case):
    weights, what, metadata = QUANTISED[case]
    path = tmp_path / "a.safetensors"
    save_file(weights, path, metadata={"_quantization_metadata": metadata} if metadata else None)
    with pytest.raises(UnsupportedModelError) as error:
        inspect(path)
    assert refused(error.value) == f"weights-quantisation: path={path}, what={what}"


def test_the_same_weight_under_two_names_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(diffusers(base_weights()) | {"time_projection.1.bias": torch.ones(1536)}, path)
    with pytest.raises(WeightsError) as error:
        inspect(path)
    assert refused(error.value) == (
        f"weights-damaged: path={path}, reason=it holds time_projection.1.bias under two names"
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"blocks.0.ffn.0.weight": (8960,)}, "its weight blocks.0.ffn.0.weight is of shape (8960,)"),
        ({"blocks.0.ffn.0.weight": (8960, 0)}, "its weight blocks.0.ffn.0.weight is of shape (8960, 0)"),
        ({"blocks.0.ffn.0.weight": None}, "its weight blocks.0.ffn.0.weight is missing"),
        ({"text_embedding.0.weight": ()}, "its weight text_embedding.0.weight is missing"),
        (
            {"blocks.0.ffn.0.weight": (1, 10**9)},
            "its weight blocks.0.self_attn.q.weight does not fit a model of width 1000000000",
        ),
        ({f"blocks.{index}.x": (0,) for index in range(257)}, "it claims 257 blocks"),
    ],
)
def test_sizes_that_cannot_be_are_refused(tmp_path, changes, reason):
    shapes = {name: shape for name, shape in (released_shapes(1.3) | changes).items() if shape is not None}
    path = write_sparse(tmp_path / "a.safetensors", shapes)
    with pytest.raises(WeightsError) as error:
        inspect(path)
    assert refused(error.value) == f"weights-damaged: path={path}, reason={reason}"
