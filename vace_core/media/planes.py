"""The stored levels of a frame: its planes, upright, to and from RGB without losing bits."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from .colour import LUMA, Colour
from .files import EXACT_COLOUR, pyav

if TYPE_CHECKING:
    from av.video.format import VideoFormat
    from av.video.frame import VideoFrame
    from av.video.plane import VideoPlane

# Layouts that FFmpeg turns into planes without touching a level, and into which.
_PLANAR = {
    "nv12": "yuv420p",
    "nv21": "yuv420p",
    "nv16": "yuv422p",
    "nv24": "yuv444p",
    "uyvy422": "yuv422p",
    "yuyv422": "yuv422p",
    "p010le": "yuv420p10le",
    "yuva420p": "yuva420p",
}
Turn = tuple[bool, bool, bool]
"""How stored pictures become upright: whether rows and columns change places, and are turned round after that."""

_BT601 = 5
_SLOPE = 16  # rows and columns
_PLACES = {(1, 0): "left", (0, 1): "top", (1, 1): "topleft", (0, -1): "bottom", (1, -1): "bottomleft"}


def turn_of(frame: VideoFrame, notes: dict[str, None]) -> Turn:
    """What the display matrix of a frame asks for: x' = a x + c y, y' = b x + d y."""
    found = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return False, False, False
    a, b, _, c, d = struct.unpack("=9i", bytes(found))[:5]
    swapped = a == 0
    x, y = (c, b) if swapped else (a, d)
    if (a and (b or c)) or (swapped and d) or not (x and y):
        notes["It is marked as turned by an angle that is no quarter turn; that mark is ignored."] = None
        return False, False, False
    if swapped or x < 0 or y < 0:
        notes["It is turned or mirrored upright, as the file marks it."] = None
    return swapped, y < 0, x < 0


def chroma_place(frame: VideoFrame, turn: Turn) -> str:
    """Where the samples of chroma lie in a frame, upright, in FFmpeg's words; "" = in the middle, or it is not said.

    PyAV does not tell. But a slope of chroma is converted as the samples of its frame lie, and in a frame that is made
    here as if they lay in the middle. The slope is drawn into the frame.
    """
    name = frame.format.name
    if not name.startswith("yuv") or name.endswith("be") or min(frame.height, frame.width) < 2 * _SLOPE:
        return ""
    slope = (1 << (bits_of(frame.format) - 5)) * (np.arange(_SLOPE) - _SLOPE // 2) + (1 << (bits_of(frame.format) - 1))
    made = [plane.copy() for plane in stored_planes(frame)[0]]
    made[0][:] = slope[_SLOPE // 2]
    for plane, axis in ((made[1], 1), (made[2], 0)):
        plane[:_SLOPE, :_SLOPE] = slope if axis else slope[:, None]
    frame.make_writable()
    for plane, levels in zip(frame.planes, made, strict=True):
        plane.update(_padded(levels, plane))
    ways = {"src_colorspace": _BT601, "dst_colorspace": _BT601, "interpolation": EXACT_COLOUR}
    levels_of = {"src_color_range": frame.color_range, "dst_color_range": frame.color_range}
    with_place, without = (
        one.reformat(format="rgb24", **ways, **levels_of)
        .to_ndarray()[4 : _SLOPE - 4, 4 : _SLOPE - 4]
        .astype(np.float32)
        .mean((0, 1))
        for one in (frame, frame_of_planes(made, name))
    )
    swapped, down, right = turn
    across, up = (int(np.sign(gap)) if abs(gap) > 1 else 0 for gap in (with_place - without)[[2, 0]])
    across, up = (up, across) if swapped else (across, up)
    return _PLACES.get((-across if right else across, -up if down else up), "")


def upright(picture: Tensor, turn: Turn) -> Tensor:
    """`(H, W, ...)` as it is shown."""
    swapped, down, right = turn
    picture = picture.transpose(0, 1) if swapped else picture
    axes = [axis for axis, sign in ((0, down), (1, right)) if sign]
    return picture.flip(axes).contiguous() if axes else picture.contiguous()


def frame_bytes(frame: VideoFrame, colour: Colour, turn: Turn) -> Tensor:
    """`(H, W, 3)` or, where the format has alpha, `(H, W, 4)` uint8, upright."""
    if bits_of(frame.format) > 8:  # FFmpeg's scaler is up to a level off there
        return (frame_numbers(frame, colour, turn) * 255).round().to(torch.uint8)
    if frame.format.name == "gray":  # of which FFmpeg takes all levels as used, whatever is stated
        level = _luma(torch.from_numpy(stored_planes(frame)[0][0].astype(np.float32)), colour, 255)
        gray = (level.clamp(0, 1) * 255).round().to(torch.uint8)
        return upright(gray[..., None].expand(-1, -1, 3), turn)
    layout = "rgba" if has_alpha(frame.format) else "rgb24"
    levels = frame.color_range
    # Older versions of PyAV look at the file's matrix only where source and destination are both named and differ.
    converted = frame.reformat(
        format=layout,
        src_colorspace=colour.matrix,
        dst_colorspace=_BT601,
        src_color_range=levels,
        dst_color_range=levels,
        interpolation=EXACT_COLOUR,
    )
    return upright(torch.from_numpy(converted.to_ndarray()), turn)


def frame_numbers(frame: VideoFrame, colour: Colour, turn: Turn) -> Tensor:
    """`(H, W, 3)` or, with alpha, `(H, W, 4)` float32 in 0..1 and as exact as it is stored, upright.

    Bytes come out as `frame_bytes` has them, so that 8 bits mean the same either way.
    """
    if bits_of(frame.format) <= 8:
        return frame_bytes(frame, colour, turn).float() / 255
    planes, name = stored_planes(frame)
    top = (1 << bits_of(frame.format)) - 1
    levels = [torch.from_numpy(plane.astype(np.float32)) for plane in planes]
    if name.startswith("gbr"):
        colours = [level / top for level in (levels[2], levels[0], levels[1])]
    elif len(levels) == 1:
        colours = [_luma(levels[0], colour, top)] * 3
    else:
        colours = _to_rgb(levels[:3], colour, top)
    alpha = [levels[3] / top] if len(levels) == 4 else []
    return upright(torch.stack([*colours, *alpha], dim=2).clamp(0, 1), turn)


def numbers_to_planes(picture: Tensor, colour: Colour, bits: int, name: str) -> list[np.ndarray]:
    """The planes of a format without alpha, such as "yuv422p10le", from `(H, W, 3)` float32 in 0..1."""
    if name.startswith("gbr"):
        levels = (picture.clamp(0, 1) * ((1 << bits) - 1)).round().numpy().astype(_kind(bits))
        return [levels[..., 1], levels[..., 2], levels[..., 0]]
    red, blue = LUMA[colour.matrix]
    r, g, b = picture.clamp(0, 1).unbind(2)
    y = red * r + (1 - red - blue) * g + blue * b
    chroma = [(b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)]
    layout = name.partition("p")[0]
    rows, columns = layout in ("yuv420", "yuv440"), layout in ("yuv420", "yuv422")
    chroma = [_halved(part, rows, columns) if rows or columns else part for part in chroma]
    top = (1 << bits) - 1
    step = 1 << (bits - 8)
    if colour.full:
        levels = [y * top, *(c * top + (1 << (bits - 1)) for c in chroma)]
    else:
        levels = [(y * 219 + 16) * step, *((c * 224 + 128) * step for c in chroma)]
    return [level.round().clamp(0, top).numpy().astype(_kind(bits)) for level in levels]


def stored_planes(frame: VideoFrame) -> tuple[list[np.ndarray], str]:
    """The levels of each plane, `(h, w)` uint8 or uint16, as they are stored, and the name of their format.

    RGB comes as planes of green, blue and red; alpha is the last. Formats without planes are unpacked.
    """
    name = frame.format.name
    if name.startswith("yuvj"):  # the same planes; the range is kept beside them
        name = name.replace("yuvj", "yuv")
    elif name in _PLANAR or name.endswith("be"):
        name = _PLANAR.get(name, f"{name[:-2]}le")
        frame = frame.reformat(format=name)
    if not name.startswith(("yuv", "gbr", "gray")) or (name.startswith("gray") and "f" in name):
        name = ("gbrap" if has_alpha(frame.format) else "gbrp") + ("16le" if bits_of(frame.format) > 8 else "")
        frame = frame.reformat(format=name)
    kind = np.dtype("<u2" if bits_of(frame.format) > 8 else "u1")
    planes = [
        np.frombuffer(memoryview(plane), kind).reshape(plane.height, plane.line_size // kind.itemsize)[:, : plane.width]
        for plane in frame.planes
    ]
    return planes, name


def frame_of_planes(planes: list[np.ndarray], name: str) -> VideoFrame:
    """A frame of FFmpeg's with these levels."""
    frame = pyav().VideoFrame(planes[0].shape[1], planes[0].shape[0], name)
    for plane, levels in zip(frame.planes, planes, strict=True):
        plane.update(_padded(levels, plane))
    return frame


