"""Captions that are given: a text beside each film, or one table for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ...errors import InputError, shortened
from ..data.sources import clips_in, text_of
from .films import Film

NAMED = 3  # lines of a table that a message names


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


def captions_text(captions: Sequence[str]) -> str:
    """Captions as the text beside a clip has them, a line each."""
    return "".join(f"{caption}\n" for caption in captions)


def read_captions(path: Path | None, raw: Path | None = None, films: Sequence[Film] = ()) -> GivenCaptions:
    """The captions of a CSV with the columns `video` and `prompt`; several lines of one video are several wordings.

    Args:
        path: The table; None = there is none.
        raw: The folder of the films: names are relative to the table's folder, or else to this one.
        films: All films; a line that names none of them is a fault. None given = it is not looked at.

    Raises:
        InputError: the table cannot be read, lacks a column, or names none of the films.
    """
    if path is None:
        return GivenCaptions()
    clips, faults = clips_in(path)
    known = {film.path.resolve() for film in films}
    table: dict[Path, tuple[str, ...]] = {}
    strange: list[str] = []
    for clip in clips:
        places = [clip.video]
        if raw is not None and clip.video.is_relative_to(path.parent):
            places.append(raw / clip.video.relative_to(path.parent))
        found = next((place for place in (one.resolve() for one in places) if place in known), None)
        if found is None and films:
            strange.append(clip.name)
        else:
            video = found or clip.video.resolve()
            # As a training reads the table: a cell of several lines, as captioners write them, is one wording.
            wordings = (" ".join(prompt.split()) for prompt in clip.prompts)
            table[video] = (*table.get(video, ()), *wordings)
    if strange:
        error = InputError(
            "captions-without-video",
            "Of the videos in the table {path} {count} are not among those of {raw}: {names}. Names relative to the "
            "table or to that folder, with their ending, are needed. Correct them.",
            path=path,
            count=len(strange),
            raw=raw,
            names=", ".join(shortened(name) for name in strange[:NAMED]) + (", ..." if len(strange) > NAMED else ""),
        )
        if not table:
            raise error
        faults.append(str(error))
    return GivenCaptions(table=table, faults=tuple(faults))
