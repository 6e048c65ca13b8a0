"""What an evaluation found: values clip by clip, what went wrong, and with which versions; kept as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np

from ..errors import InputError, VaceError
from ..files import strict_json
from ..files.replacing import replacing
from . import statistics, vbench
from .statistics import Numbers, Summary

FORMAT = 1
ALL = "all"
AVERAGE = "normalised average"

Better = Literal["higher", "lower"]

PLAIN: Mapping[str, tuple[Better, str]] = {
    "kept part, decoded": ("lower", "mean error in levels, before paste-back"),
    "kept part, VAE floor": ("lower", "mean error in levels of the source encoded and decoded"),
    "kept part, result": ("lower", "mean error in levels of the result as it is"),
    "seam": ("lower", "step across the mask's edge over the steps beside it, in levels"),
    "seam in time": ("lower", "difference where kept frames meet generated ones over its neighbours, in levels"),
    "drift": ("lower", "change of colour from the first to the last fifth, in levels"),
    "control followed": ("higher", "the control taken from the result again: correlation, F1 or likeness, 1 = same"),
    "identity": ("higher", "mean cosine of DINO's features of references and frames"),
}
"""The measures beside the indicators, which way is better, and what they are."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What could not be done.

    Attributes:
        method: Whose result; "" = of the sample itself.
        sample: Its name.
        measure: What was measured; "" = everything.
        code: Of the error.
        message: What it says.
    """

    method: str
    sample: str
    measure: str
    code: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Scored:
    """One result of one method.

    Attributes:
        method: Its name.
        sample: The sample's.
        task: The sample's type.
        values: By measure; what could not be measured is not there.
    """

    method: str
    sample: str
    task: str
    values: Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Results:
    """An evaluation.

    Attributes:
        scored: Every result that was found.
        problems: What was not found or could not be measured.
        missing: Why an indicator is not measured at all, by name.
        versions: Of this library and of those that measured.
        about: What else the report says of the run: when, of what, with which prompts.
    """

    scored: tuple[Scored, ...]
    problems: tuple[Problem, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict[str, str])
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    about: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def methods(self) -> tuple[str, ...]:
        """Their names, in the order in which they were given."""
        return tuple(dict.fromkeys(one.method for one in self.scored))

    @property
    def tasks(self) -> tuple[str, ...]:
        """The types, in the order of the samples, and all of them together if there are several."""
        each = tuple(dict.fromkeys(one.task for one in self.scored))
        return (*each, ALL) if len(each) > 1 else each

    @property
    def measures(self) -> tuple[str, ...]:
        """What was measured anywhere: the indicators in the paper's order, then the others."""
        there = {name for one in self.scored for name in one.values}
        return tuple(name for name in (*vbench.BOUNDS, *PLAIN) if name in there)

    def of(self, task: str, method: str) -> list[Scored]:
        """The results of one method in one type."""
        return [one for one in self.scored if one.method == method and task in (one.task, ALL)]

    def summary(self, task: str, method: str, measure: str) -> Summary | None:
        """Mean and interval over clips; None where nothing was measured."""
        return statistics.mean([one.values.get(measure, math.nan) for one in self.of(task, method)])

    def average(self, task: str, method: str) -> Summary | None:
        """The paper's normalised average of the means, with its interval; None unless all eight are there.

        Clips that lack an indicator do not count.
        """
        names = tuple(vbench.BOUNDS)
        whole = [one.values for one in self.of(task, method) if all(name in one.values for name in names)]
        if not whole:
            return None
        rows = np.array([[values[name] for name in names] for values in whole], dtype=np.float64)
        least, most = np.array(tuple(vbench.BOUNDS.values())).T
        weights = np.array([0.5 if name == vbench.HALF else 1.0 for name in names]) / len(names)

        def averaged(drawn: Numbers) -> Numbers:
            return ((drawn.mean(axis=1) - least) / (most - least)) @ weights

        return statistics.summarise(rows, averaged)

    def difference(self, task: str, method: str, other: str, measure: str) -> Summary | None:
        """Mean of `method` less `other` over the samples that both have."""
        ours, theirs = ({one.sample: one.values for one in self.of(task, name)} for name in (method, other))
        both = [name for name in ours if measure in ours[name] and measure in theirs.get(name, {})]
        return statistics.mean([ours[name][measure] - theirs[name][measure] for name in both])

    def with_earlier(self, earlier: Results, called: str) -> Results:
        """These results beside those of an earlier run, whose methods of the same name give way.

        Args:
            earlier: The earlier run.
            called: What a report calls it.
        """
        now = set(self.methods)
        said = "; ".join(f"{name}: {text}" for name, text in earlier.about.items())
        return Results(
            scored=(*self.scored, *(one for one in earlier.scored if one.method not in now)),
            problems=(*self.problems, *(one for one in earlier.problems if one.method not in now)),
            missing={**earlier.missing, **self.missing},
            versions=self.versions,
            about={**self.about, f"with {called}": said},
        )

    def unlike(self, other: Results) -> list[str]:
        """In what two runs differ so that their means are not of the same: samples, prompts."""
        ours, theirs = ({one.sample for one in (*run.scored, *run.problems)} for run in (self, other))
        prompts = self.about.get("prompts") == other.about.get("prompts")
        return [*(["samples"] if ours != theirs else []), *([] if prompts else ["prompts"])]


def problem(method: str, sample: str, measure: str, error: VaceError) -> Problem:
    """What an error says of one result."""
    return Problem(method=method, sample=sample, measure=measure, code=error.code, message=str(error))


def write_results(path: Path, results: Results) -> None:
    """Writes results as JSON, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    said = {"format": FORMAT, **asdict(results)}
    with replacing(path) as part:
        part.write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Results out of their JSON.

    Raises:
        InputError: it is none, or of another version.
    """
    try:
        with path.open("rb") as file:
            said = cast("dict[str, Any]", strict_json.parse(file.read(strict_json.MAX_JSON + 1)))
        if said["format"] != FORMAT:
            raise ValueError(f"its format is {said['format']!r}, not {FORMAT}")
        return Results(
            scored=tuple(_scored(one) for one in said["scored"]),
            problems=tuple(Problem(**one) for one in said["problems"]),
            missing=_texts(said["missing"]),
            versions=_texts(said["versions"]),
            about=_texts(said["about"]),
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            "results-unread",
            "The file {path} holds no results that can be read ({error}). A .json that vace evaluate wrote is needed. "
            "Choose one, or measure again.",
            path=path,
            error=str(error).splitlines()[0] if str(error) else type(error).__name__,
        ) from error


def _scored(said: Mapping[str, Any]) -> Scored:
    values = {str(name): float(value) for name, value in said["values"].items()}
    return Scored(method=str(said["method"]), sample=str(said["sample"]), task=str(said["task"]), values=values)


def _texts(said: Sequence[Any] | Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in dict(said).items()}
