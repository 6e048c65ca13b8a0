"""Layers whose weights follow the precision of what comes in, as those of ComfyUI's memory management do.

So one network computes its large products in halves and what must not be rounded in float32, while all its weights are
held in one precision. Where both are the same, these are the layers of torch.nn. Matrices may also stay as a file
stores them, in fewer bits.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..files.packed import Packing

RMSNorm = nn.RMSNorm  # nothing reaches it but what a product in the precision of its weights made


class Linear(nn.Linear):
    """`packing` says how `weight` is stored, if it is not the numbers themselves."""

    packing: Packing | None = None

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return F.linear(x, self._numbers(x.dtype), _like(self.bias, x))

    def held(self, x: Tensor) -> AbstractContextManager[tuple[Tensor, Tensor | None]]:
        """Weight and bias for several uses with `x`."""
        return nullcontext((self._numbers(x.dtype), _like(self.bias, x)))

    def _numbers(self, dtype: torch.dtype) -> Tensor:
        return self.weight.to(dtype) if self.packing is None else self.packing.numbers(self.weight, dtype)


class LayerNorm(nn.LayerNorm):
    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return F.layer_norm(x, self.normalized_shape, _like(self.weight, x), _like(self.bias, x), self.eps)


def as_given(device: torch.device) -> AbstractContextManager[Any]:
    """Inside, the autocast of a training is off, so that layers compute in the precision of what comes in."""
    on = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    return torch.autocast(device.type, enabled=False) if on else nullcontext()


def _like(weights: Tensor | None, x: Tensor) -> Tensor | None:
    return None if weights is None else weights.to(x.dtype)


def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    """Queries `(B, H, L, E)`, keys and values `(B, H, S, E)` → `(B, L, H * E)`.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        bias: Added to the scores, `(B, 1, 1, S)`.
    """
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias).transpose(1, 2).flatten(2)


def attention_of(ops: Any) -> Callable[..., Tensor]:
    """The `attention` that comes with layers; that of torch where they bring none, as torch.nn."""
    return getattr(ops, "attention", attention)


def keep_packed(layer: nn.Module, data: Tensor, packing: Packing) -> None:
    """Gives a `Linear` that has a `packing` its weight as it is stored."""
    layer.weight = nn.Parameter(data, requires_grad=False)
    layer.packing = packing  # type: ignore[assignment]
