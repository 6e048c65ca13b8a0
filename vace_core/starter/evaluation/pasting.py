"""Rivals that paste pictures: into the hole, where the control is, or across the frame as the words say."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scenes.palette import COLOURS
from ..scenes.render import FPS
from ..scenes.samples import Sample
from .asked import WAYS, asked_for, signed
from .figures import Spot, box_of, figures_of, followed
from .filling import filled, telea
from .objects import coloured, largest

_SIDE, _NARROW = 0.55, 0.8  # of the shorter side, and at most of the column that a thing has
_SPEED = 0.2  # of the frame in a second
_OF_HOLE = 0.75  # what a hole is made for is smaller than the hole
_OTHER = 0.2  # of 0..2: what differs by more from what is behind it is the thing


def disc(example: Sample) -> Tensor:
    """A disc in the middle colour of each reference, where something is to be."""
    axis = torch.linspace(-1, 1, 64)
    inside = (axis[None] ** 2 + axis[:, None] ** 2) < 0.9
    colours = [page[:, _ink(page)].mean(1) for page in _pages(example)]
    return _pasted(example, [(colour[:, None, None].expand(3, 64, 64), inside) for colour in colours])


def spoken(example: Sample) -> Tensor:
    """A disc of each colour that the words ask for and nothing kept shows, where something is to be."""
    unit = example.vcu
    kept = unit.masks[0, 0] == 0
    axis = torch.linspace(-1, 1, 64)
    inside = (axis[None] ** 2 + axis[:, None] ** 2) < 0.9
    shown = {name for name in COLOURS if largest(coloured(unit.frames, name) & kept).any()}
    names = {paint: name for name, paint in COLOURS.items()}
    asked = [thing.paint for thing in asked_for(unit.prompt)[0] if thing.paint is not None]
    lacking = [signed(paint)[:, 0].expand(3, 64, 64) for paint in asked if names[paint] not in shown]
    return _pasted(example, [(page, inside) for page in lacking], share=_OF_HOLE)


def blank(example: Sample) -> Tensor:
    """Nothing but the colour that the words give the backdrop."""
    unit = example.vcu
    return torch.where(unit.masks == 0, unit.frames, _backdrop(example)[None])


def cut_out(example: Sample) -> Tensor:
    """Each reference without its white, where something is to be."""
    return _pasted(example, [(page, _ink(page)) for page in _pages(example)])


def carried(example: Sample) -> Tensor:
    """What the boxes of a layout hold in the first frame goes where they go, before what is filled in behind it."""
    unit = example.vcu
    assert unit.control is not None
    first = unit.frames[:, :, :1]
    ways = [[box_of(frame) for frame in one] for one in followed(figures_of(unit.control))]
    ways = [way for way in ways if way[0] is not None]
    holes = torch.zeros(1, 1, 1, unit.height, unit.width)
    for left, top, right, bottom in filter(None, (way[0] for way in ways)):
        holes[..., top:bottom, left:right] = 1
    behind = telea(first, holes)
    canvas = behind[0].repeat(1, unit.num_frames, 1, 1)
    other = (first - behind).abs().amax(1)[0, 0] > _OTHER
    for way in ways:
        assert way[0] is not None
        left, top, right, bottom = way[0]
        page, ink = first[0, :, 0, top:bottom, left:right], other[top:bottom, left:right]
        for frame, spot in enumerate(way):
            if spot is not None:
                _paste(canvas[:, frame], page, ink, spot)
    return torch.where(unit.masks == 0, unit.frames, canvas[None])


def _pages(example: Sample) -> list[Tensor]:
    return [picture[0, :, 0] for picture in example.vcu.references]


def _ink(page: Tensor) -> Tensor:
    """`(H, W)`: what of a reference is not white paper; all of it where nothing else is found."""
    ink = (page < 0.9).any(0)
    return ink if ink.any() else torch.ones_like(ink)


def _pasted(example: Sample, pictures: Sequence[tuple[Tensor, Tensor]], *, share: float = 1.0) -> Tensor:
    """Pictures `(3, h, w)` with their ink `(h, w)`, side by side where something is to be, on a share of its sides."""
    unit = example.vcu
    canvas = filled(example)[0] if bool((unit.masks == 0).any()) else _backdrop(example)
    for number, (page, ink) in enumerate(pictures):
        spot = box_of(ink)
        assert spot is not None
        left, top, right, bottom = spot
        page, ink = page[:, top:bottom, left:right], ink[top:bottom, left:right]
        for frame, there in enumerate(_way(example, number, len(pictures))):
            _paste(canvas[:, frame], page, ink, _inner(there, share))
    return torch.where(unit.masks == 0, unit.frames, canvas[None])


def _inner(spot: Spot, share: float) -> Spot:
    """The middle of a box."""
    left, top, right, bottom = spot
    x, y = ((1 - share) / 2 * side for side in (right - left, bottom - top))
    return round(left + x), round(top + y), round(right - x), round(bottom - y)


def _backdrop(example: Sample) -> Tensor:
    unit = example.vcu
    return signed(asked_for(unit.prompt)[1]).expand(3, unit.num_frames, unit.height, unit.width).clone()


def _way(example: Sample, number: int, count: int) -> list[Spot]:
    """Where thing `number` of `count` goes in each frame: its column of the hole or of the control's figures.

    Where there is neither, its column of the frame, and it moves as the words say.
    """
    unit = example.vcu
    spots = _told(example)
    if spots is None:
        return _moving(example, number, count)
    columns: list[Spot] = []
    for left, top, right, bottom in spots:
        step = (right - left) / count
        columns.append((round(left + number * step), top, round(left + (number + 1) * step), bottom))
    assert len(columns) == unit.num_frames
    return columns


def _told(example: Sample) -> list[Spot] | None:
    """The box in each frame that a control or a hole in every frame tells; None where neither does."""
    unit = example.vcu
    kept = unit.masks[0, 0] == 0
    if unit.control is not None:
        found = [box_of(frame) for frame in figures_of(unit.control)]
    elif bool(kept.flatten(1).any(1).all()):
        found = [box_of(~frame) for frame in kept]
    else:
        return None
    last = next((spot for spot in found if spot is not None), None)
    spots: list[Spot] = []
    for spot in found:
        last = spot or last
        if last is None:
            return None
        spots.append(last)
    return spots


def _moving(example: Sample, number: int, count: int) -> list[Spot]:
    """A place in column `number` of `count` that moves through the middle of it, as the words say."""
    unit = example.vcu
    things = asked_for(unit.prompt)[0]
    way = WAYS.get((things[number].way if number < len(things) else None) or "", (0, 0))
    column = unit.width / count
    side = min(_SIDE * min(unit.height, unit.width), _NARROW * column)
    spots: list[Spot] = []
    for frame in range(unit.num_frames):
        # As far as there is room, half before and half after the middle.
        gone = (frame / max(unit.num_frames - 1, 1) - 0.5) * _SPEED * (unit.num_frames - 1) / FPS
        x, y = (
            middle + sign * max(min(gone * full, (room - side) / 2), (side - room) / 2)
            for sign, middle, full, room in zip(
                way,
                ((number + 0.5) * column, unit.height / 2),
                (unit.width, unit.height),
                (column, unit.height),
                strict=True,
            )
        )
        left, top = round(x - side / 2), round(y - side / 2)
        spots.append((left, top, left + round(side), top + round(side)))
    return spots


def _paste(frame: Tensor, page: Tensor, ink: Tensor, spot: Spot) -> None:
    """Lays a picture `(3, h, w)`, where its ink `(h, w)` is, over a place of `frame` `(3, H, W)`."""
    left, top, right, bottom = spot
    size = (max(bottom - top, 2), max(right - left, 2))
    picture = F.interpolate(page[None], size=size, mode="bilinear", antialias=True)[0]
    cover = F.interpolate(ink[None, None].float(), size=size, mode="bilinear", antialias=True)[0, 0]
    here = frame[:, top : top + size[0], left : left + size[1]]
    height, width = here.shape[1:]
    here += cover[:height, :width] * (picture[:, :height, :width] - here)
