"""GGUF files: quantised weights, given back as float32 when read.

The header is walked here, with every count held against the size of the file, because the reader of the gguf package
believes what a file says: an array that claims 2⁶⁰ entries keeps it busy for ever. Turning blocks back into numbers is
that package's part. Source: ggml-org/ggml, docs/gguf.md; city96/ComfyUI-GGUF, tools/convert.py (original shapes).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from torch import Tensor

from ..checks.room import check_room
from ..errors import ModelError, UnsupportedModelError
from .tensors import (
    MAX_DIMS,
    MAX_TENSORS,
    TORCH_DTYPES,
    TensorInfo,
    as_stored,
    damaged,
    read_span,
    shortened,
    stamp,
)

MAGIC = b"GGUF"
VERSIONS = (2, 3)
ALIGNMENT = 32
ORIGINAL_SHAPE = "comfy.gguf.orig_shape."
# Numbers of GGUF value types: struct codes, then the two that are not plain numbers.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
# No real file comes near these; they bound the work and memory that a made-up header can cause.
MAX_HEADER = 100_000_000  # bytes; most of a header is the vocabulary, which is passed over
MAX_KEPT = 10_000_000  # bytes of everything else
MAX_ITEMS = 1_000_000  # texts in arrays


class GgufFile:
    """One GGUF file.

    Attributes:
        metadata: The entries of the header that are text or single numbers, as text.

    Raises:
        WeightsError: the header does not describe this file, or it is of a version that nothing here knows.
        UnsupportedModelError: a type of block that cannot be turned back into numbers.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.paths = path, (path,)
        gguf = _gguf()
        with path.open("rb") as file:
            values, tensors, end = _Header(path, file).parse()
            self._stamp = stamp(file)
        self.metadata: Mapping[str, str] = {k: str(v) for k, v in values.items() if not isinstance(v, tuple)}
        alignment = values.get("general.alignment", ALIGNMENT)
        if type(alignment) is not int or not 0 < alignment <= 1 << 16:
            raise damaged(path, "its alignment is not a number of bytes")
        start = -(-end // alignment) * alignment
        types = {number: _block_type(path, gguf, number) for _, number, _ in tensors.values()}
        self._rows: dict[str, int] = {}
        infos: dict[str, TensorInfo] = {}
        for name, (dims, number, offset) in tensors.items():
            dtype, block, width = types[number]
            if not dims or 0 in dims or dims[0] % block:
                raise damaged(path, f"the rows of {shortened(name)} are not whole blocks of {dtype}")
            shape = _true_shape(path, name, dims, values.get(ORIGINAL_SHAPE + name))
            nbytes = math.prod(dims) // block * width
            infos[name] = TensorInfo(dtype=dtype, shape=shape, start=start + offset, nbytes=nbytes)
            self._rows[name] = math.prod(dims[1:])
        size = path.stat().st_size
        if any(info.start + info.nbytes > size for info in infos.values()):
            raise damaged(path, f"its header describes more than the {size} bytes that the file has")
        placed = sorted(infos.values(), key=lambda info: (info.start, info.nbytes))
        if any(before.start + before.nbytes > after.start for before, after in pairwise(placed)):
            raise damaged(path, "its tensors overlap")
        self.tensors: Mapping[str, TensorInfo] = infos

    def read(self, name: str) -> Tensor:
        info = self.tensors[name]
        if info.dtype in TORCH_DTYPES:
            return as_stored(self.read_bytes(name), info)
        check_room(info.nbytes + 4 * math.prod(info.shape), f"A weight in {self.path}")
        data = self.read_bytes(name)
        gguf = _gguf()
        # In rows, for the package works through a few of them at a time; in one piece it would take far more memory.
        blocks = data.reshape(self._rows[name], -1).numpy()
        numbers = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[info.dtype])
        return torch.from_numpy(numbers).reshape(info.shape)

    def read_bytes(self, name: str) -> Tensor:
        info = self.tensors[name]
        return read_span(self.path, info.start, info.nbytes, self._stamp)


