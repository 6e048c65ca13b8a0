"""How each task of the starter is scored, and who competes: numbers that ask for everything at once.

A control that is handed back, a disc in the right colour, a still cut-out: each wins some number. None wins one that
asks for colour, shape and motion together, or for the true clip.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ..scenes.backdrops import UNSEEN_BACKDROPS
from ..scenes.palette import COLOURS
from ..scenes.samples import Sample
from ..scenes.scene import SceneObject
from ..scenes.shapes import SHAPES
from .joint import face_parts, truth_error
from .metrics import direction_of, mask_iou
from .objects import LEAST_AREA, coloured, largest
from .outlines import shape_of, vivid
from .report import Better

BLENDED = "base with latent blending"
NO_REFERENCE = "no reference"
_LARGE = 0.85  # of the largest outline of a clip
_WAYS = ("right", "left", "up", "down")

Scorer = Callable[[Sample, Tensor], float]
"""Example and a clip `(1, 3, T, H, W)` → the number; NaN where there is nothing to measure."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One number.

    Attributes:
        metric: What it is, with its unit.
        score: See `Scorer`.
        better: Which way is good.
        rivals: Names of `rivals.RIVALS`, `BLENDED` or `NO_REFERENCE`.
        absolute: Whether the true clip has a value of its own.
    """

    metric: str
    score: Scorer
    better: Better = "higher"
    rivals: tuple[str, ...] = ()
    absolute: bool = True


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How one task is scored.

    Attributes:
        measures: Its numbers.
        tell: Whether prompts describe the objects.
        suits: Which examples there is something to measure on.
        calm: Whether the backdrop is muted, which looking for objects needs.
        task: A name of `samples.TASKS` where the trial has another name.
        only_unseen: Whether there are such examples only among those that training never shows.
    """

    measures: tuple[Measure, ...]
    tell: bool = True
    suits: Callable[[Sample], bool] = lambda example: True
    calm: bool = False
    task: str | None = None
    only_unseen: bool = False


def colour_of(frames: Tensor, found: Tensor) -> str | None:
    """The name of `COLOURS` that the found pixels `(T, H, W)` have in the middle; None where nothing is found."""
    if not found.any():
        return None
    pixels = ((frames[0] + 1) / 2)[:, found]
    return _names(pixels.median(dim=1).values[:, None])[0]


def _nearest(pixels: Tensor) -> Tensor:
    """`(N,)`: numbers of the colours nearest to `pixels` `(3, N)`, whatever their brightness."""
    paints = torch.tensor(list(COLOURS.values()))
    paints = paints / paints.amax(1, keepdim=True)
    return torch.cdist((pixels / pixels.amax(0).clamp(min=1e-3)).T, paints).argmin(1)


def _names(pixels: Tensor) -> list[str]:
    return [tuple(COLOURS)[number] for number in _nearest(pixels).tolist()]


def outline_of(frames: Tensor, item: SceneObject, *, alone: bool) -> Tensor:
    """`(T, H, W)`: the largest blob of the colour of an object, or of any colour where it is alone."""
    found = vivid(frames)
    if not alone:
        number = list(COLOURS).index(item.colour)
        found = found & (_nearest(frames[0].flatten(1).add(1).div(2)) == number).view(found.shape)
    return largest(found)


def _asked(example: Sample) -> tuple[SceneObject, ...]:
    """The objects that count: those that references show, or all."""
    shapes = [item for item in example.clip.objects if item.shape in SHAPES]
    return tuple(shapes[: example.vcu.num_references or None])


def _judged(frames: Tensor, example: Sample) -> Tensor:
    """What was made, gray where kept: what is kept needs nobody to draw it."""
    return frames * (example.vcu.masks > 0)


def _every(test: Callable[[Sample, Tensor, SceneObject, Tensor], bool]) -> Scorer:
    """The share of clips in which a test holds for every object asked for."""

    def scorer(example: Sample, frames: Tensor) -> float:
        asked = _asked(example)
        if not asked:
            return math.nan
        made, alone = _judged(frames, example), len(example.clip.objects) == 1
        if not alone and _is_chart(example, made):
            return 0.0
        found = [(item, outline_of(made, item, alone=alone)) for item in asked]
        return float(all(_stays(example, item, there) and test(example, made, item, there) for item, there in found))

    return scorer


