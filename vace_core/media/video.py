"""Videos as bytes: read with notes on what was found, and converted to and from `frames`."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..checks.numbers import check_whole
from ..checks.room import most_bytes
from ..errors import InputError, ShapeError
from ..files.replacing import reason
from .decode import decoded_frames, frame_bytes, frame_times
from .files import OPTIONS, check_file, pyav

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

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
    """

    frames: Tensor
    alpha: Tensor | None
    fps: float
    times: Tensor
    path: Path | None = None
    notes: tuple[str, ...] = ()


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
    path, av = Path(path), pyav()
    if max_frames is not None:
        check_whole("max_frames", max_frames, least=1)
    if not ("%" in path.name and path.parent.is_dir()):
        check_file(path)
    try:
        with av.open(str(path.absolute()), container_options=OPTIONS, metadata_errors="replace") as container:
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not streams:
                raise InputError(
                    "video-without-picture",
                    "The file {path} holds no video stream, only sound or data. A video is needed. Choose another "
                    "file.",
                    path=path,
                )
            if getattr(streams[0], "codec_context", None) is None:
                raise InputError(
                    "video-codec",
                    "The codec of the video {path} cannot be decoded by this FFmpeg. H.264 is the safest choice. "
                    "Convert it to MP4.",
                    path=path,
                )
            return _read(path, container, streams[0], max_frames, max_bytes)
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            "video-unreadable",
            "The file {path} cannot be opened as a video ({error}). A complete video file is needed. Export or "
            "download it again, or convert it to MP4.",
            path=path,
            error=reason(error),
        ) from error


def _read(path: Path, container: InputContainer, stream: VideoStream, max_frames: int | None, max_bytes: int) -> Clip:
    promised = stream.frames or int((container.duration or 0) / 1e6 * (stream.average_rate or 0))
    bound = most_bytes(max_bytes)
    check_memory(path, stream.width, stream.height, min(promised, max_frames or promised), bound)
    pictures: deque[Tensor] = deque()
    starts: list[Fraction | None] = []
    durations: dict[int | None, int | None] = {}
    notes: dict[str, None] = {}  # an ordered set
    shape, last = (0, 0), Fraction(0)
    for frame in decoded_frames(path, stream, container, durations):
        shape = shape if pictures else (frame.height, frame.width)
        if (frame.height, frame.width) != shape:
            raise InputError(
                "video-size-changes",
                "The video {path} changes from {first_width} x {first_height} to {width} x {height} pixels at frame "
                "{frame}. One size is needed. Export it again, or read its first {frame} frames.",
                path=path,
                first_width=shape[1],
                first_height=shape[0],
                width=frame.width,
                height=frame.height,
                frame=len(pictures),
            )
        check_memory(path, frame.width, frame.height, len(pictures) + 1, bound)
        pictures.append(frame_bytes(frame, notes))
        tick = stream.time_base or Fraction(1, 1_000_000)
        starts.append(None if frame.pts is None else frame.pts * tick)
        last = (durations.get(frame.pts) or 0) * tick
        if len(pictures) == max_frames:
            break
    if not pictures:
        raise InputError(
            "video-without-frames",
            "The video {path} holds no frames. At least one is needed. Export or download it again.",
            path=path,
        )
    if len(pictures) != max_frames and starts[-1] is not None:
        _check_complete(path, container, stream, len(pictures), starts[-1] + last)
    fps, times = frame_times(starts, stream, last, notes)
    if stream.sample_aspect_ratio and stream.sample_aspect_ratio != 1:
        notes[f"Its pixels are not square ({stream.sample_aspect_ratio}); they are kept as they are stored."] = None
    frames, alpha = _stack(pictures)
    if alpha is not None:
        notes["It has transparency, which is kept apart; the colours are as stored."] = None
    return Clip(frames=frames, alpha=alpha, fps=fps, times=times, path=path, notes=tuple(notes))


def _stack(pictures: deque[Tensor]) -> tuple[Tensor, Tensor | None]:
    """One tensor of colours and one of alpha, emptying the queue so that memory is never needed twice."""
    count, (height, width, channels) = len(pictures), pictures[0].shape
    frames = torch.empty(count, height, width, 3, dtype=torch.uint8)
    alpha = torch.full((count, height, width), 255, dtype=torch.uint8) if channels == 4 else None
    for index in range(count):
        picture = pictures.popleft()
        frames[index] = picture[..., :3]
        if alpha is not None and picture.shape[2] == 4:
            alpha[index] = picture[..., 3]
    return frames, None if alpha is None or int(alpha.min()) == 255 else alpha


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
            "decoded. At most {limit:.2f} GiB are read. Read fewer frames (max_frames) or scale it down "
            "first.",
            path=path,
            frames=frames,
            width=width,
            height=height,
            size=needed / 2**30,
            limit=max_bytes / 2**30,
        )


def _check_complete(path: Path, container: InputContainer, stream: VideoStream, count: int, end: Fraction) -> None:
    """Refuses a file whose frames end before the time its header states: decoders stop quietly where a file is cut."""
    stated = Fraction(0)
    if "mp4" in container.format.name and stream.duration and stream.time_base:
        stated = ((stream.start_time or 0) + stream.duration) * stream.time_base
    elif clock := re.fullmatch(r"(\d+):(\d+):([\d.]+)", stream.metadata.get("DURATION", "")):
        stated = Fraction(clock[1]) * 3600 + Fraction(clock[2]) * 60 + Fraction(clock[3])
    if stated - end > 2 * end / count:
        raise InputError(
            "video-cut-short",
            "The video {path} is cut short: its header states {stated:.2f} s, its {count} frames end at "
            "{end:.2f} s. A complete video file is needed. Export or download it again, or read its first "
            "{count} frames.",
            path=path,
            stated=float(stated),
            count=count,
            end=float(end),
        )
