"""Names of LTX-Video's weights against diffusers, and what diffusers writes read back."""

from __future__ import annotations

import pytest
import tiny_ltx
import torch
from filling import fill

from vace_core.loading.inspect import inspect
from vace_core.loading.load import load_base, load_vae
from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx import keys as ltx_keys
from vace_core.models.ltx.vae import LtxVaeNetwork

diffusers = pytest.importorskip("diffusers")
single_file = pytest.importorskip("diffusers.loaders.single_file_utils")


def released():
    """The weights of the released 2B base and of the VAE, without memory for them."""
    with torch.device("meta"):
        base = ltx.LtxDit(ltx.LtxSizes(width=2048, ffn=8192, layers=28))
        return base.state_dict(), LtxVaeNetwork().state_dict()


def test_names_there_and_back_and_as_diffusers_converts_them():
    base, vae = released()
    there = [ltx_keys.diffusers_key(name) for name in base]
    assert [ltx_keys.official_key(name) for name in there] == list(base)
    meta = {f"model.diffusion_model.{name}": value for name, value in base.items()}
    assert set(single_file.convert_ltx_transformer_checkpoint_to_diffusers(meta)) == set(there)
    there = [ltx_keys.diffusers_vae_key(name) for name in vae]
    assert [ltx_keys.official_vae_key(name) for name in there] == list(vae)
    meta = {f"vae.{name}": value for name, value in vae.items()}
    assert set(single_file.convert_ltx_vae_checkpoint_to_diffusers(meta)) == set(there)


@pytest.mark.parametrize("name", ["", "weight", ".weight", "decoder.up_blocks.77.x", "a\nb"])
def test_names_that_nobody_gave_stay_as_they_are(name):
    for rename in (
        ltx_keys.diffusers_key, ltx_keys.official_key, ltx_keys.diffusers_vae_key, ltx_keys.official_vae_key
    ):  # fmt: skip
        assert rename(name) == name


def test_a_folder_that_diffusers_wrote_is_read_back_bit_for_bit(tmp_path):
    sizes = ltx.LtxSizes(width=64, ffn=256, layers=2, text_width=32)
    base, network = fill(ltx.LtxDit(sizes)).state_dict(), tiny_ltx.vae_network(8)
    theirs = diffusers.LTXVideoTransformer3DModel(
        num_attention_heads=32, attention_head_dim=2, cross_attention_dim=64, num_layers=2, caption_channels=32,
        in_channels=128, out_channels=128,
    )  # fmt: skip
    theirs.load_state_dict({ltx_keys.diffusers_key(name): value for name, value in base.items()}, strict=True)
    theirs.save_pretrained(tmp_path / "transformer", max_shard_size="200KB")
    vae = diffusers.AutoencoderKLLTXVideo(
        block_out_channels=(8, 16, 32, 32), decoder_block_out_channels=(8, 16, 32, 32),
        layers_per_block=(4, 3, 3, 3, 4), decoder_layers_per_block=(4, 3, 3, 3, 4),
        spatio_temporal_scaling=(True, True, True, False), decoder_spatio_temporal_scaling=(True, True, True, False),
    )  # fmt: skip
    state = {ltx_keys.diffusers_vae_key(name): value for name, value in network.state_dict().items()}
    vae.load_state_dict(state, strict=True)
    vae.save_pretrained(tmp_path / "vae")

    found = inspect(tmp_path)
    assert (found.kind, found.naming, found.layers) == ("base", "diffusers", 2)
    assert all(value.equal(base[name]) for name, value in load_base(tmp_path).state_dict().items())
    state = load_vae(tmp_path).network.state_dict()
    assert all(value.equal(state[name]) for name, value in network.state_dict().items())
