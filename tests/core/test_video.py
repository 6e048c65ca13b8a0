"""Promises of video files: what comes in is said, what goes out is whole, and hostile files end in a sentence."""

from __future__ import annotations

import contextlib
import logging
import os
import random
import signal
import struct
import sys
import zlib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from vace_core.errors import InputError, ShapeError
from vace_core.fitting import PRESETS, apply, apply_masks, plan
from vace_core.video import (
    from_uint8,
    read_image,
    read_mask,
    read_video,
    to_uint8,
    write_image,
    write_video,
)

DATA = Path(os.environ.get("VACE_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
real_files = pytest.mark.skipif(not (DATA / "test.mp4").exists(), reason="needs the shared sample files")
EXACT = {"codec": "libx264rgb", "pix_fmt": "rgb24", "options": {"qp": "0"}}


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def encode(
    path: Path,
    pictures: Tensor,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    fps: float = 16,
    ticks: list[int] | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A file made by PyAV alone, so that nothing of the module under test is its own witness."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=Fraction(fps).limit_denominator(1001), options=options or {})
        stream.height, stream.width, stream.pix_fmt = *pictures.shape[1:3], pix_fmt
        for index, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24" if picture.shape[2] == 3 else "rgba")
            frame.pts = index if ticks is None else ticks[index]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def sine(seconds: float, silence: float) -> np.ndarray:
    time = np.arange(round(seconds * 44100)) / 44100
    return np.where(time < silence, 0, np.sin(2 * np.pi * 440 * time) * 20000).astype(np.int16)


def encode_sound(path: Path, seconds: float, silence: float, *, codec: str, video_start: int | None = None) -> Path:
    """440 Hz after some silence, in stereo, with a gray 25 fps video that begins at a tick unless that is None."""
    with av.open(str(path), "w") as container:
        video = None
        if video_start is not None:
            video = container.add_stream("libx264", rate=25)
            video.width = video.height = 32
            video.pix_fmt = "yuv420p"
        audio = container.add_stream(codec, rate=44100, layout="stereo")
        for index in range(round(seconds * 25) if video else 0):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 128, np.uint8), format="rgb24")
            frame.pts = index + (video_start or 0)
            container.mux(video.encode(frame))
        if video:
            container.mux(video.encode(None))
        samples = sine(seconds, silence)
        for begin in range(0, len(samples), 1024):
            piece = np.repeat(samples[begin : begin + 1024], 2)[None]
            frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="stereo")
            frame.sample_rate, frame.pts = 44100, begin
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    return path


