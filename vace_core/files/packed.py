"""Weights that stay as their file stores them, and become numbers where and when they are used.

That is float8 with or without a scale, and blocks of GGUF: 32 or 256 small whole numbers each, with the scales that
make weights of them. Source: ggml-org/ggml, src/ggml-common.h (what lies where in a block); the gguf package gives the
same numbers to the bit, but on the CPU alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

PIECE = 1 << 22  # numbers that are made of blocks at a time
ON_THE_WAY = 16  # bytes that each of them takes meanwhile, as bits and as float32


@dataclass(frozen=True, kw_only=True)
class Packing:
    """How a weight is stored.

    Attributes:
        kind: Of its blocks, one of `BLOCKS`; None = its shape is that of the weight.
        scale: What its numbers are multiplied by.
        change: What is done with the numbers, in float32 and in place, before they are used: a LoRA is added.
    """

    kind: str | None = None
    scale: float = 1.0
    change: Callable[[Tensor], Tensor] | None = None

    def numbers(self, data: Tensor, dtype: torch.dtype) -> Tensor:
        """What is stored as the weight that it is, `(rows, columns)` of `dtype`, on the same device."""
        if self.change is not None:
            return self.change(replace(self, change=None).numbers(data, torch.float32)).to(dtype)
        if self.kind is not None:
            return from_blocks(self.kind, data, dtype)
        return data.to(dtype) if self.scale == 1.0 else data.to(dtype, copy=True).mul_(self.scale)

    def peak(self, numbers: int, bytes_each: int, *, changed: bool) -> int:
        """Bytes beside what is stored while a weight of so many `numbers` is made, `changed` by a LoRA or not."""
        each = bytes_each + (4 if changed else 0)
        return each * numbers + (0 if self.kind is None else ON_THE_WAY * min(numbers, PIECE))


def from_blocks(kind: str, data: Tensor, dtype: torch.dtype) -> Tensor:
    """Blocks `(rows, bytes)` uint8 of a `kind` in `BLOCKS` → weights `(rows, columns)` of `dtype`."""
    width, block, numbers = BLOCKS[kind]
    rows, columns = data.shape[0], data.shape[1] // width * block
    made = torch.empty(rows, columns, dtype=dtype, device=data.device)
    step = max(1, PIECE // columns)
    for start in range(0, rows, step):
        piece = slice(start, start + step)
        made[piece] = numbers(data[piece].reshape(-1, width)).reshape(-1, columns)
    return made


def _halves(data: Tensor, start: int) -> Tensor:
    """`(n, 1)`, the float16 at byte `start`."""
    return data[:, start : start + 2].contiguous().view(torch.float16).float()


def _fields(data: Tensor, bits: int) -> Tensor:
    """`(n, parts, bytes)` → `(n, parts, 8 / bits, bytes)`: the fields of so many bits, the lowest first."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8, device=data.device)[:, None]
    return (data[:, :, None] >> shifts) & ((1 << bits) - 1)


def _nibbles(data: Tensor) -> Tensor:
    """`(n, 16)` → `(n, 32)`: all lower halves, then all upper ones."""
    return _fields(data[:, None], 4).flatten(1).float()


def _fifth_bits(data: Tensor) -> Tensor:
    """`(n, 4)` → `(n, 32)`: 0 or 16."""
    return _fields(data[:, :, None], 1).flatten(1).float() * 16


def _q8_0(data: Tensor) -> Tensor:
    return _halves(data, 0) * data[:, 2:].view(torch.int8).float()


def _q4_0(data: Tensor) -> Tensor:
    return _halves(data, 0) * (_nibbles(data[:, 2:]) - 8)


def _q4_1(data: Tensor) -> Tensor:
    return _halves(data, 0) * _nibbles(data[:, 4:]) + _halves(data, 2)


