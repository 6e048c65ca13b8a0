"""A whole training: clips and prompts are encoded, a base is loaded, what is new is trained and written."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..adapter import ContextAdapter
from ..errors import InputError
from ..files.checkpoint import open_checkpoint
from ..files.safetensors_format import save
from ..loading.assembly import check_family
from ..loading.detection import Found, identify
from ..loading.inspect import CONTEXT_LAYERS_KEY, are_context_layers
from ..loading.load import load_adapter, load_base, load_vae
from ..models.family import Family
from ..models.text import TextEncoder
from .data.cache import Cache, Encoder, fill_cache
from .data.clips import ClipExamples, divided
from .data.prompts import CachedPrompts, fill_prompts
from .data.sources import clips_in
from .engine import Outcome, accelerator
from .fit import fit
from .precision import seeded, training_dtype
from .recipe import Recipe
from .tuning import Tuned, blocks_of, copy_base, save_memory

log = logging.getLogger("vace")

ADAPTER = "adapter.safetensors"
# Whose bases read zeros after the end of a prompt, so that prompts of different lengths can be one batch.
PADDED = frozenset({"Wan 2.1"})
HELD_OUT = 10_000_000  # numbers of examples from here on are held out


@dataclass(frozen=True, kw_only=True)
class Files:
    """What a training is made of.

    Attributes:
        base: A base, alone or with other parts in one file or folder.
        vae: Its VAE; may be the same.
        data: A folder of clips, or a CSV file.
        adapter: A published adapter to go on from; None = one is copied from the base.
    """

    base: Path
    vae: Path
    data: Path
    adapter: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Result:
    """What has come of a training.

    Attributes:
        path: The weights that were written; None if the run was stopped before its end.
        steps: Steps that are done.
        used: Examples by task.
        left_out: What could not be used, and why, each reason once.
    """

    path: Path | None
    steps: int
    used: Mapping[str, int]
    left_out: Sequence[str]


def train_model(
    recipe: Recipe,
    files: Files,
    folder: Path,
    *,
    text: Callable[[], TextEncoder],
    cpu: bool = False,
    trackers: Sequence[str] = (),
    shard: bool = False,
    stop_after: float | None = None,
) -> Result:
    """Trains by a recipe; the same call goes on where it was stopped.

    Args:
        folder: Holds what was encoded, the checkpoint, the losses, the recipe and, at the end, the weights.
        text: Loads what reads the prompts; called only where there are new ones.
        cpu: Whether to leave a GPU alone.
        trackers: As for `engine.accelerator`.
        shard: Whether weights are spread over the processes (FSDP2) rather than held by each.
        stop_after: As for `engine.train`.

    Raises:
        InputError: clips, recipe or folder cannot be used.
        ModelError: a file of the model is missing or damaged, or the parts do not belong together.
        TrainingError: a loss is not a number.
    """
    found = identify(open_checkpoint(files.base))
    family = found.family
    check_family(family, vae=files.vae, adapters=[path for path in (files.adapter,) if path is not None])
    layers = layers_for(recipe, found)
    kinds = [_block_kind(family, found, layers)] if shard else []
    processes = accelerator(cpu=cpu, trackers=trackers, folder=folder, shard=kinds)
    if trackers:
        processes.init_trackers("vace")
    folder.mkdir(parents=True, exist_ok=True)
    known, unknown, faults = _examples(recipe, files, family)
    cache, held_out = _caches(recipe, files, family, folder, known, unknown, processes)
    prompts = _prompts(folder, text, [cache, held_out], processes)
    tuned, adapter = build(recipe, files, family, layers, processes.device)
    outcome = fit(
        tuned,
        cache,
        prompts,
        objective=recipe.objective,
        schedule=recipe.schedule,
        stages=recipe.stages,
        folder=folder,
        held_out=held_out,
        recipe=recipe.told() | {"data path": known.identity},
        processes=processes,
        stop_after=stop_after,
    )
    path = folder / ADAPTER if outcome.finished else None
    if processes.is_main_process:
        recipe.write(folder)
        if path is not None:
            _write(path, recipe, family, adapter, outcome)
    processes.wait_for_everyone()
    used = Counter(item.task for item in cache.items)
    skipped = [*cache.skipped.values(), *(held_out.skipped.values() if held_out else ())]
    return Result(path=path, steps=outcome.steps, used=used, left_out=list(dict.fromkeys([*faults, *skipped])))


def layers_for(recipe: Recipe, found: Found) -> tuple[int, ...]:
    """The blocks of a base that get hints.

    Raises:
        InputError: the recipe names blocks that the base does not have.
    """
    layers = found.family.base_sizes(found.weights).layers
    chosen = recipe.tuning.context_layers or found.family.usual_layers(layers, min(recipe.tuning.blocks, layers))
    if not are_context_layers(chosen, len(chosen), layers):
        raise InputError(
            "context-layers-recipe",
            "The recipe gives context_layers as {context_layers}, and the base has {blocks} blocks. "
            "Ascending numbers from 0 below {blocks} are needed. Change them.",
            context_layers=list(chosen),
            blocks=layers,
        )
    return tuple(chosen)


def build(
    recipe: Recipe, files: Files, family: Family, layers: Sequence[int], device: torch.device
) -> tuple[Tuned, ContextAdapter]:
    """A frozen base with an adapter that is trained.

    Raises:
        ModelError: a file is missing or damaged, or the adapter is made for another base.
    """
    base: Any = load_base(files.base, dtype=training_dtype(device), device=device)
    if files.adapter is None:
        with seeded(recipe.schedule.seed):
            adapter = family.build_adapter(base.sizes, layers)
        copy_base(adapter.to(device), base)
    else:
        adapter = load_adapter(files.adapter, dtype=torch.float32, device=device)
        adapter.check_fits(width=base.sizes.width, layers=base.sizes.layers)
    adapter.requires_grad_(True)
    if recipe.tuning.save_memory:
        save_memory(blocks_of(base, adapter), adapter.context_blocks)
    return Tuned(base, adapter, pads=family.name in PADDED), adapter


def adapter_weights(
    family: Family, adapter: ContextAdapter, weights: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Weights of an adapter under official names, and what the file says of itself."""
    layers = adapter.context_layers
    named = {family.official_adapter_key(name, layers): value for name, value in weights.items()}
    return named, {CONTEXT_LAYERS_KEY: json.dumps(layers)}


