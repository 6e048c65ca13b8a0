"""Films written in the format that one is stored in: its levels as planes, never converted on their way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..files.replacing import replacing
from .encoder import FilmEncoder, Layout
from .files import pyav
from .footage import Footage
from .planes import (
    Turn,
    bits_of,
    converted,
    frame_bytes,
    frame_numbers,
    frame_of_planes,
    numbers_to_planes,
    stored_planes,
    upright,
)
from .reader import VideoReader
from .sound import sound_of
from .video import to_uint8

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Planes = list[Any]
"""The levels of one frame, upright: `(h, w)` uint8 or uint16 of each plane, alpha the last."""

_TURNED = {"yuv422p": "yuv440p", "yuv440p": "yuv422p"}  # a quarter turn makes columns of rows
_FFV1 = {"gbrp": "bgr0", "gbrap": "bgra"}  # how FFV1 takes RGB of 8 bits


def write_planes(
    path: Path,
    source: Footage,
    planes: Iterable[Planes],
    *,
    size: tuple[int, int],
    times: Tensor,
    crf: int,
    lossless: bool,
    sound: bool,
    sound_start: float,
    timecode: str | None = None,
) -> None:
    """Writes frames in the format, matrix, pixel shape and rate of a film.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`, as `write.check_video_target` takes it.
        source: The film.
        planes: Of each frame, in `stored_format`.
        size: `(H, W)` of the frames.
        times: `(T, 2)` seconds, start and end of each frame.
        crf: As `write_video`, as is `lossless`.
        lossless: As `write_video`.
        sound: Whether the sound of the film is written.
        sound_start: Seconds of it that are left out, or below 0, for how long it comes later.
        timecode: Of the first frame, which is stated where containers can count it; None = unknown.

    Raises:
        InputError: the film cannot be read, or the path cannot be written.
    """
    av, name = pyav(), stored_format(source)
    target = _target_format(source, name, size, lossless)
    layout = Layout(
        width=size[1],
        height=size[0],
        pix_fmt=target,
        crf=None if lossless else crf,
        colour=source.colour,
        aspect=source.aspect,
        chroma=_chroma(source, name, target),
    )
    audio = source.path if sound and source.sound else None
    with replacing(path, av.FFmpegError) as part, av.open(str(part), "w") as container:
        if timecode is not None and _counts(timecode, round(source.fps)):
            container.metadata["timecode"] = timecode
        encoder = FilmEncoder(container, layout, source.fps, times - times[0, 0])
        with sound_of(audio, container, sound_start, flac=lossless) as encoder.sound:
            for one in planes:
                encoder.add(_for_encoder(one, name, layout))
            encoder.finish()


def stored_format(source: Footage) -> str:
    """The format of the planes that `source_planes` gives, all of one film alike."""
    if not isinstance(source, VideoReader) or source.tone_mapped is not None:
        return ("gbrap" if source.alpha else "gbrp") + ("" if source.bits <= 8 else "16le")
    frame = next(source.raw(0, 1))
    name = stored_planes(frame)[1]
    if name.startswith("gray"):
        name = "yuv444p" if bits_of(frame.format) <= 8 else name.replace("gray", "yuv444p")
    layout, _, rest = name.partition("p")
    return _TURNED.get(f"{layout}p", f"{layout}p") + rest if source.turn[0] else name


def _target_format(source: Footage, name: str, size: tuple[int, int], lossless: bool) -> str:
    if lossless:
        target = _FFV1.get(name, name)
        known = {kind.name for kind in pyav().Codec("ffv1", "w").video_formats or ()}
        if target not in known:
            raise InputError(
                "footage-format",
                "The film {path} is stored as {name}, which FFV1 does not take. 4:2:0, 4:2:2 or 4:4:4 is needed to "
                "write it without loss. Convert it, or write it as .mp4.",
                path=source.path,
                name=name,
            )
        return target
    sampling = "444" if size[0] % 2 or size[1] % 2 else "420"
    return f"yuv{sampling}p" + ("10le" if source.bits > 8 else "")


def _counts(timecode: str, rate: int) -> bool:
    """Whether FFmpeg takes a timecode; another one would be an error once all is made."""
    code = re.fullmatch(r"\d\d:[0-5]\d:[0-5]\d([:;])(\d\d)", timecode)
    if code is None or rate not in (24, 25, 30, 48, 50, 60) or (code[1] == ";" and rate % 30):
        return False
    return int(code[2]) < rate


def _chroma(source: Footage, name: str, target: str) -> str:
    """Where the samples of chroma lie in what is written: as in the film, or where FFmpeg puts them."""
    if source.chroma or not target.startswith("yuv420p"):
        return source.chroma if "42" in target else ""
    return "center" if name.startswith(("gbr", "yuv444p", "yuva444p")) or source.bits <= 8 else ""


def source_planes(source: Footage, first: int, last: int) -> Iterator[Planes]:
    """The levels of the frames `first` up to `last` as they are stored, upright."""
    yield from (planes for planes, _ in source_frames(source, first, last))


def source_frames(source: Footage, first: int, last: int) -> Iterator[tuple[Planes, Callable[[], Tensor]]]:
    """Of each of these frames its planes, as `source_planes`, and what makes a picture of it, which nobody else has.

    That is `(H, W, 3 or 4)`, RGB and alpha: uint8 or, of more than 8 bits, float32 in 0..1.
    """
    if isinstance(source, VideoReader) and source.tone_mapped is None:
        convert = frame_numbers if source.bits > 8 else frame_bytes
        for frame in source.raw(first, last):
            planes = stored_planes(frame)[0]
            if len(planes) == 1:  # gray, which an edit brings colour into
                neutral = np.full_like(planes[0], 1 << (bits_of(frame.format) - 1))
                planes = [planes[0], neutral, neutral]
            shown = partial(convert, frame, source.colour, source.turn)
            yield [_upright(plane, source.turn) for plane in planes], shown
        return
    for picture in source.pictures(range(first, last), deep=source.bits > 8):
        levels = (picture * 65535).round() if source.bits > 8 else picture
        levels = levels.numpy().astype(np.uint16 if source.bits > 8 else np.uint8)
        yield [levels[..., channel] for channel in (1, 2, 0, 3)[: levels.shape[2]]], picture.clone


def _upright(plane: Any, turn: Turn) -> Any:
    kind = plane.dtype
    return plane if not any(turn) else upright(torch.from_numpy(plane.astype(np.int32)), turn).numpy().astype(kind)


def planes_of(picture: Tensor, name: str, source: Footage) -> Planes:
    """RGB as planes of a format, as a film stores it; alpha is not among them."""
    colour = source.colour
    opaque = name.replace("yuva", "yuv").replace("gbrap", "gbrp")
    depth = int(opaque.partition("p")[2].removesuffix("le") or 8)
    beside = source.chroma == "left" and opaque.startswith(("yuv420p", "yuv422p"))  # where FFmpeg would not put it
    if depth > 8 or opaque.startswith("gbr") or beside:
        numbers = picture if picture.is_floating_point() else picture.float() / 255
        return numbers_to_planes(numbers, colour, depth, opaque)
    frame = pyav().VideoFrame.from_ndarray(picture.numpy(), format="rgb24")
    return stored_planes(converted(frame, opaque, colour))[0]


def _for_encoder(planes: Planes, name: str, layout: Layout) -> VideoFrame:
    frame = frame_of_planes(planes, name)
    return frame if name == layout.pix_fmt else converted(frame, layout.pix_fmt, layout.colour)


def opaque_planes(picture: Tensor, name: str, source: Footage) -> Planes:
    """As `planes_of`, with alpha where the format has it."""
    planes = planes_of(picture, name, source)
    if name.startswith(("yuva", "gbrap")):
        most = (1 << (int(name.partition("p")[2].removesuffix("le") or 8))) - 1
        planes = [*planes, np.full(picture.shape[:2], most, planes[0].dtype)]
    return planes


def pictures_of(frames: Tensor, source: Footage) -> Iterator[Tensor]:
    """One frame after the other of `(1, 3, n, H, W)` in -1..1 or `(n, H, W, 3)` uint8, as `planes_of` takes it.

    Raises:
        InputError: a frame holds NaN or infinity.
    """
    deep = source.bits > 8 and frames.dtype != torch.uint8
    checked = frames.cpu() if frames.dtype == torch.uint8 else to_uint8(frames)
    for index, picture in enumerate(checked):
        if deep:
            yield (frames[0, :, index].detach().cpu().float().permute(1, 2, 0) + 1).div(2).clamp(0, 1)
        else:
            yield picture
