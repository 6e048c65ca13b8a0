"""How near kept pixels are to the source before they are pasted back, with latents pinned and without, on the starter.

    OMP_NUM_THREADS=1 python benchmarks/pinning.py

Held-out clips of the starter's world, inpainting, outpainting and extending, two seeds. Decibels of the decoded clip to
the true one: in latent cells that are kept whole (8 x 8 pixels in up to four frames), in those kept in part, in the
hole; and the same through the VAE alone, its floor. The decoder mixes cells, so those kept whole are also told apart by
how far the nearest other cell is, in cells of space and time. Writes results/pinning.json.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import measuring
import torch
from torch.nn import functional

from vace_core.models.wan.dit import GRID
from vace_core.pipeline import sample
from vace_core.sampling.pinning import kept_cells
from vace_core.starter.model import LENGTH, SIDE, STARTER_OPTIONS, load_starter
from vace_core.starter.scenes.clips import Bucket
from vace_core.starter.scenes.samples import HELD_OUT, draw_sample

USUAL = Bucket(num_frames=LENGTH, height=SIDE, width=SIDE)
TASKS = ("inpaint", "outpaint", "extend")
FAR = 3  # cells
WHOLE = (*(f"kept whole, {n} from the next" for n in range(1, FAR)), f"kept whole, {FAR} or more")
PLACES = ("kept whole", *WHOLE, "kept in part", "hole")


def decibels(error: torch.Tensor, where: torch.Tensor) -> float:
    return float(10 * torch.log10(4 / error[where.expand_as(error)].square().mean()))


def places(masks: torch.Tensor) -> dict[str, torch.Tensor]:
    """Pixels of each kind, `(1, 1, T, H, W)`."""
    cells = kept_cells(masks, GRID)
    # Of all cells within n - 1 of a cell, in time too, none is made: then the next one is n away.
    within = [1 - functional.max_pool3d(1 - cells.float(), 2 * n - 1, 1, n - 1) > 0 for n in range(1, FAR + 1)]
    apart = [*(near & ~far for near, far in pairwise(within)), within[-1]]
    whole = pixels_of(cells)
    named = {name: pixels_of(some) for name, some in zip(WHOLE, apart, strict=True)}
    return {"kept whole": whole, **named, "kept in part": (masks == 0) & ~whole, "hole": masks > 0}


def pixels_of(cells: torch.Tensor) -> torch.Tensor:
    """`(1, 1, T, H, W)` bool: the pixels of latent cells."""
    wide = cells.repeat_interleave(8, 3).repeat_interleave(8, 4)
    return torch.cat([wide[:, :, :1], wide[:, :, 1:].repeat_interleave(4, 2)], dim=2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=24)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--noise-seeds", type=int, nargs="+", default=[0, 1])
    options = parser.parse_args()
    model, file = load_starter(), measuring.RESULTS / "pinning.json"
    # What is there of other tasks stays.
    rows: list[dict[str, Any]] = json.loads(file.read_text())["rows"] if file.exists() else []
    rows = [row for row in rows if row["task"] not in options.tasks]
    for task in options.tasks:
        found: dict[tuple[str, str], list[float]] = defaultdict(list)
        for number in range(options.clips):
            one = draw_sample(task, HELD_OUT + number, USUAL)
            truth, kinds = one.clip.frames, places(one.vcu.masks)
            made = {"VAE alone": [model.vae.decode(model.vae.encode(truth))]}
            for name, pin in (("free", False), ("pinned", True)):
                jobs = [replace(STARTER_OPTIONS, seed=seed) for seed in options.noise_seeds]
                made[name] = [model.vae.decode(sample(model, one.vcu, job, pin=pin)) for job in jobs]
            for name, clips in made.items():
                for kind, where in kinds.items():
                    if bool(where.any()):
                        found[name, kind] += [decibels(clip - truth, where) for clip in clips]
        for kind in [kind for kind in PLACES if found["VAE alone", kind]]:
            row = {"task": task, "pixels": kind}
            row |= {name: sum(found[name, kind]) / max(len(found[name, kind]), 1) for name in made}
            rows.append(row)
            print(
                "| " + " | ".join(f"{value:.2f}" if isinstance(value, float) else value for value in row.values()), "|"
            )
    settings = {"clips": options.clips, "noise_seeds": options.noise_seeds}
    measuring.RESULTS.mkdir(exist_ok=True)
    text = json.dumps({"torch": torch.__version__, "settings": settings, "rows": rows}, indent=1)
    file.write_text(text + "\n")


if __name__ == "__main__":
    main()
