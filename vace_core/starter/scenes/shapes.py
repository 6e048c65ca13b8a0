"""The shapes of objects as signed distances, where they are in every frame, and how they are painted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from .drawing import Layer, Region, coverage, rgb
from .palette import COLOURS

PATTERNS: tuple[str, ...] = ("flat", "striped", "dotted", "checkered")
"""How an object is painted: two tones of one colour, so that a hue finds all of it."""

_DARK = 0.5  # of the brightness, in the dark tone of a pattern
_RIM, _RIM_TONE = 0.075, 0.5  # an edge drawn in a darker tone keeps things apart from any backdrop
_LIGHT = 0.14  # by how much the top left is lighter


@dataclass(frozen=True)
class Place:
    """Where an object is in every frame, in pixels and radians: each `(T, 1, 1)`."""

    x: Tensor
    y: Tensor
    radius: Tensor
    angle: Tensor

    def local(self, region: Region) -> tuple[Tensor, Tensor]:
        """Right and down in radii as the object sees it, each `(T, h, w)`."""
        x, y = (region.x - self.x) / self.radius, (region.y - self.y) / self.radius
        if not self.angle.any():
            return torch.broadcast_tensors(x, y)  # type: ignore[return-value]
        cos, sin = self.angle.cos(), self.angle.sin()
        return cos * x + sin * y, cos * y - sin * x

    def points(self, local: Tensor) -> Tensor:
        """`(T, N, 2)` in pixels from points `(N, 2)` or `(T, N, 2)` in radii as the object sees them."""
        cos, sin = self.angle[:, :, 0].cos(), self.angle[:, :, 0].sin()
        u, v = local[..., 0], local[..., 1]
        x = self.x[:, :, 0] + self.radius[:, :, 0] * (cos * u - sin * v)
        return torch.stack([x, self.y[:, :, 0] + self.radius[:, :, 0] * (sin * u + cos * v)], dim=-1)

    def flow(self, region: Region) -> Tensor:
        """`(2, T-1, h, w)`: pixels per frame of what moves, turns and scales with this place."""
        growth, turn = self.radius[1:] / self.radius[:-1], self.angle.diff(dim=0)
        real, imaginary = growth * turn.cos() - 1, growth * turn.sin()
        px, py = region.x - self.x[:-1], region.y - self.y[:-1]
        dx = self.x.diff(dim=0) + real * px - imaginary * py
        dy = self.y.diff(dim=0) + real * py + imaginary * px
        return torch.stack(torch.broadcast_tensors(dx, dy))

    @property
    def still(self) -> bool:
        """Whether all frames are alike."""
        return all(bool((one == one[:1]).all()) for one in (self.x, self.y, self.radius, self.angle))


def _circle(x: Tensor, y: Tensor) -> Tensor:
    return (x * x + y * y).sqrt() - 1


def _square(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x.abs(), y.abs()) - 0.84


def _triangle(x: Tensor, y: Tensor) -> Tensor:
    side = 0.8625 * x.abs() - 0.5061 * (y + 0.95)
    return torch.maximum(side, y - 0.72)


def _ring(x: Tensor, y: Tensor) -> Tensor:
    return ((x * x + y * y).sqrt() - 0.71).abs() - 0.29


def _cross(x: Tensor, y: Tensor) -> Tensor:
    x, y = x.abs(), y.abs()
    return torch.minimum(torch.maximum(x - 0.96, y - 0.34), torch.maximum(x - 0.34, y - 0.96))


def _heart(x: Tensor, y: Tensor) -> Tensor:
    # Two half discs on a square that stands on its corner; exact distance, after Inigo Quilez.
    x, y = x.abs() / 1.5, (0.86 - y) / 1.5
    upper = ((x - 0.25) ** 2 + (y - 0.75) ** 2).sqrt() - math.sqrt(2) / 4
    middle = (0.5 * (x + y).clamp(min=0)).expand_as(x)
    lower = torch.minimum(x**2 + (y - 1) ** 2, (x - middle) ** 2 + (y - middle) ** 2).sqrt() * (x - y).sign()
    return 1.5 * torch.where(x + y > 1, upper, lower)


def _moon(x: Tensor, y: Tensor) -> Tensor:
    # A disc without another; beyond its tips the distance is that to a tip. Exact, after Inigo Quilez.
    outer, inner, apart = 0.98, 0.80, 0.46
    x, y = x + 0.12, y.abs()
    tip_x = (outer**2 - inner**2 + apart**2) / (2 * apart)
    tip_y = math.sqrt(outer**2 - tip_x**2)
    beyond = x * tip_y - y * tip_x > apart * (tip_y - y).clamp(min=0)
    rest = torch.maximum((x * x + y * y).sqrt() - outer, inner - ((x - apart) ** 2 + y * y).sqrt())
    return torch.where(beyond, ((x - tip_x) ** 2 + (y - tip_y) ** 2).sqrt(), rest)


def _star(x: Tensor, y: Tensor) -> Tensor:
    # Reflections fold the ten equal wedges onto one, in which the edge is a straight line. Its arms are thin: the
    # points are what one knows a star by.
    inner, top = 0.46, y + 0.05
    x, y = x.abs(), top
    for degrees in (108, 36):
        nx, ny = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
        beyond = 2 * (nx * x + ny * y).clamp(min=0)
        x, y = x - beyond * nx, y - beyond * ny
    ex, ey = inner * math.sin(math.radians(36)), 1 - inner * math.cos(math.radians(36))
    return (ey * x.abs() - ex * (y + 1)) / math.hypot(ex, ey)


SHAPES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "heart": _heart,
    "moon": _moon,
}
"""Signed distance in radii (negative = inside) from right and down in radii."""


@lru_cache(maxsize=32)
def outline(shape: str) -> Tensor:
    """`(240, 2)`: the farthest points of a shape in all directions, in radii."""
    angles = torch.arange(240) * (2 * math.pi / 240)
    reach = torch.linspace(0, 1.2, 601)
    x, y = angles.cos()[:, None] * reach, angles.sin()[:, None] * reach
    inside = SHAPES[shape](x, y) <= 0
    farthest = (inside * reach).amax(1)
    return torch.stack([angles.cos() * farthest, angles.sin() * farthest], dim=1)


def extent(points: Tensor) -> Tensor:
    """`(T, 4)`: left, top, right, bottom of points `(T, N, 2)`."""
    return torch.cat([points.amin(1), points.amax(1)], dim=1)


def draw_shape(region: Region, place: Place, shape: str, colour: str, pattern: str) -> Layer:
    """A shape in two tones of its colour, with a dark rim, lit from the top left."""
    x, y = place.local(region)
    distance = SHAPES[shape](x, y) * place.radius
    tone = _tone(x, y, place.radius, pattern)
    tone = tone * rim(distance, place.radius)
    tone = tone * (1 - _LIGHT * (region.x - place.x + region.y - place.y) / (2 * place.radius))
    paint = (rgb(COLOURS[colour]) * tone).clamp(0, 1)
    return Layer(coverage=coverage(distance), colour=paint, flow=place.flow(region))


def rim(distance: Tensor, radius: Tensor) -> Tensor:
    """The factor of brightness that draws the edge of a thing, from its signed distance in pixels."""
    return _RIM_TONE + (1 - _RIM_TONE) * coverage(distance + (_RIM * radius).clamp(min=1.0))


def _tone(x: Tensor, y: Tensor, radius: Tensor, pattern: str) -> Tensor:
    """Brightness of a pattern, from half to whole, at right and down in radii."""
    if pattern == "flat":
        return torch.ones(())
    if pattern == "striped":
        width = 0.5
        wave = (torch.remainder(y / width, 2) - 1).abs() - 0.5
        bright = coverage(-wave * width * radius)
    elif pattern == "checkered":
        width = 0.52
        across, down = ((torch.remainder(axis / width + 0.5, 2) - 1).abs() - 0.5 for axis in (x, y))
        a, b = coverage(across * width * radius), coverage(down * width * radius)
        bright = a * b + (1 - a) * (1 - b)
    else:
        gap = 0.62
        u, v = (torch.remainder(axis + gap / 2, gap) - gap / 2 for axis in (x, y))
        bright = 1 - coverage(((u * u + v * v).sqrt() - 0.19) * radius)
    return _DARK + (1 - _DARK) * bright
