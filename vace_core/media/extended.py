"""A film with frames before or after it, or between two: what came as it is stored, and what was made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..errors import ShapeError
from .footage import Footage
from .reader import VideoReader
from .stored import Planes, opaque_planes, pictures_of, source_planes, stored_format, write_planes
from .write import CRF, check_video_target


@dataclass(frozen=True, kw_only=True, eq=False)
class Copied:
    """Frames of a film that are copied.

    Attributes:
        film: The film, of the size of all.
        indices: Which, in rising order; repeats are allowed.
    """

    film: Footage
    indices: Sequence[int]

    @property
    def whole(self) -> bool:
        """Whether they follow each other without a gap."""
        return tuple(self.indices) == tuple(range(self.indices[0], self.indices[-1] + 1))

    def times(self, fps: float) -> Tensor:
        """`(T, 2)` seconds from 0 on: as in the film where all of a stretch are taken, otherwise of a rate."""
        if self.film.count == 1 or not self.whole:  # a picture has no rate of its own
            return even_times(len(self.indices), fps)
        times = self.film.times[self.indices[0] : self.indices[-1] + 1]
        return times - times[0, 0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """Frames that were made.

    Attributes:
        chunks: `(1, 3, n, H, W)` in -1..1, of the size of the film.
        count: Frames.
    """

    chunks: Iterator[Tensor]
    count: int

    def times(self, fps: float) -> Tensor:
        """`(T, 2)` seconds from 0 on."""
        return even_times(self.count, fps)


Piece = Copied | Made


def write_extended(
    path: str | Path,
    source: Footage,
    pieces: Sequence[Piece],
    *,
    crf: int = CRF,
    lossless: bool = False,
    sound: bool = True,
) -> None:
    """Writes the pieces one after the other, in the size, rate, bit depth and pixel shape of a film.

    The levels that this film stores go to the encoder as they are, and so do those of another film of the same format
    and colours; anything else is converted.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`.
        source: The film that decides.
        pieces: What is written, in order.
        crf: As `write_video`.
        lossless: FFV1 in the format that the film has.
        sound: Whether the sound of `source` is written, where its first frame is.

    Raises:
        InputError: a film cannot be read, the path cannot be written, or a frame holds NaN or infinity.
        ShapeError: a piece has another size than the film.
    """
    times, start = times_of(source, pieces)
    check_video_target(Path(path), lossless=lossless, pixels=len(times) * source.height * source.width)
    write_planes(
        Path(path),
        source,
        (planes for piece in pieces for planes in _planes(piece, source)),
        size=(source.height, source.width),
        times=times,
        crf=crf,
        lossless=lossless,
        sound=sound and start is not None,
        sound_start=start or 0.0,
    )


def times_of(source: Footage, pieces: Sequence[Piece]) -> tuple[Tensor, float | None]:
    """`(T, 2)` seconds of all frames, and the second of the sound of `source` that the first of them has.

    The latter is below 0 where the source begins later, and None where it is none of the pieces.
    """
    found: list[Tensor] = []
    at, start = 0.0, None
    for piece in pieces:
        times = piece.times(source.fps)
        if isinstance(piece, Copied) and piece.film is source:
            start = float(source.times[piece.indices[0], 0]) - at
        found.append(times + at)
        at += float(times[-1, 1])
    return torch.cat(found), start


def even_times(count: int, fps: float) -> Tensor:
    """`(T, 2)` seconds from 0 on, of a constant rate."""
    edges = torch.arange(count + 1, dtype=torch.float64) / fps
    return torch.stack([edges[:-1], edges[1:]], dim=1)


def _planes(piece: Piece, source: Footage) -> Iterator[Planes]:
    if isinstance(piece, Copied) and piece.whole and _stored_alike(piece.film, source):
        yield from source_planes(piece.film, piece.indices[0], piece.indices[-1] + 1)
        return
    name = stored_format(source)
    for frames in _pictures(piece, source):
        size = tuple(frames.shape[3:] if frames.ndim == 5 else frames.shape[1:3])
        if size != (source.height, source.width):
            raise ShapeError(
                "pieces-size",
                "Frames of {size}, as (H, W), are to be written with those of {path}, which are {source}. All of one "
                "size are needed. Scale them.",
                size=size,
                path=source.path,
                source=(source.height, source.width),
            )
        for picture in pictures_of(frames, source):
            yield opaque_planes(picture, name, source)


def _pictures(piece: Piece, source: Footage) -> Iterator[Tensor]:
    if isinstance(piece, Made):
        return piece.chunks
    return (chunk.frames for chunk in piece.film.chunks(indices=piece.indices, deep=source.bits > 8))


def _stored_alike(film: Footage, source: Footage) -> bool:
    if film is source:
        return True
    if not isinstance(film, VideoReader) or not isinstance(source, VideoReader) or film.colour != source.colour:
        return False
    return film.tone_mapped == source.tone_mapped and stored_format(film) == stored_format(source)
