"""From the time stamps of a video come its rate and the time of each frame."""

from __future__ import annotations

from fractions import Fraction as F
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
import torch
from refused import refused
from video_files import encode, noise

from vace_core.errors import InputError
from vace_core.media.index import check_complete, frame_times, index_by_decoding, index_of

TICK = F(1, 1000)


def times(starts: list[F | None], stated: F | None = None, last: F = F(0), tick: F = TICK):
    notes: dict[str, None] = {}
    fps, edges = frame_times(starts, tick, stated, last, notes)
    return fps, edges.tolist(), list(notes)


def even(count: int, gap: F = F(1, 10)) -> list[F | None]:
    return [F(5) + n * gap for n in range(count)]


def test_an_even_rate_is_that_of_the_stamps():
    fps, edges, notes = times(even(3))
    assert (fps, notes) == (10, [])
    assert edges == [[0, 0.1], [0.1, 0.2], [0.2, pytest.approx(0.3)]]


@pytest.mark.parametrize(
    ("stated", "fps"),
    [
        (F(10), 10),
        (F(100005, 10000), 10.0005),
        (F(10002, 1000), 10),
        (F(99995, 10000), 9.9995),
        (F(9998, 1000), 10),
        (F(1005, 100), 10),
    ],
)
def test_a_stated_rate_counts_where_the_clock_cannot_tell_it_from_that_of_the_stamps(stated: F, fps: float):
    """101 stamps of a clock of milliseconds: a frame lasts 100 ms, give or take a hundredth of one."""
    assert times(even(101), stated)[0] == pytest.approx(fps, rel=1e-6)


def test_a_round_number_in_a_header_is_not_the_rate():
    """Recorders state 30 where they film at 29.97: over ten minutes that is more than half a second."""
    starts: list[F | None] = [F(round(F(1001 * n, 30)), 1000) for n in range(3000)]
    fps, edges, notes = times(starts, F(30))
    assert (fps, notes) == (pytest.approx(30000 / 1001, rel=1e-5), [])
    assert edges[-1][1] == pytest.approx(100.1, abs=0.001)


def test_few_frames_agree_within_the_clock_of_the_file():
    """Two stamps of milliseconds tell no rate to a hundredth."""
    assert times(even(2, F(33, 1000)), F(30000, 1001))[0] == pytest.approx(29.97, abs=0.001)
    assert times(even(2, F(34, 1000)), F(30000, 1001))[0] == pytest.approx(29.97, abs=0.001)
    assert times(even(2, F(31, 1000)), F(30000, 1001))[0] == pytest.approx(1000 / 31)
    assert times(even(5, F(34, 1000)), F(30000, 1001))[0] == pytest.approx(1000 / 34)


def test_one_frame_lasts_as_long_as_it_says_or_as_the_stated_rate():
    assert times([F(3)], None, F(1, 4)) == (4, [[0, 0.25]], [])
    assert times([F(3)], F(8), F(1, 4)) == (8, [[0, 0.125]], [])
    assert times([F(3)]) == (25, [[0, 0.04]], ["It states no frame rate; 25 fps is assumed."])


@pytest.mark.parametrize("starts", [[F(0), None, F(2)], [F(0), F(0), F(1)], [F(1), F(0), F(2)]])
def test_stamps_out_of_order_are_said(starts: list[F | None]):
    assert times(starts, F(8)) == (
        8, [[0, 0.125], [0.125, 0.25], [0.25, 0.375]],
        ["Its time stamps are missing or disordered; an even rate is assumed."],
    )  # fmt: skip


def test_a_frame_that_is_one_tick_off_is_rounding_and_two_ticks_are_not():
    one, two = even(11), even(11)
    one[5], two[5] = F(5501, 1000), F(5502, 1000)
    assert times(one)[::2] == (10, [])
    fps, edges, (note,) = times(two)
    assert fps == 10
    assert edges[4:6] == [[0.4, 0.502], [0.502, 0.6]]
    assert note == ("Its rate varies: a frame lasts 98 to 102 ms, 10 fps on average; the time of each frame is kept.")


def test_a_coarse_clock_hides_no_missing_frame():
    """At most a quarter of a frame is rounding."""
    late = even(11)
    late[5] = F(553, 100)
    assert "Its rate varies" in times(late, tick=F(1, 10))[2][0]
    late[5] = F(552, 100)
    assert times(late, tick=F(1, 10))[2] == []


def test_the_last_frame_of_a_varying_rate_lasts_as_it_says_or_as_the_mean():
    starts: list[F | None] = [F(0), F(1), F(4)]
    fps, edges, (note,) = times(starts, None, F(3))
    assert (fps, edges) == (pytest.approx(3 / 7), [[0, 1], [1, 4], [4, 7]])
    assert note.startswith("Its rate varies: a frame lasts 1000 to 3000 ms, 0.4286 fps on average; ")
    assert times(starts)[:2] == (0.5, [[0, 1], [1, 4], [4, 6]])


