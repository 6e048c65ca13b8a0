"""A film at the size of another one, scaled to cover it and cropped to its centre."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from .footage import Footage


class Scaled(Footage):
    """A film as it looks in the frames of another.

    Args:
        film: What is scaled.
        like: The film that decides size and pixel shape.
    """

    def __init__(self, film: Footage, like: Footage) -> None:
        self._film = film
        self.path, self.fps, self.times, self.colour = film.path, film.fps, film.times, film.colour
        self.height, self.width, self.aspect = like.height, like.width, like.aspect
        self.bits, self.alpha, self.sound = film.bits, film.alpha, film.sound
        shown, wanted = film.width * float(film.aspect), like.width * float(like.aspect)
        factor = max(wanted / shown, like.height / film.height)
        width = round(shown * factor / float(like.aspect))
        self._size = max(round(film.height * factor), like.height), max(width, like.width)
        self.notes = (*film.notes, self._said())

    def _said(self) -> str:
        lost = {"height": 1 - self.height / self._size[0], "width": 1 - self.width / self._size[1]}
        parts = [f"{part:.0%} of its {side}" for side, part in lost.items() if part >= 0.005]
        cropped = f", and {' and '.join(parts)} is cropped" if parts else ""
        came, needed = (f"{one.width} x {one.height}" for one in (self._film, self))
        return f"It is scaled from {came} to the {needed} pixels of the other clip{cropped}."

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        top, left = (self._size[0] - self.height) // 2, (self._size[1] - self.width) // 2
        for picture in self._film.pictures(indices, deep=deep):
            one = picture.permute(2, 0, 1)[None].float()
            scaled = functional.interpolate(one, size=self._size, mode="bicubic", antialias=True)
            part = scaled[0, :, top : top + self.height, left : left + self.width].permute(1, 2, 0)
            yield part.clamp(0, 1).contiguous() if deep else part.round().clamp(0, 255).to(torch.uint8).contiguous()