def converted(frame: VideoFrame, name: str, colour: Colour) -> VideoFrame:
    """A frame in another format, by the matrix and range of its film; RGB has neither."""
    levels = 2 if colour.full else 1
    if frame.format.is_rgb:
        return frame.reformat(
            format=name, dst_colorspace=colour.matrix, dst_color_range=levels, interpolation=EXACT_COLOUR
        )
    return frame.reformat(
        format=name,
        src_colorspace=colour.matrix,
        dst_colorspace=colour.matrix,
        src_color_range=levels,
        dst_color_range=levels,
        interpolation=EXACT_COLOUR,
    )


def bits_of(layout: VideoFormat) -> int:
    """Bits of one channel."""
    return max((part.bits for part in layout.components), default=8)


def has_alpha(layout: VideoFormat) -> bool:
    """Whether pictures of this format can be transparent."""
    return layout.name == "pal8" or any(part.is_alpha for part in layout.components)


def _padded(levels: np.ndarray, plane: VideoPlane) -> bytes:
    """A plane's levels with the ends of rows that FFmpeg keeps."""
    kind = np.dtype("<u2" if levels.dtype.itemsize == 2 else "u1")
    padded = np.zeros((plane.height, plane.line_size // kind.itemsize), kind)
    padded[:, : plane.width] = levels
    return padded.tobytes()


def _kind(bits: int) -> type[np.uint8] | type[np.uint16]:
    return np.uint16 if bits > 8 else np.uint8


def _luma(level: Tensor, colour: Colour, top: int) -> Tensor:
    return level / top if colour.full else (level * (256 / (top + 1)) - 16) / 219


def _to_rgb(levels: list[Tensor], colour: Colour, top: int) -> list[Tensor]:
    """By the definition of the matrix, chroma brought to full size first."""
    red, blue = LUMA[colour.matrix]
    y = _luma(levels[0], colour, top)
    if colour.full:
        u, v = ((level - (top + 1) / 2) / top for level in levels[1:])
    else:
        u, v = ((level * (256 / (top + 1)) - 128) / 224 for level in levels[1:])
    u, v = (_enlarged(part, *y.shape) for part in (u, v))
    r, b = y + (2 - 2 * red) * v, y + (2 - 2 * blue) * u
    return [r, (y - red * r - blue * b) / (1 - red - blue), b]


def _enlarged(chroma: Tensor, height: int, width: int) -> Tensor:
    """Linear between samples that lie beside every second column and between two rows, the usual places of 4:2:0."""
    if chroma.shape[0] != height:
        rows = functional.interpolate(chroma[None, None], scale_factor=(2.0, 1.0), mode="bilinear")
        chroma = rows[0, 0, :height]
    if chroma.shape[1] != width:
        right = torch.cat([chroma[:, 1:], chroma[:, -1:]], dim=1)
        chroma = torch.stack([chroma, (chroma + right) / 2], dim=2).flatten(1)[:, :width]
    return chroma


def _halved(level: Tensor, rows: bool, columns: bool) -> Tensor:
    """Chroma of 4:2:0 and its kin: the undoing of `_enlarged` on even ground."""
    padded = functional.pad(level[None, None], (1, level.shape[1] % 2, 0, level.shape[0] % 2), mode="replicate")[0, 0]
    padded = (padded[0::2] + padded[1::2]) / 2 if rows else padded[: level.shape[0]]
    if not columns:
        return padded[:, 1 : 1 + level.shape[1]]
    pairs = padded[:, :-1] + padded[:, 1:]
    return (pairs[:, 0::2] + pairs[:, 1::2]) / 4
