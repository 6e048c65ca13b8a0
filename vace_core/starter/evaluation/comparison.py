"""The tasks of the second world, adapter on against off and against rivals: in the world, and on what it never saw."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...pipeline import SamplingOptions, VaceModel
from ..scenes.clips import UNSEEN_BUCKETS, Bucket
from ..scenes.samples import HELD_OUT, Sample, draw_sample
from .pinning import sample_pinned
from .report import Row, row_of
from .rivals import RIVALS, able, filled
from .sampling import finish, make, through_vae
from .trials import BLENDED, NO_REFERENCE, TRIALS, Measure, Trial

BATCH = 16


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


_USUAL = Bucket(num_frames=17, height=64, width=64)
SPLITS: dict[str, Split] = {
    split.name: split
    for split in (
        Split(name="in the world", buckets=(_USUAL,), unseen=False),
        Split(name="unseen combinations", buckets=(_USUAL,), unseen=True),
        Split(name="unseen sizes", buckets=UNSEEN_BUCKETS, unseen=True),
    )
}


def held_out(task: str, split: Split, count: int) -> list[Sample]:
    """The first `count` held-out examples of a task that suit its trial; a larger count has the same first ones."""
    trial = TRIALS[task]
    found: list[Sample] = []
    seed = HELD_OUT
    while len(found) < count:
        bucket = split.buckets[len(found) % len(split.buckets)]
        example = draw_sample(task, seed, bucket, always_tell=trial.tell, unseen=split.unseen, calm=trial.calm)
        if trial.suits(example):
            found.append(example)
        seed += 1
    return found


def compare(
    model: VaceModel,
    task: str,
    split: Split,
    *,
    clips: int,
    noise_seeds: Sequence[int],
    options: SamplingOptions,
    on_done: Callable[[int, int], None] | None = None,
) -> list[Row]:
    """A row for every measure of one task.

    Args:
        model: With an adapter attached. It is not changed.
        task: A name of `TRIALS`.
        split: Which clips.
        clips: How many, ≥ 1.
        noise_seeds: Every example is made once with each.
        options: How to sample; seed and strength are set here.
        on_done: Called as (clips done, clips in all) after each batch; raising stops.
    """
    trial = TRIALS[task]
    parts: dict[tuple[str, str], list[Tensor]] = defaultdict(list)
    done = 0
    for batch in _batches(held_out(task, split, clips)):
        # Noise of its own for each batch, or clips of different batches would not be independent.
        jobs = [replace(options, seed=seed + 1000 * done) for seed in noise_seeds]
        for name, scores in _scores(model, trial, batch, jobs).items():
            parts[name].append(scores)
        done += len(batch)
        if on_done is not None:
            on_done(done, clips)
    label = f"{task}, {split.name}"
    return [_row(label, measure, parts) for measure in trial.measures]


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
    """By metric and competitor: `(clips, seeds)`."""
    made = _competitors(model, trial, batch, jobs)
    scores: dict[tuple[str, str], Tensor] = {}
    for measure in trial.measures:
        for who in ("on", "off", "ceiling", "truth", *measure.rivals):
            each = [[measure.score(one, clip[at : at + 1]) for clip in made[who]] for at, one in enumerate(batch)]
            # What involves no noise was made once, and counts the same for every seed.
            scores[measure.metric, who] = torch.tensor(each).expand(len(batch), len(jobs))
    return scores


def _competitors(
    model: VaceModel, trial: Trial, batch: Sequence[Sample], jobs: Sequence[SamplingOptions]
) -> dict[str, list[Tensor]]:
    """The same examples made in all ways, with what is kept put back: once for each job where noise is involved."""
    units = [example.vcu for example in batch]
    truth = torch.cat([example.clip.frames for example in batch])
    bare = [replace(unit, references=()) for unit in units]
    made = {
        "on": [make(model, units, replace(job, strength=1.0)).finished for job in jobs],
        "off": [make(model, units, replace(job, strength=0.0)).finished for job in jobs],
        "ceiling": [finish(through_vae(model.vae, truth), units).finished],
        "truth": [truth],
    }
    for name in {name for measure in trial.measures for name in measure.rivals}:
        if name == NO_REFERENCE:
            made[name] = [make(model, bare, replace(job, strength=1.0)).finished for job in jobs]
        elif name == BLENDED:
            sources = torch.cat([filled(example) for example in batch])
            latents = [sample_pinned(model, bare, sources, replace(job, strength=0.0)) for job in jobs]
            made[name] = [finish(model.vae.decode(one).float().cpu(), bare).finished for one in latents]
        else:
            clips = [RIVALS[name](example) if able(name, example) else example.vcu.frames for example in batch]
            made[name] = [torch.cat(clips)]
    return made
