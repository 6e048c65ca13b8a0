"""Levels of ten bits and more go to RGB and back by the definition of their matrix, at any size."""

from __future__ import annotations

import struct
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from vace_core.media.colour import Colour
from vace_core.media.planes import (
    bits_of,
    frame_bytes,
    frame_numbers,
    frame_of_planes,
    has_alpha,
    numbers_to_planes,
    stored_planes,
    turn_of,
    upright,
)

STILL = (False, False, False)
LAYOUTS = {"yuv420p10le": (2, 2), "yuv422p10le": (1, 2), "yuv440p10le": (2, 1), "yuv444p10le": (1, 1),
           "yuv420p12le": (2, 2), "gbrp10le": (1, 1), "gbrp16le": (1, 1)}  # fmt: skip


def bits(name: str) -> int:
    return int(name.partition("p")[2].removesuffix("le"))


def slope(height: int, width: int) -> Tensor:
    """Colours that change evenly to the right and down."""
    y, x = torch.linspace(0, 1, height)[:, None], torch.linspace(0, 1, width)
    return torch.stack([0.2 + 0.3 * x + 0.2 * y, 0.4 + 0.1 * x - 0.2 * y, 0.6 - 0.3 * x + 0.2 * y], dim=2)


@pytest.mark.parametrize("size", [(16, 24), (15, 23), (2, 2)])
@pytest.mark.parametrize("name", LAYOUTS)
def test_planes_are_as_large_as_their_layout_says(name: str, size: tuple[int, int]):
    planes = numbers_to_planes(slope(*size), Colour(), bits(name), name)
    down, across = LAYOUTS[name]
    small = (-(-size[0] // down), -(-size[1] // across))
    assert [plane.shape for plane in planes] == [size, small, small]
    assert all(plane.dtype == np.uint16 for plane in planes)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("size", [(16, 24), (15, 23)])
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_slope_of_colours_comes_back(name: str, size: tuple[int, int], matrix: int, full: bool):
    """Chroma of fewer samples lies where it is meant to, or edges would bleed to one side."""
    colour, picture = Colour(matrix=matrix, full=full), slope(*size)
    frame = frame_of_planes(numbers_to_planes(picture, colour, bits(name), name), name)
    assert (bits_of(frame.format), has_alpha(frame.format)) == (bits(name), False)
    error = (frame_numbers(frame, colour, STILL) - picture).abs()[1:-2, 1:-2] * 1023
    assert error.max() < (5 if LAYOUTS[name] != (1, 1) else 2)
    levels = frame_bytes(frame, colour, STILL)
    assert (levels[2:-2, 2:-2].float() - 255 * picture[2:-2, 2:-2]).abs().max() < 1.3


@pytest.mark.parametrize("name", LAYOUTS)
def test_one_colour_is_one_colour_up_to_the_edge(name: str):
    picture = torch.tensor([0.7, 0.2, 0.4]).expand(7, 9, 3)
    frame = frame_of_planes(numbers_to_planes(picture, Colour(), bits(name), name), name)
    assert ((frame_numbers(frame, Colour(), STILL) - picture) * 1023).abs().max() < 2


@pytest.mark.parametrize(("full", "black", "white", "gray"), [(False, 64, 940, 512), (True, 0, 1023, 512)])
def test_black_and_white_are_the_levels_of_the_standard(full: bool, black: int, white: int, gray: int):
    for shade, level in ((0.0, black), (1.0, white), (-0.5, black), (1.5, white)):
        planes = numbers_to_planes(torch.full((2, 2, 3), shade), Colour(full=full), 10, "yuv444p10le")
        assert [int(plane[0, 0]) for plane in planes] == [level, gray, gray]


@pytest.mark.parametrize("full", [False, True])
def test_gray_of_ten_bits_is_gray(full: bool):
    levels = np.full((4, 6), 0 if full else 64, np.uint16)
    levels[:, 3:] = 1023 if full else 940
    numbers = frame_numbers(frame_of_planes([levels], "gray10le"), Colour(full=full), STILL)
    assert numbers[:, 0].abs().max() < 1e-6
    assert (numbers[:, 5] - 1).abs().max() < 1e-6


def test_alpha_of_ten_bits_is_kept():
    planes = [np.full((4, 6), level, np.uint16) for level in (200, 300, 400, 1023)]
    planes[3][:, 3:] = 341
    frame = frame_of_planes(planes, "gbrap10le")
    assert has_alpha(frame.format)
    numbers = frame_numbers(frame, Colour(), STILL)
    assert (numbers[0, 0] * 1023).round().tolist() == [400, 200, 300, 1023]
    assert (numbers[0, 5] * 3)[3] == pytest.approx(1)
    assert frame_bytes(frame, Colour(), STILL)[0, 5].tolist() == [100, 50, 75, 85]


@pytest.mark.parametrize("name", ["nv12", "nv21", "p010le", "yuv420p10be", "yuyv422", "yuvj420p", "rgb24", "rgb48be"])
def test_levels_of_every_layout_are_found_as_they_are_stored(name: str):
    kind = {"nv12": "yuv420p", "nv21": "yuv420p", "p010le": "yuv420p10le", "yuv420p10be": "yuv420p10le",
            "yuyv422": "yuv422p", "yuvj420p": "yuvj420p", "rgb24": "gbrp", "rgb48be": "gbrp16le"}[name]  # fmt: skip
    most = 1 << (8 if kind in ("yuv420p", "yuv422p", "yuvj420p", "gbrp") else bits(kind))
    across, down = (2, 2) if "420" in kind else (2, 1) if "422" in kind else (1, 1)
    sizes = [(16, 32)] + 2 * [(16 // down, 32 // across)]
    pick = np.random.default_rng(0)
    planes = [pick.integers(0, most, size).astype(np.uint8 if most == 256 else np.uint16) for size in sizes]
    frame = frame_of_planes(planes, kind)
    found, said = stored_planes(frame if name == kind else frame.reformat(format=name))
    assert said == kind.replace("yuvj", "yuv")
    assert all(np.array_equal(one, other) for one, other in zip(found, planes, strict=True))


@pytest.mark.parametrize(
    ("turn", "wanted"),
    [
        (STILL, [[1, 2, 3], [4, 5, 6]]),
        ((False, True, False), [[4, 5, 6], [1, 2, 3]]),
        ((False, False, True), [[3, 2, 1], [6, 5, 4]]),
        ((True, False, False), [[1, 4], [2, 5], [3, 6]]),
        ((True, True, False), [[3, 6], [2, 5], [1, 4]]),
    ],
)
def test_rows_and_columns_change_places_first(turn: tuple[bool, bool, bool], wanted: list[list[int]]):
    assert upright(torch.tensor([[1, 2, 3], [4, 5, 6]]), turn).tolist() == wanted


STANDARDS = {  # weights of red and blue, of FCC, BT.470, SMPTE 170M, SMPTE 240M, BT.709 and BT.2020
    4: (0.30, 0.11), 5: (0.299, 0.114), 6: (0.299, 0.114), 7: (0.212, 0.087), 1: (0.2126, 0.0722), 9: (0.2627, 0.0593)
}  # fmt: skip


@pytest.mark.parametrize("matrix", STANDARDS)
def test_luma_is_that_of_its_standard(matrix: int):
    red, blue = STANDARDS[matrix]
    colours = torch.eye(3)[None].expand(2, 3, 3)  # red, green and blue
    luma = numbers_to_planes(colours, Colour(matrix=matrix, full=True), 16, "yuv444p16le")[0]
    wanted = [65535 * part for part in (red, 1 - red - blue, blue)]
    assert luma[0].tolist() == pytest.approx(wanted, abs=0.6)


@pytest.mark.parametrize(("full", "low", "high"), [(False, 64, 960), (True, 0, 1023)])
@pytest.mark.parametrize("matrix", [1, 5, 9])
def test_pure_colours_fill_the_levels_of_chroma_and_come_back(matrix: int, full: bool, low: int, high: int):
    colours = torch.tensor([(1, 0, 0), (0, 1, 1), (0, 0, 1), (1, 1, 0), (0, 1, 0), (1, 0, 1)]).float()[None]
    colour = Colour(matrix=matrix, full=full)
    planes = numbers_to_planes(colours.expand(2, 6, 3), colour, 10, "yuv444p10le")
    assert planes[2][0, :2].tolist() == pytest.approx([high, low], abs=1)
    assert planes[1][0, 2:4].tolist() == pytest.approx([high, low], abs=1)
    assert max(plane.max() for plane in planes) <= 1023
    found = frame_numbers(frame_of_planes(planes, "yuv444p10le"), colour, STILL)
    assert ((found - colours) * 1023).abs().max() < 1.6


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [10, 12])
def test_neutral_chroma_is_gray_and_levels_beyond_white_and_black_saturate(full: bool, bits: int):
    middle, most = 1 << (bits - 1), (1 << bits) - 1
    for luma in (0, middle, most):
        planes = [np.full((2, 2), level, np.uint16) for level in (luma, middle, middle)]
        pixel = frame_numbers(frame_of_planes(planes, f"yuv444p{bits}le"), Colour(full=full), STILL)[0, 0]
        assert float(pixel.amax() - pixel.amin()) < 1e-6
        wanted = luma / most if full else (luma * 256 / (1 << bits) - 16) / 219
        assert float(pixel[1]) == pytest.approx(min(max(wanted, 0), 1), abs=1e-6)


@pytest.mark.parametrize("name", ["gbrp10le", "gbrp16le", "gbrp9le"])
def test_rgb_saturates_and_has_its_own_depth(name: str):
    shades = torch.tensor([-0.5, 0.0, 0.3, 1.0, 1.5])[None, :, None].expand(2, 5, 3) * torch.tensor([1.0, 0.9, 0.8])
    most = (1 << bits(name)) - 1
    planes = numbers_to_planes(shades, Colour(), bits(name), name)
    assert planes[2][0].tolist() == [0, 0, round(0.3 * most), most, most]
    frame = frame_of_planes(planes, name)
    assert stored_planes(frame)[1] == name
    assert ((frame_numbers(frame, Colour(), STILL) - shades.clamp(0, 1)) * most).abs().max() < 0.51


@pytest.mark.parametrize(("column", "shares"), [(4, [0, 0, 0.5, 0, 0]), (5, [0, 0, 0.25, 0.25, 0])])
@pytest.mark.parametrize("layout", ["yuv420p10le", "yuv422p10le"])
def test_chroma_lies_beside_every_second_column(layout: str, column: int, shares: list[float]):
    """A blue column on gray, in shares of what it is where every column has its own chroma."""
    picture = torch.full((4, 10, 3), 0.5)
    picture[:, column] = torch.tensor([0.5, 0.5, 0.9])
    full = numbers_to_planes(picture, Colour(), 10, "yuv444p10le")[1][0, column] - 512.0
    found = numbers_to_planes(picture, Colour(), 10, layout)[1][0] - 512.0
    assert (found / full).tolist() == pytest.approx(shares, abs=0.01)


@pytest.mark.parametrize(("row", "shares"), [(2, [0, 0.5]), (3, [0, 0.5]), (0, [0.5, 0])])
@pytest.mark.parametrize("layout", ["yuv420p10le", "yuv440p10le"])
def test_chroma_lies_between_two_rows(layout: str, row: int, shares: list[float]):
    picture = torch.full((4, 10, 3), 0.5)
    picture[row] = torch.tensor([0.5, 0.5, 0.9])
    full = numbers_to_planes(picture, Colour(), 10, "yuv444p10le")[1][row, 4] - 512.0
    found = numbers_to_planes(picture, Colour(), 10, layout)[1][:, 2] - 512.0
    assert (found / full).tolist() == pytest.approx(shares, abs=0.01)


@pytest.mark.parametrize("name", ["gray", "gray10le"])
def test_gray_is_one_plane(name: str):
    level = np.full((4, 6), 99, np.uint8 if name == "gray" else np.uint16)
    planes, said = stored_planes(frame_of_planes([level], name))
    assert (len(planes), said, planes[0].tolist()) == (1, name, level.tolist())


MARKS = [((1, 0, 0, 1), STILL), ((-1, 0, 0, 1), (False, False, True)), ((1, 0, 0, -1), (False, True, False)),
         ((0, 1, -1, 0), (True, False, True)), ((0, 1, 1, 0), (True, False, False)),
         ((0, -1, 1, 0), (True, True, False)),
         ((1, 1, 0, 1), None), ((1, 0, 1, 1), None), ((0, 1, 1, 1), None), ((1, 0, 0, 0), None), ((0, 1, 0, 0), None),
         ((0, 0, 1, 0), None), ((0, 0, 0, 1), None), ((0, 0, 0, 0), None)]  # fmt: skip


@pytest.mark.parametrize("unit", [1 << 16, 1])
@pytest.mark.parametrize(("matrix", "turn"), MARKS)
def test_only_quarter_turns_and_mirrors_are_applied(matrix: tuple[int, int, int, int], turn, unit: int):
    a, b, c, d = (part * unit for part in matrix)
    notes: dict[str, None] = {}
    frame = SimpleNamespace(side_data={"DISPLAYMATRIX": struct.pack("=9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)})
    assert turn_of(frame, notes) == (turn or STILL)
    (said,) = notes or {"": None}
    assert ("ignored" in said, "upright" in said) == (turn is None, turn not in (None, STILL))