def _q5_0(data: Tensor) -> Tensor:
    return _halves(data, 0) * (_nibbles(data[:, 6:]) + _fifth_bits(data[:, 2:6]) - 16)


def _q5_1(data: Tensor) -> Tensor:
    return _halves(data, 0) * (_nibbles(data[:, 8:]) + _fifth_bits(data[:, 4:8])) + _halves(data, 2)


def _scales_and_least(packed: Tensor) -> tuple[Tensor, Tensor]:
    """`(n, 12)` → twice `(n, 8, 1)`, of six bits each: what eight parts of a block are multiplied by and begin at."""
    first, second, last = packed.reshape(-1, 3, 4).unbind(1)
    scales = torch.cat([first & 63, (last & 15) | ((first >> 6) << 4)], dim=1)
    least = torch.cat([second & 63, (last >> 4) | ((second >> 6) << 4)], dim=1)
    return scales.float()[:, :, None], least.float()[:, :, None]


def _with_least(data: Tensor, numbers: Tensor) -> Tensor:
    """Blocks that begin with a scale, a least one, and eight of each; `numbers` `(n, 8, 32)`."""
    scales, least = _scales_and_least(data[:, 4:16])
    return _halves(data, 0)[:, :, None] * scales * numbers - _halves(data, 2)[:, :, None] * least


def _q4_k(data: Tensor) -> Tensor:
    return _with_least(data, _fields(data[:, 16:].reshape(-1, 4, 32), 4).reshape(-1, 8, 32).float())


def _q5_k(data: Tensor) -> Tensor:
    low = _fields(data[:, 48:].reshape(-1, 4, 32), 4).reshape(-1, 8, 32)
    high = _fields(data[:, None, 16:48], 1).reshape(-1, 8, 32)
    return _with_least(data, (low | (high << 4)).float())


def _q6_k(data: Tensor) -> Tensor:
    low = _fields(data[:, :128].reshape(-1, 2, 64), 4).reshape(-1, 16, 16)
    high = _fields(data[:, 128:192].reshape(-1, 2, 32), 2).reshape(-1, 16, 16)
    scales = data[:, 192:208].view(torch.int8).float()[:, :, None]
    return _halves(data, 208)[:, :, None] * scales * ((low | (high << 4)).float() - 32)


def _q3_k(data: Tensor) -> Tensor:
    lower, upper = _fields(data[:, None, 96:104], 4), _fields(data[:, None, 104:108], 2)
    scales = lower.reshape(-1, 16) | (upper.reshape(-1, 16) << 4)
    low = _fields(data[:, 32:96].reshape(-1, 2, 32), 2).reshape(-1, 16, 16).float()
    high = _fields(data[:, None, :32], 1).reshape(-1, 16, 16).float()
    return (_halves(data, 108) * (scales.float() - 32))[:, :, None] * (low + 4 * high - 4)


def _q2_k(data: Tensor) -> Tensor:
    scales = (_halves(data, 80) * (data[:, :16] & 15).float())[:, :, None]
    least = (_halves(data, 82) * (data[:, :16] >> 4).float())[:, :, None]
    return scales * _fields(data[:, 16:80].reshape(-1, 2, 32), 2).reshape(-1, 16, 16).float() - least


# By their names: bytes of a block, numbers in it, and what makes `(n, bytes)` into numbers.
BLOCKS: dict[str, tuple[int, int, Callable[[Tensor], Tensor]]] = {
    "Q4_0": (18, 32, _q4_0),
    "Q4_1": (20, 32, _q4_1),
    "Q5_0": (22, 32, _q5_0),
    "Q5_1": (24, 32, _q5_1),
    "Q8_0": (34, 32, _q8_0),
    "Q2_K": (84, 256, _q2_k),
    "Q3_K": (110, 256, _q3_k),
    "Q4_K": (144, 256, _q4_k),
    "Q5_K": (176, 256, _q5_k),
    "Q6_K": (210, 256, _q6_k),
}
