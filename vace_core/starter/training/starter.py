"""The starter model from nothing: three stages, each on the result of the one before it."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from ...files.safetensors_format import save
from ...loading.inspect import CONTEXT_LAYERS_KEY
from ...models.wan.dit import WanDit, build_adapter, encode_masks, official_adapter_key
from ...models.wan.vae import WanVaeNetwork
from ...models.wan.vae_stream import WanVae
from ...training.data.cache import Cache, Encoder, fill_cache
from ...training.data.example import Examples
from ...training.engine import accelerator
from ...training.fit import fit
from ...training.precision import seeded
from ...training.recipe import Recipe, read_recipe
from ...training.tuning import Tuned, copy_base
from .base import initialise
from .compiled import compile_blocks, compile_vae
from .vae import fold_statistics, train_vae
from .world import World

STATISTICS = 400
TOGETHER = 16  # small clips keep a processor busy only in numbers
NOTE = "teaching and testing model of the synthetic world; see starter/MODEL_CARD.md"


class StarterTraining:
    """One training of the starter in one folder.

    Attributes:
        world: What it is trained on, and how large it is.
        folder: Where checkpoints, caches and, at the end, the three files of weights are.
        base: How the base is trained.
        adapter: How the adapter is trained.
        seed: Of the first weights and the first clip.
    """

    def __init__(
        self, world: World, folder: Path, *, seed: int = 0, base: Recipe | None = None, adapter: Recipe | None = None
    ) -> None:
        self.world, self.folder, self.seed = world, folder, seed
        self.base = base or read_recipe(world.recipe("base"))
        self.adapter = adapter or read_recipe(world.recipe("adapter"))

    def run(self, *, compiled: bool = False, stop_after: float | None = None) -> bool:
        """Trains what is not yet there; whether all of it is now.

        A stage that was stopped goes on from its last checkpoint.

        Args:
            compiled: Whether torch compiles parts.
            stop_after: Seconds after which the run is saved and left; None = not before its end.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begun, self._limit, self._processes = time.monotonic(), stop_after, accelerator(cpu=True)
        return self._train_vae(compiled=compiled) and self._train_base(compiled=compiled) and self._train_adapter()

    def _left(self) -> float | None:
        return None if self._limit is None else self._limit - (time.monotonic() - self._begun)

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.safetensors"

    def _train_vae(self, *, compiled: bool) -> bool:
        path, world = self._path("vae"), self.world
        if path.exists():
            return True
        if compiled:
            compile_vae()
        network = train_vae(
            world.draw_crops,
            {"held out, PSNR dB": [world.draw_clip(world.held_out + number) for number in range(16)]},
            self.folder / "vae",
            world.vae_stages,
            width=world.vae_width,
            seed=self.seed,
            processes=self._processes,
            stop_after=self._left(),
        )
        if network is None:
            return False
        fold_statistics(network, (world.draw_clip(self.seed + number) for number in range(STATISTICS)))
        write(path, network.state_dict(), {})
        return True

    def _train_base(self, *, compiled: bool) -> bool:
        path = self._path("base")
        if path.exists():
            return True
        if compiled:
            compile_blocks()
        with seeded(self.seed):
            base = WanDit(self.world.sizes)
        initialise(base, self.seed)
        encoder = Encoder(vae=self._vae(), encode_masks=None, together=TOGETHER)
        if not self._fit(Tuned(base), "base", self.base, self.world.clips(self.seed), encoder):
            return False
        write(path, base.state_dict(), {})
        return True

    def _train_adapter(self) -> bool:
        path = self._path("adapter")
        if path.exists():
            return True
        base = WanDit(self.world.sizes)
        base.load_state_dict(load(self._path("base")))
        base.requires_grad_(False)
        layers = self.adapter.tuning.context_layers
        with seeded(self.seed):
            adapter = build_adapter(base.sizes, layers)
        copy_base(adapter, base)
        encoder = Encoder(vae=self._vae(), encode_masks=encode_masks, together=TOGETHER)
        if not self._fit(Tuned(base, adapter), "adapter", self.adapter, self.world.tasks(self.seed), encoder):
            return False
        weights = {official_adapter_key(name): value for name, value in adapter.state_dict().items()}
        write(path, weights, {CONTEXT_LAYERS_KEY: json.dumps(layers)})
        return True

    def _fit(self, tuned: Tuned, part: str, recipe: Recipe, examples: Examples, encoder: Encoder) -> bool:
        data = recipe.data
        known, unknown = (self.folder / f"{part}-{name}" for name in ("examples", "held-out"))
        fill_cache(known, examples, range(data.examples), encoder)
        if data.held_out:
            fill_cache(unknown, examples, range(self.world.held_out, self.world.held_out + data.held_out), encoder)
        outcome = fit(
            tuned,
            Cache(known),
            self.world.text(),
            objective=recipe.objective,
            schedule=replace(recipe.schedule, seed=self.seed),
            stages=recipe.stages,
            folder=self.folder / part,
            held_out=Cache(unknown) if data.held_out else None,
            recipe=recipe.told(),
            processes=self._processes,
            stop_after=self._left(),
        )
        recipe.write(self.folder / part)
        return outcome.finished

    def _vae(self) -> WanVae:
        network = WanVaeNetwork(width=self.world.vae_width, blocks=1)
        network.load_state_dict(load(self._path("vae")))
        return WanVae(network)


def write(path: Path, weights: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes one part of the starter in half precision, whole or not at all."""
    save(path, {name: value.half() for name, value in weights.items()}, {"note": NOTE, **metadata})


def load(path: Path) -> dict[str, Tensor]:
    """One part of the starter in full precision, exactly as whoever loads it will have it."""
    return {name: value.float() for name, value in load_file(path).items()}
