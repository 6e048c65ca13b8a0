"""The VAE of LTX-Video against diffusers."""

from __future__ import annotations

import pytest
import torch
from filling import relative
from tiny_ltx import vae_network

from vace_core.geometry import Box
from vace_core.models.ltx.vae import DecodeWindow, LtxVae, LtxVaeNetwork

diffusers = pytest.importorskip("diffusers")
single_file = pytest.importorskip("diffusers.loaders.single_file_utils")


@pytest.fixture(scope="module")
def networks():
    ours = vae_network(8)
    theirs = diffusers.AutoencoderKLLTXVideo(
        block_out_channels=(8, 16, 32, 32), decoder_block_out_channels=(8, 16, 32, 32),
        layers_per_block=(4, 3, 3, 3, 4), decoder_layers_per_block=(4, 3, 3, 3, 4),
        spatio_temporal_scaling=(True, True, True, False), decoder_spatio_temporal_scaling=(True, True, True, False),
        decoder_inject_noise=(False,) * 5,
        upsample_residual=(False,) * 4, upsample_factor=(1,) * 4, timestep_conditioning=False, patch_size=4,
        patch_size_t=1, resnet_norm_eps=1e-6, scaling_factor=1.0, encoder_causal=True, decoder_causal=False,
    )  # fmt: skip
    state = {f"vae.{name}": value for name, value in ours.state_dict().items()}
    theirs.load_state_dict(single_file.convert_ltx_vae_checkpoint_to_diffusers(state), strict=True)
    return ours, theirs.eval()


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 9, 25])
def test_encode_equals_diffusers(networks, num_frames):
    ours, theirs = networks
    frames = torch.rand(1, 3, num_frames, 64, 96, generator=torch.Generator().manual_seed(num_frames)) * 2 - 1
    wanted = theirs.encode(frames).latent_dist.mean
    assert relative(ours.encode(frames, {}), wanted) <= 1e-5
    normalised = (wanted - theirs.latents_mean.view(-1, 1, 1, 1)) / theirs.latents_std.view(-1, 1, 1, 1)
    assert relative(LtxVae(ours).encode(frames), normalised) <= 1e-5


@torch.no_grad()
@pytest.mark.parametrize("latent_frames", [1, 2, 4])  # the last level of the last has three pieces and a bit
def test_decode_equals_diffusers(networks, latent_frames):
    ours, theirs = networks
    latents = torch.randn(1, 128, latent_frames, 2, 3, generator=torch.Generator().manual_seed(latent_frames))
    wanted = theirs.decode(latents).sample
    (got,) = ours.decode(latents, [DecodeWindow(Box(0, 0, 96, 64), 64, 96)])
    assert got.shape[2] == 8 * latent_frames - 7
    assert relative(got, wanted) <= 1e-5


def test_the_full_size_has_the_official_number_of_weights():
    with torch.device("meta"):
        whole = LtxVaeNetwork()
    # Beside them the file has five statistics of 128 numbers, of which two are read.
    weights = list(whole.parameters())
    assert (len(weights) + 5, sum(value.numel() for value in weights)) == (193, 419_193_649)
