"""The family at tiny sizes."""

from __future__ import annotations

import torch
from filling import fill

from families.case import Case

from .dit import MiniMaxSizes
from .family import MINIMAX
from .text import QWEN3_MARK, TABLE, Qwen3Text
from .vae import MiniMaxVaeSizes

WIDTH = 24  # another than that of the base, by which ComfyUI tells whether a prompt is embedded


def tables() -> dict[str, torch.Tensor]:
    """A text encoder's weights, as far as they are looked at."""
    rows = torch.randn(256, WIDTH, generator=torch.Generator().manual_seed(4))
    return {TABLE: rows, QWEN3_MARK: torch.ones(16)}


def base(seed: int = 1):
    network = fill(MINIMAX.build_base(CASE.sizes), seed)
    network.rope.inv_freq.copy_(10000.0 ** -(torch.arange(2) / 2))
    return network


CASE = Case(
    family=MINIMAX,
    sizes=MiniMaxSizes(
        width=32, ffn=48, layers=6, text_width=WIDTH, heads=2, head_width=16, refiners=1, frequencies=16,
        time_hidden=24, time_width=20, rotated=2,
    ),
    context_layers=(0, 5),
    vae_sizes=MiniMaxVaeSizes(width=12),
    text=lambda: Qwen3Text(tables()[TABLE]),
    text_weights=tables,
    last="final_layer.video_out",
    clip=(5, 64, 96),
    base=base,
)  # fmt: skip
