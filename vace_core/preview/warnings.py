"""What looks wrong with a VCU, in plain words, before anything is computed.

These are statistics with thresholds: they hint and do not prove. What is certainly wrong raises where the VCU is
built; a warning here may be just what was meant.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit

_MOSTLY = 0.85  # made, of the frames that a mask divides: a larger part may be the one that was to be kept
_GRAY_LEVEL, _GRAY_SHARE = 1.2 / 127.5, 0.05  # footage measured: below 0.01 of its pixels are this close to mid-gray
# Photos measured: 70 to 130 shades (colours in 16 steps per channel, weighted by their frequency) and detail finer
# than 1.5 levels on 12 to 40 % of the pixels. Flow has at most 50 shades and no detail; skeletons have few shades.
_SHADES, _FINE, _DETAILED = 60, 1.5 / 127.5, 0.05
_WHITE, _FILLED = 0.9, 0.75  # a picture whose outline is filled to this part is a rectangle, not a subject
_SAMPLES = 6  # frames looked at


def warnings(vcu: VideoConditionUnit, *, mask_frames: Sequence[int] | None = None) -> list[str]:
    """Warnings, as an experienced user would give about this VCU; an empty list if none.

    Asked are: a mask that keeps or makes everything; one that makes over 85 % of the frames it divides, which is
    what an inverted mask does (and a new background); kept or followed pixels of plain gray, which is how the model
    is shown emptiness; a control with the colours and the detail of a photo; references with a background, which
    tends to show up in the first frames; and masks that the model does not read, see `mask_frames`.

    Args:
        vcu: The VCU; of a batch, its first clip.
        mask_frames: The frames whose mask the model reads, such as `models.wan.mask_frames(num_frames)`. Masks that
            differ from their neighbours for a moment between two of these are named. Frames that are kept at the very
            start or end are not: a Wan model reads neither, and was trained to keep them all the same.
    """
    shares = role_shares(vcu)
    found = _about_the_amount(vcu, shares[:, 0])
    if mask_frames is not None:
        found += _about_unseen_masks(shares[:, 0], sorted(mask_frames))
    kept, followed = (_sampled(shares[:, column]) for column in (0, 1))
    return [
        *found,
        *_about_gray(vcu, kept, followed),
        *_about_the_control(vcu, followed),
        *_about_references(vcu),
    ]


def role_shares(vcu: VideoConditionUnit) -> NDArray[np.float64]:
    """`(T, 3)`: the part 0..1 of each frame of the first clip: kept, generated from a control, generated freely."""
    counts: list[list[int]] = []
    for roles in vcu.roles[0, 0].cpu().numpy():  # frame by frame and in NumPy, which counts many times faster
        kept = (roles & (KEEP | REPAINT)) == KEEP
        keeps, follows = np.count_nonzero(kept), np.count_nonzero(~kept & ((roles & FOLLOW) != 0))
        counts.append([int(keeps), int(follows), int(roles.size - keeps - follows)])
    return np.array(counts, dtype=np.float64) / (vcu.height * vcu.width)


def _about_the_amount(vcu: VideoConditionUnit, kept: NDArray[np.float64]) -> list[str]:
    if kept.min() == 1:
        return [
            "The mask keeps every pixel, so nothing is generated. What should change needs mask 1 (white). "
            "Paint it, or invert the mask."
        ]
    if kept.max() == 0 and vcu.source is not None:
        return [
            "The mask generates every pixel, so nothing of the source video is kept. What should stay needs mask 0 "
            "(black). Invert the mask, or leave the source video out."
        ]
    divided = kept[(kept > 0) & (kept < 1)]
    if bool((vcu.roles & REPAINT).any()) and divided.size and 1 - divided.mean() > _MOSTLY:
        return [
            f"The mask generates {1 - divided.mean():.0%} of the frame and keeps the small rest. Mask 1 (white) = "
            "generate, 0 (black) = keep. If the small part should change, invert the mask."
        ]
    return []


def _about_unseen_masks(kept: NDArray[np.float64], mask_frames: list[int]) -> list[str]:
    states = np.where(kept == 1, 2, np.where(kept == 0, 0, 1)).tolist()
    runs: list[list[int]] = []
    for _, run in groupby(range(len(states)), key=lambda frame: states[frame]):
        runs.append(list(run))
    # Where all that is read is kept, what is generated at the ends is as hidden as what is generated between.
    hidden = runs if all(states[frame] == 2 for frame in mask_frames) else runs[1:-1]
    unseen = [run for run in hidden if not set(run) & set(mask_frames)]
    if not unseen:
        return []
    names = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in unseen[:8])
    nearest = sorted({min(mask_frames, key=lambda seen, frame=run[0]: abs(seen - frame)) for run in unseen[:8]})
    return [
        f"The mask changes for a moment at {names}{', ...' if len(unseen) > 8 else ''}, and the model does not read "
        "the mask there: it gets these pixels, but not whether they are kept. "
        f"Move them to {', '.join(map(str, nearest))}, or hold them longer."
    ]


def _about_gray(vcu: VideoConditionUnit, some_kept: list[int], some_followed: list[int]) -> list[str]:
    found: list[str] = []
    kept = _gray_share(vcu, vcu.source, some_kept, KEEP)
    if kept > _GRAY_SHARE:
        found.append(
            f"{kept:.0%} of the kept pixels are plain gray, and kept pixels stay as they are. Gray marks what the "
            "model generates. To generate these pixels, let the mask cover them; the gray fill is done by itself."
        )
    followed = _gray_share(vcu, vcu.control, some_followed, FOLLOW)
    if followed > 0.95:
        found.append(
            f"{followed:.0%} of the control video is plain gray, so there is nothing to follow. "
            "Connect a control video, or leave it out."
        )
    return found


def _gray_share(vcu: VideoConditionUnit, frames: Tensor | None, chosen: list[int], bit: int) -> float:
    """The part 0..1 of the pixels that are used from `frames` which is mid-gray."""
    pixels = _used(vcu, frames, chosen, bit)
    return 0.0 if pixels is None else float((pixels.abs() <= _GRAY_LEVEL).all(dim=0).float().mean())


def _about_the_control(vcu: VideoConditionUnit, chosen: list[int]) -> list[str]:
    pixels = _used(vcu, vcu.control, chosen, FOLLOW)
    if pixels is None or vcu.control is None:
        return []
    light = vcu.control[0, :, chosen].mean(dim=0)[:, None]
    # Repeated at the border, where zeros would make an edge.
    smooth = functional.avg_pool2d(functional.pad(light, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    detailed = float(((light - smooth).abs() > _FINE).float().mean())
    if detailed < _DETAILED or _shades(pixels) < _SHADES:
        return []
    return [
        "The control video has the many colours and the fine detail of a photo. It should be a depth map, a pose "
        "(skeleton) or lines. Connect that, not the video it was computed from."
    ]


def _shades(pixels: Tensor) -> float:
    """As how many equally frequent colours the colours of `(3, N)` pixels tell apart."""
    steps = ((pixels + 1) * 8).long().clamp(0, 15)
    parts = torch.bincount(steps[0] * 256 + steps[1] * 16 + steps[2]).double() / pixels.shape[1]
    return float(2 ** -(parts * parts.clamp(min=1e-12).log2()).sum())


def _about_references(vcu: VideoConditionUnit) -> list[str]:
    found: list[str] = []
    for number, picture in enumerate(vcu.references, start=1):
        painted = picture[0, :, 0].amin(dim=0) < _WHITE
        if not bool(painted.any()):
            found.append(f"Reference {number} is all white and shows nothing. Connect another image.")
        elif _outline_filled(painted) > _FILLED:
            found.append(
                f"Reference {number} has a background that fills it to its edges. It tends to show up in the first "
                "frames. Cut the subject out and lay it on white, unless it is all over the image, as a style is."
            )
    return found


def _outline_filled(painted: Tensor) -> float:
    """How much 0..1 of the outline of its box `painted` `(H, W)` fills; a subject touches it here and there."""
    rows, columns = painted.any(dim=1).nonzero().flatten(), painted.any(dim=0).nonzero().flatten()
    inner = painted[int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1]
    outline = torch.cat([inner[0], inner[-1], inner[:, 0], inner[:, -1]])
    return float(outline.float().mean())


def _sampled(shares: NDArray[np.float64]) -> list[int]:
    """Some of the frames of which there is a share, evenly spread."""
    using: list[int] = np.flatnonzero(shares).tolist()
    return using[:: math.ceil(len(using) / _SAMPLES) or 1]


def _used(vcu: VideoConditionUnit, frames: Tensor | None, chosen: list[int], bit: int) -> Tensor | None:
    """`(3, N)` pixels that the model is shown of `frames`, of the chosen ones; None if there are none."""
    if frames is None or not chosen:
        return None
    roles = vcu.roles[0, 0, chosen, ::2, ::2]
    pixels = frames[0, :, chosen, ::2, ::2][:, _uses(roles, bit)]
    return pixels.float() if pixels.shape[1] else None


def _uses(roles: Tensor, bit: int) -> Tensor:
    """Where pixels are kept (`KEEP`), or generated from a control (`FOLLOW`)."""
    kept = (roles & (KEEP | REPAINT)) == KEEP
    return kept if bit == KEEP else ~kept & ((roles & FOLLOW) != 0)
