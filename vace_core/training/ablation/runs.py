"""The runs: every variant with every seed, each in a folder of its own, stopped and resumed at any time."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...errors import InputError, TrainingError, shortened
from ...files.checkpoint import open_checkpoint
from ...loading.detection import identify
from ...loading.load import load_vae
from ...protocols import VideoVae
from ..alone import alone
from ..data.cache import Cache, Encoder, Some, fill_cache
from ..data.example import Examples
from ..data.sources import no_clips
from ..engine import accelerator
from ..fit import fit
from ..objective import Objective
from ..precision import seeded, training_dtype
from ..recipe import Recipe
from ..run import Files, build
from ..starting import check_adapter, check_base
from ..state import check_recipe, trainable
from ..tuning import Tuned
from ..validation import ALL, Validation
from .encoding import encoder_of
from .results import CLIPS, FEW, LOSSES, MANY, NO_NUMBER, PLAN, RUN, RUNS, Losses, read_json, write_json
from .setting import EachTask, Setting
from .variants import Context, Variant, Variants

log = logging.getLogger("vace")

CHECKPOINTS = 3
FEW_CLIPS = 32  # of each task, between the checkpoints


class Ablation:
    """Variants of a recipe on one setting, in one folder.

    Args:
        folder: Holds what is encoded, shared by all runs that see the same latents, and a folder for each run.
        setting: Base, VAE and examples.
        recipe: What all runs have in common; `data.held_out` counts examples of each task.
        variants: What is compared.

    Raises:
        InputError: the recipe trains a LoRA, for which there is no adapter here, or the base was trained together with
            one.
    """

    def __init__(self, folder: Path, setting: Setting, recipe: Recipe, variants: Variants) -> None:
        self.folder, self.setting, self.recipe = folder, setting, recipe
        self.variants = replace(variants, variants=_differing(variants, recipe))
        for variant in self.variants.variants.values():
            check_adapter(None, variant.recipe(recipe, 0))
        found = identify(open_checkpoint(setting.base))
        check_base(found, recipe, None)
        self._family = found.family
        self._layers = found.family.base_sizes(found.weights).layers
        self._identity = setting.identity
        self._vae: VideoVae | None = None

    def plan(self, seeds: Collection[int] = ()) -> dict[str, Any]:
        """What is compared with what, as a page about it needs to know."""
        return {
            "default": self.variants.default,
            "questions": dict(self.variants.questions),
            "variants": {
                name: {"question": variant.question, "about": variant.about}
                for name, variant in self.variants.variants.items()
            },
            "tasks": list(self.setting.held_out),
            "blocks": self._layers,
            "recipe": self.recipe.told(),
            "few": min(FEW_CLIPS, self.recipe.data.held_out),
            "checkpoints": checkpoints(self.recipe),
            "seeds": sorted(seeds),
        }

    def run(self, only: Iterable[str] = (), seeds: Sequence[int] = (0, 1), stop_after: float | None = None) -> bool:
        """Trains what is not yet there, the default first, one seed after the other; whether all of it is now.

        Args:
            only: Names of variants; none = all. The default is always among them.
            stop_after: Seconds after which the run is saved and left; None = not before its end.

        Raises:
            InputError: a variant that is not known, or a folder of another setting or recipe, or that another process
                works in.
        """
        names, begun = self.chosen(only), time.monotonic()
        with alone(self.folder, accelerator(cpu=self.setting.cpu)):
            self._begin(seeds)
            for seed, name in ((seed, name) for seed in seeds for name in names):
                if self.is_done(name, seed):
                    continue
                left = None if stop_after is None else max(stop_after - (time.monotonic() - begun), 0.0)
                if not self._run(name, seed, left):
                    return False
        return True

    def is_done(self, name: str, seed: int) -> bool:
        """Whether a run is at its end, or its loss was no number. Raises InputError: it is of another recipe."""
        run = self.folder_of(name, seed) / RUN
        if not run.exists():
            return False
        kept = read_json(run)
        check_recipe(run, kept.get("told", {}), self._told(name, seed))
        return NO_NUMBER in kept or _file(run.parent, self.recipe.schedule.steps).exists()

    def folder_of(self, name: str, seed: int) -> Path:
        """Where a run is kept."""
        return self.folder / RUNS / f"{name}-seed-{seed}"

    def _told(self, name: str, seed: int) -> dict[str, Any]:
        variant = self.variants.variants[name]
        return variant.recipe(self.recipe, seed).told() | {"variant": variant.told(), "setting": self._identity}

    def chosen(self, only: Iterable[str]) -> list[str]:
        """The variants of these names and the default, in the table's order. Raises as `run`."""
        wanted = {*only}
        if unknown := sorted(wanted - set(self.variants.variants)):
            raise InputError(
                "variant-unknown",
                "There is no variant {name}. Known are {known}. Correct its name.",
                name=shortened(unknown[0]),
                known=", ".join(self.variants.variants),
            )
        if wanted:
            wanted |= {self.variants.default}
        return [name for name in self.variants.variants if not wanted or name in wanted]

    def _begin(self, seeds: Sequence[int]) -> None:
        path, told = self.folder / PLAN, {"setting": self._identity, "recipe": self.recipe.told()}
        there: list[int] = []
        if path.exists():
            before = read_json(path)
            check_recipe(path, {name: before.get(name) for name in told}, told)
            there = before["seeds"]
        write_json(path, self.plan({*there, *seeds}) | told)

    def _run(self, name: str, seed: int, left: float | None) -> bool:
        """One run, as far as time allows; whether it is at its end."""
        variant, begun = self.variants.variants[name], time.monotonic()
        recipe = variant.recipe(self.recipe, seed)
        known = self._cache("examples", variant.context, left)
        # A model that was taught wrongly encoded controls is asked rightly encoded ones, as it will be used.
        asked: Context = "one-clip" if variant.context == "one-clip" else "decoupled"
        unknown = self._cache("held-out", asked, left and left - (time.monotonic() - begun))
        if known is None or unknown is None:
            return False
        for cache, part in ((known, "examples"), (unknown, "held-out")):
            if not cache.items:
                raise no_clips(self.folder / part, [reason for some in cache.skipped.values() for reason in some])
        prompts = {prompt for cache in (known, unknown) for item in cache.items for prompt in item.prompts}
        text = self.setting.text({*prompts, ""})
        processes = accelerator(cpu=self.setting.cpu)
        tuned = self.network(variant, recipe, processes.device)
        folder = self.folder_of(name, seed)
        size = recipe.schedule.at_a_time
        end = FEW_CLIPS * len(self.setting.held_out)
        few = Some(unknown, lambda item: item.number < end)
        # One objective for all: what is trained differs, what is asked does not.
        sets = {FEW: (few, Validation(few, Objective(), text, size=size))}
        sets |= {MANY: (unknown, Validation(unknown, Objective(), text, size=size))}
        watch = _Watch(folder, sets, checkpoints(self.recipe))
        told = self._told(name, seed)
        if not _file(folder, 0).exists():
            (folder / LOSSES).mkdir(parents=True, exist_ok=True)
            trained = sum(weights.numel() for weights in trainable(tuned).values())
            clips = {CLIPS: _by_task(unknown, map(self.setting.clip_of, unknown.items))}
            write_json(folder / RUN, {"variant": name, "seed": seed, "trained": trained, "told": told} | clips)
            watch(tuned, 0)
        try:
            outcome = fit(
                tuned,
                known,
                text,
                objective=recipe.objective,
                schedule=recipe.schedule,
                stages=recipe.stages,
                folder=folder,
                validate=watch,
                recipe=told,
                processes=processes,
                stop_after=left and max(left - (time.monotonic() - begun), 0.0),
            )
        except TrainingError as error:
            if error.code != "loss-not-finite":
                raise
            # With the same seed it would come to the same again; that is a result, and no reason to run no others.
            step = error.fields["step"]
            log.warning("%s, seed %d ends: its loss is not a number in step %s; the others go on", name, seed, step)
            write_json(folder / RUN, read_json(folder / RUN) | {NO_NUMBER: step})
            return True
        recipe.write(folder)
        return outcome.finished

    def network(self, variant: Variant, recipe: Recipe, device: torch.device) -> Tuned:
        """What a run trains, as it begins."""
        files = Files(base=self.setting.base, vae=self.setting.vae, data=self.folder)
        layers = () if recipe.tuning.what == "full" else variant.context_layers(self._layers)
        tuned, adapter = build(recipe, files, self._family, layers, device)
        with seeded(recipe.schedule.seed):
            if variant.mask_weights == "random":
                _randomise_masks(adapter.context_embedder, self._family.latent_channels)
            if variant.block_weights == "random":
                _randomise(adapter.context_blocks)
        return tuned

    def _cache(self, name: str, context: Context, left: float | None) -> Cache | None:
        """What is encoded in one way; None if there was no time for all of it."""
        begun, folder = time.monotonic(), self.folder / name / context
        examples: Examples = self.setting.examples
        count = self.recipe.data.examples
        if name == "held-out":
            examples, count = (
                EachTask(by_task=self.setting.held_out),
                self.recipe.data.held_out * len(self.setting.held_out),
            )

        def late() -> bool:
            return left is not None and time.monotonic() - begun >= left

        return Cache(folder) if fill_cache(folder, examples, range(count), self._encoder(context), late=late) else None

    def _encoder(self, context: Context) -> Encoder:
        if self._vae is None:
            device = accelerator(cpu=self.setting.cpu).device
            self._vae = load_vae(self.setting.vae, dtype=training_dtype(device), device=device)
        plain = Encoder(vae=self._vae, encode_masks=self._family.encode_masks, together=self.setting.together)
        return encoder_of(context, plain)


