"""Numbers for how alike two clips are, pixel by pixel and edge by edge.

`frames` are `(1, 3, T, H, W)` in -1..1. NaN means that there is nothing to measure.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..inputs import controls
from ..inputs.masks import opencv
from ..media.video import to_uint8

MOST_PSNR = 60.0  # dB; two equal clips would count for infinitely many others


def psnr(frames: Tensor, truth: Tensor, where: Tensor) -> float:
    """Peak signal to noise in dB, 0..60, over the pixels where `where` `(1, 1, T, H, W)` is not 0."""
    inside = (where != 0).expand_as(truth)
    if not inside.any():
        return math.nan
    error = float((frames - truth)[inside].double().square().mean())
    return min(10 * math.log10(4 / error), MOST_PSNR) if error else MOST_PSNR


def mean_error(frames: Tensor, truth: Tensor, where: Tensor) -> float:
    """Mean absolute difference in levels, 0..255, over the pixels where `where` `(1, 1, T, H, W)` is not 0."""
    inside = (where != 0).expand_as(truth)
    return float((frames - truth)[inside].double().abs().mean() * 127.5) if inside.any() else math.nan


def written_error(frames: Tensor, source: Tensor, where: Tensor) -> float:
    """The largest difference in levels, 0..255, between frames as they are written, where `where` is not 0."""
    inside = (where[0, 0] != 0)[..., None]
    return float(((to_uint8(frames).int() - to_uint8(source).int()).abs() * inside).max())


def edge_agreement(frames: Tensor, lines: Tensor, reach: float = 2.0) -> float:
    """F1, 0..1, of the edges of `frames` and the `lines` of a scribble, dark on white, within `reach` pixels."""
    ours, theirs = (np.asarray(drawn[0, 0] < 0) for drawn in (controls.scribble(frames), lines))
    if not theirs.any():
        return math.nan
    if not ours.any():
        return 0.0
    precision, recall = ((_near(b, reach) & a).sum() / a.sum() for a, b in ((ours, theirs), (theirs, ours)))
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def _near(lines: NDArray[np.bool_], reach: float) -> NDArray[np.bool_]:
    """Where a line of the same frame is at most `reach` pixels away."""
    cv2 = opencv()
    away = [cv2.distanceTransform((~frame).astype(np.uint8), cv2.DIST_L2, 5) for frame in lines]
    # A frame without lines has nothing to be near to; the distance is then undefined.
    return np.stack([(frame <= reach) & drawn.any() for frame, drawn in zip(away, lines, strict=True)])


def brightness_correlation(frames: Tensor, gray: Tensor) -> float:
    """Correlation, -1..1, of the brightness of `frames` and a gray control; 0 where one of them is flat."""
    pair = torch.stack([controls.gray(frames)[:, 0].flatten(), gray[:, 0].flatten()]).double()
    return float(torch.corrcoef(pair)[0, 1].nan_to_num(0))


def brightness_psnr(frames: Tensor, gray: Tensor) -> float:
    """PSNR in dB of the brightness of `frames` and a gray control."""
    return psnr(controls.gray(frames), gray, torch.ones_like(gray[:, :1]))
