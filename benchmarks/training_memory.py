"""The memory that `vace train --dry-run` accounts for a training, beside what is measured while it trains.

python benchmarks/training_memory.py
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import measuring
import torch
from model_files import write_sparse
from torch import nn

from vace_core.files.checkpoint import open_checkpoint
from vace_core.loading.detection import identify
from vace_core.models.wan import dit as wan
from vace_core.training.cost import TEXT_TOKENS, TrainingCost, _Allocations, training_cost
from vace_core.training.data.material import Bucket
from vace_core.training.engine import train
from vace_core.training.objective import Objective
from vace_core.training.precision import training_dtype
from vace_core.training.recipe import Data, Recipe, Tuning
from vace_core.training.run import prepare
from vace_core.training.schedule import Schedule
from vace_core.training.tuning import Tuned

OBJECTIVE = Objective()
INSIDE = {"kept": False, "computed again": True}
# Sizes, context layers, and the clip in frames, height and width.
CONFIGS: dict[str, tuple[wan.WanSizes, Sequence[int], tuple[int, int, int]]] = {
    "small": (wan.WanSizes(width=512, ffn=2048, layers=8), (0, 2, 4, 6), (17, 128, 128)),
    "1.3B": (wan.WanSizes(width=1536, ffn=8960, layers=30), (0, 16), (5, 128, 128)),
}
QUICK = (wan.WanSizes(width=128, ffn=256, layers=4), (0, 2), (5, 64, 64))
WEIGHT = 0.02  # spread of the random weights


def recipe_of(layers: Sequence[int], clip: tuple[int, int, int], saves: bool) -> Recipe:
    frames, height, width = clip
    return Recipe(
        tuning=Tuning(context_layers=tuple(layers), save_memory=saves),
        data=Data(examples=1, buckets=(Bucket(frames=frames, height=height, width=width),)),
        schedule=Schedule(steps=1, learning_rate=1e-5, warmup=0, save_every=1),
    )


def account(sizes: wan.WanSizes, recipe: Recipe) -> TrainingCost:
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in wan.WanDit(sizes).state_dict().items()}
    with tempfile.TemporaryDirectory() as folder:
        found = identify(open_checkpoint(write_sparse(Path(folder) / "base.safetensors", shapes)))
        return training_cost(recipe, found, torch.device("cpu"))


def network(sizes: wan.WanSizes, recipe: Recipe) -> Tuned:
    """Of random weights, held as a training holds them."""
    with torch.device("meta"):
        base = wan.WanDit(sizes).to(training_dtype())
        adapter = wan.build_adapter(sizes, recipe.tuning.context_layers)
    for part in (base, adapter):
        part.to_empty(device="cpu")
        for value in part.parameters():
            nn.init.normal_(value, std=WEIGHT)
    prepare(recipe.tuning, base, adapter)
    return Tuned(base, adapter)


def step(tuned: Tuned, recipe: Recipe, folder: Path) -> None:
    """One step by the engine: forwards, backwards, optimiser, running average and a checkpoint."""
    (bucket,), channels = recipe.data.buckets, wan.LATENTS
    size = wan.GRID.latent_size(bucket.frames, bucket.height, bucket.width)
    latents, context = torch.randn(1, channels.channels, *size), torch.randn(1, channels.vace_in_channels, *size)
    prompts = [torch.randn(1, TEXT_TOKENS, 4096)]

    def losses_of(module: nn.Module, _: Any) -> torch.Tensor:
        noisy, sigmas, wanted = OBJECTIVE.noised(latents, torch.Generator().manual_seed(0))
        return OBJECTIVE.losses(module(noisy, sigmas, prompts, 16.0, context), wanted, sigmas)

    outcome = train(tuned, losses_of, recipe.schedule, folder=folder)
    assert outcome.finished


def measure(sizes: wan.WanSizes, layers: Sequence[int], clip: tuple[int, int, int], saves: bool) -> dict[str, float]:
    recipe = recipe_of(layers, clip, saves)
    told = account(sizes, recipe)
    gc.collect()
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the most so far is forgotten
    with tempfile.TemporaryDirectory() as folder, _Allocations(nn.Module()) as live:
        tuned = network(sizes, recipe)
        step(tuned, recipe, Path(folder))
    return {
        "accounted": told.peak, "live_tensors": live.peak, "resident": _resident("VmHWM") - before,
        "weights": told.weights, "optimiser": told.optimiser, "working": told.working, "tokens": told.tokens,
    }  # fmt: skip


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0], config=list(CONFIGS), inside=list(INSIDE))
    configs = {"quick": QUICK} if options.quick else {name: CONFIGS[name] for name in options.config}
    results = {
        name: {inside: measure(*of, INSIDE[inside]) for inside in options.inside} for name, of in configs.items()
    }
    rows = []
    for config, by_inside in results.items():
        for inside, got in by_inside.items():
            sizes = [got[key] / 2**30 for key in ("accounted", "live_tensors", "resident")]
            error = got["accounted"] / got["live_tensors"] - 1
            rows.append([config, inside, str(got["tokens"]), *(f"{size:.3f}" for size in sizes), f"{error:+.1%}"])
    head = ["config", "inside of blocks", "tokens", "accounted, GiB", "tensors, GiB", "process, GiB", "error"]
    measuring.show("One training step in memory", head, rows)
    measuring.save("training_memory", results, options)


if __name__ == "__main__":
    main()
