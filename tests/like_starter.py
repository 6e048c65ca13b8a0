"""A model laid out like the starter, with tiny networks, for the command."""

from __future__ import annotations

from pathlib import Path

from filling import fill
from safetensors.torch import save_file

from vace_core.models.wan.dit import WanDit, WanSizes, build_adapter, official_adapter_key
from vace_core.models.wan.vae import WanVaeNetwork

SIZES = WanSizes(width=128, ffn=256, layers=2, text_width=4096)


def write(folder: Path) -> Path:
    """The three files of the starter in a folder."""
    adapter = fill(build_adapter(SIZES, (0, 1)), 1).state_dict()
    parts = {
        "base": fill(WanDit(SIZES)).state_dict(),
        "adapter": {official_adapter_key(name): value for name, value in adapter.items()},
        "vae": fill(WanVaeNetwork(width=8, blocks=1), 2).state_dict(),
    }
    for name, weights in parts.items():
        said = {"vace_layers": "[0, 1]"} if name == "adapter" else None
        halves = {key: value.half().contiguous() for key, value in weights.items()}
        save_file(halves, folder / f"{name}.safetensors", said)
    return folder
