"""Extensions and chains of clips: what the model gets of the clips around, and where the result goes between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from torch import Tensor

from ..errors import InputError
from ..inputs.all_frames import SAME_RATE, resampled
from ..inputs.extension import Chain, Extension
from ..inputs.fitted import Fitted, Source, fit_ends
from ..media.extended import Copied
from ..media.footage import Footage
from ..media.ranges import Cut, StillFrame
from ..media.scaled import Scaled
from ..tasks.basic import check_longer
from .inputs import Given, notes_of, puts_back, read_part, target_of
from .options import Part, PutBack, Wanted


@dataclass(frozen=True, kw_only=True, eq=False)
class Ends:
    """The clips around what is generated, as the model gets them.

    Attributes:
        before: The end of the first.
        after: The start of the last.
        films: All of both, at one size where the result goes between them.
        main: The one that decides size, rate and sound; None = the result has the size of the model.
    """

    before: Fitted | None
    after: Fitted | None
    films: tuple[Footage | None, Footage | None]
    main: Footage | None

    def kept_in(self, num_frames: int) -> dict[int, Tensor]:
        """What is kept `(1, 3, n, H, W)` of a result, by the frame of it that each clip begins at.

        Raises:
            InputError: as much as that is kept, or more.
        """
        clips = [end for end in (self.before, self.after) if end is not None]
        check_longer(sum(clip.plan.num_frames for clip in clips), num_frames)
        found = {} if self.before is None else {0: self.before.frames}
        if self.after is not None:
            found[num_frames - self.after.plan.num_frames] = self.after.frames
        return found

    def notes(self) -> list[tuple[str, str]]:
        """What came and how it was fitted, as rows of a table."""
        named = (("first", self.before), ("last", self.after))
        return [note for name, end in named if end is not None for note in notes_of(end, name)]

    def extension(self, num_frames: int, fps: float, *, only: bool) -> Extension | None:
        """Where the result goes.

        Args:
            num_frames: What the model makes, kept frames too.
            fps: Its frames per second.
            only: Leave out the frames that it is not shown.
        """
        if self.main is None:
            return None
        # A picture has no rate of its own.
        main = self.main if self.main.count > 1 else StillFrame(self.main, 0, fps)
        first, last = (main if film is self.main else film for film in self.films)
        kept = tuple(0 if end is None else end.plan.num_frames for end in (self.before, self.after))
        return Extension(
            film=main,
            before=_copied(first, self.before, at_end=True, only=only),
            after=_copied(last, self.after, at_end=False, only=only),
            kept=(kept[0], kept[1]),
            new=num_frames - sum(kept),
        )


def silent(films: Sequence[Footage | None], heard: Footage | None) -> list[str]:
    """Warns of the films whose sound is not in the result, which has that of one alone.

    Args:
        films: Those of which frames are in the result.
        heard: The one whose sound is; None = no sound is.
    """
    lost = [film.path.name for film in films if film is not None and film.sound and film is not heard]
    if not lost or heard is None:
        return []
    has = f"has that of {heard.path.name} alone" if heard.sound else f"is silent as {heard.path.name}"
    return [f"The sound of {' and '.join(lost)} is not in the result, which {has}. Add it with an editor."]


def read_ends(first: Path | None, last: Path | None, keep: int | None, wanted: Wanted, back: PutBack) -> Ends:
    """The clips of an extension; of a film only what the model is shown is decoded.

    Raises:
        InputError: neither is given, a file cannot be read, or as `inputs.puts_back` and `fitted.fit_ends`.
        ShapeError: as `fitted.fit_ends`.
    """
    given = [None if path is None else read_part(path, wanted, Part()) for path in (first, last)]
    there = [one for one in given if one is not None]
    if not there:
        raise InputError(
            "nothing-to-extend",
            "Neither a clip nor --last was given. At least one is needed. Give the clip to extend.",
        )
    # What moves decides; a picture beside it is scaled.
    main = next((one.film for one in there if one.film.count > 1), there[0].film)
    goes_back = puts_back(main, wanted, back.put_back, usual=main.count > 1)
    films, sources = zip(*(_sized(one, main if goes_back else None) for one in given), strict=True)
    before, after = fit_ends(sources[0], sources[1], target_of(wanted, whole=goes_back), keep=keep)
    return Ends(before=before, after=after, films=(films[0], films[1]), main=main if goes_back else None)


def read_chain(paths: Sequence[Path], keep: int | None, wanted: Wanted, back: PutBack) -> list[Ends]:
    """The ends of three clips or more, each two as `read_ends` gives them; all at the size of the first that moves.

    Raises:
        InputError: the result does not go between the clips at their own size, or as `read_ends`.
        ShapeError: as `read_ends`.
    """
    given = [read_part(path, wanted, Part()) for path in paths]
    main = next((one.film for one in given if one.film.count > 1), given[0].film)
    if not puts_back(main, wanted, back.put_back, usual=main.count > 1):
        raise InputError(
            "join-several",
            "{count} clips are to be joined at another size or rate than their own, which two clips can be. Their own "
            "is needed for more. Leave out --no-put-back and --fps, or join two clips at a time.",
            count=len(paths),
        )
    sized, target, found = [_sized(one, main) for one in given], target_of(wanted, whole=True), list[Ends]()
    for (film, source), (next_film, next_source) in pairwise(sized):
        before, after = fit_ends(source, next_source, target, keep=keep)
        assert before is not None
        target = target.like(before)
        found.append(Ends(before=before, after=after, films=(film, next_film), main=main))
    return found


def chain_of(links: Sequence[Ends], num_frames: int, fps: float) -> Chain:
    """Where the transitions of a chain of clips go; the model makes `num_frames` for each."""
    main = links[0].main
    assert main is not None
    films = [links[0].films[0], *(link.films[1] for link in links)]
    kept = tuple((_count(link.before), _count(link.after)) for link in links)
    clips = tuple(Copied(film=film, indices=_all_of(film, fps)) for film in films if film is not None)
    return Chain(film=main, clips=clips, length=num_frames, kept=kept)


def _count(end: Fitted | None) -> int:
    return 0 if end is None else end.plan.num_frames


def _all_of(film: Footage, fps: float) -> tuple[int, ...]:
    """All frames of a film, at a rate; a picture is one."""
    if film.count == 1 or abs(fps / film.fps - 1) < SAME_RATE:
        return tuple(range(film.count))
    return resampled(film.times, 0, film.count, fps)


def _sized(given: Given | None, main: Footage | None) -> tuple[Footage | None, Source | None]:
    """What came, at the size of the clip that decides."""
    if given is None:
        return None, None
    film = given.film
    if main is None or (film.height, film.width, film.aspect) == (main.height, main.width, main.aspect):
        return film, given.source
    film = Scaled(film, main)
    notes = (*given.source.notes, *film.notes[len(given.film.notes) :])
    return film, replace(given.source, frames=Cut(film, 0, None), aspect=float(film.aspect), notes=notes)


def _copied(film: Footage | None, end: Fitted | None, *, at_end: bool, only: bool) -> Copied | None:
    if film is None or end is None:
        return None
    shown = tuple(end.begin + index for index in end.plan.indices)
    rest = () if end.rest is None or only else end.rest.indices
    return Copied(film=film, indices=(*rest, *shown) if at_end else (*shown, *rest))
