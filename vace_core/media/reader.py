"""A video file, of which only the frames that are asked for are decoded, by their time stamps and so exactly."""

from __future__ import annotations

import logging
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from ..checks.room import check_room
from ..errors import InputError
from ..files.replacing import reason
from .colour import BT709, Colour, check_dynamic_range, colour_of
from .encoder import ASPECT_TAG
from .files import OPTIONS, check_file, moving_pictures, pyav
from .footage import Footage
from .index import FrameIndex, broken, check_complete, frame_times, index_by_decoding, index_of
from .planes import Turn, bits_of, chroma_place, frame_bytes, frame_numbers, has_alpha, turn_of
from .tone import HLG, PQ, tone_mapped

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.codeccontext import VideoCodecContext
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

logger = logging.getLogger("vace")

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own drop the alpha


@dataclass(frozen=True, kw_only=True)
class _First:
    """What the first frame says: not the frame itself, which every film of a long clip would hold."""

    height: int
    width: int
    layout: VideoFormat
    turn: Turn
    colour: Colour


class VideoReader(Footage):
    """A video file. What its header states is known at once; its frames are counted when somebody asks, not decoded.

    The file is open only while it is read. Playlists and network addresses are not opened.

    Args:
        path: The file.
        tone_map: Bring HDR to standard dynamic range; without that it is refused.

    Raises:
        InputError: the file is missing, empty, no video, HDR, or of a codec that is not known.
    """

    def __init__(self, path: str | Path, *, tone_map: bool = False) -> None:
        self.path = Path(path)
        pyav()
        check_file(self.path)
        self._noted: dict[str, None] = {}  # an ordered set
        with self._opened() as (container, stream):
            transfer = int(stream.codec_context.color_trc)
            if not tone_map:
                check_dynamic_range(self.path, transfer)
            self._stated = int(stream.codec_context.color_primaries), transfer
            self.tone_mapped = transfer if transfer in (PQ, HLG) else None
            self._tick = cast("Fraction", stream.time_base)  # which every stream has
            self._rate = stream.average_rate or stream.guessed_rate
            self._alpha_decoder = stream.metadata.get("alpha_mode") == "1"
            self._stated_aspect = stream.sample_aspect_ratio or _tagged_aspect(stream.metadata.get(ASPECT_TAG, ""))
            self.stored_size = stream.height, stream.width
            self.promised = stream.frames or int((container.duration or 0) / 1e6 * (stream.average_rate or 0))
            self.sound = bool(container.streams.audio)
            told = [stream.metadata, container.metadata, *(other.metadata for other in container.streams)]
            codes = (code for one in told for name, code in one.items() if name.lower() == "timecode")  # .mkv: TIMECODE
            self.timecode = next(codes, None)

    @cached_property
    def index(self) -> FrameIndex:
        """Which frames there are."""
        self._first_is_affordable()
        with self._opened() as (container, stream):
            found = index_of(container, stream, self._tick, self._noted)
        if found is None:
            with self._opened() as (container, stream):
                found = index_by_decoding(self.path, container, stream, self._tick)
        if not found.stamps:
            if self.promised:
                raise broken(self.path, 0, None)
            raise InputError(
                "video-without-frames",
                "The video {path} holds no frames. At least one is needed. Export or download it again.",
                path=self.path,
            )
        return found

    @cached_property
    def _timing(self) -> tuple[float, Tensor]:
        starts = [None if stamp is None else stamp * self._tick for stamp in self.index.stamps]
        return frame_times(starts, self._tick, self._rate, self.index.last, self._noted)

    @property
    def fps(self) -> float:  # type: ignore[override]
        return self._timing[0]

    @property
    def times(self) -> Tensor:  # type: ignore[override]
        return self._timing[1]

    @cached_property
    def _first(self) -> _First:
        """What the first frame says and no header does."""
        frame = next(iter(self._run([0], from_start=True)))
        if frame.interlaced_frame:
            raise self._interlaced(0)
        return _First(
            height=frame.height,
            width=frame.width,
            layout=frame.format,
            turn=turn_of(frame, self._noted),
            colour=colour_of(self.path, frame, self._stated, self._noted),
        )

    @property
    def height(self) -> int:  # type: ignore[override]
        first = self._first
        return first.width if first.turn[0] else first.height

    @property
    def width(self) -> int:  # type: ignore[override]
        first = self._first
        return first.height if first.turn[0] else first.width

    @property
    def colour(self) -> Colour:  # type: ignore[override]
        return self._first.colour if self.tone_mapped is None else BT709

    @property
    def turn(self) -> Turn:
        """How its stored pictures become upright."""
        return self._first.turn

    @property
    def layout(self) -> str:
        """The format of its stored pictures, in FFmpeg's words."""
        return self._first.layout.name

    @property
    def bits(self) -> int:  # type: ignore[override]
        return bits_of(self._first.layout)

    @property
    def alpha(self) -> bool:  # type: ignore[override]
        return self.tone_mapped is None and has_alpha(self._first.layout)

    @property
    def aspect(self) -> Fraction:  # type: ignore[override]
        return 1 / self._stated_aspect if self.turn[0] else self._stated_aspect

    @property
    def notes(self) -> tuple[str, ...]:  # type: ignore[override]
        _ = self._first, self._timing
        square = self._stated_aspect == 1
        shown = f"Its pixels are not square ({self._stated_aspect}); they are kept as they are stored."
        mapped = "It is HDR and tone-mapped to standard dynamic range, BT.709."
        return (*self._noted, *(() if square else (shown,)), *(() if self.tone_mapped is None else (mapped,)))

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        colour, turn = self._first.colour, self._first.turn
        convert = frame_numbers if deep or self.tone_mapped else frame_bytes
        for place, frame, repeats in self._with_repeats(indices):
            if frame.interlaced_frame:  # a film of several parts may begin with whole frames
                raise self._interlaced(place)
            picture = convert(frame, colour, turn)
            if self.tone_mapped is not None:
                picture = tone_mapped(picture[..., :3], self.tone_mapped)
                picture = picture if deep else (picture * 255).round().to(torch.uint8)
            for _ in range(repeats):
                yield picture

    @cached_property
    def chroma(self) -> str:  # type: ignore[override]
        return "" if self.tone_mapped else chroma_place(next(self.raw(0, 1)), self.turn)

    def raw(self, begin: int, end: int) -> Iterator[VideoFrame]:
        """Frames as the decoder gives them, neither turned nor converted; interlaced ones are warned of."""
        _ = self._first
        kept = "Some of its frames are interlaced; what is kept of them stays so."
        for place, frame in enumerate(self._frames(range(begin, end)), begin):
            if frame.interlaced_frame and kept not in self._noted:
                self._noted[kept] = None
                logger.warning("%s, frame %d: %s", self.path, place, kept)
            yield frame

    def checked(self, begin: int, end: int | None) -> tuple[int, int]:
        if end is None:  # whoever asks for all shall not get less in silence
            self.check_complete()
        return super().checked(begin, end)

    def check_complete(self) -> None:
        """Refuses a file that is shorter than its header states.

        Raises:
            InputError: it is so.
        """
        stamp = self.index.stamps[-1]
        if stamp is None:
            return
        end = stamp * self._tick + self.index.last
        with self._opened() as (container, stream):
            check_complete(self.path, container, stream, self.count, end)

    def _with_repeats(self, indices: Sequence[int]) -> Iterator[tuple[int, VideoFrame, int]]:
        unique = list(dict.fromkeys(indices))
        if not unique or unique[0] < 0 or unique[-1] >= self.count or any(b < a for a, b in pairwise(unique)):
            raise InputError(
                "frames-outside",
                "Frames {frames} of {path} were asked for, and it has {count}. Frames from 0 to {last} in rising "
                "order are needed. Change them.",
                frames=list(indices)[:8],
                path=self.path,
                count=self.count,
                last=self.count - 1,
            )
        repeats = dict.fromkeys(unique, 0)
        for index in indices:
            repeats[index] += 1
        yield from zip(unique, self._frames(unique), repeats.values(), strict=True)

    def _frames(self, wanted: Sequence[int]) -> Iterator[VideoFrame]:
        """Decoded in runs, each from the keyframe that its first frame builds on."""
        keys = self.index.keys
        run = [wanted[0]]
        for index in wanted[1:]:
            if keys and index > run[-1] + 1 and keys[index] != keys[run[-1]]:
                yield from self._run(run)
                run = []
            run.append(index)
        yield from self._run(run)

    def _run(self, wanted: list[int], *, from_start: bool = False) -> Iterator[VideoFrame]:
        from_start = from_start or not self.index.keys or self.index.keys[wanted[0]] <= self.index.keys[0]
        for given, frame in enumerate(self._decoded(wanted, None if from_start else self.index.keys[wanted[0]])):
            if frame is None:  # what the file offered to start from was no place to start from
                yield from self._run(wanted[given:], from_start=True)
                return
            yield frame

    def _decoded(self, wanted: list[int], start: int | None) -> Iterator[VideoFrame | None]:
        """The wanted frames; None where one does not come, though it may if decoding starts at the beginning."""
        av, stamps = pyav(), self.index.stamps
        places = {stamp: place for place, stamp in enumerate(stamps)} if self.index.keys else {}
        left, reached, failed = list(reversed(wanted)), -1, None
        with self._opened() as (container, stream):
            if start is not None:
                container.seek(start, stream=stream)
            try:
                for frame in _frames_in(container, stream, self._decoder(stream)):
                    place = places.get(frame.pts, -1) if places else reached + 1
                    reached = max(reached, place)
                    if place > left[-1]:
                        break
                    if place == left[-1]:
                        self._check_size(frame, place)
                        yield frame
                        left.pop()
                    if not left:
                        return
            except av.FFmpegError as error:
                failed = error
        if start is None:
            raise broken(self.path, left[-1], failed) from failed
        yield None

    def _interlaced(self, place: int) -> InputError:
        return InputError(
            "video-interlaced",
            "Frame {frame} of the video {path} is interlaced: it holds two fields of different times. Whole frames "
            'are needed. Convert it first: ffmpeg -i "{name}" -vf bwdif=mode=send_frame -crf 10 '
            '-c:a copy "{stem}-progressive.mp4". If it is only marked so, -vf setfield=prog does it.',
            path=self.path,
            frame=place,
            name=self.path.name,
            stem=self.path.stem,
        )

    def _check_size(self, frame: VideoFrame, place: int) -> None:
        if "_first" not in self.__dict__:
            return
        first = self._first
        if (frame.height, frame.width) != (first.height, first.width):
            raise InputError(
                "video-size-changes",
                "The video {path} changes from {first_width} x {first_height} to {width} x {height} pixels at "
                "frame {frame}. One size is needed. Export it again, or read its first {frame} frames.",
                path=self.path,
                first_width=first.width,
                first_height=first.height,
                width=frame.width,
                height=frame.height,
                frame=place,
            )
        if frame.is_corrupt:
            self._noted["Some of its frames are damaged."] = None

    def _decoder(self, stream: VideoStream) -> VideoCodecContext:
        decoder = stream.codec_context
        if self._alpha_decoder and decoder.name in _ALPHA_DECODERS:
            return pyav().CodecContext.create(_ALPHA_DECODERS[decoder.name], "r")
        return decoder

    def _first_is_affordable(self) -> None:
        height, width = self.stored_size
        check_room(height * width * 8, f"A frame of {self.path}", height=height, width=width)

    @contextmanager
    def _opened(self) -> Generator[tuple[InputContainer, VideoStream], None, None]:
        av = pyav()
        try:
            with av.open(str(self.path.absolute()), container_options=OPTIONS, metadata_errors="replace") as container:
                yield container, self._stream(container)
        except InputError:
            raise
        except (av.FFmpegError, OSError, ValueError) as error:
            raise InputError(
                "video-unreadable",
                "The file {path} cannot be opened as a video ({error}). A complete video file is needed. Export or "
                "download it again, or convert it to MP4.",
                path=self.path,
                error=reason(error),
            ) from error

    def _stream(self, container: InputContainer) -> VideoStream:
        streams = moving_pictures(container)
        if not streams:
            raise InputError(
                "video-without-picture",
                "The file {path} holds no moving picture, only sound or data. A video is needed. Choose another file.",
                path=self.path,
            )
        if getattr(streams[0], "codec_context", None) is None:
            raise InputError(
                "video-codec",
                "The video {path} cannot be decoded by this FFmpeg. H.264 is the safest choice. Convert it to MP4.",
                path=self.path,
            )
        return streams[0]


def _tagged_aspect(text: str) -> Fraction:
    """The shape of pixels that films written here tell of in a tag; 1 where there is none."""
    told = re.fullmatch(r"([1-9]\d{0,8}):([1-9]\d{0,8})", text)
    return Fraction(int(told[1]), int(told[2])) if told else Fraction(1)


def _frames_in(container: InputContainer, stream: VideoStream, decoder: VideoCodecContext) -> Iterator[VideoFrame]:
    try:
        for packet in container.demux(stream):
            yield from decoder.decode(packet if packet.size else None)
    except pyav().FFmpegError:
        with suppress(pyav().FFmpegError):
            yield from decoder.decode(None)  # frames that waited for their order
        raise
