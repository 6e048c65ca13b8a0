"""A clip and what belongs to it, cut and resized to one of the sizes that are trained."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from ...errors import InputError
from ...geometry import Grid
from ...inputs import fitting
from ...inputs.references import on_white
from ...inputs.resizing import resize_frames, resize_masks
from ...media.footage import Footage
from ...media.pictures import mask_of, read_image
from ...media.sources import open_footage
from ...media.video import from_uint8
from ...sampling.options import check_number, check_whole
from .sources import ClipFiles

MOST_ENLARGED = 1.25
ALIKE = 0.05  # of a clip's sides (as a logarithm) that a bucket may crop more than the one that crops least
STILL_FPS = 16.0


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """One size of clip that is trained, checked where it is born.

    Attributes:
        frames: Length, of the grid of the base; 1 = pictures.
        height: Pixels.
        width: Pixels.
        fps: Frames per second; clips of a higher rate are thinned out to it, clips of a lower rate keep theirs.

    Raises:
        InputError: a value out of range.
    """

    frames: int
    height: int
    width: int
    fps: float = 16.0

    def __post_init__(self) -> None:
        for name, value in (("frames", self.frames), ("height", self.height), ("width", self.width)):
            check_whole(f"{name} of a bucket", value, least=1)
        check_number("fps of a bucket", self.fps, above=0)

    def step(self, fps: float) -> float:
        """Frames of a clip of `fps` from one frame that is taken to the next, ≥ 1."""
        return max(fps / self.fps, 1.0)

    def span(self, fps: float) -> int:
        """Frames that a clip of `fps` must have."""
        return math.floor((self.frames - 1) * self.step(fps)) + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """A part of a clip with everything that tasks are made of.

    Attributes:
        frames: `(1, 3, T, H, W)` in −1..1.
        fps: Frames per second.
        masks: One for each object, `(1, 1, T, H, W)`, 1 = object.
        references: Pictures `(1, 3, 1, h, w)` in −1..1, of any size.
        own_references: As in `ClipFiles`.
        controls: Signals `(1, 3, T, H, W)` in −1..1 by kind.
        masked: As in `ClipFiles`.
    """

    frames: Tensor
    fps: float
    masks: tuple[Tensor, ...] = ()
    references: tuple[Tensor, ...] = ()
    own_references: tuple[Tensor | None, ...] = ()
    controls: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    masked: bool = False


def read_material(files: ClipFiles, buckets: Sequence[Bucket], grid: Grid, rng: random.Random) -> Material:
    """A part of a clip in the size of the bucket that suits it best.

    It is scaled to cover the bucket and cropped to its middle. Which buckets are drawn from says `suitable`.

    Raises:
        InputError: a file cannot be read, does not belong to the clip, or no bucket suits.
    """
    film = open_clip(files.video)
    count, height, width = film.count, film.height, film.width
    bucket = rng.choice(suitable(files.name, (count, height, width), film.fps, buckets))
    first = rng.randint(0, count - bucket.span(film.fps))
    step = bucket.step(film.fps)
    at = tuple(first + math.floor(frame * step) for frame in range(bucket.frames))
    fps = film.fps / step
    plan = fitting.plan_exact(len(at), height, width, grid, size=(bucket.height, bucket.width), fps=fps)
    # All that can be refused without decoding comes first.
    masks = [_beside(path, count, still=True) for path in files.masks]
    controls = {kind: _beside(path, count) for kind, path in files.controls.items()}
    references = {path: _picture(path) for path in files.references}
    return Material(
        frames=_frames(film, at, plan),
        fps=fps,
        masks=tuple(_mask(mask, at, plan) for mask in masks),
        references=tuple(references[path] for path in files.references),
        own_references=tuple(path and references[path] for path in files.own_references),
        controls={kind: _control(control, at, plan) for kind, control in controls.items()},
        masked=files.masked,
    )


def open_clip(path: Path) -> Footage:
    """A clip that is not decoded yet; a picture is a clip of one frame. Raises InputError: it cannot be read."""
    return open_footage(path, fps=STILL_FPS)


def shown_size(film: Footage) -> tuple[int, int, int]:
    """`(T, H, W)` of a film as it is shown, in square pixels."""
    return film.count, film.height, round(film.width * float(film.aspect))


def suitable(name: str, size: tuple[int, int, int], fps: float, buckets: Sequence[Bucket]) -> list[Bucket]:
    """Of the buckets for which a clip is long and large enough those that crop it least, or hardly more.

    A clip that moves is drawn as single frames only beside longer buckets. One too short for all of these is left out.

    Args:
        name: By which an error calls the clip.
        size: `(T, H, W)`, as it is shown.
        fps: Its frames per second.
        buckets: What there is to choose from.

    Raises:
        InputError: there are none.
    """
    count, height, width = size
    able = [
        bucket
        for bucket in buckets
        if bucket.span(fps) <= count and max(bucket.height / height, bucket.width / width) <= MOST_ENLARGED
    ]
    moves = count > 1 and any(bucket.frames > 1 for bucket in buckets)
    shapes = {bucket: abs(math.log(bucket.height / bucket.width * width / height)) for bucket in able}
    nearest = min((shape for bucket, shape in shapes.items() if bucket.frames > 1 or not moves), default=None)
    if nearest is None:
        raise InputError(
            "clip-too-small",
            "The clip {name} has {count} frames of {width}x{height} at {fps:.4g} fps, which is too short or "
            "too small. It must fit one of the trained sizes, a video one of several frames where there are any. Add a "
            "bucket that suits it, or remove the clip.",
            name=name,
            count=count,
            width=width,
            height=height,
            fps=fps,
        )
    return [bucket for bucket, shape in shapes.items() if shape <= nearest + ALIKE]


def _frames(film: Footage, at: tuple[int, ...], plan: fitting.FitPlan) -> Tensor:
    """`(1, 3, T, H, W)`: the frames `at` of a film, fitted by a plan of them alone; no others are decoded."""
    return resize_frames(film, replace(plan, source_frames=film.count, indices=at))


def _picture(path: Path) -> Tensor:
    picture, alpha = read_image(path)
    frames = from_uint8(picture)
    return frames if alpha is None else on_white(frames, alpha[None, None, None].float() / 255)


def _mask(film: Footage, at: tuple[int, ...], plan: fitting.FitPlan) -> Tensor:
    first, last = (at[0], at[-1] + 1) if film.count > 1 else (0, 1)
    levels = mask_of(film, begin=first, end=last)
    if len(levels) > 1:
        levels = levels[[place - first for place in at]]
    return resize_masks((levels > 127).to(torch.uint8) * 255, plan)


def _control(film: Footage, at: tuple[int, ...], plan: fitting.FitPlan) -> Tensor:
    own = fitting.plan_exact(len(at), film.height, film.width, _Any, size=(plan.height, plan.width), fps=plan.fps)
    return _frames(film, at, own)


_Any = Grid(frames=1, pixels=1, patch=1)


def _beside(path: Path, count: int, *, still: bool = False) -> Footage:
    """What lies beside a clip of `count` frames, opened; with `still` it may be one picture for all of them."""
    film = open_clip(path)
    if film.count != count and not (still and film.count == 1):
        raise InputError(
            "control-length",
            "{path} has {came} frames, its clip {count}. Both need the same number, frame by frame. Make it "
            "from the same clip.",
            path=path,
            came=film.count,
            count=count,
        )
    return film
