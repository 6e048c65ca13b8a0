"""Colours of the windows of a long clip held to those of the first, so that they do not drift from pass to pass.

What is compared are the same pixels twice: the frames that two windows share, as they were handed over and as the
later window generated them itself. So what a window shows plays no part, only how the model changes it. Handed over
are corrected frames, hence every window is held to the first one. Matching to the window before would follow a drift.

All that corrects a window changes its frames in place, one by one: a copy of a window takes more than what it is
handed over and what is read of its film together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_MOST_GAIN, _MOST_SHIFT = 1.25, 0.1  # of a window, and of −1..1; more is no drift
_LEAST = 64  # pixels to measure on


@dataclass(frozen=True, kw_only=True, eq=False)
class Colours:
    """Mean and standard deviation of every channel, `(B, 3)` each, of clips in −1..1; `(3,)` of a single one."""

    mean: Tensor
    spread: Tensor


def colours_of(frames: Tensor) -> Colours:
    """The colours of frames `(B, 3, T, H, W)`."""
    # Frame by frame: all of a long window in double precision would take more memory than sampling it.
    count = frames[0, 0].numel()
    each = frames.unbind(2)
    mean = torch.stack([frame.double().sum((2, 3)) for frame in each]).sum(0) / count
    square = torch.stack([(frame.double() - mean[..., None, None]).square().sum((2, 3)) for frame in each]).sum(0)
    return Colours(mean=mean, spread=(square / (count - 1)).sqrt())


def faded(made: Tensor, handed: Tensor, frames: int) -> Tensor:
    """`made`, changed in place: it goes on from the frames handed over without a step, which fades out behind them.

    A window decodes the last frame that it was handed over a little differently from the window that made it. That
    difference is added to the new frames, all of it to the first, less to each that follows.

    Args:
        made: Frames `(B, 3, T, H, W)` that the model generated, in −1..1.
        handed: `(B, 3, n, H, W)`, what its first frames are.
        frames: New frames that are changed; 0 = none.
    """
    count = handed.shape[2]
    _add_fading(made[:, :, count:].unbind(2)[:frames], handed[:, :, -1] - made[:, :, count - 1])
    return made


def faded_in(made: Tensor, following: Tensor, frames: int) -> Tensor:
    """The same towards the end: `made`, changed in place, leads up to `following`, the last, without a step.

    Args:
        made: As `faded`.
        following: `(B, 3, n, H, W)`, what its last frames are.
        frames: As `faded`; those before `following`.
    """
    begin = made.shape[2] - following.shape[2]
    _add_fading(made[:, :, :begin].unbind(2)[::-1][:frames], following[:, :, 0] - made[:, :, begin])
    return made


def _add_fading(nearest: Sequence[Tensor], gap: Tensor) -> None:
    """Adds `gap` `(B, 3, H, W)` to frames, all of it to the first and less to each that follows."""
    for number, frame in enumerate(nearest):
        frame.add_(gap, alpha=1 - number / len(nearest)).clamp_(-1, 1)


def matched_on_shared(made: Tensor, handed: Tensor) -> Tensor:
    """`made`, changed in place: with the colours that `handed` has in its frames, the first ones of `made`.

    Clips of a batch are matched each by itself.

    Args:
        made: Frames `(B, 3, T, H, W)` that the model generated, in −1..1.
        handed: `(B, 3, n, H, W)`, what these frames are. Pixels that are equal were not generated and tell nothing.
    """
    for clip, kept in zip(made.split(1), handed.split(1), strict=True):
        _match_clip(clip, kept)
    return made


def _match_clip(made: Tensor, handed: Tensor) -> None:
    shared = made[:, :, : handed.shape[2]]
    where = (shared != handed).any(1, keepdim=True).expand_as(shared)
    if int(where.sum()) < 3 * _LEAST:
        return
    gains, shifts = torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for channel in range(3):
        inside = where[:, channel]
        ours, theirs = shared[:, channel][inside].double(), handed[:, channel][inside].double()
        a, b = ours - ours.mean(), theirs - theirs.mean()
        # Least squares would shrink contrast by what is noise: the ratio of spreads, as far as both agree.
        agreement = (a * b).mean().clamp(min=0) / (a.square().mean() * b.square().mean()).sqrt().clamp(min=1e-9)
        ratio = (b.square().mean() / a.square().mean().clamp(min=1e-9)).sqrt()
        gains[channel] = 1 + agreement.square() * (ratio.clamp(1 / _MOST_GAIN, _MOST_GAIN) - 1)
        shifts[channel] = (theirs.mean() - gains[channel] * ours.mean()).clamp(-_MOST_SHIFT, _MOST_SHIFT)
    for frame in made.split(1, dim=2):
        frame.copy_(_changed(frame, gains, shifts))


def drawn_to_first(made: Tensor, first: Colours, shared: int) -> Tensor:
    """`made`, changed in place: drawn to the first window's colours, not where shared frames end, wholly at last.

    Args:
        made: `(B, 3, T, H, W)` in −1..1.
        first: The colours of the first window.
        shared: Frames at the begin that stay as they are.
    """
    new = made[:, :, shared:]
    if not new.shape[2]:
        return made
    own = colours_of(new)
    gain = (first.spread / own.spread.clamp(min=1e-9)).clamp(1 / _MOST_GAIN, _MOST_GAIN)
    shift = (first.mean - own.mean).clamp(-_MOST_SHIFT, _MOST_SHIFT)
    offset = own.mean + shift - gain * own.mean
    count = new.shape[2]
    for number, frame in enumerate(new.split(1, dim=2), start=1):
        frame.lerp_(_changed(frame, gain, offset), number / count)
    return made


def _changed(frames: Tensor, gain: Tensor, shift: Tensor) -> Tensor:
    """`gain` and `shift` `(B, 3)`, or `(3,)` for all clips of a batch."""
    shape = (-1, 3, 1, 1, 1)
    return (frames * gain.to(frames).view(shape)).add_(shift.to(frames).view(shape)).clamp_(-1, 1)
