"""Written videos keep their pictures, rate and sound, and are whole or not there."""

from __future__ import annotations

import logging
import shutil
import signal
import wave
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import torch
from video_files import encode, encode_sound, message, noise, sound_of

from vace_core.errors import InputError, ShapeError
from vace_core.media.colour import Colour
from vace_core.media.sources import open_footage
from vace_core.media.video import from_uint8, read_video
from vace_core.media.write import check_frames_target, write_frames, write_video


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
    assert samples.shape[1] == pytest.approx(44100, abs=1024)  # the rate of the source
    assert np.abs(samples[0, : 22050 - 480]).max() < 0.02
    assert np.abs(samples[0, 22050 + 480 : 43000]).max() == pytest.approx(20000 / 32768, rel=0.05)
    assert read_video(tmp_path / "b.mp4").fps == 16


def test_sound_starts_with_the_first_frame(tmp_path: Path):
    source = encode_sound(tmp_path / "a.mkv", 2.0, 0.5, codec="aac", video_start=10)  # the video begins at 0.4 s
    write_video(tmp_path / "b.mp4", torch.zeros(1, 3, 16, 16, 16), fps=16, copy_audio_from=source)
    loud = np.abs(sound_of(tmp_path / "b.mp4")[0]) > 0.1
    assert loud.argmax() / 44100 == pytest.approx(0.1, abs=0.03)


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


@pytest.mark.parametrize("fps", [0.1, 1000])
@pytest.mark.parametrize("crf", [0, 51])
def test_the_ends_of_what_can_be_asked_for_are_written(tmp_path: Path, fps: float, crf: int):
    write_video(tmp_path / "a.mp4", noise(3, 32, 48, 3), fps=fps, crf=crf)
    clip = read_video(tmp_path / "a.mp4")
    assert (len(clip.frames), clip.fps) == (3, pytest.approx(fps, rel=1e-3))


@pytest.mark.parametrize("wrong", [{"fps": 0.09}, {"fps": 1000.5}, {"fps": 16, "crf": -1}, {"fps": 16, "crf": 52}])
def test_and_nothing_beyond_them(tmp_path: Path, wrong: dict[str, float]):
    said = message(InputError, lambda: write_video(tmp_path / "a.mp4", noise(3, 32, 48, 3), **wrong))
    assert said.split(":")[0] in ("fps-range", "crf-range")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("codec", ["aac", "mp3", "pcm_s16le"])
@pytest.mark.parametrize("lossless", [False, True])
def test_the_sound_of_a_part_is_that_part(tmp_path: Path, codec: str, lossless: bool):
    name = "a.mov" if codec == "pcm_s16le" else "a.mp4"
    source = encode_sound(tmp_path / name, 2.0, 0.0, codec=codec, video_start=0)
    path = tmp_path / ("b.mkv" if lossless else "b.mp4")
    pictures = torch.zeros(16, 16, 16, 3, dtype=torch.uint8)
    write_video(path, pictures, fps=16, lossless=lossless, copy_audio_from=source, audio_start=0.61)
    wanted, found = left_of(source)[26901:66901], left_of(path)[:40000]
    assert np.abs(found[2048:] - wanted[2048:]).max() < (1e-3 if lossless else 0.03)


