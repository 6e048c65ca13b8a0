"""A time that somebody types names the frame that is on show then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor
from video_files import message

from vace_core.errors import InputError
from vace_core.media.footage import Footage
from vace_core.media.ranges import frame_at, frame_in, frame_range, named_frame


class Film(Footage):
    """A film without pictures: what is typed is looked up by its times alone."""

    def __init__(self, count: int, fps: float, timecode: str | None = None) -> None:
        self.path, self.fps, self.timecode = Path("film.mp4"), fps, timecode
        edges = torch.arange(count + 1, dtype=torch.float64) / fps
        self.times = torch.stack([edges[:-1], edges[1:]], dim=1)

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        raise AssertionError("nobody needs a picture")


SHORT = Film(50, 25)  # two seconds
LONG = Film(4000, 1)
NTSC = Film(110_000, 30_000 / 1001)


@pytest.mark.parametrize(
    ("film", "when", "frame"),
    [
        (SHORT, "0f", 0),
        (SHORT, " 49 frame ", 49),
        (SHORT, 0, 0),
        (SHORT, 1.99, 49),
        (SHORT, ".5", 12),
        (SHORT, " 1. s ", 25),
        (SHORT, "00:00:01:24", 49),
        (SHORT, "0:01.5", 37),
        (SHORT, "0.0396", 1),  # a hundredth of a frame early, as it is typed
        (SHORT, "0.0395", 0),
        (SHORT, -0.0004, 0),
        (SHORT, 1.9995, 49),
        (LONG, 3999.99, 3999),
        (LONG, "02:03", 123),
        (LONG, "1:02:03.5", 3723),
        (LONG, "00:10:07:00", 607),
        (LONG, "01:00:00:00", 3600),
        (NTSC, "00:00:59;29", 1799),  # SMPTE 12M: numbers 0 and 1 of every minute are left out, but of each tenth
        (NTSC, "00:01:00;02", 1800),
        (NTSC, "00:09:59;29", 17981),
        (NTSC, "00:10:00;00", 17982),
        (NTSC, "01:00:00;00", 107_892),
        (NTSC, "01:00:00:00", 108_000),
        (Film(9000, 60_000 / 1001), "00:01:00;04", 3600),
        (Film(99, 25, "10:00:00:00"), "10:00:01:05", 30),
        (Film(99, 25, "10:00:00:00"), "1.2", 30),
        (Film(4000, 25, "01:59:59:24"), "02:00:01:00", 26),
    ],
)
def test_a_time_names_the_frame_on_show(film: Film, when: str | float, frame: int):
    assert frame_at(film, when) == frame


@pytest.mark.parametrize("when", ["50f", "2", "1.9997", -0.0005, "2.5", "00:00:02:00"])
def test_what_no_frame_shows_is_not_in_the_film(when: str | float):
    said = message(InputError, lambda: frame_at(SHORT, when))
    assert said == f"time-outside: count=50, origin=, path=film.mp4, seconds=2, when={when}"


@pytest.mark.parametrize(
    ("when", "end"), [("50f", 50), ("2", 50), ("1.9997", 50), ("1.9995", 49), ("2.04", 50), ("1.96", 49)]
)
def test_the_end_of_a_range_may_be_the_end_of_the_film(when: str, end: int):
    """Or lie up to a frame beyond it: lengths are rounded."""
    assert frame_at(SHORT, when, closing=True) == end


@pytest.mark.parametrize("when", ["51f", "2.05"])
def test_and_no_further(when: str):
    assert message(InputError, lambda: frame_at(SHORT, when, closing=True)).startswith("time-outside: ")


def test_ranges_that_meet_share_no_frame_and_lose_none():
    for time in (0.04, 0.5, 1.0, 1.233, 1.96):
        first, second = frame_range(SHORT, None, time), frame_range(SHORT, time, None)
        assert (first[0], first[1], second[1]) == (0, second[0], 50)
    assert frame_range(SHORT, "1f", "2f") == (1, 2)
    assert message(InputError, lambda: frame_range(SHORT, "1f", "1f")).startswith("range-empty: ")


@pytest.mark.parametrize(
    "when",
    ["", "1:2:3:4", "1:60:00:00:00", "-1", "1,5", "f", "1 minute", "9" * 400, "9" * 5000 + "f",
     "9" * 400 + ":00:00:00", "9" * 400 + ":00"],
)  # fmt: skip
def test_what_is_no_time_is_a_sentence(when: str):
    assert message(InputError, lambda: frame_at(SHORT, when)).startswith("time-unreadable: ")


def test_a_timecode_counts_fewer_frames_than_a_second_has():
    assert frame_at(SHORT, "00:00:00:24") == 24
    assert message(InputError, lambda: frame_at(SHORT, "00:00:00:25")).startswith("timecode-frames: ")


@pytest.mark.parametrize(
    ("typed", "name", "when"),
    [("a.mp4@3s", "a.mp4", "3s"), ("a@b.mp4@3s", "a@b.mp4", "3s"), ("a.mp4", "a.mp4", None), ("@3s", "@3s", None),
     ("a.mp4@", "a.mp4@", None)],
)  # fmt: skip
def test_a_frame_is_named_behind_the_last_at(typed: str, name: str, when: str | None):
    assert named_frame(f"folder/{typed}") == (Path("folder") / name, when)


def test_the_frame_of_a_clip_of_constant_rate_has_no_end():
    cases = [("80f", None, 80), ("2.04", None, 51), (0.0396, None, 1), (0.0395, None, 0), ("01:00:00:05", None, 90005),
             ("10:00:01:05", "10:00:00:00", 30), ("0:01.5", None, 37)]  # fmt: skip
    for when, timecode, frame in cases:
        assert frame_in(when, fps=25, timecode=timecode) == frame
    assert message(InputError, lambda: frame_in("soon", fps=25)).startswith("time-unreadable: ")


def test_the_frame_of_a_part_of_varying_rate_is_that_on_show():
    """Two frames in the first second, one in the second one; the part begins a second into its film."""
    times = torch.tensor([[0.0, 0.5], [0.5, 1.0], [1.0, 2.0]], dtype=torch.float64)
    for when, frame in [(0, 0), (0.999, 2), (0.98, 1), ("1.9s", 2), ("2s", 3), ("3s", 4), ("1f", 1)]:
        assert frame_in(when, fps=1.5, times=times) == frame
    for when, frame in [("10:00:01:00", 0), ("10:00:02:00", 2), ("2s", 3)]:
        assert frame_in(when, fps=1.5, times=times, timecode="10:00:00:00", begin=1.0) == frame