def test_a_frame_is_decoded_from_the_last_keyframe_before_it(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", torch.zeros(13, 32, 32, 3, dtype=torch.uint8), codec="mpeg4", options={"g": "5"})
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        notes: dict[str, None] = {}
        found = index_of(container, stream, stream.time_base, notes)
    gap = found.stamps[1] - found.stamps[0]
    assert [stamp // gap for stamp in found.stamps] == list(range(13))
    assert [key // gap for key in found.keys] == [0] * 5 + [5] * 5 + [10] * 3
    assert (found.last, notes) == (F(1, 16), {})


@pytest.mark.parametrize("seen", [[], [-3, -2]])
def test_hidden_keyframes_that_lead_to_no_frame_are_no_index(seen: list[int]):
    """An edit list may hide all of a film, or all but frames whose own keyframe is not in the file."""
    said = {"size": 9, "is_corrupt": False, "duration": 1}
    packets = [SimpleNamespace(pts=n, dts=n, is_discard=False, is_keyframe=False, **said) for n in seen]
    packets.append(SimpleNamespace(pts=0, dts=0, is_discard=True, is_keyframe=True, **said))
    stream = SimpleNamespace(codec_context=SimpleNamespace(name="h264"))
    notes: dict[str, None] = {}
    assert index_of(SimpleNamespace(demux=lambda _: packets), stream, TICK, notes) is None
    assert notes == {}


def test_frames_without_a_clock_are_counted_by_decoding(tmp_path: Path):
    path = encode(tmp_path / "a.avi", noise(4, 32, 32, 3), codec="mpeg4")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        found = index_by_decoding(path, container, stream, F(1, 16))
    assert (len(found.stamps), found.keys, found.last) == (4, (), F(1, 16))


@pytest.mark.parametrize("count", [0, 1, 3])
def test_frames_before_a_damage_count(count: int):
    """A file whose data end in the middle gives the frames up to there, and is refused if there are none."""

    def packets(_):
        yield from (SimpleNamespace(pts=n, duration=n + 2, size=9) for n in range(count))
        raise av.error.InvalidDataError(1, "no data")

    coder = SimpleNamespace(decode=lambda packet: [SimpleNamespace(pts=packet.pts)])
    given = Path("a.avi"), SimpleNamespace(demux=packets), SimpleNamespace(codec_context=coder), F(1, 16)
    if count:
        found = index_by_decoding(*given)
        assert (found.stamps, found.keys, found.last) == (tuple(range(count)), (), F(count + 1, 16))
        return
    with pytest.raises(InputError) as error:
        index_by_decoding(*given)
    assert refused(error.value).startswith("video-cut-short: count=0, ")


def complete(
    kind: str, count: int, end: F, *, ticks: int | None = None, start: int | None = None, clock: str = ""
) -> str:
    """What is said of a file of this kind whose header states a duration, in milliseconds or as a clock."""
    header = SimpleNamespace(duration=ticks, start_time=start, time_base=TICK,
                             metadata={"DURATION": clock} if clock else {})  # fmt: skip
    try:
        check_complete(Path("a.mp4"), SimpleNamespace(format=SimpleNamespace(name=kind)), header, count, end)
    except InputError as error:
        return refused(error)
    return ""


@pytest.mark.parametrize(
    ("clock", "stated"), [("00:00:10.500", 10.5), ("00:01:00.0", 60), ("00:02:00", 120), ("01:00:00.0", 3600),
                          ("02:03:04", 7384)]
)  # fmt: skip
def test_a_file_that_ends_before_its_clock_is_cut_short(clock: str, stated: float):
    said = complete("matroska,webm", 50, F(5), clock=clock)
    assert said == f"video-cut-short: count=50, end=5, path=a.mp4, stated={stated:g}"
    assert complete("matroska,webm", 50, F(round(stated * 1000), 1000), clock=clock) == ""


def test_and_one_whose_header_counts_more_ticks():
    assert complete("mov,mp4", 50, F(5), ticks=5000) == ""
    assert complete("mov,mp4", 50, F(5), ticks=6000) == "video-cut-short: count=50, end=5, path=a.mp4, stated=6"
    assert complete("mov,mp4", 50, F(5), ticks=4900, start=400) == (
        "video-cut-short: count=50, end=5, path=a.mp4, stated=5.3"
    )
    assert complete("avi", 50, F(5), ticks=6000) == ""  # which states no duration of its own


def test_two_frames_may_be_missing():
    """Headers of whole files are rounded up."""
    assert complete("mov,mp4", 50, F(5), ticks=5200) == ""
    assert complete("mov,mp4", 50, F(5), ticks=5201) != ""
