"""Video and image files: read into bytes with everything said that was found, written whole or not at all."""

from __future__ import annotations

import logging
import math
import os
import re
import secrets
import struct
import warnings
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import InputError, ShapeError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream
    from PIL.Image import Image

logger = logging.getLogger("vace")

# Containers of video only: among FFmpeg's other formats are playlists that open further files and addresses.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,image2,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,"
    "mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,ivf,h264,hevc,yuv4mpegpipe,nut,mp3,wav,flac,aac"
)
_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_MAX_PICTURE = 89_478_485  # pixels; Pillow warns from here on
# FFmpeg's bilinear | full_chroma_int | accurate_rnd. Its defaults darken a picture by one level per conversion.
_EXACT_COLOUR = 0x2 | 0x2000 | 0x40000
_BT601 = 5
_MATRICES = (1, 4, 5, 6, 7, 9)  # the YUV matrices that FFmpeg's scaler knows, by the number a file states
_AUDIO_RATE = 48_000  # Hz
_UNSTATED_RATE = 25.0  # frames per second, FFmpeg's own choice where a file states none


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


def to_uint8(frames: Tensor) -> Tensor:
    """`(T, H, W, 3)` uint8 from `(1, 3, T, H, W)` in -1..1, rounded. Undoes `from_uint8` exactly.

    Values up to half a range outside -1..1 are overshoots of a filter or a decoder and saturate.

    Raises:
        ShapeError: the frames are laid out otherwise, hold several clips, or none.
        InputError: a frame holds NaN, infinity, or values of another range.
    """
    if frames.ndim != 5 or tuple(frames.shape[:2]) != (1, 3) or 0 in frames.shape:
        raise ShapeError(
            f"The frames have the shape {tuple(frames.shape)}. One clip of (1, 3, T, H, W) is needed. "
            "Pass the clips of a batch one by one."
        )
    pictures = torch.empty(*frames.shape[2:], 3, dtype=torch.uint8)
    for index, frame in enumerate(frames[0].detach().unbind(1)):
        peak = frame.abs().max().item()
        if not math.isfinite(peak):
            raise InputError(
                f"Frame {index} holds NaN or infinite values. Finite values in -1..1 are needed. "
                "Look for the step that produced them; a half-precision overflow is the usual reason."
            )
        if peak > 2:
            raise InputError(
                f"Frame {index} reaches {peak:g}. Values in -1..1 are needed. Bring the frames to that range first."
            )
        pictures[index] = frame.float().add(1.0).mul(127.5).round().clamp(0, 255).permute(1, 2, 0)
    return pictures


def read_video(path: str | Path, *, max_frames: int | None = None, max_bytes: int = 8 << 30) -> Clip:
    """A video file as bytes, upright, with its alpha apart and its times.

    Frames of constant rate get exact times; the rounding of the file's clock is taken out. Frames of variable rate
    keep theirs. A GIF, or numbered pictures given as "frame_%03d.png", are read as videos too.

    Args:
        path: The file. Playlists and network addresses are not opened.
        max_frames: Frames to read from the start, at least 1. None reads all.
        max_bytes: Bytes that the decoded frames may fill; asked before decoding and again with every frame.

    Raises:
        InputError: the file is missing, empty, cut short, damaged, no video, or too large.
    """
    path, av = Path(path), _pyav()
    if max_frames is not None and max_frames < 1:
        raise InputError(f"max_frames is {max_frames}. At least one frame must be read. Set it to 1 or more.")
    if not ("%" in path.name and path.parent.is_dir()):
        _check_file(path)
    try:
        with av.open(str(path.absolute()), container_options=_OPTIONS, metadata_errors="replace") as container:
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not streams:
                raise InputError(
                    f"The file {path} holds no moving picture, only sound or data. A video is needed. "
                    "Choose another file."
                )
            if getattr(streams[0], "codec_context", None) is None:
                raise InputError(
                    f"The video {path} is coded in a way that this FFmpeg cannot decode. H.264 is the safest choice. "
                    "Convert it to MP4."
                )
            return _read(path, container, streams[0], max_frames, max_bytes)
    except InputError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:
        raise InputError(
            f"The file {path} cannot be opened as a video ({_reason(error)}). A complete video file is needed. "
            "Export or download it again, or convert it to MP4."
        ) from error