def sound_of(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def turn(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Writes a display matrix (in units of 1/65536) into the track header of an MP4."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 44
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def message(error_type: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(error_type) as error:
        call()
    return str(error.value)


# --- bytes and numbers


def test_bytes_survive_numbers():
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(-1, -1, -1, 3)
    frames = from_uint8(levels)
    assert (frames.shape, frames.dtype) == ((1, 3, 1, 16, 16), torch.float32)
    assert (frames.min().item(), frames.max().item()) == (-1.0, 1.0)
    assert torch.equal(to_uint8(frames), levels)
    assert torch.equal(from_uint8(levels[0]), frames)


def test_numbers_are_rounded_to_the_nearest_byte_and_saturate():
    values = torch.tensor([-1.3, -1.0, -0.999, 0.0, 0.004, 0.999, 1.0, 1.9])
    frames = values.view(1, 1, 1, 1, -1).expand(-1, 3, -1, -1, -1)
    assert to_uint8(frames)[0, 0, :, 0].tolist() == [0, 0, 0, 128, 128, 255, 255, 255]


def test_frames_and_fitting_agree_on_the_range():
    levels = noise(5, 32, 48, 3)
    fit = plan(5, 32, 48, PRESETS["wan-480p"], fps=16)
    assert torch.equal(from_uint8(levels), apply(levels, fit))


BAD_VALUES = [
    (
        float("nan"),
        "holds NaN or infinite values. Finite values in -1..1 are needed. Look for the step that produced them; "
        "a half-precision overflow is the usual reason.",
    ),
    (
        float("inf"),
        "holds NaN or infinite values. Finite values in -1..1 are needed. Look for the step that produced them; "
        "a half-precision overflow is the usual reason.",
    ),
    (7.0, "reaches 7. Values in -1..1 are needed. Bring the frames to that range first."),
]


@pytest.mark.parametrize(("value", "rest"), BAD_VALUES)
def test_the_first_bad_frame_is_named(value: float, rest: str):
    frames = torch.zeros(1, 3, 5, 4, 4)
    frames[0, 1, 3:, 2, 2] = value
    assert message(InputError, lambda: to_uint8(frames)) == f"Frame 3 {rest}"


def test_only_one_clip_at_a_time():
    assert message(ShapeError, lambda: to_uint8(torch.zeros(2, 3, 5, 4, 4))) == (
        "The frames have the shape (2, 3, 5, 4, 4). One clip of (1, 3, T, H, W) is needed. "
        "Pass the clips of a batch one by one."
    )


# --- writing


@pytest.mark.parametrize("size", [(32, 48), (33, 47), (1, 1), (2, 18)])
def test_lossless_keeps_every_byte(tmp_path: Path, size: tuple[int, int]):
    pictures = noise(7, *size, 3)
    write_video(tmp_path / "a.mkv", from_uint8(pictures), fps=16, lossless=True)
    clip = read_video(tmp_path / "a.mkv")
    assert torch.equal(clip.frames, pictures)
    assert (clip.alpha, clip.fps, clip.notes, clip.path) == (None, 16.0, (), tmp_path / "a.mkv")


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
        f"The file {long_name} cannot be written (File name too long). A writable folder with free space is needed. "
        "Choose another one."
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


def test_written_files_are_readable_by_others(tmp_path: Path):
    write_image(tmp_path / "a.png", torch.zeros(1, 3, 1, 4, 4))
    (tmp_path / "b").touch()
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_write_says_what_it_needs(tmp_path: Path):
    frames, (one, folder) = torch.zeros(1, 3, 1, 16, 16), (tmp_path / "a.mp4", tmp_path / "b.mp4")
    folder.mkdir()
    assert message(InputError, lambda: write_video(tmp_path / "a.avi", frames, fps=16)) == (
        f"The name {tmp_path / 'a.avi'} ends in '.avi'. This is written as .mp4. Change the ending."
    )
    assert message(InputError, lambda: write_video(one, frames, fps=16, lossless=True)) == (
        f"The name {one} ends in '.mp4'. This is written as .mkv. Change the ending."
    )
    assert message(InputError, lambda: write_image(one, frames)) == (
        f"The name {one} ends in '.mp4'. This is written as .png. Change the ending."
    )
    assert message(InputError, lambda: write_video(tmp_path / "no" / "a.mp4", frames, fps=16)) == (
        f"There is no folder {tmp_path / 'no'}. The folder of the result must exist. Create it first."
    )
    assert message(InputError, lambda: write_video(folder, frames, fps=16)) == (
        f"{folder} is a folder. A file is written there. Choose another name."
    )
    assert message(InputError, lambda: write_video(one, frames, fps=float("nan"))) == (
        "The frame rate is nan. Between 0.1 and 1000 frames per second are needed. Set fps."
    )
    assert message(InputError, lambda: write_video(one, frames, fps=16, crf=52)) == (
        "crf is 52. It must lie between 0 (best) and 51 (smallest file). Use 10 to 23."
    )
    assert message(ShapeError, lambda: write_image(tmp_path / "a.png", frames.repeat(1, 1, 2, 1, 1))) == (
        "2 frames came. A picture holds one. Choose one frame, or write a video."
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.mp4"]


def test_pictures_survive(tmp_path: Path):
    picture = noise(15, 17, 3)
    write_image(tmp_path / "a.png", from_uint8(picture))
    read, alpha = read_image(tmp_path / "a.png")
    assert torch.equal(read, picture)
    assert alpha is None


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
        f"The sound of {tmp_path / 'a.mp3'} cannot be read (Invalid data found when processing input). A complete file "
        "is needed. Export it again, or leave copy_audio_from empty."
    )


# --- reading


@pytest.mark.parametrize("size", [(16, 24), (15, 23)])
def test_reading_is_exact(tmp_path: Path, size: tuple[int, int]):
    pictures = noise(6, *size, 3)
    clip = read_video(encode(tmp_path / "a.mp4", pictures, **EXACT, fps=30000 / 1001))
    assert torch.equal(clip.frames, pictures)
    assert (clip.fps, clip.notes) == (30000 / 1001, ())


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.ts", "libx264"), ("a.flv", "flv"), ("a.avi", "mpeg4"), ("a.mov", "libx264"), ("a.webm", "libvpx-vp9")],
)
def test_common_containers_are_read(tmp_path: Path, name: str, codec: str):
    shades = torch.linspace(40, 200, 12).to(torch.uint8)
    clip = read_video(encode(tmp_path / name, shades[:, None, None, None].expand(-1, 16, 16, 3), codec=codec, fps=25))
    assert (clip.frames.shape, clip.fps, clip.notes) == ((12, 16, 16, 3), 25.0, ())
    assert (clip.frames[:, 8, 8, 0].int() - shades.int()).abs().max() <= 3


def test_metadata_in_another_alphabet_is_no_obstacle(tmp_path: Path):
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        container.metadata["title"] = "shift-jis"
        stream = container.add_stream("ffv1", rate=16)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "bgr0"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    data = (tmp_path / "a.mkv").read_bytes()
    assert b"shift-jis" in data
    (tmp_path / "a.mkv").write_bytes(data.replace(b"shift-jis", b"\x83V\x83t\x83gJIS"))
    assert read_video(tmp_path / "a.mkv").frames.shape == (1, 16, 16, 3)


def test_only_the_first_frames_are_read(tmp_path: Path):
    pictures = noise(9, 16, 16, 3)
    clip = read_video(encode(tmp_path / "a.mp4", pictures, **EXACT), max_frames=4)
    assert torch.equal(clip.frames, pictures[:4])
    assert clip.times.shape == (4, 2)


ORIENTATIONS = [(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1)]
ORIENTATIONS += [(0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)]


@pytest.mark.parametrize("matrix", ORIENTATIONS)
def test_videos_come_upright(tmp_path: Path, matrix: tuple[int, int, int, int]):
    pictures = noise(3, 6, 10, 3)
    path = turn(encode(tmp_path / "a.mp4", pictures, **EXACT), *(value << 16 for value in matrix))
    a, b, c, d = matrix
    places = {(a * x + c * y, b * x + d * y): pictures[0, y, x] for x in range(10) for y in range(6)}
    left, top = min(x for x, _ in places), min(y for _, y in places)
    clip = read_video(path)
    for (x, y), pixel in places.items():
        assert torch.equal(clip.frames[0, y - top, x - left], pixel)
    turned = () if matrix == ORIENTATIONS[0] else ("It is turned or mirrored upright, as the file marks it.",)
    assert clip.notes == turned


def test_a_portrait_phone_video_stands(tmp_path: Path):
    pictures = torch.zeros(2, 6, 10, 3, dtype=torch.uint8)
    pictures[:, 0, 0] = 255  # stored top left, shown top right
    clip = read_video(turn(encode(tmp_path / "a.mp4", pictures, **EXACT), 0, 1 << 16, -1 << 16, 0))
    assert clip.frames.shape == (2, 10, 6, 3)
    assert clip.frames[0, :, :, 0].nonzero().tolist() == [[0, 5]]


def test_an_odd_angle_is_not_applied(tmp_path: Path):
    pictures = noise(2, 6, 10, 3)
    clip = read_video(turn(encode(tmp_path / "a.mp4", pictures, **EXACT), 46341, 46341, -46341, 46341))
    assert torch.equal(clip.frames, pictures)
    assert clip.notes == ("It is marked as turned by an angle that is no quarter turn; that mark is ignored.",)


def test_variable_rate_keeps_the_time_of_each_frame(tmp_path: Path):
    ticks = [0, 1, 2, 6, 7, 8, 20, 21, 25]
    clip = read_video(encode(tmp_path / "a.mp4", noise(9, 16, 16, 3), **EXACT, ticks=ticks))
    assert (clip.times * 16).tolist() == [[a, b] for a, b in zip(ticks, [*ticks[1:], 26], strict=True)]
    assert clip.fps == pytest.approx(9 * 16 / 26)
    assert clip.notes == (
        "Its rate varies: a frame lasts 62 to 750 ms, 5.538 fps on average; the time of each frame is kept.",
    )


def test_one_missing_frame_is_a_variable_rate(tmp_path: Path):
    ticks = [*range(10), *range(11, 20)]
    clip = read_video(encode(tmp_path / "a.mp4", noise(19, 16, 16, 3), ticks=ticks))
    assert (clip.times[:, 0] * 16).tolist() == ticks


def test_a_frame_two_ticks_late_is_a_variable_rate(tmp_path: Path):
    ticks = [0, 17, 33, 52, 67, 83, 100]
    clip = read_video(
        encode(tmp_path / "a.mkv", noise(7, 16, 16, 3), codec="ffv1", pix_fmt="bgr0", fps=1000, ticks=ticks)
    )
    assert clip.times[:, 0].tolist() == pytest.approx([tick / 1000 for tick in ticks])


@pytest.mark.parametrize("fps", [24000 / 1001, 30, 48, 60])
def test_a_coarse_clock_is_no_variable_rate(tmp_path: Path, fps: float):
    clip = read_video(encode(tmp_path / "a.mkv", noise(33, 16, 16, 3), codec="ffv1", pix_fmt="bgr0", fps=fps))
    assert (clip.fps, clip.notes) == (fps, ())
    assert torch.equal(clip.times[:, 0], torch.arange(33, dtype=torch.float64) / fps)
    fit = plan(33, 16, 16, PRESETS["wan-480p"], fps=clip.fps, times=clip.times)
    assert (fit.indices, fit.fps) == (tuple(range(33)), fps)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "red", "blue"), [(1, 0.2126, 0.0722), (2, 0.299, 0.114), (5, 0.299, 0.114), (6, 0.299, 0.114)]
)
def test_the_stated_colour_matrix_is_used(tmp_path: Path, matrix: int, red: float, blue: float, full: bool):
    r, g, b = 200 / 255, 120 / 255, 40 / 255
    y = red * r + (1 - red - blue) * g + blue * b
    u, v = (b - y) / (2 * (1 - blue)), (r - y) / (2 * (1 - red))
    levels = (y * 255, u * 255 + 128, v * 255 + 128) if full else (y * 219 + 16, u * 224 + 128, v * 224 + 128)
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=16, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 32, 32, "yuv420p"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, 2 if full else 1
        frame = av.VideoFrame(32, 32, "yuv420p")
        for plane, level in zip(frame.planes, levels, strict=True):
            plane.update(bytes([round(level)]) * plane.buffer_size)
        frame.pts, frame.colorspace, frame.color_range = 0, matrix, 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    pixel = read_video(tmp_path / "a.mp4").frames[0, 16, 16]
    assert (pixel.int() - torch.tensor([200, 120, 40])).abs().max() <= 1


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "colour_error", "alpha_error", "notes"),
    [
        ("a.mov", "png", "rgba", 0, 0, ()),
        ("a.mov", "prores_ks", "yuva444p10le", 4, 1, ("Its 12 bits per channel are reduced to 8.",)),
        ("a.webm", "libvpx-vp9", "yuva420p", 12, 6, ()),
    ],
)
def test_alpha_is_kept_apart(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, colour_error: int, alpha_error: int, notes: tuple[str, ...]
):
    pictures = torch.zeros(3, 32, 48, 4, dtype=torch.uint8)
    pictures[..., 0] = 180
    pictures[..., 3] = torch.linspace(20, 235, 48).to(torch.uint8)
    clip = read_video(encode(tmp_path / name, pictures, codec=codec, pix_fmt=pix_fmt))
    assert clip.alpha is not None
    assert (clip.frames.int() - pictures[..., :3].int()).abs().max() <= colour_error
    assert (clip.alpha.int() - pictures[..., 3].int()).abs().max() <= alpha_error
    assert clip.notes == (*notes, "It has transparency, which is kept apart; the colours are as stored.")


