"""What a folder of runs says: losses of held-out examples, and differences to the default on the same ones."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, cast

from ...errors import InputError
from ...files import strict_json
from ...files.replacing import reason, replacing

PLAN, RUNS, RUN, LOSSES = "plan.json", "runs", "run.json", "validation"
FEW, MANY, CLIPS, NO_NUMBER = "few", "many", "clips", "no number in step"

Losses = Mapping[str, Sequence[float]]
"""The losses of the held-out examples of each task, in a fixed order."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run, as far as it has come.

    Attributes:
        trained: How many weights it trains.
        few: Losses of a few clips of each task, by step.
        many: Losses of many, at the checkpoints.
        clips: Which clip each of the many is of, by task; the few are the first of them. Empty where an earlier
            version, which did not keep it, began the run.
        no_number: The step whose loss was not a number (NaN or infinite), where the run ended; None if none was.
    """

    trained: int
    few: Mapping[int, Losses]
    many: Mapping[int, Losses]
    clips: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    no_number: int | None = None

    @property
    def steps(self) -> int:
        """The last step that was validated."""
        return max(self.few, default=0)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How a variant differs from the default on the same clips and noise; below 0 it is better.

    Attributes:
        mean: Over examples, tasks and seeds.
        error: Standard error of it over clips; what another seed would change is not in it.
        clips: How many clips the examples are of; 0 = it is not known.
        by_seed: The mean over examples and tasks, for each seed that both have.
    """

    mean: float
    error: float
    clips: int
    by_seed: Mapping[int, float]

    @property
    def told(self) -> str:
        """ "lower" or "higher" where a difference as large comes about by chance, over clips and seeds, in at most some
        5 % of cases; else that it cannot be told. Source: Welch's t-test, with the errors over clips and over seeds."""
        values = list(self.by_seed.values())
        if len(values) < 2:
            return "one seed only"
        if not self.clips:
            return "not known: clips without names"
        seeds = stdev(values) / math.sqrt(len(values))
        error = math.hypot(self.error, seeds)
        if self.mean == 0 or self.clips < 2:
            return "too close to tell"
        if error:
            parts = (self.error / error) ** 4 / (self.clips - 1) + (seeds / error) ** 4 / (len(values) - 1)
            if abs(self.mean) <= _t(1 / parts) * error:
                return "too close to tell"
        return "lower" if self.mean < 0 else "higher"


