"""Deterministic weights that are nowhere zero: VACE's projections start at zero, which would hide every mistake."""

from __future__ import annotations

import torch
from torch import nn


@torch.no_grad()
def fill(module: nn.Module, seed: int = 0) -> nn.Module:
    """Gives every parameter of `module` reproducible random values of a size that keeps activations near one."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in sorted(module.named_parameters()):
        values = torch.randn(parameter.shape, generator=generator)
        is_gain = name.endswith("gamma") or (parameter.dim() == 1 and name.endswith("weight"))
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 1
        parameter.copy_(1 + 0.1 * values if is_gain else values * (0.1 if parameter.dim() < 2 else fan_in**-0.5))
    return module.eval()


def relative(got: torch.Tensor, wanted: torch.Tensor) -> float:
    """Largest difference over largest value."""
    return float((got - wanted).abs().max() / wanted.abs().max())
