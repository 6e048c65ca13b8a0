"""`vace train`: an adapter from a recipe and clips, or the starter from nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from ..errors import InputError, shortened
from ..loading.t5 import load_text
from ..models.text import TextEncoder
from ..starter.text import StarterText
from ..training.recipe import RECIPES, Recipe, read_recipe
from ..training.run import Files, train_model
from ..training.tables import to_toml
from .console import errors_as_exit_codes, print_table, result, say
from .files import STARTER_NAME


@errors_as_exit_codes()
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
    chosen = _recipe(recipe, steps)
    if dry_run:
        say(to_toml(chosen.told()))
        return
    files = Files(
        base=_given(base, "base model", "--base"), vae=vae or _given(base, "VAE", "--vae"),
        data=_given(data, "folder of clips", "--data"), adapter=adapter,
    )  # fmt: skip
    done = train_model(
        chosen,
        files,
        output,
        text=lambda: _text(text_encoder),
        cpu=cpu,
        trackers=tracker or (),
        shard=shard,
        stop_after=None if minutes is None else minutes * 60,
    )
    rows = [("steps", f"{done.steps} of {chosen.schedule.steps}")]
    rows += [("examples", ", ".join(f"{task} {count}" for task, count in sorted(done.used.items())))]
    rows += [("left out", reason) for reason in done.left_out]
    print_table(rows)
    result(str(done.path or output))


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


def _text(name: str | None) -> TextEncoder:
    if name is None:
        raise InputError(
            "text-encoder-missing",
            "There are prompts to encode, but no text encoder was given. Training needs one. Give it as "
            "--text-encoder.",
        )
    if name == STARTER_NAME:
        return StarterText()
    if not Path(name).exists():
        raise InputError(
            "text-encoder-not-found",
            "There is no text encoder {name}. A file or folder is needed. Check its name.",
            name=shortened(name),
        )
    return load_text(Path(name))
