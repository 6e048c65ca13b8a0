"""Control signals that need no network, and a check for those that come from elsewhere.

Every function takes `frames` `(B, 3, T, H, W)`, -1..1, RGB, and gives frames of the same shape. `gray` and `flow_image`
are the official annotators exactly. `scribble` and `flow` stand in for official ones that are networks: they draw the
same picture language with OpenCV. `inspect_control` and `sanitise` know what goes wrong with controls made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .errors import InputError, ShapeError
from .masks import opencv

Images: TypeAlias = NDArray[np.uint8]
"""Pictures `(B·T, H, W, 3)`, RGB, as OpenCV takes them; without the first axis, one of them."""

ControlKind = Literal["depth", "pose", "scribble", "flow", "layout", "gray"]

CONTROL_KINDS: tuple[ControlKind, ...] = get_args(ControlKind)

_GRAY_WEIGHTS = (3735, 19235, 9798)  # of 32768, as OpenCV has them: of blue, green, red, here on red, green, blue
_WHEEL = (15, 6, 4, 11, 13, 6)  # colours from red to yellow, to green, to cyan, to blue, to magenta, back to red


def gray(frames: Tensor) -> Tensor:
    """The "gray" control: 0.114 R + 0.587 G + 0.299 B, on all three channels.

    Red and blue have each other's usual weights: the official annotator hands RGB to a function that expects BGR, and
    this is what it makes. Values are those of 8 bits per channel, as there.

    Source: ali-vilab/VACE, annotators/gray.py.
    """
    mixed = torch.zeros(1, dtype=torch.int32, device=frames.device)
    for weight, channel in zip(_GRAY_WEIGHTS, _levels(frames).split(1, dim=1), strict=True):
        mixed = mixed + weight * channel.int()
    return (((mixed + (1 << 14)) >> 15).float() / 127.5 - 1).expand_as(frames).contiguous()


def scribble(frames: Tensor, *, strength: float = 1.0, thickness: float = 1.0) -> Tensor:
    """A "scribble" control: thin dark lines on white, along the dark side of every edge.

    The official annotator is a network that draws such lines; this is a difference of Gaussians on the luminance. Its
    thresholds are fixed and its ends soft, so a line neither depends on the rest of the clip nor switches on and off
    from frame to frame.

    Args:
        frames: `(B, 3, T, H, W)`, -1..1.
        strength: above 0; more draws fainter edges too, less only the boldest.
        thickness: of the lines, in pixels, 0.5..8.

    Source: ali-vilab/VACE, annotators/scribble.py, for the polarity: the network's output as it is, dark on white.
    """
    _check_number("strength", strength, 0.01, 100)
    _check_number("thickness", thickness, 0.5, 8)
    cv2 = opencv()

    def ink(image: Images) -> NDArray[np.float32]:
        light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
        wide = cv2.GaussianBlur(light, (0, 0), 1.6 * thickness, borderType=cv2.BORDER_REPLICATE)
        edge = wide - cv2.GaussianBlur(light, (0, 0), thickness, borderType=cv2.BORDER_REPLICATE)
        # In levels of 8 bits: 2 is the grain of good footage, 8 an edge that everyone sees.
        return np.clip((edge * strength - 2) / 6, 0, 1)

    lines = np.stack([ink(image) for image in _images(frames)])
    drawn = (1 - 2 * torch.from_numpy(lines)).reshape(len(frames), 1, *frames.shape[2:])
    return drawn.to(frames.device).expand_as(frames).contiguous()


def flow(frames: Tensor) -> Tensor:
    """A "flow" control: where everything moves to in the next frame, on the Middlebury colour wheel, still = white.

    As in the official annotator the first picture comes twice, so that the length is kept, and every picture is scaled
    to its own fastest motion. Motion is found with OpenCV's dense inverse search, where the official annotator has
    the RAFT network: the colours mean the same, the outlines of what moves are less exact.

    Raises:
        InputError: a single frame, or frames of less than 16 x 16 pixels.

    Source: ali-vilab/VACE, annotators/flow.py.
    """
    cv2 = opencv()
    images = _images(frames)
    if frames.shape[2] < 2:
        raise InputError("The clip has 1 frame. At least 2 are needed to see motion. Connect a longer clip.")
    if min(frames.shape[3:]) < 16:
        raise InputError(
            f"The frames are {frames.shape[4]} x {frames.shape[3]} pixels. At least 16 x 16 are needed to see motion. "
            "Connect larger frames."
        )
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    light = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in images]
    drawn: list[Tensor] = []
    for start in range(0, len(light), frames.shape[2]):
        clip = light[start : start + frames.shape[2]]
        moves = np.stack([search.calc(now, after, None) for now, after in pairwise(clip)], axis=1)
        pictures = flow_image(torch.from_numpy(moves).permute(3, 1, 0, 2))
        drawn.append(torch.cat((pictures[:, :, :1], pictures), dim=2))
    return torch.cat(drawn).to(frames.device)


def flow_image(flow: Tensor) -> Tensor:
    """Optical flow `(2, T, H, W)`, right and down in pixels, as `frames` `(1, 3, T, H, W)` on the Middlebury wheel.

    Direction is colour, speed is depth of colour, still is white; each picture is scaled to its own fastest motion.

    Raises:
        ShapeError: not two channels of pictures.
        InputError: not all numbers are finite.

    Source: princeton-vl/RAFT, core/utils/flow_viz.py, which the official annotator calls.
    """
    if flow.ndim != 4 or flow.shape[0] != 2 or not flow.numel():
        raise ShapeError(
            f"The flow has the shape {tuple(flow.shape)}. (2, frames, height, width) is needed. "
            "Connect motion to the right and down, in pixels."
        )
    if not flow.isfinite().all():
        raise InputError("The flow holds infinite or undefined numbers. Finite ones are needed. Compute it again.")
    pictures = [_on_wheel(right, down) for right, down in flow.float().cpu().transpose(0, 1).numpy()]
    return (torch.from_numpy(np.stack(pictures)) / 127.5 - 1).permute(3, 0, 1, 2)[None].contiguous().to(flow.device)


def inspect_control(frames: Tensor, kind: ControlKind) -> list[str]:
    """What looks wrong with a control signal of this kind, in plain words; an empty list if nothing does.

    These are statistics of up to eight frames, so they hint and do not prove.

    Raises:
        InputError: an unknown kind, or values outside -1..1.
    """
    return [fault.warning for fault in _faults(frames, kind)]


def sanitise(frames: Tensor, kind: ControlKind) -> tuple[Tensor, list[str]]:
    """`frames` with what can be mended mended, and a note on every change made.

    Mended are: depth so clean that it can pass for a gray picture (blurred by about 3 pixels), the pure black behind a
    pose (lifted to #202020), light lines on dark (inverted), colour in a gray control (removed). Frames without such
    a fault come back untouched. What cannot be mended, `inspect_control` on the result still says.

    Raises:
        InputError: an unknown kind, or values outside -1..1.
    """
    notes: list[str] = []
    for fault in _faults(frames, kind):
        if fault.mend is not None:
            frames = fault.mend(frames)
            notes.append(fault.note)
    return frames, notes


class _Fault(NamedTuple):
    warning: str
    note: str = ""
    mend: Callable[[Tensor], Tensor] | None = None


def _faults(frames: Tensor, kind: ControlKind) -> list[_Fault]:
    if kind not in _CHECKS:
        raise InputError(f'The control kind is "{kind}". Known kinds are {", ".join(_CHECKS)}. Choose one of them.')
    _check(frames)
    return list(_CHECKS[kind](_images(frames[:, :, :: -(-frames.shape[2] // 8)])))


def _check_depth(images: Images) -> Iterator[_Fault]:
    textured, hard = _textured(images), _hard(images)
    if _colour(images) > 8:
        yield _Fault("The depth control has colour. Depth is gray, near is light. Connect it without a colour map.")
    elif textured > 0.1:
        yield _Fault(
            f"The depth control has fine texture on {textured:.0%} of its pixels, like a photo. Depth is smooth. "
            "Connect the depth map, not the video it was made from."
        )
    elif hard > 0.2:
        yield _Fault(
            f"The depth control has hard edges: {hard:.0%} of its contrast is in steps of one pixel. Depth this clean "
            "can pass for a gray picture to colour in. Sanitise it, or blur it by about 3 pixels.",
            "Blurred the depth control by about 3 pixels.",
            _blur,
        )


def _check_pose(images: Images) -> Iterator[_Fault]:
    plain, black = _plain(images), float((images.max(axis=-1) <= 8).mean())
    if plain < 0.5:
        yield _Fault(
            f"Only {plain:.0%} of the pose control is of one colour. A pose is a skeleton on a plain background. "
            "Connect what a pose detector draws, not the video itself."
        )
    elif np.median(images) > 127:
        yield _Fault("The pose control has a light background. The model knows a dark one. Draw the pose on black.")
    elif black > 0.5:
        yield _Fault(
            f"{black:.0%} of the pose control is pure black, which can leave dark squares in the picture. "
            "A little light is needed there. Sanitise it, or lift the black to #202020.",
            "Lifted the black of the pose control to #202020.",
            _lift,
        )


def _check_scribble(images: Images) -> Iterator[_Fault]:
    paper = float(np.median(images))
    blank = float((np.abs(images - paper) < 16).mean())
    if blank < 0.6:
        yield _Fault(
            f"Only {blank:.0%} of the scribble control is blank. Scribbles are thin dark lines on white. "
            "Connect lines, not the video they were drawn from."
        )
    elif _colour(images) > 8:
        yield _Fault("The scribble control has colour. Scribbles are black on white. Turn it gray.")
    elif paper < 64:
        yield _Fault(
            "The scribble control has light lines on dark. Dark lines on white are needed. Sanitise it, or invert it.",
            "Inverted the scribble control: its lines are now dark on white.",
            torch.neg,
        )


def _check_flow(images: Images) -> Iterator[_Fault]:
    if np.median(images.max(axis=-1)) < 64:
        yield _Fault(
            "The flow control is dark where nothing moves. On the Middlebury wheel, which the model knows, still is "
            "white. Draw the flow on that wheel."
        )
    elif _colour(images) < 1 and images.min() < 240:
        yield _Fault("The flow control has no colour. Its colours are the directions. Connect coloured flow.")


def _check_layout(images: Images) -> Iterator[_Fault]:
    white = float((images.min(axis=-1) > 207).mean())
    if white < 0.5:
        yield _Fault(
            f"Only {white:.0%} of the layout control is white. A layout is the outlines of boxes on white. "
            "Draw it on white."
        )


def _check_gray(images: Images) -> Iterator[_Fault]:
    if _colour(images) > 1:
        yield _Fault(
            "The gray control has colour. Gray pictures are needed. Sanitise it, or turn it gray.",
            "Turned the gray control gray.",
            gray,
        )


_CHECKS: dict[str, Callable[[Images], Iterator[_Fault]]] = {
    "depth": _check_depth,
    "pose": _check_pose,
    "scribble": _check_scribble,
    "flow": _check_flow,
    "layout": _check_layout,
    "gray": _check_gray,
}


def _colour(images: Images) -> float:
    """Mean difference between a pixel's largest and smallest channel, 0..255. Photos measured: 11 to 57."""
    return float((images.max(axis=-1) - images.min(axis=-1)).mean())


def _light(images: Images) -> NDArray[np.float32]:
    return images.mean(axis=-1, dtype=np.float32)


def _textured(images: Images) -> float:
    """The part of pixels that stand out from their neighbours by more than 3 levels, 0..1."""
    cv2 = opencv()
    return float(np.mean([np.abs(image - cv2.GaussianBlur(image, (0, 0), 1.0)) > 3 for image in _light(images)]))


def _hard(images: Images) -> float:
    """The part of all contrast between neighbours that lies in steps of more than 15 % of black to white, 0..1."""
    light = _light(images)
    steps = np.concatenate([np.abs(np.diff(light, axis=axis)).ravel() for axis in (1, 2)])
    return float(steps[steps > 0.15 * 255].sum() / max(steps.sum(), 1e-6))


def _plain(images: Images) -> float:
    """The part of pixels that have the most common colour, in bins of 32 levels, 0..1."""
    bins = (images >> 5).astype(np.int64) @ np.array((64, 8, 1))
    return float(np.bincount(bins.ravel()).max() / bins.size)


def _blur(frames: Tensor) -> Tensor:
    # A Gaussian of sigma 1.5 is 3.5 pixels wide at half its height, and leaves no step above 15 % of the range.
    cv2 = opencv()
    flat = frames.flatten(0, 2).cpu().numpy()
    soft = np.stack([cv2.GaussianBlur(channel, (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE) for channel in flat])
    return torch.from_numpy(soft).reshape(frames.shape).to(frames.device)


def _lift(frames: Tensor) -> Tensor:
    # All of what is darker, so that no black rim stays around the limbs; their own colours are left alone.
    floor = 0x20 / 127.5 - 1
    return torch.where(frames.amax(dim=1, keepdim=True) < floor, floor, frames)


def _on_wheel(right: NDArray[np.float32], down: NDArray[np.float32]) -> Images:
    """One picture `(H, W, 3)`. The precision of every step is that of the source: results are equal, not close."""
    fastest = np.sqrt(right**2 + down**2).max() + np.float32(1e-5)
    right, down = right / fastest, down / fastest
    speed = np.sqrt(right**2 + down**2)[..., None]
    wheel = _colour_wheel()
    place = (np.arctan2(-down, -right) / np.float32(np.pi) + 1) / 2 * (len(wheel) - 1)
    below = np.floor(place).astype(np.int32)
    part = (place - below)[..., None]
    colour = (1 - part) * wheel[below] + part * wheel[(below + 1) % len(wheel)]
    # Rounding can put the fastest pixel just above 1: the source then darkens it.
    colour = np.where(speed <= 1, 1 - speed * (1 - colour), 0.75 * colour)
    return np.floor(255 * colour).astype(np.uint8)


def _colour_wheel() -> NDArray[np.float64]:
    """`(55, 3)`, 0..1: one channel at a time rises or falls from corner to corner."""
    corners = np.array([(255, 0, 0), (255, 255, 0), (0, 255, 0), (0, 255, 255), (0, 0, 255), (255, 0, 255)])
    ramps = [
        here + (there - here) // 255 * (255 * np.arange(count)[:, None] // count)
        for here, there, count in zip(corners, np.roll(corners, -1, axis=0), _WHEEL, strict=True)
    ]
    return np.concatenate(ramps) / 255.0


def _check(frames: Tensor) -> None:
    shape = tuple(frames.shape)
    if len(shape) != 5 or shape[1] != 3 or not frames.numel():
        raise ShapeError(
            f"The frames have the shape {shape}. (batch, 3, frames, height, width) is needed, none of them 0. "
            "Connect frames with three channels."
        )
    if frames.dtype != torch.float32:
        raise InputError(f"The frames hold {frames.dtype} numbers. torch.float32 is needed. Convert them to it first.")
    low, high = frames.aminmax()
    if not (low >= -1.001 and high <= 1.001):
        raise InputError(
            f"The frames hold values from {low:g} to {high:g}. -1 (black) to 1 (white) is needed. Rescale them first."
        )


def _levels(frames: Tensor) -> Tensor:
    """`frames` in 8 bits, as files and the official annotators hold them."""
    _check(frames)
    return ((frames + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def _images(frames: Tensor) -> Images:
    images: Images = _levels(frames).permute(0, 2, 3, 4, 1).flatten(0, 1).contiguous().cpu().numpy()
    return images


def _check_number(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise InputError(f"{name} is {value:g}. A number from {low:g} to {high:g} is needed. Change {name}.")
