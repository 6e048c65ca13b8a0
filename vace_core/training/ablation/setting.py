"""What the variants are compared on: a base, its VAE, and examples of every task."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import InputError
from ...models.family import Family
from ...models.text import TextEncoder
from ..data.cache import Item
from ..data.clips import ClipExamples, check_stages, divided
from ..data.example import Example, Examples
from ..data.sources import clips_in, films_of
from ..recipe import Recipe
from ..run import needed_buckets

log = logging.getLogger("vace")

PIECE = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What the variants are compared on.

    Attributes:
        base: A base, a file or folder.
        vae: Its VAE.
        examples: What is learned from.
        held_out: What is never learned from, by task; each gives examples from 0 on.
        text: All prompts → what reads them.
        clip_of: What is held out → the name of the clip that it is of; shots of one film are one clip. Examples of one
            clip, of whatever tasks, are not independent: errors are taken over clips.
        together: As for `Encoder`.
        cpu: Whether to leave a GPU alone.
    """

    base: Path
    vae: Path
    examples: Examples
    held_out: Mapping[str, Examples]
    text: Callable[[Iterable[str]], TextEncoder]
    clip_of: Callable[[Item], str]
    together: int = 1
    cpu: bool = False

    @property
    def identity(self) -> dict[str, str]:
        """What tells this setting from another: its examples, and checksums of base and VAE."""
        return {"examples": self.examples.identity, "base": _checksum(self.base), "vae": _checksum(self.vae)}


@dataclass(frozen=True, kw_only=True)
class EachTask:
    """Examples of all tasks in turn, so that the first n·k of them are k of each of n tasks."""

    by_task: Mapping[str, Examples]

    @property
    def identity(self) -> str:
        return "; ".join(f"{task}: {examples.identity}" for task, examples in self.by_task.items())

    def draw(self, number: int) -> Example:
        count, which = divmod(number, len(self.by_task))
        task = list(self.by_task)[which]
        return replace(self.by_task[task].draw(count), task=task)


def setting_of_clips(
    recipe: Recipe,
    data: Path,
    family: Family,
    *,
    base: Path,
    vae: Path,
    text: Callable[[Iterable[str]], TextEncoder],
    cpu: bool,
) -> Setting:
    """A base and clips of one's own, as `vace train` reads them.

    Raises:
        InputError: the clips or the recipe cannot be used.
    """
    clips, faults = clips_in(data)
    for fault in faults:
        log.warning("left out: %s", fault)
    examples = ClipExamples(
        clips=clips,
        buckets=needed_buckets(recipe, family.grid),
        tasks=recipe.data.tasks,
        grid=family.grid,
    )
    known, unknown = divided(examples, recipe.data.share_held_out)
    if unknown is None or not recipe.data.tasks:
        raise InputError(
            "ablation-data",
            "The data {path} has {clips} clips and the recipe {tasks} tasks. At least two clips, one of them to be "
            "held out, and one task are needed. Add clips, or set data.share_held_out and data.tasks in the recipe.",
            path=data,
            clips=len(clips),
            tasks=len(recipe.data.tasks),
        )
    check_stages(known, recipe.stages)
    held_out = {task: replace(unknown, tasks={task: 1.0}, seed=1) for task in recipe.data.tasks}
    first: dict[Path, str] = {}  # of each film the name of its first clip
    films = {clip.name: first.setdefault(film, clip.name) for clip, film in zip(clips, films_of(clips), strict=True)}

    def clip_of(item: Item) -> str:
        """`ClipExamples` calls an example "fox.mp4, inpaint"."""
        return films[item.name.removesuffix(f", {item.task}")]

    return Setting(base=base, vae=vae, examples=known, held_out=held_out, text=text, clip_of=clip_of, cpu=cpu)


def _checksum(path: Path) -> str:
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    total = 0
    for one in files:
        with one.open("rb") as file:
            while piece := file.read(PIECE):
                total = zlib.crc32(piece, total)
    return f"{total:08x}"
