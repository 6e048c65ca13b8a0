"""Layers whose weights follow the precision of what comes in, as those of ComfyUI's memory management do.

So one network computes its large products in halves and what must not be rounded in float32, while all its weights are
held in one precision. Where both are the same, these are the layers of torch.nn.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RMSNorm = nn.RMSNorm  # nothing reaches it but what a product in the precision of its weights made


class Linear(nn.Linear):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return F.linear(x, self.weight.to(x.dtype), _like(self.bias, x))


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return F.layer_norm(x, self.normalized_shape, _like(self.weight, x), _like(self.bias, x), self.eps)


def as_given(device: torch.device) -> AbstractContextManager[Any]:
    """Inside, the autocast of a training is off, so that layers compute in the precision of what comes in."""
    on = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if on else nullcontext()


def _like(weights: Tensor | None, x: Tensor) -> Tensor | None:
    return None if weights is None else weights.to(x.dtype)
