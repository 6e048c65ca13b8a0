"""One pass of Wan with an adapter, from seeds: weights and inputs of the golden distances of bfloat16 from float32."""

from __future__ import annotations

import torch
from filling import fill
from torch import Tensor, nn

from vace_core.models.wan import dit as wan

SIZES = wan.WanSizes(width=256, ffn=384, layers=4, text_width=64)
LAYERS = (0, 2)
SIGMAS = {0: 0.1, 1: 0.5, 2: 0.9}  # noise level by seed


def models(seed: int) -> tuple[nn.Module, nn.Module]:
    """A base and an adapter, of weights that bfloat16 holds exactly, so that both precisions run the same model."""
    made = fill(wan.WanDit(SIZES), 10 * seed + 1), fill(wan.build_adapter(SIZES, LAYERS), 10 * seed + 2)
    for model in made:
        model.to(torch.bfloat16).to(torch.float32)
    return made


def inputs(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "latents": torch.randn(1, 16, 3, 4, 6, generator=generator),
        "context": torch.randn(1, 96, 3, 4, 6, generator=generator),
        "text": torch.randn(1, 20, SIZES.text_width, generator=generator),
        "sigma": torch.tensor([SIGMAS[seed]]),
    }


def distance(got: Tensor, wanted: Tensor) -> float:
    """Length of the difference over length of `wanted`."""
    return float((got.double() - wanted.double()).norm() / wanted.double().norm())
