"""LoRA of random numbers, under the names that trainers and other programs give them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

RANK, ALPHA = 4, 2.0
Factors = dict[str, tuple[Tensor, Tensor]]
"""By the official name of a layer, `(out, rank)` and `(rank, in)`."""


def factors(shapes: Mapping[str, tuple[int, ...]], layers: Iterable[str], seed: int = 5) -> Factors:
    """Random factors for these layers, of which `shapes` has the weights."""
    generator = torch.Generator().manual_seed(seed)
    made: Factors = {}
    for layer in layers:
        out, *inner = shapes[f"{layer}.weight"]
        up = torch.randn(out, RANK, generator=generator) * 0.2
        made[layer] = up, torch.randn(RANK, *inner, generator=generator) * 0.2
    return made


def kohya(layers: Factors, rename: Callable[[str], str] = str) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for layer, (up, down) in layers.items():
        name = f"lora_unet_{rename(layer).replace('.', '_')}"
        found |= {f"{name}.lora_up.weight": up, f"{name}.lora_down.weight": down}
        found[f"{name}.alpha"] = torch.tensor(ALPHA)
    return found


def dotted(
    layers: Factors,
    prefix: str = "diffusion_model.",
    ends: tuple[str, str] = ("lora_B.weight", "lora_A.weight"),
    rename: Callable[[str], str] = str,
    alpha: bool = False,
) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for layer, pair in layers.items():
        name = f"{prefix}{rename(layer)}"
        found |= {f"{name}.{end}": one for end, one in zip(ends, pair, strict=True)}
        if alpha:
            found[f"{name}.alpha"] = torch.tensor(ALPHA)
    return found


def write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> Path:
    save_file(
        {name: value.clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}, path, metadata
    )
    return path


def added(weights: Mapping[str, Tensor], layers: Factors, scale: float) -> dict[str, Tensor]:
    """Official weights with the product of the factors in them, worked out in double precision."""
    found = dict(weights)
    for layer, (up, down) in layers.items():
        name = f"{layer}.weight"
        product = (up.double() @ down.double().flatten(1)).reshape(weights[name].shape)
        found[name] = (weights[name].double() + scale * product).float()
    return found
