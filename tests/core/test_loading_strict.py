"""Exactly the weights of the model in exactly its shapes, or an error that names what differs and what to do."""

from __future__ import annotations

import pytest
import torch
from model_files import adapter_weights, base_weights, full_weights, vae_weights, write_gguf
from refused import refused
from safetensors.torch import save_file

from vace_core.errors import UnsupportedModelError, WeightsError
from vace_core.loading.load import load_adapter, load_base, load_vae


def changed(weights, *, without=(), **extra):
    return {name: value for name, value in weights.items() if name not in without} | extra


STRICT = {
    "one missing": (
        load_base, changed(base_weights(), without=["blocks.2.norm3.bias"]),
        "count=123, faults=lacks the weight blocks.2.norm3.bias", "a Wan text-to-video base",
    ),
    "many missing": (
        load_base,
        {name: value for name, value in base_weights().items() if not name.startswith("blocks.3.cross")},
        "count=123, faults=lacks 10 weights blocks.3.cross_attn.q.weight, blocks.3.cross_attn.q.bias, "
        "blocks.3.cross_attn.k.weight, blocks.3.cross_attn.k.bias, blocks.3.cross_attn.v.weight, ...",
        "a Wan text-to-video base",
    ),
    "one unexpected": (
        load_base, changed(base_weights(), stray=torch.ones(1)),
        "count=123, faults=holds the unknown weight stray", "a Wan text-to-video base",
    ),
    "both": (
        load_adapter,
        changed(adapter_weights(), without=["vace_patch_embedding.bias"], vace_a=torch.ones(1), vace_b=torch.ones(1)),
        "count=62, faults=lacks the weight vace_patch_embedding.bias and holds the unknown 2 weights vace_a, vace_b",
        "a VACE adapter",
    ),
    "a VAE": (
        load_vae, changed(vae_weights(), without=["conv2.bias"]),
        "count=194, faults=lacks the weight conv2.bias", "the Wan 2.1 VAE",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STRICT)
def test_loading_is_strict(tmp_path, case):
    load, weights, fault, title = STRICT[case]
    path = tmp_path / "a.safetensors"
    save_file(weights, path, metadata={"vace_layers": "[0, 2]"})
    with pytest.raises(WeightsError) as error:
        load(path)
    assert refused(error.value).startswith("weights-keys: ")
    assert refused(error.value).endswith(f", {fault}, path={path}, title={title}")


def test_a_weight_of_another_shape_is_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file(base_weights() | {"blocks.1.ffn.2.bias": torch.ones(255)}, path)
    with pytest.raises(WeightsError) as error:
        load_base(path)
    assert refused(error.value) == (
        f"weights-damaged: path={path}, reason=its weight blocks.1.ffn.2.bias has the shape (255,) instead of (256,)"
    )


def test_a_gguf_without_its_five_dimensional_weights_says_what_to_do(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", full_weights(), five_dims="left out")
    with pytest.raises(WeightsError) as error:
        load_base(path)
    assert error.value.code == "weights-keys"
    assert error.value.fields["faults"] == "lacks the weight patch_embedding.weight"
    assert "fix_5d_tensors" in str(error.value)


WRONG = {
    "adapter for base": (load_base, adapter_weights, "a VACE adapter without base", "a Wan text-to-video base"),
    "base for adapter": (load_adapter, base_weights, "a Wan text-to-video base without adapter", "a VACE adapter"),
    "VAE for base": (load_base, vae_weights, "the Wan 2.1 VAE", "a Wan text-to-video base"),
    "model for VAE": (load_vae, full_weights, "a Wan text-to-video base with its VACE adapter", "the Wan 2.1 VAE"),
    "text encoder for base": (
        load_base,
        lambda: {"blocks.0.attn.q.weight": torch.ones(1)},
        "the umT5 text encoder",
        "a Wan text-to-video base",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_file_of_another_kind_is_named(tmp_path, case):
    load, weights, what, needed = WRONG[case]
    path = tmp_path / "a.safetensors"
    save_file(weights(), path)
    with pytest.raises(WeightsError) as error:
        load(path)
    assert refused(error.value) == f"weights-other-part: found={what}, needed={needed}, path={path}"


@pytest.mark.parametrize("load", [load_base, load_adapter, load_vae])
def test_models_that_are_not_known_are_refused_by_every_loader(tmp_path, load):
    save_file({"blocks.0.lora_down.weight": torch.ones(1)}, tmp_path / "a.safetensors")
    with pytest.raises(UnsupportedModelError) as error:
        load(tmp_path)
    assert error.value.fields["what"].startswith("a LoRA")


def test_vae_sizes_that_cannot_be_are_refused(tmp_path):
    path = tmp_path / "a.safetensors"
    weights = vae_weights()
    save_file(weights | {"encoder.middle.0.residual.2.weight": torch.ones(3, 3)}, path)
    with pytest.raises(WeightsError) as error:
        load_vae(path)
    assert refused(error.value) == (
        f"weights-damaged: path={path}, reason=its weights do not tell the sizes of a Wan VAE"
    )
