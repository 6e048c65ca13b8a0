"""Finds the objects of the synthetic world in a picture: by their colours, as blobs, by their outlines.

What is found is `(T, H, W)` bool, a frame in which nothing is found is empty. Colours are told apart whatever their
brightness, so that the dark stripes and the rim of an object are a part of it. Muted backdrops are not found; loud ones
are, which is why whoever looks for objects asks for calm scenes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...inputs.controls import opencv_images
from ...inputs.masks import opencv
from ..scenes.palette import COLOURS

_SATURATED = 0.38  # above every tint, below every colour
_LIT = 0.1
LEAST_AREA = 0.01  # of the frame: a smaller blob is no object
_SIDE = 64  # of a silhouette in its normal form
_SPREAD = 20.0  # square root of its area there


def vivid(frames: Tensor) -> Tensor:
    """Where `frames` `(1, 3, T, H, W)`, -1..1, are saturated: before a muted backdrop all objects, of any colour."""
    _, saturation, value = hsv(frames)
    return (saturation > _SATURATED) & (value > _LIT)


def coloured(frames: Tensor, colour: str) -> Tensor:
    """Where `frames` `(1, 3, T, H, W)`, -1..1, are nearer to the colour of this name than to any other of `COLOURS`."""
    return vivid(frames) & (_nearest(frames) == list(COLOURS).index(colour))


def _nearest(frames: Tensor) -> Tensor:
    """`(T, H, W)`: number of the nearest of `COLOURS`, whatever the brightness."""
    pixels = ((frames[0] + 1) / 2).clamp(0, 1)
    pixels = pixels / pixels.amax(0).clamp(min=1e-3)
    paints = torch.tensor(list(COLOURS.values()))
    paints = paints / paints.amax(1, keepdim=True)
    return torch.cdist(pixels.flatten(1).T, paints).argmin(1).view(frames.shape[2:])


def largest(found: Tensor, count: int = 1) -> Tensor:
    """In each frame the `count` largest connected blobs of what was found, each at least 1 % of the frame."""
    cv2 = opencv()
    blobs = torch.zeros_like(found)
    for frame, here in zip(blobs, found, strict=True):
        number, labels, stats, _ = cv2.connectedComponentsWithStats(here.numpy().astype(np.uint8), connectivity=8)
        areas = stats[1:number, cv2.CC_STAT_AREA]
        keep = [index + 1 for index in np.argsort(-areas)[:count] if areas[index] >= LEAST_AREA * here.numel()]
        frame.copy_(torch.from_numpy(np.isin(labels, keep)))
    return blobs


def boxes_of(found: Tensor) -> Tensor:
    """`(T, 4)`: left, top, right, bottom in pixels, half-open; NaN where nothing is found."""
    boxes = torch.full((len(found), 4), math.nan)
    for frame, box in zip(found, boxes, strict=True):
        if frame.any():
            rows, columns = frame.any(1).nonzero(), frame.any(0).nonzero()
            edges = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
            box.copy_(torch.stack([edge.float() for edge in edges]))
    return boxes


def centres_of(found: Tensor) -> Tensor:
    """`(T, 2)`: the centre of mass, x and y from 0 to 1; NaN where nothing is found."""
    height, width = found.shape[1:]
    mass = found.float()
    x = (mass * (torch.arange(width) + 0.5)).sum((1, 2)) / width
    y = (mass * (torch.arange(height) + 0.5)[:, None]).sum((1, 2)) / height
    return torch.stack([x, y], dim=1) / mass.sum((1, 2))[:, None]


def silhouette(found: Tensor) -> Tensor | None:
    """One frame `(H, W)` of what was found in its normal form `(64, 64)`: same area, centre of mass in the middle.

    None where nothing is found. What is left is the outline's shape, neither size nor place.
    """
    area = float(found.sum())
    if not area:
        return None
    x, y = ((centres_of(found[None])[0] * torch.tensor(found.shape[::-1])) - 0.5).tolist()
    scale = _SPREAD / math.sqrt(area)
    middle = (_SIDE - 1) / 2
    place = np.array([[scale, 0, middle - scale * x], [0, scale, middle - scale * y]], dtype=np.float32)
    moved: NDArray[np.float32] = opencv().warpAffine(found.float().numpy(), place, (_SIDE, _SIDE))
    return torch.from_numpy(moved) > 0.5


def motion(frames: Tensor) -> Tensor:
    """`(2, T-1, H, W)`: right and down in pixels from each frame to the next, as OpenCV sees it."""
    cv2 = opencv()
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    light = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in opencv_images(frames)]
    moves: Sequence[NDArray[np.float32]] = [search.calc(now, after, None) for now, after in pairwise(light)]
    return torch.from_numpy(np.stack(moves)).permute(3, 0, 1, 2)


def hsv(frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Hue 0..360, saturation and value 0..1, each `(T, H, W)`."""
    red, green, blue = ((frames[0].float() + 1) / 2).clamp(0, 1)
    stacked = torch.stack([red, green, blue])
    value, spread = stacked.amax(0), stacked.amax(0) - stacked.amin(0)
    hue = torch.atan2(math.sqrt(3) * (green - blue), 2 * red - green - blue).rad2deg() % 360
    return hue, spread / value.clamp(min=1e-6), value
