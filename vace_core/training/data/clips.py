"""Real clips as examples: a clip, a size and a task are drawn, and the task is made of the clip."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ...errors import InputError
from ...geometry import Grid
from .batches import Stage
from .derive import KINDS
from .example import Example
from .material import Bucket, open_clip, read_material, suitable
from .sources import ClipFiles


@dataclass(frozen=True, kw_only=True)
class ClipExamples:
    """Examples of every task that the clips give. In place of a clip that cannot be used another one is drawn.

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
    _faults: dict[int, InputError] = field(default_factory=dict[int, InputError], init=False, repr=False, compare=False)

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

    def draw(self, number: int) -> Example:
        left, faults = list(range(len(self.clips))), list[str]()
        while True:
            # The dice of a later try do not depend on how many the tries before it threw.
            rng = random.Random(f"{self.seed} {number} {len(faults)}" if faults else f"{self.seed} {number}")
            place = rng.choice(left)
            try:
                return replace(self._of(place, rng), left_out=tuple(faults))
            except InputError as error:
                left.remove(place)
                if not left:
                    raise
                faults.append(str(error))

    def _of(self, place: int, rng: random.Random) -> Example:
        """An example of the clip at `place`."""
        if place in self._faults:
            raise self._faults[place]
        clip = self.clips[place]
        material = read_material(clip, self.buckets, self.grid, rng)
        able = [name for name, share in self.tasks.items() if share and KINDS[name].suits(material)]
        if not able:
            self._faults[place] = InputError(  # it would be decoded in vain again and again
                "clip-without-task",
                "The clip {name} suits none of the tasks {tasks}. Masks, references or controls beside it may be "
                "needed. Add them, or remove the clip.",
                name=clip.name,
                tasks=", ".join(self.tasks),
            )
            raise self._faults[place]
        task = rng.choices(able, weights=[self.tasks[name] for name in able])[0]
        unit = KINDS[task].build(material, rng)
        return Example(name=f"{clip.name}, {task}", task=task, unit=unit, target=material.frames, prompts=clip.prompts)


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
            able = suitable(clip.name, (film.count, film.height, film.width), film.fps, examples.buckets)
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

    Args:
        share: Of the clips, 0..1. At least one is held out unless it is 0 or there is but one.
    """
    clips = sorted(examples.clips, key=lambda clip: (zlib.crc32(clip.name.encode()), clip.name))
    count = max(round(len(clips) * share), 1) if share and len(clips) > 1 else 0
    if not count:
        return examples, None
    return replace(examples, clips=clips[count:]), replace(examples, clips=clips[:count])
