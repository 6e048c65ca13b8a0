"""The network against ComfyUI's own module, where COMFYUI_PATH names one that has it."""

from __future__ import annotations

import os
import sys

import pytest
import torch
from filling import relative

from .case import CASE, base

COMFYUI = os.environ.get("COMFYUI_PATH")


@pytest.fixture(scope="module")
def theirs():
    if COMFYUI is None:
        pytest.skip("needs a ComfyUI: set COMFYUI_PATH")
    sys.path.insert(0, COMFYUI)
    try:
        import comfy.cli_args

        comfy.cli_args.args.cpu = True
        model = pytest.importorskip("comfy.ldm.minimax.model", reason="this ComfyUI has none")
        import comfy.ops
    finally:
        sys.path.remove(COMFYUI)
    sizes = CASE.sizes
    network = model.MiniMaxH3Model(
        hidden_size=sizes.width, num_layers=sizes.layers, token_refiner_num_layers=sizes.refiners,
        num_attention_heads=sizes.heads, attention_head_dim=sizes.head_width, ffn_hidden_size=sizes.ffn,
        text_dim=sizes.text_width, timestep_input_dim=sizes.frequencies, time_embed_hidden_size=sizes.time_hidden,
        time_embed_dim=sizes.time_width, rope_inv_freq_len=sizes.rotated, dtype=torch.float32, device="cpu",
        operations=comfy.ops.disable_weight_init,
    )  # fmt: skip
    network.load_state_dict(base().state_dict(), strict=True)
    return network.eval().requires_grad_(False)


@pytest.mark.parametrize("sigma", [1.0, 0.7, 0.02])
@pytest.mark.parametrize("size", [(2, 4, 6), (7, 2, 4)])
@torch.no_grad()
def test_velocity_is_that_of_comfyui(theirs, sigma, size):
    """Its names of weights, and its numbers; without audio, and with words of both kinds."""
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, CASE.sizes.in_channels, *size, generator=generator)
    states = torch.randn(1, 7, CASE.sizes.text_width, generator=generator)
    tags = torch.tensor([[1, 1, 0, 0, 1, 1, 1]])
    ours = base()
    wanted, _ = theirs(
        [latents, torch.zeros(1, CASE.sizes.audio_channels, 2, 0)], torch.tensor([sigma * 1000]), states,
        minimax_payload={"text_token_tags": tags},
    )  # fmt: skip
    got = ours(latents, torch.tensor([sigma]), ours.prepare_text((states, tags)))
    assert relative(got, wanted) <= 2e-5
