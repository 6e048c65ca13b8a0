"""The video VAE of LTX-Video 0.9: 8×32×32 pixels become one latent cell of 128 channels.

The encoder looks at the past alone, so it is streamed: every convolution remembers what it saw last. The decoder looks
both ways in time, so it does a clip at once. In space it sees hundreds of pixels far, but most of that where cells are
coarse: these layers do whole frames, and the fine ones, where the memory goes, do a part of a frame with a rim.
Source: Lightricks/LTX-Video 0.9.1, causal_video_autoencoder.py; names of the weights are those of its checkpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ...errors import ShapeError
from ...geometry import Box, Grid
from ...protocols import OnChunk, report_chunk
from ..tiling import crop, doubled, halved, tiles
from .latents import LATENTS

GRID = LATENTS.grid
# What each convolution of the encoder saw last. A fresh dictionary starts a clip.
Memory = dict[nn.Module, Tensor]

PATCH = 4  # pixels a side that become channels before the first layer
HALF = 2
PIECE = 8  # frames that a convolution of the decoder works on at once
# Blocks of the decoder that do whole frames, and those of the three finer levels. A level sees nine cells far, be it by
# three residual blocks of two convolutions, one that narrows and one that doubles, or by four and the last convolution.
COARSE, FINE, RIM = 3, ((3, 6), (6, 9), (9, 10)), 9
NORM_EPS, SHORTCUT_EPS = 1e-8, 1e-6
# What the encoder's blocks do, with the width they lead to; the decoder does the reverse from the end.
BLOCKS = (
    ("same", 4, 1), ("halve", 1, 1), ("widen", 1, 2), ("same", 3, 2), ("halve", 1, 2), ("widen", 1, 4), ("same", 3, 4),
    ("halve", 1, 4), ("same", 3, 4), ("same", 4, 4),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LtxVaeSizes:
    """Everything that differs between LTX VAEs of this architecture.

    Attributes:
        width: Features at a quarter of the size. LTX 0.9: 128.
    """

    width: int = 128


class VideoConv(nn.Module):
    """A convolution of side 3 in space and time, with zeros around a frame and repeated frames at the ends of time.

    Attributes:
        is_normed: Whether its input is normalised and activated first.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1, is_normed: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, stride=stride, padding=(0, 1, 1))
        self.is_normed = is_normed

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        """With `memory` looks at the present and two past frames; without, one to each side."""
        if memory is None:
            return self._both_ways(x)
        x = self._before(x)
        past = memory.get(self)
        x = torch.cat([x[:, :, :1].expand(-1, -1, 2, -1, -1) if past is None else past, x], dim=2)
        # A copy: a view would keep the whole input alive until the next chunk.
        memory[self] = x[:, :, -(3 - self.conv.stride[0]) :].clone()
        return self.conv(x)

    def _both_ways(self, x: Tensor) -> Tensor:
        """Some frames at a time, so that of what is only needed on the way there is never a whole clip."""
        b, _, t, h, w = x.shape
        result = x.new_empty(b, self.conv.out_channels, t, h, w)
        for start in range(0, t, PIECE):
            stop = min(start + PIECE, t)
            part = self._before(x[:, :, max(start - 1, 0) : stop + 1])
            ends = ([part[:, :, :1]] if start == 0 else [], [part[:, :, -1:]] if stop == t else [])
            result[:, :, start:stop] = self.conv(torch.cat([*ends[0], part, *ends[1]], dim=2))
        return result

    def _before(self, x: Tensor) -> Tensor:
        """Every position scaled to unit mean square over its channels, then SiLU; or as it is."""
        if not self.is_normed:
            return x
        return F.silu(x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + NORM_EPS))


class ChannelNorm(nn.Module):
    """A layer norm over the channels of every position."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=SHORTCUT_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = VideoConv(inputs, outputs, is_normed=True)
        self.conv2 = VideoConv(outputs, outputs, is_normed=True)
        self.norm3 = ChannelNorm(inputs) if inputs != outputs else None
        self.conv_shortcut = nn.Conv3d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        y = self.conv2(self.conv1(x, memory), memory)
        if self.norm3 is None or self.conv_shortcut is None:
            return y.add_(x)
        return y.add_(self.conv_shortcut(self.norm3(x)))


class ResidualBlocks(nn.Module):
    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.res_blocks = nn.ModuleList(ResidualBlock(channels, channels) for _ in range(count))

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        for block in self.res_blocks:
            x = block(x, memory)
        return x


class Double(nn.Module):
    """Twice the frames but for the first, and twice the height and width, out of eight times the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = VideoConv(channels, channels * HALF**3)

    def forward(self, x: Tensor, memory: Memory | None) -> Tensor:
        x = self.conv(x, memory)
        return rearrange(x, "b (c f p q) t h w -> b c (t f) (h p) (w q)", f=HALF, p=HALF, q=HALF)[:, :, 1:]


