"""Videos as bytes: read with notes on what was found, and converted to and from `frames`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import torch
from torch import Tensor

from ..checks.numbers import check_whole
from ..checks.room import most_bytes
from ..errors import InputError, ShapeError
from .colour import BT709, Colour
from .footage import Footage
from .reader import VideoReader
from .sources import open_footage

MAX_BYTES = 8 << 30  # of decoded frames


@dataclass(frozen=True, kw_only=True, eq=False)
class Clip:
    """A decoded video.

    Attributes:
        frames: `(T, H, W, 3)` uint8, upright.
        alpha: `(T, H, W)` uint8, 0 = transparent, 255 = opaque. None where every pixel is opaque.
        fps: Frames per second, the average where the rate varies.
        times: `(T, 2)` float64, start and end of each frame in seconds, the first at 0.
        path: The file.
        notes: What was found or changed, one sentence each.
        colour: What the levels of the file mean, for writing the same.
        aspect: Width of a pixel over its height.
        bits: Bits of one channel in the file.
    """

    frames: Tensor
    alpha: Tensor | None
    fps: float
    times: Tensor
    path: Path | None = None
    notes: tuple[str, ...] = ()
    colour: Colour = BT709
    aspect: Fraction = Fraction(1)
    bits: int = 8


def from_uint8(pictures: Tensor) -> Tensor:
    """`(1, 3, T, H, W)` float32 in -1..1 from `(T, H, W, 3)` or `(H, W, 3)` uint8."""
    pictures = pictures if pictures.ndim == 4 else pictures[None]
    return pictures.permute(3, 0, 1, 2)[None].float().div_(127.5).sub_(1.0)


def levels(frames: Tensor) -> Tensor:
    """Numbers in -1..1 as numbers in 0..255."""
    return frames.add(1.0).mul_(127.5)


def stand_for_bytes(frames: Tensor, indices: Sequence[int]) -> bool:
    """Whether frames at `indices` of `(B, 3, T, H, W)` in -1..1 hold the 256 levels of bytes alone, as a file's do.

    Asked on the CPU alone, where torch can scale bytes; False elsewhere.
    """
    if frames.device.type != "cpu":
        return False
    found = (levels(frames[:, :, i].float()) for i in dict.fromkeys(indices))
    # Dark values lose precision on their way to -1.
    return all(bool(((level - level.round()).abs() < 1e-4).all()) for level in found)


def to_uint8(frames: Tensor) -> Tensor:
    """`(T, H, W, 3)` uint8 from `(1, 3, T, H, W)` in -1..1, rounded. Undoes `from_uint8` exactly.

    Values up to half a range outside -1..1 are overshoots of a filter or a decoder and saturate.

    Raises:
        ShapeError: the frames are laid out otherwise, hold several clips, or none.
        InputError: a frame holds NaN, infinity, or values of another range.
    """
    if frames.ndim != 5 or tuple(frames.shape[:2]) != (1, 3) or 0 in frames.shape:
        raise ShapeError(
            "frames-shape",
            "The frames have the shape {shape}. One clip of (1, 3, T, H, W) is needed. Pass the clips "
            "of a batch one by one.",
            shape=tuple(frames.shape),
        )
    pictures = torch.empty(*frames.shape[2:], 3, dtype=torch.uint8)
    for index, frame in enumerate(frames[0].detach().unbind(1)):
        peak = frame.abs().max().item()
        if not math.isfinite(peak):
            raise InputError(
                "frames-not-finite",
                "Frame {index} holds NaN or infinite values. Finite values in -1..1 are needed. Look for the step "
                "that produced them; a half-precision overflow is the usual reason.",
                index=index,
            )
        if peak > 2:
            raise InputError(
                "frames-values",
                "Frame {index} reaches {peak:g}. Values in -1..1 are needed. Bring the frames to that range first.",
                index=index,
                peak=peak,
            )
        pictures[index] = frame.float().add(1.0).mul(127.5).round().clamp(0, 255).permute(1, 2, 0)
    return pictures


def read_video(path: str | Path, *, max_frames: int | None = None, max_bytes: int = MAX_BYTES) -> Clip:
    """A video file as bytes, upright, with its alpha apart and its times.

    Frames of constant rate get exact times; the rounding of the file's clock is taken out. Frames of variable rate
    keep theirs. A GIF, or numbered images given as "frame_%03d.png", are read as videos too.

    Args:
        path: The file. Playlists and network addresses are not opened.
        max_frames: Frames to read from the start, at least 1. None reads all.
        max_bytes: Bytes that the decoded frames may fill, where as many are free; asked before decoding and again with
            every frame.

    Raises:
        InputError: the file is missing, empty, cut short, damaged, no video, or too large.
    """
    path = Path(path)
    if max_frames is not None:
        check_whole("max_frames", max_frames, least=1)
    film = open_footage(path)
    if isinstance(film, VideoReader):  # asked before a frame is decoded
        promised = min(film.promised, max_frames or film.promised)
        height, width = film.stored_size
        check_memory(path, width, height, promised, most_bytes(max_bytes))
    return read_clip(film, 0, max_frames if max_frames and max_frames <= film.count else None, max_bytes=max_bytes)


def read_clip(film: Footage, begin: int = 0, end: int | None = None, *, max_bytes: int = MAX_BYTES) -> Clip:
    """A range of an open film as bytes; nothing else of it is decoded.

    Args:
        film: Where they are read from.
        begin: The first frame.
        end: The frame after the last; None = to the end.
        max_bytes: Bytes that the decoded frames may fill.

    Raises:
        InputError: the range is not in the film, a frame cannot be decoded, or they do not fit.
    """
    begin, end = film.checked(begin, end)
    count, height, width = end - begin, film.height, film.width
    check_memory(film.path, width, height, count, most_bytes(max_bytes))
    frames = torch.empty(count, height, width, 3, dtype=torch.uint8)
    alpha: Tensor | None = None
    for chunk in film.chunks(begin, end):
        place = slice(chunk.begin, chunk.begin + len(chunk.frames))
        frames[place] = chunk.frames
        if chunk.alpha is not None and int(chunk.alpha.min()) < 255:
            alpha = torch.full((count, height, width), 255, dtype=torch.uint8) if alpha is None else alpha
            alpha[place] = chunk.alpha
    reduced = f"Its {film.bits} bits per channel are reduced to 8."
    apart = "It has transparency, which is kept apart; the colours are as stored."
    times = film.times[begin:end]
    return Clip(
        frames=frames,
        alpha=alpha,
        fps=film.fps,
        times=times - times[0, 0],
        path=film.path,
        notes=(
            *((reduced,) if film.bits > 8 else ()),
            *film.notes,
            *((apart,) if alpha is not None else ()),
        ),
        colour=film.colour,
        aspect=film.aspect,
        bits=film.bits,
    )


def check_memory(path: Path, width: int, height: int, frames: int, max_bytes: int) -> None:
    """Refuses a video whose decoded frames fill more than `max_bytes`.

    Raises:
        InputError: it is so.
    """
    needed = width * height * frames * 3
    if needed > max_bytes:
        raise InputError(
            "video-too-large",
            "The video {path} has {frames} or more frames of {width} x {height} pixels: {size:.2f} GiB once "
            "decoded. At most {limit:.2f} GiB are read. Cut it shorter, or scale it down first.",
            path=path,
            frames=frames,
            width=width,
            height=height,
            size=needed / 2**30,
            limit=max_bytes / 2**30,
        )
