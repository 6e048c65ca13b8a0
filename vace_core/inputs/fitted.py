"""A clip as a model gets it, with its mask, its control and the frames around it: the one fit of command and nodes.

`fitting` plans and resamples one clip. Here is what may be asked for, and everything that shares the plan of a clip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..geometry import Grid
from ..media.footage import Footage
from ..media.ranges import Cut
from . import fitting
from .all_frames import SAME_RATE, plan_all_frames, resampled
from .fitting import FitPlan, ResolutionPreset
from .resizing import resize_frames


@dataclass(frozen=True, kw_only=True)
class Target:
    """What clips are fitted to: what the model takes, and what of it was asked for.

    Attributes:
        takes: A rule chooses the size and length that nobody asked for; a grid keeps those of the clip, if they fit it.
        length: Frames of the result.
        fps: Frames per second of the result. None = as the clip has.
        height: Pixels of the result; one side alone keeps the shape of the clip.
        width: Pixels of the result.
        all_frames: Keep every frame of a clip and its rate, as by `all_frames.plan_all_frames`; `length` then takes its
            beginning. Otherwise a clip that is too long is thinned out in time, as by `fitting.plan`.
        any_length: With `all_frames`, a clip may be longer than the model takes in one pass: it is made by windows.
        whole: Scale the whole picture to the size, a little out of shape where need be, so that what is made can be put
            back onto all of it. Otherwise it keeps its shape and is cropped.
    """

    takes: ResolutionPreset | Grid
    length: int | None = None
    fps: float | None = None
    height: int | None = None
    width: int | None = None
    all_frames: bool = False
    any_length: bool = False
    whole: bool = False

    @property
    def grid(self) -> Grid:
        return self.takes.grid if isinstance(self.takes, ResolutionPreset) else self.takes

    def still(self) -> Target:
        """The same for an image: length and rate are those of what will be made of it."""
        return replace(self, length=None, fps=None)

    def like(self, fitted: Fitted) -> Target:
        """The same for what must have the size and rate of a clip that is known."""
        height, width = fitted.size
        return replace(self, height=height, width=width, fps=self.fps or fitted.fps)

    def longest(self, height: int, width: int) -> int:
        """Frames of a result of this size: as asked for, or as usual for the model."""
        if self.length or not isinstance(self.takes, ResolutionPreset):
            return self.length or 1
        return self.takes.usual(height, width)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """A clip as it came.

    Attributes:
        frames: `(T, H, W, 3)` uint8, or `(1, 3, T, H, W)` in −1..1; or a film, which is decoded as far as it is used.
        fps: Frames per second, the average where the rate varies.
        times: `(T, 2)` start and end of each frame in seconds. None = a constant rate.
        aspect: Width of a pixel over its height.
        name: What messages call it.
        path: The file it was read from, if any.
        notes: What was found or changed when it was read, one sentence each.
    """

    frames: Tensor | Footage
    fps: float
    times: Tensor | None = None
    aspect: float = 1.0
    name: str = "clip"
    path: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)`."""
        if isinstance(self.frames, Footage):
            return self.frames.count, self.frames.height, self.frames.width
        count, height, width = self.frames.shape[:3] if self.frames.dtype == torch.uint8 else self.frames.shape[2:]
        return count, height, width

    @property
    def called(self) -> str:
        return f"{self.name} {self.path}" if self.path else self.name

    def part(self, begin: int, end: int) -> Source:
        """The frames `begin` up to `end`, which begin at 0 seconds."""
        if isinstance(self.frames, Footage):
            frames: Tensor | Footage = Cut(self.frames, begin, end)
        else:
            as_bytes = self.frames.dtype == torch.uint8
            frames = self.frames[begin:end] if as_bytes else self.frames[:, :, begin:end]
        times = None if self.times is None else self.times[begin:end] - self.times[begin, 0]
        return replace(self, frames=frames, times=times)

    @property
    def steady(self) -> bool:
        """Whether all frames are shown equally long, to a hundredth."""
        lasts = self.all_times().diff(dim=1)
        return float(lasts.max() - lasts.min()) * self.fps < SAME_RATE

    def all_times(self) -> Tensor:
        """`times`, those of a constant rate too."""
        return fitting.frame_times(self.shape[0], self.fps, self.times)[0]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A clip as the model gets it, decoded and scaled when its frames are asked for.

    Attributes:
        taken: The part of the source that was taken.
        plan: How that part is fitted.
        source: What came.
        begin: The first frame of the part.
        rest: The frames before or after the part, as a plan for the whole source. None = there are none.
        notes: What was done other than asked for, one sentence each.
        most: Frames that the model takes of it in one pass. None = as many as there are.
    """

    taken: Source
    plan: FitPlan
    source: Source
    begin: int = 0
    rest: FitPlan | None = None
    notes: tuple[str, ...] = ()
    most: int | None = None

    @cached_property
    def frames(self) -> Tensor:
        """`(1, 3, T, H, W)` in −1..1.

        Raises:
            InputError: a frame cannot be decoded, or they do not fit into memory.
        """
        return resize_frames(self.taken.frames, self.plan)

    def stretch(self, begin: int, end: int) -> Fitted:
        """The frames `begin` up to `end` of it alone, without padding."""
        return replace(self, plan=replace(self.plan, indices=self.plan.shown[begin:end], padding=0))

    @property
    def size(self) -> tuple[int, int]:
        """`(H, W)`."""
        return self.plan.height, self.plan.width

    @property
    def fps(self) -> float | None:
        """Frames per second; None for an image, which has none."""
        return self.plan.fps if self.source.shape[0] > 1 else None


def plan_of(source: Source, target: Target, *, growth: float = 1.0) -> FitPlan:
    """How all frames of a clip are fitted.

    Args:
        source: What came.
        target: One of length and rate thins the clip out, unless all frames are to be kept.
        growth: How many times its area the canvas will have, ≥ 1.

    Raises:
        ShapeError: as `fitting.plan_exact`.
        InputError: as `fitting.plan` and `fitting.plan_exact`.
    """
    plan = _plan_all_frames(source, target, growth) if target.all_frames else _plan_official(source, target, growth)
    return _on(source, plan, target)


def fit_clip(source: Source, target: Target, *, growth: float = 1.0) -> Fitted:
    """A whole clip, fitted as by `plan_of`; length and rate together take its beginning.

    Raises:
        ShapeError: as `plan_of`.
        InputError: as `plan_of`, or the clip is shorter than what was asked for.
    """
    part = source
    if target.length and target.fps and not target.all_frames:
        part = source.part(0, _count_in(source, target.length / target.fps))
    plan = plan_of(part, target, growth=growth)
    most = _size_in_one_pass(part, target, growth)[1] if target.all_frames and not target.length else None
    return Fitted(taken=part, plan=plan, source=source, most=most)


def fit_pictures(sources: Sequence[Source], target: Target) -> list[Fitted]:
    """Images for one clip: the first decides the size of all."""
    first = fit_clip(sources[0], target.still())
    return [first, *(fit_clip(source, target.like(first).still()) for source in sources[1:])]


def fit_ends(
    first: Source | None, last: Source | None, target: Target, *, keep: int | None = None
) -> tuple[Fitted | None, Fitted | None]:
    """The end of one clip and the start of another, between, after or before which something will be made.

    Args:
        first: What comes first; it decides the size and the rate of `last`.
        last: What comes last.
        target: `length` is that of the whole result.
        keep: Frames taken of each, at most. None = a half of the result, or a third of each of two.

    Raises:
        ShapeError: as `plan_of`, or the clips differ in size where nothing is resized.
        InputError: as `plan_of`.
    """
    share = 3 if first and last else 2
    before = None if first is None else _fit_end(first, target, keep, share, at_end=True)
    if before and last and isinstance(target.takes, Grid) and before.size != last.shape[1:]:
        (height, width), (_, other_height, other_width) = before.size, last.shape
        raise ShapeError(
            "end-size",
            "The {name} is {other_width} x {other_height} pixels, the other clip {width} x {height}. Both "
            "need the same size where nothing is fitted. Resize one of them, or have them fitted to a model.",
            name=last.called,
            other_width=other_width,
            other_height=other_height,
            width=width,
            height=height,
        )
    after = None
    if last is not None:
        after = _fit_end(last, target.like(before) if before else target, keep, share, at_end=False)
    return before, after


def fit_control(control: Source, fitted: Fitted) -> Tensor:
    """A control `(1, 3, T, H, W)` with the plan of the clip it was made from, of any size.

    Raises:
        InputError: it has another length.
    """
    (count, height, width), total = control.shape, fitted.source.shape[0]
    if count != total:
        raise InputError(
            "control-length",
            "The {name} has {count} frames, the {clip} {total}. Both need the same. Make the control from this clip.",
            name=control.called,
            count=count,
            clip=fitted.source.called,
            total=total,
        )
    part = control.part(fitted.begin, fitted.begin + fitted.plan.source_frames)
    plan = replace(fitted.plan, source_height=height, source_width=width, aspect=control.aspect)
    return resize_frames(part.frames, plan)


def rest_of(source: Source, begin: int, end: int, plan: FitPlan, fps: float) -> FitPlan | None:
    """The frames `begin` up to `end` of a clip, at a rate, fitted as `plan` fits others of it; None = there are none.

    At the clip's own rate every frame is taken once.
    """
    if begin >= end:
        return None
    indices = resampled(source.all_times(), begin, end, fps)
    return replace(plan, source_frames=source.shape[0], indices=indices, fps=fps) if indices else None


def _fit_end(source: Source, target: Target, keep: int | None, share: int, *, at_end: bool) -> Fitted:
    """The last (or first) frames of a clip: `keep` at most, or a part of the result."""
    count, grid = source.shape[0], target.grid
    one = plan_of(source.part(0, 1), target.still())
    size = one.height, one.width
    fps = target.fps or source.fps
    # Of a rate that varies the average says nothing of a part, unless each frame goes where it is stored.
    same = count == 1 or ((target.whole or source.steady) and abs(fps / source.fps - 1) < SAME_RATE)
    there = count if same else int(count / source.fps * fps)
    length = grid.nearest_lengths(min(there, keep or max(target.longest(*size) // share, 1)))[0]
    taken = length if same else _taken(source, length / fps, at_end=at_end)
    begin = count - taken if at_end else 0
    part = source.part(begin, begin + taken)
    left = (0, begin) if at_end else (taken, count)
    if same and target.whole:  # the frames as they are stored, each of which keeps its time where the rate varies
        plan = replace(one, source_frames=taken, indices=tuple(range(taken)), fps=source.fps)
        rest = replace(one, source_frames=count, indices=tuple(range(*left)), fps=source.fps) if taken < count else None
    else:
        plan = _on(source, _plan_end(part, length, grid, size), target)
        plan = plan if same or target.fps else replace(plan, fps=fps)
        rest = rest_of(source, *left, plan, plan.fps if same else fps)
    notes = (_said_of_keep(source, keep, length, there, fps),) if keep and keep != length else ()
    return Fitted(taken=part, plan=plan, source=source, begin=begin, rest=rest, notes=notes)


def _taken(source: Source, seconds: float, *, at_end: bool) -> int:
    """How many frames, at least 1, lie by more than half in so many seconds at the beginning or the end of a clip."""
    times = source.all_times()
    away = times[-1, 1] - times if at_end else times - times[0, 0]
    return max(int((away.mean(1) < seconds).sum()), 1)


def _plan_end(part: Source, length: int, grid: Grid, size: tuple[int, int]) -> FitPlan:
    """So many frames of a part of a clip at equal steps; some more than once where the other clip has a higher rate."""
    count, height, width = part.shape
    few = min(length, grid.nearest_lengths(count)[0])
    plan = fitting.plan_exact(count, height, width, grid, length=few, size=size, fps=part.fps, times=part.times)
    if few == length:
        return plan
    times = part.all_times()
    rate = length / float(times[-1, 1] - times[0, 0])
    return replace(plan, indices=resampled(times, 0, count, rate), fps=rate)


def _said_of_keep(source: Source, keep: int, length: int, there: int, fps: float) -> str:
    there_is = f"{keep} frames of the {source.called} are to be kept, and it has {there} at {fps:g} fps"
    return f"{there_is}: {length} are kept, the most of a length that the model takes."


def _plan_official(source: Source, target: Target, growth: float) -> FitPlan:
    """As the official processor fits a clip, or what was asked for instead."""
    (count, height, width), grid = _square(source), target.grid
    length, size = count, (height, width)
    if isinstance(target.takes, ResolutionPreset):
        rule = target.takes.shared(growth)
        plan = fitting.plan(count, height, width, rule, fps=source.fps, times=source.times)
        if not (target.length or target.fps or target.height or target.width):
            return plan
        length, size = plan.num_frames, (plan.height, plan.width)
    if target.length or target.fps:
        length = target.length or grid.nearest_lengths(round(count / source.fps * (target.fps or 1)))[0]
    size = chosen_size(target, (height, width), size)
    return fitting.plan_exact(count, height, width, grid, length=length, size=size, fps=source.fps, times=source.times)


def _plan_all_frames(source: Source, target: Target, growth: float) -> FitPlan:
    """All frames, at the size of one of them as the official processor chooses it, or as asked for."""
    count, height, width = _square(source)
    size, most = _size_in_one_pass(source, target, growth)
    return plan_all_frames(
        count, height, width, target.grid, size=size, most=None if target.any_length else most, fps=source.fps,
        times=source.times, rate=target.fps, length=target.length, name=source.called,
    )  # fmt: skip


def _size_in_one_pass(source: Source, target: Target, growth: float) -> tuple[tuple[int, int], int | None]:
    """The size of a clip of which all frames are kept, and how many frames of it the model takes; None = any number."""
    _, height, width = _square(source)
    if not isinstance(target.takes, ResolutionPreset):
        return chosen_size(target, (height, width), (height, width)), None
    rule = target.takes.shared(growth)
    one = fitting.plan(1, height, width, rule, fps=source.fps)
    size = chosen_size(target, (height, width), (one.height, one.width))
    # A larger size than the model's own is the wish of who asks for it.
    return size, max(rule.longest(one.height, one.width), rule.longest(*size))


def _square(source: Source) -> tuple[int, int, int]:
    """`(T, H, W)` of a source as it is shown, in square pixels."""
    count, height, width = source.shape
    return count, height, max(round(width * source.aspect), 1)


def _on(source: Source, plan: FitPlan, target: Target) -> FitPlan:
    """A plan made for square pixels, for those of the source."""
    return replace(plan, source_width=source.shape[2], aspect=source.aspect, whole=target.whole)


def chosen_size(target: Target, source: tuple[int, int], planned: tuple[int, int]) -> tuple[int, int]:
    """`(H, W)` as asked for, as planned, or one side as asked for and the other after the shape of the source."""
    if target.width and target.height:
        return target.height, target.width
    step, shape = target.grid.step, source[1] / source[0]
    if target.width:
        return max(round(target.width / shape / step), 1) * step, target.width
    if target.height:
        return target.height, max(round(target.height * shape / step), 1) * step
    return planned


def _count_in(source: Source, seconds: float) -> int:
    """Frames that begin before `seconds` are over, up to a hundredth of a frame, which a typed rate is short of."""
    times = source.all_times()
    there = float(times[-1, 1])
    if seconds > there + 1 / source.fps:
        raise InputError(
            "clip-too-short",
            "The {name} is {available:.2f} s long, and {seconds:.2f} s were asked for with length and fps. A "
            "clip is not read beyond its end. Set a smaller length or a higher frame rate.",
            name=source.called,
            available=there,
            seconds=seconds,
        )
    return int((times[:, 0] < seconds - 0.01 / source.fps).sum())