class Encoder(nn.Module):
    """Patches `(B, 48, T, H/4, W/4)` to features `(B, latent_channels + 1, t, h, w)`, of which the last is variance."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_in = VideoConv(3 * PATCH**2, width)
        blocks: list[nn.Module] = []
        channels = width
        for kind, count, multiplier in BLOCKS:
            outputs = width * multiplier
            if kind == "halve":
                blocks.append(VideoConv(channels, outputs, stride=HALF))
            else:
                blocks.append(ResidualBlocks(channels, count) if kind == "same" else ResidualBlock(channels, outputs))
            channels = outputs
        self.down_blocks = nn.ModuleList(blocks)
        self.conv_out = VideoConv(channels, LATENTS.channels + 1, is_normed=True)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        x = self.conv_in(x, memory)
        for block in self.down_blocks:
            x = block(x, memory)
        return self.conv_out(x, memory)


class Decoder(nn.Module):
    """Raw latents `(B, latent_channels, t, h, w)` to patches `(B, 48, T, H/4, W/4)`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        channels = width * BLOCKS[-1][2]
        self.conv_in = VideoConv(LATENTS.channels, channels)
        blocks: list[nn.Module] = []
        for index, (kind, count, _) in reversed(list(enumerate(BLOCKS))):
            outputs = width * (BLOCKS[index - 1][2] if index else 1)
            if kind == "halve":
                blocks.append(Double(channels))
            else:
                blocks.append(ResidualBlocks(channels, count) if kind == "same" else ResidualBlock(channels, outputs))
            channels = outputs
        self.up_blocks = nn.ModuleList(blocks)
        self.conv_out = VideoConv(channels, 3 * PATCH**2, is_normed=True)

    def forward(self, x: Tensor, windows: Sequence[DecodeWindow], on_chunk: OnChunk | None = None) -> Iterator[Tensor]:
        """What each of the windows shows."""
        coarse, *fine = (self._layers(*ends) for ends in ((0, COARSE), *FINE))
        total = len(coarse) + len(windows) * sum(map(len, fine))
        done = iter(range(1, total + 1))
        x = self.conv_in(x, None)
        for layer in coarse:
            x = layer(x, None)
            report_chunk(on_chunk, next(done), total)
        for window in windows:
            part, covered = x, Box(0, 0, x.shape[-1], x.shape[-2])
            if window is windows[-1]:
                x = x.new_empty(0)  # nobody needs it any more
            for layers, needed in zip(fine, window.needs, strict=True):
                part = crop(part, covered, needed)
                for layer in layers:
                    part = layer(part, None)
                    report_chunk(on_chunk, next(done), total)
                covered = doubled(needed)
            yield window.cut(self.conv_out(part, None))

    def _layers(self, first: int, end: int) -> list[nn.Module]:
        """The layers of some blocks, one by one: a loop inside another keeps what the outer one read alive."""
        layers: list[nn.Module] = []
        for block in list(self.up_blocks)[first:end]:
            layers += block.res_blocks if isinstance(block, ResidualBlocks) else [block]
        return layers


