"""What does not fit into memory is refused before it is taken, with the largest size that fits."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vace_core.errors import InputError
from vace_core.room import advice, check_room, free_bytes

ENDLESS = 8192**3 * 29  # a clip of the largest length, height and width that a widget offers
SIDES = st.integers(1, 8192)


def test_what_fits_passes():
    check_room(0, "The clip", frames=81, height=720, width=1280)
    check_room(1 << 20, "The clip")


def test_the_system_tells_what_is_free():
    assert 16 << 20 < free_bytes() < 1 << 60


def test_a_refusal_says_what_came_what_fits_and_what_to_do():
    with pytest.raises(InputError) as error:
        check_room(ENDLESS, "The clip", frames=8192, height=8192, width=8192)
    assert re.fullmatch(
        r"The clip has 8192 frames of 8192 x 8192 pixels and needs 14\.50 TiB of memory\. "
        r"At most \d+\.\d\d [GT]iB are free here\. The largest that fit are .*\. "
        r"Choose one of these, or free some memory\.",
        str(error.value),
    )


def test_the_largest_length_and_size_are_named():
    assert advice(ENDLESS, 20 << 30, frames=8192, height=8192, width=8192) == (
        "The largest that fit are 9 frames of this size or 256 x 256 pixels at 8192 frames. "
        "Choose one of these, or free some memory."
    )
    assert advice(2 << 30, 1 << 30, frames=None, height=1024, width=2048).startswith(
        "The largest that fit are 1344 x 672 pixels. "
    )
    assert advice(2 << 30, 1 << 30, frames=82, height=None, width=None).startswith(
        "The largest that fit are 33 frames."
    )
    nothing = "Close other programs, or use a machine with more memory."
    assert advice(2 << 30, 1, frames=8192, height=16, width=16) == nothing
    assert advice(2 << 30, 1 << 30, frames=None, height=None, width=None) == nothing


@given(frames=st.integers(1, 8192), height=SIDES, width=SIDES, free=st.integers(1, 1 << 40), each=st.integers(1, 64))
def test_what_is_advised_fits(frames, height, width, free, each):
    text = advice(frames * height * width * each, free, frames=frames, height=height, width=width)
    for length in re.findall(r"(\d+) frames? of this size", text):
        assert int(length) * height * width * each <= free
    for w, h in re.findall(r"(\d+) x (\d+) pixels", text):
        assert frames * int(h) * int(w) * each <= free


@pytest.mark.parametrize("digits", [20, 400, 9000])
def test_no_number_is_too_large_for_the_sentence(digits):
    with pytest.raises(InputError, match=r"The clip has over 10\^\d+ frames of 16 x 16 pixels and needs [\w .]*EiB of"):
        check_room(10**digits * 256, "The clip", frames=10**digits, height=16, width=16)
