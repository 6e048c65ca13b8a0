"""What is compared: variants of a common recipe, from a table of differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..recipe import Recipe
from ..tables import build, plain, read_toml

VARIANTS = Path(__file__).with_name("variants.toml")
OF_RECIPE = ("tuning", "objective", "schedule")
"""Tables of a variant that replace entries of the recipe."""

Context = Literal["decoupled", "one-clip", "masked-controls"]


@dataclass(frozen=True, kw_only=True)
class Variant:
    """One training that is compared with the default.

    Attributes:
        question: Which of the questions it belongs to; "" = the default, which belongs to all.
        about: What differs, in a few words.
        share: How many of the base's blocks get a context block, 0..1.
        placed: Whether those are the first ones or evenly spread.
        context: How conditions are encoded. "decoupled" = kept and generated pixels apart, as the paper has it;
            "one-clip" = together; "masked-controls" = a control is split by a random mask in training.
        mask_weights: How the embedder's weights for the mask begin; the paper has zero.
        block_weights: How the context blocks begin; the paper copies the base's.
        rate: Factor on the learning rate.
        changes: Entries that replace those of the recipe, by table.
    """

    question: str
    about: str
    share: float = 0.5
    placed: Literal["spread", "first"] = "spread"
    context: Context = "decoupled"
    mask_weights: Literal["zero", "random"] = "zero"
    block_weights: Literal["copied", "random"] = "copied"
    rate: float = 1.0
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, Mapping[str, Any]])

    def recipe(self, common: Recipe, seed: int) -> Recipe:
        """The recipe of one run.

        Raises:
            InputError: an entry that a recipe does not have.
        """
        told = common.told()
        for table, entries in self.changes.items():
            told[table] = {**told.get(table, {}), **entries}
        recipe = build(Recipe, told)
        schedule = replace(recipe.schedule, seed=seed, learning_rate=recipe.schedule.learning_rate * self.rate)
        return replace(recipe, schedule=schedule)

    def context_layers(self, layers: int) -> tuple[int, ...]:
        """The blocks of a base of `layers` that get hints."""
        count = max(round(layers * self.share), 1)
        step = 1 if self.placed == "first" else layers // count
        return tuple(range(0, layers, step))[:count]

    def told(self) -> dict[str, Any]:
        """Everything that the runs of it depend on besides the recipe, as JSON has it."""
        return {name: value for name, value in plain(self).items() if name not in ("question", "about", "changes")}


@dataclass(frozen=True, kw_only=True)
class Variants:
    """All that is compared.

    Attributes:
        default: The name of that which all others are compared with.
        questions: Titles by letter, in order.
        variants: By name, in order.
    """

    default: str
    questions: Mapping[str, str]
    variants: Mapping[str, Variant]

    def of(self, question: str) -> list[str]:
        """The names of the variants of a question."""
        return [name for name, variant in self.variants.items() if variant.question == question]


def read_variants() -> Variants:
    """The table of variants that comes with the library."""
    table = read_toml(VARIANTS)
    found: dict[str, Variant] = {}
    for name, entries in table["variants"].items():
        changes = {part: entries.pop(part) for part in OF_RECIPE if part in entries}
        found[name] = replace(build(Variant, entries, f"variants.{name}"), changes=changes)
    return Variants(default=table["default"], questions=table["questions"], variants=found)
