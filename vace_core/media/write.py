"""Video files and numbered pictures, written whole or not at all, in chunks and with the sound of another file."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..files.replacing import replacing, unwritable
from .colour import BT709, Colour
from .encoder import FilmEncoder, Layout
from .files import check_room_beside, check_target, pyav
from .planes import converted, frame_of_planes, numbers_to_planes
from .sound import sound_of
from .video import to_uint8

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

logger = logging.getLogger("vace")

CRF = 10
"""Loss of H.264 unless one says otherwise: the official "quality 8"."""

_PATTERN = re.compile(r"(?!\.)([^%]*[^%\d])?%(0\d{0,2})?d[^%\d]*\.png")
"""Of names that `stills` finds again: hidden files are none, and the last number of a name is that of its frame."""


def write_video(
    path: str | Path,
    frames: Tensor | Iterable[Tensor],
    *,
    fps: float,
    crf: int = CRF,
    lossless: bool = False,
    bits: int = 8,
    colour: Colour = BT709,
    aspect: Fraction = Fraction(1),
    times: Tensor | None = None,
    copy_audio_from: str | Path | None = None,
    audio_start: float = 0.0,
) -> None:
    """Writes `frames` as H.264 in .mp4, or without any loss as FFV1 in .mkv.

    The file appears under its name when it is complete; an existing one is replaced then. Even sizes are stored as
    4:2:0, which every player shows. Odd sizes are stored as 4:4:4, since padding or cropping would change the image;
    some players cannot show that.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`. Its folder must exist.
        frames: `(1, 3, T, H, W)` in -1..1, or `(T, H, W, 3)` uint8; or chunks of these, of which one at a time is held.
        fps: Frames per second, 0.1..1000. Stored as an exact fraction, 29.97 as well as 30000/1001.
        crf: Loss of the codec, 0 = least, 51 = most. The default is the official "quality 8". Unused if `lossless`.
        lossless: Keeps every byte, so that unchanged pixels can be checked in the file.
        bits: Of one channel: 8, or 10 (12 and 16 too without loss). H.264 of 10 bits is played by programs, and by few
            devices.
        colour: What the film is stored as, and what its tags then say: that of its source, so that it looks as it.
        aspect: Width of a pixel over its height, as the source has it.
        times: `(T, 2)` seconds, start and end of each frame, where the rate varies.
        copy_audio_from: A video or sound file. Its first track is stored from the time of its first picture on, as
            long as the film: as it is where .mp4 takes its codec, otherwise as AAC, and as FLAC if `lossless`. One
            without sound gives a silent result, which is logged.
        audio_start: Seconds of that file that are left out, for a film that shows a part of it.

    Raises:
        InputError: the path, rate or quality cannot be used, a frame holds NaN or infinity, or writing fails.
        ShapeError: the frames are not one clip, or change their size.

    Source: quality 8 of imageio-ffmpeg, which ali-vilab/VACE writes with, is x264's crf int((1 - 0.8) * 51) = 10.
    """
    path, av = Path(path), pyav()
    check_video_target(path, lossless=lossless)
    _check_numbers(fps, crf, bits, lossless)
    chunks = iter([frames] if isinstance(frames, Tensor) else frames)
    first = next(chunks, None)
    if first is None:
        raise ShapeError("frames-missing", "There are no frames. A video holds at least one. Give it some.")
    height, width = size = _size(first)
    chunks, first = _all_of([first], chunks), None
    odd = bool(height % 2 or width % 2)
    if not lossless and odd:
        logger.warning("%s: %d x %d is odd, so H.264 4:4:4; some players cannot show it.", path, width, height)
    sampling = "444" if odd else "420"
    planes = "gbrp" if lossless else f"yuv{sampling}p"
    pix_fmt = ("bgr0" if lossless else planes) if bits == 8 else f"{planes}{bits}le"
    layout = Layout(
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        crf=None if lossless else crf,
        colour=colour,
        aspect=aspect,
        chroma="center" if pix_fmt == "yuv420p" else "",  # where FFmpeg puts it
    )
    audio = None if copy_audio_from is None else Path(copy_audio_from)
    with replacing(path, av.FFmpegError) as part, av.open(str(part), "w") as container:
        encoder = FilmEncoder(container, layout, fps, times)
        with sound_of(audio, container, audio_start, flac=lossless) as encoder.sound:
            for chunk in chunks:
                if _size(chunk) != size:
                    raise ShapeError(
                        "frames-size-changes",
                        "Frames of {width} x {height} pixels came, and then frames of {next_width} x {next_height}. A "
                        "video has one size. Scale them.",
                        width=width,
                        height=height,
                        next_width=_size(chunk)[1],
                        next_height=_size(chunk)[0],
                    )
                for frame in _frames(chunk, layout):
                    encoder.add(frame)
            encoder.finish()


def write_frames(path: str | Path, frames: Iterable[Tensor] | Tensor, *, bits: int = 8) -> None:
    """Writes numbered PNG files into a folder, which appears with all of them or not at all.

    Args:
        path: The folder, "shots", whose files are frame_00000.png and so on, or with a pattern for their names,
            "shots/take_%04d.png". It must not hold anything yet.
        frames: As `write_video`.
        bits: 8 or 16 bits of one channel.

    Raises:
        InputError: the folder cannot be written or holds something, or a frame holds NaN or infinity.
        ShapeError: the frames are not clips.
    """
    folder, name = check_frames_target(path, bits=bits)
    # Cut short, so that its name is no longer than file systems allow where that of the folder is not.
    part = folder.with_name(f".{folder.name[:40]}.{secrets.token_hex(8)}")
    try:
        part.mkdir()
        _write_pngs(part / name, frames, bits)
        if folder.exists():
            folder.rmdir()
        part.rename(folder)
    except (OSError, ValueError, TypeError, pyav().FFmpegError) as error:
        if isinstance(error, InputError):
            raise
        raise unwritable(folder, error) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_video_target(path: Path, *, lossless: bool, pixels: int = 0) -> None:
    """Refuses a `path` that `write_video` could not write to, before the frames are computed.

    Args:
        path: The file to be.
        lossless: As `write_video`'s.
        pixels: Of all frames together, for a guess of the space that is needed: a sixteenth of their bytes, a quarter
            where nothing is lost. Real clips took a third of the one and from all to three quarters of the other.

    Raises:
        InputError: as `check_target`, or FFmpeg lacks the codec.
    """
    av, codec = pyav(), "ffv1" if lossless else "libx264"
    check_target(path, ".mkv" if lossless else ".mp4", room=3 * pixels // (4 if lossless else 16))
    if codec not in av.codecs_available:
        raise InputError(
            "encoder-missing",
            "This FFmpeg has no {codec}, which {path} is to be written with. It is part of PyAV as it is "
            "published. Run: pip install av",
            codec=codec,
            path=path,
        )


def check_frames_target(path: str | Path, *, bits: int = 8, pixels: int = 0) -> tuple[Path, str]:
    """The folder and the pattern that `write_frames` writes, refused before the frames are computed if it could not.

    Args:
        path: As `write_frames`, as is `bits`.
        bits: Of one channel.
        pixels: Of all frames together, for a guess of the space that is needed, as of a film without loss.

    Raises:
        InputError: the folder cannot be made, or is there and not empty, the disk is too full, or the pattern is none
            of PNG files that are found again by it.
    """
    path = Path(path)
    folder, name = (path.parent, path.name) if "%" in path.name else (path, "frame_%05d.png")
    if bits not in (8, 16) or not name.endswith(".png"):
        raise InputError(
            "image-bits",
            "{name} of {bits} bits was asked for. Numbered .png of 8 or 16 bits are written. Change it.",
            name=name,
            bits=bits,
        )
    if not _PATTERN.fullmatch(name):
        raise InputError(
            "frames-pattern",
            "{name} is no pattern for the names of numbered images. One such as take_%04d.png is needed: %d or %04d "
            "stands for the number, with no digit beside or after it and no other percent sign, and the name begins "
            "without a dot. Change it.",
            name=name,
        )
    if not folder.parent.is_dir():
        raise InputError(
            "folder-missing",
            "There is no folder {folder}. The folder of the result must exist. Create it first.",
            folder=folder.parent,
        )
    if os.path.exists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            "folder-not-empty",
            "{folder} is there and not an empty folder. An empty or a new one is needed. Name another.",
            folder=folder,
        )
    for one in (folder, folder.parent / (name % 0)):
        check_room_beside(one, room=3 * pixels * bits // 32)
    return folder, name


def _all_of(first: list[Tensor], rest: Iterator[Tensor]) -> Iterator[Tensor]:
    """What was looked at and what follows, none of it held on to."""
    yield first.pop()
    yield from rest


def _check_numbers(fps: float, crf: int, bits: int, lossless: bool) -> None:
    if not 0.1 <= fps <= 1000:
        raise InputError(
            "fps-range",
            "The frame rate is {fps:g}. Between 0.1 and 1000 frames per second are needed. Set fps.",
            fps=fps,
        )
    if not 0 <= crf <= 51:
        raise InputError(
            "crf-range", "crf is {crf}. It must lie between 0 (best) and 51 (smallest file). Use 10 to 23.", crf=crf
        )
    if bits not in ((8, 10, 12, 16) if lossless else (8, 10)):
        raise InputError(
            "video-bits",
            "{bits} bits were asked for. A video has 8 or 10, or up to 16 without loss. Set one of them.",
            bits=bits,
        )


def _size(chunk: Tensor) -> tuple[int, int]:
    if chunk.dtype == torch.uint8 and (chunk.ndim != 4 or chunk.shape[3] != 3 or 0 in chunk.shape):
        raise ShapeError(
            "pictures-shape",
            "The images have the shape {shape}. Bytes of (T, H, W, 3) are needed, or one clip of (1, "
            "3, T, H, W) in -1..1. Bring them into one of these forms.",
            shape=tuple(chunk.shape),
        )
    if chunk.dtype == torch.uint8:
        return chunk.shape[1], chunk.shape[2]
    if chunk.ndim != 5:
        to_uint8(chunk)  # says what is wrong
    return chunk.shape[3], chunk.shape[4]


def _frames(chunk: Tensor, layout: Layout) -> Iterator[VideoFrame]:
    av = pyav()
    if layout.pix_fmt in ("bgr0", "yuv420p", "yuv444p"):
        for picture in chunk.cpu() if chunk.dtype == torch.uint8 else to_uint8(chunk):
            frame = av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24")
            yield frame if layout.crf is None else converted(frame, layout.pix_fmt, layout.colour)
        return
    bits = int(layout.pix_fmt.partition("p")[2].removesuffix("le"))
    for picture in _numbers(chunk):
        yield frame_of_planes(numbers_to_planes(picture, layout.colour, bits, layout.pix_fmt), layout.pix_fmt)


def _numbers(chunk: Tensor) -> Iterator[Tensor]:
    """`(H, W, 3)` float32 in 0..1, one by one."""
    if chunk.dtype == torch.uint8:
        yield from (picture.float() / 255 for picture in chunk.cpu())
        return
    for one in chunk.detach().split(1, dim=2):
        to_uint8(one)  # says what is wrong
        yield (one[0, :, 0].cpu().permute(1, 2, 0).float() + 1).div(2).clamp(0, 1)


def _write_pngs(pattern: Path, frames: Iterable[Tensor] | Tensor, bits: int) -> None:
    count = 0
    for chunk in [frames] if isinstance(frames, Tensor) else frames:
        for data in pngs_of(chunk, bits):
            (pattern.parent / (pattern.name % count)).write_bytes(data)
            count += 1
    if not count:
        raise ShapeError("frames-missing", "There are no frames. A folder of images holds at least one. Give it some.")


def pngs_of(chunk: Tensor, bits: int) -> Iterator[bytes]:
    """A PNG file of 8 or 16 bits of each frame of a chunk, as `write_frames` takes it."""
    av = pyav()
    _size(chunk)
    deep = _numbers(chunk) if bits == 16 else (chunk.cpu() if chunk.dtype == torch.uint8 else to_uint8(chunk))
    for picture in deep:
        levels = (picture * 65535).round().numpy().astype(np.uint16) if bits == 16 else picture.numpy()
        frame = av.VideoFrame.from_ndarray(levels, format="rgb48le" if bits == 16 else "rgb24")
        coder = av.CodecContext.create("png", "w")
        coder.width, coder.height, coder.pix_fmt = frame.width, frame.height, "rgb48be" if bits == 16 else "rgb24"
        yield b"".join(bytes(packet) for packet in [*coder.encode(frame), *coder.encode(None)])
