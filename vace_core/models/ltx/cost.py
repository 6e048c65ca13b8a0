"""What LTX-Video costs: arithmetic and memory, from sizes alone."""

from __future__ import annotations

from collections.abc import Sequence

from ...geometry import Box
from ..tiling import tiles
from .dit import FREQUENCIES, GRID, LtxSizes
from .latents import LATENTS
from .text import T5
from .vae import BLOCKS, HALF, PATCH, DecodeWindow, LtxVaeSizes

# Tokens of a prompt; padding is none.
MAX_TEXT_TOKENS: int = T5.max_tokens
COLOURS = 3 * PATCH**2
# Tensors alive at the worst moment, found by following every allocation on meta tensors; see the test.
FFN_TENSORS, ATTENTION_TENSORS, ADAPTER_TENSORS = 4, 7, 2
# In the decoder: tensors of the finest level for each frame, and what the eight frames in work add to them; then the
# same of the doubling that leads there, which works on a wider rim.
FINEST, DOUBLING = (3.0, 31), (2.4, 15)


def base_flop(sizes: LtxSizes, tokens: int, text_tokens: int) -> int:
    """One pass of the base on one clip; prompts are embedded once for a job and not counted."""
    d = sizes.width
    ends = 2 * tokens * d * 2 * sizes.in_channels
    time = 2 * d * (FREQUENCIES + d + 6 * d)
    return ends + time + sizes.layers * _block_flop(sizes, tokens, text_tokens)


def adapter_flop(sizes: LtxSizes, blocks: int, tokens: int, text_tokens: int) -> int:
    """One pass of an adapter of so many blocks; the condition is embedded once for a job and not counted."""
    return blocks * (_block_flop(sizes, tokens, text_tokens) + 2 * tokens * sizes.width**2)


def encode_flop(vae: LtxVaeSizes, num_frames: int, height: int, width: int, *, gray: bool = False) -> int:
    """One clip of pixels into latents; of a clip known to be `gray`, one frame."""
    frames, area, channels = 1 if gray else num_frames, height * width // PATCH**2, vae.width
    total = _conv(COLOURS, channels, frames * area)
    for kind, count, multiplier in BLOCKS:
        outputs = vae.width * multiplier
        if kind == "halve":
            frames, area = (frames - 1) // HALF + 1, area // HALF**2
            total += _conv(channels, outputs, frames * area)
        else:
            total += _residuals(channels, outputs, count, frames * area)
        channels = outputs
    return total + _conv(channels, LATENTS.channels + 1, frames * area)


def decode_flop(vae: LtxVaeSizes, num_frames: int, height: int, width: int) -> int:
    """The latents of a whole clip into pixels."""
    frames, rows, columns = GRID.latent_size(num_frames, height, width)
    area, channels = rows * columns, vae.width * BLOCKS[-1][2]
    total = _conv(LATENTS.channels, channels, frames * area)
    for index in reversed(range(len(BLOCKS))):
        kind, count, _ = BLOCKS[index]
        outputs = vae.width * (BLOCKS[index - 1][2] if index else 1)
        if kind == "halve":
            total += _conv(channels, channels * HALF**3, frames * area)
            frames, area = HALF * frames - 1, area * HALF**2
        else:
            total += _residuals(channels, outputs, count, frames * area)
        channels = outputs
    return total + _conv(channels, COLOURS, frames * area)


def peak_of_pass(sizes: LtxSizes, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
    """Bytes of activations in one pass of base and adapter, weights not counted.

    Of each condition the context is there as it is and embedded, and the tokens of its adapter.
    """
    d = sizes.width
    numbers = max(FFN_TENSORS * d + 2 * sizes.ffn, ATTENTION_TENSORS * d) * tokens
    if blocks:
        numbers += conditions * ADAPTER_TENSORS * d * tokens
    return numbers * bytes_per_number + tokens * (4 * d + conditions * 4 * sizes.vace_in_channels)


def waiting_pass(sizes: LtxSizes, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
    """Bytes that a pass takes between two blocks: the tokens of base and adapters."""
    return bytes_per_number * sizes.width * tokens * (1 + conditions if blocks else 1)


def peak_of_vae(vae: LtxVaeSizes, size: Sequence[int], bytes_per_number: int, tile: int | None = None) -> int:
    """Bytes of activations while a clip is decoded, which takes more than encoding it eight frames at a time."""
    num_frames, height, width = size
    per_pixel = vae.width * bytes_per_number / PATCH**2
    finest, doubling = (each * num_frames + once for each, once in (FINEST, DOUBLING))
    if tile is None or max(height, width) <= tile:
        return int(finest * per_pixel * height * width)
    windows = [DecodeWindow(box, height, width) for box in tiles(Box(0, 0, width, height), tile, GRID.pixels)]
    fine, middle = (max(window.needs[-n].area for window in windows) * (n * PATCH) ** 2 for n in (1, 2))
    # Features of whole frames, at half the latent's cells a side, wait while the windows are done one by one.
    waiting = GRID.latent_frames(num_frames) * HALF * 4 * per_pixel * height * width / PATCH**2
    written = 3 * 4 * num_frames * (height * width + min(tile, height) * min(tile, width))
    return int(per_pixel * max(finest * fine, doubling * middle) + waiting) + written


def _block_flop(sizes: LtxSizes, tokens: int, text_tokens: int) -> int:
    d = sizes.width
    projections = 2 * d * d * (4 * tokens + 2 * tokens + 2 * text_tokens)
    attention = 4 * d * tokens * (tokens + text_tokens)
    return projections + attention + 4 * tokens * d * sizes.ffn


def _conv(inputs: int, outputs: int, cells: int) -> int:
    return 2 * inputs * outputs * 27 * cells


def _residuals(inputs: int, outputs: int, count: int, cells: int) -> int:
    shortcut = 0 if inputs == outputs else 2 * inputs * outputs * cells
    return count * (_conv(inputs, outputs, cells) + _conv(outputs, outputs, cells)) + shortcut
