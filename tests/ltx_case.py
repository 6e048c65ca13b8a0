"""One pass of LTX-Video with an adapter: weights, inputs and settings that a golden file was made from."""

from __future__ import annotations

import tiny_ltx
import torch
from torch import Tensor, nn

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


def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "latents": torch.randn(1, 128, 4, 2, 3, generator=generator),
        "context": torch.randn(1, 384, 4, 2, 3, generator=generator),
        "text": torch.randn(1, 7, SIZES.text_width, generator=generator),
        "sigma": torch.tensor([0.7]),
        "negative": torch.randn(1, 4, SIZES.text_width, generator=generator),
    }
