"""The part of a film inside a box that may move, as a film of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from ..geometry import Box
from .footage import Footage


class Cropped(Footage):
    """A film cut to boxes.

    Args:
        film: The whole.
        boxes: One for each frame, or one for all; inside the frame and all of one size.
    """

    def __init__(self, film: Footage, boxes: Sequence[Box]) -> None:
        self._film, self._boxes = film, tuple(boxes)
        self.path, self.fps, self.times, self.colour = film.path, film.fps, film.times, film.colour
        self.height, self.width = self._boxes[0].height, self._boxes[0].width
        self.bits, self.aspect, self.alpha = film.bits, film.aspect, film.alpha
        self.sound, self.notes = film.sound, film.notes

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        for index, picture in zip(indices, self._film.pictures(indices, deep=deep), strict=True):
            box = self._boxes[index if len(self._boxes) > 1 else 0]
            yield picture[box.top : box.bottom, box.left : box.right]
