"""What a prompt asks for, as far as somebody can read it who draws nothing: colours, ways, the palette of a style."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..scenes.captions import meaning
from ..scenes.palette import COLOURS, HAIRS, PAINTS, SKINS, TINTS, Rgb
from ..scenes.shapes import SHAPES
from ..scenes.styles import PALETTES

GRAY: Rgb = (0.5, 0.5, 0.5)
WAYS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}
_THINGS = {*SHAPES, "person", "face", "thing"}
_WORN = ("shirt", "trousers", "hair")
_SKIN = SKINS["tan"]  # no word says it; the middle one is the least wrong
# Of the height of a person from the top, where shirt and trousers begin; of that of a face, where the hair ends.
_SHIRT, _TROUSERS, _FACE = 0.22, 0.56, 0.36


@dataclass(kw_only=True)
class Thing:
    """One thing that a prompt names.

    Attributes:
        noun: A name of `SHAPES`, "person", "face" or "thing".
        paint: Its colour; None = no word says it.
        worn: Colours of "shirt", "trousers" and "hair", as far as they are said.
        way: Where it goes: a name of `WAYS`; None = nowhere.
    """

    noun: str
    paint: Rgb | None = None
    worn: dict[str, Rgb] = field(default_factory=dict[str, Rgb])
    way: str | None = None

    def bands(self) -> list[tuple[float, Rgb]]:
        """Colours from top to bottom, each with the share of the height where it begins."""
        if self.noun == "person":
            worn = [self.worn.get(name, GRAY) for name in ("shirt", "trousers")]
            return [(0.0, _SKIN), (_SHIRT, worn[0]), (_TROUSERS, worn[1])]
        if self.noun == "face":
            return [(0.0, self.worn.get("hair", GRAY)), (_FACE, _SKIN)]
        return [(0.0, self.paint or GRAY)]


def asked_for(prompt: str) -> tuple[list[Thing], Rgb]:
    """The things that a prompt names, in its order, and the mean of the colours of the backdrop."""
    things: list[Thing] = []
    backdrop = GRAY
    for clause in meaning(prompt)[0]:
        nouns = [word for word in clause if word in _THINGS]
        paints = [word for word in clause if word in PAINTS]
        if "background" in clause:
            backdrop = _mean([PAINTS[name] for name in paints]) if paints else backdrop
            continue
        if nouns:
            shown = [name for name in paints if name in COLOURS] if nouns[0] in SHAPES else []
            things.append(Thing(noun=nouns[0], paint=COLOURS[shown[0]] if shown else None))
        if things and "camera" not in clause:
            # "a person | in a red shirt and blue trousers walks right": what has no noun belongs to the last one.
            things[-1].worn |= _worn(clause)
            things[-1].way = next((word for word in reversed(clause) if word in WAYS), things[-1].way)
    return things, backdrop


def _mean(paints: Sequence[Rgb]) -> Rgb:
    r, g, b = (sum(channel) / len(paints) for channel in zip(*paints, strict=True))
    return r, g, b


def _worn(clause: Sequence[str]) -> dict[str, Rgb]:
    """By what is worn its colour, the last one that is said before it."""
    found: dict[str, Rgb] = {}
    last: Rgb | None = None
    for word in clause:
        if word in HAIRS or word in TINTS:
            last = HAIRS.get(word) or TINTS[word]
        elif word in _WORN and last is not None:
            found[word], last = last, None
    return found


def signed(paint: Rgb) -> Tensor:
    """`(3, 1, 1, 1)`, -1..1."""
    return (torch.tensor(paint) * 2 - 1)[:, None, None, None]


def asked_palette(prompt: str) -> Tensor | None:
    """`(3, 3)`, 0..1: the colours of a style from dark to light that a prompt names; None where it names none."""
    named = [word for clause in meaning(prompt)[0] for word in clause if word in PALETTES]
    return torch.tensor(PALETTES[named[0]]) if named else None