class Results:
    """Everything in a folder of runs.

    Args:
        folder: As `Ablation` fills it.

    Attributes:
        plan: What was to be run; see `Ablation.plan`. Empty if nothing was begun.
        runs: By variant and seed.

    Raises:
        InputError: a file of it is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.plan: dict[str, Any] = read_json(folder / PLAN) if (folder / PLAN).exists() else {}
        self.runs: dict[tuple[str, int], Run] = {}
        for path in sorted(folder.glob(f"{RUNS}/*/{RUN}")):
            told = read_json(path)
            kinds = {FEW: dict[int, Losses](), MANY: dict[int, Losses]()}
            for file in sorted(path.parent.glob(f"{LOSSES}/*.json")):
                for kind, losses in read_json(file).items():
                    kinds[kind][int(file.stem)] = losses
            self.runs[told["variant"], told["seed"]] = Run(
                trained=told["trained"],
                few=kinds[FEW],
                many=kinds[MANY],
                clips=told.get(CLIPS, {}),
                no_number=told.get(NO_NUMBER),
            )

    def seeds(self) -> list[int]:
        """Those of all runs that were begun or planned."""
        return sorted({seed for _, seed in self.runs} | set(self.plan.get("seeds", ())))

    def tasks(self) -> set[str]:
        """Those of which there is a loss: of some there may be no clip that suits them."""
        return {task for run in self.runs.values() for losses in run.few.values() for task in losses}

    def of(self, variant: str) -> dict[int, Run]:
        """The runs of a variant by seed."""
        return {seed: run for (name, seed), run in sorted(self.runs.items()) if name == variant}

    def mean(self, variant: str, step: int, *, many: bool, task: str | None = None) -> float | None:
        """The mean loss of a task, or over all tasks, over the seeds that have come so far; None if none has."""
        losses = [losses_at(run, step, many) for run in self.of(variant).values()]
        means = [fmean(fmean(one[name]) for name in ([task] if task else one)) for one in losses if one]
        return fmean(means) if means else None

    def difference(
        self, variant: str, default: str, step: int, *, many: bool, task: str | None = None
    ) -> Difference | None:
        """What a variant is away from the default after `step` steps, of a task or over all tasks.

        Returns:
            None if no seed has come so far with both.
        """
        ours, theirs = self.of(variant), self.of(default)
        pairs = {
            seed: (mine, other)
            for seed in ours.keys() & theirs.keys()
            if (mine := losses_at(ours[seed], step, many)) and (other := losses_at(theirs[seed], step, many))
        }
        if not pairs:
            return None
        tasks = [task] if task else list(next(iter(pairs.values()))[1])
        apart = {
            name: [fmean(each) for each in zip(*(_apart(*pair, name) for pair in pairs.values()), strict=True)]
            for name in tasks
        }
        moved = _moved(apart, theirs[min(pairs)].clips)
        by_seed = {seed: fmean(fmean(_apart(*pair, name)) for name in tasks) for seed, pair in sorted(pairs.items())}
        return Difference(
            mean=fmean(fmean(values) for values in apart.values()),
            error=_error(moved),
            clips=len(moved),
            by_seed=by_seed,
        )


def losses_at(run: Run, step: int, many: bool) -> Losses:
    """The losses of a run after `step` steps; {} if it has not come so far."""
    return (run.many if many else run.few).get(step, {})


def _apart(mine: Losses, other: Losses, task: str) -> list[float]:
    return [one - two for one, two in zip(mine[task], other[task], strict=True)]


def _moved(apart: Losses, clips: Mapping[str, Sequence[str]]) -> list[float]:
    """How far each clip, with all examples of it, moves the mean over tasks; none where not all clips are known."""
    moved: dict[str, float] = {}
    for task, values in apart.items():
        names, middle = clips.get(task, ()), fmean(values)
        if len(names) < len(values):
            return []
        for name, value in zip(names, values, strict=False):  # the few are the first of the many
            moved[name] = moved.get(name, 0.0) + (value - middle) / (len(values) * len(apart))
    return list(moved.values())


def _error(moved: Sequence[float]) -> float:
    """The standard error of a mean that independent clips move so far.

    Source: the cluster-robust error; of clips with one example each it is their standard deviation over the root of
    their number.
    """
    count = len(moved)
    return math.sqrt(count / (count - 1) * sum(value**2 for value in moved)) if count > 1 else math.inf


def _t(freedom: float) -> float:
    """What Student's t exceeds, one way or the other, in 5 % of cases; within 1.5 % from one degree of freedom on.

    Source: the Cornish-Fisher expansion around the normal distribution's 1.96; the last term makes it right for one.
    """
    return sum(part / freedom**power for power, part in enumerate((1.96, 2.37, 2.82, 2.55, 3.0)))


def read_json(path: Path) -> dict[str, Any]:
    """A table in a file.

    Raises:
        InputError: it cannot be read, or is something else.
    """
    try:
        found = strict_json.parse(path.read_bytes())
        if not isinstance(found, dict):
            raise ValueError("it is no table")
    except (OSError, ValueError) as error:
        raise InputError(
            "ablation-results",
            "The file {path} of the ablation cannot be used ({error}). A table in JSON is needed, as vace ablate "
            "writes it. Delete the file, or its folder, and run it again.",
            path=path,
            error=reason(error),
        ) from error
    return cast("dict[str, Any]", found)


def write_json(path: Path, table: Mapping[str, Any]) -> None:
    """Writes a table, whole or not at all. Raises InputError: it cannot be written."""
    with replacing(path) as part:
        part.write_text(json.dumps(table, indent=1), encoding="utf-8")
