"""Video files, written whole or not at all, with the sound of another one."""

from __future__ import annotations

import logging
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..files.replacing import reason, replacing
from .files import EXACT_COLOUR, OPTIONS, check_file, check_target, pyav
from .video import to_uint8

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import OutputContainer

logger = logging.getLogger("vace")

_AUDIO_RATE = 48_000  # Hz


def write_video(
    path: str | Path,
    frames: Tensor,
    *,
    fps: float,
    crf: int = 10,
    lossless: bool = False,
    copy_audio_from: str | Path | None = None,
) -> None:
    """Writes `frames` as H.264 in .mp4, or without any loss as FFV1 in .mkv.

    The file appears under its name when it is complete; an existing one is replaced then. Even sizes are stored as
    4:2:0, which every player shows. Odd sizes are stored as 4:4:4, since padding or cropping would change the image;
    some players cannot show that.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`. Its folder must exist.
        frames: `(1, 3, T, H, W)` in -1..1, or `(T, H, W, 3)` uint8: a long film takes a quarter of the memory so.
        fps: Frames per second, 0.1..1000. Stored as an exact fraction, 29.97 as well as 30000/1001.
        crf: Loss of H.264, 0 = least, 51 = most. The default is the official "quality 8". Unused if `lossless`.
        lossless: Keeps every byte, so that unchanged pixels can be checked in the file.
        copy_audio_from: A video or sound file whose first track is stored as AAC, mono or stereo, from the time of
            its first frame and as long as `frames`. One without sound gives a silent result, which is logged.

    Raises:
        InputError: the path, rate or quality cannot be used, a frame holds NaN or infinity, or writing fails.
        ShapeError: the frames are not one clip.

    Source: quality 8 of imageio-ffmpeg, which ali-vilab/VACE writes with, is x264's crf int((1 - 0.8) * 51) = 10.
    """
    path, av = Path(path), pyav()
    check_video_target(path, lossless=lossless)
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
    pictures, rate = _pictures(frames), Fraction(fps).limit_denominator(1001)
    height, width = pictures.shape[1:3]
    if not lossless and (height % 2 or width % 2):
        logger.warning("%s: %d x %d is odd, so H.264 4:4:4; some players cannot show it.", path, width, height)
    audio = None if copy_audio_from is None else _read_audio(Path(copy_audio_from), len(pictures) / rate)
    with replacing(path, av.FFmpegError) as part, av.open(str(part), "w") as container:
        _encode(container, pictures, rate, None if lossless else crf, audio)


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


def _pictures(frames: Tensor) -> Tensor:
    """`(T, H, W, 3)` uint8."""
    if frames.dtype != torch.uint8:
        return to_uint8(frames)
    if frames.ndim != 4 or frames.shape[3] != 3 or 0 in frames.shape:
        raise ShapeError(
            "pictures-shape",
            "The images have the shape {shape}. Bytes of (T, H, W, 3) are needed, or one clip of (1, 3, T, "
            "H, W) in -1..1. Bring them into one of these forms.",
            shape=tuple(frames.shape),
        )
    return frames.cpu()


def _encode(
    container: OutputContainer, pictures: Tensor, rate: Fraction, crf: int | None, audio: tuple[Tensor, str] | None
) -> None:
    """Images `(T, H, W, 3)` and sound into an open file; no `crf` means FFV1."""
    av, (height, width) = pyav(), pictures.shape[1:3]
    stream = container.add_stream("ffv1" if crf is None else "libx264", rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
    if crf is not None:
        stream.options = {"crf": str(crf)}
        stream.pix_fmt = "yuv444p" if height % 2 or width % 2 else "yuv420p"
        coding = stream.codec_context
        coding.color_range = coding.colorspace = coding.color_primaries = coding.color_trc = 1  # limited, BT.709
    sound = None if audio is None else container.add_stream("aac", rate=_AUDIO_RATE, layout=audio[1])
    for index, picture in enumerate(pictures):
        frame = av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24")
        if crf is not None:
            frame = frame.reformat(
                format=stream.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=EXACT_COLOUR
            )
        frame.pts, frame.time_base = index, 1 / rate
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    if audio is not None and sound is not None:
        _encode_audio(container, sound, *audio)


def _encode_audio(container: OutputContainer, stream: AudioStream, track: Tensor, layout: str) -> None:
    av = pyav()
    for begin in range(0, track.shape[1], 1024):
        samples = track[:, begin : begin + 1024].contiguous()
        frame = av.AudioFrame.from_ndarray(samples.numpy(), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = _AUDIO_RATE, begin, Fraction(1, _AUDIO_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def _read_audio(path: Path, seconds: Fraction) -> tuple[Tensor, str] | None:
    """`(channels, samples)` float32 at 48 kHz that lasts `seconds` from the first frame, and its layout."""
    check_file(path)
    av = pyav()
    try:
        with av.open(str(path.absolute()), container_options=OPTIONS, metadata_errors="replace") as container:
            if not container.streams.audio or getattr(container.streams.audio[0], "codec_context", None) is None:
                logger.info("%s: no sound to copy.", path)
                return None
            stream, video = container.streams.audio[0], container.streams.video
            origin = float((video[0].start_time or 0) * video[0].time_base) if video else 0.0
            layout = "mono" if stream.codec_context.layout.nb_channels == 1 else "stereo"
            resampler = av.AudioResampler(format="fltp", layout=layout, rate=_AUDIO_RATE)
            track = torch.zeros(1 if layout == "mono" else 2, round(seconds * _AUDIO_RATE))
            cursor = 0
            for frame in chain(container.decode(stream), [None]):
                for piece in resampler.resample(frame):
                    samples = torch.from_numpy(piece.to_ndarray())
                    begin = cursor if piece.time is None else round((piece.time - origin) * _AUDIO_RATE)
                    # Time stamps are rounded to the file's clock: only a true gap may interrupt the sound.
                    begin = cursor if abs(begin - cursor) < _AUDIO_RATE // 20 else begin
                    cursor = begin + samples.shape[1]
                    if begin >= track.shape[1]:
                        return track, layout
                    part = samples[:, max(-begin, 0) : track.shape[1] - begin]
                    track[:, max(begin, 0) : max(begin, 0) + part.shape[1]] = part
            return track, layout
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            "sound-unreadable",
            "The sound of {path} cannot be read ({error}). A complete file is needed. Export it again, or "
            "leave copy_audio_from empty.",
            path=path,
            error=reason(error),
        ) from error
