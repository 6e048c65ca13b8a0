"""A strength as a picture: its factors over the steps, the frames, the blocks and the references, and its mask."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch.nn import functional

from ..sampling.strength import Strength, on_curve

Colour = tuple[int, int, int]

_PAPER: Colour = (34, 36, 40)
_INK: Colour = (235, 235, 235)
_FAINT: Colour = (96, 99, 104)
_LINE: Colour = (66, 135, 245)
_PANEL = (300, 120)  # pixels of the drawn part of a panel
_EDGE, _TITLE = 36, 26
_POINTS = 101  # of a drawn curve
_COLUMNS = 2


def strength_sheet(strength: Strength) -> Image.Image:
    """One RGB image with a panel for each axis that is not 1 everywhere; one for the overall strength if there is none.

    Curves are drawn over 0..1, blocks and references as bars in order, the mask by its first frame.
    """
    panels = [
        *([_curve("steps, start to end", [on_curve(strength.steps, n / (_POINTS - 1)) for n in range(_POINTS)])]
          if strength.steps else []),
        *([_curve("frames, first to last", [on_curve(strength.frames, n / (_POINTS - 1)) for n in range(_POINTS)])]
          if strength.frames else []),
        *([_bars("context blocks, in order", strength.blocks)] if strength.blocks else []),
        *([_bars("references, in order", strength.references)] if strength.references else []),
        *([_mask(strength)] if strength.space is not None else []),
    ]  # fmt: skip
    if not panels or strength.overall != 1.0:
        panels.insert(0, _bars("overall", (strength.overall,)))
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    width, height = panels[0].size
    sheet = Image.new("RGB", (columns * width, rows * height), _PAPER)
    for number, panel in enumerate(panels):
        sheet.paste(panel, (number % columns * width, number // columns * height))
    return sheet


def _panel(title: str) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    width, height = _PANEL
    panel = Image.new("RGB", (width + 2 * _EDGE, height + _TITLE + _EDGE), _PAPER)
    draw = ImageDraw.Draw(panel)
    draw.text((_EDGE, 6), title, _INK, ImageFont.load_default(14))
    return panel, draw


def _axis(draw: ImageDraw.ImageDraw, most: float) -> float:
    """Draws the lines at 0, at 1 and at the top, and gives the pixels of a factor of 1."""
    top = max(most, 1.0)
    unit = _PANEL[1] / top
    for value in sorted({0.0, 1.0, top}):
        y = _TITLE + _PANEL[1] - value * unit
        draw.line((_EDGE, y, _EDGE + _PANEL[0], y), _FAINT)
        draw.text((_EDGE - 6, y), f"{value:g}", _INK, ImageFont.load_default(12), anchor="rm")
    return unit


def _curve(title: str, values: list[float]) -> Image.Image:
    panel, draw = _panel(title)
    unit = _axis(draw, max(values))
    step = _PANEL[0] / (len(values) - 1)
    points = [(_EDGE + n * step, _TITLE + _PANEL[1] - value * unit) for n, value in enumerate(values)]
    draw.line(points, _LINE, width=3)
    return panel


def _bars(title: str, values: tuple[float, ...]) -> Image.Image:
    panel, draw = _panel(title)
    unit = _axis(draw, max(values))
    step = _PANEL[0] / len(values)
    for n, value in enumerate(values):
        left, foot = _EDGE + n * step, _TITLE + _PANEL[1]
        draw.rectangle((left + step * 0.15, foot - max(value * unit, 1), left + step * 0.85, foot), _LINE)
    return panel


def _mask(strength: Strength) -> Image.Image:
    assert strength.space is not None
    panel, _ = _panel(f"mask, first of {strength.space.shape[2]} frames")
    height, width = strength.space.shape[3:]
    scale = min(_PANEL[0] / width, _PANEL[1] / height)
    size = max(int(height * scale), 1), max(int(width * scale), 1)
    small = functional.interpolate(strength.space[0, :, :1].float().cpu(), size=size, mode="area")[0, 0]
    panel.paste(Image.fromarray((small.numpy() * 255).round().astype(np.uint8)).convert("RGB"), (_EDGE, _TITLE))
    return panel
