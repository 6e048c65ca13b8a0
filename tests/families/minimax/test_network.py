"""The network against ComfyUI's own module, where COMFYUI_PATH names one that has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from filling import relative
from safetensors.torch import load_file, save_file

from .case import CASE, base
from .theirs import UNKNOWN

COMFYUI = os.environ.get("COMFYUI_PATH")
SIGMAS = torch.tensor([1.0, 0.7, 0.02])


@pytest.mark.skipif(COMFYUI is None, reason="needs a ComfyUI: set COMFYUI_PATH")
@pytest.mark.parametrize("size", [(2, 4, 6), (7, 2, 4)])
@torch.no_grad()
def test_velocity_is_that_of_comfyui(tmp_path, size):
    """Its names of weights, and its numbers; without audio, and with words of both kinds."""
    generator, sizes, ours = torch.Generator().manual_seed(0), CASE.sizes, base()
    latents = torch.randn(1, sizes.in_channels, *size, generator=generator)
    states = torch.randn(1, 7, sizes.text_width, generator=generator)
    tags = torch.tensor([[1, 1, 0, 0, 1, 1, 1]])
    given = {"given.latents": latents, "given.states": states, "given.tags": tags, "given.sigmas": SIGMAS}
    save_file(given | ours.state_dict(), tmp_path / "in.safetensors")
    named = {
        "hidden_size": sizes.width, "num_layers": sizes.layers, "token_refiner_num_layers": sizes.refiners,
        "num_attention_heads": sizes.heads, "attention_head_dim": sizes.head_width, "ffn_hidden_size": sizes.ffn,
        "text_dim": sizes.text_width, "timestep_input_dim": sizes.frequencies,
        "time_embed_hidden_size": sizes.time_hidden, "time_embed_dim": sizes.time_width,
        "rope_inv_freq_len": sizes.rotated,
    }  # fmt: skip
    script, out = Path(__file__).with_name("theirs.py"), tmp_path / "out.safetensors"
    words = [sys.executable, str(script), COMFYUI, str(tmp_path / "in.safetensors"), str(out), json.dumps(named)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    if done.returncode == UNKNOWN:
        pytest.skip("this ComfyUI has none")
    assert done.returncode == 0, done.stderr
    text = ours.prepare_text((states, tags))
    got = torch.cat([ours(latents, sigma[None], text) for sigma in SIGMAS])
    assert relative(got, load_file(out)["velocities"]) <= 2e-5
