"""What was made before or after a film, or between films, at their own size: the films themselves are copied."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ..media.extended import Copied, Made, Piece, write_extended
from ..media.footage import FRAME_PIXEL, Footage, frames_in_chunk
from ..media.joined import Frames, shape_of, taken
from ..media.video import to_uint8
from .blending import BlendMode
from .resizing import resize_parts


@dataclass(frozen=True, kw_only=True, eq=False)
class Pieced(ABC):
    """New frames between frames of films that are copied.

    Attributes:
        film: The film that decides size, rate and format, and that the sound is of.
    """

    film: Footage

    @abstractmethod
    def pieces(self, made: Frames) -> list[Piece]:
        """What is written, in order."""

    def finished(self, made: Frames, *, feather: int = 0, blend_mode: BlendMode = "feather") -> Iterator[Tensor]:
        """Chunks of all frames, as `put_back.Original` says. The blends act inside a frame, and here is no edge.

        Raises:
            InputError: a film cannot be read.
        """
        deep = self.film.bits > 8
        for piece in self.pieces(made):
            if isinstance(piece, Made):
                yield from (frames if deep else to_uint8(frames) for frames in piece.chunks)
            else:
                yield from (chunk.frames for chunk in piece.film.chunks(indices=piece.indices, deep=deep))

    def write(
        self,
        path: Path,
        made: Frames,
        *,
        feather: int = 0,
        blend_mode: BlendMode = "feather",
        lossless: bool = False,
        sound: bool = True,
    ) -> None:
        """Writes all of it, as `media.extended.write_extended`.

        Raises:
            InputError: a film cannot be read, or the path cannot be written.
        """
        write_extended(path, self.film, self.pieces(made), lossless=lossless, sound=sound)

    def scaled(self, made: Frames, begin: int, end: int) -> Iterator[Tensor]:
        """Chunks of the frames `begin` up to `end` of what the model made, in the size of the film."""
        height, width = self.film.height, self.film.width
        size = frames_in_chunk(height * width * FRAME_PIXEL)
        _, *shown = shape_of(made)
        for first in range(begin, end, size):
            box = (0.0, 0.0, float(shown[1]), float(shown[0]))
            yield resize_parts(taken(made, first, min(first + size, end)), box, (height, width))


@dataclass(frozen=True, kw_only=True, eq=False)
class Extension(Pieced):
    """New frames, and the frames of films around them.

    Attributes:
        before: What is copied before the new frames; None = nothing.
        after: What is copied after them.
        kept: How many frames at the beginning and at the end of what the model makes are those of the films.
        new: How many lie between.
    """

    before: Copied | None
    after: Copied | None
    kept: tuple[int, int]
    new: int

    @property
    def around(self) -> tuple[int, int]:
        """Frames copied before and after the new ones."""
        before, after = (0 if one is None else len(one.indices) for one in (self.before, self.after))
        return before, after

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)` of what is written."""
        return sum(self.around) + self.new, self.film.height, self.film.width

    @property
    def said(self) -> str:
        """What is written, in a few words."""
        before, after = self.around
        parts = [
            f"{before} as they came" if before else "",
            f"{self.new} new",
            f"{after} as they came" if after else "",
        ]
        return ", ".join(part for part in parts if part)

    def pieces(self, made: Frames) -> list[Piece]:
        """What is written, in order.

        Args:
            made: `(1, 3, T, h, w)` in −1..1, or a film: what the model made, with the frames that are kept.
        """
        end = shape_of(made)[0] - self.kept[1]
        between = Made(chunks=self.scaled(made, self.kept[0], end), count=self.new)
        return [one for one in (self.before, between, self.after) if one is not None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Chain(Pieced):
    """Clips one after the other, and new frames between each two.

    Attributes:
        clips: What is copied of each, at least two.
        length: How many frames the model makes between two clips, those that are kept of them too.
        kept: How many of these are kept at their beginning and at their end, between each two clips.
    """

    clips: tuple[Copied, ...]
    length: int
    kept: tuple[tuple[int, int], ...]

    @property
    def new(self) -> tuple[int, ...]:
        """New frames between each two clips."""
        return tuple(self.length - sum(kept) for kept in self.kept)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)` of what is written."""
        count = sum(len(clip.indices) for clip in self.clips) + sum(self.new)
        return count, self.film.height, self.film.width

    @property
    def said(self) -> str:
        """What is written, in a few words."""
        between = " and ".join(map(str, sorted(set(self.new))))
        return f"{len(self.clips)} clips as they came, {between} new frames between each two"

    def pieces(self, made: Frames) -> list[Piece]:
        """What is written, in order; `made` has the frames between the first two clips first, and so on."""
        found: list[Piece] = [self.clips[0]]
        for number, (clip, (before, after)) in enumerate(zip(self.clips[1:], self.kept, strict=True)):
            begin, end = number * self.length + before, (number + 1) * self.length - after
            found += [Made(chunks=self.scaled(made, begin, end), count=end - begin), clip]
        return found
