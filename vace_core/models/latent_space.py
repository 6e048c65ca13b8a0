"""The latents of a family: how many channels, on which grid, and how raw ones are normalised."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..geometry import Grid


@dataclass(frozen=True, kw_only=True)
class LatentSpace:
    """What a family's VAE makes of pixels. Names are those of diffusers and of ComfyUI's latent formats.

    Attributes:
        channels: Of a latent.
        grid: How a clip is divided into latents and tokens.
        mask_channels: Of a mask that is folded into latent cells.
        latents_mean: Of every channel of raw latents; None where the weights of the VAE hold it.
        latents_std: The standard deviation, likewise.
        latent_format: The class in ComfyUI's comfy.latent_formats, whose colours previews are drawn in.
        normalized_in_comfyui: Whether ComfyUI's LATENT of this family is normalised; else it is raw.
        gray_is_still: Whether the latents of a clip in which nothing changes are alike at all times.
    """

    channels: int
    grid: Grid
    mask_channels: int
    latents_mean: tuple[float, ...] | None = None
    latents_std: tuple[float, ...] | None = None
    latent_format: str
    normalized_in_comfyui: bool
    gray_is_still: bool = False

    @property
    def vace_in_channels(self) -> int:
        """Of context latents: inactive ‖ reactive ‖ mask."""
        return 2 * self.channels + self.mask_channels

    def process_in(self, raw: Tensor) -> Tensor:
        """Raw latents `(B, C, t, h, w)` → normalised ones, float32."""
        if self.latents_mean is None or self.latents_std is None:
            return raw.float()
        return (raw.float() - _per_channel(self.latents_mean, raw)) / _per_channel(self.latents_std, raw)

    def process_out(self, latents: Tensor) -> Tensor:
        """Normalised latents `(B, C, t, h, w)` → raw ones, float32; the inverse of `process_in`."""
        if self.latents_mean is None or self.latents_std is None:
            return latents.float()
        return latents.float() * _per_channel(self.latents_std, latents) + _per_channel(self.latents_mean, latents)

    def from_comfyui(self, samples: Tensor) -> Tensor:
        """The samples of a LATENT as normalised latents, float32."""
        return samples.float() if self.normalized_in_comfyui else self.process_in(samples)

    def to_comfyui(self, latents: Tensor) -> Tensor:
        """Normalised latents as ComfyUI's LATENT and VAE hold them, float32."""
        return latents.float() if self.normalized_in_comfyui else self.process_out(latents)


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, device=like.device).view(1, -1, 1, 1, 1)
