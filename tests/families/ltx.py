"""LTX-Video 0.9 for the conformance suite."""

from __future__ import annotations

from dataclasses import replace

import tiny_ltx
import torch
from model_files import text_encoder

from vace_core.models.ltx import keys
from vace_core.models.ltx.family import LTX
from vace_core.models.ltx.vae import LtxVaeSizes

from .case import Case


def text_weights() -> dict[str, torch.Tensor]:
    shapes = text_encoder(2, 1, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    return {name: torch.ones(shape) for name, shape in shapes.items()}


CASE = Case(
    family=LTX,
    sizes=replace(tiny_ltx.SIZES, heads=32),  # no weight tells the heads, so files are read with those of the release
    context_layers=tiny_ltx.LAYERS,
    vae_sizes=LtxVaeSizes(width=4),
    text=tiny_ltx.LetterText,
    text_weights=text_weights,
    last="proj_out",
    clip=(9, 32, 64),
    theirs={"diffusers": (keys.diffusers_key, keys.diffusers_vae_key)},
)
