"""Whether a seed gives the same starter to the bit: every part of it trained twice for a few steps, in fresh processes.

    OMP_NUM_THREADS=1 python benchmarks/starter_twice.py

Each training goes through all parts of the world (VAE, base, adapter), with the shipped recipes cut to 50 steps and few
examples. What is compared: the weights that are written, encoded examples, and the checkpoints in full precision, with
running averages and the optimiser's memory. Writes results/starter_twice.json.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import measuring
import torch

from vace_core.files.safetensors_format import SafetensorsFile
from vace_core.starter.training.scenes import SCENES
from vace_core.starter.training.starter import StarterTraining
from vace_core.training.recipe import Recipe, read_recipe
from vace_core.training.schedule import Schedule

PARTS = [part.name for part in (*SCENES.base, *SCENES.adapter)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=50, help="of each stage of the VAE, and of each other part")
    parser.add_argument("--examples", type=int, default=256, help="that are drawn and encoded for each part")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action="store_true", help="let torch compile parts")
    parser.add_argument("--folder", type=Path, help="where both trainings are kept; else a temporary one")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)  # what the two processes are told
    return parser.parse_args()


def train(options: argparse.Namespace) -> None:
    """One whole training, short."""

    def short(schedule: Schedule) -> Schedule:
        return replace(schedule, steps=options.steps, validate_every=0)

    def shorter(recipe: Recipe) -> Recipe:
        data = replace(recipe.data, examples=options.examples, held_out=0)
        return replace(recipe, data=data, schedule=short(recipe.schedule))

    stages = tuple(replace(stage, schedule=short(stage.schedule)) for stage in SCENES.vae_stages)
    world = replace(SCENES, vae_stages=stages)
    recipes = {name: shorter(read_recipe(world.recipe(name))) for name in PARTS}
    done = StarterTraining(world, options.train, seed=options.seed, recipes=recipes).run(compiled=options.compile)
    assert done


def compared(one: Path, other: Path) -> dict[str, dict[str, Any]]:
    """By file that either training wrote: how many tensors and values it has, and which of them differ."""
    names = sorted({str(path.relative_to(folder)) for folder in (one, other) for path in folder.rglob("*.safetensors")})
    found: dict[str, dict[str, Any]] = {}
    for name in names:
        if not ((one / name).exists() and (other / name).exists()):
            found[name] = {"tensors": 0, "values": 0, "differing": ["written by one of both only"]}
            continue
        ours, theirs = SafetensorsFile(one / name), SafetensorsFile(other / name)
        keys = sorted({*ours.tensors, *theirs.tensors})
        differing = [key for key in keys if not same(ours, theirs, key)]
        values = sum(ours.read(key).numel() for key in ours.tensors)
        found[name] = {"tensors": len(keys), "values": values, "differing": differing}
    return found


def same(ours: SafetensorsFile, theirs: SafetensorsFile, key: str) -> bool:
    if key not in ours.tensors or key not in theirs.tensors:
        return False
    a, b = ours.read(key), theirs.read(key)
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(bits(a), bits(b))


def bits(value: torch.Tensor) -> torch.Tensor:
    return value.contiguous().reshape(-1).view(torch.uint8)


def main() -> None:
    options = arguments()
    if options.train:
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
        train(options)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        for name in ("first", "second"):
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--train", str(folder / name)], check=True)
        found = compared(folder / "first", folder / "second")
    written = [f"{name}.safetensors" for name in ("vae", *PARTS)]
    missing = [name for name in written if name not in found]
    told = {"steps": options.steps, "examples": options.examples, "compiled": options.compile}
    measuring.show(
        f"Twice from seed {options.seed}, {options.steps} steps of each part",
        ["file", "tensors", "values", "differing tensors"],
        [[name, str(one["tensors"]), str(one["values"]), str(len(one["differing"]))] for name, one in found.items()],
    )
    text = json.dumps({"torch": torch.__version__, "settings": told, "files": found}, indent=1)
    (measuring.RESULTS / "starter_twice.json").write_text(text + "\n")
    if missing or any(one["differing"] for one in found.values()):
        raise SystemExit(f"Not the same to the bit. Missing: {', '.join(missing) or 'none'}.")


if __name__ == "__main__":
    main()