def read_image(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """A picture as `(H, W, 3)` uint8, upright, and its alpha `(H, W)` uint8, None where it is opaque.

    Pictures of 16 bits are brought to 8. The colours under transparent pixels are kept as they are stored.

    Raises:
        InputError: the file is missing, empty, damaged, no picture, too large, or of an unknown range.
    """
    path, image_module = Path(path), _pillow()
    _check_file(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of very large pictures while it opens them; the check below says it as an error.
            warnings.simplefilter("ignore")
            with image_module.open(path) as image:
                if image.width * image.height > _MAX_PICTURE:
                    raise image_module.DecompressionBombError
                return _picture_bytes(image)
    except image_module.DecompressionBombError as error:
        raise InputError(
            f"The picture {path} has more than {_MAX_PICTURE:,} pixels. Pictures up to that size are read. "
            "Scale it down first."
        ) from error
    except Exception as error:  # a damaged picture can fail in any way inside Pillow's decoders
        raise InputError(
            f"The file {path} cannot be read as a picture ({_reason(error)}). A complete PNG, JPEG or WebP file of "
            "8 or 16 bits is needed. Export or download it again."
        ) from error


def read_mask(path: str | Path) -> Tensor:
    """`(T, H, W)` float32 of 0 and 1 from a picture (T = 1) or a video: 1 = generate where it is brighter than half.

    A picture of one single colour painted on transparency says with its alpha what it means: painted = generate.
    Where both vary, the brightness decides. Either is logged.

    Raises:
        InputError: as `read_image` and `read_video`.
    """
    path = Path(path)
    if path.suffix.lower() in _PICTURES:
        picture, opacity = read_image(path)
        pictures, alpha = picture[None], None if opacity is None else opacity[None]
    else:
        clip = read_video(path)
        pictures, alpha = clip.frames, clip.alpha
        for note in clip.notes:
            logger.info("%s: %s", path, note)
    if alpha is not None:
        painted = pictures[alpha > 127]
        if not painted.numel() or int((painted.amax(0).int() - painted.amin(0).int()).max()) <= 16:
            logger.info("%s: a single colour on transparency, so the painted part is the mask.", path)
            return (alpha > 127).float()
        logger.warning("%s: brightness and transparency both vary; the mask is the brightness.", path)
    weights = torch.tensor([0.299, 0.587, 0.114])
    return torch.stack([(picture.float() @ weights > 127.5).float() for picture in pictures])


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
    4:2:0, which every player shows. Odd sizes are stored as 4:4:4, since padding or cropping would change the picture;
    some players cannot show that.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`. Its folder must exist.
        frames: `(1, 3, T, H, W)` in -1..1.
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
    path, av = Path(path), _pyav()
    _check_target(path, ".mkv" if lossless else ".mp4")
    if not 0.1 <= fps <= 1000:
        raise InputError(f"The frame rate is {fps:g}. Between 0.1 and 1000 frames per second are needed. Set fps.")
    if not 0 <= crf <= 51:
        raise InputError(f"crf is {crf}. It must lie between 0 (best) and 51 (smallest file). Use 10 to 23.")
    pictures, rate = to_uint8(frames), Fraction(fps).limit_denominator(1001)
    height, width = pictures.shape[1:3]
    if not lossless and (height % 2 or width % 2):
        logger.warning("%s: %d x %d is odd, so H.264 4:4:4; some players cannot show it.", path, width, height)
    audio = None if copy_audio_from is None else _read_audio(Path(copy_audio_from), len(pictures) / rate)
    with _replacing(path, av.FFmpegError) as part, av.open(str(part), "w") as container:
        _encode(container, pictures, rate, None if lossless else crf, audio)


def write_image(path: str | Path, frames: Tensor) -> None:
    """Writes one frame `(1, 3, 1, H, W)` in -1..1 as PNG, whole or not at all.

    Raises:
        InputError: the path cannot be used, the frame holds NaN or infinity, or writing fails.
        ShapeError: not exactly one frame.
    """
    path, image_module = Path(path), _pillow()
    _check_target(path, ".png")
    pictures = to_uint8(frames)
    if len(pictures) != 1:
        raise ShapeError(f"{len(pictures)} frames came. A picture holds one. Choose one frame, or write a video.")
    with _replacing(path, OSError) as part:
        size = pictures.shape[2], pictures.shape[1]
        image_module.frombytes("RGB", size, pictures[0].numpy().tobytes()).save(part, format="PNG")


def _read(path: Path, container: InputContainer, stream: VideoStream, max_frames: int | None, max_bytes: int) -> Clip:
    promised = stream.frames or int((container.duration or 0) / 1e6 * (stream.average_rate or 0))
    _check_memory(path, stream.width, stream.height, min(promised, max_frames or promised), max_bytes)
    pictures: deque[Tensor] = deque()
    starts: list[Fraction | None] = []
    durations: dict[int | None, int | None] = {}
    notes: dict[str, None] = {}  # an ordered set
    shape, last = (0, 0), Fraction(0)
    for frame in _frames(path, stream, container, durations):
        shape = shape if pictures else (frame.height, frame.width)
        if (frame.height, frame.width) != shape:
            raise InputError(
                f"The video {path} changes from {shape[1]} x {shape[0]} to {frame.width} x {frame.height} pixels at "
                f"frame {len(pictures)}. One size is needed. Export it again, or read its first {len(pictures)} frames."
            )
        _check_memory(path, frame.width, frame.height, len(pictures) + 1, max_bytes)
        pictures.append(_frame_bytes(frame, notes))
        tick = stream.time_base or Fraction(1, 1_000_000)
        starts.append(None if frame.pts is None else frame.pts * tick)
        last = (durations.get(frame.pts) or 0) * tick
        if len(pictures) == max_frames:
            break
    if not pictures:
        raise InputError(f"The video {path} holds no frames. At least one is needed. Export or download it again.")
    if len(pictures) != max_frames and starts[-1] is not None:
        _check_complete(path, container, stream, len(pictures), starts[-1] + last)
    fps, times = _timing(starts, stream, last, notes)
    if stream.sample_aspect_ratio and stream.sample_aspect_ratio != 1:
        notes[f"Its pixels are not square ({stream.sample_aspect_ratio}); they are kept as they are stored."] = None
    frames, alpha = _stack(pictures)
    if alpha is not None:
        notes["It has transparency, which is kept apart; the colours are as stored."] = None
    return Clip(frames=frames, alpha=alpha, fps=fps, times=times, path=path, notes=tuple(notes))


def _frames(
    path: Path, stream: VideoStream, container: InputContainer, durations: dict[int | None, int | None]
) -> Iterator[VideoFrame]:
    """Decoded frames in display order; `durations` fills up with ticks by time stamp."""
    av = _pyav()
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
            f"The video {path} cannot be decoded beyond its first {count} frames ({_reason(error)}); it is cut short "
            "or damaged. A complete video file is needed. Export or download it again."
        ) from error


def _frame_bytes(frame: VideoFrame, notes: dict[str, None]) -> Tensor:
    """`(H, W, 3)` or, where the format has alpha, `(H, W, 4)` uint8, upright."""
    components = frame.format.components
    if components and components[0].bits > 8:
        notes[f"Its {components[0].bits} bits per channel are reduced to 8."] = None
    if frame.is_corrupt:
        notes["Some of its frames are damaged."] = None
    layout = "rgba" if any(part.is_alpha for part in components) or frame.format.name == "pal8" else "rgb24"
    matrix, levels = frame.colorspace if frame.colorspace in _MATRICES else _BT601, frame.color_range
    # Older versions of PyAV look at the file's matrix only where source and destination are both named and differ.
    converted = frame.reformat(
        format=layout,
        src_colorspace=matrix,
        dst_colorspace=_BT601,
        src_color_range=levels,
        dst_color_range=levels,
        interpolation=_EXACT_COLOUR,
    )
    picture = torch.from_numpy(converted.to_ndarray())
    turned = frame.side_data.get("DISPLAYMATRIX")
    return picture if turned is None else _upright(picture, struct.unpack("=9i", bytes(turned)), notes)


def _upright(picture: Tensor, matrix: tuple[int, ...], notes: dict[str, None]) -> Tensor:
    """The picture as the display matrix of its file shows it: x' = a x + c y, y' = b x + d y."""
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


def _timing(
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


def _varying(edges: list[Fraction], notes: dict[str, None]) -> tuple[float, Tensor]:
    fps = float((len(edges) - 1) / edges[-1])
    gaps = [float(b - a) * 1000 for a, b in pairwise(edges)]
    notes[
        f"Its rate varies: a frame lasts {min(gaps):.0f} to {max(gaps):.0f} ms, {fps:.4g} fps on average; "
        "the time of each frame is kept."
    ] = None
    return fps, torch.tensor([(float(a), float(b)) for a, b in pairwise(edges)], dtype=torch.float64)


def _check_memory(path: Path, width: int, height: int, frames: int, max_bytes: int) -> None:
    needed = width * height * frames * 3
    if needed > max_bytes:
        raise InputError(
            f"The video {path} has {frames} or more frames of {width} x {height} pixels: {needed / 2**30:.2f} GiB "
            f"once decoded. At most {max_bytes / 2**30:.2f} GiB are read. Read fewer frames (max_frames) or scale it "
            "down first."
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
            f"The video {path} is cut short: its header states {float(stated):.2f} s, its {count} frames end at "
            f"{float(end):.2f} s. A complete video file is needed. Export or download it again, or read its first "
            f"{count} frames."
        )


def _picture_bytes(image: Image) -> tuple[Tensor, Tensor | None]:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        levels = torch.frombuffer(bytearray(upright.convert("I").tobytes()), dtype=torch.int32)
        levels = levels.view(upright.height, upright.width)
        if int(levels.max()) > 65535 or int(levels.min()) < 0:
            raise ValueError("its values exceed 16 bits")
        return (levels.double() / 257).round().to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous(), None
    if upright.mode == "F":
        raise ValueError("it holds floating-point values of an unknown range")
    mode = "RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB"
    data = bytearray(upright.convert(mode).tobytes())
    picture = torch.frombuffer(data, dtype=torch.uint8).view(upright.height, upright.width, len(mode))
    alpha = picture[..., 3].contiguous() if mode == "RGBA" else None
    return picture[..., :3].contiguous(), None if alpha is None or int(alpha.min()) == 255 else alpha


def _read_audio(path: Path, seconds: Fraction) -> tuple[Tensor, str] | None:
    """`(channels, samples)` float32 at 48 kHz that lasts `seconds` from the first frame, and its layout."""
    _check_file(path)
    av = _pyav()
    try:
        with av.open(str(path.absolute()), container_options=_OPTIONS, metadata_errors="replace") as container:
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
            f"The sound of {path} cannot be read ({_reason(error)}). A complete file is needed. Export it again, or "
            "leave copy_audio_from empty."
        ) from error


def _encode(
    container: OutputContainer, pictures: Tensor, rate: Fraction, crf: int | None, audio: tuple[Tensor, str] | None
) -> None:
    """Pictures `(T, H, W, 3)` and sound into an open file; no `crf` means FFV1."""
    av, (height, width) = _pyav(), pictures.shape[1:3]
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
                format=stream.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG", interpolation=_EXACT_COLOUR
            )
        frame.pts, frame.time_base = index, 1 / rate
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))
    if audio is not None and sound is not None:
        _encode_audio(container, sound, *audio)


def _encode_audio(container: OutputContainer, stream: AudioStream, track: Tensor, layout: str) -> None:
    av = _pyav()
    for begin in range(0, track.shape[1], 1024):
        samples = track[:, begin : begin + 1024].contiguous()
        frame = av.AudioFrame.from_ndarray(samples.numpy(), format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = _AUDIO_RATE, begin, Fraction(1, _AUDIO_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


@contextmanager
def _replacing(path: Path, library_error: type[Exception]) -> Generator[Path, None, None]:
    """A name beside `path` to write to. It takes the place of `path` at the end, and vanishes if anything is raised."""
    part = path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, (library_error, OSError)):
            raise InputError(
                f"The file {path} cannot be written ({_reason(error)}). A writable folder with free space is needed. "
                "Choose another one."
            ) from error
        raise


def _check_file(path: Path) -> None:
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        size = None
    if size is None:
        raise InputError(f"There is no file {path}. An existing file is needed. Check the folder and the name.")
    if size == 0:
        raise InputError(f"The file {path} is empty (0 bytes). A complete file is needed. Export or download it again.")


def _check_target(path: Path, suffix: str) -> None:
    if path.suffix.lower() != suffix:
        raise InputError(f"The name {path} ends in {path.suffix!r}. This is written as {suffix}. Change the ending.")
    if not os.path.isdir(path.parent):
        raise InputError(f"There is no folder {path.parent}. The folder of the result must exist. Create it first.")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder. A file is written there. Choose another name.")


def _reason(error: BaseException) -> str:
    """The library's own words in short, without the number and the path it adds."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


def _pyav() -> ModuleType:
    try:
        import av
    except ImportError as error:
        raise InputError(
            "Video files came, and PyAV is not installed. It is needed to read and write them. Run: pip install av"
        ) from error
    return av


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(
            "Picture files came, and Pillow is not installed. It is needed to read and write them. "
            "Run: pip install pillow"
        ) from error
    return Image
