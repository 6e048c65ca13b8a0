"""Pieces of a frame: together they are the frame, and cells of another size hold the same place."""

from __future__ import annotations

import pytest
import torch

from vace_core.geometry import Box
from vace_core.models.tiling import crop, doubled, halved, tiles


def test_cells_of_half_the_size_hold_a_box_and_of_twice_the_size_are_it():
    assert halved(Box(3, 4, 7, 8)) == Box(1, 2, 4, 4)
    assert halved(Box(2, 5, 8, 9)) == Box(1, 2, 4, 5)
    assert doubled(Box(1, 2, 3, 5)) == Box(2, 4, 6, 10)


def test_a_part_is_cut_out_of_what_is_covered():
    x = torch.arange(2 * 5 * 7).view(1, 2, 5, 7)
    assert torch.equal(crop(x, Box(10, 20, 17, 25), Box(12, 21, 15, 24)), x[..., 1:4, 2:5])


@pytest.mark.parametrize(
    ("tile", "boxes"),
    [
        (None, [(8, 16, 56, 48)]),
        (64, [(8, 16, 56, 48)]),
        (32, [(8, 16, 40, 48), (40, 16, 56, 48)]),
        (31, [(8, 16, 24, 32), (24, 16, 40, 32), (40, 16, 56, 32), (8, 32, 24, 48), (24, 32, 40, 48),
              (40, 32, 56, 48)]),
        (1, [(8, 16, 24, 32), (24, 16, 40, 32), (40, 16, 56, 32), (8, 32, 24, 48), (24, 32, 40, 48),
             (40, 32, 56, 48)]),
    ],
)  # fmt: skip
def test_tiles_are_whole_steps_row_by_row(tile, boxes):
    assert list(tiles(Box(8, 16, 56, 48), tile, 16)) == [Box(*box) for box in boxes]
