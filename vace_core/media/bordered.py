"""A film inside a larger frame: what came as it is stored, and a border that was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from .extended import even_times
from .footage import Footage
from .stored import Planes, opaque_planes, pictures_of, source_planes, stored_format, write_planes
from .write import CRF, check_video_target


def write_bordered(
    path: str | Path,
    source: Footage,
    frames: Iterable[Tensor],
    *,
    size: tuple[int, int],
    place: tuple[int, int],
    begin: int = 0,
    last: int | None = None,
    more: int = 0,
    crf: int = CRF,
    lossless: bool = False,
    sound: bool = True,
) -> None:
    """Writes a part of a film inside larger frames, at its rate, bit depth and pixel shape, with its own sound.

    The levels that the film stores go to the encoder as they are.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`.
        source: The film.
        frames: The larger frames, `(1, 3, n, H, W)` in -1..1 or `(n, H, W, 3)` uint8, in chunks.
        size: `(H, W)` of them.
        place: The row and the column of the film's first pixel, each a multiple of what a chroma sample stands for.
        begin: The first frame of the film that is written.
        last: The frame after the last; None = to the end.
        more: Frames after these in which there is nothing of the film.
        crf: As `write_video`.
        lossless: FFV1 in the format that the film has.
        sound: Whether its sound is written, cut to the frames.

    Raises:
        InputError: the film cannot be read, the path cannot be written, or a frame holds NaN or infinity.
    """
    begin, last = source.checked(begin, last)
    times = source.times[begin:last]
    count = len(times) + more
    check_video_target(Path(path), lossless=lossless, pixels=count * size[0] * size[1])
    write_planes(
        Path(path),
        source,
        _bordered(source, frames, place, begin, last),
        size=size,
        times=even_times(count, source.fps) if more else times,
        crf=crf,
        lossless=lossless,
        sound=sound,
        sound_start=float(times[0, 0]),
    )


def chroma_step(source: Footage) -> tuple[int, int]:
    """The rows and columns that a chroma sample of a film stands for, at least 2, which players like."""
    planes = next(source_planes(source, 0, 1))
    height, width = planes[0].shape
    return max(2, *(-(-height // len(plane)) for plane in planes)), max(
        2, *(-(-width // plane.shape[1]) for plane in planes)
    )


def _bordered(
    source: Footage, frames: Iterable[Tensor], place: tuple[int, int], begin: int, last: int
) -> Iterator[Planes]:
    name = stored_format(source)
    inside = source_planes(source, begin, last)
    for chunk in frames:
        for picture in pictures_of(chunk, source):
            planes = [plane.copy() for plane in opaque_planes(picture, name, source)]
            for plane, stored in zip(planes, next(inside, ()), strict=False):
                top = place[0] // _per(picture, plane, 0)
                left = place[1] // _per(picture, plane, 1)
                plane[top : top + stored.shape[0], left : left + stored.shape[1]] = stored
            yield planes


def _per(picture: Tensor, plane: Any, axis: int) -> int:
    """Pixels of one axis that a sample of a plane stands for."""
    return -(-picture.shape[axis] // plane.shape[axis])
