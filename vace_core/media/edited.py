"""An edited film: what was made, and everything else as the source stores it, never converted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..files.replacing import replacing
from .colour import Colour
from .encoder import FilmEncoder, Layout
from .files import pyav
from .footage import Footage
from .planes import Turn, bits_of, converted, frame_of_planes, numbers_to_planes, stored_planes, upright
from .reader import VideoReader
from .sound import sound_of
from .video import to_uint8
from .write import CRF, check_video_target

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Edited = Iterable[tuple[Tensor, Tensor]]
"""Chunks of what was made: finished frames and where they count, as `write_edited` takes them."""

_TURNED = {"yuv422p": "yuv440p", "yuv440p": "yuv422p"}  # a quarter turn makes columns of rows
_FFV1 = {"gbrp": "bgr0", "gbrap": "bgra"}  # how FFV1 takes RGB of 8 bits


def write_edited(
    path: str | Path,
    source: Footage,
    edited: Edited,
    *,
    begin: int = 0,
    first: int = 0,
    last: int | None = None,
    crf: int = CRF,
    lossless: bool = False,
    sound: bool = True,
) -> None:
    """Writes a film again with an edit in it, at its own size, rate, bit depth and pixel shape, with its own sound.

    Outside of the edit the levels that the source stores go to the encoder as they are; so without loss they are in
    the result bit for bit. Where chroma is stored for several pixels at once, it changes if one of these does.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`.
        source: The film, which is read again, a frame at a time.
        edited: What was made for its frames from `begin` on, in order: chunks of finished frames, `(1, 3, n, H, W)` in
            -1..1 or `(n, H, W, 3)` uint8, of the size of the film, each with where they count, `(n, H, W)` or
            `(1, 1, n, H, W)`, above 0 = changed.
        begin: The frame of the film that the edit begins at.
        first: The first frame of the film that is written.
        last: The frame after the last; None = to the end.
        crf: Loss of H.264, 0 = least, 51 = most. Unused if `lossless`.
        lossless: FFV1 in the format that the film has, where H.264 has 4:2:0 and at most 10 bits.
        sound: Whether its sound is written, cut to the frames.

    Raises:
        InputError: the film cannot be read, the path cannot be written, or a frame holds NaN or infinity.
        ShapeError: the edit has another size than the film, or reaches beyond it.
    """
    path, av = Path(path), pyav()
    first, last = source.checked(first, last)
    check_video_target(path, lossless=lossless, pixels=(last - first) * source.height * source.width)
    name = _stored_format(source)
    target = _target_format(source, name, lossless)
    layout = Layout(
        width=source.width,
        height=source.height,
        pix_fmt=target,
        crf=None if lossless else crf,
        colour=source.colour,
        aspect=source.aspect,
    )
    times = source.times[first:last]
    audio = source.path if sound and source.sound else None
    with replacing(path, av.FFmpegError) as part, av.open(str(part), "w") as container:
        encoder = FilmEncoder(container, layout, source.fps, times - times[0, 0])
        with sound_of(audio, container, float(times[0, 0]), flac=lossless) as encoder.sound:
            made = _made(edited, source)
            for index, planes in enumerate(_source_planes(source, first, last), first):
                edit = next(made, None) if index >= begin else None
                if edit is not None:
                    planes = _with_edit(planes, name, source.colour, *edit)
                encoder.add(_for_encoder(planes, name, layout))
            if next(made, None) is not None:
                raise ShapeError(
                    "edit-too-long",
                    "The edit reaches beyond frame {last} of {path}, the last that is written. It needs as many frames "
                    "as there are from {begin} on. Shorten it.",
                    last=last,
                    path=source.path,
                    begin=begin,
                )
            encoder.finish()


def _stored_format(source: Footage) -> str:
    """The format of the planes that `_source_planes` gives, all of one film alike."""
    if not isinstance(source, VideoReader) or source.tone_mapped is not None:
        return "gbrp" if source.bits <= 8 else "gbrp16le"
    frame = next(source.raw(0, 1))
    name = stored_planes(frame)[1]
    if name.startswith("gray"):
        name = "yuv444p" if bits_of(frame) <= 8 else name.replace("gray", "yuv444p")
    layout, at, rest = name.partition("p")
    return _TURNED.get(f"{layout}p", f"{layout}p") + rest if source.turn[0] and at else name


def _target_format(source: Footage, name: str, lossless: bool) -> str:
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
    sampling = "444" if source.height % 2 or source.width % 2 else "420"
    return f"yuv{sampling}p" + ("10le" if source.bits > 8 else "")


def _source_planes(source: Footage, first: int, last: int) -> Iterator[list[Any]]:
    """The levels of each frame, upright."""
    if isinstance(source, VideoReader) and source.tone_mapped is None:
        for frame in source.raw(first, last):
            planes = stored_planes(frame)[0]
            if len(planes) == 1:  # gray, which an edit brings colour into
                neutral = np.full_like(planes[0], 1 << (bits_of(frame) - 1))
                planes = [planes[0], neutral, neutral]
            yield [_upright(plane, source.turn) for plane in planes]
        return
    for picture in source.pictures(range(first, last), deep=source.bits > 8):
        levels = (picture * 65535).round() if source.bits > 8 else picture
        levels = levels.numpy().astype(np.uint16 if source.bits > 8 else np.uint8)
        yield [levels[..., 1], levels[..., 2], levels[..., 0]]


def _upright(plane: Any, turn: Turn) -> Any:
    kind = plane.dtype
    return plane if not any(turn) else upright(torch.from_numpy(plane.astype(np.int32)), turn).numpy().astype(kind)


def _made(edited: Edited, source: Footage) -> Iterator[tuple[Tensor, Any]]:
    """One frame after the other, `(H, W, 3)` uint8 or float32 in 0..1, and `(H, W)` bool: where it counts."""
    for frames, changed in edited:
        changed = changed[0, 0] if changed.ndim == 5 else changed
        count = frames.shape[2] if frames.ndim == 5 else len(frames)
        size = tuple(frames.shape[3:] if frames.ndim == 5 else frames.shape[1:3])
        if size != (source.height, source.width) or tuple(changed.shape) != (count, *size):
            raise ShapeError(
                "edit-size",
                "The edit has {count} frames of {size} and where it counts is {changed_shape}, as (H, W). {path} "
                "is {source}. All of one size are needed. Scale the edit to it.",
                count=count,
                size=tuple(size),
                changed_shape=tuple(changed.shape),
                path=source.path,
                source=(source.height, source.width),
            )
        deep = source.bits > 8 and frames.dtype != torch.uint8
        checked = frames.cpu() if frames.dtype == torch.uint8 else to_uint8(frames)
        for index in range(count):
            picture = checked[index]
            if deep:
                picture = (frames[0, :, index].detach().cpu().float().permute(1, 2, 0) + 1).div(2).clamp(0, 1)
            yield picture, changed[index].cpu().numpy() > 0


def _with_edit(planes: list[Any], name: str, colour: Colour, picture: Tensor, changed: Any) -> list[Any]:
    """The planes with those of the picture where it counts."""
    made = _planes_of(picture, name, colour)
    found: list[Any] = []
    for plane, new in zip(planes, [*made, *planes[len(made) :]], strict=True):
        rows, columns = -(-changed.shape[0] // plane.shape[0]), -(-changed.shape[1] // plane.shape[1])
        found.append(np.where(_any_of(changed, rows, columns), new, plane))
    return found


def _any_of(changed: Any, rows: int, columns: int) -> Any:
    """Whether any of the pixels changed that share a sample."""
    height, width = changed.shape
    whole = np.pad(changed, ((0, -height % rows), (0, -width % columns)))
    return whole.reshape(whole.shape[0] // rows, rows, whole.shape[1] // columns, columns).any((1, 3))


def _planes_of(picture: Tensor, name: str, colour: Colour) -> list[Any]:
    """RGB as planes of a format; alpha is not among them."""
    opaque = name.replace("yuva", "yuv").replace("gbrap", "gbrp")
    depth = int(opaque.partition("p")[2].removesuffix("le") or 8)
    if depth > 8 or opaque.startswith("gbr"):
        numbers = picture if picture.is_floating_point() else picture.float() / 255
        return numbers_to_planes(numbers, colour, depth, opaque)
    frame = pyav().VideoFrame.from_ndarray(picture.numpy(), format="rgb24")
    return stored_planes(converted(frame, opaque, colour))[0]


def _for_encoder(planes: list[Any], name: str, layout: Layout) -> VideoFrame:
    frame = frame_of_planes(planes, name)
    return frame if name == layout.pix_fmt else converted(frame, layout.pix_fmt, layout.colour)
