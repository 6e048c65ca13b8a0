"""Wan 2.1 for the conformance suite."""

from __future__ import annotations

import tiny
import torch
from model_files import text_encoder

from vace_core.models.wan import keys
from vace_core.models.wan.family import WAN
from vace_core.models.wan.vae import VaeSizes

from .case import Case


def text_weights() -> dict[str, torch.Tensor]:
    shapes = text_encoder(2, 2, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    return {name: torch.ones(shape) for name, shape in shapes.items()}


CASE = Case(
    family=WAN,
    sizes=tiny.SIZES,
    context_layers=tiny.LAYERS,
    vae_sizes=VaeSizes(width=4, blocks=1),
    text=tiny.LetterText,
    text_weights=text_weights,
    last="head.head",
    clip=(5, 32, 48),
    theirs={"diffusers": (keys.diffusers_key, keys.diffusers_vae_key)},
)
