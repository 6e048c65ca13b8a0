"""Latents come from ComfyUI and go there as it holds them, and come back the same."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vace_core.models.ltx.latents import LATENTS as LTX
from vace_core.models.wan.latents import LATENTS as WAN


def test_normalised_latents_have_the_mean_and_deviation_of_every_channel_taken_out():
    raw = torch.randn(2, 16, 3, 2, 2, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(values).view(1, 16, 1, 1, 1) for values in (WAN.latents_mean, WAN.latents_std))
    assert torch.allclose(WAN.process_in(raw), (raw - mean) / std, atol=1e-6)
    assert torch.allclose(WAN.process_out(WAN.process_in(raw)), raw, atol=1e-6)
    assert WAN.process_in(raw.bfloat16()).dtype == WAN.process_out(raw.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("space", [WAN, LTX], ids=["Wan", "LTX"])
@pytest.mark.parametrize("normalized", [False, True])
def test_a_latent_of_comfyui_is_raw_or_normalised_as_the_family_says(space, normalized):
    space = replace(space, normalized_in_comfyui=normalized)
    latents = torch.randn(1, space.channels, 2, 2, 2, generator=torch.Generator().manual_seed(1)).bfloat16()
    there = space.to_comfyui(latents)
    assert torch.equal(there, latents.float() if normalized else space.process_out(latents))
    assert torch.allclose(space.from_comfyui(there), latents.float(), atol=1e-6)


def test_what_the_adapter_reads_is_two_halves_and_the_mask():
    assert (WAN.vace_in_channels, LTX.vace_in_channels) == (96, 384)


def test_where_the_weights_hold_the_statistics_nothing_is_taken_out_again():
    raw = torch.randn(1, 128, 1, 2, 2, generator=torch.Generator().manual_seed(2))
    assert (LTX.latents_mean, LTX.latents_std) == (None, None)
    assert torch.equal(LTX.process_in(raw), raw)
    assert torch.equal(LTX.process_out(raw), raw)