def _stays(example: Sample, item: SceneObject, found: Tensor) -> bool:
    """Whether an object is there in half at least of the frames in which it is to be made."""
    mask = example.clip.masks[next(at for at, one in enumerate(example.clip.objects) if one is item)][0]
    shown = ((mask > 0) & (example.vcu.masks[0, 0] > 0)).flatten(1).float().mean(1) > LEAST_AREA
    return int((found.flatten(1).any(1) & shown).sum()) * 2 >= int(shown.sum())


def _is_chart(example: Sample, made: Tensor) -> bool:
    """Whether there are more colours than objects, so that some colour is right for nothing."""
    objects = example.clip.objects
    if any(item.shape not in SHAPES for item in objects):
        return False
    found = [largest(coloured(made, colour)).flatten(1).any(1).float().mean() for colour in COLOURS]
    return sum(float(share) >= 0.5 for share in found) > len(objects)


def _shape_right(example: Sample, made: Tensor, item: SceneObject, found: Tensor) -> bool:
    if len(example.clip.objects) > 1:  # where another hides a part of it, an outline is smaller, and tells less
        areas = found.flatten(1).sum(1)
        found = found[areas >= _LARGE * areas.max()]
    return shape_of(found) == item.shape


def _colour_right(example: Sample, made: Tensor, item: SceneObject, found: Tensor) -> bool:
    return colour_of(made, found) == item.colour


def _motion_right(example: Sample, made: Tensor, item: SceneObject, found: Tensor) -> bool:
    way = item.motion.split()[-1]
    # Nothing moves in a single frame.
    return len(found) == 1 or way not in _WAYS or direction_of(found) == way


def _all_right(example: Sample, made: Tensor, item: SceneObject, found: Tensor) -> bool:
    tests = (_colour_right, _motion_right, _shape_right)
    return all(test(example, made, item, found) for test in tests)


def _true_error(example: Sample, frames: Tensor) -> float:
    return truth_error(frames, example.clip.frames, example.vcu.masks)


def _true_psnr(example: Sample, frames: Tensor) -> float:
    return 20 * math.log10(255 / max(_true_error(example, frames), 0.01))


