"""A stand-in for the VAE of MiniMax H3: its latents, frames and marks, but linear from cell to cell and thus exact."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vace_core.geometry import Box, Grid
from vace_core.models.tiling import crop, tiles
from vace_core.protocols import OnChunk

from .latents import LATENTS, PER_TOKEN, frames_of

SIDE, MOST = LATENTS.grid.pixels, max(PER_TOKEN)
NUMBERS = 3 * MOST * SIDE**2


@dataclass(frozen=True, kw_only=True)
class MiniMaxVaeSizes:
    """Features between the two linear layers of the decoder."""

    width: int


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv_out = nn.Linear(NUMBERS, LATENTS.channels)


class Decoder(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.x_embedder = nn.Linear(LATENTS.channels, width)
        scale = nn.Module()
        scale.scale1 = nn.Parameter(torch.ones(width))
        self.transformer_blocks = nn.ModuleList([scale])
        self.proj_out = nn.Linear(width, NUMBERS)


class MiniMaxVaeNetwork(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(), Decoder(width)
        self.register_buffer("latents_mean", torch.zeros(LATENTS.channels))
        self.register_buffer("latents_std", torch.ones(LATENTS.channels))


class MiniMaxVae:
    """`vace_core.protocols.VideoVae` says what the calls mean."""

    latent_channels = LATENTS.channels

    def __init__(self, network: MiniMaxVaeNetwork, tile: int | None = None) -> None:
        self.network, self.tile = network.eval().requires_grad_(False), tile

    @property
    def grid(self) -> Grid:
        return LATENTS.grid

    @torch.no_grad()
    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        self.grid.check(*frames.shape[2:])
        count = self.grid.latent_frames(frames.shape[2])
        parts = [self._encode(part) for part in frames.split(frames_of(count), dim=2)]
        if on_chunk is not None:
            on_chunk(1, 1)
        mean, std = (value.float().view(1, -1, 1, 1, 1) for value in self._statistics())
        return (torch.cat(parts, dim=2) - mean) / std

    @torch.no_grad()
    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        mean, std = (value.float().view(1, -1, 1, 1, 1) for value in self._statistics())
        raw = latents.float() * std + mean
        height, width = raw.shape[3] * SIDE, raw.shape[4] * SIDE
        window = window or Box(0, 0, width, height)
        frames = raw.new_empty(len(raw), 3, self.grid.pixel_frames(raw.shape[2]), window.height, window.width)
        whole = Box(0, 0, width // SIDE, height // SIDE)
        for tile in tiles(window, self.tile, SIDE):
            cells = Box(tile.left // SIDE, tile.top // SIDE, -(-tile.right // SIDE), -(-tile.bottom // SIDE))
            made = self._decode(crop(raw, whole, cells))
            covered = Box(*(side * SIDE for side in (cells.left, cells.top, cells.right, cells.bottom)))
            crop(frames, window, tile).copy_(crop(made, covered, tile))
        if on_chunk is not None:
            on_chunk(1, 1)
        return frames.clamp_(-1, 1)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        return self.network.get_buffer("latents_mean"), self.network.get_buffer("latents_std")

    def _encode(self, frames: Tensor) -> Tensor:
        """The frames of one latent frame; a single one counts as four."""
        frames = frames.float().expand(-1, -1, MOST, -1, -1)
        b, c, t, h, w = frames.shape
        cells = frames.reshape(b, c, t, h // SIDE, SIDE, w // SIDE, SIDE).permute(0, 3, 5, 1, 2, 4, 6)
        return self.network.encoder.conv_out(cells.flatten(3)).permute(0, 3, 1, 2)[:, :, None]

    def _decode(self, latents: Tensor) -> Tensor:
        decoder = self.network.decoder
        hidden = decoder.x_embedder(latents.movedim(1, -1)) * decoder.transformer_blocks[0].scale1
        b, t, h, w, _ = hidden.shape
        cells = decoder.proj_out(hidden).reshape(b, t, h, w, 3, MOST, SIDE, SIDE)
        frames = cells.permute(0, 4, 1, 5, 2, 6, 3, 7).reshape(b, 3, t, MOST, h * SIDE, w * SIDE)
        return torch.cat([frames[:, :, n, -count:] for n, count in enumerate(frames_of(t))], dim=2)
