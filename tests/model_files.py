"""Small models with deterministic weights, and files that hold them in the formats found in the wild."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import numpy as np
import torch
from filling import fill
from safetensors.torch import save_file
from torch import Tensor

from vace_core.models.wan import dit as wan
from vace_core.models.wan.vae import WanVaeNetwork

LAYERS = (0, 2)
SIZES = wan.WanSizes(width=256, ffn=384, layers=4, text_width=64)
PARTS = {1.3: (1536, 8960, 30, tuple(range(0, 30, 2))), 14: (5120, 13824, 40, tuple(range(0, 40, 5)))}


@functools.cache
def base() -> wan.WanDit:
    return fill(wan.WanDit(SIZES), seed=1).requires_grad_(False)


@functools.cache
def adapter():
    return fill(wan.build_adapter(SIZES, LAYERS), seed=2).requires_grad_(False)


@functools.cache
def vae_network() -> WanVaeNetwork:
    return fill(WanVaeNetwork(width=8), seed=3).requires_grad_(False)


def vae_weights() -> dict[str, Tensor]:
    return {name: value.contiguous() for name, value in vae_network().state_dict().items()}


def base_weights() -> dict[str, Tensor]:
    return dict(base().state_dict())


def adapter_weights() -> dict[str, Tensor]:
    return {wan.official_adapter_key(name): value for name, value in adapter().state_dict().items()}


def full_weights() -> dict[str, Tensor]:
    return base_weights() | adapter_weights()


def released_shapes(billions: float) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a released full model, without memory for its weights."""
    return dict(_released_shapes(billions))


@functools.cache
def _released_shapes(billions: float) -> dict[str, tuple[int, ...]]:
    width, ffn, layers, context_layers = PARTS[billions]
    sizes = wan.WanSizes(width=width, ffn=ffn, layers=layers)
    with torch.device("meta"):
        model, adapter = wan.WanDit(sizes), wan.build_adapter(sizes, context_layers)
    shapes = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    return shapes | {wan.official_adapter_key(name): tuple(value.shape) for name, value in adapter.state_dict().items()}


def only(part: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The base's or the adapter's share of a full model's names."""
    return {name: shape for name, shape in shapes.items() if name.startswith("vace_") == (part == "adapter")}


def text_encoder(layers: int, tables: int, name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of a text encoder with so many layers, of which so many have a table of relative positions."""
    return {name.format(layer): (2, 2) for layer in range(layers)} | {
        f"encoder.block.{layer}.layer.0.SelfAttention.relative_attention_bias.weight": (2, 2) for layer in range(tables)
    }


def write_sparse(path: Path, shapes: Mapping[str, Sequence[int]], dtype: str = "BF16", bytes_each: int = 2) -> Path:
    """A safetensors file with a true header whose data are a hole: it has its full size and takes no room."""
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + int(np.prod(shape, dtype=np.int64)) * bytes_each
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


def write_sparse_scaled_float8(path: Path, shapes: Mapping[str, Sequence[int]]) -> Path:
    """As `write_sparse`: matrices as float8 with a scale beside each, the rest as bfloat16."""
    header: dict[str, object] = {}
    end = 0

    def add(name: str, shape: Sequence[int], dtype: str, bytes_each: int) -> None:
        nonlocal end
        begin, end = end, end + int(np.prod(shape, dtype=np.int64)) * bytes_each
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}

    add("scaled_fp8", [0], "F8_E4M3", 1)
    for name, shape in shapes.items():
        matrix = len(shape) == 2 and name.endswith(".weight")
        add(name, shape, *(("F8_E4M3", 1) if matrix else ("BF16", 2)))
        if matrix:
            add(f"{name.removesuffix('.weight')}.scale_weight", [1], "F32", 4)
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


def write_sparse_gguf(path: Path, shapes: Mapping[str, Sequence[int]], kind: str) -> Path:
    """As `write_sparse`: a GGUF file with matrices of blocks of `kind`, the rest as float32."""
    types = gguf.GGMLQuantizationType
    block, width = gguf.GGML_QUANT_SIZES[types[kind]]
    entries, end = [], 0
    for name, shape in shapes.items():
        matrix = len(shape) == 2 and name.endswith(".weight") and shape[1] % block == 0
        numbers = int(np.prod(shape, dtype=np.int64))
        entries.append(struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", len(shape)))
        entries.append(b"".join(struct.pack("<Q", side) for side in reversed(shape)))
        entries.append(struct.pack("<IQ", types[kind if matrix else "F32"], end))
        end += (numbers // block * width if matrix else 4 * numbers) + 31 & ~31
    text = b"GGUF" + struct.pack("<IQQ", 3, len(shapes), 0) + b"".join(entries)
    with path.open("wb") as file:
        file.write(text)
        file.truncate((len(text) + 31 & ~31) + end)
    return path


def write_shards(folder: Path, weights: Mapping[str, Tensor], stem: str = "diffusion_pytorch_model") -> Path:
    """Two shards and their index, as large models are published; returns the index."""
    folder.mkdir(parents=True, exist_ok=True)
    names, places = sorted(weights), {}
    for number, part in ((1, names[: len(names) // 2]), (2, names[len(names) // 2 :])):
        shard = f"{stem}-{number:05}-of-00002.safetensors"
        save_file({name: weights[name].contiguous() for name in part}, folder / shard)
        places |= dict.fromkeys(part, shard)
    index = folder / f"{stem}.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": places}))
    return index


def float8(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Matrices as float8, the rest as bfloat16."""
    return {
        name: value.to(torch.float8_e4m3fn if value.dim() == 2 else torch.bfloat16) for name, value in weights.items()
    }


def scaled_float8(weights: Mapping[str, Tensor], suffix: str = ".scale_weight") -> dict[str, Tensor]:
    """Matrices as float8 with a scale beside each, the rest as bfloat16."""
    result: dict[str, Tensor] = {}
    for name, value in weights.items():
        if value.dim() != 2:
            result[name] = value.to(torch.bfloat16)
            continue
        scale = value.abs().max() / torch.finfo(torch.float8_e4m3fn).max
        result[name] = (value / scale).to(torch.float8_e4m3fn)
        result[name.removesuffix(".weight") + suffix] = scale
    return result


def write_gguf(
    path: Path, weights: Mapping[str, Tensor], kind: str = "Q8_0", *, five_dims: str = "original shape"
) -> Path:
    """A GGUF file, matrices quantised; weights of five dimensions reshaped with a note, as they are, or left out."""
    writer = gguf.GGUFWriter(path, "wan")
    writer.add_array("tokenizer.ggml.tokens", ["a", "bc"])
    for name, value in weights.items():
        data, stored = value.float().numpy(), gguf.GGMLQuantizationType.F32
        if data.ndim == 5:
            if five_dims == "left out":
                continue
            if five_dims == "original shape":
                writer.add_array(f"comfy.gguf.orig_shape.{name}", list(data.shape))
                data = data.reshape(-1, 64)
        elif data.ndim == 2 and data.shape[1] % 32 == 0:
            stored = gguf.GGMLQuantizationType[kind]
            data = gguf.quants.quantize(data, stored)
        writer.add_tensor(name, data, raw_dtype=stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
