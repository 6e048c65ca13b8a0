"""Video files made by PyAV alone, so that nothing of the modules under test is its own witness."""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from refused import refused
from torch import Tensor

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
    """A file of `(T, H, W, 3 or 4)` uint8, frame by frame at `ticks` of 1 / `fps` seconds."""
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


def encode_sound(
    path: Path,
    seconds: float,
    silence: float,
    *,
    codec: str,
    video_start: int | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """440 Hz after some silence, in stereo, with a gray 25 fps video that begins at a tick unless that is None."""
    with av.open(str(path), "w") as container:
        video = None
        if video_start is not None:
            video = container.add_stream("libx264", rate=25, options=options or {})
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
    return refused(error.value)


def without_frames(path: Path, kind: str) -> Path:
    """A file in which no frame is: one track of sound, a video track without packets, or bytes of no format."""
    if kind == "sound alone":
        return encode_sound(path, 0.5, 0.1, codec="aac")
    if kind == "no packets":
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=16)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            container.start_encoding()
    else:
        path.write_bytes(b"no video at all")
    return path
