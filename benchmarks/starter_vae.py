"""How well the starter's VAE gives back what it has not seen: scenes, and what tasks show the model.

    python benchmarks/starter_vae.py

Writes results/starter_vae.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import measuring
import torch

from vace_core.loading.load import load_vae
from vace_core.media.video import to_uint8
from vace_core.starter.model import WEIGHTS, part_file
from vace_core.starter.training.samples import HELD_OUT
from vace_core.starter.training.shapes import draw_condition
from vace_core.starter.world import random_clip

BATCH = 16
SETS = {"scenes": lambda seed: to_uint8(random_clip(seed).frames), "conditions": draw_condition}


def decibels(errors: torch.Tensor) -> torch.Tensor:
    return 10 * torch.log10(4 / errors.clamp(min=4e-6))  # no better than 60


def measure(vae, draw, clips: int) -> dict[str, float]:
    errors = []
    for start in range(0, clips, BATCH):
        bytes_ = torch.stack([draw(HELD_OUT + seed) for seed in range(start, min(start + BATCH, clips))])
        frames = bytes_.permute(0, 4, 1, 2, 3) / 127.5 - 1
        errors.append((vae.decode(vae.encode(frames)) - frames).square().mean((1, 2, 3, 4)))
    each = torch.cat(errors)
    return {
        "mean_of_clips_db": float(decibels(each).mean()),
        "median_db": float(decibels(each).median()),
        "all_pixels_db": float(decibels(each.mean())),
        "worst_db": float(decibels(each).min()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=64, help="of each kind")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with the starter's three files")
    options = parser.parse_args()
    vae = load_vae(part_file(options.weights, "vae"), dtype=torch.float32)
    results = {name: measure(vae, draw, options.clips) for name, draw in SETS.items()}
    rows = [[name, *(f"{value:.1f}" for value in got.values())] for name, got in results.items()]
    measuring.show("PSNR, dB", ["", "mean of the clips", "median", "all pixels together", "worst clip"], rows)
    text = json.dumps({"torch": torch.__version__, "clips": options.clips, "results": results}, indent=1)
    (measuring.RESULTS / "starter_vae.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
