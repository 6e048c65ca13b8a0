"""A whole training: clips and prompts are encoded, a base is loaded, what is new is trained and written."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..adapter import ContextAdapter
from ..errors import InputError, shortened
from ..files.checkpoint import Part, open_checkpoint
from ..files.jobs.fingerprint import fingerprint
from ..files.safetensors_format import save
from ..geometry import Grid
from ..loading.assembly import check_family
from ..loading.detection import identify
from ..loading.inspect import CONTEXT_LAYERS_KEY
from ..loading.load import load_adapter, load_base, load_vae
from ..models.family import Family
from ..models.text import TextEncoder
from .alone import alone
from .data.cache import Cache, Encoder, Some, fill_cache
from .data.clips import ClipExamples, check_stages, divided
from .data.material import Bucket
from .data.prompts import CachedPrompts, fill_prompts
from .data.sources import clips_in, no_clips, text_of
from .engine import LEFT_OUT, Outcome, accelerator, agreed
from .fit import fit
from .lora import add_lora, lora_weights, merged_weights
from .precision import seeded, training_dtype
from .recipe import Recipe, Tuning
from .starting import check_adapter, check_base, layers_for
from .tuning import Tuned, blocks_of, copy_base, save_memory

log = logging.getLogger("vace")

ADAPTER, LORA, MODEL = "adapter.safetensors", "lora.safetensors", "model.safetensors"
EXAMPLES, HELD_OUT = "examples", "held-out"
FIRST_HELD_OUT = 10_000_000  # numbers of examples from here on are held out


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
        left_out: What could not be used, and why → how many examples were drawn again or are missing for it; 0 where
            it was never drawn.
    """

    path: Path | None
    steps: int
    used: Mapping[str, int]
    left_out: Mapping[str, int]


def train_model(
    recipe: Recipe,
    files: Files,
    folder: Path,
    *,
    text: Callable[[], TextEncoder],
    encoder: str = "",
    cpu: bool = False,
    trackers: Sequence[str] = (),
    shard: bool = False,
    stop_after: float | None = None,
) -> Result:
    """Trains by a recipe; the same call goes on where it was stopped.

    Args:
        folder: Holds what was encoded, the checkpoint, the losses, the recipe and, at the end, the weights.
        text: Loads what reads the prompts; called only where there are new ones.
        encoder: What tells the text encoder from others; prompts that another one encoded are refused. "" = not asked.
        cpu: Whether to leave a GPU alone.
        trackers: As for `engine.accelerator`.
        shard: Whether weights are spread over the processes (FSDP2) rather than held by each.
        stop_after: Seconds after which what is done is kept and the rest left, whether it is encoding or training;
            None = not before the end.

    Raises:
        InputError: clips, recipe or folder cannot be used, or another training works in the folder.
        ModelError: a file of the model is missing or damaged, or the parts do not belong together.
        TrainingError: a loss is not a number.
    """
    begun = time.monotonic()

    def left() -> float | None:
        return None if stop_after is None else max(stop_after - (time.monotonic() - begun), 0.0)

    found = identify(open_checkpoint(files.base))
    family = found.family
    check_family(
        family, vae=files.vae, bases=[files.base], adapters=[path for path in (files.adapter,) if path is not None]
    )
    layers = layers_for(recipe, found)
    check_base(found, recipe, files.adapter)
    check_adapter(files.adapter, recipe)  # better said before hours of encoding clips than after
    CachedPrompts(folder / "prompts", encoder)
    processes = accelerator(cpu=cpu, trackers=trackers, folder=folder)
    with alone(folder, processes):
        if trackers:
            processes.init_trackers("vace")
        known, unknown, faults = _examples(recipe, files, family)
        whole = _encode(recipe, files, family, folder, known, unknown, processes, lambda: left() == 0)
        cache, held_out = Cache(folder / EXAMPLES), None if unknown is None else Cache(folder / HELD_OUT)
        if not whole:
            return _result(None, 0, cache, held_out, faults)
        cache = without(cache, folder / LEFT_OUT)
        if not cache.items:
            raise no_clips(files.data, list(dict.fromkeys([*faults, *_skipped(cache)])))
        if recipe.data.held_out and recipe.schedule.validate_every and not (held_out and held_out.items):
            log.warning("nothing is validated: no clip that could be used is held out")
        prompts = _prompts(folder, text, encoder, [cache, held_out], processes)
        tuned, adapter = build(recipe, files, family, layers, processes.device)
        outcome = fit(
            tuned,
            cache,
            prompts,
            objective=recipe.objective,
            schedule=recipe.schedule,
            stages=recipe.stages,
            folder=folder,
            held_out=held_out if held_out and held_out.items else None,
            recipe=recipe.told() | {"clips": known.identity} | _files_told(files),
            processes=processes,
            shard=[type(blocks_of(tuned.base, adapter)[0])] if shard else [],
            stop_after=left(),
        )
        main = processes.is_main_process
        written = results(recipe, family, tuned, adapter, outcome, keeps=main) if outcome.finished else {}
        if main:
            recipe.write(folder)
            for name, (weights, metadata) in written.items():
                save(folder / name, weights, metadata)
        processes.wait_for_everyone()
        path = folder / next(iter(written)) if written else None
        return _result(path, outcome.steps, cache, held_out, faults)


