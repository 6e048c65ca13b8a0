"""Names of weights against diffusers, and blocks of GGUF against the reader of the gguf package."""

from __future__ import annotations

import gguf
import numpy as np
import pytest
import torch
from model_files import base_weights, full_weights, released_shapes, vae_weights, write_gguf

from vace_core.files.checkpoint import open_checkpoint
from vace_core.loading.load import load_adapter, load_base, load_vae
from vace_core.models.wan import keys as wan_keys
from vace_core.models.wan.vae import WanVaeNetwork

diffusers = pytest.importorskip("diffusers")
single_file = pytest.importorskip("diffusers.loaders.single_file_utils")


def meta(shapes):
    return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def vae_shapes():
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in WanVaeNetwork().state_dict().items()}


@pytest.mark.parametrize(("billions", "base", "adapter"), [(1.3, 825, 439), (14, 1095, 236)])
def test_transformer_names_there_and_back(billions, base, adapter):
    official = released_shapes(billions)
    assert sum(not name.startswith("vace_") for name in official) == base
    assert sum(name.startswith("vace_") for name in official) == adapter
    theirs = [wan_keys.diffusers_key(name) for name in official]
    assert len(set(theirs)) == base + adapter
    assert [wan_keys.official_key(name) for name in theirs] == list(official)


@pytest.mark.parametrize("billions", [1.3, 14])
def test_transformer_names_equal_those_diffusers_converts_to(billions):
    official = released_shapes(billions)
    converted = single_file.convert_wan_transformer_to_diffusers(meta(official))
    assert {name: tuple(value.shape) for name, value in converted.items()} == {
        wan_keys.diffusers_key(name): shape for name, shape in official.items()
    }


def test_vae_names_there_and_back_and_as_diffusers_converts_them():
    official = vae_shapes()
    assert len(official) == 194
    converted = single_file.convert_wan_vae_to_diffusers(meta(official))
    theirs = {wan_keys.diffusers_vae_key(name): shape for name, shape in official.items()}
    assert {name: tuple(value.shape) for name, value in converted.items()} == theirs
    assert [wan_keys.official_vae_key(name) for name in theirs] == list(official)


@pytest.mark.parametrize(
    "name", ["", "weight", ".weight", "blocks.1.", "blocks.x.norm3.weight", "a\nb", "vae.conv1.bias"]
)
def test_names_that_nobody_gave_stay_as_they_are(name):
    for rename in (wan_keys.diffusers_key, wan_keys.official_key, wan_keys.official_vae_key):
        assert rename(name) == name


def test_the_names_of_image_models_are_known_too():
    for official in (
        "blocks.3.cross_attn.k_img.weight",
        "blocks.3.cross_attn.norm_k_img.weight",
        "img_emb.proj.4.bias",
    ):
        converted = single_file.convert_wan_transformer_to_diffusers({official: torch.ones(1)})
        assert list(converted) == [wan_keys.diffusers_key(official)]
        assert wan_keys.official_key(*converted) == official


def test_a_folder_that_diffusers_wrote_is_read_back_bit_for_bit(tmp_path):
    """diffusers' own models write the folder, sharded, with its own configuration; ours read it."""
    transformer = diffusers.WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=128, in_channels=16, out_channels=16,
        text_dim=64, freq_dim=256, ffn_dim=384, num_layers=4, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", eps=1e-6, image_dim=None, added_kv_proj_dim=None, rope_max_seq_len=1024,
        pos_embed_seq_len=None, vace_layers=[0, 3], vace_in_channels=96,
    )  # fmt: skip
    official = full_weights()
    transformer.load_state_dict(single_file.convert_wan_transformer_to_diffusers(dict(official)), strict=True)
    transformer.save_pretrained(tmp_path / "transformer", max_shard_size="5MB")
    vae = diffusers.AutoencoderKLWan(
        base_dim=8, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[],
        temperal_downsample=[False, True, True], dropout=0.0,
    )  # fmt: skip
    vae.load_state_dict(single_file.convert_wan_vae_to_diffusers(vae_weights()), strict=True)
    vae.save_pretrained(tmp_path / "vae")
    assert len(list((tmp_path / "transformer").glob("*.safetensors"))) > 1

    base, adapter, network = load_base(tmp_path), load_adapter(tmp_path), load_vae(tmp_path).network
    assert adapter.context_layers == (0, 3)
    assert all(value.equal(official[name]) for name, value in base.state_dict().items())
    assert all(value.equal(vae_weights()[name]) for name, value in network.state_dict().items())


QUANTS = ["Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "BF16", "F16"]
ONLY_READ = ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS"]


@pytest.mark.parametrize("kind", QUANTS)
def test_gguf_reads_as_the_gguf_package_does(tmp_path, kind):
    path = write_gguf(tmp_path / "a.gguf", base_weights(), kind)
    file, theirs = open_checkpoint(path), gguf.GGUFReader(path)
    assert list(file.tensors) == [tensor.name for tensor in theirs.tensors]
    for tensor in theirs.tensors:
        wanted = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        got = file.read(tensor.name)
        assert np.array_equal(got.float().numpy().ravel(), np.ascontiguousarray(wanted).ravel())
        assert file.tensors[tensor.name].nbytes == tensor.n_bytes


@pytest.mark.parametrize("kind", ONLY_READ)
def test_blocks_that_only_other_tools_write_are_read_as_the_gguf_package_does(tmp_path, kind):
    stored = gguf.GGMLQuantizationType[kind]
    numbers, width = gguf.GGML_QUANT_SIZES[stored]
    data = np.random.default_rng(0).integers(0, 60, (6, 512 // numbers * width), dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "a.gguf", "wan")
    writer.add_tensor("a", data, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    got = open_checkpoint(tmp_path / "a.gguf").read("a")
    assert got.shape == (6, 512)
    assert np.array_equal(got.numpy(), gguf.quants.dequantize(data, stored))
