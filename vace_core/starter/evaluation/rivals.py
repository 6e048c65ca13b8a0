"""What can be made of a task without VACE: the strongest ways that know the unit and the words, and no adapter.

All take an example and give a clip `(1, 3, T, H, W)`, -1..1. They see what a model would see, never the true clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import permutations

import numpy as np
import torch
from torch import Tensor

from ..scenes.samples import Sample
from ..scenes.scene import MOST_OBJECTS
from .asked import WAYS, Thing, asked_for, asked_palette, signed
from .figures import box_of, figures_of, followed, standing_out, with_flesh
from .filling import filled
from .objects import centres_of
from .pasting import blank, carried, cut_out, disc, spoken

_LIGHT = torch.tensor([0.30, 0.59, 0.11])[:, None, None, None]


def echo(example: Sample) -> Tensor:
    """What the model is shown, handed back."""
    return example.vcu.frames


def tinted(example: Sample) -> Tensor:
    """The control with its figures in the colours that the prompt asks for, before the colour of the backdrop."""
    unit = example.vcu
    assert unit.control is not None
    things, backdrop = asked_for(unit.prompt)
    figures = (standing_out if example.task == "gray" else figures_of)(unit.control)
    if example.task == "pose":
        figures = with_flesh(figures)
    paint = signed(backdrop).repeat(1, *figures.shape)
    apart = followed(figures) if len(things) > 1 else figures[None]
    for figure, thing in zip(apart, _matched(apart, things), strict=False):
        for start, colour in thing.bands():
            paint = torch.where(figure & _below(figure, start), signed(colour), paint)
    if example.task == "gray":
        # The brightness is given, and only the colour is not.
        light, own = (unit.control[0] + 1) / 2, (paint + 1) / 2
        brightness = (own * _LIGHT).sum(0, keepdim=True)
        paint = (own * light / brightness.clamp(min=0.05)).clamp(0, 1) * 2 - 1
    return torch.where(unit.masks == 0, unit.frames, paint[None])


def _matched(figures: Tensor, things: Sequence[Thing]) -> Sequence[Thing]:
    """The things in the order of `figures` `(N, T, H, W)` in which most go where the words say, or as they are."""
    if len(figures) == 1 or len(things) < 2:
        return things[:1]
    gone = [_gone(figure) for figure in figures]

    def agreement(order: Sequence[Thing]) -> float:
        ways = [WAYS.get(thing.way or "", (0, 0)) for thing in order]
        return sum(x * dx + y * dy for (x, y), (dx, dy) in zip(ways, gone, strict=False))

    return max(permutations(things[:MOST_OBJECTS]), key=agreement)


def _gone(figure: Tensor) -> tuple[float, float]:
    """How far a figure `(T, H, W)` goes to the right and down, in sides of the frame."""
    places = centres_of(figure)
    seen = places[~places.isnan().any(1)]
    if not len(seen):
        return 0.0, 0.0
    x, y = (seen[-1] - seen[0]).tolist()
    return x, y


def _below(figure: Tensor, start: float) -> Tensor:
    """`(T, H, 1)`: what lies lower than a share of the height of a figure `(T, H, W)` in its frame."""
    rows = torch.arange(figure.shape[1])
    edges: list[float] = []
    for frame in figure:
        spot = box_of(frame)
        edges.append(spot[1] + start * (spot[3] - spot[1]) if spot else 0.0)
    return (rows[None] >= torch.tensor(edges)[:, None] - 0.5)[:, :, None]


def recoloured(example: Sample) -> Tensor:
    """The control in the palette that the words name, or else in that of the picture of a style: by brightness."""
    unit = example.vcu
    assert unit.control is not None
    light = ((unit.control[0] + 1) / 2 * _LIGHT).sum(0).clamp(0, 1)
    steps = asked_palette(unit.prompt)
    if steps is None:
        page = (unit.references[0][0, :, 0].flatten(1).T + 1) / 2
        levels = (page * _LIGHT.flatten()).sum(1)
        order = levels.argsort()
        levels, paints = levels[order], page[order]
        # Neighbours in brightness are averaged, so that no single pixel decides.
        levels, paints = (torch.stack([part.mean(0) for part in some.chunk(48)]) for some in (levels, paints))
    else:
        levels, paints = torch.linspace(0, 1, len(steps)), steps
    channels = [np.interp(light.numpy(), levels.numpy(), paint.numpy()) for paint in paints.T]
    return torch.from_numpy(np.stack(channels)).float()[None] * 2 - 1


RIVALS: Mapping[str, Callable[[Sample], Tensor]] = {
    "echo": echo,
    "tinted": tinted,
    "recoloured": recoloured,
    "blank": blank,
    "filled": filled,
    "filled as asked": spoken,
    "disc": disc,
    "cut-out": cut_out,
    "carried": carried,
}
"""Ways that need no model at all, by name."""


def able(name: str, example: Sample) -> bool:
    """Whether a rival of this name has something to work with."""
    unit = example.vcu
    keeps = bool((unit.masks == 0).any())
    if name == "tinted":
        return unit.control is not None
    if name in ("blank", "filled as asked"):
        return True
    if name == "recoloured":
        return unit.control is not None and (bool(unit.references) or asked_palette(unit.prompt) is not None)
    if name == "carried":
        return unit.control is not None and bool((unit.masks[:, :, 0] == 0).all())
    if name in ("disc", "cut-out"):
        return bool(unit.references)
    return keeps or (name == "echo" and unit.control is not None)
