"""How well a model of the synthetic world does each task, on clips it has not seen, adapter on against off."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ...errors import InputError
from ...pipeline import SamplingOptions, VaceModel
from ..model import STARTER_OPTIONS
from ..training.samples import Sample
from .measures import NO_REFERENCE, PLANS, Measure, Plan
from .report import Row, row_of
from .sampling import BASELINES, Made, examples, finish, make, through_vae

BATCH = 16
OnDone = Callable[[str, int, int], None]

_Scores = dict[tuple[str, str], Tensor]
"""By metric and competitor: `(clips, seeds)`."""


def evaluate(
    model: VaceModel,
    *,
    tasks: Sequence[str] | None = None,
    clips: int = 20,
    noise_seeds: Sequence[int] = (0,),
    options: SamplingOptions = STARTER_OPTIONS,
    on_done: OnDone | None = None,
) -> list[Row]:
    """A row for every measure of every task.

    Args:
        model: With an adapter attached. It is not changed.
        tasks: Names of `measures.PLANS`; None = all, the twelve tasks and the five compositions.
        clips: Held-out examples of each task, ≥ 1. A larger number has the same first examples.
        noise_seeds: Every example is made once with each.
        options: How to sample; seed and strength are set here.
        on_done: Called as (task, clips done, clips in all) after each batch; raising stops.

    Raises:
        InputError: an unknown task, no clip, no seed, or no adapter.
    """
    names = list(PLANS) if tasks is None else list(tasks)
    _check(model, names, clips, noise_seeds)
    rows: list[Row] = []
    for task in names:
        rows += _evaluate_task(model, task, clips, noise_seeds, options, on_done)
    return rows


def _check(model: VaceModel, tasks: Sequence[str], clips: int, noise_seeds: Sequence[int]) -> None:
    if unknown := [task for task in tasks if task not in PLANS]:
        raise InputError(
            "tasks-unknown",
            "The tasks to evaluate include {unknown}. Tasks among {known} are needed. Choose from these.",
            unknown=", ".join(unknown),
            known=", ".join(PLANS),
        )
    if clips < 1 or not noise_seeds:
        raise InputError(
            "evaluation-empty",
            "There are {clips} clips and {noise_seeds} noise seeds. At least one of each is needed. Ask for more.",
            clips=clips,
            noise_seeds=len(noise_seeds),
        )
    if model.expert.adapter is None:
        raise InputError(
            "no-adapter",
            "The model has no adapter. One is needed to compare it with the base alone. Attach it before evaluating.",
        )


def _evaluate_task(
    model: VaceModel,
    task: str,
    clips: int,
    noise_seeds: Sequence[int],
    options: SamplingOptions,
    on_done: OnDone | None,
) -> list[Row]:
    plan = PLANS[task]
    found = examples(task, clips, tell=plan.tell, suits=plan.suits)
    parts: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
    for start in range(0, clips, BATCH):
        batch = found[start : start + BATCH]
        # Noise of its own for each batch, or clips of different batches would not be independent.
        jobs = [replace(options, seed=seed + 1000 * start) for seed in noise_seeds]
        for name, scores in _score(model, plan, batch, jobs).items():
            parts[name].append(scores)
        if on_done is not None:
            on_done(task, start + len(batch), clips)
    return [_row(task, measure, parts) for measure in plan.measures]


def _row(task: str, measure: Measure, parts: Mapping[tuple[str, str], Sequence[Tensor]]) -> Row:
    values = {who: torch.cat(list(some)) for (metric, who), some in parts.items() if metric == measure.metric}
    return row_of(task, measure.metric, measure.better, values, measure.baselines, absolute=measure.absolute)


def _score(model: VaceModel, plan: Plan, batch: Sequence[Sample], jobs: Sequence[SamplingOptions]) -> _Scores:
    made = _competitors(model, plan, batch, jobs)
    scores: _Scores = {}
    for measure in plan.measures:
        for who in ("on", "off", "ceiling", "truth", *measure.baselines):
            each = [[_of(measure, example, one, at) for one in made[who]] for at, example in enumerate(batch)]
            # What involves no noise was made once, and counts the same for every seed.
            scores[measure.metric, who] = torch.tensor(each).expand(len(batch), len(jobs))
    return scores


def _of(measure: Measure, example: Sample, made: Made, at: int) -> float:
    clips = made.decoded if measure.decoded else made.finished
    return measure.score(example, clips[at : at + 1])


def _competitors(
    model: VaceModel, plan: Plan, batch: Sequence[Sample], jobs: Sequence[SamplingOptions]
) -> dict[str, list[Made]]:
    """The same examples made in all ways: by the model once for each job, otherwise once."""
    units = [example.vcu for example in batch]
    truth = torch.cat([example.clip.frames for example in batch])
    made = {
        "on": [make(model, units, replace(job, strength=1.0)) for job in jobs],
        "off": [make(model, units, replace(job, strength=0.0)) for job in jobs],
        "ceiling": [finish(through_vae(model.vae, truth), units)],
        "truth": [Made(decoded=truth, finished=truth)],
    }
    for name in {name for measure in plan.measures for name in measure.baselines}:
        if name == NO_REFERENCE:
            bare = [replace(unit, references=()) for unit in units]
            made[name] = [make(model, bare, replace(job, strength=1.0)) for job in jobs]
        else:
            clips = torch.cat([BASELINES[name](example) for example in batch])
            made[name] = [Made(decoded=clips, finished=clips)]
    return made
