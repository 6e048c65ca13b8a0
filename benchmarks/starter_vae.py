"""What the starter's VAE leaves of shapes and faces: the ceiling of every model that uses it.

    OMP_NUM_THREADS=1 python benchmarks/starter_vae.py --clips 32

Held-out clips of one shape, and of one face, on muted backdrops: how often the shape is the right one of eight, and
which parts of a face are where they belong, in the true clip and in what comes back of it; and PSNR, the mean of clips.
Writes results/starter_vae.json after each row.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import measuring
import torch

from vace_core.loading.load import load_vae
from vace_core.starter.evaluation.comparison import Split, held_out
from vace_core.starter.evaluation.sampling import through_vae
from vace_core.starter.evaluation.trials import TRIALS
from vace_core.starter.model import WEIGHTS, part_file
from vace_core.starter.scenes.clips import Bucket

TASKS = ("text", "face reference")  # whose numbers look for a shape, and for the parts of a face


def measured(vae: Any, task: str, side: int, clips: int) -> dict[str, Any]:
    """Means over clips: PSNR, and of each number of the task that of the true clip and of what came back."""
    split = Split(name="", buckets=(Bucket(num_frames=17, height=side, width=side),), unseen=False)
    pairs: dict[str, list[tuple[float, float]]] = {}
    decibels: list[float] = []
    for example in held_out(task, split, clips):
        true, back = example.clip.frames, through_vae(vae, example.clip.frames)
        decibels.append(float(10 * torch.log10(4 / (back - true).square().mean())))
        for one in TRIALS[task].measures:
            pairs.setdefault(one.metric, []).append((one.score(example, true), one.score(example, back)))
    found = {name: [statistics.fmean(some) for some in zip(*both, strict=True)] for name, both in pairs.items()}
    return {"task": task, "side": side, "clips": clips, "psnr": statistics.fmean(decibels), "true, back": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=32, help="of each kind and size")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 96], help="pixels")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with the starter's three files")
    options = parser.parse_args()
    vae = load_vae(part_file(options.weights, "vae"), dtype=torch.float32)
    rows: list[dict[str, Any]] = []
    for side in options.sides:
        for task in TASKS:
            rows.append(measured(vae, task, side, options.clips))
            text = json.dumps({"torch": torch.__version__, "rows": rows}, indent=1)
            (measuring.RESULTS / "starter_vae.json").write_text(text + "\n")
    lines = [
        [f"{row['side']}x{row['side']}", name, f"{true:.3f}", f"{back:.3f}", f"{row['psnr']:.1f}"]
        for row in rows
        for name, (true, back) in row["true, back"].items()
    ]
    measuring.show("After the VAE", ["frames", "", "true clip", "after the VAE", "PSNR, dB"], lines)


if __name__ == "__main__":
    main()
