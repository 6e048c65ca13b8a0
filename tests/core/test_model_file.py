"""What a file is, told from its header alone, for every format that is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from model_files import (
    LAYERS,
    PARTS,
    adapter_weights,
    base_weights,
    float8,
    full_weights,
    only,
    released_shapes,
    scaled_float8,
    text_encoder,
    vae_weights,
    write_gguf,
    write_shards,
    write_sparse,
)
from refused import refused
from safetensors.torch import save_file

from vace_core.errors import WeightsError
from vace_core.loading.inspect import Pair, find_pair, inspect
from vace_core.models.wan.keys import diffusers_key, diffusers_vae_key

COUNTER = Path("/proc/self/io")  # how many bytes this process has read


def diffusers(weights):
    return {diffusers_key(name): value for name, value in weights.items()}


def prefixed(prefix, weights):
    return {prefix + name: value for name, value in weights.items()}


@pytest.mark.parametrize(
    ("billions", "base", "adapter", "size"),
    [(1.3, 1_418_996_800, 734_975_232, 4.31e9), (14, 14_288_491_584, 3_049_101_312, 34.68e9)],
)
def test_the_released_models_are_told_by_header(tmp_path, billions, base, adapter, size):
    width, ffn, layers, context_layers = PARTS[billions]
    found = inspect(write_sparse(tmp_path / "wan2.1_vace_bf16.safetensors", released_shapes(billions)))
    assert found.kind == "vace"
    assert found.parameters == {"base": base, "adapter": adapter}
    assert found.bytes == pytest.approx(size, rel=1e-3)
    assert (found.width, found.ffn, found.layers, found.context_layers) == (width, ffn, layers, context_layers)
    assert (found.container, found.naming, found.prefix, found.storage) == ("safetensors", "official", "", "BF16")


@pytest.mark.skipif(not COUNTER.exists(), reason="counts what the system read, which Linux tells")
def test_no_weight_is_read(tmp_path):
    path = write_sparse(tmp_path / "a.safetensors", released_shapes(14))
    before = int(COUNTER.read_text().split()[1])
    inspect(path)
    assert int(COUNTER.read_text().split()[1]) - before < 1_000_000


@pytest.mark.parametrize("billions", [1.3, 14])
def test_a_released_adapter_alone_knows_its_base(tmp_path, billions):
    width, _, layers, context_layers = PARTS[billions]
    path = write_sparse(tmp_path / "Wan2_1-VACE_module.safetensors", only("adapter", released_shapes(billions)))
    found = inspect(path)
    assert (found.kind, found.layers, found.context_layers) == ("adapter", layers, context_layers)
    assert found.fits == f"Wan text-to-video bases of width {width} with {layers} blocks"
    assert found.needs == (
        f"a Wan text-to-video base of width {width} with {layers} blocks",
        "the Wan 2.1 VAE",
        "the umT5-XXL text encoder",
    )


NUMBERS = {"base": 3_548_992, "adapter": 1_749_248}
SMALL = "of width 256 with 4 blocks"
FORMATS = {
    "official": (full_weights, {"kind": "vace", "fits": f"bases and adapters {SMALL}, besides those in it"}),
    "base": (base_weights, {"kind": "base", "fits": f"VACE adapters for bases {SMALL}", "context_layers": None}),
    "adapter": (adapter_weights, {"kind": "adapter", "fits": "Wan text-to-video bases of width 256", "layers": None,
                                  "context_layers": None}),
    "ComfyUI checkpoint": (lambda: prefixed("model.diffusion_model.", full_weights()),
                           {"kind": "vace", "prefix": "model.diffusion_model."}),
    "model.model": (lambda: prefixed("model.model.", full_weights()), {"kind": "vace", "prefix": "model.model."}),
    "net": (lambda: prefixed("net.", base_weights()), {"kind": "base", "prefix": "net."}),
    "model": (lambda: prefixed("model.", base_weights()), {"kind": "base", "prefix": "model."}),
    "diffusion_model": (lambda: prefixed("diffusion_model.", adapter_weights()),
                        {"kind": "adapter", "prefix": "diffusion_model."}),
    "diffusers": (lambda: diffusers(full_weights()), {"kind": "vace", "naming": "diffusers"}),
    "diffusers base": (lambda: diffusers(base_weights()), {"kind": "base", "naming": "diffusers"}),
    "diffusers adapter": (lambda: diffusers(adapter_weights()), {"kind": "adapter", "naming": "diffusers"}),
    "fp8": (lambda: float8(full_weights()), {"kind": "vace", "storage": "F8_E4M3"}),
    "fp8 scaled": (lambda: scaled_float8(full_weights()) | {"scaled_fp8": torch.empty(0, dtype=torch.float8_e4m3fn)},
                   {"kind": "vace", "storage": "F8_E4M3 scaled"}),
    "fp8 scaled, other suffix": (lambda: scaled_float8(full_weights(), ".weight_scale"),
                                 {"kind": "vace", "storage": "F8_E4M3 scaled"}),
    "VAE": (lambda: vae_weights(),
            {"kind": "vae", "fits": "Wan 2.1 and Wan 2.2 14B models and their VACE adapters", "needs": ()}),
    "diffusers VAE": (lambda: {diffusers_vae_key(k): v for k, v in vae_weights().items()},
                      {"kind": "vae", "naming": "diffusers"}),
    "VAE in a checkpoint": (lambda: prefixed("vae.", vae_weights()), {"kind": "vae", "prefix": "vae."}),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMATS)
def test_formats(tmp_path, case):
    make, wanted = FORMATS[case]
    save_file(make(), tmp_path / "model.safetensors")
    found = inspect(tmp_path / "model.safetensors")
    assert {name: getattr(found, name) for name in wanted} == wanted
    if found.kind != "vae":
        assert found.parameters == {part: n for part, n in NUMBERS.items() if found.kind in (part, "vace")}


def test_gguf(tmp_path):
    found = inspect(write_gguf(tmp_path / "Wan2.2-VACE-Fun-HighNoise-Q8_0.gguf", full_weights()))
    assert (found.container, found.storage, found.kind, found.noise) == ("gguf", "Q8_0", "vace", "high")


def test_shards_and_their_configuration(tmp_path):
    index = write_shards(tmp_path, full_weights())
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "VaceWanModel", "vace_layers": [0, 3]}))
    found = inspect(tmp_path)
    assert (found.path, found.container, found.context_layers) == (index, "sharded safetensors", (0, 3))


def test_the_transformer_of_a_diffusers_folder(tmp_path):
    write_shards(tmp_path / "transformer", diffusers(full_weights()))
    (tmp_path / "transformer" / "config.json").write_text(json.dumps({"vace_layers": [0, 1]}))
    found = inspect(tmp_path)
    assert (found.kind, found.naming, found.context_layers) == ("vace", "diffusers", (0, 1))


TEXT = {
    "official": text_encoder(2, 2, "blocks.{}.attn.q.weight"),
    "transformers": text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight"),
    "llama.cpp": text_encoder(2, 2, "enc.blk.{}.attn_q.weight"),
}


@pytest.mark.parametrize("naming", TEXT)
def test_text_encoders(tmp_path, naming):
    found = inspect(write_sparse(tmp_path / "umt5.safetensors", TEXT[naming]))
    assert (found.kind, found.naming, found.fits) == ("text", naming, "Wan models")


@pytest.mark.parametrize(
    ("name", "noise"),
    [
        ("Wan2_2_Fun_VACE_module_A14B_HIGH_bf16", "high"),
        ("wan2.2_vace_fun_low_noise_14B", "low"),
        ("Wan2.2-LowNoise", "low"),
        ("slow_flow", None),
        ("highway", None),
        ("high_and_low", None),
        ("wan2.1_vace_14B", None),
    ],
)
def test_which_expert_by_name(tmp_path, name, noise):
    assert inspect(write_sparse(tmp_path / f"{name}.safetensors", released_shapes(1.3))).noise == noise


def test_which_expert_by_folder_and_by_metadata(tmp_path):
    write_shards(tmp_path / "low_noise_model", full_weights())
    assert inspect(tmp_path / "low_noise_model").noise == "low"
    save_file(full_weights(), tmp_path / "a.safetensors", metadata={"modelspec.title": "Wan 2.2 high noise"})
    assert inspect(tmp_path / "a.safetensors").noise == "high"


def test_pairs(tmp_path):
    published, converted, loose = tmp_path / "published", tmp_path / "converted", tmp_path / "loose"
    for folder in (published / "high_noise_model", published / "low_noise_model", converted / "transformer",
                   converted / "transformer_2", loose):  # fmt: skip
        folder.mkdir(parents=True)
    (converted / "model_index.json").write_text(json.dumps({"boundary_ratio": 0.875}))
    for name in ("VACE-High.safetensors", "VACE-Low.gguf", "vae.safetensors"):
        (loose / name).touch()
    for folder, high, low in (
        (published, "high_noise_model", "low_noise_model"),
        (converted, "transformer", "transformer_2"),
        (loose, "VACE-High.safetensors", "VACE-Low.gguf"),
    ):
        assert find_pair(folder) == Pair(high_noise=folder / high, low_noise=folder / low)
    beside = Pair(high_noise=published / "high_noise_model", low_noise=published / "low_noise_model")
    assert find_pair(beside.high_noise) == beside


def test_a_file_for_high_noise_has_the_twin_that_differs_in_that_word_alone(tmp_path):
    for name in ("T2V_High_fp8", "T2V_low_fp8", "T2V_LOW_bf16", "VACE_A14B_HIGH_bf16", "VACE_A14B_LOW_bf16"):
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / "T2V_low_fp8.gguf").touch()
    for high, low in (("T2V_High_fp8", "T2V_low_fp8"), ("VACE_A14B_HIGH_bf16", "VACE_A14B_LOW_bf16")):
        high, low = (tmp_path / f"{name}.safetensors" for name in (high, low))
        assert find_pair(high) == Pair(high_noise=high, low_noise=low)
        assert find_pair(low) is None
    assert find_pair(tmp_path) is None
    assert find_pair(tmp_path / "absent" / "high.safetensors") is None


def test_two_transformers_without_a_boundary_are_not_guessed_at(tmp_path):
    for name in ("transformer", "transformer_2"):
        (tmp_path / name).mkdir()
    (tmp_path / "model_index.json").write_text('{"boundary_ratio": null}')
    assert find_pair(tmp_path) is None
    with pytest.raises(WeightsError) as error:
        inspect(tmp_path)
    assert refused(error.value) == (
        f"weights-experts: high={tmp_path / 'transformer'}, low={tmp_path / 'transformer_2'}, path={tmp_path}"
    )


@pytest.mark.parametrize(
    ("said", "shown"),
    [([0], "[0]"), ([2, 0], "[2, 0]"), ([1, 2], "[1, 2]"), ([0, 4], "[0, 4]"), ([0, True], "[0, True]"), ("x", "x"),
     ([0, 2.0], "[0, 2.0]"), ([], "[]"), ({"a": 1}, "{'a': 1}")],
)  # fmt: skip
def test_context_layers_that_cannot_be_are_refused(tmp_path, said, shown):
    save_file(full_weights(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"vace_layers": said}))
    with pytest.raises(WeightsError) as error:
        inspect(tmp_path)
    assert refused(error.value) == (
        f"context-layers-config: below= below 4, blocks=2, key=vace_layers, said={shown}, where="
        f"{tmp_path / 'config.json'}"
    )


def test_a_file_knows_its_context_layers_better_than_a_configuration_beside_it(tmp_path):
    save_file(adapter_weights(), tmp_path / "model.safetensors", metadata={"vace_layers": "[0, 7]"})
    (tmp_path / "config.json").write_text(json.dumps({"vace_layers": [0, 1, 2]}))
    assert inspect(tmp_path).context_layers == (0, 7)


def test_even_spacing_where_nothing_is_said(tmp_path):
    save_file(full_weights(), tmp_path / "model.safetensors")
    assert inspect(tmp_path).context_layers == LAYERS


def test_more_context_blocks_than_blocks_are_refused(tmp_path):
    shapes = released_shapes(1.3)
    shapes |= {f"vace_blocks.{index}.norm3.bias": (1536,) for index in range(31)}
    path = write_sparse(tmp_path / "a.safetensors", shapes)
    with pytest.raises(WeightsError) as error:
        inspect(path)
    assert refused(error.value) == (
        f"weights-damaged: path={path}, reason=it has 31 context blocks for a base of 30 blocks"
    )


def test_it_is_json(tmp_path):
    save_file(base_weights(), tmp_path / "a.safetensors")
    found = inspect(tmp_path / "a.safetensors").to_json()
    assert json.loads(json.dumps(found)) == found
    assert found == {
        "path": str(tmp_path / "a.safetensors"),
        "kind": "base",
        "family": "Wan 2.1",
        "container": "safetensors",
        "naming": "official",
        "prefix": "",
        "storage": "F32",
        "bytes": 3_548_992 * 4,
        "parameters": {"base": 3_548_992},
        "width": 256,
        "ffn": 384,
        "layers": 4,
        "context_layers": None,
        "noise": None,
        "fits": "VACE adapters for bases of width 256 with 4 blocks",
        "needs": ["the Wan 2.1 VAE", "a text encoder of width 64"],
    }
