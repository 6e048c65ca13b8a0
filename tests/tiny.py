"""Real classes at tiny sizes, with deterministic weights that are nowhere zero."""

from __future__ import annotations

import torch
from filling import fill

from vace_core.models.wan import dit as wan
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.pipeline import Expert, VaceModel

SIZES = wan.WanSizes(width=128, ffn=192, layers=4, text_width=32)
LAYERS = (0, 2)


class LetterText:
    """A text encoder with a row for each letter, so that different prompts differ."""

    def encode(self, prompt: str) -> torch.Tensor:
        letters = [ord(letter) % 32 for letter in prompt] or [0]
        return torch.nn.functional.one_hot(torch.tensor([letters]), 32).float()


class CountingText(LetterText):
    """The same, which knows what it was asked."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def encode(self, prompt: str) -> torch.Tensor:
        self.read.append(prompt)
        return super().encode(prompt)


def base(seed: int = 1) -> wan.WanDit:
    return fill(wan.WanDit(SIZES), seed)


def adapter(seed: int = 2):
    return fill(wan.build_adapter(SIZES, LAYERS), seed)


def vae(seed: int = 3) -> WanVae:
    return WanVae(fill(WanVaeNetwork(width=4, blocks=1), seed))


def model(with_adapter: bool = True) -> VaceModel:
    expert = Expert(base=base(), adapter=adapter() if with_adapter else None)
    return VaceModel(expert=expert, vae=vae(), text=LetterText(), encode_masks=wan.encode_masks)


def clip(num_frames: int = 5, height: int = 32, width: int = 48, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, num_frames, height, width, generator=generator) * 2 - 1
