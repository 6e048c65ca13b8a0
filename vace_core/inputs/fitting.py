"""Which size, length and rate a clip goes to the model with, and the resampling that gets it there.

`plan` decides, `report` says it in words, `resizing` does it. Nothing else in the library resizes a clip.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from ..checks.room import check_room
from ..errors import InputError, ShapeError
from ..geometry import Box, Grid

MOST_THINNED = 0.9  # of a clip's frames per second; below this the loss is pointed out
_TIMES_BYTES = 100  # of a frame: when it begins and ends, and where it goes


@dataclass(frozen=True, kw_only=True)
class ResolutionPreset:
    """What a model was trained to take: an area and a number of tokens. The shape always comes from the clip.

    Attributes:
        grid: How the model divides a clip.
        max_area: The most pixels in one frame.
        max_tokens: The most tokens in one clip, references not counted.
        fps: Frames per second of the training videos, for clips that come without a rate.
        usual_frames: Frames of a result whose length nobody gives, however small it is; None = the most it takes.
    """

    grid: Grid
    max_area: int
    max_tokens: int
    fps: float
    usual_frames: int | None = None

    def shared(self, growth: float) -> ResolutionPreset:
        """What is left for a clip whose canvas will have `growth` times its area, at least 1."""
        # Rounded apart, so that a border never costs a latent frame that has room, nor its last digit a row of blocks.
        area = int(self.max_area / growth + 1e-6)
        return replace(self, max_area=area, max_tokens=math.ceil(self.max_tokens / growth))

    def longest(self, height: int, width: int) -> int:
        """The most frames of this size, at least 1."""
        # Of a size below one block the grid says what is wrong; here it counts as one.
        return self.grid.pixel_frames(max(self.max_tokens // max(self.grid.tokens(1, height, width), 1), 1))

    def usual(self, height: int, width: int) -> int:
        """Frames of a result of this size where nobody says how many."""
        most = self.longest(height, width)
        return most if self.usual_frames is None else min(most, self.usual_frames)


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """A decided fit: which source frames are taken, and the size they get.

    Attributes:
        source_frames: Frames of the clip that came.
        source_height: Its height in pixels.
        source_width: Its width in pixels.
        source_fps: Its average frames per second.
        indices: The source frame behind each frame of the result, in time order.
        height: Pixels of the result.
        width: Pixels of the result.
        fps: Frames per second at which the result keeps the source's speed.
        padding: Frames at the end that repeat the last one, to fill a length that the model takes; dropped again after
            decoding.
        aspect: Width of a source pixel over its height.
        whole: Whether the whole picture is scaled to the size of the result. Otherwise it is scaled to cover it, in its
            shape, and cropped.
    """

    source_frames: int
    source_height: int
    source_width: int
    source_fps: float
    indices: tuple[int, ...]
    height: int
    width: int
    fps: float
    padding: int = 0
    aspect: float = 1.0
    whole: bool = False

    @property
    def num_frames(self) -> int:
        return len(self.indices)

    @property
    def shown(self) -> tuple[int, ...]:
        """`indices` without the padding."""
        return self.indices[: self.num_frames - self.padding]

    @property
    def scale(self) -> float:
        """The factor on both sides that makes the source cover the result. Below 1 the picture shrinks."""
        return max(self.width / (self.source_width * self.aspect), self.height / self.source_height)

    @property
    def scaled_size(self) -> tuple[int, int]:
        """`(H, W)` of the scaled source, before the crop. Half a pixel rounds to the even side, as the original's."""
        if self.whole:
            return self.height, self.width
        return round(self.scale * self.source_height), round(self.scale * self.source_width * self.aspect)

    @property
    def crop(self) -> Box:
        """The part of the scaled source that is kept: its centre."""
        scaled_height, scaled_width = self.scaled_size
        top, left = (scaled_height - self.height) // 2, (scaled_width - self.width) // 2
        return Box(left, top, left + self.width, top + self.height)

    @property
    def seen(self) -> tuple[float, float, float, float]:
        """Left, top, width and height of what is shown of the source, in its pixels."""
        (scaled_height, scaled_width), crop = self.scaled_size, self.crop
        across, down = self.source_width / scaled_width, self.source_height / scaled_height
        return crop.left * across, crop.top * down, crop.width * across, crop.height * down

    @property
    def resizes(self) -> bool:
        same = (self.height, self.width) == (self.source_height, self.source_width)
        return not same or (self.aspect != 1 and not self.whole)

    @property
    def dropped(self) -> tuple[int, ...]:
        """Source frames that the result does not show."""
        return tuple(sorted(set(range(self.source_frames)) - set(self.indices)))

    @property
    def repeated(self) -> tuple[int, ...]:
        """Source frames shown more than once; only clips of variable rate have them."""
        return tuple(sorted({i for i, j in pairwise(self.shown) if i == j}))


