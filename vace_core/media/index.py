"""Which frames a video has and when each is shown, found without decoding them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import InputError
from ..files.replacing import reason
from .files import pyav

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

UNSTATED_RATE = 25.0  # frames per second, FFmpeg's own choice where a file states none


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameIndex:
    """The frames of a video in the order in which they are shown.

    Attributes:
        stamps: When each is shown, in ticks of the file's clock, None where it does not say.
        keys: For each frame, the decoding time from which a decoder must start to get it. Empty where the file does
            not say enough, so that decoding always starts at its beginning.
        last: Seconds that the last frame stays, 0 where it is not known.
    """

    stamps: tuple[int | None, ...]
    keys: tuple[int, ...]
    last: Fraction


def index_of(
    container: InputContainer, stream: VideoStream, tick: Fraction, notes: dict[str, None]
) -> FrameIndex | None:
    """Reads a whole file without decoding it; None where its time stamps do not tell its frames."""
    found: list[tuple[int | None, int | None, bool, int]] = []
    before: list[tuple[int | None, int | None]] = []  # keyframes that an edit list hides, and frames shown build on
    half = False
    try:
        for packet in container.demux(stream):
            if not packet.size or _hidden(packet, stream):
                continue
            if not packet.is_discard:
                found.append((packet.pts, packet.dts, packet.is_keyframe, packet.duration or 0))
                half = packet.is_corrupt
            elif packet.is_keyframe:
                before.append((packet.pts, packet.dts))
    except (pyav().FFmpegError, OSError, ValueError):
        pass  # told with the frames that lie there, once they are asked for
    if half:  # where a file is cut, the end of its last frame is missing
        found.pop()
    stamps = [stamp for stamp, *_ in found if stamp is not None]
    starts_at = [*before, *((pts, dts) for pts, dts, key, _ in found if key)]
    keys = sorted((pts, pts if dts is None else dts) for pts, dts in starts_at if pts is not None)
    if len(set(stamps)) < len(found) or not keys:
        return None
    shown = sorted((pts, duration) for pts, _, _, duration in found if pts is not None and pts >= keys[0][0])
    if not shown:
        return None
    if len(shown) < len(found):
        missing = len(found) - len(shown)
        notes[f"Its first {missing} frames build on others that are not in the file; they are left out."] = None
    starts: list[int] = []
    place = 0
    for stamp, _ in shown:
        while place + 1 < len(keys) and keys[place + 1][0] <= stamp:
            place += 1
        starts.append(keys[place][1])
    return FrameIndex(stamps=tuple(stamp for stamp, _ in shown), keys=tuple(starts), last=shown[-1][1] * tick)


def _hidden(packet: Packet[VideoStream], stream: VideoStream) -> bool:
    """Whether a packet is only built upon: VP8 states it in its first byte, other formats pack it with the next."""
    return stream.codec_context.name in ("vp8", "libvpx") and not bytes(packet)[0] >> 4 & 1


def index_by_decoding(path: Path, container: InputContainer, stream: VideoStream, tick: Fraction) -> FrameIndex:
    """Decodes a whole file once to count its frames, holding none of them."""
    stamps: list[int | None] = []
    durations: dict[int | None, int] = {}
    try:
        for packet in container.demux(stream):
            durations[packet.pts] = packet.duration or 0
            stamps += [frame.pts for frame in stream.codec_context.decode(packet if packet.size else None)]
    except (pyav().FFmpegError, OSError, ValueError) as error:
        if not stamps:
            raise broken(path, 0, error) from error
    last = durations.get(stamps[-1], 0) * tick if stamps else Fraction(0)
    return FrameIndex(stamps=tuple(stamps), keys=(), last=last)


def broken(path: Path, count: int, error: BaseException | None) -> InputError:
    """What is said of a file that gives `count` frames and not one more."""
    why = reason(error) if error else "its data end"
    return InputError(
        "video-cut-short",
        "The video {path} cannot be decoded beyond its first {count} frames ({error}); it is cut short or "
        "damaged. A complete video file is needed. Export or download it again.",
        path=path,
        count=count,
        error=why,
    )


def check_complete(path: Path, container: InputContainer, stream: VideoStream, count: int, end: Fraction) -> None:
    """Refuses a file whose frames end before the time its header states: decoders stop quietly where a file is cut.

    Raises:
        InputError: it is so.
    """
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


def frame_times(
    starts: list[Fraction | None], tick: Fraction, stated: Fraction | None, last: Fraction, notes: dict[str, None]
) -> tuple[float, Tensor]:
    """Frames per second and `(T, 2)` seconds from 0; `last` is how long the last frame stays."""
    known, count = [start for start in starts if start is not None], len(starts)
    mean = Fraction(0)
    if len(known) < count or any(b <= a for a, b in pairwise(known)):
        notes["Its time stamps are missing or disordered; an even rate is assumed."] = None
    elif count > 1:
        mean = (known[-1] - known[0]) / (count - 1)
        # Rounding to the file's clock moves a frame by one tick at most; a missing one moves others by half a step.
        if max(abs(start - known[0] - index * mean) for index, start in enumerate(known)) > min(tick, mean / 4):
            return _varying([start - known[0] for start in (*known, known[-1] + (last or mean))], notes)
    if stated and (not mean or abs(mean - 1 / stated) <= tick / (count - 1)):
        fps = float(stated)
    elif mean or last:
        fps = float(1 / (mean or last))
    else:
        fps = UNSTATED_RATE
        notes[f"It states no frame rate; {fps:g} fps is assumed."] = None
    edges = torch.arange(count + 1, dtype=torch.float64) / fps
    return fps, torch.stack([edges[:-1], edges[1:]], dim=1)


def _varying(edges: list[Fraction], notes: dict[str, None]) -> tuple[float, Tensor]:
    fps = float((len(edges) - 1) / edges[-1])
    gaps = [float(b - a) * 1000 for a, b in pairwise(edges)]
    notes[
        f"Its rate varies: a frame lasts {min(gaps):.0f} to {max(gaps):.0f} ms, {fps:.4g} fps on average; "
        "the time of each frame is kept."
    ] = None
    return fps, torch.tensor([(float(a), float(b)) for a, b in pairwise(edges)], dtype=torch.float64)
