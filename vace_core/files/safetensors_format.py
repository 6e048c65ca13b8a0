"""Safetensors files, read tensor by tensor and written whole or not at all.

The format: eight bytes that say how long the header is, the header as JSON, the tensors' bytes without gaps.
It is read here rather than mapped by the safetensors package, because on some systems a mapping reserves memory for
the whole file. Source: huggingface/safetensors, README.md, "Format".
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..errors import UnsupportedModelError
from . import strict_json
from .replacing import replacing
from .tensors import (
    MAX_DIMS,
    MAX_TENSORS,
    TORCH_DTYPES,
    Stamp,
    TensorInfo,
    as_stored,
    check_shapes,
    damaged,
    read_span,
    shortened,
    stamp,
)

DTYPE_NAMES = {dtype: name for name, dtype in TORCH_DTYPES.items()}
METADATA = "__metadata__"
# What downloads leave in place of a file, by how it begins: lengths that no header has.
INSTEAD = {
    b"version ": "it is a Git LFS pointer, a few lines that stand for the file until git lfs pull is run",
    b"<!doctyp": "it is a web page",
    b"<html": "it is a web page",
}


class SafetensorsFile:
    """One safetensors file.

    Raises:
        WeightsError: the header does not describe this file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.paths = path, (path,)
        header, start, self._stamp = _read_header(path)
        self.metadata: Mapping[str, str] = _metadata(path, header.pop(METADATA, {}))
        self.tensors: Mapping[str, TensorInfo] = {
            name: _tensor_info(path, name, entry, start) for name, entry in header.items()
        }
        check_shapes(path, self.tensors)
        _check_layout(path, self.tensors, start)

    def read(self, name: str) -> Tensor:
        info = self.tensors[name]
        if info.dtype not in TORCH_DTYPES:
            raise UnsupportedModelError(
                "weights-dtype",
                "{path} stores {name} as {dtype}. Types that can be read are {known}. Choose a version in "
                "one of these.",
                path=self.path,
                name=shortened(name),
                dtype=shortened(info.dtype),
                known=", ".join(TORCH_DTYPES),
            )
        return as_stored(self.read_bytes(name), info)

    def read_bytes(self, name: str) -> Tensor:
        info = self.tensors[name]
        return read_span(self.path, info.start, info.nbytes, self._stamp)


def save(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Writes `tensors` to a safetensors file. A file of that name is replaced, once the new one is complete.

    Raises:
        InputError: the file cannot be written.
    """
    infos = {
        name: TensorInfo(dtype=DTYPE_NAMES[tensor.dtype], shape=tuple(tensor.shape), start=0, nbytes=tensor.nbytes)
        for name, tensor in tensors.items()
    }
    write(path, infos, lambda name: tensors[name].cpu().contiguous().reshape(-1).view(torch.uint8), metadata)


def write(
    path: Path,
    infos: Mapping[str, TensorInfo],
    read_bytes: Callable[[str], Tensor],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes a safetensors file of which only one tensor at a time is in memory.

    Args:
        path: Written under a temporary name beside it first, so that no half-written file ever bears this name.
        infos: Name, type, shape and size of every tensor; where they start is decided here.
        read_bytes: Called with each name once; returns its bytes, uint8 `(nbytes,)`.
        metadata: Text for the header.

    Raises:
        InputError: the file cannot be written.
    """
    # The widest numbers first, so that every tensor begins at a multiple of its own width.
    names = sorted(infos, key=lambda name: (-_width(infos[name]), name))
    # Not the ending of weights: a list of the models in a folder must not show half a file.
    with replacing(path, suffix=".part") as part, part.open("wb") as file:
        file.write(_header(names, infos, metadata))
        for name in names:
            file.write(read_bytes(name).numpy().data)


def _header(names: list[str], infos: Mapping[str, TensorInfo], metadata: Mapping[str, str] | None) -> bytes:
    header: dict[str, Any] = {METADATA: {"format": "pt", **(metadata or {})}}
    end = 0
    for name in names:
        info = infos[name]
        begin, end = end, end + info.nbytes
        header[name] = {"dtype": info.dtype, "shape": info.shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _width(info: TensorInfo) -> int:
    dtype = TORCH_DTYPES.get(info.dtype)
    return 1 if dtype is None else dtype.itemsize


def _read_header(path: Path) -> tuple[dict[str, Any], int, Stamp]:
    """The header, where the tensors' bytes begin, and which file that is."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size < 8:
            raise damaged(path, f"it has only {size} bytes")
        begin = file.read(8)
        length = int.from_bytes(begin, "little")
        if length > size - 8:
            what = next((what for text, what in INSTEAD.items() if begin.lower().startswith(text)), None)
            raise damaged(path, what or f"its header claims {length} bytes, and the whole file has {size}")
        if length > strict_json.MAX_JSON:
            raise damaged(path, f"its header claims {length} bytes, and at most {strict_json.MAX_JSON} are read")
        text, which = file.read(length), stamp(file)
    try:
        header = strict_json.parse(text)
    except ValueError:
        raise damaged(path, "its header is not the JSON that a safetensors file begins with") from None
    if not isinstance(header, dict):
        raise damaged(path, "its header is not a table of tensors")
    header = cast("dict[str, Any]", header)
    if len(header) > MAX_TENSORS:
        raise damaged(path, f"its header describes {len(header)} tensors, and at most {MAX_TENSORS} are read")
    return header, 8 + length, which


def _metadata(path: Path, found: Any) -> dict[str, str]:
    texts: dict[str, Any] = cast("dict[str, Any]", found) if isinstance(found, dict) else {"": None}
    if not all(isinstance(value, str) for value in texts.values()):
        raise damaged(path, "its metadata is not a table of texts")
    return texts


def _tensor_info(path: Path, name: str, entry: Any, start: int) -> TensorInfo:
    fields: dict[str, Any] = cast("dict[str, Any]", entry) if isinstance(entry, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), _sizes(fields.get("shape")), _sizes(fields.get("data_offsets"))
    if not isinstance(dtype, str) or shape is None or offsets is None or len(offsets) != 2:
        raise damaged(path, f"its header does not say type, shape and place of {shortened(name)}")
    info = TensorInfo(dtype=dtype, shape=shape, start=start + offsets[0], nbytes=offsets[1] - offsets[0])
    known = TORCH_DTYPES.get(dtype)
    if info.nbytes < 0 or (known is not None and info.nbytes != math.prod(shape) * known.itemsize):
        raise damaged(path, f"the size of {shortened(name)} does not agree with its shape")
    return info


def _sizes(values: Any) -> tuple[int, ...] | None:
    """A short list of whole numbers from 0, or None if `values` is anything else."""
    numbers: list[Any] = cast("list[Any]", values) if isinstance(values, list) else [None]
    if len(numbers) > MAX_DIMS:
        return None
    return tuple(numbers) if all(type(number) is int and number >= 0 for number in numbers) else None


def _check_layout(path: Path, tensors: Mapping[str, TensorInfo], start: int) -> None:
    """The tensors follow one another without gap or overlap to the end of the file."""
    end = start
    for info in sorted(tensors.values(), key=lambda info: (info.start, info.nbytes)):
        if info.start != end:
            raise damaged(path, "its tensors overlap or leave gaps")
        end += info.nbytes
    size = path.stat().st_size
    if end != size:
        raise damaged(path, f"its header describes {end} bytes, and the file has {size}")
