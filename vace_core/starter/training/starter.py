"""The starter model from nothing: VAE, base and adapter, part by part, each on the result of the one before it."""

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
from ...models.wan.dit import WanDit, adapter_key, build_adapter, encode_masks, official_adapter_key
from ...models.wan.vae import WanVaeNetwork
from ...models.wan.vae_stream import WanVae
from ...training.data.cache import Cache, Encoder, fill_cache
from ...training.data.example import Examples
from ...training.engine import accelerator, agreed
from ...training.fit import fit
from ...training.precision import seeded, training_dtype
from ...training.recipe import Recipe, read_recipe
from ...training.tuning import Tuned, copy_base
from .base import initialise
from .compiled import compile_blocks, compile_vae
from .vae import fold_statistics, train_vae
from .world import Part, World

STATISTICS = 400
TOGETHER = 16  # small clips keep a processor busy only in numbers
NOTE = "teaching and testing model of the synthetic world; see starter/MODEL_CARD.md"


class StarterTraining:
    """One training of the starter in one folder.

    Attributes:
        world: What it is trained on, and how large it is.
        folder: Where checkpoints, caches and, at the end, the three files of weights are.
        recipes: How each part of base and adapter is trained, by its name.
        seed: Of the first weights and the first clip.
    """

    def __init__(
        self, world: World, folder: Path, *, seed: int = 0, recipes: Mapping[str, Recipe] | None = None
    ) -> None:
        self.world, self.folder, self.seed = world, folder, seed
        parts = [part.name for part in (*world.base, *world.adapter)]
        self.recipes = recipes or {name: read_recipe(world.recipe(name)) for name in parts}

    def run(self, *, compiled: bool = False, stop_after: float | None = None) -> bool:
        """Trains what is not yet there; whether all of it is now.

        A part that was stopped goes on from its last checkpoint. Several processes, started by accelerate or torchrun,
        divide the micro-batches and the encoding between them.

        Args:
            compiled: Whether torch compiles parts.
            stop_after: Seconds after which the run is saved and left; None = not before its end.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._begun, self._limit, self._processes = time.monotonic(), stop_after, accelerator(cpu=True)
        if compiled:
            compile_vae()
            compile_blocks()
        return self._train_vae() and self._train_base() and self._train_adapter()

    def _left(self) -> float | None:
        return None if self._limit is None else self._limit - (time.monotonic() - self._begun)

    def _late(self) -> bool:
        left = self._left()
        return left is not None and left <= 0

    def _path(self, part: str) -> Path:
        return self.folder / f"{part}.safetensors"

    def _write(self, part: str, weights: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
        if self._processes.is_main_process:
            write(self._path(part), weights, metadata)
        self._processes.wait_for_everyone()

    def _train_vae(self) -> bool:
        world = self.world
        if self._path("vae").exists():
            return True
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
        self._write("vae", network.state_dict(), {})
        return True

    def _train_base(self) -> bool:
        if self._path("base").exists():
            return True
        with seeded(self.seed):
            base = WanDit(self.world.sizes)
        initialise(base, self.seed)
        encoder = Encoder(vae=self._vae(), encode_masks=None, together=TOGETHER)
        for part in self.world.base:
            path = self._path(part.name)
            if not path.exists():
                if not self._fit(Tuned(base), part, encoder):
                    return False
                self._write(part.name, base.state_dict(), {})
            base.load_state_dict(load(path))
        return True

    def _train_adapter(self) -> bool:
        if self._path("adapter").exists():
            return True
        base = WanDit(self.world.sizes)
        base.load_state_dict(load(self._path("base")))
        base.requires_grad_(False)
        layers = self.recipes["adapter"].tuning.context_layers
        with seeded(self.seed):
            adapter = build_adapter(base.sizes, layers)
        copy_base(adapter, base)
        encoder = Encoder(vae=self._vae(), encode_masks=encode_masks, together=TOGETHER)
        for part in self.world.adapter:
            path = self._path(part.name)
            if not path.exists():
                if not self._fit(Tuned(base, adapter), part, encoder):
                    return False
                weights = {official_adapter_key(name): value for name, value in adapter.state_dict().items()}
                self._write(part.name, weights, {CONTEXT_LAYERS_KEY: json.dumps(layers)})
            adapter.load_state_dict({adapter_key(name): value for name, value in load(path).items()})
        return True

    def _fit(self, tuned: Tuned, part: Part, encoder: Encoder) -> bool:
        recipe, examples = self.recipes[part.name], part.examples(self.seed)
        data, held_out = recipe.data, self.world.held_out
        known, unknown = (self.folder / f"{part.name}-{name}" for name in ("examples", "held-out"))
        if not self._encode(known, examples, range(data.examples), encoder):
            return False
        asked = range(held_out, held_out + data.held_out)
        if data.held_out and not self._encode(unknown, examples, asked, encoder):
            return False
        outcome = fit(
            tuned,
            Cache(known),
            self.world.text(),
            objective=recipe.objective,
            schedule=replace(recipe.schedule, seed=self.seed),
            stages=recipe.stages,
            folder=self.folder / part.name,
            held_out=Cache(unknown) if data.held_out else None,
            recipe=recipe.told(),
            processes=self._processes,
            stop_after=self._left(),
        )
        recipe.write(self.folder / part.name)
        return outcome.finished

    def _encode(self, folder: Path, examples: Examples, numbers: range, encoder: Encoder) -> bool:
        """Whether all of them are encoded."""
        processes = self._processes
        finished = fill_cache(
            folder,
            examples,
            numbers,
            encoder,
            process=processes.process_index,
            processes=processes.num_processes,
            late=self._late,
        )
        return not agreed(processes, not finished)

    def _vae(self) -> WanVae:
        network = WanVaeNetwork(width=self.world.vae_width, blocks=1)
        network.load_state_dict(load(self._path("vae")))
        # Half precision changes latents by a third of a hundredth of their deviation, in half of the time.
        return WanVae(network.to(training_dtype()))


def write(path: Path, weights: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Writes one part of the starter in half precision, whole or not at all."""
    save(path, {name: value.half() for name, value in weights.items()}, {"note": NOTE, **metadata})


def load(path: Path) -> dict[str, Tensor]:
    """One part of the starter in full precision, exactly as whoever loads it will have it."""
    return {name: value.float() for name, value in load_file(path).items()}
