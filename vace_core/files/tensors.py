"""What every file of tensors offers, whatever its format.

Nothing here maps a file into memory: a tensor is read when it is asked for, into memory of its own. So a small adapter
can be taken out of a large file at the price of the adapter, and no file stays open or locked.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

import torch
from torch import Tensor

from ..checks.room import check_room
from ..errors import WeightsError, shortened

# The names are those of safetensors; GGUF uses the same ones for the types they share.
TORCH_DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}

# No real file comes near these; they bound the work and memory that a made-up header can cause.
MAX_TENSORS = 1 << 16
MAX_DIMS = 8

Stamp: TypeAlias = tuple[int, int]
"""Number and time of a file, in nanoseconds: another file under its name has others."""


@dataclass(frozen=True, kw_only=True)
class TensorInfo:
    """One tensor as the header of its file describes it.

    Attributes:
        dtype: How it is stored: "BF16", "F8_E4M3", "Q4_K", … as the format calls it.
        shape: Its shape once read, outermost dimension first.
        start: Where its bytes begin, counted from the start of the file.
        nbytes: How many bytes it takes in the file.
    """

    dtype: str
    shape: tuple[int, ...]
    start: int
    nbytes: int


class TensorFile(Protocol):
    """A file, or a set of shards, that tensors can be read from one by one."""

    @property
    def path(self) -> Path: ...

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files that this one consists of."""
        ...

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the file says of itself as text."""
        ...

    @property
    def tensors(self) -> Mapping[str, TensorInfo]:
        """Every tensor by its name, from the header alone."""
        ...

    def read(self, name: str) -> Tensor:
        """The tensor `name` in memory of its own; in its stored type, or in float32 if torch has no such type."""
        ...

    def read_bytes(self, name: str) -> Tensor:
        """The bytes of tensor `name` exactly as they are stored, uint8 `(nbytes,)`."""
        ...


def damaged(path: Path, reason: str) -> WeightsError:
    """The error for a file that is not what its format demands; `reason` is a clause without a full stop."""
    return WeightsError(
        f"{path} cannot be read: {reason}. A complete safetensors or GGUF file is needed. Download or copy it again."
    )


def check_shapes(path: Path, tensors: Mapping[str, TensorInfo]) -> None:
    """Validate that shapes hold no more numbers than their file can, whatever the type; empty tensors are no exception.

    Raises:
        WeightsError: there is another one.
    """
    most = 8 * path.stat().st_size  # no type has less than one bit a number
    for name, info in tensors.items():
        if math.prod(max(side, 1) for side in info.shape) > most:
            raise damaged(path, f"the shape of {shortened(name)} has more numbers than the file can hold")


def stamp(file: BinaryIO) -> Stamp:
    """What tells whether an open file is the one that was read before under the same name."""
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_mtime_ns


def read_span(path: Path, start: int, nbytes: int, header: Stamp) -> Tensor:
    """`nbytes` bytes of the file from `start`, uint8.

    Args:
        header: The stamp of the file whose header says so.

    Raises:
        WeightsError: the file is shorter than that, no longer the same, or gone.
        InputError: there is not so much memory.
    """
    check_room(nbytes, f"A weight in {path}")
    data = torch.empty(nbytes, dtype=torch.uint8)
    try:
        with path.open("rb") as file:
            file.seek(start)
            got, now = file.readinto(data.numpy().data), stamp(file)
    except OSError as error:
        raise damaged(path, error.strerror or str(error)) from error
    if got != nbytes:
        raise damaged(path, f"it ended after {start + got} bytes while {start + nbytes} were expected")
    if now != header:
        raise damaged(path, "it was written anew while it was read")
    return data


def as_stored(data: Tensor, info: TensorInfo) -> Tensor:
    """Bytes `(nbytes,)` as the tensor they are, without a copy; `info.dtype` is one of `TORCH_DTYPES`."""
    return data.view(TORCH_DTYPES[info.dtype]).reshape(info.shape)
