"""Real clips as examples: a clip, a size and a task are drawn, and the task is made of the clip."""

from __future__ import annotations

import itertools
import logging
import random
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from ...errors import InputError
from ...geometry import Grid
from .batches import Stage
from .derive import KINDS, LEAST_OBJECT, Parts, parts_of
from .example import Example
from .material import Bucket, open_clip, read_material, shown_size, suitable
from .sources import ClipFiles, films_of

log = logging.getLogger("vace")

TRIES = 8  # parts of one clip, until one is found that a task can be made of
MOST_CLIPS = 8  # of which no part suited, until an example counts as missing
UNSUITED = "clip-parts-without-task"


@dataclass(frozen=True, kw_only=True)
class ClipExamples:
    """Examples of every task that the clips give, each from the seed and its number alone.

    Clips beside which nothing lies that a task needs are never drawn. In place of a part of a clip that suits no task
    another part of it is drawn, and then, as in place of a clip that cannot be read, another clip.

    Attributes:
        clips: Their files.
        buckets: Sizes that are trained.
        tasks: How often each task is drawn relative to the others.
        grid: How the base divides a clip.
        seed: Of what is drawn.
    """

    clips: Sequence[ClipFiles]
    buckets: Sequence[Bucket]
    tasks: Mapping[str, float]
    grid: Grid
    seed: int = 0

    def __post_init__(self) -> None:
        check_tasks(self.tasks)
        for bucket in self.buckets:
            self.grid.check(bucket.frames, bucket.height, bucket.width)

    @property
    def identity(self) -> str:
        """The same wherever the clips are, and another one once a prompt or a file of theirs changes."""
        parts = {
            "files": sorted((clip.name, _files_told(clip)) for clip in self.clips),
            "prompts": sorted((clip.name, clip.prompts) for clip in self.clips),
            "draws": (list(self.buckets), sorted(self.tasks.items()), self.seed),
        }
        sums = ", ".join(f"{name} {zlib.crc32(repr(told).encode()):08x}" for name, told in parts.items())
        return f"{len(self.clips)} clips, {sums}"

    @property
    def unsuited(self) -> list[InputError]:
        """What is wrong with the clips that are never drawn, for no task can be made of what lies beside them."""
        usable = set(self._usable)
        return [self._without_task(clip) for place, clip in enumerate(self.clips) if place not in usable]

    @cached_property
    def _usable(self) -> list[int]:
        """Places of the clips that are drawn from, told by which files there are alone."""
        return [place for place, clip in enumerate(self.clips) if self._able(_beside(clip))]

    def draw(self, number: int) -> Example:
        left, faults, vain = list(self._usable), list[str](), 0
        if not left:
            raise self._without_task(self.clips[0])
        dice = self._dice(number)
        while True:
            rng = next(dice)
            place = rng.choice(left)
            try:
                return replace(self._of(self.clips[place], rng, dice), left_out=tuple(faults))
            except InputError as error:
                left.remove(place)
                vain += error.code == UNSUITED
                if not left or vain == MOST_CLIPS:
                    raise
                faults.append(str(error))

    def _dice(self, number: int) -> Iterator[random.Random]:
        """Those of each try at an example: they depend neither on how many the tries before it threw, nor on what was
        drawn for other examples, which another process may draw."""
        yield random.Random(f"{self.seed} {number}")
        yield from (random.Random(f"{self.seed} {number} {attempt}") for attempt in itertools.count(1))

    def _of(self, clip: ClipFiles, rng: random.Random, dice: Iterator[random.Random]) -> Example:
        """An example of a clip, of the first part of it that suits a task; `dice` are those of further tries."""
        for _ in range(TRIES):
            material = read_material(clip, self.buckets, self.grid, rng)
            if able := self._able(parts_of(material)):
                task = rng.choices(able, weights=[self.tasks[name] for name in able])[0]
                unit = KINDS[task].build(material, rng)
                name = f"{clip.name}, {task}"
                return Example(name=name, task=task, unit=unit, target=material.frames, prompts=clip.prompts)
            rng = next(dice)
        raise InputError(
            UNSUITED,
            "None of {tries} parts that were drawn of the clip {name} suits one of the tasks {tasks}. Some tasks need "
            "an object on at least {least:.1%} of a frame, some more than one frame. Remove the clip, or train other "
            "tasks as well.",
            tries=TRIES,
            name=clip.name,
            tasks=", ".join(self._wanted),
            least=LEAST_OBJECT,
        )

    @property
    def _wanted(self) -> list[str]:
        return [name for name, share in self.tasks.items() if share]

    def _able(self, there: Parts) -> list[str]:
        """The tasks that can be made of what there is."""
        return [name for name in self._wanted if KINDS[name].needs(there)]

    def _without_task(self, clip: ClipFiles) -> InputError:
        return InputError(
            "clip-without-task",
            "The clip {name} suits none of the tasks {tasks}. Masks, references or controls beside it are needed. "
            "Add them, or remove the clip.",
            name=clip.name,
            tasks=", ".join(self._wanted),
        )


