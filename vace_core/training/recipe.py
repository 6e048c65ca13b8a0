"""Recipes: everything a training run depends on, in one small file that lies beside the weights it made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..errors import InputError
from ..files.replacing import replacing
from ..sampling.options import check_number, check_whole
from .data.batches import Stage
from .data.material import Bucket
from .objective import Objective
from .schedule import Schedule
from .tables import build, plain, read_toml, to_toml

FILE = "recipe.toml"
RECIPES = {path.stem: path for path in sorted(Path(__file__).with_name("recipes").glob("*.toml"))}
"""The recipes that come with the library, by name."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """What is trained.

    Attributes:
        what: "adapter" = a context adapter on a frozen base; "lora" = small changes of an adapter, or of a base that a
            frozen adapter conditions; "full" = all of the base, with context tokens added to its own, as the paper
            compares with; "base" = the base alone, without conditions, of a world that makes its own.
        lora_on: What the small changes are of.
        rank: Of the small changes, ≥ 1.
        context_layers: Blocks of the base that get hints, ascending from 0; empty = as the family usually has them.
        blocks: How many context blocks there are where no layers are given, evenly spaced.
        save_memory: Whether blocks compute their insides again for the gradients instead of keeping them.
        stored: What the result is written in.
    """

    what: Literal["adapter", "lora", "full", "base"] = "adapter"
    lora_on: Literal["adapter", "base"] = "adapter"
    rank: int = 32
    context_layers: tuple[int, ...] = ()
    blocks: int = 8
    save_memory: bool = False
    stored: Literal["float32", "bfloat16", "float16"] = "bfloat16"

    def __post_init__(self) -> None:
        check_whole("number of context blocks", self.blocks, least=1)
        check_whole("rank", self.rank, least=1)


@dataclass(frozen=True, kw_only=True)
class Data:
    """How much is drawn from the data.

    Attributes:
        examples: How many examples are drawn and encoded, ≥ 1; training goes through them again and again.
        held_out: How many more, of clips that are not trained on, for the validation; 0 = none.
        share_held_out: Share of the clips that are held out for it, 0..1.
        buckets: Sizes that clips are brought to.
        tasks: How often each task is drawn relative to the others.

    Raises:
        InputError: a number out of range.
    """

    examples: int
    held_out: int = 0
    share_held_out: float = 0.05
    buckets: tuple[Bucket, ...] = ()
    tasks: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        check_whole("number of examples", self.examples, least=1)
        check_whole("number of held-out examples", self.held_out, least=0)
        check_number("share_held_out", self.share_held_out, least=0, most=1)
        for task, share in self.tasks.items():
            check_number(f"share of {task}", share, least=0)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that a run depends on besides the files of model and data.

    Attributes:
        about: What it is for, in a sentence.
        tuning: What is trained.
        data: How much it is trained on.
        objective: What is asked of it.
        schedule: How long and how fast.
        stages: Which tasks are trained when; empty = all, from the first step on.
    """

    about: str = ""
    tuning: Tuning = field(default_factory=Tuning)
    data: Data
    objective: Objective = field(default_factory=Objective)
    schedule: Schedule
    stages: tuple[Stage, ...] = ()

    def __post_init__(self) -> None:
        if self.stages and min(stage.start for stage in self.stages) > 0:
            raise InputError(
                "stage-starts-late",
                "The first stage of the recipe starts later than the training. One that starts at 0 is needed. Set "
                "the start of the first stage to 0.",
            )
        drawn = {task for task, share in self.data.tasks.items() if share}
        for stage in self.stages:
            lacking = sorted({task for task, share in stage.tasks.items() if share} - drawn)
            if lacking and drawn:  # better said before hours of encoding examples of other tasks
                raise InputError(
                    "stage-task-unknown",
                    'The stage "{name}" of the recipe trains {lacking}, which data.tasks does not draw. Tasks of '
                    "data.tasks with a share above 0 are needed. Add it there, or correct its name.",
                    name=stage.name,
                    lacking=", ".join(lacking),
                )

    def told(self) -> dict[str, Any]:
        """The same as tables and plain values, as JSON and TOML have them."""
        return plain(self)

    def write(self, folder: Path) -> None:
        """Writes it to `folder`, whole or not at all. Raises InputError: it cannot be written."""
        with replacing(folder / FILE) as part:
            part.write_text(to_toml(self.told()) + "\n", encoding="utf-8")


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file.

    Raises:
        InputError: it cannot be read, or has an entry that is unknown, missing, of another type or out of range.
    """
    return build(Recipe, read_toml(path))
