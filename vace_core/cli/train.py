"""`vace train`: an adapter from a recipe and clips, or the starter from nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
from typer import Argument, Option

from ..errors import InputError, shortened
from ..files.checkpoint import open_checkpoint
from ..loading.detection import identify
from ..loading.t5 import check_text, load_text
from ..models.devices import best_device
from ..models.family import Family
from ..models.text import TextEncoder
from ..preview.cost import GIB
from ..starter.scenes.text import SceneText
from ..training.cost import training_cost
from ..training.data.cache import Cache
from ..training.data.clips import check_tasks
from ..training.precision import training_dtype
from ..training.recipe import RECIPES, Recipe, read_recipe
from ..training.run import EXAMPLES, Files, part_told, train_model
from ..training.starting import check_adapter, check_base
from ..training.tables import to_toml
from .console import errors_as_exit_codes, print_table, result, say
from .files import STARTER_NAME
from .models import tried

SHORT_OF_MEMORY = (
    "Memory ran out. What a recipe takes is said with --dry-run. Set save_memory, which a run may do that was begun "
    "without, begin one with a smaller micro_batch or smaller sizes, give --shard on several GPUs, or close other "
    "programs that use it."
)


@errors_as_exit_codes(SHORT_OF_MEMORY)
def train(
    recipe: Annotated[str, Argument(help=f"A .toml, or one of {', '.join(sorted(RECIPES))}.", show_default=False)],
    *,
    output: Annotated[Path, Option("--output", "-o", help="A folder; a run that is in it goes on.")],
    base: Annotated[Path | None, Option(help="The base model, a file or folder.", rich_help_panel="Models")] = None,
    vae: Annotated[Path | None, Option(help="Its VAE, if not in there.", rich_help_panel="Models")] = None,
    text_encoder: Annotated[
        str | None,
        Option(help="File or folder of umT5 (Wan) or T5 (LTX-Video), or 'starter'.", rich_help_panel="Models"),
    ] = None,
    adapter: Annotated[
        Path | None, Option(help="An adapter to go on from. Default: a copy of the base.", rich_help_panel="Models")
    ] = None,
    data: Annotated[Path | None, Option(help="A folder of clips, or a .csv as DiffSynth-Studio reads it.")] = None,
    steps: Annotated[int | None, Option(min=1, help="Optimiser steps, instead of the recipe's.")] = None,
    minutes: Annotated[float | None, Option(min=0, help="Stop after so many; the same command goes on.")] = None,
    cpu: Annotated[bool, Option("--cpu", help="Leave a GPU alone.")] = False,
    shard: Annotated[
        bool, Option("--shard", help="Spread the weights over the processes (FSDP2), under accelerate launch.")
    ] = False,
    tracker: Annotated[
        list[str] | None, Option(help="Draws curves: tensorboard, wandb, ... as accelerate knows them; may repeat.")
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Only says the recipe and what it would take.")] = False,
) -> None:
    """Trains a context adapter by a recipe. Stopped at any time, the same command goes on where it was."""
    chosen, device = _recipe(recipe, steps), torch.device("cpu") if cpu else best_device()
    if dry_run:
        check_tasks(chosen.data.tasks)
        result(to_toml(chosen.told()))
        if base is not None:
            check_base(identify(open_checkpoint(base)), chosen, adapter)
            check_adapter(adapter, chosen)
            print_table(_costs(chosen, base, device))
        else:
            say("Memory and work depend on the model: add --base, of which only the header is read.")
        return
    files = Files(
        base=_given(base, "base model", "--base"), vae=vae or _given(base, "VAE", "--vae"),
        data=_given(data, "folder of clips", "--data"), adapter=adapter,
    )  # fmt: skip
    family = identify(open_checkpoint(files.base)).family
    done = train_model(
        chosen,
        files,
        output,
        text=lambda: load_text_encoder(text_encoder, family, device),
        encoder=text_encoder_told(text_encoder, family, output / "prompts"),
        cpu=cpu,
        trackers=tracker or (),
        shard=shard,
        stop_after=None if minutes is None else minutes * 60,
    )
    rows = [("steps", f"{done.steps} of {chosen.schedule.steps}")]
    rows += [("examples", ", ".join(f"{task} {count}" for task, count in sorted(done.used.items())))]
    rows += [("sizes", counted_sizes(output / EXAMPLES, family))]
    if done.left_out:
        rows += [("left out", f"{len(done.left_out)}, drawn {sum(done.left_out.values())} times in vain")]
    rows += [("", reason) for reason in done.left_out]
    print_table(rows)
    result(str(done.path or output))


def counted_sizes(folder: Path, family: Family) -> str:
    """How many encoded examples there are of each size, in the order of their number of frames."""
    sizes = Counter(item.size for item in Cache(folder).items)
    side = family.grid.pixels
    return ", ".join(
        f"{family.grid.pixel_frames(t)} x {w * side}x{h * side}: {count}" for (t, h, w), count in sorted(sizes.items())
    )


def _costs(recipe: Recipe, base: Path, device: torch.device) -> list[tuple[str, str]]:
    cost = training_cost(recipe, identify(open_checkpoint(base)), device)
    clip, pieces = cost.bucket, recipe.schedule.pieces
    total = cost.tflop * pieces * recipe.schedule.steps / 1e6
    parts = {"weights": cost.weights, "optimiser and average": cost.optimiser, "gradients and inputs": cost.working}
    pictures = f" and {cost.references} reference{'s' * (cost.references > 1)}" if cost.references else ""
    examples = f"{recipe.data.examples + recipe.data.held_out:,} examples of that size"
    shares = ", ".join(f"{name} {count / GIB:.1f}" for name, count in parts.items())
    return [
        ("trained", f"{cost.trained:,} weights, of {cost.trained + cost.frozen:,}"),
        ("largest clip", f"{clip.frames} frames of {clip.width}x{clip.height}{pictures}, {cost.tokens:,} tokens"),
        ("work", f"{cost.tflop * pieces:.1f} TFLOP a step of such clips, at most {total:.3g} EFLOP in all"),
        ("memory", f"{cost.peak / GIB:.1f} GiB on {device.type}: {shares}"),
        ("disk", f"{2 * cost.checkpoint / GIB:.1f} GiB for checkpoints, up to {cost.encoded / GIB:.1f} for {examples}"),
    ]


def _recipe(name: str, steps: int | None) -> Recipe:
    recipe = read_recipe(RECIPES.get(name, Path(name)))
    return recipe if steps is None else replace(recipe, schedule=replace(recipe.schedule, steps=steps))


def _given(path: Path | None, what: str, option: str) -> Path:
    if path is None:
        raise InputError(
            "training-input-missing",
            "No {what} was given. Training needs one. Give it as {option}.",
            what=what,
            option=option,
        )
    return path


def load_text_encoder(name: str | None, family: Family, device: torch.device) -> TextEncoder:
    """What `--text-encoder` names, on `device` if it has the memory, in what is fast there.

    Raises:
        InputError, ModelError: as `check_text_encoder`.
    """
    path = check_text_encoder(name, family)
    if path is None:
        return SceneText()
    return tried(
        True, device, lambda where: load_text(path, kind=family.text, device=where, dtype=training_dtype(where))
    )


def text_encoder_told(name: str | None, family: Family, prompts: Path) -> str:
    """What tells what `--text-encoder` names from others: better asked before hours of encoding clips than after.

    Args:
        prompts: Where prompts are kept; once they are there, none has to be named.

    Raises:
        InputError, ModelError: as `check_text_encoder`.
    """
    if name is None and prompts.is_dir():
        return ""
    path = check_text_encoder(name, family)
    return STARTER_NAME if path is None else part_told(path, "text_encoder")


def check_text_encoder(name: str | None, family: Family) -> Path | None:
    """Accepts what `--text-encoder` names, by its header, and returns its path; None = the starter's own.

    Raises:
        InputError: nothing is named, or it is not there.
        ModelError: the file is damaged or something else, such as the encoder of another family.
    """
    if name is None:
        raise InputError(
            "text-encoder-missing",
            "There are prompts to encode, but no text encoder was given. Training needs one. Give it as "
            "--text-encoder.",
        )
    if name == STARTER_NAME:
        return None
    path = Path(name)
    if not path.exists():
        raise InputError(
            "text-encoder-not-found",
            "There is no text encoder {name}. A file or folder is needed. Check its name.",
            name=shortened(name),
        )
    check_text(path, family.text)
    return path