def without(cache: Cache, names: Path) -> Cache:
    """The examples of a cache but for those of clips that a file names, a line each; "fox.mp4, inpaint" is of one task.

    Args:
        names: The file, which need not be there.

    Raises:
        InputError: it cannot be read, or names a clip of which there is no example.
    """
    lines = [line.strip() for line in text_of(names).splitlines()] if names.is_file() else []
    named = {line: [item for item in cache.items if f"{item.name}, ".startswith(f"{line}, ")] for line in lines if line}
    if strange := [line for line, items in named.items() if not items]:
        raise InputError(
            "leave-out-unknown",
            "The file {path} names {name}, of which there is no example. Names as messages have them are needed, such "
            "as {known}. Correct or remove that line.",
            path=names,
            name=shortened(strange[0]),
            known=cache.items[0].name,
        )
    numbers = {item.number for items in named.values() for item in items}
    if numbers:
        log.info("%d examples are left out, as %s says", len(numbers), names)
    return Some(cache, lambda item: item.number not in numbers) if numbers else cache


def _result(path: Path | None, steps: int, cache: Cache, held_out: Cache | None, faults: Sequence[str]) -> Result:
    used = Counter(item.task for item in cache.items)
    left_out = dict.fromkeys(faults, 0) | Counter(_skipped(cache, held_out))
    return Result(path=path, steps=steps, used=used, left_out=left_out)


def _files_told(files: Files) -> dict[str, str]:
    """What tells whether the files of the model are those that a run was begun with."""
    told = {"base file": part_told(files.base, "transformer"), "VAE file": part_told(files.vae, "vae")}
    return told if files.adapter is None else told | {"adapter file": fingerprint(files.adapter)}


def part_told(path: Path, part: Part) -> str:
    """What tells a file, or the folder of a part of a model, from others. Raises OSError: it cannot be read."""
    return fingerprint(path / part if (path / part).is_dir() else path)


def needed_buckets(recipe: Recipe, grid: Grid) -> tuple[Bucket, ...]:
    """The sizes that are trained.

    Raises:
        InputError: there are none, or one is not of the grid of the base.
    """
    for bucket in recipe.data.buckets:
        grid.check(bucket.frames, bucket.height, bucket.width)
    if not recipe.data.buckets:
        raise InputError(
            "recipe-without-sizes", "The recipe names no sizes of clips. At least one is needed. Add data.buckets."
        )
    return recipe.data.buckets


def build(
    recipe: Recipe, files: Files, family: Family, layers: Sequence[int], device: torch.device
) -> tuple[Tuned, ContextAdapter]:
    """A base and an adapter, of which what the recipe says is trained.

    Raises:
        ModelError: a file is missing or damaged, or the adapter is made for another base.
    """
    full = recipe.tuning.what == "full"
    base: Any = load_base(files.base, dtype=torch.float32 if full else training_dtype(device), device=device)
    if files.adapter is None:
        with seeded(recipe.schedule.seed):
            adapter = family.build_adapter(base.sizes, layers)
        copy_base(adapter.to(device), base)
    else:
        adapter = load_adapter(files.adapter, dtype=torch.float32, device=device)
        adapter.check_fits(width=base.sizes.width, layers=base.sizes.layers)
    with seeded(recipe.schedule.seed):
        prepare(recipe.tuning, base, adapter)
    return Tuned(base, adapter, pads=family.pads_prompts), adapter


