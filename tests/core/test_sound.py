"""The sound of a film goes into another one sample by sample: its gaps, its end, its channels and its depth."""

from __future__ import annotations

import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from video_files import encode_sound, sound_of

from vace_core.media.edited import write_edited
from vace_core.media.reader import VideoReader
from vace_core.media.write import write_video

RATE = 44100


def stripes(count: int, first: int = 1) -> np.ndarray:
    """`count` samples, every one another."""
    return (np.arange(first, first + count) % 20000 + 1).astype(np.int16)


def track(path: Path, *parts: tuple[int, np.ndarray], rate: int = RATE) -> Path:
    """A file of stereo sound that states for each part at which sample it begins; left and right are opposite."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=rate, layout="stereo")
        stream.time_base = Fraction(1, rate)
        for begin, samples in parts:
            both = np.stack([samples, -samples], axis=1).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(both), format="s16", layout="stereo")
            frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def written(path: Path, source: Path, *, frames: int = 16, start: float = 0.0, lossless: bool = True) -> Path:
    """A film of `frames` 16ths of a second with that sound."""
    pictures = torch.zeros(frames, 16, 16, 3, dtype=torch.uint8)
    write_video(path, pictures, fps=16, lossless=lossless, copy_audio_from=source, audio_start=start)
    return path


def left(path: Path) -> np.ndarray:
    """The samples of the left channel; those of the right are opposite."""
    both = sound_of(path)
    both = both.reshape(-1, 2).T if both.shape[0] == 1 else both
    assert np.array_equal(both[0], -both[1])
    return both[0]


@pytest.mark.parametrize(("frames", "count"), [(16, 44100), (11, 30319), (1, 2756)])
def test_sound_ends_with_its_film_to_the_sample(tmp_path: Path, frames: int, count: int):
    source = track(tmp_path / "a.nut", (0, stripes(90_000)))
    found = left(written(tmp_path / "b.mkv", source, frames=frames))
    assert np.array_equal(found, stripes(90_000)[:count])


def test_sound_of_a_part_begins_with_it_to_the_sample(tmp_path: Path):
    source = track(tmp_path / "a.nut", (0, stripes(90_000)))
    found = left(written(tmp_path / "b.mkv", source, frames=8, start=0.61))
    assert np.array_equal(found, stripes(90_000)[26901 : 26901 + 22050])


def test_sound_that_ends_early_is_not_drawn_out(tmp_path: Path):
    source = track(tmp_path / "a.nut", (0, stripes(9_000)))
    assert np.array_equal(left(written(tmp_path / "b.mkv", source)), stripes(9_000))


@pytest.mark.parametrize("begin", [100, 44100, 60_000])
def test_sound_that_begins_late_has_silence_before_it(tmp_path: Path, begin: int):
    source = track(tmp_path / "a.nut", (begin, stripes(20_000)))
    found = left(written(tmp_path / "b.mkv", source, frames=32))
    assert np.array_equal(found, np.concatenate([np.zeros(begin, np.int16), stripes(20_000)]))


@pytest.mark.parametrize("gap", [2205, 30_000, 50_000])
def test_a_gap_is_silence(tmp_path: Path, gap: int):
    source = track(tmp_path / "a.nut", (0, stripes(5_000)), (5_000 + gap, stripes(5_000)))
    found = left(written(tmp_path / "b.mkv", source, frames=32))
    assert np.array_equal(found, np.concatenate([stripes(5_000), np.zeros(gap, np.int16), stripes(5_000)]))


@pytest.mark.parametrize("off", [1, 2204, -1, -2204])
def test_stamps_that_are_a_twentieth_of_a_second_off_interrupt_nothing(tmp_path: Path, off: int):
    source = track(tmp_path / "a.nut", (0, stripes(5_000)), (5_000 + off, stripes(5_000)))
    found = left(written(tmp_path / "b.mkv", source))
    assert np.array_equal(found, np.concatenate([stripes(5_000), stripes(5_000)]))


def test_sound_begins_with_the_first_picture_that_can_be_shown(tmp_path: Path):
    """Of a file that was cut before it: the three pictures that build on what is gone are left out."""
    whole = encode_sound(tmp_path / "a.mkv", 2.0, 1.0, codec="pcm_s16le", video_start=0, options={"g": "8", "bf": "0"})
    with av.open(str(whole)) as source, av.open(str(tmp_path / "b.mkv"), "w") as target:
        streams = {one: target.add_stream_from_template(one) for one in (*source.streams.video, *source.streams.audio)}
        for packet in source.demux():
            if packet.size and (packet.stream.type == "audio" or float(packet.pts * packet.time_base) > 4.5 / 25):
                packet.stream = streams[packet.stream]
                target.mux(packet)
    film = VideoReader(tmp_path / "b.mkv")
    assert film.count == 50 - 8
    write_edited(tmp_path / "c.mkv", film, [], lossless=True)
    found = sound_of(tmp_path / "c.mkv").reshape(-1, 2)[:, 0]
    assert (
        abs(int(np.flatnonzero(found)[0]) - round((1.0 - 8 / 25) * RATE)) < RATE // 500
    )  # Matroska counts milliseconds


@pytest.mark.parametrize("video_start", [0, None])
def test_copied_packets_begin_with_the_one_that_the_first_needs(tmp_path: Path, video_start: int | None):
    source = encode_sound(tmp_path / "a.mp4", 2.0, 0.0, codec="aac", video_start=video_start)
    written(tmp_path / "b.mp4", source, start=0.61, lossless=False)
    shift, found = round(0.61 * RATE), []
    for path in (source, tmp_path / "b.mp4"):
        with av.open(str(path)) as container:
            found.append([(one.pts, one.duration, bytes(one)) for one in container.demux(audio=0) if one.size])
    first = next(n for n, (pts, duration, _) in enumerate(found[0]) if pts + 2 * duration > shift)
    assert [data for *_, data in found[0][first : first + len(found[1])]] == [data for *_, data in found[1]]
    assert found[0][first][0] + 2 * 1024 > shift >= found[0][first][0] + 1024
    last = found[0][first + len(found[1]) - 1][0] - shift
    assert RATE - 1024 <= last < RATE


def waves(path: Path, *, channels: int = 1, width: int = 2, rate: int = RATE) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((channels, width, rate, 0, "NONE", ""))
        file.writeframes(bytes(range(1, 1 + width)) * channels * (rate // 4))
    return path


@pytest.mark.parametrize(("width", "stored"), [(2, "s16"), (3, "s32"), (4, "s32")])
def test_sound_without_loss_is_as_deep_as_it_was(tmp_path: Path, width: int, stored: str):
    written(tmp_path / "b.mkv", waves(tmp_path / "a.wav", width=width))
    with av.open(str(tmp_path / "b.mkv")) as container:
        coding = container.streams.audio[0].codec_context
        assert (coding.name, coding.format.name.rstrip("p")) == ("flac", stored)
    (sample,) = np.unique(sound_of(tmp_path / "b.mkv"))
    kept = min(width, 3)  # FFmpeg's FLAC keeps 24 bits
    whole = int(sample) >> 8 if width > 2 else int(sample)
    assert whole.to_bytes(kept, "little") == bytes(range(1, 1 + width))[-kept:]


@pytest.mark.parametrize(
    ("channels", "layout"),
    [(1, "mono"), (2, "stereo"), (3, "stereo"), (4, "4.0"), (5, "5.0"), (6, "5.1"), (8, "5.1")],
)
def test_channels_are_those_of_the_source_where_aac_has_them(tmp_path: Path, channels: int, layout: str):
    written(tmp_path / "b.mp4", waves(tmp_path / "a.wav", channels=channels), lossless=False)
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert container.streams.audio[0].codec_context.layout.name == layout


def test_sound_without_loss_keeps_a_rate_that_aac_has_not(tmp_path: Path):
    written(tmp_path / "b.mkv", waves(tmp_path / "a.wav", rate=40_000))
    with av.open(str(tmp_path / "b.mkv")) as container:
        assert container.streams.audio[0].codec_context.sample_rate == 40_000
