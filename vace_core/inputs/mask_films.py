"""Masks of a clip: held as a whole, or a film that is read frame by frame where they are too long for that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from ..media.footage import CHUNK_BYTES, Footage
from ..media.pictures import brightness


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskFilm:
    """The masks of a long clip, of its size.

    Attributes:
        film: A film without transparency, whose brightness is the mask.
        begin: Its frame that is the first of the clip.
        count: Frames of the clip.
    """

    film: Footage
    begin: int
    count: int

    def __len__(self) -> int:
        return self.count

    def levels(self, indices: Sequence[int]) -> Tensor:
        """`(n, H, W)` uint8 of these frames, in rising order: above 127 = generate.

        Raises:
            InputError: one cannot be decoded.
        """
        chunks = self.film.chunks(indices=[self.begin + index for index in indices])
        return torch.stack([brightness(picture) for chunk in chunks for picture in chunk.frames])

    def beginning(self) -> Iterator[Tensor]:
        """The masks `(H, W)` uint8 up to the chunk in which something is generated first; all where nothing is.

        Raises:
            InputError: one cannot be decoded.
        """
        for chunk in self.film.chunks(self.begin, self.begin + self.count):
            masks = [brightness(picture) for picture in chunk.frames]
            yield from masks
            if any(int(mask.max()) > 127 for mask in masks):
                return


Masks: TypeAlias = Tensor | MaskFilm
"""Masks `(T, H, W)` of a clip, uint8, above 127 = generate; a tensor of one frame counts for all."""


def is_long(film: Footage) -> bool:
    """Whether the masks of a film are better read as they are used: all of them take more than a chunk of frames."""
    return not film.alpha and film.count * film.height * film.width > CHUNK_BYTES


def masks_at(masks: Masks, indices: Sequence[int]) -> Tensor:
    """`(n, H, W)` uint8: the masks of these frames, in rising order; `(1, H, W)` where one counts for all."""
    if isinstance(masks, MaskFilm):
        return masks.levels(indices)
    return masks if len(masks) == 1 else masks[list(indices)]
