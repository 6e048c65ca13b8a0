"""Decoded frames of an open video: in exact colours, upright, and when each of them is shown."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import InputError
from ..files.replacing import reason
from .files import EXACT_COLOUR, pyav

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

_BT709, _BT601 = 1, 5
_MATRICES = (1, 4, 5, 6, 7, 9)  # the YUV matrices that FFmpeg's scaler knows, by the number a file states
_HDR = {16: "PQ (smpte2084)", 18: "HLG (arib-std-b67)"}  # by the transfer function's number
_UNSTATED_RATE = 25.0  # frames per second, FFmpeg's own choice where a file states none


def decoded_frames(
    path: Path, stream: VideoStream, container: InputContainer, durations: dict[int | None, int | None]
) -> Iterator[VideoFrame]:
    """Decoded frames in display order; `durations` fills up with ticks by time stamp."""
    av = pyav()
    _check_dynamic_range(path, stream)
    decoder = stream.codec_context
    if stream.metadata.get("alpha_mode") == "1" and decoder.name in ("vp8", "vp9"):
        # FFmpeg's own decoders of these drop the alpha.
        decoder = av.CodecContext.create({"vp8": "libvpx", "vp9": "libvpx-vp9"}[decoder.name], "r")
    count = 0
    try:
        for packet in container.demux(stream):
            durations[packet.pts] = packet.duration
            for frame in decoder.decode(packet if packet.size else None):
                count += 1
                yield frame
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"The video {path} cannot be decoded beyond its first {count} frames ({reason(error)}); it is cut short "
            "or damaged. A complete video file is needed. Export or download it again."
        ) from error


def frame_bytes(frame: VideoFrame, notes: dict[str, None]) -> Tensor:
    """`(H, W, 3)` or, where the format has alpha, `(H, W, 4)` uint8, upright."""
    components = frame.format.components
    if components and components[0].bits > 8:
        notes[f"Its {components[0].bits} bits per channel are reduced to 8."] = None
    if frame.is_corrupt:
        notes["Some of its frames are damaged."] = None
    layout = "rgba" if any(part.is_alpha for part in components) or frame.format.name == "pal8" else "rgb24"
    matrix, levels = _matrix(frame, notes), frame.color_range
    # Older versions of PyAV look at the file's matrix only where source and destination are both named and differ.
    converted = frame.reformat(
        format=layout,
        src_colorspace=matrix,
        dst_colorspace=_BT601,
        src_color_range=levels,
        dst_color_range=levels,
        interpolation=EXACT_COLOUR,
    )
    picture = torch.from_numpy(converted.to_ndarray())
    turned = frame.side_data.get("DISPLAYMATRIX")
    return picture if turned is None else _upright(picture, struct.unpack("=9i", bytes(turned)), notes)


def _matrix(frame: VideoFrame, notes: dict[str, None]) -> int:
    """The YUV matrix that the file states, or, where it states none, that of its size, as players take it."""
    if frame.colorspace in _MATRICES:
        return frame.colorspace
    high = frame.height >= 720 or frame.width > 1024
    if high and len(frame.format.components) >= 3 and not frame.format.is_rgb:
        notes["It states no colour matrix; BT.709 is taken, as players do at this size."] = None
    return _BT709 if high else _BT601


def _check_dynamic_range(path: Path, stream: VideoStream) -> None:
    transfer = int(stream.codec_context.color_trc)
    if transfer in _HDR:
        raise InputError(
            f"The video {path} is HDR, {_HDR[transfer]}. A video of standard dynamic range is needed. Convert it "
            f'first: ffmpeg -i "{path.name}" -vf "zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,'
            'tonemap=hable,zscale=t=bt709:m=bt709:r=tv,format=yuv420p" -c:v libx264 -crf 10 -c:a copy '
            f'"{path.stem}-sdr.mp4"'
        )


def frame_times(
    starts: list[Fraction | None], stream: VideoStream, last: Fraction, notes: dict[str, None]
) -> tuple[float, Tensor]:
    """Frames per second and `(T, 2)` seconds from 0; `last` is how long the last frame stays."""
    known, count = [start for start in starts if start is not None], len(starts)
    tick, stated = stream.time_base or Fraction(0), stream.average_rate or stream.guessed_rate
    mean = Fraction(0)
    if len(known) < count or any(b <= a for a, b in pairwise(known)):
        notes["Its time stamps are missing or disordered; an even rate is assumed."] = None
    elif count > 1:
        mean = (known[-1] - known[0]) / (count - 1)
        # Rounding to the file's clock moves a frame by one tick at most; a missing one moves others by half a step.
        if max(abs(start - known[0] - index * mean) for index, start in enumerate(known)) > min(tick, mean / 4):
            return _varying([start - known[0] for start in (*known, known[-1] + (last or mean))], notes)
    if stated and (not mean or abs(mean - 1 / stated) <= mean / 100 + tick / (count - 1)):
        fps = float(stated)
    elif mean or last:
        fps = float(1 / (mean or last))
    else:
        fps = _UNSTATED_RATE
        notes[f"It states no frame rate; {fps:g} fps is assumed."] = None
    edges = torch.arange(count + 1, dtype=torch.float64) / fps
    return fps, torch.stack([edges[:-1], edges[1:]], dim=1)


def _upright(picture: Tensor, matrix: tuple[int, ...], notes: dict[str, None]) -> Tensor:
    """The image as the display matrix of its file shows it: x' = a x + c y, y' = b x + d y."""
    a, b, _, c, d = matrix[:5]
    swapped = a == 0
    x, y = (c, b) if swapped else (a, d)
    if (a and (b or c)) or (swapped and d) or not (x and y):
        notes["It is marked as turned by an angle that is no quarter turn; that mark is ignored."] = None
    elif swapped or x < 0 or y < 0:
        notes["It is turned or mirrored upright, as the file marks it."] = None
        picture = picture.transpose(0, 1) if swapped else picture
        picture = picture.flip([axis for axis, sign in ((0, y), (1, x)) if sign < 0]).contiguous()
    return picture


def _varying(edges: list[Fraction], notes: dict[str, None]) -> tuple[float, Tensor]:
    fps = float((len(edges) - 1) / edges[-1])
    gaps = [float(b - a) * 1000 for a, b in pairwise(edges)]
    notes[
        f"Its rate varies: a frame lasts {min(gaps):.0f} to {max(gaps):.0f} ms, {fps:.4g} fps on average; "
        "the time of each frame is kept."
    ] = None
    return fps, torch.tensor([(float(a), float(b)) for a, b in pairwise(edges)], dtype=torch.float64)
