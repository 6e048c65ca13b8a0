"""The VAE against diffusers."""

from __future__ import annotations

import pytest
import torch
from filling import fill, relative

from vace_core.models.wan.latents import LATENTS
from vace_core.models.wan.vae import WanVaeNetwork

diffusers = pytest.importorskip("diffusers")


@pytest.fixture(scope="module")
def networks():
    from diffusers.loaders.single_file_utils import convert_wan_vae_to_diffusers

    ours = fill(WanVaeNetwork(width=8))
    theirs = diffusers.AutoencoderKLWan(
        base_dim=8, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[],
        temperal_downsample=[False, True, True], dropout=0.0,
    )  # fmt: skip
    theirs.load_state_dict(convert_wan_vae_to_diffusers(dict(ours.state_dict())), strict=True)
    return ours, theirs.eval()


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 5, 9, 17])
def test_encode_equals_diffusers(networks, num_frames):
    ours, theirs = networks
    frames = torch.rand(1, 3, num_frames, 32, 48, generator=torch.Generator().manual_seed(num_frames)) * 2 - 1
    mean, log_variance = ours.encode(frames, {})
    wanted = theirs.encode(frames).latent_dist
    assert relative(mean, wanted.mean) <= 1e-5
    assert relative(log_variance.clamp(-30, 20), wanted.logvar) <= 1e-5


@torch.no_grad()
@pytest.mark.parametrize("latent_frames", [1, 2, 3, 5])
def test_decode_equals_diffusers(networks, latent_frames):
    ours, theirs = networks
    latents = torch.randn(1, 16, latent_frames, 4, 6, generator=torch.Generator().manual_seed(latent_frames))
    wanted = theirs.decode(latents).sample
    got = ours.decode(latents, {}).clamp(-1, 1)
    assert got.shape[2] == 4 * latent_frames - 3
    assert relative(got, wanted) <= 1e-5


def test_the_full_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        network = WanVaeNetwork()
    state = network.state_dict()
    assert (len(state), sum(value.numel() for value in state.values())) == (194, 126_892_531)


def test_the_statistics_of_the_latents_are_those_of_diffusers(networks):
    _, theirs = networks
    assert list(LATENTS.latents_mean) == list(theirs.config.latents_mean)
    assert list(LATENTS.latents_std) == list(theirs.config.latents_std)
