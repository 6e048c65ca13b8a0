"""What was made around a film, in frames of its own size and a border: the film itself is copied."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from ..geometry import Box
from ..media.bordered import chroma_step, write_bordered
from ..media.footage import FRAME_PIXEL, Footage, frames_in_chunk
from ..media.joined import Frames, taken
from ..media.video import from_uint8, to_uint8
from .blending import BlendMode
from .put_back import blended
from .resizing import resize_parts

Sides = tuple[int, int, int, int]
"""Pixels on the left, the right, the top and the bottom."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Border:
    """A part of a film, and what is added around it.

    Attributes:
        film: The original.
        begin: Its frame that the part begins at.
        count: Frames of the part.
        sides: What is added, in pixels of the film.
        seen: Where the film's frames are in what the model makes, in pixels of that.
        more: Frames that the model makes after them, in which there is nothing of the film.
    """

    film: Footage
    begin: int
    count: int
    sides: Sides
    seen: Box
    more: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)` of what is written."""
        left, right, top, bottom = self.sides
        return self.count + self.more, self.film.height + top + bottom, self.film.width + left + right

    @property
    def said(self) -> str:
        """What is written, in a few words."""
        left, right, top, bottom = self.sides
        return f"the original with {left} px left, {right} right, {top} on top and {bottom} below it"

    def finished(self, made: Frames, *, feather: int = 0, blend_mode: BlendMode = "feather") -> Iterator[Tensor]:
        """Chunks of all frames, as `put_back.Original` says.

        Args:
            made: `(1, 3, T, h, w)` in −1..1, or a film: what the model made.
            feather: Pixels over which the film's edge is carried on into the border.
            blend_mode: As `put_back.put_back`.

        Raises:
            InputError: the film cannot be read.
        """
        deep = self.film.bits > 8
        for frames in self._frames(made, feather, blend_mode):
            yield frames if deep else to_uint8(frames)

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
        """Writes all of it, as `media.bordered.write_bordered`.

        Raises:
            InputError: the film cannot be read, or the path cannot be written.
        """
        _, height, width = self.shape
        write_bordered(
            path,
            self.film,
            self._frames(made, feather, blend_mode),
            size=(height, width),
            place=(self.sides[2], self.sides[0]),
            begin=self.begin,
            last=self.begin + self.count,
            more=self.more,
            lossless=lossless,
            sound=sound,
        )

    def _frames(self, made: Frames, feather: int, blend_mode: BlendMode) -> Iterator[Tensor]:
        """`(1, 3, n, H, W)`, with the film's own pixels."""
        total, height, width = self.shape
        left, _, top, _ = self.sides
        film, inside = self.film, (slice(top, top + self.film.height), slice(left, left + self.film.width))
        size = frames_in_chunk(height * width * FRAME_PIXEL)
        where = torch.ones(1, height, width, dtype=torch.bool)
        where[0, inside[0], inside[1]] = False
        around = (left, width - left - film.width, top, height - top - film.height)
        source = film.chunks(self.begin, self.begin + self.count, size=size, deep=film.bits > 8)
        for begin in range(0, self.count, size):
            came = next(source).frames
            kept = functional.pad((came if film.bits > 8 else from_uint8(came))[0], (*around, 0, 0), "replicate")[None]
            frames = self._scaled(taken(made, begin, begin + kept.shape[2]))
            masks = where.expand(kept.shape[2], -1, -1)
            frames = blended(frames, kept, masks, feather=feather, blend_mode=blend_mode)
            yield torch.where(where, frames, kept)
        for begin in range(self.count, total, size):
            yield self._scaled(taken(made, begin, min(begin + size, total)))

    def _scaled(self, made: Tensor) -> Tensor:
        """Frames `(1, 3, n, h, w)` in the size of what is written, where the film fits into them."""
        _, height, width = self.shape
        left, right, top, bottom = self.sides
        rows, columns = self.seen.height / self.film.height, self.seen.width / self.film.width
        box = (
            self.seen.left - left * columns,
            self.seen.top - top * rows,
            self.seen.right + right * columns,
            self.seen.bottom + bottom * rows,
        )
        # The canvas of the model is cut to whole pixels, and may be a fraction of one short.
        short = [
            max(0, math.ceil(by - 1e-6))
            for by in (-box[0], box[2] - made.shape[4], -box[1], box[3] - made.shape[3])
        ]  # fmt: skip
        if any(short):
            made = functional.pad(made[0], (*short, 0, 0), "replicate")[None]
            box = (box[0] + short[0], box[1] + short[2], box[2] + short[0], box[3] + short[2])
        box = (max(box[0], 0.0), max(box[1], 0.0), min(box[2], float(made.shape[4])), min(box[3], float(made.shape[3])))
        return resize_parts(made, box, (height, width))


def sides_of(film: Footage, left: float, right: float, top: float, bottom: float) -> Sides:
    """Pixels added to a film: ratios of its sides, brought to what its chroma samples stand for, 2 for 4:2:0.

    Where something is added after its last pixel, the whole is brought to such a number too.
    """
    rows, columns = chroma_step(film)
    across = _margins(film.width, left, right, columns)
    down = _margins(film.height, top, bottom, rows)
    return (*across, *down)


def _margins(side: int, before: float, after: float, step: int) -> tuple[int, int]:
    first = max(round(before * side / step), int(before > 0)) * step
    if not after:
        return first, 0
    return first, max(round((side + after * side) / step), side // step + 1) * step - side
