"""What Wan costs: arithmetic and memory, from sizes alone."""

from __future__ import annotations

from collections.abc import Sequence

from .dit import FFN_PIECE, FREQUENCIES, GRID, TEXT_TOKENS, WanSizes
from .latents import LATENTS
from .vae import MULTIPLIERS, VaeSizes
from .vae_stream import GRAY_SIDE

# Tokens of a prompt, with one for all padding.
MAX_TEXT_TOKENS: int = TEXT_TOKENS
# Tensors alive at the worst moment, found by following every allocation on meta tensors; see the test.
# In the precision of the weights. In the feed-forward part: what the part before made, what goes in, what comes out.
# In attention: what goes in, queries, keys, values, what comes out. Of the adapter: the embedded condition.
FEED_FORWARD_TENSORS, ATTENTION_TENSORS, ADAPTER_TENSORS = 3, 5, 1
STREAM_BYTES = 4  # tokens between the parts of a block are float32: those of the base, and those of the adapter
BYTES_OF_ROTATION = 512  # of a token, in any precision
# In the VAE while it decodes, which takes more than encoding, as features of full size and least width; and what of
# that is remembered of frames before, by all tiles.
DECODE_TENSORS, DECODE_KEPT = 42, 27
# Pixels around a tile that it is computed with, those that count most; and those that are remembered.
TILE_RIM, KEPT_RIM = 20, 7


def base_flop(sizes: WanSizes, tokens: int, text_tokens: int) -> int:
    """One pass of the base on one clip; prompts are embedded once for a job and not counted."""
    d = sizes.width
    patches = 2 * tokens * d * 2 * sizes.in_channels * GRID.patch**2  # in and out
    time = 2 * d * (FREQUENCIES + d + 6 * d)
    return patches + time + sizes.layers * _block_flop(sizes, tokens, text_tokens)


def adapter_flop(sizes: WanSizes, blocks: int, tokens: int, text_tokens: int) -> int:
    """One pass of an adapter of so many blocks; the condition is embedded once for a job and not counted."""
    return blocks * (_block_flop(sizes, tokens, text_tokens) + 2 * tokens * sizes.width**2)


def encode_flop(vae: VaeSizes, num_frames: int, height: int, width: int, *, gray: bool = False) -> int:
    """One clip of pixels into latents; a clip known to be `gray` is computed on a small canvas first."""
    sides = [(min(side, GRAY_SIDE) if gray else side) for side in (height, width)]
    first, later = (_encode_frame(vae, sides, (height, width), first=first) for first in (True, False))
    return first + (GRID.latent_frames(num_frames) - 1) * later


def decode_flop(vae: VaeSizes, num_frames: int, height: int, width: int) -> int:
    """The latents of a whole clip into pixels."""
    first, later = (_decode_frame(vae, height, width, first=first) for first in (True, False))
    return first + (GRID.latent_frames(num_frames) - 1) * later


