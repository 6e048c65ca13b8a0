"""`vace ablate`: the trainings that say what the choices behind VACE are worth, and the page of their results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import torch
from typer import Argument, Option

from ..errors import InputError
from ..files.checkpoint import open_checkpoint
from ..loading.detection import identify
from ..models.devices import best_device
from ..models.text import TextEncoder
from ..starter.model import WEIGHTS
from ..starter.training.ablation import RECIPE, starter_setting
from ..training.ablation.page import write_page
from ..training.ablation.results import Results, Run
from ..training.ablation.runs import Ablation
from ..training.ablation.setting import Setting, setting_of_clips
from ..training.ablation.variants import read_variants
from ..training.data.prompts import CachedPrompts, fill_prompts
from ..training.recipe import Recipe, read_recipe
from .console import errors_as_exit_codes, print_table, result
from .train import load_text_encoder, text_encoder_told

SEEDS = (0, 1)
SHORT_OF_MEMORY = (
    "Memory ran out. Begin in another folder with a smaller micro_batch or smaller sizes in the --recipe, or close "
    "other programs that use it."
)


@errors_as_exit_codes(SHORT_OF_MEMORY)
def ablate(
    folder: Annotated[Path, Argument(help="Where the runs are kept; those that are in it go on.", show_default=False)],
    *,
    only: Annotated[list[str] | None, Option(help="A variant; may repeat. Default: all.")] = None,
    seed: Annotated[list[int] | None, Option(min=0, help="May repeat. Default: 0 and 1.")] = None,
    minutes: Annotated[float | None, Option(min=0, help="Stop after so many; the same command goes on.")] = None,
    report: Annotated[
        Path | None, Option(help="Trains nothing; writes ablations.md and its pictures to this folder.")
    ] = None,
    dry_run: Annotated[bool, Option("--dry-run", help="Only says which runs there are and how far each is.")] = False,
    recipe: Annotated[Path | None, Option(help="What all variants have in common, a .toml.")] = None,
    starter: Annotated[Path, Option(help="A folder with base and VAE of the starter.")] = WEIGHTS,
    base: Annotated[Path | None, Option(help="Another base model.", rich_help_panel="Models")] = None,
    vae: Annotated[Path | None, Option(help="Its VAE, if not in there.", rich_help_panel="Models")] = None,
    text_encoder: Annotated[str | None, Option(help="As for vace train.", rich_help_panel="Models")] = None,
    data: Annotated[Path | None, Option(help="Clips to learn from, as for vace train.")] = None,
    cpu: Annotated[bool, Option("--cpu", help="Leave a GPU alone.")] = False,
) -> None:
    """Train variants of the context adapter that differ in one choice each, and compare them clip by clip."""
    if report is not None:
        result(str(write_page(folder, report)))
        return
    common = read_recipe(recipe or RECIPE)
    if not common.data.held_out:
        raise InputError(
            "ablation-held-out",
            "The recipe {recipe} has data.held_out = 0. Variants are compared on held-out examples, of which each task "
            "needs one at least. Set data.held_out, such as to 250.",
            recipe=recipe or RECIPE,
        )
    setting = starter_setting(starter)
    if base is not None or data is not None:
        setting = _setting(common, folder, base, vae, data, text_encoder, cpu, dry_run)
    ablation = Ablation(folder, setting, common, read_variants())
    names, seeds = ablation.chosen(only or ()), seed or SEEDS
    if not dry_run:
        done = ablation.run(only or (), seeds, None if minutes is None else minutes * 60)
        result("all runs are finished" if done else "to go on, give the same command again")
    results = Results(folder)
    come = [(f"{name}, seed {one}", results.of(name).get(one)) for one in seeds for name in names]
    print_table((name, _come(run, common.schedule.steps)) for name, run in come)


def _come(run: Run | None, steps: int) -> str:
    """How far a run is."""
    if run is not None and run.no_number is not None:
        return f"no number in step {run.no_number}"
    return f"{run.steps if run else 0} of {steps} steps"


def _setting(
    recipe: Recipe,
    folder: Path,
    base: Path | None,
    vae: Path | None,
    data: Path | None,
    text: str | None,
    cpu: bool,
    dry_run: bool,
) -> Setting:
    """A base and clips of one's own."""
    if base is None or data is None:
        raise InputError(
            "ablation-half-given",
            "The base is {base} and the data {data}. For another base than the starter's both are needed. Give --base "
            "and --data, or neither.",
            base=base,
            data=data,
        )

    family, device = identify(open_checkpoint(base)).family, torch.device("cpu") if cpu else best_device()

    told = "" if dry_run else text_encoder_told(text, family, folder / "prompts")
    CachedPrompts(folder / "prompts", told)

    def encoded(prompts: Iterable[str]) -> TextEncoder:
        there, wanted = CachedPrompts(folder / "prompts", told), [*prompts]
        if all(prompt in there for prompt in wanted):
            return there
        return fill_prompts(folder / "prompts", load_text_encoder(text, family, device), wanted, told)

    return setting_of_clips(recipe, data, family, base=base, vae=vae or base, text=encoded, cpu=cpu)