class _Header:
    """Walks the header once, from its first byte to its last."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path, self.file = path, file
        self.left = min(path.stat().st_size, MAX_HEADER)
        self.kept, self.items = MAX_KEPT, MAX_ITEMS

    def parse(self) -> tuple[dict[str, Any], dict[str, tuple[tuple[int, ...], int, int]], int]:
        """The entries, the tensors as (dims innermost first, type, offset), and where the header ends."""
        self.take(len(MAGIC))
        version = self.number("I")
        if version not in VERSIONS:
            raise damaged(self.path, f"it is GGUF of version {version}, and only versions 2 and 3 are known")
        tensor_count, value_count = self.checked(self.number("Q")), self.checked(self.number("Q"))
        values = {self.text(): self.value(self.number("I")) for _ in range(value_count)}
        tensors: dict[str, tuple[tuple[int, ...], int, int]] = {}
        for _ in range(tensor_count):
            name, dims = self.text(), self.number("I")
            if dims > MAX_DIMS or name in tensors:
                raise damaged(self.path, f"its header describes {shortened(name)} twice or with {dims} dimensions")
            sizes = tuple(self.number("Q") for _ in range(dims))
            tensors[name] = (sizes, self.number("I"), self.number("Q"))
        return values, tensors, self.file.tell()

    def value(self, kind: int) -> Any:
        """A text, a number, or a tuple; arrays of texts and long arrays are passed over and come as empty tuples."""
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            return self.array(self.number("I"), self.number("Q"))
        if kind in SCALARS:
            return self.number(SCALARS[kind])
        raise damaged(self.path, f"its header holds a value of unknown type {kind}")

    def array(self, kind: int, count: int) -> tuple[Any, ...]:
        if kind == STRING:
            if count > self.items:
                raise damaged(self.path, f"its header claims {count} entries")
            self.items -= count
            for _ in range(count):
                self.skip(self.number("Q"))
            return ()
        if kind not in SCALARS:
            raise damaged(self.path, f"its header holds an array of unknown type {kind}")
        if count <= MAX_DIMS:
            return tuple(self.number(SCALARS[kind]) for _ in range(count))
        self.skip(count * struct.calcsize(SCALARS[kind]))
        return ()

    def checked(self, count: int) -> int:
        if count > MAX_TENSORS:
            raise damaged(self.path, f"its header claims {count} entries")
        return count

    def text(self) -> str:
        return self.take(self.number("Q")).decode(errors="replace")

    def number(self, code: str) -> Any:
        return struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]

    def take(self, length: int) -> bytes:
        self._spend(length)
        self.kept -= length
        if self.kept < 0:
            raise damaged(self.path, f"its header holds more than {MAX_KEPT} bytes beside its arrays")
        return self.file.read(length)

    def skip(self, length: int) -> None:
        self._spend(length)
        self.file.seek(length, 1)

    def _spend(self, length: int) -> None:
        if length > self.left:
            raise damaged(self.path, f"its header claims {length} more bytes where {self.left} are left")
        self.left -= length


def _block_type(path: Path, gguf: ModuleType, number: int) -> tuple[str, int, int]:
    """Name of a tensor type, numbers in one of its blocks, bytes of a block."""
    try:
        kind = gguf.GGMLQuantizationType(number)
    except ValueError:
        raise damaged(path, f"it holds weights of unknown type {number}") from None
    block, width = gguf.GGML_QUANT_SIZES[kind]
    try:
        if kind.name not in TORCH_DTYPES:
            gguf.quants.dequantize(np.zeros((1, width), np.uint8), kind)
    except NotImplementedError:
        raise UnsupportedModelError(
            "gguf-type",
            "{path} stores weights as {name}, which cannot be turned back into numbers here. Types that can "
            "are Q8_0, Q6_K, Q5_K, Q4_K, F16, BF16 and their like. Choose a version in one of these.",
            path=path,
            name=kind.name,
        ) from None
    return kind.name, block, width


def _true_shape(path: Path, name: str, dims: tuple[int, ...], original: Any) -> tuple[int, ...]:
    """Outermost first; the shape before conversion where the converter changed it and wrote it down."""
    if original is None:
        return dims[::-1]
    sides = cast("tuple[Any, ...]", original) if isinstance(original, tuple) else ()
    whole = all(type(side) is int and side > 0 for side in sides)
    if not sides or not whole or math.prod(sides) != math.prod(dims):
        raise damaged(path, f"the original shape of {shortened(name)} does not agree with its size")
    return sides


def _gguf() -> ModuleType:
    try:
        import gguf
    except ImportError:
        raise ModelError(
            "gguf-not-installed",
            "This is a GGUF file, and the Python package gguf that turns its blocks into numbers is not "
            "installed. It is needed for GGUF files only. Install gguf, or choose a .safetensors file.",
        ) from None
    return gguf
