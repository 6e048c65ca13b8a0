"""What MiniMax H3 costs: arithmetic and memory, from sizes alone."""

from __future__ import annotations

from collections.abc import Sequence

from .dit import MODALITIES, PATCH, MiniMaxSizes
from .latents import LATENTS
from .text import QWEN3
from .vae import NUMBERS, MiniMaxVaeSizes

MAX_TEXT_TOKENS: int = QWEN3.max_tokens
TENSORS = 9


def base_flop(sizes: MiniMaxSizes, tokens: int, text_tokens: int) -> int:
    ends = 2 * tokens * sizes.width * 2 * sizes.in_channels * PATCH**2
    time = 2 * sizes.time_hidden * (sizes.frequencies + sizes.time_width) + 2 * sizes.time_width * 2 * sizes.width
    return ends + time + sizes.layers * _block_flop(sizes, tokens + text_tokens)


def adapter_flop(sizes: MiniMaxSizes, blocks: int, tokens: int, text_tokens: int) -> int:
    return blocks * (_block_flop(sizes, tokens + text_tokens) + 2 * tokens * sizes.width**2)


def encode_flop(vae: MiniMaxVaeSizes, num_frames: int, height: int, width: int, *, gray: bool = False) -> int:
    return 2 * NUMBERS * LATENTS.channels * _cells(num_frames, height, width)


def decode_flop(vae: MiniMaxVaeSizes, num_frames: int, height: int, width: int) -> int:
    return 2 * vae.width * (NUMBERS + LATENTS.channels) * _cells(num_frames, height, width)


def peak_of_pass(sizes: MiniMaxSizes, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
    streams = TENSORS + bool(blocks) * 2 * conditions
    return tokens * bytes_per_number * max(streams * sizes.width, 3 * sizes.ffn)


def waiting_pass(sizes: MiniMaxSizes, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
    return bytes_per_number * sizes.width * tokens * (1 + conditions if blocks else 1)


def peak_of_vae(vae: MiniMaxVaeSizes, size: Sequence[int], bytes_per_number: int, tile: int | None = None) -> int:
    num_frames, height, width = size
    return 2 * num_frames * height * width * 3 * bytes_per_number


def _block_flop(sizes: MiniMaxSizes, tokens: int) -> int:
    inner = sizes.heads * sizes.head_width
    products = 2 * tokens * (4 * inner * sizes.width + 3 * sizes.ffn * sizes.width)
    return products + 4 * inner * tokens**2 + 2 * sizes.time_width * 6 * MODALITIES * sizes.width


def _cells(num_frames: int, height: int, width: int) -> int:
    t, h, w = LATENTS.grid.latent_size(num_frames, height, width)
    return t * h * w
