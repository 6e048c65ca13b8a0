"""The pencil of the synthetic world: colours, shapes as signed distances, backdrops, and layers that stack."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

COLOURS: dict[str, tuple[float, float, float]] = {
    "red": (0.90, 0.12, 0.12),
    "yellow": (0.95, 0.86, 0.10),
    "green": (0.14, 0.72, 0.18),
    "cyan": (0.10, 0.82, 0.88),
    "blue": (0.14, 0.24, 0.92),
    "purple": (0.74, 0.14, 0.86),
}
"""Colours of objects, rgb from 0 to 1, about 60 degrees of hue apart, HSV saturation above 0.8."""

TINTS: dict[str, tuple[float, float, float]] = {
    "gray": (0.62, 0.62, 0.62),
    "beige": (0.76, 0.68, 0.59),
    "slate": (0.50, 0.56, 0.65),
    "mint": (0.58, 0.73, 0.63),
}
"""Colours of backgrounds, rgb from 0 to 1, HSV saturation below 0.25. Their words are no object's colour."""

BACKGROUNDS: tuple[str, ...] = ("plain", "gradient", "checkered", "hilly")
"""Kinds of background."""

STRIPE_TONE = 0.5
"""Brightness of the dark stripes: scaling keeps hue and saturation, so that a colour is found in both tones."""

_STRIPE_WIDTH = 0.68
_STAR_INNER = 0.52


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
class Place:
    """Where an object is in every frame, in pixels: centre `x`, `y` and `radius`, each `(T, 1, 1)`."""

    x: Tensor
    y: Tensor
    radius: Tensor

    def flow(self, region: Region) -> Tensor:
        """`(2, T-1, h, w)`: pixels per frame of what moves and scales with this place."""
        growth = self.radius[1:] / self.radius[:-1] - 1
        dx = self.x.diff(dim=0) + growth * (region.x - self.x[:-1])
        dy = self.y.diff(dim=0) + growth * (region.y - self.y[:-1])
        return torch.stack(torch.broadcast_tensors(dx, dy))


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


def circle(x: Tensor, y: Tensor) -> Tensor:
    """Signed distance to the unit circle."""
    return (x * x + y * y).sqrt() - 1


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.84


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    side = 0.8625 * x.abs() - 0.5061 * (y + 0.95)
    return torch.maximum(side, y - 0.72)


def _star(x: Tensor, y: Tensor) -> Tensor:
    # Reflections fold the ten equal wedges onto one, in which the edge is a straight line.
    x = x.abs()
    for degrees in (108, 36):
        nx, ny = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        beyond = 2 * (nx * x + ny * y).clamp(min=0)
        x, y = x - beyond * nx, y - beyond * ny
    ex, ey = _STAR_INNER * math.sin(math.radians(36)), 1 - _STAR_INNER * math.cos(math.radians(36))
    return (ey * x.abs() - ex * (y + 1)) / math.hypot(ex, ey)


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return ((x * x + y * y).sqrt() - 0.71).abs() - 0.29


def _cross(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.abs(), y.abs()
    return torch.minimum(torch.maximum(x - 0.96, y - 0.34), torch.maximum(x - 0.34, y - 0.96))


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
}
"""Signed distance in radii (negative = inside) from x and y in radii."""

EXTENTS: dict[str, tuple[float, float, float, float]] = {
    "circle": (-1, -1, 1, 1),
    "square": (-0.84, -0.84, 0.84, 0.84),
    "triangle": (-0.98, -0.95, 0.98, 0.72),
    "star": (-0.951, -1, 0.951, 0.809),
    "ring": (-1, -1, 1, 1),
    "cross": (-0.96, -0.96, 0.96, 0.96),
    "face": (-1, -1, 1, 1),
}
"""Left, top, right and bottom edge of a shape around its centre, in radii."""


def draw_shape(region: Region, place: Place, shape: str, colour: str, pattern: str) -> Layer:
    """A flat or striped shape."""
    x, y = (region.x - place.x) / place.radius, (region.y - place.y) / place.radius
    paint = rgb(COLOURS[colour])
    if pattern == "striped":
        # A triangle wave whose zeros are the edges of the stripes: +0.5 in a bright middle, -0.5 in a dark one.
        wave = (torch.remainder(y / _STRIPE_WIDTH, 2) - 1).abs() - 0.5
        bright = coverage(-wave * _STRIPE_WIDTH * place.radius)
        paint = paint * (STRIPE_TONE + (1 - STRIPE_TONE) * bright)
    return Layer(coverage=coverage(SHAPES[shape](x, y) * place.radius), colour=paint, flow=place.flow(region))


def draw_background(kind: str, tint: str, phase: tuple[float, float], height: int, width: int) -> Tensor:
    """`(3, H, W)`, 0..1: a backdrop. Only its brightness varies, so its saturation is the tint's."""
    whole = Region(0, 0, width, height)
    x, y = whole.x[0] / width, whole.y[0] / height
    u, v = phase
    if kind == "plain":
        tone = torch.full((height, width), 0.85 + 0.3 * u)
    elif kind == "gradient":
        angle = 2 * math.pi * u
        tone = 1 + 0.28 * (math.cos(angle) * (2 * x - 1) + math.sin(angle) * (2 * y - 1)) / math.sqrt(2)
    elif kind == "checkered":
        cell = min(height, width) / 4
        wave_x, wave_y = (torch.sin(math.pi * (axis / cell + at)) for axis, at in ((whole.x[0], u), (whole.y[0], v)))
        tone = 0.97 + 0.15 * (5 * wave_x).clamp(-1, 1) * (5 * wave_y).clamp(-1, 1)
    else:
        horizon = 0.55 + 0.2 * v + 0.07 * torch.sin(2 * math.pi * (1.2 * x + u))
        tone = 1.12 - 0.1 * y - 0.32 * coverage((horizon - y) * min(height, width) / 3)
    return (torch.tensor(TINTS[tint])[:, None, None] * tone).clamp(0, 1)
