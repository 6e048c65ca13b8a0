"""What is behind the objects: plain and patterned papers, noise, hills, and blurred patches like an unsharp photograph.

A backdrop is drawn once, larger than the frame; the camera then moves over it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .drawing import coverage
from .palette import COLOURS, PAINTS, TINTS, mixed

BACKDROPS: tuple[str, ...] = (
    *("plain", "gradient", "striped", "checkered", "dotted"),
    *("cloudy", "grainy", "hilly", "blurry"),
)
"""Kinds of backdrop that training shows."""

UNSEEN_BACKDROPS: tuple[str, ...] = ("wavy", "bricked")
"""Kinds of backdrop that training never shows."""

PATTERNED = ("striped", "checkered", "dotted", "wavy", "bricked")

OVERSIZE = 1.5
"""Sides of the drawn canvas in sides of the frame."""


@dataclass(frozen=True, kw_only=True)
class Backdrop:
    """A still picture behind everything.

    Attributes:
        kind: One of `BACKDROPS` or `UNSEEN_BACKDROPS`.
        colour: A name of `PAINTS`.
        second: The other colour, a name of `PAINTS`; None = a lighter or darker tone of the first, which no word says.
        phase: Four numbers from 0 to 1 for what no word says: place, size and slant of the pattern.
        seed: Of the noise.
    """

    kind: str
    colour: str
    second: str | None = None
    phase: tuple[float, float, float, float] = (0.5, 0.5, 0.5, 0.5)
    seed: int = 0

    @property
    def words(self) -> str:
        """As a caption names it, e.g. "striped white and red" or "plain gray"."""
        return f"{self.kind} {self.colour}" + (f" and {self.second}" if self.second else "")


def random_backdrop(
    rng: random.Random, *, kinds: tuple[str, ...] = BACKDROPS, calm: bool = False, taken: tuple[str, ...] = ()
) -> Backdrop:
    """A backdrop drawn at random.

    Args:
        rng: The dice.
        kinds: Which it can be.
        calm: Whether it has muted colours only, so that saturation finds the objects.
        taken: Colours of objects, which would be lost before it.
    """
    # Patches stray from their colours.
    kind = rng.choice([kind for kind in kinds if not (calm and kind == "blurry")])
    names = [name for name in (TINTS if calm or rng.random() < 0.45 else PAINTS) if name not in taken]
    colour = rng.choice(names)
    second = None
    if kind != "plain" and rng.random() < 0.6:
        # Two loud colours leave nothing to look at.
        second = rng.choice([name for name in (TINTS if colour in COLOURS else names) if name != colour])
    phase = (rng.random(), rng.random(), rng.random(), rng.random())
    return Backdrop(kind=kind, colour=colour, second=second, phase=phase, seed=rng.randrange(2**31))


def draw_backdrop(backdrop: Backdrop, height: int, width: int) -> Tensor:
    """`(3, H', W')`, 0..1: a canvas of `OVERSIZE` times the frame, whose middle is the frame."""
    rows, columns = round(height * OVERSIZE), round(width * OVERSIZE)
    unit = min(height, width)
    x = ((torch.arange(columns) + 0.5 - columns / 2) / unit)[None, :]
    y = ((torch.arange(rows) + 0.5 - rows / 2) / unit)[:, None]
    first = torch.tensor(PAINTS[backdrop.colour])[:, None, None]
    second = torch.tensor(_second(backdrop))[:, None, None]
    generator = torch.Generator().manual_seed(backdrop.seed)
    if backdrop.kind == "plain":
        canvas = first.expand(3, rows, columns)
    elif backdrop.kind == "blurry":
        canvas = _patches(first, second, rows, columns, unit, generator)
    else:
        canvas = first + _share(backdrop, x, y, unit, generator) * (second - first)
    return canvas.clamp(0, 1)


def _second(backdrop: Backdrop) -> tuple[float, float, float]:
    if backdrop.second is not None:
        return PAINTS[backdrop.second]
    first = PAINTS[backdrop.colour]
    # Two tones of a paper are near, those of a photograph or a gradient far.
    share = 0.3 if backdrop.kind in (*PATTERNED, "grainy") else 0.5
    towards = (0.0, 0.0, 0.0) if sum(first) > 1.4 else (1.0, 1.0, 1.0)
    return mixed(first, towards, share)


def _share(backdrop: Backdrop, x: Tensor, y: Tensor, unit: int, generator: torch.Generator) -> Tensor:
    """`(H', W')` or less: how much of the second colour is where, 0..1; `x` and `y` in shorter sides of the frame."""
    a, b, c, d = backdrop.phase
    kind = backdrop.kind
    if kind == "gradient":
        angle = 2 * math.pi * a
        return (0.5 + 0.62 * (math.cos(angle) * x + math.sin(angle) * y)).clamp(0, 1)
    if kind == "hilly":
        return _hills(x, y, unit, backdrop.phase)
    if kind == "cloudy":
        return (0.5 + 1.1 * (_noise((y.numel(), x.numel()), unit, (2.2, 4.5, 9), (1, 0.5, 0.25), generator))).clamp(
            0, 1
        )
    if kind == "grainy":
        return (0.5 + 0.9 * _noise((y.numel(), x.numel()), unit, (4, 12), (0.3, 1), generator)).clamp(0, 1)
    size = 0.10 + 0.09 * d
    if kind == "bricked":
        row = (y / size + a).floor()
        across = torch.remainder(x / (2 * size) + 0.5 * torch.remainder(row, 2) + b, 1)
        down = torch.remainder(y / size + a, 1)
        edge = torch.minimum(torch.minimum(across, 1 - across) * 2, torch.minimum(down, 1 - down)) * size * unit
        return coverage(edge - 0.06 * size * unit - 0.5)
    slant = math.radians((0, 90, 45, -45)[int(c * 4)] if kind == "striped" else 0)
    u, v = math.cos(slant) * x + math.sin(slant) * y, math.cos(slant) * y - math.sin(slant) * x
    if kind == "wavy":
        v = v + 0.05 * torch.sin(2 * math.pi * (1.6 * u + b))
    across, down = ((torch.remainder(axis / size + at, 2) - 1).abs() - 0.5 for axis, at in ((u, a), (v, b)))
    if kind == "dotted":
        p, q = ((torch.remainder(axis / size + at, 2) - 1) * size for axis, at in ((u, a), (v, b)))
        return coverage(((p * p + q * q).sqrt() - 0.52 * size) * unit)
    one, other = coverage(across * size * unit), coverage(down * size * unit)
    return one * other + (1 - one) * (1 - other) if kind == "checkered" else other


def _hills(x: Tensor, y: Tensor, unit: int, phase: tuple[float, float, float, float]) -> Tensor:
    """Sky that gets lighter towards the horizon, and two rows of hills in front of it."""
    a, b, c, _ = phase
    far = (
        0.02 + 0.16 * c + 0.06 * torch.sin(2 * math.pi * (1.1 * x + a)) + 0.02 * torch.sin(2 * math.pi * (2.7 * x + b))
    )
    near = far + 0.16 + 0.05 * torch.sin(2 * math.pi * (0.8 * x + b))
    sky = (0.22 * (0.5 - y)).clamp(0, 0.25)
    return sky + (0.72 - sky) * coverage((far - y) * unit) + 0.28 * coverage((near - y) * unit)


def _noise(
    size: tuple[int, int], unit: int, scales: tuple[float, ...], weights: tuple[float, ...], generator: torch.Generator
) -> Tensor:
    """`(H', W')`, about −0.5..0.5: smooth noise with `scales` bumps to a shorter side of the frame."""
    total = torch.zeros(size)
    for scale, weight in zip(scales, weights, strict=True):
        lattice = torch.rand(1, 1, *(math.ceil(side / unit * scale) + 3 for side in size), generator=generator) - 0.5
        total += weight * _enlarged(lattice, size)[0, 0]
    return total / sum(weights) * 1.4


def _enlarged(lattice: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(lattice, size=size, mode="bicubic", align_corners=False)


def _patches(first: Tensor, second: Tensor, rows: int, columns: int, unit: int, generator: torch.Generator) -> Tensor:
    """Blurred patches of two colours and what lies near them, with fine texture: like a photograph out of focus."""
    cells = (max(round(rows / unit * 4), 4), max(round(columns / unit * 4), 4))
    share = torch.rand(1, 1, *cells, generator=generator)
    stray = (torch.rand(1, 3, *cells, generator=generator) - 0.5) * 0.5
    light = (torch.rand(1, 1, *cells, generator=generator) - 0.5) * 0.5
    coarse = (first + share[0] * (second - first))[None] * (1 + light) + stray
    fine = _noise((rows, columns), unit, (7, 13), (1, 0.6), generator)
    return _enlarged(coarse, (rows, columns))[0] * (1 + 0.3 * fine)