def checkpoints(recipe: Recipe) -> list[int]:
    """The steps after which many clips are validated: thirds of the run, each where a validation is due."""
    steps, every = recipe.schedule.steps, max(recipe.schedule.validate_every, 1)
    thirds = [-(-steps * third // CHECKPOINTS) for third in range(1, CHECKPOINTS + 1)]
    return sorted({min(-(-third // every) * every, steps) for third in thirds})


def _file(folder: Path, step: int) -> Path:
    return folder / LOSSES / f"{step:06}.json"


def _differing(variants: Variants, recipe: Recipe) -> dict[str, Variant]:
    """Those that differ from the default: the recipe may already have what a variant would change."""
    told = {name: (variant.recipe(recipe, 0), variant.told()) for name, variant in variants.variants.items()}
    same = [name for name in told if name != variants.default and told[name] == told[variants.default]]
    if same:
        log.info("left out, for the recipe itself is so: %s", ", ".join(same))
    return {name: variant for name, variant in variants.variants.items() if name not in same}


def _by_task(cache: Cache, values: Iterable[Any]) -> dict[str, list[Any]]:
    """Something of every example, by task, in the order of the cache."""
    found: dict[str, list[Any]] = {}
    for item, value in zip(cache.items, values, strict=True):
        found.setdefault(item.task, []).append(value)
    return found


class _Watch:
    """Writes the loss of every held-out example whenever it is asked."""

    def __init__(self, folder: Path, sets: dict[str, tuple[Cache, Validation]], at: Collection[int]) -> None:
        self._folder, self._sets, self._at = folder, sets, at

    def __call__(self, module: nn.Module, step: int) -> dict[str, float]:
        found: dict[str, Losses] = {}
        for kind, (cache, validation) in self._sets.items():
            if kind == FEW or step in self._at:
                found[kind] = _by_task(cache, (float(f"{loss:.7g}") for loss in validation.losses(module)))
        write_json(_file(self._folder, step), found)
        means = [sum(losses) / len(losses) for losses in found[FEW].values()]
        return {ALL: sum(means) / len(means)}


@torch.no_grad()
def _randomise(blocks: nn.Module) -> None:
    """Begins blocks as a network that is trained from nothing. Source: Wan-Video/Wan2.1, wan/modules/model.py."""
    for module in blocks.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)


@torch.no_grad()
def _randomise_masks(embedder: nn.Module, channels: int) -> None:
    """Draws what the embedder makes of the mask as a new patch embedding is drawn. Source: as `_randomise`."""
    weight: Any = embedder.weight
    drawn = torch.empty_like(weight.flatten(1))
    nn.init.xavier_uniform_(drawn)
    weight[:, 2 * channels :] = drawn.view_as(weight)[:, 2 * channels :]