def test_opaque_alpha_is_no_alpha(tmp_path: Path):
    pictures = noise(3, 16, 16, 4)
    pictures[..., 3] = 255
    clip = read_video(encode(tmp_path / "a.mov", pictures, codec="png", pix_fmt="rgba"))
    assert torch.equal(clip.frames, pictures[..., :3])
    assert (clip.alpha, clip.notes) == (None, ())


def test_gif_and_numbered_pictures_are_videos(tmp_path: Path):
    pictures = noise(5, 16, 16, 3)
    images = [Image.fromarray(picture.numpy()) for picture in pictures]
    images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], duration=40)
    clip = read_video(tmp_path / "a.gif")
    assert (clip.frames.shape, clip.fps, clip.alpha) == ((5, 16, 16, 3), 25.0, None)
    for index, image in enumerate(images):
        image.save(tmp_path / f"frame_{index:03d}.png")
    assert torch.equal(read_video(tmp_path / "frame_%03d.png").frames, pictures)


def test_pixels_that_are_not_square_are_noted(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", noise(2, 16, 16, 3), options={"aspect": "2:1"}, codec="mpeg4")
    notes = read_video(path).notes
    assert notes == ("Its pixels are not square (2); they are kept as they are stored.",)


# --- hostile files


def truncated(path: Path, part: float) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


def cannot_open(path: Path, reason: str) -> str:
    return (
        f"The file {path} cannot be opened as a video ({reason}). A complete video file is needed. "
        "Export or download it again, or convert it to MP4."
    )


@pytest.mark.parametrize("read", [read_video, read_image, read_mask])
def test_missing_and_empty_files(tmp_path: Path, read: Callable[[Path], object]):
    for path in (tmp_path / "none.mp4", tmp_path, Path("a\0b.mp4"), tmp_path / "no" / "x_%03d.png"):
        assert message(InputError, lambda path=path: read(path)) == (
            f"There is no file {path}. An existing file is needed. Check the folder and the name."
        )
    empty = tmp_path / "empty.mp4"
    empty.touch()
    assert message(InputError, lambda: read(empty)) == (
        f"The file {empty} is empty (0 bytes). A complete file is needed. Export or download it again."
    )


def test_files_that_are_no_videos(tmp_path: Path):
    invalid = "Invalid data found when processing input"
    for name, data in (("a.mp4", b"hello " * 99), ("b.mp4", bytes(4096))):
        path = tmp_path / name
        path.write_bytes(data)
        assert message(InputError, lambda path=path: read_video(path)) in (
            cannot_open(path, invalid),
            cannot_open(path, "Invalid argument"),  # taken for a format that is not on the list
        )
    no_header = truncated(encode(tmp_path / "c.mp4", noise(9, 32, 32, 3)), 0.8)
    assert message(InputError, lambda: read_video(no_header)) == cannot_open(no_header, invalid)


def test_playlists_open_no_other_files(tmp_path: Path):
    encode(tmp_path / "a.mp4", noise(3, 16, 16, 3))
    (tmp_path / "a.ffconcat").write_text("ffconcat version 1.0\nfile a.mp4\n")
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\na.mp4\n#EXT-X-ENDLIST\n")
    for name in ("a.ffconcat", "a.m3u8"):
        assert message(InputError, lambda name=name: read_video(tmp_path / name)).startswith(
            f"The file {tmp_path / name} cannot be opened as a video ("
        )


def test_a_cut_file_is_named(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", noise(9, 32, 32, 3), container_options={"movflags": "faststart"})
    text = message(InputError, lambda: read_video(truncated(path, 0.7)))
    assert text.startswith(f"The video {path} cannot be decoded beyond its first ")
    assert text.endswith(
        " frames (Invalid data found when processing input); it is cut short or damaged. "
        "A complete video file is needed. Export or download it again."
    )
    path = truncated(encode(tmp_path / "a.mkv", noise(9, 32, 32, 3), codec="ffv1", pix_fmt="bgr0"), 0.6)
    assert message(InputError, lambda: read_video(path)) == (
        f"The video {path} is cut short: its header states 0.56 s, its 5 frames end at 0.31 s. A complete video file "
        "is needed. Export or download it again, or read its first 5 frames."
    )
    assert len(read_video(path, max_frames=5).frames) == 5


def test_sound_without_pictures(tmp_path: Path):
    for name, codec in (("a.wav", "pcm_s16le"), ("a.mp4", "aac")):
        path = encode_sound(tmp_path / name, 0.2, 0.0, codec=codec)
        assert message(InputError, lambda path=path: read_video(path)) == (
            f"The file {path} holds no moving picture, only sound or data. A video is needed. Choose another file."
        )


def test_a_video_without_frames(tmp_path: Path):
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=16)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "yuv420p"
        container.start_encoding()
    assert message(InputError, lambda: read_video(path)) == (
        f"The video {path} holds no frames. At least one is needed. Export or download it again."
    )


def test_memory_is_refused_before_decoding(tmp_path: Path):
    path = encode(tmp_path / "a.mp4", noise(9, 64, 64, 3))
    assert message(InputError, lambda: read_video(path, max_bytes=9 * 64 * 64 * 3 - 1)) == (
        f"The video {path} has 9 or more frames of 64 x 64 pixels: 0.00 GiB once decoded. At most 0.00 GiB are read. "
        "Read fewer frames (max_frames) or scale it down first."
    )
    assert len(read_video(path, max_bytes=9 * 64 * 64 * 3).frames) == 9
    assert len(read_video(path, max_bytes=4 * 64 * 64 * 3, max_frames=4).frames) == 4


def test_a_header_that_claims_a_huge_size(tmp_path: Path):
    path = encode(tmp_path / "a.mkv", noise(3, 300, 400, 3), codec="ffv1", pix_fmt="bgr0")
    whole = path.read_bytes()
    texts = {
        8_000: f"The video {path} has 3 or more frames of 8000 x 8000 pixels: 0.54 GiB once decoded. At most "
        "0.25 GiB are read. Read fewer frames (max_frames) or scale it down first.",
        65_535: f"The video {path} cannot be decoded beyond its first 0 frames (Invalid data found when processing "
        "input); it is cut short or damaged. A complete video file is needed. Export or download it again.",
    }
    for side, text in texts.items():
        data = whole
        for tag, size in ((b"\xb0\x82", 400), (b"\xba\x82", 300)):
            assert data.count(tag + struct.pack(">H", size)) == 1
            data = data.replace(tag + struct.pack(">H", size), tag + struct.pack(">H", side))
        path.write_bytes(data)
        assert message(InputError, lambda: read_video(path, max_bytes=1 << 28)) == text


def test_a_size_that_changes(tmp_path: Path):
    parts = [encode(tmp_path / f"{n}.h264", noise(3, n, n, 3), options={"bf": "0"}).read_bytes() for n in (32, 64)]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    assert message(InputError, lambda: read_video(tmp_path / "a.h264")) == (
        f"The video {tmp_path / 'a.h264'} changes from 32 x 32 to 64 x 64 pixels at frame 3. One size is needed. "
        "Export it again, or read its first 3 frames."
    )
    assert read_video(tmp_path / "a.h264", max_frames=3).frames.shape == (3, 32, 32, 3)


def test_frames_to_read_are_at_least_one(tmp_path: Path):
    assert message(InputError, lambda: read_video(tmp_path / "a.mp4", max_frames=0)) == (
        "max_frames is 0. At least one frame must be read. Set it to 1 or more."
    )


@pytest.mark.parametrize("kind", ["mp4", "mkv", "gif", "png"])
def test_damaged_bytes_end_in_a_clip_or_a_sentence(tmp_path: Path, kind: str):
    path, pictures = tmp_path / f"a.{kind}", noise(5, 16, 16, 3)
    if kind == "png":
        write_image(path, from_uint8(pictures[0]))
    elif kind == "gif":
        images = [Image.fromarray(picture.numpy()) for picture in pictures]
        images[0].save(path, save_all=True, append_images=images[1:])
    else:
        encode(path, pictures)
    whole, pick = path.read_bytes(), random.Random(0)
    for _ in range(40):
        data = bytearray(whole)
        for _ in range(pick.choice([1, 4, 30])):
            data[pick.randrange(len(data))] = pick.randrange(256)
        path.write_bytes(data[: pick.choice([len(data), pick.randrange(1, len(data))])])
        for read in (lambda: read_video(path, max_bytes=1 << 24), lambda: read_mask(path)):
            with contextlib.suppress(InputError):
                assert read() is not None


# --- pictures and masks


def test_pictures_come_upright(tmp_path: Path):
    picture = noise(4, 6, 3)
    image = Image.fromarray(picture.numpy())
    exif = image.getexif()
    exif[0x0112] = 6  # shown turned clockwise
    image.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_image(tmp_path / "a.png")[0], picture.flip(0).transpose(0, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "LA", "RGBA", "I;16", "1", "CMYK"])
