"""The eight indicators of VBench that the paper reports, as formulas: from pixels or what a network says to one number.

Frames are `(T, H, W, 3)` uint8. No network is in here: `backbones` loads them.
Source: Vchitect/VBench, vbench/{subject_consistency, background_consistency, temporal_flickering, motion_smoothness,
dynamic_degree, aesthetic_quality, imaging_quality, overall_consistency, utils}.py.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError

BOUNDS: Mapping[str, tuple[float, float]] = {
    "aesthetic quality": (0.0, 1.0),
    "background consistency": (0.2615, 1.0),
    "dynamic degree": (0.0, 1.0),
    "imaging quality": (0.0, 1.0),
    "motion smoothness": (0.706, 0.9975),
    "overall consistency": (0.0, 0.364),
    "subject consistency": (0.1462, 1.0),
    "temporal flickering": (0.6293, 1.0),
}
"""The indicators in the order of the paper's table, each with the values that count as 0 and 1 in its average."""

HALF = "dynamic degree"
"""The indicator that counts half."""

CLIP_SIDE, TEXT_FRAMES = 224, 8
LONGEST_SIDE = 512  # of a frame whose technical quality is asked for
_CLIP_MEAN, _CLIP_STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_DINO_MEAN, _DINO_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def normalised_average(values: Mapping[str, float]) -> float | None:
    """The paper's average of the eight indicators, 0..1; None unless all eight are there.

    Each is scaled so that its bounds become 0 and 1; dynamic degree counts half; the sum is divided by eight.
    Source: arXiv 2503.07598, Table 2, whose 23 rows this gives.
    """
    if any(name not in values or math.isnan(values[name]) for name in BOUNDS):
        return None
    scaled = {name: (values[name] - least) / (most - least) for name, (least, most) in BOUNDS.items()}
    return sum(value * (0.5 if name == HALF else 1.0) for name, value in scaled.items()) / len(BOUNDS)


def images(frames: Tensor) -> Tensor:
    """`(T, 3, H, W)` float32 of the same levels, 0..255."""
    return frames.permute(0, 3, 1, 2).float()


def dino_images(frames: Tensor) -> Tensor:
    """`(T, 3, h, w)` as DINO reads them: the shorter side 224, bilinear, nothing cut off."""
    return _normalised(_resized(images(frames), CLIP_SIDE, "bilinear"), _DINO_MEAN, _DINO_STD)


def clip_images(frames: Tensor, *, whole_levels: bool = False) -> Tensor:
    """`(T, 3, 224, 224)` as CLIP reads them: the shorter side 224, bicubic, the middle cut out.

    Args:
        frames: `(T, H, W, 3)` uint8.
        whole_levels: Whether resized pixels are rounded to 0..255, as VBench does for overall consistency alone.
    """
    small = _resized(images(frames), CLIP_SIDE, "bicubic")
    if whole_levels:
        small = small.clamp(0, 255).round()
    top, left = (round((side - CLIP_SIDE) / 2) for side in small.shape[2:])
    return _normalised(small[:, :, top : top + CLIP_SIDE, left : left + CLIP_SIDE], _CLIP_MEAN, _CLIP_STD)


def quality_images(frames: Tensor) -> Tensor:
    """`(T, 3, h, w)` in 0..1 as MUSIQ reads them: the longer side at most 512, bilinear."""
    large = images(frames)
    height, width = large.shape[2:]
    if max(height, width) > LONGEST_SIDE:
        scale = LONGEST_SIDE / max(height, width)
        large = functional.interpolate(large, size=(int(scale * height), int(scale * width)), mode="bilinear")
    return large / 255


def frame_consistency(features: Tensor) -> float:
    """Subject or background consistency, 0..1, from one row of `features` `(T, D)` for each frame.

    The mean, over all frames but the first, of the mean cosine to the frame before and to the first; below 0 is 0.

    Raises:
        InputError: a single frame.
    """
    _check_frames(len(features), 2)
    unit = functional.normalize(features.float(), dim=-1)
    before, first = ((unit[1:] * other).sum(1).clamp(min=0) for other in (unit[:-1], unit[:1]))
    return float(((before + first) / 2).double().mean())


