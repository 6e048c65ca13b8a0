"""What every source of moving pictures can do: say what it is before it is decoded, and give its frames in chunks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from ..checks.room import check_room
from ..errors import InputError
from .colour import BT709, Colour

CHUNK_BYTES = 64 << 20
"""What the frames of one chunk may take, unless one alone takes more."""

_MOST = 16  # frames of a chunk
FRAME_PIXEL = 12  # bytes of a pixel of deep frames, three float32


def frames_in_chunk(frame_bytes: int) -> int:
    """How many frames of so many bytes are a chunk: as many as fit into `CHUNK_BYTES`, 1 to 16."""
    return max(1, min(_MOST, CHUNK_BYTES // frame_bytes))


class Chunk(NamedTuple):
    """Some frames that follow each other in what was asked for.

    Attributes:
        begin: The place of the first among those that were asked for.
        frames: `(n, H, W, 3)` uint8, or `(1, 3, n, H, W)` float32 in -1..1 where more than bytes were asked for.
        alpha: `(n, H, W)` of the same kind, 0 = transparent, 255 or 1 = opaque. None where the source has none.
    """

    begin: int
    frames: Tensor
    alpha: Tensor | None


class Footage(ABC):
    """A video, a folder of pictures or one picture, opened but not decoded.

    Attributes:
        path: What was opened.
        fps: Frames per second, the average where the rate varies.
        times: `(T, 2)` float64, start and end of each frame in seconds, the first at 0.
        height: Pixels, upright.
        width: Pixels, upright.
        colour: What its levels mean.
        bits: Bits of one channel.
        aspect: Width of a pixel over its height.
        alpha: Whether it can be transparent.
        sound: Whether it has sound.
        timecode: Of its first frame, as it states it.
        chroma: Where its samples of chroma lie, as `planes.chroma_place`.
        notes: What was found, one sentence each.
    """

    path: Path
    fps: float
    times: Tensor
    height: int
    width: int
    colour: Colour = BT709
    bits: int = 8
    aspect: Fraction = Fraction(1)
    alpha: bool = False
    sound: bool = False
    timecode: str | None = None
    chroma: str = ""
    notes: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Frames."""
        return len(self.times)

    @property
    def seconds(self) -> float:
        """How long it is."""
        return float(self.times[-1, 1])

    @abstractmethod
    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        """The frames at `indices` one by one, upright: `(H, W, 3)` or, with alpha, `(H, W, 4)`.

        Args:
            indices: In rising order; one may come several times.
            deep: float32 in 0..1, as exact as it is stored, and not uint8.

        Raises:
            InputError: a frame is not there, or cannot be decoded.
        """

    def chunks(
        self,
        begin: int = 0,
        end: int | None = None,
        *,
        indices: Sequence[int] | None = None,
        size: int | None = None,
        deep: bool = False,
    ) -> Iterator[Chunk]:
        """Frames in chunks, each decoded when it is asked for and none twice.

        Args:
            begin: The first frame.
            end: The frame after the last; None = to the end.
            indices: Which frames, in rising order, instead of `begin` and `end`.
            size: Frames of a chunk; None = as many as fit into `CHUNK_BYTES`, at most 16.
            deep: Numbers as exact as they are stored, and not bytes.

        Raises:
            InputError: a frame is not there, cannot be decoded, or a chunk does not fit into memory.
        """
        wanted = range(*self.checked(begin, end)) if indices is None else indices
        one = self.height * self.width * 4 * (4 if deep else 1)
        size = size or frames_in_chunk(one)
        check_room(2 * one * min(size, len(wanted)), f"A chunk of {self.path}", height=self.height, width=self.width)
        found: list[Tensor] = []
        place = 0
        for picture in self.pictures(wanted, deep=deep):
            found.append(picture)
            if len(found) == size:
                yield _chunk(place, found, deep)
                place, found = place + size, []
        if found:
            yield _chunk(place, found, deep)

    def frame(self, index: int) -> tuple[Tensor, Tensor | None]:
        """One frame as `(H, W, 3)` uint8, and its alpha `(H, W)` uint8, None where the source has none.

        Raises:
            InputError: it is not there, or cannot be decoded.
        """
        ((_, frames, alpha),) = self.chunks(index, index + 1)
        return frames[0], None if alpha is None else alpha[0]

    def checked(self, begin: int, end: int | None) -> tuple[int, int]:
        """A range of frames with its end.

        Raises:
            InputError: it is empty, or reaches beyond what is there.
        """
        last = self.count if end is None else end
        if not 0 <= begin < last <= self.count:
            raise InputError(
                "range-outside",
                "Frames {begin} up to {last} of {path} were asked for, and it has {count}. At least one frame from "
                "0 up to {count} is needed. Change the range.",
                begin=begin,
                last=last,
                path=self.path,
                count=self.count,
            )
        return begin, last


def _chunk(begin: int, pictures: list[Tensor], deep: bool) -> Chunk:
    height, width, channels = pictures[0].shape
    alpha = torch.stack([picture[..., 3] for picture in pictures]) if channels == 4 else None
    if deep:
        frames = torch.empty(1, 3, len(pictures), height, width)
        for index, picture in enumerate(pictures):
            frames[0, :, index] = picture[..., :3].permute(2, 0, 1)
        return Chunk(begin, frames.mul_(2).sub_(1), alpha)
    frames = torch.empty(len(pictures), height, width, 3, dtype=torch.uint8)
    for index, picture in enumerate(pictures):
        frames[index] = picture[..., :3]
    return Chunk(begin, frames, alpha)