def test_every_kind_of_picture_is_read(tmp_path: Path, mode: str):
    gray = torch.arange(0, 256, 4, dtype=torch.uint8).view(8, 8)
    image = Image.fromarray(gray.numpy())
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    if mode == "I;16":
        Image.fromarray(gray.numpy().astype(np.uint16) * 257).save(path)
    else:
        image.convert("RGB" if mode == "CMYK" else "L").convert(mode).save(path)
    picture, alpha = read_image(path)
    expected = (gray > 127).to(torch.uint8) * 255 if mode == "1" else gray
    assert (picture.shape, alpha) == ((8, 8, 3), None)
    if mode != "1":  # Pillow dithers when it makes such a picture
        assert torch.equal(picture, expected[..., None].expand(-1, -1, 3))


def test_alpha_of_pictures_is_kept_apart(tmp_path: Path):
    levels = noise(6, 5, 4)
    Image.fromarray(levels.numpy(), "RGBA").save(tmp_path / "a.png")
    picture, alpha = read_image(tmp_path / "a.png")
    assert torch.equal(picture, levels[..., :3])
    assert alpha is not None
    assert torch.equal(alpha, levels[..., 3])


def png(width: int, height: int, data: bytes) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [10_000, 60_000])
def test_a_bomb_is_refused_by_its_size(tmp_path: Path, side: int):
    path = tmp_path / "a.png"
    path.write_bytes(png(side, side, bytes(1000)))
    assert message(InputError, lambda: read_image(path)) == (
        f"The picture {path} has more than 89,478,485 pixels. Pictures up to that size are read. Scale it down first."
    )