class DecodeWindow:
    """A box of pixels, and what must be computed for it at each of the decoder's finer levels.

    Attributes:
        pixels: The box.
        needs: Cells of a sixteenth, an eighth and a quarter of the size.
    """

    def __init__(self, pixels: Box, height: int, width: int) -> None:
        self.pixels = pixels
        need = halved(halved(pixels)).grown(RIM, height // PATCH, width // PATCH)
        needs = [need]
        for size in (2 * PATCH, 4 * PATCH):
            need = halved(need).grown(RIM, height // size, width // size)
            needs.insert(0, need)
        self.needs = needs

    def cut(self, cells: Tensor) -> Tensor:
        """The window's pixels out of the patches of what was needed for it."""
        return crop(unpatchify(cells), doubled(doubled(self.needs[-1])), self.pixels)


class LtxVaeNetwork(nn.Module):
    """The weights, and one call each way on raw (not normalised) latents. `LtxVae` is what the pipeline uses."""

    def __init__(self, *, width: int = 128) -> None:
        super().__init__()
        self.width = width
        self.encoder = Encoder(width)
        self.decoder = Decoder(width)
        self.per_channel_statistics = nn.Module()
        self.per_channel_statistics.register_buffer("mean-of-means", torch.zeros(LATENTS.channels))
        self.per_channel_statistics.register_buffer("std-of-means", torch.ones(LATENTS.channels))

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the raw latents, each `(128, 1, 1, 1)` in float32."""
        mean, std = (
            self.per_channel_statistics.get_buffer(f"{name}-of-means").float().view(-1, 1, 1, 1)
            for name in ("mean", "std")
        )
        return mean, std

    def encode(self, frames: Tensor, memory: Memory) -> Tensor:
        """Mean of the latents `(B, 128, t, h, w)`."""
        return self.encoder(patchify(frames), memory)[:, : LATENTS.channels]

    def decode(
        self, latents: Tensor, windows: Sequence[DecodeWindow], on_chunk: OnChunk | None = None
    ) -> Iterator[Tensor]:
        """Frames `(B, 3, T, H, W)` of each window, not clamped."""
        return self.decoder(latents, windows, on_chunk)


class LtxVae:
    """Pixels to normalised latents and back; `vace_core.protocols.VideoVae` says what the calls mean.

    Attributes:
        network: The weights. Its dtype and device are where the work is done.
        tile: Side in pixels of the pieces in which frames are decoded; None = whole frames. Smaller needs less memory
            and more time, for a piece is computed with 36 pixels around it where cells are finest, and more where they
            are coarser; the result differs by rounding only (2e-5 of pixels in −1..1 in float32). Encoding goes by
            eight frames and needs no pieces.
    """

    latent_channels = LATENTS.channels

    def __init__(self, network: LtxVaeNetwork, *, tile: int | None = None) -> None:
        self.network = network.eval().requires_grad_(False)
        self.tile = tile
        self._gray: Tensor | None = None

    @property
    def grid(self) -> Grid:
        return GRID

    @torch.no_grad()
    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        GRID.check(*frames.shape[2:])
        if content is not None and content.area == 0:
            times = GRID.latent_frames(frames.shape[2])
            return self._encode_gray(frames[:1, :, :1], on_chunk).expand(len(frames), -1, times, -1, -1)
        return self._encode(frames, on_chunk)

    @torch.no_grad()
    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        if latents.shape[1] != LATENTS.channels:
            raise ShapeError(
                "latents-channels",
                "The latents have {channels} channels. The LTX-Video VAE needs {needed}. Use the VAE that "
                "belongs to the model that made them.",
                channels=latents.shape[1],
                needed=LATENTS.channels,
            )
        mean, std = self.network.statistics
        raw = self._place(latents.to(std) * std + mean)
        t, height, width = GRID.pixel_frames(raw.shape[2]), raw.shape[3] * GRID.pixels, raw.shape[4] * GRID.pixels
        window = window or Box(0, 0, width, height)
        windows = [DecodeWindow(box, height, width) for box in tiles(window, self.tile, GRID.pixels)]
        parts = (part.float().clamp_(-1, 1) for part in self.network.decode(raw, windows, on_chunk))
        if len(windows) == 1:
            return next(parts)
        frames = torch.empty(len(raw), 3, t, window.height, window.width, device=raw.device)
        for part, at in zip(parts, windows, strict=True):
            crop(frames, window, at.pixels).copy_(part)
        return frames

    def _encode(self, frames: Tensor, on_chunk: OnChunk | None) -> Tensor:
        mean, std = self.network.statistics
        memory: Memory = {}
        chunks = list(_frame_chunks(frames.shape[2]))
        parts: list[Tensor] = []
        for done, chunk in enumerate(chunks, start=1):
            raw = self.network.encode(self._place(frames[:, :, chunk]), memory).float()
            parts.append((raw - mean) / std)
            report_chunk(on_chunk, done, len(chunks))
        return torch.cat(parts, dim=2)

    def _encode_gray(self, frame: Tensor, on_chunk: OnChunk | None) -> Tensor:
        """One latent frame; those of a clip in which nothing ever changes are all alike."""
        if self._gray is None or self._gray.shape[3:] != GRID.latent_size(*frame.shape[2:])[1:]:
            self._gray = self._encode(torch.zeros_like(frame), on_chunk)
        return self._gray.to(self.network.encoder.conv_in.conv.weight.device)

    def _place(self, x: Tensor) -> Tensor:
        weight = self.network.encoder.conv_in.conv.weight
        return x.to(device=weight.device, dtype=weight.dtype)


def patchify(frames: Tensor) -> Tensor:
    """`(B, 3, T, H, W)` → `(B, 48, T, H/4, W/4)`; a channel is colour · 16 + column · 4 + row."""
    return rearrange(frames, "b c t (h p) (w q) -> b (c q p) t h w", p=PATCH, q=PATCH)


def unpatchify(cells: Tensor) -> Tensor:
    """The inverse of `patchify`."""
    return rearrange(cells, "b (c q p) t h w -> b c t (h p) (w q)", p=PATCH, q=PATCH)


def _frame_chunks(num_frames: int) -> Iterator[slice]:
    """The frames that make each latent frame: the first alone, then eight at a time."""
    yield slice(0, 1)
    for start in range(1, num_frames, GRID.frames):
        yield slice(start, start + GRID.frames)
