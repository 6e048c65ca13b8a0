"""A folder in the layout of the starter, with a tiny model of deterministic weights that are nowhere zero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from filling import fill
from safetensors.torch import save_file

LAYERS = (0, 2)


def full_weights(core: Any, seed: int = 1) -> dict[str, torch.Tensor]:
    """A whole VACE model under its official names, made with the classes of `core`, the pack's `vace_core`."""
    wan = core.models.wan.dit
    sizes = wan.WanSizes(width=128, ffn=192, layers=4, text_width=4096)
    adapter = fill(wan.build_adapter(sizes, LAYERS), seed + 1).state_dict()
    ours = {wan.official_adapter_key(name): value.contiguous() for name, value in adapter.items()}
    return {**fill(wan.WanDit(sizes), seed).state_dict(), **ours}


def write_starter(folder: Path, core: Any, seed: int = 1) -> Path:
    """Writes vae, base and adapter in the layout that the starter has."""
    weights = full_weights(core, seed)
    parts = {
        "vae": dict(fill(core.models.wan.vae.WanVaeNetwork(width=4, blocks=1), 3).state_dict()),
        "base": {name: value for name, value in weights.items() if not name.startswith("vace_")},
        "adapter": {name: value for name, value in weights.items() if name.startswith("vace_")},
    }
    for part, state in parts.items():
        contiguous = {name: value.contiguous() for name, value in state.items()}
        save_file(contiguous, folder / f"{part}.safetensors", metadata={"vace_layers": str(list(LAYERS))})
    return folder