def test_pictures_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"hello " * 99)
    (tmp_path / "b.png").write_bytes(png(64, 64, bytes(64)))
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "c.tif")
    reasons = {
        "a.png": f"cannot identify image file {str(tmp_path / 'a.png')!r}",
        "b.png": "image file is truncated (0 bytes not processed)",
        "c.tif": "it holds floating-point values of an unknown range",
    }
    for name, reason in reasons.items():
        text = message(InputError, lambda name=name: read_image(tmp_path / name))
        assert text == (
            f"The file {tmp_path / name} cannot be read as a picture ({reason}). A complete PNG, JPEG or WebP file of "
            "8 or 16 bits is needed. Export or download it again."
        )


def test_white_is_generate(tmp_path: Path):
    levels = torch.tensor([[0, 100, 127, 128, 200, 255]], dtype=torch.uint8)
    Image.fromarray(levels.numpy()).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png")
    assert (mask.shape, mask.dtype) == ((1, 1, 6), torch.float32)
    assert mask.flatten().tolist() == [0, 0, 0, 1, 1, 1]


def test_a_video_is_a_mask_for_each_frame(tmp_path: Path):
    pictures = torch.zeros(5, 32, 48, 3, dtype=torch.uint8)
    for index in range(5):
        pictures[index, 8:24, 8 * index : 8 * index + 8] = 255
    mask = read_mask(encode(tmp_path / "a.mp4", pictures))
    assert torch.equal(mask, (pictures[..., 0] > 127).float())
    fit = plan(5, 32, 48, PRESETS["wan-480p"], fps=16)
    assert torch.equal(apply_masks(mask, fit)[0, 0], mask)


