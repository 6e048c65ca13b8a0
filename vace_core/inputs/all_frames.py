"""Time as it came: every frame at its own rate, the rule of command and nodes where nobody asks for another.

`fitting.plan` is the official processor's rule, which takes fewer frames per second of a long clip.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..errors import InputError
from ..geometry import Grid
from .fitting import FitPlan, frame_times

SAME_RATE = 0.01  # rates that differ by less, as a ratio, are one


def plan_all_frames(
    num_frames: int,
    height: int,
    width: int,
    grid: Grid,
    *,
    size: tuple[int, int],
    most: int | None = None,
    fps: float | None = None,
    times: Tensor | None = None,
    rate: float | None = None,
    length: int | None = None,
    name: str = "clip",
) -> FitPlan:
    """The fit that keeps every frame: the last one is repeated up to a length that the model takes.

    Args:
        num_frames: Frames of the clip, at least 1.
        height: Pixels of the clip.
        width: Pixels of the clip.
        grid: How the model divides a clip.
        size: `(H, W)` of the result.
        most: Frames that the model takes of this size in one pass. None = any number; `length` goes before it.
        fps: Frames per second of the clip. May be left out where `times` are given.
        times: `(T, 2)` start and end of each frame in seconds, where the rate varies.
        rate: Frames per second to resample to. None = those of the clip.
        length: Frames taken from the beginning, at that rate. None = all.
        name: What messages call the clip.

    Raises:
        InputError: the clip is longer than `most`, shorter than `length`, or its times are unusable.
        ShapeError: the size does not fit the grid.
    """
    edges, own = frame_times(num_frames, fps, times)
    keeps = rate is None or num_frames == 1 or abs(rate / own - 1) < SAME_RATE
    there = tuple(range(num_frames)) if rate is None or keeps else resampled(edges, 0, num_frames, rate)
    there = there or (num_frames // 2,)  # a clip that is over before the first step is
    fps = own if rate is None or keeps else rate
    if length is not None and length > len(there):
        raise InputError(
            "clip-too-short",
            "The {name} has {num_frames} frames at {fps:.4g} fps, and {length} were asked for. A clip is not made "
            "longer. Set a smaller length, or add frames with an extension task.",
            name=name,
            num_frames=len(there),
            fps=fps,
            length=length,
        )
    if length is None and most is not None and grid.nearest_lengths(len(there))[1] > most:
        raise InputError(
            "clip-too-long",
            "The {name} has {frames} frames ({seconds:.2f} s), and the model takes at most {most} of {width} x "
            "{height} pixels in one pass ({most_seconds:.2f} s). A part that fits is needed. Name one with --start and "
            "--end, or set the length to {most}; or choose a smaller size, fewer frames per second, or the official "
            "fit, which thins the clip out in time.",
            name=name,
            frames=len(there),
            seconds=len(there) / fps,
            most=most,
            most_seconds=most / fps,
            width=size[1],
            height=size[0],
        )
    shown = there if length is None else there[:length]
    padded = grid.nearest_lengths(len(shown))[1]
    grid.check(padded, *size)
    return FitPlan(
        source_frames=num_frames,
        source_height=height,
        source_width=width,
        source_fps=own,
        indices=(*shown, *[shown[-1]] * (padded - len(shown))),
        height=size[0],
        width=size[1],
        fps=fps,
        padding=padded - len(shown),
    )


def resampled(times: Tensor, begin: int, end: int, rate: float) -> tuple[int, ...]:
    """The frames `begin` up to `end` of a clip that are shown at `rate` frames per second, in time order.

    Args:
        times: `(T, 2)` start and end of each frame in seconds.
        begin: The first frame.
        end: The frame after the last.
        rate: Frames per second.
    """
    start, stop = float(times[begin, 0]), float(times[end - 1, 1])
    # The frame that is on show in the middle of each step: at its edges two would be as near.
    middles = start + (torch.arange(round((stop - start) * rate), dtype=torch.float64) + 0.5) / rate
    return tuple(torch.searchsorted(times[:, 1].contiguous(), middles).clamp(begin, end - 1).tolist())
