"""`WanVae`: the Wan VAE as the pipeline uses it, streamed in time, and in space only where there is something to do.

All layers but the attention in the middle see only a few cells around. So a part of a frame can be computed alone and
come out as it does in the whole, if it is computed with a rim of neighbours: that is how large frames are tiled, how
a small hole is decoded alone, and how a clip that is gray but for a small box is encoded for the price of the box.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from ...errors import ShapeError
from ...geometry import Box, Grid
from ...protocols import OnChunk, report_chunk
from ..tiling import crop, doubled, halved, tiles
from .latents import LATENTS
from .vae import Memory, WanVaeNetwork, run_layers

GRID = LATENTS.grid
# How far the layers of one level see, in cells of that level: two residual blocks of two convolutions each while
# encoding, three while decoding; the first encoder level has one convolution more.
ENCODE_RIMS = (5, 4, 4)
DECODE_RIM = 6
HEAD_RIM = 1
# Pixels from the border of the frame after which the features of a gray clip no longer depend on where they are
# (5·1 + 2·1, then 4·2 + 2·2, then 4·4 + 2·4, rounded up to whole latent cells).
GRAY_BORDER = 48
GRAY_SIDE = 2 * GRAY_BORDER + 16
# A window is encoded alone only if that is clearly less work than the frame.
SPARSE_BELOW = 0.6


class WanVae:
    """Pixels to normalised latents and back; `vace_core.protocols.VideoVae` says what the calls mean.

    Attributes:
        network: The weights. Its dtype and device are where the work is done.
        tile: Side in pixels of the pieces in which a frame is computed; None = whole frames. Smaller needs less
            memory and more time; the result differs by rounding only (2e-5 of pixels in −1..1 in float32).
    """

    latent_channels = LATENTS.channels

    def __init__(self, network: WanVaeNetwork, *, tile: int | None = None) -> None:
        self.network = network.eval().requires_grad_(False)
        channels_last(network)
        self.tile = tile
        self._gray_clip: Tensor | None = None
        self._gray_features: dict[tuple[int, int, torch.device], _GrayFeatures] = {}

    @property
    def grid(self) -> Grid:
        return GRID

    @torch.no_grad()
    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        num_frames, height, width = frames.shape[2:]
        GRID.check(num_frames, height, width)
        if content is not None and content.area == 0:
            return self._encode_gray(num_frames, height, width, on_chunk).expand(len(frames), -1, -1, -1, -1)
        chunks = list(_frame_chunks(frames.shape[2]))
        stages = self._stages_for(frames, content)
        memory: Memory = {}
        parts: list[Tensor] = []
        for done, (index, chunk) in enumerate(chunks, start=1):
            features = stages(index, self._place(frames[:, :, chunk]))
            parts.append(self._finish(features, memory))
            report_chunk(on_chunk, done, len(chunks))
        return torch.cat(parts, dim=2)

    @torch.no_grad()
    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        b, channels, t, h, w = latents.shape
        if channels != self.latent_channels:
            raise ShapeError(
                "latents-channels",
                "The latents have {channels} channels. The Wan 2.1 VAE needs {needed}. Use the VAE that "
                "belongs to the model that made them.",
                channels=channels,
                needed=self.latent_channels,
            )
        height, width = h * GRID.pixels, w * GRID.pixels
        window = window or Box(0, 0, width, height)
        windows = [_DecodeWindow(self.network, tile, height, width) for tile in tiles(window, self.tile, GRID.pixels)]
        raw = self._place(LATENTS.process_out(latents))
        memory: Memory = {}
        # One clip from the beginning: parts that are joined in the end would hold it twice.
        frames = torch.empty(b, 3, GRID.pixel_frames(t), window.height, window.width, device=latents.device)
        for k, chunk in _frame_chunks(frames.shape[2]):
            features = self.network.decoder.start(self.network.conv2(raw[:, :, k : k + 1], memory), memory)
            for tile in windows:
                at = tile.window
                rows = slice(at.top - window.top, at.bottom - window.top)
                columns = slice(at.left - window.left, at.right - window.left)
                frames[:, :, chunk, rows, columns] = tile(features).float().clamp_(-1, 1)
            report_chunk(on_chunk, k + 1, t)
        return frames

    def forget(self) -> None:
        """Frees what is kept of gray between clips, on the device where they were encoded."""
        self._gray_clip, self._gray_features = None, {}

    def _stages_for(self, frames: Tensor, content: Box | None) -> Callable[[int, Tensor], Tensor]:
        """How the layers up to the last halving are computed: whole, in tiles, or in a window on gray."""
        height, width = frames.shape[-2:]
        if content is not None and encodes_less(content, height, width):
            sparse = _EncodeWindow(self.network, content, height, width)
            return lambda index, chunk: sparse.on_gray(chunk, self._gray_for(height, width), index)
        if self.tile is None:
            memory: Memory = {}
            return lambda _, chunk: _run_stages(self.network, chunk, memory)
        boxes = list(tiles(Box(0, 0, width, height), self.tile, GRID.pixels))
        pieces = [_EncodeTile(self.network, box, height, width) for box in boxes]
        return lambda _, chunk: _assemble(pieces, chunk)

    def _encode_gray(self, num_frames: int, height: int, width: int, on_chunk: OnChunk | None) -> Tensor:
        known = self._gray_clip
        t, h, w = GRID.latent_size(num_frames, height, width)
        if known is not None and known.shape[2] >= t and known.shape[3:] == (h, w):
            return known[:, :, :t].to(self.network.conv1.weight.device)
        features = self._gray_for(height, width)
        memory: Memory = {}
        parts: list[Tensor] = []
        for index in range(t):
            parts.append(self._finish(features.of_frame(index), memory))
            report_chunk(on_chunk, index + 1, t)
        self._gray_clip = torch.cat(parts, dim=2)
        return self._gray_clip

    def _gray_for(self, height: int, width: int) -> _GrayFeatures:
        key = (height, width, self.network.conv1.weight.device)
        if key not in self._gray_features:
            self._gray_features = {key: _GrayFeatures(self.network, height, width)}
        return self._gray_features[key]

    def _finish(self, features: Tensor, memory: Memory) -> Tensor:
        """Features of the whole frame after the last halving → normalised latents."""
        mean, _ = self.network.conv1(self.network.encoder.finish(features, memory), memory).float().chunk(2, dim=1)
        return LATENTS.process_in(mean)

    def _place(self, x: Tensor) -> Tensor:
        weight = self.network.conv1.weight
        return x.to(device=weight.device, dtype=weight.dtype).contiguous(memory_format=torch.channels_last_3d)


def encodes_less(content: Box | None, height: int, width: int) -> bool:
    """Whether a clip that is gray outside of a box is clearly less work for `WanVae.encode` than any clip."""
    if content is None or content.area == 0:
        return content is not None
    return max(height, width) > GRAY_SIDE and _reach(content, height, width)[2] < SPARSE_BELOW


def decodes_less(window: Box | None, height: int, width: int) -> bool:
    """Whether a box of pixels is clearly less work for `WanVae.decode` than whole frames."""
    if window is None:
        return False
    return window.grown(DECODE_RIM + HEAD_RIM, height, width).area < SPARSE_BELOW * height * width


def channels_last(network: nn.Module) -> None:
    """Lays all convolution weights out with the channels innermost, which convolutions are fastest with."""
    for parameter in network.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)
        elif parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


class _EncodeTile:
    """One piece of a frame through the encoder's levels, with its rim."""

    def __init__(self, network: WanVaeNetwork, box: Box, height: int, width: int) -> None:
        self.output = Box(*(side // GRID.pixels for side in (box.left, box.top, box.right, box.bottom)))
        need, sizes = self.output, _level_sizes(height, width)
        needs: list[Box] = []
        for level in (2, 1, 0):
            # An output cell reads its two input cells and one more to the right; then come the rims of the blocks.
            need = _before_halving(need).grown(ENCODE_RIMS[level] + 1, *sizes[level], step=2)
            needs.insert(0, need)
        self.needs = needs
        self.network, self.memory = network, Memory()

    def __call__(self, chunk: Tensor) -> Tensor:
        covered = Box(0, 0, chunk.shape[-1], chunk.shape[-2])
        x = chunk
        for level, stage in enumerate(self.network.encoder.local_stages):
            x = run_layers(stage, crop(x, covered, self.needs[level]), self.memory)
            covered = halved(self.needs[level])
        return crop(x, covered, self.output)


class _EncodeWindow:
    """A clip that is gray outside a box, through the encoder's levels: only what differs from gray is computed."""

    def __init__(self, network: WanVaeNetwork, content: Box, height: int, width: int) -> None:
        self.network, self.memory = network, Memory()
        self.changed, self.needs, _ = _reach(content, height, width)

    def on_gray(self, chunk: Tensor, gray: _GrayFeatures, index: int) -> Tensor:
        """Features `(B, C, 1, h, w)` of the whole frame for chunk `index`."""
        x = crop(chunk, Box(0, 0, chunk.shape[-1], chunk.shape[-2]), self.needs[0])
        for level, stage in enumerate(self.network.encoder.local_stages):
            changed = self.changed[level]
            part = crop(run_layers(stage, x, self.memory), halved(self.needs[level]), changed)
            around = self.needs[level + 1] if level < 2 else None
            x = (
                gray.of_level(index, level, around)
                .expand(len(chunk), -1, -1, -1, -1)
                .clone(memory_format=torch.channels_last_3d)
            )
            origin = around or Box(0, 0, 0, 0)
            x[..., changed.top - origin.top : changed.bottom - origin.top,
              changed.left - origin.left : changed.right - origin.left] = part  # fmt: skip
        return x


class _GrayFeatures:
    """The features of an all-gray clip after each encoder level.

    Away from the border of the frame they are the same everywhere, so they are computed on a small canvas that has
    all the borders and some middle, and the middle is repeated.
    """

    def __init__(self, network: WanVaeNetwork, height: int, width: int) -> None:
        self.size = (height, width)
        self.canvas = (min(height, GRAY_SIDE), min(width, GRAY_SIDE))
        self.network, self.memory = network, Memory()
        self.levels: list[list[Tensor]] = []

    def of_frame(self, index: int) -> Tensor:
        """`(1, C, 1, h, w)` after the last halving, for chunk `index`."""
        return self.of_level(index, 2, None)

    def of_level(self, index: int, level: int, box: Box | None) -> Tensor:
        """Features of chunk `index` after `level`, of the whole frame or of `box` in that level's output cells."""
        while len(self.levels) <= index:
            self.levels.append(self._next(len(self.levels)))
        features = self.levels[index][level]
        rows, columns = (
            self._indices(size >> (level + 1), side >> (level + 1), GRAY_BORDER >> (level + 1), features.device)
            for size, side in zip(self.size, self.canvas, strict=True)
        )
        if box is not None:
            rows, columns = rows[box.top : box.bottom], columns[box.left : box.right]
        return features.index_select(3, rows).index_select(4, columns)

    def _next(self, index: int) -> list[Tensor]:
        weight = self.network.conv1.weight
        frames = torch.zeros(1, 3, 1 if index == 0 else GRID.frames, *self.canvas, dtype=weight.dtype,
                             device=weight.device)  # fmt: skip
        x = frames.contiguous(memory_format=torch.channels_last_3d)
        results: list[Tensor] = []
        for stage in self.network.encoder.local_stages:
            x = run_layers(stage, x, self.memory)
            results.append(x)
        return results

    @staticmethod
    def _indices(size: int, side: int, border: int, device: torch.device) -> Tensor:
        """Which canvas row (or column) stands for each of the frame's."""
        index = torch.arange(size, device=device)
        if size == side:
            return index
        from_end = index - size + side
        return torch.where(index < border, index, torch.where(from_end >= side - border, from_end, border))


class _DecodeWindow:
    """One box of pixels through the decoder's levels, with a rim that shrinks from level to level."""

    def __init__(self, network: WanVaeNetwork, window: Box, height: int, width: int) -> None:
        self.network, self.memory, self.window = network, Memory(), window
        sizes = [*_level_sizes(height, width)][:4]
        need = window.grown(DECODE_RIM + HEAD_RIM, *sizes[0])
        needs = [need]
        for level in (1, 2, 3):
            # One cell more for the convolution after doubling, then the blocks of the coarser level.
            wider = need.grown(1, *sizes[level - 1])
            need = halved(wider).grown(DECODE_RIM, *sizes[level])
            needs.insert(0, need)
        self.needs = needs

    def __call__(self, features: Tensor) -> Tensor:
        covered = Box(0, 0, features.shape[-1], features.shape[-2])
        x = features
        for level, stage in enumerate(self.network.decoder.local_stages):
            at = self.needs[level]
            x = crop(x, covered, at)
            for layer in stage:  # not by `run`, during which `x` would keep the coarser features alive
                x = layer(x, self.memory)
            covered = doubled(at) if level < 3 else at
        return crop(self.network.decoder.finish(x, self.memory), covered, self.window)


def _run_stages(network: WanVaeNetwork, chunk: Tensor, memory: Memory) -> Tensor:
    for stage in network.encoder.local_stages:
        chunk = run_layers(stage, chunk, memory)
    return chunk


def _assemble(pieces: list[_EncodeTile], chunk: Tensor) -> Tensor:
    """The features of a whole frame from those of its tiles."""
    parts = [(piece.output, piece(chunk)) for piece in pieces]
    h, w = (side // GRID.pixels for side in chunk.shape[-2:])
    whole = parts[0][1].new_empty(*parts[0][1].shape[:3], h, w).contiguous(memory_format=torch.channels_last_3d)
    for box, part in parts:
        whole[..., box.top : box.bottom, box.left : box.right] = part
    return whole


def _frame_chunks(num_frames: int) -> Iterator[tuple[int, slice]]:
    """The frames that make each latent frame: the first alone, then four at a time."""
    yield 0, slice(0, 1)
    for index in range(1, GRID.latent_frames(num_frames)):
        yield index, slice(1 + (index - 1) * GRID.frames, 1 + index * GRID.frames)


def _reach(content: Box, height: int, width: int) -> tuple[list[Box], list[Box], float]:
    """Where features differ from those of gray after each level, what is read for that, and how much of the levels."""
    changed, needs = list[Box](), list[Box]()
    sizes = _level_sizes(height, width)
    box, work = content, 0.0
    for level, rim in enumerate(ENCODE_RIMS):
        reached = box.grown(rim, *sizes[level])
        box = Box((reached.left - 1) // 2, (reached.top - 1) // 2, (reached.right + 1) // 2,
                  (reached.bottom + 1) // 2).grown(0, *sizes[level + 1])  # fmt: skip
        changed.append(box)
        needs.append(_before_halving(box).grown(rim + 1, *sizes[level], step=2))
        work += needs[-1].area / (sizes[level][0] * sizes[level][1])
    return changed, needs, work / len(ENCODE_RIMS)


def _before_halving(box: Box) -> Box:
    """The cells that a convolution in steps of two reads for `box`: twice the size, and one more on the far sides."""
    return Box(box.left * 2, box.top * 2, box.right * 2 + 2, box.bottom * 2 + 2)


def _level_sizes(height: int, width: int) -> list[tuple[int, int]]:
    """Rows and columns of cells at full, half, quarter and eighth size."""
    return [(height >> level, width >> level) for level in range(4)]