def _whole_box(example: Sample, frames: Tensor) -> float:
    """Overlap of each object's outline with its true mask, where it is made, mean over the objects."""
    made = _judged(frames, example)
    alone = len(example.clip.objects) == 1
    pairs = zip(example.clip.objects, example.clip.masks, strict=True)
    each = [mask_iou(outline_of(made, item, alone=alone), mask[0]) for item, mask in pairs if item.shape in SHAPES]
    known = [value for value in each if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _parts(example: Sample, frames: Tensor) -> float:
    """The share of hair, eyes and mouth that are where they belong."""
    item = example.clip.objects[0]
    found = face_parts(frames, item.colour, item.face)
    return (found["hair"] + found["eyes"] + found["mouth"]) / 3


def _moves(example: Sample) -> bool:
    return any(item.motion.split()[-1] in _WAYS for item in _asked(example))


def _seen(example: Sample) -> bool:
    """Whether every object lies whole in the frame for half of the time at least, so that shapes can be told.

    Not all of the time: paths end at the border, and hearts and squares, which fill the least of their radius, would
    be asked for six times as often as discs.
    """
    clip = example.clip
    height, width = clip.frames.shape[-2:]
    least, most = clip.boxes[..., :2], clip.boxes[..., 2:] - torch.tensor([width, height])
    whole = (least > 0).all(-1) & (most < 0).all(-1)
    return bool(len(whole)) and bool((whole.float().mean(-1) >= 0.5).all())


def _apart(example: Sample) -> bool:
    """Whether every object is whole in some frame: in the frame, and with none in front of it."""
    clip = example.clip
    boxes = clip.boxes
    low, high = (
        torch.maximum(boxes[:, None, :, :2], boxes[None, ..., :2]),
        torch.minimum(boxes[:, None, :, 2:], boxes[None, ..., 2:]),
    )
    meets = (high - low).clamp(min=0).prod(-1) > 0
    meets.diagonal().fill_(False)
    return _seen(example) and bool((~meets.any(1)).any(1).all())


def _one_that_moves(example: Sample) -> bool:
    return _moves(example) and _seen(example) and len(example.clip.objects) == 1


def _on_texture(example: Sample) -> bool:
    return example.clip.scene.backdrop.kind in UNSEEN_BACKDROPS


def _error(*rivals: str) -> Measure:
    return Measure(
        metric="error to the true clip, levels", score=_true_error, better="lower", rivals=rivals, absolute=False
    )


def _rate(metric: str, test: Callable[[Sample, Tensor, SceneObject, Tensor], bool], *rivals: str) -> Measure:
    return Measure(metric=metric, score=_every(test), rivals=rivals)


_PASTED = ("disc", "cut-out")
_BOTH = (*_PASTED, NO_REFERENCE)
_SPOKEN = (
    _rate("colour right", _colour_right, "filled as asked"),
    _rate("shape right, of eight", _shape_right, "filled as asked"),
    _rate("colour, shape and direction right", _all_right, "filled as asked"),
)
_REFERENCED = (
    _rate("colour right", _colour_right, *_BOTH),
    _rate("shape right, of eight", _shape_right, *_BOTH),
    _rate("colour, shape and direction right", _all_right, *_BOTH),
)
_FACE = Measure(metric="parts of the face present", score=_parts, rivals=_BOTH)
_CONTROLLED = Trial(measures=(_error("echo", "tinted", "blank"),))
_FILLED = ("filled", "filled as asked", BLENDED)
_PSNR = Measure(metric="PSNR to the true clip, dB", score=_true_psnr, rivals=_FILLED, absolute=False)
_KEPT = Trial(measures=(_error(*_FILLED), _PSNR))

TRIALS: dict[str, Trial] = {
    "text": Trial(measures=_SPOKEN, suits=_one_that_moves, calm=True),
    "object reference": Trial(measures=_REFERENCED, tell=False, suits=_one_that_moves, calm=True),
    "face reference": Trial(measures=(_FACE,), tell=False, suits=_seen, calm=True),
    "inpaint": _KEPT,
    "inpaint on unseen textures": Trial(measures=_KEPT.measures, suits=_on_texture, task="inpaint", only_unseen=True),
    "outpaint": _KEPT,
    "extend": _KEPT,
    "gray": _CONTROLLED,
    "depth": _CONTROLLED,
    "scribble": _CONTROLLED,
    "pose": _CONTROLLED,
    "flow": _CONTROLLED,
    "layout": Trial(
        measures=(
            _error("echo", "tinted", "blank"),
            Measure(metric="outline IoU", score=_whole_box, rivals=("tinted",)),
        ),
        calm=True,
    ),
    "three objects in boxes": Trial(
        measures=(
            Measure(metric="outline IoU", score=_whole_box, rivals=("tinted",)),
            _rate("all colours right", _colour_right, "tinted"),
            _rate("all shapes right", _shape_right, "tinted"),
            _rate("all colours, shapes and directions right", _all_right, "tinted"),
        ),
        suits=lambda example: len(example.clip.objects) >= 3 and _apart(example),
        calm=True,
        task="layout",
    ),
    "stylization": Trial(measures=(_error("echo", "recoloured", "blank", NO_REFERENCE),)),
    "reference anything": Trial(
        measures=(
            _rate("both colours right", _colour_right, *_BOTH),
            _rate("both shapes right", _shape_right, *_BOTH),
        ),
        tell=False,
        suits=_apart,
        calm=True,
    ),
    "move anything": Trial(measures=(_error("filled", "carried", BLENDED),), suits=_moves),
    "animate anything": Trial(measures=(_error("echo", "tinted", "blank", *_BOTH),), tell=False),
    "swap anything": Trial(
        measures=(
            _error("filled", BLENDED, *_BOTH),
            _rate("colour right", _colour_right, BLENDED, *_BOTH),
            _rate("shape right, of eight", _shape_right, BLENDED, *_BOTH),
        ),
        tell=False,
        suits=lambda example: len(_asked(example)) == len(example.clip.objects) == 1,
        calm=True,
    ),
    "expand anything": Trial(measures=(_error("filled", BLENDED, *_BOTH),), tell=False),
}
"""The thirteen tasks and the five compositions; three objects, and textures that training never shows, apart."""
