"""Written videos keep their pictures, rate and sound, and are whole or not there."""

from __future__ import annotations

import logging
import signal
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from video_files import encode, encode_sound, message, noise, sound_of

from vace_core.errors import InputError, ShapeError
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import write_video


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (1, 1), (2, 18)])
def test_lossless_keeps_every_byte(tmp_path: Path, size: tuple[int, int]):
    pictures = noise(7, *size, 3)
    write_video(tmp_path / "a.mkv", from_uint8(pictures), fps=16, lossless=True)
    clip = read_video(tmp_path / "a.mkv")
    assert torch.equal(clip.frames, pictures)
    assert (clip.alpha, clip.fps, clip.notes, clip.path) == (None, 16.0, (), tmp_path / "a.mkv")


def test_bytes_are_written_as_they_are(tmp_path: Path):
    pictures = noise(7, 32, 48, 3)
    write_video(tmp_path / "a.mkv", pictures, fps=16, lossless=True)
    assert torch.equal(read_video(tmp_path / "a.mkv").frames, pictures)


def test_bytes_of_another_form_are_refused(tmp_path: Path):
    gray = torch.zeros(7, 32, 48, dtype=torch.uint8)
    assert message(ShapeError, lambda: write_video(tmp_path / "a.mkv", gray, fps=16, lossless=True)) == (
        "pictures-shape: shape=(7, 32, 48)"
    )


@pytest.mark.parametrize("size", [(48, 64), (49, 63), (2, 2)])
def test_h264_keeps_size_colours_and_brightness(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, size: tuple[int, int]
):
    colours = torch.tensor([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [200, 120, 40]])
    pictures = colours.to(torch.uint8)[:, None, None].expand(-1, *size, -1)
    with caplog.at_level(logging.WARNING, "vace"):
        write_video(tmp_path / "a.mp4", from_uint8(pictures), fps=16)
    difference = read_video(tmp_path / "a.mp4").frames.int() - pictures.int()
    assert difference.abs().max() <= 2
    odd = f"{tmp_path / 'a.mp4'}: 63 x 49 is odd, so H.264 4:4:4; some players cannot show it."
    assert caplog.messages == ([odd] if size == (49, 63) else [])
    with av.open(str(tmp_path / "a.mp4")) as container:
        coding = container.streams.video[0].codec_context
        assert (coding.pix_fmt, coding.colorspace) == ("yuv444p" if odd in caplog.messages else "yuv420p", 1)


