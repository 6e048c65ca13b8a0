"""How generated pixels meet those that are kept: bands brought to the kept side's levels, and a measure of the seam."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from .masks import opencv

BlendMode = Literal["feather", "multiband"]
BLEND_MODES: tuple[BlendMode, ...] = get_args(BlendMode)

RING = 12  # kept pixels beside the mask that are compared
_REACH = 2.0  # pixels that a band reaches under the mask, as a ratio of its own size


def check_blend_mode(mode: str) -> None:
    """Validate the name of a blend.

    Raises:
        InputError: it is none of `BLEND_MODES`.
    """
    if mode not in BLEND_MODES:
        raise InputError(
            "blend-unknown",
            'The blend is "{mode}". One of {known} is needed. Choose one of these.',
            mode=mode,
            known=", ".join(BLEND_MODES),
        )


def multiband(generated: Tensor, source: Tensor, inside: Tensor, *, known: Tensor | None = None) -> Tensor:
    """`generated` `(B, 3, T, H, W)` with the levels that the source has beside the mask, band by band.

    The model generates kept pixels too. How they differ from the source's beside the mask is carried on under it and
    added there, split into bands of a Laplacian pyramid: fine detail fades out within a few pixels, coarse light and
    colour reach as far as they are coarse. Kept pixels are not changed, nor is what the source has under the mask seen.

    Args:
        generated: In −1..1, with the model's own version of the kept pixels beside the mask.
        source: The same size.
        inside: `(B, 1, T, H, W)` bool, True = generated.
        known: The same: kept pixels that the model generated too. None = all of them.

    Source: Burt and Adelson, A multiresolution spline with application to image mosaics, 1983; here the weights of the
    bands begin at the mask's edge, and are applied to the difference of both pictures.
    """
    result = generated.clone()
    for clip in range(len(generated)):
        for frame in range(generated.shape[2]):
            where = inside[clip, 0, frame].cpu().numpy()
            may = ~where if known is None else known[clip, 0, frame].cpu().numpy()
            made, kept = (video[clip, :, frame].cpu().float() for video in (generated, source))
            added = _carried_on(made, kept, where, may)
            if added is not None:
                box, correction = added
                part = result[clip, :, frame, box[0], box[1]]
                part += torch.where(torch.from_numpy(where[box]), correction, 0).to(part)
    return result.clamp_(-1, 1)


def seam_ratio(result: Tensor, inside: Tensor) -> float:
    """How steep a picture is across the edge of the mask, over how steep it is just outside; 1 = nothing to see.

    Both are mean differences of neighbouring pixels, across the edge and one pixel further out in the same direction.

    Args:
        result: `(B, 3, T, H, W)`, finished.
        inside: `(B, 1, T, H, W)` bool, True = generated.

    Raises:
        InputError: there is no such edge.
    """
    across, beside, count = 0.0, 0.0, 0
    for axis in (3, 4):
        for turned in (False, True):
            pixels, where = (video.flip(axis) if turned else video for video in (result, inside))
            size = pixels.shape[axis]
            if size < 3:
                continue
            outer, kept, made = (where.narrow(axis, start, size - 2) for start in range(3))
            pairs = (~outer & ~kept & made).expand(-1, result.shape[1], -1, -1, -1)
            if not bool(pairs.any()):
                continue
            far, near, over = (pixels.narrow(axis, start, size - 2) for start in range(3))
            across += float((over - near).abs()[pairs].double().sum())
            beside += float((near - far).abs()[pairs].double().sum())
            count += int(pairs.sum())
    if not count:
        raise InputError(
            "no-seam",
            "The mask has no edge inside the frame. A seam needs kept and generated pixels side by side. Use another "
            "mask.",
        )
    return across / max(beside, 1e-9)


def _carried_on(
    made: Tensor, kept: Tensor, where: Any, may: Any
) -> tuple[tuple[slice, slice], Tensor] | None:  # fmt: skip
    """What is added under the mask of one frame `(H, W)`, `(3, h, w)` of a part of it; None = nothing is known."""
    rows, columns = np.flatnonzero(where.any(1)), np.flatnonzero(where.any(0))
    if not len(rows):
        return None
    (height, width), cv2 = where.shape, opencv()
    box = (
        slice(max(rows[0] - RING, 0), min(rows[-1] + 1 + RING, height)),
        slice(max(columns[0] - RING, 0), min(columns[-1] + 1 + RING, width)),
    )
    hole = where[box].astype(np.uint8)
    away = cv2.distanceTransform(1 - hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    holds = (may[box] & (hole == 0) & (away <= RING)).astype(np.float32)
    if not holds.any():
        return None
    difference = (kept - made)[:, box[0], box[1]].permute(1, 2, 0).contiguous().numpy()
    depth = cv2.distanceTransform(hole, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    added = _faded(_filled(difference, holds, cv2), depth, cv2)
    return box, torch.from_numpy(added).permute(2, 0, 1)


def _filled(values: Any, holds: Any, cv2: Any) -> Any:
    """`(H, W, 3)` with smooth values where none are held, taken from ever coarser levels."""
    weights, sums = [holds], [values * holds[..., None]]
    while min(weights[-1].shape) > 1:
        weights.append(cv2.pyrDown(weights[-1]))
        sums.append(cv2.pyrDown(sums[-1]))
    found = sums[-1] / np.maximum(weights[-1], 1e-6)[..., None]
    for weight, total in zip(reversed(weights[:-1]), reversed(sums[:-1]), strict=True):
        coarse = cv2.pyrUp(found, dstsize=(weight.shape[1], weight.shape[0]))
        # What is scarcely held counts fully: its few pixels are nearer than any that come from a coarser level.
        share = np.minimum(weight * 4, 1)[..., None]
        mean = total / np.maximum(weight, 1e-6)[..., None]
        found = share * mean + (1 - share) * coarse
    return found


def _faded(values: Any, depth: Any, cv2: Any) -> Any:
    """Values of which each band fades out with the distance from the edge; the coarsest goes on."""
    bands: list[Any] = []
    size = 1.0
    while size < float(depth.max()) and min(values.shape[:2]) > 2:
        low = cv2.pyrDown(values)
        band = values - cv2.pyrUp(low, dstsize=(values.shape[1], values.shape[0]))
        bands.append(band * np.clip(1 - depth / (_REACH * size), 0, 1)[..., None])
        values, depth, size = low, depth[::2, ::2], 2 * size
    for band in reversed(bands):
        values = band + cv2.pyrUp(values, dstsize=(band.shape[1], band.shape[0]))
    return values
