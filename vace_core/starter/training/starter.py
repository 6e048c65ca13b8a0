"""The starter model from nothing: three stages, each on the result of the one before it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from ...files.safetensors_format import save
from ...loading.inspect import CONTEXT_LAYERS_KEY
from ...models.wan.dit import WanDit, official_adapter_key
from ...models.wan.vae import WanVaeNetwork
from ...models.wan.vae_stream import WanVae
from .adapter import CONTEXT_LAYERS, SampleCache, train_adapter
from .base import SIZES, ClipCache, train_base
from .compiled import compile_blocks, compile_vae
from .samples import HELD_OUT
from .vae import WIDTH, draw_clip, fold_statistics, train_vae

CLIPS, EXAMPLES = 6000, 12000
STATISTICS = 400
NOTE = "teaching and testing model of the synthetic world; see starter/MODEL_CARD.md"


def train_starter(folder: Path, *, seed: int = 0, compiled: bool = False) -> None:
    """Trains all three parts into `folder`/vae.safetensors, base.safetensors and adapter.safetensors.

    Stages that are done are not done again; a stage that was stopped goes on from its last checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    vae = _vae(folder, seed, compiled)
    if compiled:
        compile_blocks()
    base = _base(folder, vae, seed)
    _adapter(folder, vae, base, seed)


def _vae(folder: Path, seed: int, compiled: bool) -> WanVae:
    path = folder / "vae.safetensors"
    if not path.exists():
        if compiled:
            compile_vae()
        seeds = range(seed, seed + CLIPS)
        clips = torch.stack([draw_clip(number) for number in tqdm(seeds, desc="drawing clips", mininterval=5)])
        held_out = {"held out": torch.stack([draw_clip(HELD_OUT + number) for number in range(16)])}
        network = train_vae(clips, held_out, folder / "vae.checkpoint", seed=seed)
        fold_statistics(network, clips[:STATISTICS])
        write(path, network.state_dict(), {})
    network = WanVaeNetwork(width=WIDTH, blocks=1)
    network.load_state_dict(read(path))
    return WanVae(network)


def _base(folder: Path, vae: WanVae, seed: int) -> WanDit:
    path = folder / "base.safetensors"
    if not path.exists():
        cache = ClipCache(folder / "clips.cache", vae, range(seed, seed + CLIPS))
        write(path, train_base(cache, folder / "base.checkpoint", seed=seed).state_dict(), {})
    base = WanDit(SIZES)
    base.load_state_dict(read(path))
    return base


def _adapter(folder: Path, vae: WanVae, base: WanDit, seed: int) -> None:
    path = folder / "adapter.safetensors"
    if path.exists():
        return
    cache = SampleCache(folder / "examples.cache", vae, range(seed, seed + EXAMPLES))
    adapter = train_adapter(base, cache, folder / "adapter.checkpoint", seed=seed)
    weights = {official_adapter_key(name): value for name, value in adapter.state_dict().items()}
    write(path, weights, {CONTEXT_LAYERS_KEY: json.dumps(CONTEXT_LAYERS)})


def write(path: Path, weights: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes one part of the starter in half precision, whole or not at all."""
    save(path, {name: value.half() for name, value in weights.items()}, {"note": NOTE, **metadata})


def read(path: Path) -> dict[str, Tensor]:
    """One part of the starter in full precision, exactly as whoever loads it will have it."""
    return {name: value.float() for name, value in load_file(path).items()}
