"""What is measured for each task: the examples it is measured on, and the numbers.

A score looks only at what was made: kept pixels are turned gray before anything is looked for, and where some frames
are made as a whole (after a first frame that is kept), only those count.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...evaluation import pixels
from ..drawing import SHAPES
from ..training.samples import Sample
from ..world import SceneObject
from . import metrics
from .objects import coloured, largest, likeness, shape_of, skin_of, things
from .report import Better

NO_REFERENCE = "no reference"
_DIRECTIONS = ("right", "left", "up", "down")

Scorer = Callable[[Sample, Tensor], float]


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number.

    Attributes:
        metric: What it is, with its unit.
        score: Example and a clip `(1, 3, T, H, W)` → the number; NaN where there is nothing to measure.
        better: Which way is good.
        baselines: Names of `sampling.BASELINES`, or `NO_REFERENCE`: the same unit without its references.
        decoded: Whether it looks at the clip as decoded, before what was kept is put back.
        absolute: Whether the true clip has a value of its own; not if the true clip is what is compared with.
    """

    metric: str
    score: Scorer
    better: Better = "higher"
    baselines: tuple[str, ...] = ()
    decoded: bool = False
    absolute: bool = True


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How one task is measured.

    Attributes:
        measures: Its numbers.
        tell: Whether prompts describe the objects. With references they do not: only the picture tells.
        suits: Which examples there is something to measure on.
    """

    measures: tuple[Measure, ...]
    tell: bool = True
    suits: Callable[[Sample], bool] = lambda example: True


def _judged(example: Sample) -> Tensor:
    """The frames that count: those that are made as a whole if there are any, else those with something made."""
    masks = example.vcu.masks[0, 0].flatten(1) > 0
    whole = masks.all(1)
    return (whole if whole.any() else masks.any(1)).nonzero()[:, 0]


def _made(example: Sample, frames: Tensor) -> Tensor:
    """The frames that count, gray where kept."""
    return (frames * example.vcu.masks)[:, :, _judged(example)]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _by_colour(score: Callable[[Tensor, Tensor], float]) -> Scorer:
    """A score of what has each object's colour and its boxes, averaged over the objects."""

    def scorer(example: Sample, frames: Tensor) -> float:
        made, judged = _made(example, frames), _judged(example)
        pairs = zip(example.clip.objects, example.clip.boxes, strict=True)
        return _mean([score(largest(coloured(made, item.colour)), boxes[judged]) for item, boxes in pairs])

    return scorer


def _by_outline(score: Callable[[Tensor, Tensor], float]) -> Scorer:
    """A score of everything that is no background, and its true masks."""

    def scorer(example: Sample, frames: Tensor) -> float:
        found = largest(things(_made(example, frames)), len(example.clip.objects))
        return score(found, _on_objects(example)[0, 0, _judged(example)])

    return scorer


def _against_truth(score: Callable[[Tensor, Tensor, Tensor], float], where: Callable[[Sample], Tensor]) -> Scorer:
    """A score of pixels against those of the true clip, where `where` is not 0."""
    return lambda example, frames: score(frames, example.clip.frames, where(example))


def _generated(example: Sample) -> Tensor:
    return example.vcu.masks


def _kept(example: Sample) -> Tensor:
    return 1 - example.vcu.masks


def _objects(example: Sample) -> Tensor:
    """Where there is an object, `(1, 1, T, H, W)`."""
    masks = example.clip.masks
    return masks.amax(0)[None] if len(masks) else torch.zeros_like(example.vcu.masks)


def _on_objects(example: Sample) -> Tensor:
    return example.vcu.masks * _objects(example)


def _behind_objects(example: Sample) -> Tensor:
    return example.vcu.masks * (1 - _objects(example))


def _border(example: Sample) -> Tensor:
    """What is made in frame 0."""
    first = torch.zeros_like(example.vcu.masks)
    first[:, :, 0] = example.vcu.masks[:, :, 0]
    return first


def _asked(example: Sample) -> tuple[SceneObject, ...]:
    """The objects that references show, or all if there is no reference."""
    return example.clip.objects[: example.vcu.num_references or None]


def _colours(score: Callable[[Tensor, list[str]], float]) -> Scorer:
    return lambda example, frames: score(_made(example, frames), [item.colour for item in _asked(example)])


def _outlines(example: Sample, frames: Tensor) -> list[Tensor]:
    """Where each object asked for is: a single one whatever its colour, several by their colours."""
    made, asked = _made(example, frames), _asked(example)
    if len(asked) == 1:
        return [largest(things(made))]
    return [largest(coloured(made, item.colour)) for item in asked]


def _likeness(example: Sample, frames: Tensor) -> float:
    pairs = zip(_outlines(example, frames), example.clip.references, strict=False)
    return _mean([likeness(found, things(picture)[0]) for found, picture in pairs])


def _shape_right(example: Sample, frames: Tensor) -> float:
    pairs = zip(_outlines(example, frames), _asked(example), strict=True)
    return _mean([float(shape_of(found) == item.shape) for found, item in pairs if item.shape in SHAPES])


def _skin_right(example: Sample, frames: Tensor) -> float:
    return float(skin_of(_made(example, frames)) == example.clip.objects[0].variant)


