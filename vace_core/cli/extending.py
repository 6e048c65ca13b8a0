"""An extension: what the model gets of the clips around it, and where the result goes between them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ..errors import InputError
from ..inputs.extension import Extension
from ..inputs.fitted import Fitted, Source, fit_ends
from ..media.extended import Copied
from ..media.footage import Footage
from ..media.ranges import Cut, StillFrame
from ..media.scaled import Scaled
from .inputs import Given, puts_back, read_part, target_of
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
