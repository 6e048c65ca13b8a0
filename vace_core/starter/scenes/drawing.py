"""The pencil of the synthetic world: regions, layers that stack, and lines with round ends."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Region:
    """The rectangle of pixels that something is drawn in, half-open, inside the frame."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def around(cls, boxes: Tensor, height: int, width: int) -> Region:
        """The pixels of a frame that any of the boxes `(..., 4)` touches, and one more for soft edges."""
        left, top = boxes[..., :2].reshape(-1, 2).amin(0).floor().sub(1).int().tolist()
        right, bottom = boxes[..., 2:].reshape(-1, 2).amax(0).ceil().add(1).int().tolist()
        left, top = min(max(left, 0), width), min(max(top, 0), height)
        return cls(left, top, max(min(right, width), left), max(min(bottom, height), top))

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def x(self) -> Tensor:
        """`(1, 1, w)`: pixel centres."""
        return torch.arange(self.left, self.right).add(0.5)[None, None, :]

    @property
    def y(self) -> Tensor:
        """`(1, h, 1)`: pixel centres."""
        return torch.arange(self.top, self.bottom).add(0.5)[None, :, None]


@dataclass(frozen=True)
class Layer:
    """Something drawn in a region.

    Attributes:
        coverage: `(T, h, w)`, 0..1: how much of each pixel it covers.
        colour: rgb from 0 to 1, broadcastable to `(3, T, h, w)`.
        flow: `(2, T-1, h, w)`, pixels per frame.
    """

    coverage: Tensor
    colour: Tensor
    flow: Tensor


def coverage(distance: Tensor) -> Tensor:
    """How much of a pixel lies inside, from its centre's signed distance in pixels (negative = inside)."""
    return (0.5 - distance).clamp(0, 1)


def stack(layers: list[Layer]) -> Layer:
    """One layer from several, the last on top; parts of one thing show no seam where they meet."""
    if len(layers) == 1:
        return layers[0]
    painted = torch.zeros(3, *layers[0].coverage.shape)
    total, union = torch.zeros_like(layers[0].coverage), torch.zeros_like(layers[0].coverage)
    flow = layers[0].flow
    for layer in layers:
        painted += layer.coverage * (layer.colour - painted)
        total += layer.coverage * (1 - total)
        union = torch.maximum(union, layer.coverage)
        flow = torch.where(layer.coverage[:-1] > 0.5, layer.flow, flow)
    return Layer(coverage=union, colour=painted / total.clamp(min=1e-6), flow=flow)


def rgb(colour: tuple[float, float, float]) -> Tensor:
    """`(3, 1, 1, 1)` from three numbers."""
    return torch.tensor(colour)[:, None, None, None]


def capsule(region: Region, start: Tensor, end: Tensor, width: Tensor) -> Tensor:
    """`(T, h, w)`: signed distance in pixels to a line with round ends.

    Args:
        start: `(T, 2)`, x and y in pixels.
        end: `(T, 2)`.
        width: `(T, 1, 1)`, half the thickness in pixels.
    """
    ax, ay = start[:, 0, None, None], start[:, 1, None, None]
    dx, dy = end[:, 0, None, None] - ax, end[:, 1, None, None] - ay
    px, py = region.x - ax, region.y - ay
    along = ((px * dx + py * dy) / (dx * dx + dy * dy).clamp(min=1e-6)).clamp(0, 1)
    return ((px - along * dx).square_() + (py - along * dy).square_()).sqrt_() - width
