"""An open video file that takes frame after frame, with true tags, their times and sound beside them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from .colour import Colour
from .files import pyav

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.filter.graph import Graph
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from .sound import Sound

ASPECT_TAG = "SAMPLE_ASPECT_RATIO"
"""The tag of a lossless film whose pixels are not square: "16:11"."""

_TICKS = 90_000  # per second, for frames of variable rate


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How pictures are stored.

    Attributes:
        width: Pixels.
        height: Pixels.
        pix_fmt: The format of the stored pictures, in FFmpeg's words.
        crf: Loss, None = none at all (FFV1).
        colour: What their levels mean.
        aspect: Width of a pixel over its height.
        chroma: Where samples of chroma lie, as `planes.chroma_place`; "" = what the codec takes for usual.
    """

    width: int
    height: int
    pix_fmt: str
    crf: int | None
    colour: Colour
    aspect: Fraction
    chroma: str = ""

    @property
    def codec(self) -> str:
        """FFmpeg's encoder."""
        # For 10 bits too: PyAV's x265 corrupts its memory with narrow pictures and loses time stamps of short clips.
        return "ffv1" if self.crf is None else "libx264"


class FilmEncoder:
    """Frames are given in the order in which they are shown; sound follows them."""

    def __init__(self, container: OutputContainer, layout: Layout, fps: float, times: Tensor | None) -> None:
        rate = Fraction(fps).limit_denominator(1001)
        self._container, self._edges = container, None if times is None or _even(times, fps) else times
        stream = cast("VideoStream", container.add_stream(layout.codec, rate=rate))
        self._stream = stream
        stream.width, stream.height, stream.pix_fmt = layout.width, layout.height, layout.pix_fmt
        coding = stream.codec_context
        self._tick = Fraction(1, _TICKS) if self._edges is not None else 1 / rate
        coding.time_base = self._tick
        coding.sample_aspect_ratio = layout.aspect
        options: dict[str, object] = {"chroma_sample_location": layout.chroma} if layout.chroma else {}
        self._shape: Graph | None = None
        if layout.crf is not None:
            # Its macroblock tree reads memory that nobody has written, so that no two films would be the same.
            options |= {"crf": str(layout.crf), "x264-params": "mbtree=0"}
        elif layout.aspect != 1:
            # PyAV cannot state it in Matroska. FFV1 does in its frames, for players; a tag does for the reader here.
            stream.metadata[ASPECT_TAG] = f"{layout.aspect.numerator}:{layout.aspect.denominator}"
            self._shape = _pixels_shaped(layout, self._tick)
        stream.options = options
        if layout.pix_fmt.startswith(("yuv", "gray")):
            coding.colorspace, coding.color_primaries = layout.colour.matrix, layout.colour.primaries
            coding.color_trc, coding.color_range = layout.colour.transfer, 2 if layout.colour.full else 1
        self._durations: dict[int, int] = {}
        self.count = 0
        self.sound: Sound | None = None

    def add(self, frame: VideoFrame) -> None:
        """Writes the next frame, and the sound before it."""
        begin, end = self._ticks(self.count), self._ticks(self.count + 1)
        if self._shape is not None:
            self._shape.push(frame)
            frame = cast("VideoFrame", self._shape.pull())
        frame.pts, frame.time_base = begin, self._tick
        self._durations[begin] = end - begin
        self.count += 1
        self._mux(frame)
        if self.sound is not None:
            self.sound.until(float(begin * self._tick))

    def finish(self) -> None:
        """Writes what the encoder still holds, and the sound up to the end of the last frame."""
        self._mux(None)
        if self.sound is not None:
            self.sound.until(float(self._ticks(self.count) * self._tick), last=True)

    def _mux(self, frame: VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            if packet.pts is not None:
                packet.duration = self._durations.pop(packet.pts, 0)
            self._container.mux(packet)

    def _ticks(self, index: int) -> int:
        if self._edges is None:
            return index
        last = index == len(self._edges)
        return round(float(self._edges[index - 1, 1] if last else self._edges[index, 0]) * _TICKS)


def _pixels_shaped(layout: Layout, tick: Fraction) -> Graph:
    """A filter whose frames state the shape of their pixels."""
    from av.filter import Graph

    graph = Graph()
    pictures = pyav().VideoFormat(layout.pix_fmt)
    source = graph.add_buffer(width=layout.width, height=layout.height, format=pictures, time_base=tick)
    shaped = graph.add("setsar", f"{layout.aspect.numerator}/{layout.aspect.denominator}")
    source.link_to(shaped)
    shaped.link_to(graph.add("buffersink"))
    graph.configure()
    return graph


def _even(times: Tensor, fps: float) -> bool:
    return bool((times[:, 0] * fps - torch.arange(len(times), dtype=torch.float64)).abs().max() < 1e-3)