def peak_of_pass(sizes: WanSizes, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
    """Bytes of activations in one pass of base and adapter, weights not counted; within some 10 % at real sizes.

    Of each condition the context is there as it is and embedded, and the tokens of its adapter.
    """
    d, hidden = sizes.width, 2 * sizes.ffn  # before and after the activation function
    feed_forward = FEED_FORWARD_TENSORS * d * tokens + hidden * min(tokens, FFN_PIECE)
    numbers = max(feed_forward, ATTENTION_TENSORS * d * tokens)
    streams = STREAM_BYTES * d * tokens
    if blocks:
        numbers += conditions * ADAPTER_TENSORS * d * tokens
        streams *= 1 + conditions
    condition = conditions * sizes.vace_in_channels * GRID.patch**2 * 4  # of a token, in float32
    return numbers * bytes_per_number + streams + tokens * (BYTES_OF_ROTATION + condition)


def waiting_pass(sizes: WanSizes, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
    """Bytes that a pass takes between two blocks: the tokens of base and adapters, float32 in any precision."""
    return STREAM_BYTES * sizes.width * tokens * (1 + conditions if blocks else 1)


def peak_of_vae(vae: VaeSizes, size: Sequence[int], bytes_per_number: int, tile: int | None = None) -> int:
    """Bytes of activations while a clip is encoded or decoded, whole or in tiles; within some 10 % at real sizes."""
    num_frames, height, width = size
    whole = now = kept = height * width
    if tile is not None and tile < max(height, width):
        now = min(height, tile + 2 * TILE_RIM) * min(width, tile + 2 * TILE_RIM)
        kept = int(whole * (1 + 2 * KEPT_RIM / tile) ** 2)
    features = (DECODE_KEPT * kept + (DECODE_TENSORS - DECODE_KEPT) * now) * vae.width * bytes_per_number
    return features + num_frames * whole * 3 * 4  # and the decoded clip


def _block_flop(sizes: WanSizes, tokens: int, text_tokens: int) -> int:
    d = sizes.width
    projections = 2 * d * d * (4 * tokens + 2 * tokens + 2 * text_tokens)
    attention = 4 * d * tokens * (tokens + text_tokens)
    return projections + attention + 4 * tokens * d * sizes.ffn


def _conv(inputs: int, outputs: int, taps: int, cells: int) -> int:
    return 2 * inputs * outputs * taps * cells


def _residual(inputs: int, outputs: int, taps: int, cells: int) -> int:
    shortcut = 0 if inputs == outputs else _conv(inputs, outputs, 1, cells)
    return _conv(inputs, outputs, taps, cells) + _conv(outputs, outputs, taps, cells) + shortcut


def _middle(channels: int, taps: int, cells: int) -> int:
    """Two residual blocks and the attention within a frame between them."""
    attention = _conv(channels, 4 * channels, 1, cells) + 4 * channels * cells**2
    return 2 * _residual(channels, channels, taps, cells) + attention


def _taps(first: bool) -> int:
    """Of a convolution of side 3: the first frame of a clip has no past to look at."""
    return 9 if first else 27


def _encode_frame(vae: VaeSizes, canvas: Sequence[int], size: Sequence[int], *, first: bool) -> int:
    """One latent frame: on `canvas` down to an eighth, on `size` from there on; both `(H, W)`."""
    taps, channels = _taps(first), vae.width
    frames = (1, 1, 1, 1) if first else (4, 4, 2, 1)
    area = canvas[0] * canvas[1]
    total = _conv(3, channels, taps, frames[0] * area)
    for level, multiplier in enumerate(MULTIPLIERS):
        last = level == len(MULTIPLIERS) - 1
        area = (size[0] * size[1] if last else canvas[0] * canvas[1]) >> (2 * level)
        outputs = vae.width * multiplier
        total += _residuals(channels, outputs, taps, frames[level] * area, vae.blocks)
        channels = outputs
        if not last:
            total += _conv(channels, channels, 9, frames[level] * area // 4)
            in_time = level > 0 and not first
            total += _conv(channels, channels, 3, frames[level + 1] * area // 4) * in_time
    moments = 2 * LATENTS.channels
    ends = _conv(channels, moments, taps, area) + _conv(moments, moments, 1, area)
    return total + _middle(channels, taps, area) + ends


def _decode_frame(vae: VaeSizes, height: int, width: int, *, first: bool) -> int:
    """One latent frame into its one or four frames."""
    taps, channels = _taps(first), vae.width * MULTIPLIERS[-1]
    frames = (1, 1, 1, 1) if first else (1, 2, 4, 4)
    area = (height * width) // GRID.pixels**2
    total = _conv(LATENTS.channels, LATENTS.channels, 1, area) + _conv(LATENTS.channels, channels, taps, area)
    total += _middle(channels, taps, area)
    for level, multiplier in enumerate(reversed(MULTIPLIERS)):
        outputs = vae.width * multiplier
        total += _residuals(channels, outputs, taps, frames[level] * area, vae.blocks + 1)
        channels = outputs
        if level < len(MULTIPLIERS) - 1:
            in_time = level < 2 and not first
            total += _conv(channels, 2 * channels, 3, frames[level] * area) * in_time
            area *= 4
            total += _conv(channels, channels // 2, 9, frames[level + 1] * area)
            channels //= 2
    return total + _conv(channels, 3, taps, frames[-1] * area)


def _residuals(inputs: int, outputs: int, taps: int, cells: int, count: int) -> int:
    return _residual(inputs, outputs, taps, cells) + (count - 1) * _residual(outputs, outputs, taps, cells)