def _direction_right(example: Sample, frames: Tensor) -> float:
    made = _made(example, frames)
    asked = {item.colour: item.motion.split()[-1] for item in example.clip.objects}
    return _mean(
        [
            float(metrics.direction_of(largest(coloured(made, colour))) == way)
            for colour, way in asked.items()
            if way in _DIRECTIONS
        ]
    )


def _edges(example: Sample, frames: Tensor) -> float:
    assert example.vcu.control is not None
    return pixels.edge_agreement(frames, example.vcu.control)


def _brightness(score: Callable[[Tensor, Tensor], float]) -> Scorer:
    def scorer(example: Sample, frames: Tensor) -> float:
        assert example.vcu.control is not None
        return score(frames, example.vcu.control)

    return scorer


def _motion(score: Callable[[Tensor, Tensor], float]) -> Scorer:
    return lambda example, frames: score(frames, example.clip.flow)


def _single(example: Sample) -> bool:
    return len(example.clip.objects) == 1


def _directed(example: Sample) -> bool:
    return any(item.motion.split()[-1] in _DIRECTIONS for item in example.clip.objects)


def _moving(example: Sample) -> bool:
    return metrics.moves(example.clip.flow)


def _repainting(metric: str, where: Callable[[Sample], Tensor], *baselines: str) -> Measure:
    score = _against_truth(pixels.psnr, where)
    return Measure(metric=metric, score=score, baselines=baselines, absolute=False)


_PRESENT = Measure(metric="colour present", score=_colours(metrics.are_present))
_DOMINANT = Measure(metric="colour dominant", score=_colours(metrics.are_dominant))
_SHAPE = Measure(metric="shape right, of six", score=_shape_right)
_BOX = Measure(metric="box IoU", score=_by_colour(metrics.box_iou))
_CENTRE = Measure(metric="centre error, of the frame", score=_by_colour(metrics.centre_error), better="lower")
_SILHOUETTE = Measure(metric="silhouette IoU", score=_by_outline(metrics.mask_iou))
_OUTLINE = Measure(metric="outline error, of the frame", score=_by_outline(metrics.outline_error), better="lower")
_PLACED = (_BOX, _CENTRE)
_KEPT = (
    Measure(
        metric="kept part before paste-back, PSNR dB",
        score=_against_truth(pixels.psnr, _kept),
        decoded=True,
        absolute=False,
    ),
    Measure(
        metric="largest error of the kept part as written, of 255",
        score=_against_truth(pixels.written_error, _kept),
        better="lower",
        absolute=False,
    ),
)
_REFERENCED = tuple(
    replace(measure, baselines=(NO_REFERENCE,))
    for measure in (_PRESENT, _DOMINANT, Measure(metric="outline like the reference, IoU", score=_likeness), _SHAPE)
)
_SKIN = Measure(metric="skin right, of three", score=_skin_right, baselines=(NO_REFERENCE,))

PLANS: dict[str, Plan] = {
    "text": Plan(
        measures=(_PRESENT, _DOMINANT, _SHAPE, Measure(metric="direction right", score=_direction_right)),
        suits=_directed,
    ),
    "object reference": Plan(measures=_REFERENCED, tell=False, suits=_single),
    "face reference": Plan(measures=(*_REFERENCED[:3], _SKIN), tell=False),
    "inpaint": Plan(
        measures=(
            _repainting("hole, PSNR dB", _generated, "gray", "Telea"),
            _repainting("objects in the hole, PSNR dB", _on_objects, "gray", "Telea"),
            _repainting("background in the hole, PSNR dB", _behind_objects, "gray", "Telea"),
            *_KEPT,
        )
    ),
    "outpaint": Plan(measures=(_repainting("border, PSNR dB", _generated, "gray", "Telea"), *_KEPT)),
    "extend": Plan(
        measures=(_repainting("new frames, PSNR dB", _generated, "gray", "nearest frame"), *_KEPT), suits=_moving
    ),
    "gray": Plan(
        measures=(
            Measure(metric="brightness, correlation", score=_brightness(pixels.brightness_correlation)),
            Measure(metric="brightness, PSNR dB", score=_brightness(pixels.brightness_psnr), absolute=False),
        )
    ),
    "depth": Plan(measures=(_SILHOUETTE,)),
    "scribble": Plan(measures=(Measure(metric="edges within 2 pixels, F1", score=_edges), _BOX)),
    "pose": Plan(measures=(_SILHOUETTE, _OUTLINE)),
    "flow": Plan(
        measures=(
            Measure(metric="direction of motion, cosine", score=_motion(metrics.direction_agreement)),
            Measure(
                metric="motion error, pixels per frame",
                score=_motion(metrics.flow_error),
                better="lower",
                baselines=("standstill",),
            ),
        ),
        suits=_moving,
    ),
    "layout": Plan(measures=_PLACED),
    "reference anything": Plan(measures=_REFERENCED, tell=False),
    "move anything": Plan(measures=(*_PLACED, *_KEPT), suits=_moving),
    "animate anything": Plan(measures=(*_REFERENCED[:2], _SILHOUETTE, _OUTLINE), tell=False),
    "swap anything": Plan(measures=(*_REFERENCED, _SILHOUETTE, *_KEPT), tell=False, suits=_single),
    "expand anything": Plan(
        measures=(*_REFERENCED, _repainting("border of frame 0, PSNR dB", _border, "gray", "Telea"), *_KEPT),
        tell=False,
        suits=_single,
    ),
}
"""The twelve tasks and the five compositions."""