def prepare(tuning: Tuning, base: nn.Module, adapter: ContextAdapter) -> None:
    """Lets those weights of both learn that are to be trained, and blocks forget their insides if that is asked."""
    base.requires_grad_(tuning.what == "full")
    adapter.requires_grad_(tuning.what in ("adapter", "full"))
    blocks = blocks_of(base, adapter)
    if tuning.what == "lora":
        add_lora(adapter.context_blocks if tuning.lora_on == "adapter" else blocks, tuning.rank)
    if tuning.save_memory:
        save_memory(blocks, adapter.context_blocks)


def results(
    recipe: Recipe, family: Family, tuned: Tuned, adapter: ContextAdapter, outcome: Outcome, *, keeps: bool = True
) -> dict[str, tuple[dict[str, Tensor], dict[str, str]]]:
    """The files that are written: name → weights and what they say of themselves.

    All processes must ask for it; those without `keeps` get names alone, for what is merged.
    """
    layers = adapter.context_layers
    dtype: torch.dtype = getattr(torch, recipe.tuning.stored)
    told = {"recipe": json.dumps(recipe.told()), "steps": str(outcome.steps)}

    def official(ours: str) -> str:
        part, name = ours.split(".", 1)
        return name if part == "base" else family.official_adapter_key(name, layers)

    found: dict[str, tuple[dict[str, Tensor], dict[str, str]]] = {}
    what = recipe.tuning.what
    if what != "lora" or recipe.tuning.lora_on == "adapter":
        parts = ("adapter.", "base.") if what == "full" else ("adapter.",)
        merged = merged_weights(tuned, outcome.weights, parts, keeps=keeps)
        weights = {official(name): value for name, value in merged.items()}
        found[MODEL if what == "full" else ADAPTER] = (weights, told | {CONTEXT_LAYERS_KEY: json.dumps(layers)})
    if what == "lora":
        found[LORA] = (lora_weights(outcome.weights, official), told)
    return {
        name: ({key: value.to(dtype) for key, value in weights.items()}, metadata)
        for name, (weights, metadata) in found.items()
    }


def _examples(recipe: Recipe, files: Files, family: Family) -> tuple[ClipExamples, ClipExamples | None, list[str]]:
    clips, faults = clips_in(files.data)
    for fault in faults:
        log.warning("left out: %s", fault)
    if not any(recipe.data.tasks.values()):
        raise InputError(
            "recipe-without-tasks",
            "The recipe names no tasks with a share above 0. At least one is needed. Add data.tasks with their shares.",
        )
    examples = ClipExamples(
        clips=clips,
        buckets=needed_buckets(recipe, family.grid),
        tasks=recipe.data.tasks,
        grid=family.grid,
        seed=recipe.schedule.seed,
    )
    known, unknown = divided(examples, recipe.data.share_held_out if recipe.data.held_out else 0)
    check_stages(known, recipe.stages)
    return known, unknown, faults


def _encode(
    recipe: Recipe,
    files: Files,
    family: Family,
    folder: Path,
    known: ClipExamples,
    unknown: ClipExamples | None,
    processes: Any,
    late: Callable[[], bool],
) -> bool:
    """Encodes examples in shards until all are there or time is up; whether all are there, of all processes."""
    vae = load_vae(files.vae, dtype=torch.float32, device=processes.device)
    encoder = Encoder(vae=vae, encode_masks=family.encode_masks, vae_file=part_told(files.vae, "vae"))
    parts = [(EXAMPLES, known, range(recipe.data.examples))]
    if unknown is not None:
        parts.append((HELD_OUT, unknown, range(FIRST_HELD_OUT, FIRST_HELD_OUT + recipe.data.held_out)))
    index, count = processes.process_index, processes.num_processes
    whole = all(
        fill_cache(folder / name, examples, numbers, encoder, process=index, processes=count, late=late)
        for name, examples, numbers in parts
    )
    return not agreed(processes, not whole)


def _skipped(*caches: Cache | None) -> list[str]:
    return [reason for cache in caches if cache for reasons in cache.skipped.values() for reason in reasons]


def _prompts(
    folder: Path, text: Callable[[], TextEncoder], encoder: str, caches: Sequence[Cache | None], processes: Any
) -> CachedPrompts:
    wanted = {prompt for cache in caches if cache for item in cache.items for prompt in item.prompts} | {""}
    there = CachedPrompts(folder / "prompts")
    if processes.is_main_process and not all(prompt in there for prompt in wanted):
        fill_prompts(folder / "prompts", text(), wanted, encoder)
    processes.wait_for_everyone()
    return CachedPrompts(folder / "prompts")
