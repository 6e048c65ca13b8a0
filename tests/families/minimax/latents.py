"""The latents of MiniMax H3. Source: ComfyUI 0.33, comfy/latent_formats.py and comfy/sd.py."""

from __future__ import annotations

from vace_core.geometry import Grid
from vace_core.models.latent_space import LatentSpace

# A clip has 17n + 5 frames in 5n + 2 latent ones: by fives, the first holds one frame and the others four.
LATENTS = LatentSpace(
    channels=24,
    grid=Grid(frames=17, pixels=16, patch=2, latents=5, shortest=(5, 2)),
    mask_channels=1,
    latent_format="MiniMaxH3Video",
    normalized_in_comfyui=True,
)
PER_TOKEN = (1, 4, 4, 4, 4)


def frames_of(latent_frames: int) -> list[int]:
    """How many pixel frames each latent frame holds."""
    return [PER_TOKEN[n % len(PER_TOKEN)] for n in range(latent_frames)]
