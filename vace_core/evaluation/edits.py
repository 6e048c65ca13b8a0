"""Measures of an edit that need no network: what was kept, the seam, drift, and whether a control was followed.

`frames` are `(1, 3, T, H, W)` in -1..1, `masks` `(1, 1, T, H, W)`, 1 = generated, 0 = kept. Results in levels count
0..255. NaN means that there is nothing to measure.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

from ..inputs import controls
from .pixels import brightness_correlation, edge_agreement, mean_error

NEAR = 4  # pixels beside an edge that tell how rough a picture is there
PART = 5  # the first and the last fifth of a clip are compared


def kept_error(frames: Tensor, source: Tensor, masks: Tensor) -> float:
    """How far what was to be kept is off: mean absolute difference in levels.

    Before paste-back this tells how well a model keeps, and no model does better than its VAE, for which `source` after
    encoding and decoding stands. After paste-back it is 0 but for the loss of the file.
    """
    return mean_error(frames, source, masks == 0)


def seam(frames: Tensor, masks: Tensor) -> float:
    """How visible the edge of a mask is, in levels: the step across it, less the steps beside it.

    Steps are mean absolute differences of neighbouring pixels: across the edge, and between kept pixels within
    4 pixels of it. About 0 where nothing shows; negative where the edge is smoother than its surroundings.
    """
    generated = masks > 0
    near = functional.max_pool3d(masks.float(), (1, 2 * NEAR + 1, 2 * NEAR + 1), 1, (0, NEAR, NEAR)) > 0
    beside = near & ~generated
    across, along = (_Mean(), _Mean())
    for axis in (3, 4):
        step = frames.diff(dim=axis).abs().mean(1, keepdim=True)
        one, two = (generated.narrow(axis, start, generated.shape[axis] - 1) for start in (0, 1))
        kept_one, kept_two = (beside.narrow(axis, start, beside.shape[axis] - 1) for start in (0, 1))
        across.add(step[one != two])
        along.add(step[kept_one & kept_two])
    return (across.value - along.value) * 127.5


def time_seam(frames: Tensor, masks: Tensor) -> float:
    """How visible it is where kept frames end and generated ones begin, in levels.

    The mean absolute difference of the two frames at such a place, less that of the pairs of frames right before and
    after it. NaN where no frame that is wholly kept is next to one that is wholly generated.
    """
    whole = masks[0, 0].flatten(1) > 0
    made, kept = whole.all(1), ~whole.any(1)
    steps = frames.diff(dim=2).abs().mean((0, 1, 3, 4)) * 127.5
    joints = ((made[:-1] & kept[1:]) | (kept[:-1] & made[1:])).nonzero()[:, 0].tolist()
    each: list[float] = []
    for joint in joints:
        others = [float(steps[at]) for at in (joint - 1, joint + 1) if 0 <= at < len(steps) and at not in joints]
        if others:
            each.append(float(steps[joint]) - sum(others) / len(others))
    return sum(each) / len(each) if each else math.nan


def drift(frames: Tensor, truth: Tensor | None = None) -> float:
    """How far the colours wander from the first fifth of a clip to its last, in levels; 0 = not at all.

    The largest change among the means of the three channels. With the true clip it is how far the change is from the
    change there, so that a sunset does not count as drift.
    """
    change = _change(frames) - (0 if truth is None else _change(truth))
    return float(change.abs().max() * 127.5)


def adherence(frames: Tensor, control: Tensor, kind: str) -> float | None:
    """How well a control was followed: it is taken from `frames` again and compared.

    Args:
        frames: The result.
        control: `(1, 3, T, H, W)`, -1..1: what was to be followed.
        kind: A name of `CONTROLS`; for others there is nothing to extract them with, and None comes back.
    """
    measure = CONTROLS.get(kind)
    return None if measure is None else measure(frames, control)


def flow_agreement(frames: Tensor, pictures: Tensor) -> float:
    """How alike the motion of `frames` is to a flow control, 0..1: 1 less the mean difference of their pictures.

    Both are pictures on the Middlebury wheel, of which each frame is scaled to its own fastest motion.
    """
    ones = torch.ones_like(pictures[:, :1])
    return 1 - mean_error(controls.flow(frames), pictures, ones) / 255


CONTROLS: Mapping[str, Callable[[Tensor, Tensor], float]] = {
    "gray": brightness_correlation,
    "scribble": edge_agreement,
    "flow": flow_agreement,
}
"""Controls that are taken from a result without a network, with the measure of agreement, 1 = the same."""


def identity(frames: Tensor, references: Tensor) -> float:
    """How like its references a clip is, -1..1: the mean cosine of the `(T, D)` features of frames and `(R, D)`."""
    ours, theirs = (functional.normalize(features.float(), dim=-1) for features in (frames, references))
    return float((ours @ theirs.T).mean())


def _change(frames: Tensor) -> Tensor:
    """By how much each channel's mean moves, `(3,)`."""
    few = max(frames.shape[2] // PART, 1)
    return frames[:, :, -few:].double().mean((0, 2, 3, 4)) - frames[:, :, :few].double().mean((0, 2, 3, 4))


class _Mean:
    """A mean of numbers that come in parts."""

    def __init__(self) -> None:
        self._sum, self._count = 0.0, 0

    def add(self, values: Tensor) -> None:
        self._sum += float(values.double().sum())
        self._count += values.numel()

    @property
    def value(self) -> float:
        return self._sum / self._count if self._count else math.nan
