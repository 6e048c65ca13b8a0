"""Captions that are given: a text beside each film, or one table for all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..data.sources import clips_in, text_of


@dataclass(frozen=True, kw_only=True)
class GivenCaptions:
    """What is said of films, each of its shots then gets it.

    Attributes:
        table: From a CSV, by the path of the film.
        faults: What is wrong with lines that are left out.
    """

    table: dict[Path, tuple[str, ...]] = field(default_factory=dict[Path, tuple[str, ...]])
    faults: tuple[str, ...] = ()

    def of(self, film: Path) -> tuple[str, ...]:
        """The captions of a film, one or several wordings: from film.txt beside it, or the table.

        Raises:
            InputError: the text cannot be read.
        """
        beside = film.with_suffix(".txt")
        lines = text_of(beside).splitlines() if beside.is_file() else []
        written = tuple(line.strip() for line in lines if line.strip())
        return written or self.table.get(film.resolve(), ())


def read_captions(path: Path | None) -> GivenCaptions:
    """The captions of a CSV with the columns `video` and `prompt`; paths are relative to it. None = there is none.

    Raises:
        InputError: it cannot be read, or lacks a column.
    """
    if path is None:
        return GivenCaptions()
    clips, faults = clips_in(path)
    return GivenCaptions(table={clip.video.resolve(): clip.prompts for clip in clips}, faults=tuple(faults))
