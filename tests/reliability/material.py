"""Clips, masks and a VAE small enough that whole graphs take milliseconds."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from vace_core.models.wan.vae import WanVaeNetwork

PATH = json.dumps({"version": 1, "paths": [{"keys": [
    {"time": 0.0, "x": 0.25, "y": 0.5, "width": 0.25, "height": 0.5},
    {"time": 1.0, "x": 0.75, "y": 0.5, "width": 0.25, "height": 0.5},
]}]})  # fmt: skip
FPS = 8.0


def clip(frames: int = 5, height: int = 32, width: int = 48, seed: int = 0, channels: int = 3) -> Tensor:
    """IMAGE `[T, H, W, C]` of 8-bit noise."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, channels), generator=generator).float() / 255


def left_half(frames: int = 1, height: int = 32, width: int = 48) -> Tensor:
    """MASK `[T, H, W]`: white on the left."""
    mask = torch.zeros(frames, height, width)
    mask[:, :, : width // 2] = 1
    return mask


class FakeVae:
    """What nodes see of Wan's VAE: its weights' names and shapes, with averages in place of what they compute."""

    latent_channels = 16
    latent_dim = 3

    def __init__(self, spoiled: str = "") -> None:
        self.spoiled, self.first_stage_model = spoiled, _network()

    def encode(self, pixels: Tensor) -> Tensor:
        frames = pixels[..., :3].movedim(-1, 1)[::4]
        small = functional.avg_pool2d(frames, 8)
        latents = small.repeat(1, 6, 1, 1)[:, :16].movedim(1, 0)[None]
        return latents * float("nan") if self.spoiled == "encode" else latents

    def decode(self, latents: Tensor) -> Tensor:
        frames = latents[0, :3].movedim(0, 1)
        large = functional.interpolate(frames, scale_factor=8.0)
        video = torch.cat([large[:1], large[1:].repeat_interleave(4, dim=0)]).movedim(1, -1)[None].clamp(0, 1)
        return video * float("nan") if self.spoiled == "decode" else video


@cache
def _network() -> nn.Module:
    """By it a node tells whose VAE it is; it holds no values."""
    with torch.device("meta"):
        return WanVaeNetwork(width=8)


def conditioning() -> list[Any]:
    """CONDITIONING of an empty prompt."""
    return [[torch.zeros(1, 1, 4096), {}]]