@pytest.mark.parametrize("size", [(480, 640), (720, 1280)])
def test_what_is_written_is_what_its_tags_say(tmp_path: Path, size: tuple[int, int]):
    patch = torch.tensor([200, 120, 40], dtype=torch.uint8).expand(1, *size, 3)
    write_video(tmp_path / "a.mp4", patch, fps=16)
    with av.open(str(tmp_path / "a.mp4")) as container:
        coding = container.streams.video[0].codec_context
        tags = (coding.colorspace, coding.color_range, coding.color_primaries, coding.color_trc)
        middles = [plane[plane.shape[0] // 2, plane.shape[1] // 2] for plane in planes(next(container.decode(video=0)))]
    assert [int(tag) for tag in tags] == [1, 1, 1, 1]  # BT.709, limited
    r, g, b = 200 / 255, 120 / 255, 40 / 255
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    assert middles == pytest.approx([y * 219 + 16, (b - y) / 1.8556 * 224 + 128, (r - y) / 1.5748 * 224 + 128], abs=1.5)
    clip = read_video(tmp_path / "a.mp4")
    assert (clip.frames.int() - patch.int()).abs().max() <= 2
    assert clip.notes == ()


def planes(frame: av.VideoFrame) -> list[np.ndarray]:
    """The stored levels of Y, U and V."""
    return [
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    ]


def test_repeated_saving_does_not_darken(tmp_path: Path):
    ramp = torch.linspace(30, 220, 64)[None, :, None] * torch.tensor([1.0, 0.8, 0.6])
    pictures = original = ramp.expand(48, -1, -1).round().to(torch.uint8)[None].repeat(3, 1, 1, 1)
    for _ in range(4):
        write_video(tmp_path / "a.mp4", from_uint8(pictures), fps=16)
        pictures = read_video(tmp_path / "a.mp4").frames
    assert (pictures.float() - original.float()).mean((0, 1, 2)).abs().max() < 0.5


@pytest.mark.parametrize(
    ("fps", "stored"),
    [(16, Fraction(16)), (29.97, Fraction(2997, 100)), (24000 / 1001, Fraction(24000, 1001)), (15.75, Fraction(63, 4))],
)
def test_rates_are_stored_exactly(tmp_path: Path, fps: float, stored: Fraction):
    write_video(tmp_path / "a.mp4", torch.zeros(1, 3, 9, 16, 16), fps=fps)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].average_rate == stored
    clip = read_video(tmp_path / "a.mp4")
    assert clip.fps == float(stored)
    assert torch.equal(clip.times[:, 0], torch.arange(9, dtype=torch.float64) / clip.fps)
    assert clip.times[-1, 1] == 9 / clip.fps


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    target = tmp_path / "a.mp4"
    write_video(target, torch.zeros(1, 3, 3, 16, 16), fps=16)
    before = target.read_bytes()
    with pytest.raises(InputError):
        write_video(target, torch.full((1, 3, 3, 16, 16), torch.nan), fps=16)
    long_name = tmp_path / ("x" * 300 + ".mp4")
    assert message(InputError, lambda: write_video(long_name, torch.zeros(1, 3, 3, 16, 16), fps=16)) == (
        f"file-unwritable: error=File name too long, path={long_name}"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert target.read_bytes() == before


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs timers")
def test_an_interrupted_write_leaves_nothing(tmp_path: Path):
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    frames = from_uint8(noise(4, 480, 832, 3)).repeat(1, 1, 16, 1, 1)
    previous = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.6)
    try:
        with pytest.raises(KeyboardInterrupt):
            write_video(tmp_path / "a.mp4", frames, fps=16, crf=0)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert list(tmp_path.iterdir()) == []


# --- sound


def test_sound_is_copied_and_cut_to_the_result(tmp_path: Path):
    source = encode_sound(tmp_path / "a.mov", 2.0, 0.5, codec="pcm_s16le", video_start=0)
    write_video(tmp_path / "b.mp4", torch.zeros(1, 3, 16, 16, 16), fps=16, copy_audio_from=source)
    samples = sound_of(tmp_path / "b.mp4")
    assert samples.shape[1] == pytest.approx(48000, abs=1024)
    assert np.abs(samples[0, : 24000 - 480]).max() < 0.02
    assert np.abs(samples[0, 24000 + 480 : 47000]).max() == pytest.approx(20000 / 32768, rel=0.05)
    assert read_video(tmp_path / "b.mp4").fps == 16


def test_sound_starts_with_the_first_frame(tmp_path: Path):
    source = encode_sound(tmp_path / "a.mkv", 2.0, 0.5, codec="aac", video_start=10)  # the video begins at 0.4 s
    write_video(tmp_path / "b.mp4", torch.zeros(1, 3, 16, 16, 16), fps=16, copy_audio_from=source)
    loud = np.abs(sound_of(tmp_path / "b.mp4")[0]) > 0.1
    assert loud.argmax() / 48000 == pytest.approx(0.1, abs=0.03)


def test_a_silent_source_gives_a_silent_result(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    source = encode(tmp_path / "a.mp4", noise(3, 16, 16, 3))
    with caplog.at_level(logging.INFO, "vace"):
        write_video(tmp_path / "b.mp4", torch.zeros(1, 3, 3, 16, 16), fps=16, copy_audio_from=source)
    assert caplog.messages == [f"{source}: no sound to copy."]
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(container.streams.audio) == 0


def test_broken_sound_is_named(tmp_path: Path):
    (tmp_path / "a.mp3").write_bytes(b"no sound" * 100)
    call = lambda: write_video(  # noqa: E731
        tmp_path / "b.mp4", torch.zeros(1, 3, 3, 16, 16), fps=16, copy_audio_from=tmp_path / "a.mp3"
    )
    assert message(InputError, call) == (
        f"sound-unreadable: error=Invalid data found when processing input, path={tmp_path / 'a.mp3'}"
    )
