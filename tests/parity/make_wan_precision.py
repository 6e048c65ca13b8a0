"""Writes golden/wan_precision.json: how far the official network computes from float32 in bfloat16.

`python tests/parity/make_wan_precision.py WAN VACE` with checkouts of Wan-Video/Wan2.1 and ali-vilab/VACE, torch and
diffusers 0.42.1. On the CPU: with its autocast there, and torch's attention instead of flash attention, which needs a
GPU. Weights and inputs are those of `tests/wan_precision_case.py`.
"""

from __future__ import annotations

import importlib
import json
import sys
import types
from pathlib import Path

import torch
import torch.nn.functional as F
from torch.cuda import amp

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import wan_precision_case as case  # noqa: E402

from vace_core.models.wan.dit import official_adapter_key  # noqa: E402

GOLDEN = Path(__file__).parent / "golden" / "wan_precision.json"
HALVES = torch.bfloat16


class OnCpu(torch.autocast):
    """The CPU's autocast for CUDA's: of "autocast to float32" there is none, which is to say that it is off."""

    def __init__(self, enabled=True, dtype=HALVES):
        super().__init__("cpu", dtype=HALVES, enabled=enabled and dtype == HALVES)


def attention(q, k, v, **_):
    """Computes in halves under autocast, as flash attention does, and gives the type of `q` back."""
    dtype = HALVES if torch.is_autocast_enabled("cpu") else torch.float32
    with torch.autocast("cpu", enabled=False):
        heads = (x.transpose(1, 2).to(dtype) for x in (q, k, v))
        return F.scaled_dot_product_attention(*heads).transpose(1, 2).contiguous().to(q.dtype)


def official(wan: Path, vace: Path, seed: int):
    # Without the packages' own __init__, which import much more.
    folders = {"wan": wan / "wan", "wan.modules": wan / "wan/modules", "vace_wan": vace / "vace/models/wan/modules"}
    for name, folder in folders.items():
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__path__ = [str(folder)]
    amp.autocast = OnCpu
    importlib.import_module("wan.modules.model").flash_attention = attention
    sizes = case.SIZES
    model = importlib.import_module("vace_wan.model").VaceWanModel(
        vace_layers=list(case.LAYERS), vace_in_dim=96, dim=sizes.width, ffn_dim=sizes.ffn, text_dim=sizes.text_width,
        num_heads=sizes.width // 128, num_layers=sizes.layers,
    )  # fmt: skip
    base, adapter = case.models(seed)
    more = {official_adapter_key(name): value for name, value in adapter.state_dict().items()}
    model.load_state_dict(base.state_dict() | more, strict=True)
    return model.eval()


@torch.no_grad()
def main(wan: Path, vace: Path) -> None:
    distances = {}
    for seed in case.SIGMAS:
        model, inputs = official(wan, vace, seed), case.inputs(seed)
        one = {name: [value[0]] for name, value in inputs.items()}
        tokens = inputs["latents"][0, 0].numel() // 4
        made = []
        for halves in (False, True):
            with torch.autocast("cpu", HALVES, enabled=halves):
                made += model(one["latents"], inputs["sigma"] * 1000, one["context"], one["text"], tokens)
        distances[str(seed)] = case.distance(made[1], made[0])
    GOLDEN.write_text(json.dumps({"origin": "Wan2.1 and VACE, bfloat16 against float32", "distance": distances}) + "\n")
    print(distances)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
