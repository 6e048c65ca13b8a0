"""What is figure and what is ground in a control, and which figure of one frame is which in the next."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...inputs.controls import opencv_images
from ...inputs.masks import bounds, opencv

Spot = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels, half-open."""

_LEAST = 0.005  # of the frame: less is no figure


def figures_of(control: Tensor) -> Tensor:
    """`(T, H, W)`: what is figure in a control `(1, 3, T, H, W)` of any kind: what its border does not reach.

    The corners of a frame say what background looks like; lines close off what lies inside them.
    """
    cv2 = opencv()
    found: list[Tensor] = []
    for image in opencv_images(control):
        frame = cv2.GaussianBlur(image, (3, 3), 0)
        height, width = frame.shape[:2]
        reached = np.zeros((height + 2, width + 2), np.uint8)
        for x, y in ((0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)):
            cv2.floodFill(frame.copy(), reached, (x, y), 0, (9,) * 3, (9,) * 3, 4 | cv2.FLOODFILL_MASK_ONLY | (1 << 8))
        found.append(torch.from_numpy(reached[1:-1, 1:-1] == 0))
    return torch.stack(found)


def standing_out(control: Tensor) -> Tensor:
    """`(T, H, W)`: what is lighter or darker than anything along the border of its frame."""
    light = control[0, 0]
    border = torch.cat([light[:, [0, -1]].flatten(1), light[:, :, [0, -1]].flatten(1)], dim=1)
    low, high = (torch.quantile(border, share, dim=1)[:, None, None] for share in (0.1, 0.9))
    return (light < low - 0.06) | (light > high + 0.06)


def with_flesh(sticks: Tensor) -> Tensor:
    """The stick figures of a pose `(T, H, W)` as thick as people are."""
    cv2 = opencv()
    spots = [box_of(frame) for frame in sticks]
    tall = max((bottom - top for _, top, _, bottom in filter(None, spots)), default=0)
    side = max(round(0.11 * tall), 3)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    thick = [cv2.dilate(frame.numpy().astype(np.uint8), kernel) for frame in sticks]
    return torch.from_numpy(np.stack(thick)) > 0


def followed(figures: Tensor) -> Tensor:
    """`(N, T, H, W)`: the figures `(T, H, W)` apart, those of the first frame from left to right, each through all.

    A blob of a later frame belongs to the one whose last place is nearest. One for all where the first has none.
    """
    cv2 = opencv()
    now: list[tuple[float, float]] = []
    apart: list[Tensor] = []
    for frame, here in enumerate(figures):
        number, labels, stats, centres = cv2.connectedComponentsWithStats(here.numpy().astype(np.uint8))
        blobs = [n for n in range(1, number) if stats[n, cv2.CC_STAT_AREA] >= _LEAST * here.numel()]
        if not frame:
            blobs.sort(key=lambda n: centres[n][0])
            now = [(float(centres[n][0]), float(centres[n][1])) for n in blobs]
            if not now:
                return figures[None]
            apart = [torch.zeros_like(figures) for _ in now]
        for n in blobs:
            x, y = (float(axis) for axis in centres[n])
            nearest = min(range(len(now)), key=lambda at: (now[at][0] - x) ** 2 + (now[at][1] - y) ** 2)
            apart[nearest][frame] |= torch.from_numpy(labels == n)
        for at, one in enumerate(apart):
            if one[frame].any():
                rows, columns = one[frame].nonzero().float().unbind(1)
                now[at] = (float(columns.mean()), float(rows.mean()))
    return torch.stack(apart)


def box_of(frame: Tensor) -> Spot | None:
    """The smallest box around what is found in `frame` `(H, W)`; None where nothing is."""
    if not bool(frame.any()):
        return None
    box = bounds(frame.numpy())
    return box.left, box.top, box.right, box.bottom
