"""Films of one size as one film, each after the other; and frames that are a tensor or a film."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from .footage import Footage

Frames: TypeAlias = Tensor | Footage
"""Frames `(1, 3, T, H, W)` in −1..1; or a film, which is decoded as far as it is used, for clips of any length."""


class Joined(Footage):
    """Films one after the other.

    Args:
        films: At least one, all of one size and kind.
        fps: Frames per second of the whole.
    """

    def __init__(self, films: Sequence[Footage], fps: float) -> None:
        first, self._films = films[0], tuple(films)
        self.path, self.fps, self.height, self.width = first.path, fps, first.height, first.width
        self.colour, self.bits, self.aspect = first.colour, first.bits, first.aspect
        starts = torch.arange(sum(film.count for film in films) + 1, dtype=torch.float64) / fps
        self.times = torch.stack([starts[:-1], starts[1:]], dim=1)

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        begin = 0
        for film in self._films:
            here = [index - begin for index in indices if begin <= index < begin + film.count]
            if here:
                yield from film.pictures(here, deep=deep)
            begin += film.count


def shape_of(frames: Frames) -> tuple[int, int, int]:
    """`(T, H, W)`."""
    if isinstance(frames, Footage):
        return frames.count, frames.height, frames.width
    return frames.shape[2], frames.shape[3], frames.shape[4]


def taken(frames: Frames, begin: int, end: int) -> Tensor:
    """`(1, 3, n, H, W)` in −1..1: the frames `begin` up to `end`, as exact as they are.

    Raises:
        InputError: of a film one is not there, or cannot be decoded.
    """
    if not isinstance(frames, Footage):
        return frames[:, :, begin:end]
    if begin >= end:
        return torch.empty(1, 3, 0, frames.height, frames.width)
    return torch.cat([chunk.frames for chunk in frames.chunks(begin, end, deep=True)], dim=2)
