"""The transformer and its adapter against diffusers."""

from __future__ import annotations

import pytest
import torch
from filling import fill, relative

from vace_core.adapter import Attachment
from vace_core.models.wan import dit as wan

diffusers = pytest.importorskip("diffusers")

LAYERS = (0, 2)
SIZES = wan.WanSizes(width=256, ffn=384, layers=4, text_width=64)

BLOCK_NAMES = {
    "self_attn.o": "attn1.to_out.0",
    "self_attn.norm_": "attn1.norm_",
    "self_attn.": "attn1.to_",
    "cross_attn.o": "attn2.to_out.0",
    "cross_attn.norm_": "attn2.norm_",
    "cross_attn.": "attn2.to_",
    "norm3": "norm2",
    "modulation": "scale_shift_table",
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    "before_proj": "proj_in",
    "after_proj": "proj_out",
}
MODEL_NAMES = {
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "head.head": "proj_out",
    "head.modulation": "scale_shift_table",
}


def their_name(name: str) -> str:
    """A weight's name in diffusers from its official name, written out so that the library is not its own judge."""
    table = BLOCK_NAMES if "blocks." in name else MODEL_NAMES
    for ours, theirs in table.items():
        if ours in name:
            return name.replace(ours, theirs, 1)
    return name


@pytest.fixture(scope="module")
def models():
    base = fill(wan.WanDit(SIZES), seed=1)
    adapter = fill(wan.build_adapter(SIZES, LAYERS), seed=2)
    official = dict(base.state_dict()) | {
        wan.official_adapter_key(name): value for name, value in adapter.state_dict().items()
    }
    theirs = diffusers.WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=128, in_channels=16, out_channels=16,
        text_dim=64, freq_dim=256, ffn_dim=384, num_layers=4, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", eps=1e-6, image_dim=None, added_kv_proj_dim=None, rope_max_seq_len=1024,
        pos_embed_seq_len=None, vace_layers=list(LAYERS), vace_in_channels=96,
    )  # fmt: skip
    theirs.load_state_dict({their_name(name): value for name, value in official.items()}, strict=True)
    return base, adapter, theirs.eval()


def inputs(frames: int = 3, batch: int = 1):
    generator = torch.Generator().manual_seed(frames)
    return (
        torch.randn(batch, 16, frames, 4, 6, generator=generator),
        torch.randn(batch, 96, frames, 4, 6, generator=generator),
        torch.randn(batch, 20, 64, generator=generator),
        torch.linspace(0.831, 0.2, batch),
    )


def ask_theirs(theirs, latents, context, text, sigma, scales):
    padded = torch.nn.functional.pad(text, (0, 0, 0, 512 - text.shape[1]))
    return theirs(
        hidden_states=latents, timestep=sigma * 1000, encoder_hidden_states=padded, control_hidden_states=context,
        control_hidden_states_scale=torch.tensor(scales), return_dict=False,
    )[0]  # fmt: skip


@torch.no_grad()
@pytest.mark.parametrize("strength", [1.0, 0.4])
@pytest.mark.parametrize(("frames", "batch"), [(1, 1), (3, 1), (4, 2)])
def test_base_with_adapter_equals_diffusers(models, strength, frames, batch):
    base, adapter, theirs = models
    latents, context, text, sigma = inputs(frames, batch)
    wanted = ask_theirs(theirs, latents, context, text, sigma, [strength] * len(LAYERS))
    attachment = Attachment(adapter=adapter, context=adapter.embed(context), strength=strength)
    got = base(latents, sigma, base.prepare_text(text), [attachment])
    assert relative(got, wanted) <= 1e-5


@torch.no_grad()
def test_base_alone_equals_diffusers_with_the_hints_scaled_to_zero(models):
    base, _, theirs = models
    latents, context, text, sigma = inputs()
    wanted = ask_theirs(theirs, latents, context, text, sigma, [0.0] * len(LAYERS))
    assert relative(base(latents, sigma, base.prepare_text(text)), wanted) <= 1e-5


@torch.no_grad()
def test_a_full_length_prompt_equals_diffusers(models):
    base, _, theirs = models
    latents, context, _, sigma = inputs()
    text = torch.randn(1, 512, 64, generator=torch.Generator().manual_seed(9))
    wanted = ask_theirs(theirs, latents, context, text, sigma, [0.0] * len(LAYERS))
    assert relative(base(latents, sigma, base.prepare_text(text)), wanted) <= 1e-5


@torch.no_grad()
def test_a_clip_too_long_for_one_piece_equals_diffusers(models, monkeypatch):
    base, adapter, theirs = models
    latents, context, text, sigma = inputs(4, 2)
    wanted = ask_theirs(theirs, latents, context, text, sigma, [1.0] * len(LAYERS))
    monkeypatch.setattr(wan, "FFN_PIECE", 7)  # 24 tokens in four pieces, the last one short
    attachment = Attachment(adapter=adapter, context=adapter.embed(context))
    assert relative(base(latents, sigma, base.prepare_text(text), [attachment]), wanted) <= 1e-5
