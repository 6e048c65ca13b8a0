"""Control signals that need no network.

Every function takes `frames` `(B, 3, T, H, W)`, -1..1, RGB, and gives frames of the same shape. `gray` and `flow_image`
are the official annotators exactly. `scribble` and `flow` stand in for official ones that are networks: they draw the
same visual conventions with OpenCV. `control_checks` finds mistakes in controls made elsewhere.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..checks.numbers import check_number
from ..errors import InputError, ShapeError
from .masks import opencv

Images: TypeAlias = NDArray[np.uint8]
"""Pictures `(B·T, H, W, 3)`, RGB, as OpenCV takes them; without the first axis, one of them."""

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
    """A "scribble" control: thin dark lines on white, along every edge of colour or brightness.

    The official annotator is a network that draws such lines; these are the ridges of the colour gradient. A line is as
    thin for a bold edge as for a faint one, since a ridge is measured against its surroundings only. The thresholds are
    fixed and their ends soft, so a line neither depends on the rest of the clip nor switches on and off from frame to
    frame.

    Args:
        frames: `(B, 3, T, H, W)`, -1..1.
        strength: above 0; more draws fainter edges too, less only the boldest.
        thickness: 0.5..8; lines are about twice as many pixels wide, and at least two.

    Source: ali-vilab/VACE, annotators/scribble.py, for the polarity: the network's output as it is, dark on white.
    """
    check_number("The strength", strength, least=0.01, most=100)
    check_number("The thickness", thickness, least=0.5, most=8)
    lines = np.stack([_ink(image, strength, thickness) for image in opencv_images(frames)])
    drawn = (1 - 2 * torch.from_numpy(lines)).reshape(len(frames), 1, *frames.shape[2:])
    return drawn.to(frames.device).expand_as(frames).contiguous()


def flow(frames: Tensor) -> Tensor:
    """A "flow" control: where everything moves to in the next frame, on the Middlebury colour wheel, still = white.

    As in the official annotator the first frame comes twice, so that the length is kept, and every frame is scaled
    to its own fastest motion. Motion is found with OpenCV's dense inverse search, where the official annotator has
    the RAFT network: the colours mean the same, the outlines of what moves are less exact.

    Raises:
        InputError: a single frame, or frames of less than 16 x 16 pixels.

    Source: ali-vilab/VACE, annotators/flow.py.
    """
    cv2 = opencv()
    images = opencv_images(frames)
    if frames.shape[2] < 2:
        raise InputError(
            "flow-length", "The clip has 1 frame. At least 2 are needed to measure motion. Connect a longer clip."
        )
    if min(frames.shape[3:]) < 16:
        raise InputError(
            "flow-size",
            "The frames are {width} x {height} pixels. At least 16 x 16 are needed to measure motion. "
            "Connect larger frames.",
            width=frames.shape[4],
            height=frames.shape[3],
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

    Direction is colour, speed is depth of colour, still is white; each frame is scaled to its own fastest motion.

    Raises:
        ShapeError: not two channels of images.
        InputError: not all numbers are finite.

    Source: princeton-vl/RAFT, core/utils/flow_viz.py, which the official annotator calls.
    """
    if flow.ndim != 4 or flow.shape[0] != 2 or not flow.numel():
        raise ShapeError(
            "flow-shape",
            "The flow has the shape {shape}. (2, frames, height, width) is needed. Connect motion to the "
            "right and down, in pixels.",
            shape=tuple(flow.shape),
        )
    if not flow.isfinite().all():
        raise InputError(
            "flow-not-finite", "The flow holds infinite or undefined numbers. Finite ones are needed. Compute it again."
        )
    pictures = [_on_wheel(right, down) for right, down in flow.float().cpu().transpose(0, 1).numpy()]
    return (torch.from_numpy(np.stack(pictures)) / 127.5 - 1).permute(3, 0, 1, 2)[None].contiguous().to(flow.device)


def _ink(image: Images, strength: float, thickness: float) -> NDArray[np.float32]:
    """How dark each pixel `(H, W)` of a scribble is, 0..1."""
    cv2 = opencv()

    def blurred(picture: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
        return cv2.GaussianBlur(picture, None, sigma * thickness, borderType=cv2.BORDER_REPLICATE)

    soft = blurred(image.astype(np.float32), 0.8)
    across, down = (
        cv2.Sobel(soft, cv2.CV_32F, *axis, scale=1 / 8, borderType=cv2.BORDER_REPLICATE) for axis in ((1, 0), (0, 1))
    )
    # The sum over red, green and blue: an edge between two colours of one brightness is an edge.
    slope = cv2.sqrt(cv2.transform(across * across + down * down, np.ones((1, 3), np.float32)))
    ridge = slope / (blurred(slope, 1.2) + 1e-3) - 1
    # In levels of 8 bits per pixel: 6 is the grain of good footage, 24 an edge that everyone sees. A wider blur
    # flattens all edges alike, which the thickness takes back.
    visible = (slope * (strength * thickness) - 6) / 18
    return np.clip(visible, 0, 1) * np.clip(ridge / 0.12, 0, 1)


def _on_wheel(right: NDArray[np.float32], down: NDArray[np.float32]) -> Images:
    """One image `(H, W, 3)`. The precision of every step is that of the source: results are equal, not close."""
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


def check_float_frames(frames: Tensor) -> None:
    """Refuses what is not `(B, 3, T, H, W)` float32 in -1..1.

    Raises:
        ShapeError: other axes.
        InputError: another type, or values outside -1..1.
    """
    shape = tuple(frames.shape)
    if len(shape) != 5 or shape[1] != 3 or not frames.numel():
        raise ShapeError(
            "frames-shape",
            "The frames have the shape {shape}. (batch, 3, frames, height, width) is needed, with no size of "
            "0. Connect frames with three channels.",
            shape=shape,
        )
    if frames.dtype != torch.float32:
        raise InputError(
            "frames-dtype",
            "The frames hold {dtype} numbers. torch.float32 is needed. Convert them with .float().",
            dtype=frames.dtype,
        )
    low, high = frames.aminmax()
    if not (low >= -1.001 and high <= 1.001):
        raise InputError(
            "frames-values",
            "The frames hold values from {low:g} to {high:g}. -1 (black) to 1 (white) is needed. Rescale them first.",
            low=float(low),
            high=float(high),
        )


def _levels(frames: Tensor) -> Tensor:
    """`frames` in 8 bits, as files and the official annotators hold them."""
    check_float_frames(frames)
    return (frames + 1).mul_(127.5).round_().clamp_(0, 255).to(torch.uint8)


def opencv_images(frames: Tensor) -> Images:
    """`frames` in 8 bits, as OpenCV takes them; checked."""
    images: Images = _levels(frames).permute(0, 2, 3, 4, 1).flatten(0, 1).contiguous().cpu().numpy()
    return images
