"""The sound of one file in another: from a time on, as long as its pictures, and where possible packet by packet."""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import InputError
from ..files.replacing import reason
from .files import OPTIONS, check_file, moving_pictures, pyav
from .index import index_of

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

logger = logging.getLogger("vace")

_COPIED = ("aac", "mp3", "ac3", "eac3", "alac")
"""Codecs that players expect in an .mp4. They are copied as they are; others are coded anew as AAC."""

_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
_LAYOUTS = ("mono", "stereo", "3.0", "4.0", "5.0", "5.1")
_USUAL = {1: "mono", 4: "4.0", 5: "5.0", 6: "5.1", 8: "5.1"}  # PyAV takes no frames of eight channels
"""What so many channels become where a file states none of these, as most .wav do not; all others become stereo."""

_JITTER = 20  # a part of a second: time stamps are rounded, and only a true gap may interrupt the sound
_CHANNEL_BITS = 128_000  # per second, of AAC


class Sound:
    """A track that is written beside pictures: it comes as far as they have come."""

    def __init__(self, path: Path, source: InputContainer, target: OutputContainer, start: float, flac: bool) -> None:
        self.path, self._target = path, target
        track, origin = source.streams.audio[0], _first_picture(path)
        self._copies = not flac and track.codec_context.name.removesuffix("float") in _COPIED
        begin = origin + start
        if self._copies:
            self._stream = target.add_stream_from_template(track)
            self._pieces = self._packets(source, track, begin)
        else:
            rate = track.codec_context.sample_rate
            rate = rate if flac or rate in _AAC_RATES else 48_000
            stated = track.codec_context.layout
            layout = stated.name if stated.name in _LAYOUTS else _USUAL.get(stated.nb_channels, "stereo")
            self._stream = target.add_stream("flac" if flac else "aac", rate=rate, layout=layout)
            if flac:
                self._stream.format = "s32" if track.codec_context.format.bytes > 2 else "s16"
            else:
                self._stream.bit_rate = _CHANNEL_BITS * self._stream.codec_context.layout.nb_channels
            self._pieces = self._samples(source, track, begin)
        self._left: tuple[Any, float] | None = None

    def until(self, seconds: float, *, last: bool = False) -> None:
        """Writes what sounds before a time; with `last`, the sound ends there.

        Raises:
            InputError: the file that the sound comes from cannot be read.
        """
        while (piece := self._left or self._next()) is not None:
            self._left = piece
            if piece[1] >= seconds:
                break
            self._left = None
            if self._copies:
                self._target.mux(piece[0])
                continue
            first = round(piece[1] * self._rate)
            kept = round(seconds * self._rate) - first
            self._encode(piece[0][:, :kept], first)
            if kept < piece[0].shape[1]:  # whether the film goes on, the next call knows
                self._left = piece[0][:, kept:], (first + kept) / self._rate
                break
        if last and not self._copies:
            self._target.mux(self._stream.encode(None))

    @property
    def _rate(self) -> int:
        return self._stream.codec_context.sample_rate

    def _next(self) -> tuple[Any, float] | None:
        try:
            return next(self._pieces, None)
        except (pyav().FFmpegError, OSError, ValueError) as error:
            raise unreadable(self.path, error) from error

    def _packets(
        self, source: InputContainer, track: AudioStream, begin: float
    ) -> Generator[tuple[Any, float], None, None]:
        """Packets from the one before `begin` on, which the decoder of the first needs; its own time is cut away."""
        tick = cast("Fraction", track.time_base)  # which every track has
        shift = round(begin / tick)
        for packet in source.demux(track):
            if packet.pts is None or packet.dts is None or not packet.size:
                continue
            if packet.pts + 2 * (packet.duration or 0) <= shift:
                continue
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            time = float(packet.pts * tick)
            packet.stream = self._stream
            yield packet, time

    def _samples(
        self, source: InputContainer, track: AudioStream, begin: float
    ) -> Generator[tuple[Any, float], None, None]:
        """`(channels, n)` in the kind that the codec takes, without gaps, and when it sounds."""
        coding = self._stream.codec_context
        rate = coding.sample_rate
        resampler = pyav().AudioResampler(format=f"{coding.format.name.rstrip('p')}p", layout=coding.layout, rate=rate)
        cursor: int = 0
        for frame in chain(source.decode(track), [None]):
            for piece in resampler.resample(frame):
                samples: Any = piece.to_ndarray()
                first = cursor if piece.time is None else round((piece.time - begin) * rate)
                first = cursor if cursor > 0 and abs(first - cursor) < rate // _JITTER else first
                samples, first = samples[:, max(-first, 0) :], max(first, 0)
                if not samples.shape[1]:
                    continue
                while first > cursor:  # silence, a second at a time
                    quiet = np.zeros((samples.shape[0], min(first - cursor, rate)), samples.dtype)
                    yield quiet, cursor / rate
                    cursor += quiet.shape[1]
                yield samples[:, cursor - first :], cursor / rate
                cursor = max(cursor, first + samples.shape[1])

    def _encode(self, samples: Any, first: int) -> None:
        av, coding = pyav(), self._stream.codec_context
        for begin in range(0, samples.shape[1], 1024):
            part = np.ascontiguousarray(samples[:, begin : begin + 1024])
            layout, kind = coding.layout.name, f"{coding.format.name.rstrip('p')}p"
            frame = av.AudioFrame.from_ndarray(part, format=kind, layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, first + begin, Fraction(1, self._rate)
            self._target.mux(self._stream.encode(frame))


@contextmanager
def sound_of(
    path: Path | None, target: OutputContainer, start: float, *, flac: bool
) -> Generator[Sound | None, None, None]:
    """The sound of a file on its way into another; None where it has none, which is logged.

    Args:
        path: A video or sound file. None = no sound is wanted.
        target: The file that is written, before anything is.
        start: Seconds from its first picture at which the sound begins.
        flac: Store it without any loss.

    Raises:
        InputError: the file cannot be read.
    """
    if path is None:
        yield None
        return
    check_file(path)
    av = pyav()
    try:
        source = av.open(str(path.absolute()), container_options=OPTIONS, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise unreadable(path, error) from error
    with source:
        if not source.streams.audio or getattr(source.streams.audio[0], "codec_context", None) is None:
            logger.info("%s: no sound to copy.", path)
            yield None
        else:
            try:
                sound = Sound(path, source, target, start, flac)
            except (av.FFmpegError, OSError, ValueError) as error:
                raise unreadable(path, error) from error
            yield sound


def _first_picture(path: Path) -> float:
    """When the first picture is shown that can be, by the clock of the file; 0 where there is none."""
    with pyav().open(str(path.absolute()), container_options=OPTIONS, metadata_errors="replace") as container:
        video = next(iter(moving_pictures(container)), None)
        if video is None or getattr(video, "codec_context", None) is None:
            return 0.0
        tick = cast("Fraction", video.time_base)  # which every stream has
        first, found = video.start_time, index_of(container, video, tick, {})
        if found is not None and found.stamps[0] is not None:
            first = found.stamps[0]  # not the same where pictures are left out that build on others
        return float((first or 0) * tick)


def unreadable(path: Path, error: BaseException) -> InputError:
    """What is said of a file whose sound cannot be read."""
    return InputError(
        "sound-unreadable",
        "The sound of {path} cannot be read ({error}). A complete file is needed. Export it again, or do without its "
        "sound.",
        path=path,
        error=reason(error),
    )
