"""LTX-Video's real classes at tiny sizes, with deterministic weights that are nowhere zero."""

from __future__ import annotations

import torch
from filling import fill
from tiny import LetterText as LetterText

from vace_core.models.ltx import dit as ltx
from vace_core.models.ltx.vae import LtxVae, LtxVaeNetwork
from vace_core.pipeline import Expert, VaceModel

SIZES = ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=32, heads=4)
LAYERS = (0, 2)


def base(seed: int = 1) -> ltx.LtxDit:
    return fill(ltx.LtxDit(SIZES), seed)


def adapter(seed: int = 2):
    return fill(ltx.build_adapter(SIZES, LAYERS), seed)


def vae_network(width: int = 4, seed: int = 3) -> LtxVaeNetwork:
    """With statistics that are not neutral."""
    network = fill(LtxVaeNetwork(width=width), seed)
    values = torch.rand(2, 128, generator=torch.Generator().manual_seed(seed))
    for index, name in enumerate(("mean-of-means", "std-of-means")):
        network.per_channel_statistics.get_buffer(name).copy_(index + values[index])
    return network


def vae(seed: int = 3) -> LtxVae:
    return LtxVae(vae_network(seed=seed))


def model(with_adapter: bool = True) -> VaceModel:
    expert = Expert(base=base(), adapter=adapter() if with_adapter else None)
    return VaceModel(expert=expert, vae=vae(), text=LetterText(), encode_masks=ltx.encode_masks)


def clip(num_frames: int = 9, height: int = 32, width: int = 64, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, num_frames, height, width, generator=generator) * 2 - 1
