"""The tasks of the starter, adapter on against off and against rivals: in the world, and on what it never saw."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...context import Encoded, encode_job
from ...errors import InputError
from ...pipeline import SamplingOptions, VaceModel
from ...training.data.example import stack_units
from ...vcu import VideoConditionUnit
from ..scenes.clips import UNSEEN_BUCKETS, Bucket
from ..scenes.samples import HELD_OUT, Sample, draw_sample
from .filling import filled
from .report import Row, row_of
from .rivals import RIVALS, able
from .sampling import finish, make, through_vae
from .trials import BLENDED, NO_REFERENCE, TRIALS, Measure, Trial

BATCH = 16

Clips = Sequence[Tensor | None]
"""A clip `(1, 3, T, H, W)` of each example; None where there is nothing to work with."""

USUAL = Bucket(num_frames=17, height=96, width=96)
"""The size that training shows most."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """Which clips are asked for.

    Attributes:
        name: What the table calls it.
        buckets: Their sizes, taken in turn.
        unseen: Whether they show pairs of shape and colour, or backdrops, that training never does.
    """

    name: str
    buckets: tuple[Bucket, ...]
    unseen: bool


SPLITS: dict[str, Split] = {
    split.name: split
    for split in (
        Split(name="in the world", buckets=(USUAL,), unseen=False),
        Split(name="unseen combinations", buckets=(USUAL,), unseen=True),
        Split(name="unseen sizes and combinations", buckets=UNSEEN_BUCKETS, unseen=True),
    )
}


def splits_of(name: str) -> list[str]:
    """The names of the splits that a trial, by its name, has clips in."""
    return [split.name for split in SPLITS.values() if split.unseen or not TRIALS[name].only_unseen]


def held_out(name: str, split: Split, count: int) -> list[Sample]:
    """The first `count` held-out examples that suit a trial; a larger count has the same first ones.

    Raises:
        InputError: none of the split suits the trial.
    """
    trial = TRIALS[name]
    if trial.only_unseen and not split.unseen:
        raise InputError(
            "trial-split",
            'The trial "{name}" has no clips in the split "{split}". A split of what training never shows is needed. '
            "Choose one of {known}.",
            name=name,
            split=split.name,
            known=", ".join(splits_of(name)),
        )
    found: list[Sample] = []
    seed = HELD_OUT
    while len(found) < count:
        bucket = split.buckets[len(found) % len(split.buckets)]
        task = trial.task or name
        example = draw_sample(task, seed, bucket, always_tell=trial.tell, unseen=split.unseen, calm=trial.calm)
        if trial.suits(example):
            found.append(example)
        seed += 1
    return found


def label_of(name: str, split: Split) -> str:
    """What the rows of a trial on a split are called."""
    return f"{name}, {split.name}"


def compare(
    model: VaceModel,
    name: str,
    split: Split,
    *,
    clips: int,
    noise_seeds: Sequence[int],
    options: SamplingOptions,
    on_done: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """A row for every measure of one trial.

    Args:
        model: With an adapter attached. It is not changed.
        name: Of `TRIALS`.
        split: Which clips.
        clips: How many, at least 1.
        noise_seeds: Every example is made once with each.
        options: How to sample; seed and strength are set here.
        on_done: Called as (clips done, clips in all) after each batch; raising stops.
    """
    trial = TRIALS[name]
    parts: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
    done = 0
    for batch in _batches(held_out(name, split, clips)):
        # Noise of its own for each batch, or clips of different batches would not be independent.
        jobs = [replace(options, seed=seed + 1000 * done) for seed in noise_seeds]
        for key, scores in _scores(model, trial, batch, jobs).items():
            parts[key].append(scores)
        done += len(batch)
        if on_done is not None:
            on_done(done, clips)
    return [_row(label_of(name, split), measure, parts) for measure in trial.measures]


def _batches(samples: Sequence[Sample]) -> Iterator[list[Sample]]:
    """Examples whose units can be stacked, a batch at a time."""
    groups: dict[tuple[object, ...], list[Sample]] = defaultdict(list)
    for sample in samples:
        unit = sample.vcu
        alike = (unit.source is None, unit.control is None, unit.num_references, tuple(unit.roles.shape))
        groups[alike].append(sample)
    for group in groups.values():
        for start in range(0, len(group), BATCH):
            yield group[start : start + BATCH]


def _row(label: str, measure: Measure, parts: Mapping[tuple[str, str], Sequence[Tensor]]) -> Row:
    values = {who: torch.cat(list(some)) for (metric, who), some in parts.items() if metric == measure.metric}
    return row_of(label, measure.metric, measure.better, values, measure.rivals, absolute=measure.absolute)


def _scores(
    model: VaceModel, trial: Trial, batch: Sequence[Sample], jobs: Sequence[SamplingOptions]
) -> dict[tuple[str, str], Tensor]:
    """By metric and competitor: `(clips, seeds)`; NaN where it has nothing to work with."""
    made = _competitors(model, trial, batch, jobs)
    scores: dict[tuple[str, str], Tensor] = {}
    for measure in trial.measures:
        for who in ("on", "off", "ceiling", "truth", *measure.rivals):
            each = [[_score(measure, one, clips[at]) for clips in made[who]] for at, one in enumerate(batch)]
            # What involves no noise was made once, and counts the same for every seed.
            scores[measure.metric, who] = torch.tensor(each).expand(len(batch), len(jobs))
    return scores


def _score(measure: Measure, example: Sample, clip: Tensor | None) -> float:
    return math.nan if clip is None else measure.score(example, clip)


def _competitors(
    model: VaceModel, trial: Trial, batch: Sequence[Sample], jobs: Sequence[SamplingOptions]
) -> dict[str, list[Clips]]:
    """The same examples made in all ways, with what is kept put back: once for each job where noise is involved."""
    units = [example.vcu for example in batch]
    bare = [replace(unit, references=()) for unit in units] if units[0].references else units
    names = {name for measure in trial.measures for name in measure.rivals}
    encoded = _encoded(model, units)  # all that is made of the same units reads the same encoding
    truth = torch.cat([example.clip.frames for example in batch])

    def each(some: Sequence[VideoConditionUnit], given: Encoded, strength: float, *, pin: bool = False) -> list[Clips]:
        told = [replace(job, strength=strength) for job in jobs]
        return [make(model, some, job, encoded=given, pin=pin).finished.split(1) for job in told]

    made: dict[str, list[Clips]] = {
        "on": each(units, encoded, 1.0),
        "off": each(units, encoded, 0.0),
        "ceiling": [finish(through_vae(model.vae, truth), units).finished.split(1)],
        "truth": [truth.split(1)],
    }
    nobody: list[Clips] = [[None] * len(batch)]
    for name in names:
        if name == NO_REFERENCE:
            made[name] = nobody if bare is units else each(bare, _encoded(model, bare), 1.0)
        elif name == BLENDED:
            if units[0].source is None:
                made[name] = nobody
                continue
            # Under a hole a unit holds the true clip, which nobody is to see.
            blind = [replace(unit, source=filled(one)) for unit, one in zip(bare, batch, strict=True)]
            made[name] = each(blind, _encoded(model, blind, source=True), 0.0, pin=True)
        else:
            made[name] = [[RIVALS[name](example) if able(name, example) else None for example in batch]]
    return made


def _encoded(model: VaceModel, units: Sequence[VideoConditionUnit], *, source: bool = False) -> Encoded:
    return encode_job([stack_units(units)], model.vae, model.encode_masks, source=source)
