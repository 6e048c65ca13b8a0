"""The latents of LTX-Video 0.9; the weights of its VAE hold their mean and standard deviation."""

from __future__ import annotations

from ...geometry import Grid
from ..latent_space import LatentSpace

LATENTS = LatentSpace(
    channels=128,
    grid=Grid(frames=8, pixels=32, patch=1),
    mask_channels=128,
    latent_format="LTXV",
    normalized_in_comfyui=True,
    gray_is_still=True,
)
