"""Finds the objects of the synthetic world in a picture: by their colours, as blobs, by their outlines.

What is found is `(T, H, W)` bool, a frame in which nothing is found is empty. Colours are told by hue, so that the
dark stripes of an object are a part of it; backgrounds are too muted to be found.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...inputs.controls import opencv_images
from ...inputs.masks import mask_overlap, opencv
from ..drawing import COLOURS, SHAPES
from ..figures import SKINS
from ..world import Background, Keyframe, Scene, SceneObject, render

_SATURATED = 0.3
_LIT = 0.1
# Skin lies between red and yellow, 21 degrees from the nearer.
_HUE_REACH = 17.0
_LEAST_AREA = 0.01  # of the frame: a smaller blob is no object
_SIDE = 64  # of a silhouette in its normal form
_SPREAD = 20.0  # square root of its area there


def things(frames: Tensor) -> Tensor:
    """Where `frames` `(1, 3, T, H, W)`, -1..1, are saturated: all objects, whatever their colour."""
    _, saturation, value = hsv(frames)
    return (saturation > _SATURATED) & (value > _LIT)


def coloured(frames: Tensor, colour: str) -> Tensor:
    """Where `frames` `(1, 3, T, H, W)`, -1..1, have the colour of this name, one of `COLOURS`."""
    return _coloured(hsv(frames)[0], things(frames), colour)


def _coloured(hue: Tensor, found: Tensor, colour: str) -> Tensor:
    own, _, _ = hsv(torch.tensor(COLOURS[colour]).view(1, 3, 1, 1, 1) * 2 - 1)
    return found & (((hue - own + 180) % 360 - 180).abs() < _HUE_REACH)


def largest(found: Tensor, count: int = 1) -> Tensor:
    """In each frame the `count` largest connected blobs of what was found, each at least 1 % of the frame."""
    cv2 = opencv()
    blobs = torch.zeros_like(found)
    for frame, here in zip(blobs, found, strict=True):
        number, labels, stats, _ = cv2.connectedComponentsWithStats(here.numpy().astype(np.uint8), connectivity=8)
        areas = stats[1:number, cv2.CC_STAT_AREA]
        keep = [index + 1 for index in np.argsort(-areas)[:count] if areas[index] >= _LEAST_AREA * here.numel()]
        frame.copy_(torch.from_numpy(np.isin(labels, keep)))
    return blobs


def colour_areas(frames: Tensor) -> dict[str, int]:
    """For each colour the pixels of its largest blob, over all frames: stray pixels do not add up to an object."""
    hue, found = hsv(frames)[0], things(frames)
    return {colour: int(largest(_coloured(hue, found, colour)).sum()) for colour in COLOURS}


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


def likeness(found: Tensor, wanted: Tensor) -> float:
    """How alike the outlines are, 0..1, wherever and however large: mean over the frames, 0 where nothing is found.

    Args:
        found: `(T, H, W)`.
        wanted: `(H, W)`, such as the outline of a reference.
    """
    model = silhouette(wanted)
    return math.nan if model is None else _alike([silhouette(frame) for frame in found], model)


def shape_of(found: Tensor) -> str | None:
    """The one of the world's six shapes that the outlines of all frames fit best; None where nothing is found."""
    normal = [silhouette(frame) for frame in found]
    scores = {shape: _alike(normal, model) for shape, model in _models().items()}
    best = max(scores, key=lambda shape: scores[shape])
    return best if scores[best] else None


def _alike(normal: Sequence[Tensor | None], model: Tensor) -> float:
    return sum(mask_overlap(one, model) for one in normal if one is not None) / len(normal)


def skin_of(frames: Tensor) -> int | None:
    """Which of `SKINS` the face in `frames` has; None where no skin is found."""
    hue, _, value = hsv(frames)
    skin = largest(things(frames)) & (hue > 12) & (hue < 42) & (value > 0.35)
    if int(skin.sum()) < _LEAST_AREA * skin.numel():
        return None
    paint = ((frames[0] + 1) / 2)[:, skin].median(dim=1).values
    distances = [float((paint - torch.tensor(tone)).norm()) for tone in SKINS]
    return distances.index(min(distances))


@lru_cache(maxsize=1)
def _models() -> dict[str, Tensor]:
    """The world's own shapes in their normal form."""
    background = Background(kind="plain", tint="gray")
    still = (Keyframe(time=0, x=0.5, y=0.5, radius=0.3),)
    scenes = {
        shape: Scene(background=background, objects=(SceneObject(shape=shape, colour="red", path=still),))
        for shape in SHAPES
    }
    pictures = {shape: render(scene, num_frames=1).references[0] for shape, scene in scenes.items()}
    normal = {shape: silhouette(things(picture)[0]) for shape, picture in pictures.items()}
    return {shape: model for shape, model in normal.items() if model is not None}


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
