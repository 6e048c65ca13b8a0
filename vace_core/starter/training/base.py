"""The starter's base: a small Wan text-to-video model, and how its weights begin."""

from __future__ import annotations

import torch
from torch import nn

from ...models.wan.dit import WanDit


@torch.no_grad()
def initialise(base: WanDit, seed: int = 0) -> None:
    """Starts the base with quiet branches and a head that says nothing, as diffusion transformers like it."""
    generator = torch.Generator().manual_seed(seed)
    for module in base.modules():
        if isinstance(module, nn.Linear | nn.Conv3d):  # the patch embedding is a linear map of each patch
            outputs, inputs = module.weight.flatten(1).shape
            bound = (6 / (outputs + inputs)) ** 0.5
            module.weight.copy_((torch.rand(module.weight.shape, generator=generator) * 2 - 1) * bound)
            module.bias.zero_()  # type: ignore[union-attr]
    used = base.text_embedding[0].weight  # type: ignore[union-attr]
    used.copy_(torch.randn(used.shape, generator=generator) * 0.1)  # type: ignore[union-attr,arg-type]
    base.time_projection[1].weight.mul_(0.1)  # type: ignore[union-attr,operator]
    base.head.head.weight.zero_()
    for block in base.blocks:
        block.modulation[:, [2, 5]] = 0.3  # type: ignore[index,operator]
