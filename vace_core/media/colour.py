"""What the numbers of a video mean: its YUV matrix, primaries, transfer function and range, stated or as players guess.

The numbers are those of ITU-T H.273, which files state and FFmpeg uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError
from .tone import HLG, PQ

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

_BT709, _BT601 = 1, 5
_UNSTATED = (0, 2, 3)  # RGB, unspecified, reserved: none of them is a YUV matrix

LUMA = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""The weights of red and blue in the luma of each YUV matrix that is converted, by its number."""

_OTHERS = {8: "YCgCo", 10: "BT.2020 of constant luminance", 14: "ICtCp"}
_HDR = {PQ: "PQ (smpte2084)", HLG: "HLG (arib-std-b67)"}


@dataclass(frozen=True, kw_only=True)
class Colour:
    """What the numbers of a video mean.

    Attributes:
        matrix: YUV matrix, a key of `LUMA`.
        primaries: Primary colours.
        transfer: Transfer function.
        full: Whether luma fills all levels, 0..255, and not 16..235.
    """

    matrix: int = 1
    primaries: int = 1
    transfer: int = 1
    full: bool = False


BT709 = Colour()
"""What is written where no source says otherwise, and what RGB pictures are stored as: HD television."""


def check_dynamic_range(path: Path, transfer: int) -> None:
    """Refuses HDR, whose levels mean another brightness than the models were taught.

    Raises:
        InputError: it is PQ or HLG; with the command that converts it.
    """
    if transfer in _HDR:
        raise InputError(
            "video-hdr",
            "The video {path} is HDR, {transfer}. A video of standard dynamic range is needed. Convert it "
            'first: ffmpeg -i "{name}" -vf '
            '"zscale=t=linear:npl=100,format=gbrpf32le,zscale=p=bt709,tonemap=hable,'
            'zscale=t=bt709:m=bt709:r=tv,format=yuv420p" '
            '-c:v libx264 -crf 10 -c:a copy "{stem}-sdr.mp4"',
            path=path,
            transfer=_HDR[transfer],
            name=path.name,
            stem=path.stem,
        )


def colour_of(path: Path, frame: VideoFrame, stated: tuple[int, int], notes: dict[str, None]) -> Colour:
    """The colour that a film states, and, of what it states nothing, that of its size, as players take it.

    Args:
        path: The film.
        frame: One of its frames.
        stated: The primaries and the transfer function that its header states.
        notes: What is guessed is added to them.

    Raises:
        InputError: it states a matrix that is not converted here.
    """
    if frame.format.name.startswith("gray"):  # without a word all of its levels are used, as FFmpeg writes and reads it
        return Colour(full=int(frame.color_range) != 1)
    if frame.format.is_rgb or len(frame.format.components) < 3:
        return Colour(full=int(frame.color_range) == 2) if not frame.format.is_rgb else BT709
    matrix = int(frame.colorspace)
    if matrix not in LUMA:
        if matrix not in _UNSTATED:
            raise InputError(
                "video-colours",
                "The video {path} stores its colours as {colours}, which is not converted here. BT.709 is needed. "
                'Convert it first: ffmpeg -i "{name}" -vf "zscale=m=bt709:p=bt709:t=bt709,format=yuv420p" -crf '
                '10 -c:a copy "{stem}-709.mp4"',
                path=path,
                colours=_OTHERS.get(matrix, f"matrix {matrix}"),
                name=path.name,
                stem=path.stem,
            )
        high = frame.height >= 720 or frame.width > 1024
        if high:
            notes["It states no colour matrix; BT.709 is taken, as players do at this size."] = None
        matrix = _BT709 if high else _BT601
    primaries, transfer = stated
    if primaries in _UNSTATED:
        # Where only the matrix is known: PAL has its own primaries, recognised by its lines; all other 601 is NTSC's.
        standard = {1: 1, 7: 7, 9: 9}.get(matrix, 5 if frame.height in (288, 576) else 6)
        primaries = standard
    if transfer in _UNSTATED:
        transfer = {1: 1, 7: 7, 9: 14}.get(matrix, 6)
    full = int(frame.color_range) == 2 or frame.format.name.startswith("yuvj")
    return Colour(matrix=matrix, primaries=primaries, transfer=transfer, full=full)