def _write(path: Path, recipe: Recipe, family: Family, adapter: ContextAdapter, outcome: Outcome) -> None:
    trained = {name.removeprefix("adapter."): value for name, value in outcome.weights.items()}
    weights, metadata = adapter_weights(family, adapter, trained)
    dtype = getattr(torch, recipe.tuning.stored)
    told = {"recipe": json.dumps(recipe.told()), "steps": str(outcome.steps)}
    save(path, {name: value.to(dtype) for name, value in weights.items()}, metadata | told)


def _examples(recipe: Recipe, files: Files, family: Family) -> tuple[ClipExamples, ClipExamples | None, list[str]]:
    clips, faults = clips_in(files.data)
    for fault in faults:
        log.warning("left out: %s", fault)
    if not recipe.data.buckets or not recipe.data.tasks:
        raise InputError(
            "recipe-empty",
            "The recipe names no sizes or no tasks. At least one of each is needed. Add data.buckets and data.tasks.",
        )
    examples = ClipExamples(
        path=str(files.data),
        clips=clips,
        buckets=recipe.data.buckets,
        tasks=recipe.data.tasks,
        grid=family.grid,
        seed=recipe.schedule.seed,
    )
    known, unknown = divided(examples, recipe.data.share_held_out if recipe.data.held_out else 0)
    return known, unknown, faults


def _caches(
    recipe: Recipe,
    files: Files,
    family: Family,
    folder: Path,
    known: ClipExamples,
    unknown: ClipExamples | None,
    processes: Any,
) -> tuple[Cache, Cache | None]:
    vae = load_vae(files.vae, dtype=torch.float32, device=processes.device)
    encoder = Encoder(vae=vae, fold_masks=family.fold_masks)
    which = {"process": processes.process_index, "processes": processes.num_processes}
    fill_cache(folder / "examples", known, range(recipe.data.examples), encoder, **which)
    if unknown is not None:
        numbers = range(HELD_OUT, HELD_OUT + recipe.data.held_out)
        fill_cache(folder / "held-out", unknown, numbers, encoder, **which)
    processes.wait_for_everyone()
    held_out = Cache(folder / "held-out") if unknown is not None else None
    return Cache(folder / "examples"), held_out if held_out and held_out.items else None


def _prompts(
    folder: Path, text: Callable[[], TextEncoder], caches: Sequence[Cache | None], processes: Any
) -> CachedPrompts:
    wanted = {prompt for cache in caches if cache for item in cache.items for prompt in item.prompts} | {""}
    if processes.is_main_process and not all(prompt in CachedPrompts(folder / "prompts") for prompt in wanted):
        fill_prompts(folder / "prompts", text(), wanted)
    processes.wait_for_everyone()
    return CachedPrompts(folder / "prompts")


def _block_kind(family: Family, found: Found, layers: Sequence[int]) -> type[nn.Module]:
    with torch.device("meta"):
        return type(family.build_adapter(family.base_sizes(found.weights), layers).context_blocks[0])
