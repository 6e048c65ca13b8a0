"""One pass of LTX-Video with an adapter: weights, inputs and settings that a golden file was made from."""

from __future__ import annotations

import tiny_ltx
import torch
from torch import Tensor, nn

from vace_core.models.ltx.keys import official_adapter_key

SIZES, LAYERS = tiny_ltx.SIZES, tiny_ltx.LAYERS
FPS = 25.0
# Strength of the hints, and blocks whose attention is left out: of none, of one with a context block, of one without.
CASES = {
    "whole": (1.0, ()),
    "half": (0.5, ()),
    "skipped with hint": (1.0, (2,)),
    "skipped without hint": (0.7, (1,)),
}
# A whole job: steps, and the block that the weaker prediction goes without.
STEPS, GUIDED = 4, 2


def models() -> tuple[nn.Module, nn.Module]:
    """A base and an adapter."""
    return tiny_ltx.base(), tiny_ltx.adapter()


def official(transformer: type[nn.Module]) -> nn.Module:
    """The official transformer, of this class, with the weights of both."""
    model = transformer(
        num_attention_heads=SIZES.heads, attention_head_dim=SIZES.width // SIZES.heads, in_channels=128,
        out_channels=128, num_layers=SIZES.layers, cross_attention_dim=SIZES.width, attention_bias=True,
        activation_fn="gelu-approximate", num_embeds_ada_norm=1000, norm_elementwise_affine=False, norm_eps=1e-6,
        caption_channels=SIZES.text_width, qk_norm="rms_norm", standardization_norm="rms_norm",
        positional_embedding_type="rope", positional_embedding_theta=10000.0,
        positional_embedding_max_pos=[20, 2048, 2048], timestep_scale_multiplier=1000, project_to_2d_pos=True,
        context_num_layers=list(LAYERS), in_context_channels=384,
    )  # fmt: skip
    base, adapter = models()
    state = {official_adapter_key(name, LAYERS): value for name, value in adapter.state_dict().items()}
    model.load_state_dict(dict(base.state_dict()) | state, strict=True)
    return model.eval()


def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "latents": torch.randn(1, 128, 4, 2, 3, generator=generator),
        "context": torch.randn(1, 384, 4, 2, 3, generator=generator),
        "text": torch.randn(1, 7, SIZES.text_width, generator=generator),
        "sigma": torch.tensor([0.7]),
        "negative": torch.randn(1, 4, SIZES.text_width, generator=generator),
    }