def _beside(clip: ClipFiles) -> Parts:
    """What lies beside a clip; whether it moves is known only once it is opened."""
    return Parts(objects=len(clip.masks), references=len(clip.references), controls=clip.controls)


def _files_told(clip: ClipFiles) -> list[tuple[str, str, int]]:
    """What each file of a clip is, its name and its size: hashes would read all of the data at every start."""
    files = [("video", clip.video), *(("mask", path) for path in clip.masks)]
    files += [("reference", path) for path in clip.references] + sorted(clip.controls.items())
    return [(kind, path.name, path.stat().st_size if path.is_file() else 0) for kind, path in files]


def check_tasks(tasks: Iterable[str]) -> None:
    """Accepts tasks that can be built from clips. Raises InputError: one cannot."""
    if unknown := sorted(set(tasks) - set(KINDS)):
        raise InputError(
            "task-unknown",
            "The recipe names the task {unknown}, which cannot be built from clips. Known are {known}. "
            "Correct its name.",
            unknown=unknown[0],
            known=", ".join(KINDS),
        )


def check_stages(examples: ClipExamples, stages: Iterable[Stage]) -> None:
    """Accepts clips of which every stage can train one by its size: as many are opened as that takes, none is decoded.

    Raises:
        InputError: a stage for which no clip is long and large enough.
    """
    size_of = {
        bucket: examples.grid.latent_size(bucket.frames, bucket.height, bucket.width) for bucket in examples.buckets
    }
    lacking, usable = list(stages), False
    for clip in examples.clips:
        try:
            film = open_clip(clip.video)
            able = suitable(clip.name, shown_size(film), film.fps, examples.buckets)
        except InputError:
            continue  # said with its reason where it is drawn
        usable = True
        lacking = [stage for stage in lacking if not any(stage.fits(size_of[bucket]) for bucket in able)]
        if not lacking:
            return
    if usable and lacking:
        taken = [bucket for bucket, size in size_of.items() if lacking[0].fits(size)]
        raise InputError(
            "stage-without-clips",
            'No example can be made for the stage "{name}": of the sizes in data.buckets it takes {sizes}, and no clip '
            "is long and large enough for it. At least one is needed. Add longer or larger clips or a smaller size, or "
            "change frames and largest of the stage.",
            name=lacking[0].name,
            sizes=" or ".join(f"{one.frames} frames of {one.width}x{one.height}" for one in taken) or "none",
        )


def divided(examples: ClipExamples, share: float) -> tuple[ClipExamples, ClipExamples | None]:
    """The clips that are trained on, and those that are held out for the validation; always the same ones.

    All clips of one film (`films_of`) are on one side: what is held out is in nothing that is trained on.

    Args:
        share: Of the clips, 0..1. Films are held out as long as their clips are no more than that; if each has more,
            the one with the fewest is. Some are unless the share is 0 or there is but one film, and never all.
    """
    for error in examples.unsuited:
        log.warning("left out: %s", error)
    clips = sorted(examples.clips, key=lambda clip: (zlib.crc32(clip.name.encode()), clip.name))
    films = films_of(clips)
    sizes = Counter(films)  # in the order of the clips
    if not share or len(clips) < 2:
        return examples, None
    if len(sizes) < 2:
        log.warning("nothing is held out: all %d clips are of one film", len(clips))
        return examples, None
    most, count, held = min(max(round(len(clips) * share), 1), len(clips) - 1), 0, set[Path]()
    for film, size in sizes.items():
        if count + size <= most:
            count, held = count + size, held | {film}
    if not held:
        held = {min(sizes, key=lambda film: sizes[film])}
        log.warning(
            "%d of %d clips are held out, for no film has fewer: all clips of a film are, or none",
            sum(sizes[film] for film in held),
            len(clips),
        )
    known = [clip for clip, film in zip(clips, films, strict=True) if film not in held]
    unknown = [clip for clip, film in zip(clips, films, strict=True) if film in held]
    return replace(examples, clips=known), replace(examples, clips=unknown)