@pytest.mark.parametrize("colour", [0, 255])
def test_paint_on_transparency_is_the_mask(tmp_path: Path, caplog: pytest.LogCaptureFixture, colour: int):
    levels = torch.full((6, 5, 4), colour, dtype=torch.uint8)
    levels[:, :, 3] = 0
    levels[2:4, 1:3, 3] = 255
    levels[0, 0, :3] = 77  # under full transparency
    Image.fromarray(levels.numpy(), "RGBA").save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO, "vace"):
        mask = read_mask(tmp_path / "a.png")
    assert torch.equal(mask[0], (levels[..., 3] > 0).float())
    assert caplog.messages == [
        f"{tmp_path / 'a.png'}: a single colour on transparency, so the painted part is the mask."
    ]


def test_brightness_wins_where_both_vary(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    levels = torch.zeros(4, 4, 4, dtype=torch.uint8)
    levels[:, 2:, :3] = 255
    levels[..., 3] = 255
    levels[0, :, 3] = 0
    Image.fromarray(levels.numpy(), "RGBA").save(tmp_path / "a.png")
    with caplog.at_level(logging.INFO, "vace"):
        mask = read_mask(tmp_path / "a.png")
    assert mask[0].tolist() == [[0, 0, 1, 1]] * 4
    assert caplog.messages == [
        f"{tmp_path / 'a.png'}: brightness and transparency both vary; the mask is the brightness."
    ]


# --- surroundings


def test_missing_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert message(InputError, lambda: read_video(tmp_path / "a.mp4")) == (
        "Video files came, and PyAV is not installed. It is needed to read and write them. Run: pip install av"
    )
    assert message(InputError, lambda: read_image(tmp_path / "a.png")) == (
        "Picture files came, and Pillow is not installed. It is needed to read and write them. Run: pip install pillow"
    )


@real_files
@pytest.mark.parametrize(
    ("name", "shape", "fps"), [("test.mp4", (9, 720, 1280, 3), 16.0), ("test2.mp4", (9, 768, 512, 3), 25.0)]
)
def test_real_videos(name: str, shape: tuple[int, ...], fps: float):
    clip = read_video(DATA / name, max_frames=9)
    assert (tuple(clip.frames.shape), clip.fps, clip.alpha, clip.notes) == (shape, fps, None, ())
    assert clip.frames.float().std() > 20


@real_files
def test_a_real_clip_and_its_mask_go_through_fitting_together():
    clip, mask = read_video(DATA / "test.mp4", max_frames=2), read_mask(DATA / "mask_test.png")
    fit = plan(2, *clip.frames.shape[1:3], PRESETS["wan-480p"], fps=clip.fps, times=clip.times)
    frames, masks = apply(clip.frames, fit), apply_masks(mask, fit)
    assert (frames.shape, masks.shape) == ((1, 3, 1, 480, 832), (1, 1, 1, 480, 832))
    assert masks.mean().item() == pytest.approx(mask.mean().item(), abs=0.02)
