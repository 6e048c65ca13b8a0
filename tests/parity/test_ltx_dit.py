"""The transformer of LTX-Video against diffusers."""

from __future__ import annotations

import pytest
import torch
from filling import fill, relative

from vace_core.models.ltx import dit as ltx

diffusers = pytest.importorskip("diffusers")

SIZES = ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=32, heads=4)
NAMES = {"patchify_proj": "proj_in", "adaln_single": "time_embed", "q_norm": "norm_q", "k_norm": "norm_k"}


def their_name(name: str) -> str:
    """A weight's name in diffusers, written out so that the library is not its own judge."""
    for ours, theirs in NAMES.items():
        name = name.replace(ours, theirs, 1)
    return name


@pytest.fixture(scope="module")
def models():
    base = fill(ltx.LtxDit(SIZES), seed=1)
    theirs = diffusers.LTXVideoTransformer3DModel(
        num_attention_heads=4, attention_head_dim=16, cross_attention_dim=64, num_layers=4, caption_channels=32,
        in_channels=128, out_channels=128,
    )  # fmt: skip
    theirs.load_state_dict({their_name(name): value for name, value in base.state_dict().items()}, strict=True)
    return base, theirs.eval()


@torch.no_grad()
@pytest.mark.parametrize("fps", [25.0, 16.0, 23.976])
@pytest.mark.parametrize(("frames", "batch"), [(1, 1), (3, 1), (4, 2)])
def test_base_equals_diffusers(models, frames, batch, fps):
    base, theirs = models
    generator = torch.Generator().manual_seed(frames)
    latents = torch.randn(batch, 128, frames, 3, 5, generator=generator)
    text = torch.randn(batch, 20, 32, generator=generator)
    sigma = torch.linspace(0.831, 0.2, batch)
    padded = torch.cat([text, torch.randn(batch, 9, 32, generator=generator)], dim=1)
    mask = torch.tensor([[1] * 20 + [0] * 9] * batch)
    wanted = theirs(
        hidden_states=latents.flatten(2).transpose(1, 2), encoder_hidden_states=padded, timestep=sigma * 1000,
        encoder_attention_mask=mask, num_frames=frames, height=3, width=5,
        rope_interpolation_scale=(8 / fps, 32, 32), return_dict=False,
    )[0].transpose(1, 2).unflatten(2, (frames, 3, 5))  # fmt: skip
    got = base(latents, sigma, base.prepare_text(text, fps=fps))
    assert relative(got, wanted) <= 1e-6