def growth(left: float, right: float, top: float, bottom: float) -> float:
    """How many times its area a picture has with a border on each side, each a ratio of that side; at least 1."""
    return max((1 + left + right) * (1 + top + bottom), 1.0)


def plan(
    num_frames: int,
    height: int,
    width: int,
    rule: ResolutionPreset,
    *,
    fps: float | None = None,
    times: Tensor | None = None,
) -> FitPlan:
    """The fit of the official processor: the largest clip of the same shape that the model takes.

    The area is cut first, then the length, so that a long clip keeps its picture and loses frames. Frames are taken
    at equal steps between the first and the last, and both are kept. A clip of constant rate that already has a
    fitting length keeps all its frames and its rate.

    Args:
        num_frames: Frames of the clip, at least 1.
        height: Pixels, at least one `rule.grid.step`.
        width: Pixels, at least one `rule.grid.step`.
        rule: What the model takes; `Family.presets` has those of the known ones.
        fps: Frames per second. May be left out where `times` are given.
        times: `(T, 2)` start and end of each frame in seconds, for a clip of variable rate.

    Raises:
        InputError: the clip is smaller than one token, no size of its shape fits, or its times are unusable.
        ShapeError: `times` belongs to another number of frames.

    Source: ali-vilab/VACE, models/utils/preprocessor.py, the keep_last variant. One difference: when every frame
    is kept, the rate stays as it is; the original divides by the time up to the middle of the last frame there too.
    """
    step = rule.grid.step
    cells = (height // step) * (width // step)
    if num_frames < 1 or cells < 1:
        raise InputError(
            "clip-too-small",
            "The clip has {num_frames} frames of {width} x {height} pixels. This model needs at least one "
            "frame of {step} x {step}. Use a larger clip.",
            num_frames=num_frames,
            width=width,
            height=height,
            step=step,
        )
    area = min(rule.max_tokens, rule.max_area / step**2, cells)
    latent_frames = min(rule.grid.latent_frames(num_frames), int(rule.max_tokens / area))
    area = min(area, int(rule.max_tokens / latent_frames))
    rows = round(math.sqrt(area * (height / width)))
    columns = int(area / rows) if rows else 0
    if not columns:
        raise InputError(
            "clip-too-narrow",
            "The clip is {width} x {height} pixels, too long and narrow: this model works on blocks of {step} "
            "x {step} and at most {max_area} pixels. Crop the clip to a squarer shape.",
            width=width,
            height=height,
            step=step,
            max_area=rule.max_area,
        )
    length = rule.grid.pixel_frames(latent_frames)
    return _plan(
        num_frames, (height, width), length, (rows * step, columns * step), frame_times(num_frames, fps, times)
    )


def plan_exact(
    num_frames: int,
    height: int,
    width: int,
    grid: Grid,
    *,
    length: int | None = None,
    size: tuple[int, int] | None = None,
    fps: float | None = None,
    times: Tensor | None = None,
) -> FitPlan:
    """The fit to a length or a size that the user names; `plan` chooses them itself.

    Args:
        num_frames: Frames of the clip, at least 1.
        height: Pixels of the clip.
        width: Pixels of the clip.
        grid: How the model divides a clip.
        length: Frames of the result, taken at equal steps from first to last. None keeps every frame.
        size: `(H, W)` of the result. The picture is scaled, up too, until it covers it. None keeps the clip's.
        fps: Frames per second. May be left out where `times` are given.
        times: `(T, 2)` start and end of each frame in seconds, for a clip of variable rate.

    Raises:
        ShapeError: the result does not fit the grid, also where None kept what the clip has.
        InputError: `length` exceeds the clip, or the times are unusable.
    """
    length = num_frames if length is None else length
    size = (height, width) if size is None else size
    grid.check(length, *size)
    if min(num_frames, height, width) < 1:
        raise InputError(
            "clip-empty",
            "The clip has {num_frames} frames of {width} x {height} pixels. At least one frame of one pixel is "
            "needed. Use another clip.",
            num_frames=num_frames,
            width=width,
            height=height,
        )
    if length > num_frames:
        raise InputError(
            "clip-too-short",
            "The clip has {num_frames} frames, and {length} were asked for. Fitting never makes a clip longer. "
            "Set the length to {nearest}, or add frames with an extension task.",
            num_frames=num_frames,
            length=length,
            nearest=grid.nearest_lengths(num_frames)[0],
        )
    return _plan(num_frames, (height, width), length, size, frame_times(num_frames, fps, times))


def report(plan: FitPlan) -> str:
    """What came, what goes to the model and what is lost between, in a few sentences."""
    source = f"{_count(plan.source_frames)} of {plan.source_width} x {plan.source_height} pixels"
    source += f" at {plan.source_fps:.4g} fps ({plan.source_frames / plan.source_fps:.2f} s)"
    go = "go" if plan.source_frames > 1 else "goes"
    if not plan.resizes and plan.indices == tuple(range(plan.source_frames)):
        return f"{source} {go} to the model unchanged."
    result = f"{_count(plan.num_frames)} of {plan.width} x {plan.height} at {plan.fps:.4g} fps"
    sentences = [f"{source} {go} to the model as {result}."]
    if plan.resizes:
        (scaled_height, scaled_width), crop = plan.scaled_size, plan.crop
        edges = (crop.left, scaled_width - crop.right, crop.top, scaled_height - crop.bottom)
        named = [f"{n} px {side}" for n, side in zip(edges, ("left", "right", "top", "bottom"), strict=True) if n]
        lost = f"then cropped by {', '.join(named)}" if named else "nothing is cropped"
        by = "" if plan.whole else f" by {plan.scale:.4g}"
        sentences.append(f"The picture is scaled{by} to {scaled_width} x {scaled_height}, {lost}.")
    for frames, what in ((plan.dropped, "dropped"), (plan.repeated, "shown more than once")):
        if frames:
            more = ", ..." if len(frames) > 8 else ""
            sentences.append(f"Frames {what}: {len(frames)} ({', '.join(map(str, frames[:8]))}{more}).")
    if plan.padding:
        sentences.append(f"The last {plan.padding} repeat the last frame to fill the length, and are dropped again.")
    return " ".join(sentences)


def thinning(plan: FitPlan) -> str | None:
    """What is to be known of a clip that loses more than a tenth of its frames per second; None of any other."""
    if plan.num_frames < 2 or plan.fps >= MOST_THINNED * plan.source_fps:
        return None
    return (
        f"The clip is thinned out in time: {_count(plan.source_frames)} at {plan.source_fps:.4g} fps become "
        f"{plan.num_frames} at {plan.fps:.4g} fps. Motion becomes coarser."
    )


def _count(frames: int) -> str:
    return "1 frame" if frames == 1 else f"{frames} frames"


def _plan(
    num_frames: int, source: tuple[int, int], length: int, size: tuple[int, int], times: tuple[Tensor, float]
) -> FitPlan:
    # Spans in single and samples in double precision, as in the original, so that ties fall on the same frame.
    source_fps, spans = times[1], (times[0] - times[0][0, 0]).float()
    last = float(spans[-1].mean())
    samples = torch.arange(length, dtype=torch.float64) * (last / max(length - 1, 1))
    indices = tuple(int(i) for i in torch.searchsorted(spans[:, 1].double().contiguous(), samples))
    return FitPlan(
        source_frames=num_frames,
        source_height=source[0],
        source_width=source[1],
        source_fps=source_fps,
        indices=indices,
        height=size[0],
        width=size[1],
        fps=source_fps if indices == tuple(range(num_frames)) else length / last,
    )


def frame_times(num_frames: int, fps: float | None, times: Tensor | None) -> tuple[Tensor, float]:
    """`(T, 2)` float64 start and end of each frame in seconds, and the average rate.

    Args:
        num_frames: Frames of the clip.
        fps: Frames per second. May be left out where `times` are given.
        times: As the result, for a clip of variable rate; None = a constant rate.

    Raises:
        InputError: neither is usable.
        ShapeError: `times` belongs to another number of frames.
    """
    if times is not None:
        times = times.to(torch.float64)
        _check_times(times, num_frames)
        fps = num_frames / float(times[-1, 1] - times[0, 0]) if fps is None else fps
    if fps is None or not (math.isfinite(fps) and fps > 0):
        raise InputError(
            "fps-unknown",
            "The frame rate is {fps}. Fitting a clip needs frames per second above 0, or the times of its "
            "frames. Set fps; if the rate is unknown, use the rate of the model's training videos.",
            fps=fps,
        )
    if times is None:
        check_room(num_frames * _TIMES_BYTES, "The clip", frames=num_frames)
        fps = float(fps)  # a whole number may be too large for torch
        starts = torch.arange(num_frames + 1, dtype=torch.float64) / fps
        times = torch.stack([starts[:-1], starts[1:]], dim=1)
    return times, fps


def _check_times(times: Tensor, num_frames: int) -> None:
    if tuple(times.shape) != (num_frames, 2):
        raise ShapeError(
            "times-shape",
            "The times are {shape} numbers. A clip of {num_frames} frames needs ({num_frames}, 2): the "
            "start and the end of each frame in seconds. Pass the times of this clip.",
            shape=tuple(times.shape),
            num_frames=num_frames,
        )
    if not (times.isfinite().all() and (times.flatten().diff() >= 0).all() and (times.diff(dim=1) > 0).all()):
        raise InputError(
            "times-order",
            "The times of the frames do not increase. Each frame needs a start and a later end, none before "
            "the end of the frame before it. Pass fps instead.",
        )