def flickering(frames: Tensor) -> float:
    """Temporal flickering, 0..1, 1 = still: how little neighbouring frames differ.

    Raises:
        InputError: a single frame.
    """
    _check_frames(len(frames), 2)
    each = [float((one.float() - two.float()).abs().double().mean()) for one, two in pairwise(frames)]
    return (255 - float(np.mean(each))) / 255


def smoothness(frames: Tensor, predicted: Tensor) -> float:
    """Motion smoothness, 0..1: how near every second frame is to what an interpolator makes of its neighbours.

    Args:
        frames: `(T, H, W, 3)` uint8, at least three.
        predicted: `(n, H, W, 3)` uint8 for the frames 1, 3, 5, … that have a neighbour on both sides.

    Raises:
        InputError: less than three frames.
    """
    _check_frames(len(frames), 3)
    pairs = zip(frames[1::2], predicted, strict=False)  # the last frame of an even number has no neighbour behind it
    each = [float((two.int() - one.int()).abs().double().mean()) for one, two in pairs]
    return (255 - float(np.mean(each))) / 255


def flow_frames(frames: Tensor, fps: float) -> Tensor:
    """The frames between which motion is looked for: about eight of a second."""
    return frames[:: max(1, round(fps / 8))]


def fastest(flow: Tensor) -> float:
    """The mean length, in pixels, of the fastest 5 % of a `flow` `(2, H, W)`; NaN in less than 20 pixels."""
    speeds = flow.float().square().sum(0).sqrt().flatten()
    count = int(len(speeds) * 0.05)
    return float(speeds.topk(count).values.mean()) if count else math.nan


def dynamic(speeds: Sequence[float], *, shorter_side: int, num_frames: int) -> float:
    """Dynamic degree of one clip, 0 or 1: whether enough pairs of frames move fast enough.

    Args:
        speeds: `fastest` of every pair of neighbours.
        shorter_side: Of the frames, pixels; fast is more than 6 pixels at 256.
        num_frames: How many frames there are; a quarter of them must be followed by fast motion.
    """
    fast = sum(speed > 6.0 * (shorter_side / 256.0) for speed in speeds)
    # Of two frames a quarter rounds to none: their one pair then counts as moving, however slow, as in VBench.
    return float(bool(speeds) and fast >= round(4 * (num_frames / 16.0)))


def aesthetic(features: Tensor, weight: Tensor, bias: Tensor) -> float:
    """Aesthetic quality, about 0..1: LAION's linear score, 0..10, of CLIP's `features` `(T, D)`, mean over frames."""
    unit = functional.normalize(features.float(), dim=-1)
    return float(functional.linear(unit, weight.float(), bias.float()).mean() / 10)


def imaging(scores: Tensor) -> float:
    """Imaging quality, 0..1, from MUSIQ's `scores` `(T,)` of the frames, 0..100."""
    return float(scores.double().mean() / 100)


def overall(video: Tensor, text: Tensor) -> float:
    """Overall consistency, -1..1: the cosine of the features `(D,)` of the video and of its prompt."""
    return float(functional.cosine_similarity(video.float(), text.float(), dim=0))


def middle_frames(total: int, count: int = TEXT_FRAMES) -> list[int]:
    """Which frames a video is read from: the middle ones of `count` equal parts; of fewer frames the last again."""
    parts = min(count, total)
    edges = np.linspace(0, total, parts + 1).astype(int).tolist()
    found = [(begin + end - 1) // 2 for begin, end in pairwise(edges)]
    return found + [found[-1]] * (count - parts)


def _resized(pictures: Tensor, side: int, mode: Literal["bilinear", "bicubic"]) -> Tensor:
    """The shorter side made `side`, without smoothing, the longer one cut to whole pixels."""
    height, width = pictures.shape[2:]
    short, long = sorted((height, width))
    other = int(side * long / short)
    size = (side, other) if height <= width else (other, side)
    return pictures if size == (height, width) else functional.interpolate(pictures, size=size, mode=mode)


def _normalised(pictures: Tensor, mean: Sequence[float], spread: Sequence[float]) -> Tensor:
    shape = (1, 3, 1, 1)
    return (pictures / 255 - torch.tensor(mean).view(shape)) / torch.tensor(spread).view(shape)


def _check_frames(count: int, needed: int) -> None:
    if count < needed:
        raise InputError(
            "indicator-frames",
            "The clip has {count} frames. This indicator needs at least {needed}. Measure a longer clip.",
            count=count,
            needed=needed,
        )
