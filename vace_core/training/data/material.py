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
from ...inputs.fitted_masks import is_alike
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
    bucket = rng.choice(suitable(files.name, shown_size(film), film.fps, buckets))
    first = rng.randint(0, film.count - bucket.span(film.fps))
    step = bucket.step(film.fps)
    at = tuple(first + math.floor(frame * step) for frame in range(bucket.frames))
    fps = film.fps / step
    plan = _plan(film, len(at), grid, (bucket.height, bucket.width), fps)
    # All that can be refused without decoding comes first.
    masks = [_mask_beside(path, film, plan) for path in files.masks]
    controls = {kind: _control_beside(path, film, plan) for kind, path in files.controls.items()}
    references = {path: _picture(path) for path in files.references}
    return Material(
        frames=_frames(film, at, plan),
        fps=fps,
        masks=tuple(_mask(mask, at, own) for mask, own in masks),
        references=tuple(references[path] for path in files.references),
        own_references=tuple(path and references[path] for path in files.own_references),
        controls={kind: _frames(control, at, own) for kind, (control, own) in controls.items()},
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


def _plan(film: Footage, count: int, grid: Grid, size: tuple[int, int], fps: float) -> fitting.FitPlan:
    """`count` frames of a film brought to a size `(H, W)`, in the shape in which it is shown."""
    plan = fitting.plan_exact(count, film.height, film.width, grid, size=size, fps=fps)
    return replace(plan, aspect=float(film.aspect))


_Any = Grid(frames=1, pixels=1, patch=1)


def _mask_beside(path: Path, film: Footage, plan: fitting.FitPlan) -> tuple[Footage, fitting.FitPlan]:
    """A mask of a film, opened, with a plan of its own."""
    mask = _beside(path, film, still=True)
    own = _over(mask, film, plan)
    if own is None:
        raise InputError(
            "clip-mask-shape",
            "{path} has {width}x{height} pixels, its clip {clip_width}x{clip_height}. Both need one shape, in any "
            "size. Make it from the same clip.",
            path=path,
            width=mask.width,
            height=mask.height,
            clip_width=film.width,
            clip_height=film.height,
        )
    return mask, own


def _control_beside(path: Path, film: Footage, plan: fitting.FitPlan) -> tuple[Footage, fitting.FitPlan]:
    """A control of a film, opened, with a plan of its own; one of another shape is cropped to its middle."""
    control = _beside(path, film)
    own = _over(control, film, plan)
    return control, own or _plan(control, plan.num_frames, _Any, (plan.height, plan.width), plan.fps)


def _over(beside: Footage, film: Footage, plan: fitting.FitPlan) -> fitting.FitPlan | None:
    """The plan that lays what lies beside a film over it, whatever its size; None = it has another shape.

    Many tools write a mask or a control with the film's pixels and do not say that they are not square, so that what is
    stored and what is shown may agree.
    """
    size, own = (film.height, film.width), (beside.height, beside.width)
    if own == size:
        return plan
    if not is_alike(own, size, 1.0) and not is_alike(own, size, float(film.aspect / beside.aspect)):
        return None
    aspect = film.width * plan.aspect * beside.height / (film.height * beside.width)
    return replace(plan, source_height=beside.height, source_width=beside.width, aspect=aspect)


def _beside(path: Path, clip: Footage, *, still: bool = False) -> Footage:
    """What lies beside a clip, opened; with `still` it may be one picture for all of its frames."""
    film = open_clip(path)
    if film.count != clip.count and not (still and film.count == 1):
        raise InputError(
            "control-length",
            "{path} has {came} frames, its clip {count}. Both need the same number, frame by frame. Make it "
            "from the same clip.",
            path=path,
            came=film.count,
            count=clip.count,
        )
    return film
