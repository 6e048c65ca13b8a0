"""The arithmetic of sizes: frames and latent frames, pixels and tokens, boxes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refused import refused

from vace_core.errors import ShapeError
from vace_core.geometry import Box, Grid

WAN, LTX = Grid(frames=4, pixels=8, patch=2), Grid(frames=8, pixels=32, patch=1)
GRIDS = pytest.mark.parametrize("grid", [WAN, LTX])


def test_sizes_as_published():
    """Wan: 81 frames of 832 x 480 are 32,760 tokens. Source: Wan-Video/Wan2.1. LTX-Video: 97 frames of 768 x 512."""
    assert (WAN.step, LTX.step) == (16, 32)
    assert WAN.latent_size(81, 480, 832) == (21, 60, 104)
    assert WAN.tokens(81, 480, 832) == 32_760
    assert WAN.tokens(81, 480, 832, num_references=2) == 23 * 1560
    assert LTX.latent_size(97, 512, 768) == (13, 16, 24)
    assert LTX.tokens(97, 512, 768) == 13 * 16 * 24


@GRIDS
@given(num_frames=st.integers(1, 1000))
def test_the_nearest_lengths_hold_and_fit(grid, num_frames):
    below, above = grid.nearest_lengths(num_frames)
    assert below <= num_frames <= above
    assert above - below in (0, grid.frames)
    for length in (below, above):
        assert grid.pixel_frames(grid.latent_frames(length)) == length
        grid.check(length, grid.step, 2 * grid.step)


LONG = Grid(frames=17, pixels=16, patch=2, latents=5, shortest=(5, 2))  # grows by several latent frames at a time


def test_a_clip_may_grow_by_several_latent_frames():
    """Clips are of 5, 22, 39, … frames, or an image."""
    assert [LONG.latent_frames(n) for n in (1, 4, 5, 21, 22, 39, 90)] == [1, 1, 2, 2, 7, 12, 27]
    assert [LONG.pixel_frames(n) for n in (1, 2, 6, 7, 11, 12, 27)] == [1, 5, 5, 22, 22, 39, 90]
    assert [LONG.nearest_lengths(n) for n in (1, 2, 4, 5, 6, 38, 39)] == [
        (1, 1), (1, 5), (1, 5), (5, 5), (5, 22), (22, 39), (39, 39)
    ]  # fmt: skip
    assert LONG.lengths == "17n + 5"
    LONG.check(1, 32, 32)
    with pytest.raises(ShapeError) as error:
        LONG.check(6, 32, 32)
    assert refused(error.value) == ("length-for-model: choice=5 or 22, lengths=17n + 5, num_frames=6, some=5, 22, 39")


@GRIDS
def test_no_frames_are_refused_with_the_least_there_is(grid):
    assert grid.nearest_lengths(0) == (1, 1 + grid.frames)
    with pytest.raises(ShapeError, match=r"The clip has 0 frames\. .* Set the length to (5|9|1 or 5|1 or 9)\."):
        grid.check(0, grid.step, grid.step)


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            (6, 32, 32),
            "The clip has 6 frames. This model needs 4n + 1 frames (1, 5, 9, ...). Set the length to 5 or 9.",
        ),
        ((5, 40, 32), "The height is 40 pixels. This model needs a multiple of 16. Set the height to 32 or 48."),
        ((5, 32, 15), "The width is 15 pixels. This model needs a multiple of 16. Set the width to 16."),
        ((5, 0, 32), "The height is 0 pixels. This model needs a multiple of 16. Set the height to 16."),
    ],
)
def test_what_does_not_fit_is_named_with_the_nearest_that_does(size, said):
    with pytest.raises(ShapeError) as error:
        WAN.check(*size)
    assert str(error.value) == said


def test_a_box_measures_itself():
    box = Box(2, 3, 7, 11)
    assert (box.width, box.height, box.area) == (5, 8, 40)
    assert Box(7, 3, 2, 11).area == Box(2, 11, 7, 3).area == Box(0, 0, 0, 0).area == 0


@given(
    left=st.integers(0, 60), top=st.integers(0, 40), width=st.integers(1, 20), height=st.integers(1, 20),
    margin=st.integers(0, 9), step=st.sampled_from([1, 2, 8]),
)  # fmt: skip
def test_a_grown_box_is_the_least_one_of_whole_steps_around_the_margin(left, top, width, height, margin, step):
    frame = (56, 80)  # whole steps
    box = Box(left, top, min(left + width, 80), min(top + height, 56))
    grown = box.grown(margin, *frame, step)
    for low, high, start, end, size in (
        (grown.left, grown.right, box.left, box.right, 80), (grown.top, grown.bottom, box.top, box.bottom, 56)
    ):  # fmt: skip
        assert low % step == high % step == 0
        assert 0 <= low <= max(start - margin, 0) < low + step
        assert high - step < min(end + margin, size) <= high <= size