@pytest.mark.parametrize(
    ("rate", "stored"),
    [*((rate, rate) for rate in (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)),
     (40000, 48000)],
)  # fmt: skip
def test_sound_is_coded_at_its_own_rate_where_aac_has_it(tmp_path: Path, rate: int, stored: int):
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 2, rate, 0, "NONE", ""))
        file.writeframes(b"\0\1" * (rate // 4))
    pictures = torch.zeros(4, 16, 16, 3, dtype=torch.uint8)
    write_video(tmp_path / "b.mp4", pictures, fps=16, copy_audio_from=tmp_path / "a.wav")
    with av.open(str(tmp_path / "b.mp4")) as container:
        (track,) = container.streams.audio
        assert (track.codec_context.name, track.codec_context.sample_rate) == ("aac", stored)


def test_sound_that_mp4_takes_is_copied_bit_for_bit(tmp_path: Path):
    source = encode_sound(tmp_path / "a.mp4", 1.0, 0.0, codec="aac", video_start=0)
    write_video(tmp_path / "b.mp4", torch.zeros(1, 3, 16, 16, 16), fps=16, copy_audio_from=source)
    streams = []
    for path in (source, tmp_path / "b.mp4"):
        with av.open(str(path)) as container:
            streams.append([bytes(packet) for packet in container.demux(audio=0) if packet.size])
    assert streams[0][: len(streams[1])] == streams[1]
    assert len(streams[1]) > 40


def left_of(path: Path) -> np.ndarray:
    """Its left channel in -1..1."""
    samples = sound_of(path)
    left = samples[0] if samples.shape[0] == 2 else samples[0, ::2]
    return left if left.dtype.kind == "f" else left / -float(np.iinfo(left.dtype).min)


# --- colours, bits, times, chunks


@pytest.mark.parametrize("matrix", [1, 5, 6, 9])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
def test_a_film_is_written_as_its_source_was_stored(tmp_path: Path, matrix: int, full: bool, bits: int):
    stated = Colour(matrix=matrix, primaries=9 if matrix == 9 else matrix, transfer=1, full=full)
    patch = torch.tensor([200, 120, 40], dtype=torch.uint8).expand(2, 64, 80, 3)
    write_video(tmp_path / "a.mp4", patch, fps=16, colour=stated, bits=bits, aspect=Fraction(16, 15))
    film = open_footage(tmp_path / "a.mp4")
    assert (film.colour, film.bits, film.aspect) == (stated, bits, Fraction(16, 15))
    assert (film.frame(1)[0].int() - patch[1].int()).abs().max() <= 2


def test_ten_bits_survive(tmp_path: Path):
    ramp = torch.linspace(-0.9, 0.9, 256).view(1, 1, 1, 1, -1).expand(1, 3, 2, 64, 256)
    write_video(tmp_path / "a.mp4", ramp, fps=16, bits=10, crf=0)
    (chunk,) = open_footage(tmp_path / "a.mp4").chunks(deep=True)
    assert (chunk.frames - ramp).abs().max() * 511.5 < 2.5  # levels of ten bits
    write_video(tmp_path / "a.mkv", ramp, fps=16, bits=16, lossless=True)
    (chunk,) = open_footage(tmp_path / "a.mkv").chunks(deep=True)
    assert (chunk.frames - ramp).abs().max() * 32767.5 < 0.6


@pytest.mark.parametrize(
    ("bits", "lossless", "odd", "stored"),
    [(8, True, 0, "bgr0"), (10, True, 0, "gbrp10le"), (12, True, 0, "gbrp12le"), (16, True, 0, "gbrp16le"),
     (8, False, 0, "yuv420p"), (8, False, 1, "yuv444p"), (10, False, 0, "yuv420p10le"), (10, False, 1, "yuv444p10le")],
)  # fmt: skip
def test_bits_and_size_decide_how_a_film_is_stored(tmp_path: Path, bits: int, lossless: bool, odd: int, stored: str):
    path = tmp_path / ("a.mkv" if lossless else "a.mp4")
    for size in ((32 + odd, 48), (32, 48 + odd)):
        write_video(path, noise(2, *size, 3), fps=16, bits=bits, lossless=lossless)
        with av.open(str(path)) as container:
            assert container.streams.video[0].format.name == stored


@pytest.mark.parametrize(("bits", "lossless"), [(9, False), (12, False), (16, False), (9, True), (14, True), (7, True)])
def test_other_bits_are_refused(tmp_path: Path, bits: int, lossless: bool):
    path = tmp_path / ("a.mkv" if lossless else "a.mp4")
    said = message(InputError, lambda: write_video(path, noise(2, 32, 48, 3), fps=16, bits=bits, lossless=lossless))
    assert said == f"video-bits: bits={bits}"


def test_a_folder_of_pictures_is_as_open_as_any_new_folder(tmp_path: Path):
    (tmp_path / "new").mkdir()
    (tmp_path / "there").mkdir()
    for name in ("shots", "there"):
        write_frames(tmp_path / name, noise(1, 6, 10, 3))
        assert (tmp_path / name).stat().st_mode == (tmp_path / "new").stat().st_mode


def test_chunks_make_the_same_file_and_only_one_is_held(tmp_path: Path):
    pictures, alive = noise(12, 32, 48, 3), [0, 0]

    def chunks() -> Iterator[torch.Tensor]:
        for begin in range(0, 12, 4):
            alive[0] += 1
            alive[1] = max(alive)
            chunk = pictures[begin : begin + 4].clone()
            weakref.finalize(chunk, lambda: alive.__setitem__(0, alive[0] - 1))
            yield chunk

    write_video(tmp_path / "a.mp4", pictures, fps=16)
    write_video(tmp_path / "b.mp4", chunks(), fps=16)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()
    assert alive[1] <= 2
    said = message(ShapeError, lambda: write_video(tmp_path / "c.mp4", [pictures, pictures[:, :16]], fps=16))
    assert said == "frames-size-changes: height=32, next_height=16, next_width=48, width=48"
    assert message(ShapeError, lambda: write_video(tmp_path / "c.mp4", [], fps=16)) == "frames-missing"
    assert not (tmp_path / "c.mp4").exists()


def test_a_variable_rate_is_kept(tmp_path: Path):
    ticks = [0, 1, 2, 6, 7, 8, 20, 21, 25]
    clip = read_video(encode(tmp_path / "a.mp4", noise(9, 16, 16, 3), ticks=ticks))
    write_video(tmp_path / "b.mp4", clip.frames, fps=clip.fps, times=clip.times)
    assert torch.allclose(read_video(tmp_path / "b.mp4").times[:, 0], clip.times[:, 0], atol=1e-4)


@pytest.mark.parametrize("bits", [8, 16])
def test_frames_are_written_as_numbered_pictures(tmp_path: Path, bits: int):
    frames = noise(3, 6, 10, 3).float().div(127.5).sub(1).permute(3, 0, 1, 2)[None] * 0.999
    write_frames(tmp_path / "shots", [frames[:, :, :2], frames[:, :, 2:]], bits=bits)
    assert sorted(path.name for path in (tmp_path / "shots").iterdir()) == [f"frame_0000{n}.png" for n in range(3)]
    film = open_footage(tmp_path / "shots")
    (chunk,) = film.chunks(deep=True)
    assert film.bits == bits
    assert (chunk.frames - frames).abs().max() <= 1.01 / (2**bits - 1)
    write_frames(tmp_path / "more" / "a_%02d.png", frames)
    assert (tmp_path / "more" / "a_02.png").exists()
    said = message(InputError, lambda: write_frames(tmp_path / "shots", frames))
    assert said == f"folder-not-empty: folder={tmp_path / 'shots'}"
    frames[0, 0, 1, 2, 2] = torch.nan
    with pytest.raises(InputError):
        write_frames(tmp_path / "none", frames, bits=bits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["more", "shots"]


@pytest.mark.parametrize("name", ["%d.png", "a_%02d.png", "take2_%04d.png", "%03d_x.png"])
def test_pictures_are_read_again_by_the_pattern_that_they_were_written_by(tmp_path: Path, name: str):
    write_frames(tmp_path / "shots" / name, noise(12, 6, 10, 3))
    assert open_footage(tmp_path / "shots" / name).count == 12


@pytest.mark.parametrize(
    "name",
    [
        "100%_%04d.png", "a%%b.png", "100%.png", "a_%.0s.png", "a_%x.png", "a_%1$d.png", "%d_%d.png", "a%%_%d.png",
        "take2%04d.png", "a_%d_v2.png", ".a%d.png", "%5d.png",
    ],
)  # fmt: skip
def test_a_pattern_by_which_pictures_would_not_be_found_again_is_refused(tmp_path: Path, name: str):
    said = message(InputError, lambda: write_frames(tmp_path / "shots" / name, noise(2, 6, 10, 3)))
    assert said == f"frames-pattern: name={name}"
    assert message(InputError, lambda: open_footage(tmp_path / name)).startswith("file-missing")


def test_the_place_of_numbered_pictures_is_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    check_frames_target(tmp_path / "shots", pixels=10**6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2 * 10**6))
    with pytest.raises(InputError) as full:
        check_frames_target(tmp_path / "shots", pixels=10**7)
    assert full.value.code == "disk-full"
    check_frames_target(tmp_path / "shots", pixels=10**6)
    for name in ("x" * 300, f"shots/{'x' * 300}_%d.png"):
        with pytest.raises(InputError) as long:
            check_frames_target(tmp_path / name)
        assert (long.value.code, long.value.fields["error"]) == ("file-unwritable", "File name too long")
    if not Path("/proc/self").is_dir():
        pytest.skip("there is no folder here that nobody may write to")
    with pytest.raises(InputError) as closed:
        check_frames_target("/proc/self/shots")
    assert closed.value.code == "file-unwritable"
    assert list(tmp_path.iterdir()) == []
