"""Latent pinning: kept latents held to their source in every step, so that what is generated grows out of them.

The latents before the end are then as near to the source as the VAE can bring them; without it, as near as the network
happens to draw them. Pixels are pasted back at the end in either case.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError
from ..geometry import Grid
from ..inputs.masks import carried_on
from ..protocols import OnChunk, VideoVae
from ..vcu import VideoConditionUnit
from .guidance import Denoise


@dataclass(frozen=True, kw_only=True, eq=False)
class Held:
    """Latents that are known.

    Attributes:
        latents: `(B, C, t, h, w)` of a video; they count where `cells` says.
        cells: `(B, 1, t, h, w)` bool.
    """

    latents: Tensor
    cells: Tensor

    def under(self, upper: Held | None) -> Held:
        """Both, and where both know a cell, what `upper` knows."""
        if upper is None:
            return self
        latents = torch.where(upper.cells, upper.latents.to(self.latents), self.latents)
        return Held(latents=latents, cells=self.cells | upper.cells)


def kept_cells(masks: Tensor, grid: Grid) -> Tensor:
    """`(B, 1, t, h, w)` bool: latent cells of which every pixel in every frame is kept.

    Args:
        masks: `(B, 1, T, H, W)`, 0 = kept.
        grid: Of the base.
    """
    b, _, frames, height, width = masks.shape
    t, h, w = grid.latent_size(frames, height, width)
    made = (masks > 0).reshape(b, 1, frames, h, grid.pixels, w, grid.pixels).any(6).any(4)
    ranges = [grid.frames_of(number) for number in range(t)]
    return ~torch.stack([made[:, :, begin:end].any(2) for begin, end in ranges], dim=2)


def pinned_cells(vcu: VideoConditionUnit, grid: Grid) -> Tensor:
    """`(B, 1, R+t, h, w)` bool: `kept_cells` of a VCU behind its references, which are not pinned."""
    return functional.pad(kept_cells(vcu.masks, grid), (0, 0, 0, 0, vcu.num_references, 0))


def behind_references(video: Tensor, context: Tensor) -> Tensor:
    """Latents `(B, C, R+t, h, w)`: those of a video behind those of the references, the first half of their context."""
    references = context.shape[2] - video.shape[2]
    return torch.cat([context[:, : video.shape[1], :references].to(video), video], dim=2)


def encode_source(vcu: VideoConditionUnit, vae: VideoVae, *, on_chunk: OnChunk | None = None) -> Tensor:
    """Latents `(B, C, t, h, w)` of the source as it is; where it has no pixels, the nearest of the same frame go on.

    So no edge that is not in the source is encoded into the cells beside it.

    Raises:
        InputError: the VCU has no source.
    """
    if vcu.source is None:
        raise InputError(
            "pin-without-source",
            "This VCU keeps no pixels, so there are no latents to pin or to begin from. A VCU with a source video is "
            "needed. Leave pinning out; to use less noise, give a clip to begin from.",
        )
    source = torch.where(vcu.has_source, vcu.source, 0)
    return vae.encode(carried_on(source, vcu.has_source, ~vcu.has_source), on_chunk=on_chunk)


def pinned(denoise: Denoise, source: Tensor, noise: Tensor, cells: Tensor) -> Denoise:
    """`denoise` in which pinned cells are the source's at every noise level.

    Args:
        denoise: Of the whole latents.
        source: `(B, C, R+t, h, w)`, the source's latents.
        noise: The same size, the noise that the job starts from.
        cells: `(B, 1, R+t, h, w)` bool, what is pinned.
    """

    def held(latents: Tensor, sigma: float) -> Tensor:
        seen = torch.where(cells, (1 - sigma) * source + sigma * noise, latents)
        return torch.where(cells, source, denoise(seen, sigma))

    return held
