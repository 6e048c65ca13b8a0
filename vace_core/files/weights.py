"""The weights of one model in a checkpoint: by official name, in numbers, whatever the file calls and stores them.

What is looked through here: prefixes of other programs, the names of diffusers, and quantisation with scales beside
the weights. Source: ComfyUI, comfy/model_detection.py and comfy/utils.py; kijai/ComfyUI-WanVideoWrapper,
nodes_model_loading.py (".weight_scale").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..errors import UnsupportedModelError, WeightsError, shortened
from . import strict_json
from .gguf_format import GgufFile
from .packed import BLOCKS, Packing
from .tensors import TORCH_DTYPES, TensorFile, TensorInfo, damaged

# What may stand beside `X.weight`, as `X` plus one of these.
SCALES = (".scale_weight", ".weight_scale")
INPUT_SCALES = (".scale_input", ".input_scale")
FORMATS = (".comfy_quant",)
BESIDE = (*SCALES, *INPUT_SCALES, *FORMATS)
SECOND_SCALE = ".weight_scale_2"
MARKER = "scaled_fp8"
MAX_TABLE = 4096  # bytes of JSON that describe how one layer is quantised
HEADER_FORMATS = "_quantization_metadata"
FLOAT8 = ("F8_E4M3", "F8_E5M2")
FLOAT8_FORMATS = ("float8_e4m3fn", "float8_e5m2")
OWN_DTYPES = ("F32", "F16", "BF16")


@dataclass(frozen=True, kw_only=True)
class Naming:
    """One way of naming the weights of one kind of model.

    Attributes:
        name: "official", or whose names these are.
        marks: Any of these names, behind one of `prefixes`, tells that a file is of this kind.
        prefixes: What may stand before every name.
        official: The official name from the one in the file, without prefix.
        own: The one in the file from the official name: `official` turned round.
    """

    name: str
    marks: tuple[str, ...]
    prefixes: tuple[str, ...]
    official: Callable[[str], str] = str
    own: Callable[[str], str] = str


class Weights:
    """The weights of one model in `file`.

    Attributes:
        file: Where they are.
        naming: "official", or whose names they are.
        prefix: What stands before every name in the file.
        stored: Official name → name in the file.
        beside: Official name plus suffix → name in the file, of scales and the like that belong to a weight.

    Raises:
        UnsupportedModelError: quantised in a way that is not known here.
        WeightsError: two weights of the file have the same official name.
    """

    def __init__(self, file: TensorFile, naming: Naming, prefix: str) -> None:
        self.file, self.naming, self.prefix = file, naming.name, prefix
        self.stored: dict[str, str] = {}
        self.beside: dict[str, str] = {}
        for name in file.tensors:
            if not name.startswith(prefix) or name == f"{prefix}{MARKER}":
                continue
            suffix = next((suffix for suffix in BESIDE if name.endswith(suffix)), "")
            bare = name[len(prefix) : len(name) - len(suffix)]
            table = self.beside if suffix else self.stored
            ours = naming.official(f"{bare}.weight").removesuffix(".weight") if suffix else naming.official(bare)
            if table.setdefault(f"{ours}{suffix}", name) != name:
                raise damaged(file.path, f"it holds {shortened(ours)} under two names")
        _check_quantisation(self)

    @classmethod
    def find(cls, file: TensorFile, namings: Iterable[Naming]) -> Weights | None:
        """The weights of the first kind that `file` shows a mark of, or None."""
        for naming in namings:
            for prefix in naming.prefixes:
                if any(f"{prefix}{mark}" in file.tensors for mark in naming.marks):
                    return cls(file, naming, prefix)
        return None

    def info(self, name: str) -> TensorInfo:
        """What the header says of the weight with this official name."""
        return self.file.tensors[self.stored[name]]

    def shape(self, name: str) -> tuple[int, ...]:
        """The shape of a weight by its official name; () if there is none of that name."""
        return self.info(name).shape if name in self.stored else ()

    def matrix(self, name: str) -> tuple[int, int]:
        """The shape of a weight that must be there and be a matrix.

        Raises:
            WeightsError: it is not.
        """
        shape = self.shape(name)
        if len(shape) != 2 or 0 in shape:
            raise self.damaged(f"its weight {name} is {'of shape ' + str(shape) if shape else 'missing'}")
        return shape[0], shape[1]

    def inputs(self, name: str, default: int) -> int:
        """Input channels of a layer, or `default` if it is not there to be asked."""
        shape = self.shape(name)
        return shape[1] if len(shape) > 1 else default

    def damaged(self, reason: str) -> WeightsError:
        """The error that says that the file is not whole, and why."""
        return damaged(self.file.path, reason)

    def scale_of(self, name: str) -> str | None:
        """The name in the file of the scale that belongs to a weight, if it has one."""
        stem = name.removesuffix(".weight")
        return next((self.beside[f"{stem}{suffix}"] for suffix in SCALES if f"{stem}{suffix}" in self.beside), None)

    def count(self, names: Iterable[str]) -> int:
        """How many numbers these weights are."""
        return sum(math.prod(self.shape(name)) for name in names)

    def storage(self, names: Iterable[str]) -> str:
        """How most bytes of these weights are stored: "BF16", "F8_E4M3 scaled", "Q4_K", …"""
        names = list(names)
        sizes: Counter[str] = Counter()
        for name in names:
            sizes[self.info(name).dtype] += self.info(name).nbytes
        main = max(sizes, key=lambda dtype: sizes[dtype], default="F32")
        return f"{main} scaled" if any(self.scale_of(name) for name in names) else main

    def dtype(self, names: Iterable[str]) -> torch.dtype:
        """What these weights are loaded as where nobody says: their own type, or bfloat16 if they are quantised."""
        main = self.storage(names)
        return TORCH_DTYPES[main] if main in OWN_DTYPES else torch.bfloat16

    def read(self, name: str, *, dtype: torch.dtype, device: str | torch.device = "cpu") -> Tensor:
        """The weight with this official name, as numbers of `dtype`."""
        value = self.file.read(self.stored[name])
        scale = self.scale_of(name)
        if scale is not None:
            value = value.to(torch.float32) * self.file.read(scale).to(torch.float32)
        return value.to(device=device, dtype=dtype)

    def packing(self, name: str) -> Packing | None:
        """How the weight with this official name is stored, if it can stay so until it is used: a quantised matrix."""
        info, scale = self.info(name), self.scale_of(name)
        if len(info.shape) != 2:
            return None
        if info.dtype in FLOAT8:
            return Packing(scale=1.0 if scale is None else float(self.file.read(scale)))
        whole = info.dtype in BLOCKS and info.shape[1] % BLOCKS[info.dtype][1] == 0
        return Packing(kind=info.dtype) if whole else None

    def read_packed(self, name: str, packing: Packing) -> Tensor:
        """The weight with this official name as it is stored: `(rows, bytes)` uint8 of blocks, or float8."""
        if packing.kind is None:
            return self.file.read(self.stored[name])
        return self.file.read_bytes(self.stored[name]).reshape(self.shape(name)[0], -1)


def _check_quantisation(weights: Weights) -> None:
    """Validate that numbers are of a floating type, or fp8 with one scale for a whole weight; nothing is guessed."""
    for quantised in _declared_formats(weights):
        if quantised not in FLOAT8_FORMATS:
            raise _unknown_quantisation(weights, quantised)
    if any(name.endswith(SECOND_SCALE) for name in weights.stored):
        raise _unknown_quantisation(weights, "a format with two scales, such as nvfp4")
    for name in weights.stored:
        dtype, scale = weights.info(name).dtype, weights.scale_of(name)
        if scale is not None and (dtype not in FLOAT8 or math.prod(weights.file.tensors[scale].shape) != 1):
            raise _unknown_quantisation(weights, f"{dtype} with scales of shape {weights.file.tensors[scale].shape}")
        floating = TORCH_DTYPES[dtype].is_floating_point if dtype in TORCH_DTYPES else False
        blocks = dtype not in TORCH_DTYPES and isinstance(weights.file, GgufFile)
        if name.endswith(".weight") and not floating and not blocks:
            raise _unknown_quantisation(weights, shortened(dtype))


def _declared_formats(weights: Weights) -> Iterable[str]:
    """The names of quantisation formats that a file gives: in small tables beside the weights, or in its header."""
    for name, stored in weights.beside.items():
        if name.endswith(FORMATS):
            small = weights.file.tensors[stored].nbytes <= MAX_TABLE
            yield _format_in(strict_json.parse_table(bytes(weights.file.read_bytes(stored).tolist())) if small else {})
    layers = strict_json.parse_table(weights.file.metadata.get(HEADER_FORMATS, "{}")).get("layers", {})
    for layer in layers.values() if isinstance(layers, dict) else ():
        yield _format_in(layer)


def _format_in(table: Any) -> str:
    return shortened(table.get("format", "no format")) if isinstance(table, Mapping) else "no format"


def _unknown_quantisation(weights: Weights, what: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        "weights-quantisation",
        "{path} is quantised as {what}, which is not known here. Known are fp8 with or without one scale "
        "per weight, and GGUF. Choose a version in one of these, or in fp16 or bf16.",
        path=weights.file.path,
        what=what,
    )
