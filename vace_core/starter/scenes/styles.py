"""Styles: the same scene in another palette and texture, for the task that changes nothing but the look."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .palette import Rgb

PALETTES: dict[str, tuple[Rgb, ...]] = {
    "sepia": ((0.16, 0.09, 0.04), (0.58, 0.41, 0.24), (0.97, 0.89, 0.73)),
    "night": ((0.02, 0.03, 0.12), (0.10, 0.20, 0.48), (0.66, 0.80, 0.98)),
    "fire": ((0.10, 0.01, 0.02), (0.80, 0.20, 0.05), (1.00, 0.92, 0.45)),
    "forest": ((0.03, 0.10, 0.06), (0.20, 0.48, 0.20), (0.86, 0.93, 0.62)),
    "candy": ((0.36, 0.08, 0.42), (0.95, 0.45, 0.66), (0.99, 0.93, 0.80)),
    "charcoal": ((0.04, 0.04, 0.05), (0.45, 0.45, 0.46), (0.95, 0.95, 0.94)),
}
"""Colours from dark to light, by their words."""

TEXTURES: tuple[str, ...] = ("smooth", "sketched", "mosaic", "posterised")
"""How a style is laid on."""

_CELL = 1 / 24  # of a shorter side: a stone of a mosaic


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a scene is made to look.

    Attributes:
        palette: Three colours from dark to light.
        texture: One of `TEXTURES`.
        name: A name of `PALETTES` if the palette is one; None where only a picture can tell.
    """

    palette: tuple[Rgb, ...]
    texture: str = "smooth"
    name: str | None = None

    @property
    def words(self) -> str:
        """As a prompt names it, e.g. "in sepia mosaic style"; without the palette where it has no word."""
        texture = "" if self.texture == "smooth" else f"{self.texture} "
        return f"in {self.name + ' ' if self.name else ''}{texture}style"


def random_style(rng: random.Random, *, named: bool | None = None) -> Style:
    """A style drawn at random; `named` fixes whether its palette has a word."""
    texture = rng.choice(TEXTURES)
    if rng.random() < 0.6 if named is None else named:
        name = rng.choice(tuple(PALETTES))
        return Style(palette=PALETTES[name], texture=texture, name=name)
    hue = [[rng.random() for _ in range(3)] for _ in range(3)]
    tones = (0.15, 0.5, 0.9)
    palette = tuple(_toned(colour, tone) for colour, tone in zip(hue, tones, strict=True))
    return Style(palette=palette, texture=texture)


def _toned(colour: list[float], tone: float) -> Rgb:
    """A colour brought to a brightness, so that dark stays dark and light stays light."""
    mean = sum(colour) / 3
    r, g, b = (min(max(tone + 0.7 * (value - mean), 0.0), 1.0) for value in colour)
    return r, g, b


def stylise(frames: Tensor, style: Style) -> Tensor:
    """`frames` `(1, 3, T, H, W)`, -1..1, in a style: brightness chooses the colour, the texture how it is laid on."""
    light = (frames[0] + 1).mul(0.5) * torch.tensor([0.30, 0.59, 0.11])[:, None, None, None]
    gray = light.sum(0)
    if style.texture == "mosaic":
        gray = _mosaic(gray)
    elif style.texture == "posterised":
        gray = (gray * 4.999).floor() / 4
    elif style.texture == "sketched":
        gray = _sketch(gray)
    return _gradient(gray, style.palette)[None] * 2 - 1


def _gradient(gray: Tensor, palette: tuple[Rgb, ...]) -> Tensor:
    """`(3, T, H, W)`, 0..1: colours between those of the palette, by brightness `(T, H, W)`."""
    steps = torch.tensor(palette)
    at = gray.clamp(0, 1) * (len(steps) - 1)
    low = at.floor().clamp(max=len(steps) - 2)
    share, low = (at - low)[..., None], low.long()
    return (steps[low] + share * (steps[low + 1] - steps[low])).permute(3, 0, 1, 2)


def _mosaic(gray: Tensor) -> Tensor:
    """Square stones of one tone with darker joints."""
    height, width = gray.shape[1:]
    side = max(round(min(height, width) * _CELL), 3)
    coarse = F.avg_pool2d(gray[:, None], side, ceil_mode=True, count_include_pad=False)
    stones = coarse.repeat_interleave(side, 2).repeat_interleave(side, 3)[:, 0, :height, :width]
    rows, columns = (torch.arange(length) % side == 0 for length in (height, width))
    return torch.where(rows[:, None] | columns, stones * 0.6, stones)


def _sketch(gray: Tensor) -> Tensor:
    """Dark lines where brightness changes, on light paper that keeps a little of it."""
    padded = F.pad(gray[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    across = padded[:, 1:-1, 2:] - padded[:, 1:-1, :-2]
    down = padded[:, 2:, 1:-1] - padded[:, :-2, 1:-1]
    line = (3.2 * (across.square() + down.square()).sqrt()).clamp(0, 1)
    return (0.72 + 0.28 * gray) * (1 - line)
