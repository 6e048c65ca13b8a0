"""Compiled parts, with which a step takes two thirds of its time. A choice: it needs a C++ compiler."""

from __future__ import annotations

import torch
from torch import Tensor

from ...models import layers, rotary
from ...models.wan import dit as wan
from ...models.wan.vae import NormSilu


def compile_vae() -> None:
    """Lets torch fuse the norms, a third of a step's time otherwise."""
    _allow_shapes()
    NormSilu.forward = torch.compile(NormSilu.forward, dynamic=True)


def compile_blocks() -> None:
    """Lets torch fuse the transformer's blocks, of networks that are built from now on.

    The compiler knows neither complex numbers nor attention as one call, and clips of this length gain nothing from
    either, so both are written out for it.
    """
    _allow_shapes()
    rotary.turned = rotary.in_real_numbers
    layers.attention = _attention
    wan.WanBlock.forward = torch.compile(wan.WanBlock.forward, dynamic=True)


def _allow_shapes() -> None:
    torch.compiler.config.recompile_limit = 64  # one for each number of channels, precision and mode


def _attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
    scores = q * wan.HEAD_WIDTH**-0.5 @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias
    return (scores.softmax(-1).to(v.dtype) @ v).transpose(1, 2).flatten(2)
