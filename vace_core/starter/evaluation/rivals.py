"""What can be made of a task without VACE: the strongest ways that know the unit and the words, and no adapter.

All take an example and give a clip `(1, 3, T, H, W)`, -1..1. They see what a model would see, never the true clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...inputs.controls import opencv_images
from ...inputs.masks import opencv
from ...media.video import to_uint8
from ..scenes.captions import meaning
from ..scenes.palette import COLOURS, PAINTS
from ..scenes.samples import Sample
from ..scenes.shapes import SHAPES

_THINGS = {*SHAPES, "person", "face"}
_GRAY = (0.5, 0.5, 0.5)


def asked_paints(prompt: str) -> tuple[list[Tensor], Tensor]:
    """The colours of the things that a prompt names, in its order, and that of the backdrop: `(3, 1, 1, 1)`, -1..1."""
    things: list[Tensor] = []
    backdrop = _paint(_GRAY)
    for clause in meaning(prompt)[0]:
        named = [word for word in clause if word in PAINTS]
        if "background" in clause and named:
            backdrop = _paint(PAINTS[named[0]])
        elif _THINGS & set(clause) and named and named[0] in COLOURS:
            things.append(_paint(COLOURS[named[0]]))
    return things, backdrop


def _paint(rgb: tuple[float, float, float]) -> Tensor:
    return (torch.tensor(rgb) * 2 - 1)[:, None, None, None]


def echo(example: Sample) -> Tensor:
    """What the model is shown, handed back."""
    return example.vcu.frames


def tinted(example: Sample) -> Tensor:
    """The control with its figures in the colour that the prompt asks for, before the colour of the backdrop."""
    unit = example.vcu
    assert unit.control is not None
    things, backdrop = asked_paints(unit.prompt)
    figures = (_standing_out if example.task == "gray" else figures_of)(unit.control)
    paint = torch.where(figures, things[0] if things else _paint(_GRAY), backdrop)
    if example.task == "gray":
        # The brightness is given, and only the colour is not.
        light, own = (unit.control[0] + 1) / 2, (paint + 1) / 2
        brightness = (own * torch.tensor([0.30, 0.59, 0.11])[:, None, None, None]).sum(0, keepdim=True)
        paint = (own * light / brightness.clamp(min=0.05)).clamp(0, 1) * 2 - 1
    made = paint.expand_as(unit.control[0])[None]
    return torch.where(unit.masks == 0, unit.frames, made)


def figures_of(control: Tensor) -> Tensor:
    """`(T, H, W)`: what is figure in a control `(1, 3, T, H, W)` of any kind: what its border does not reach.

    The border of the first frame says what background looks like; lines close off what lies inside them.
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


def _standing_out(control: Tensor) -> Tensor:
    """`(T, H, W)`: what is lighter or darker than anything along the border of its frame."""
    light = control[0, 0]
    border = torch.cat([light[:, [0, -1]].flatten(1), light[:, :, [0, -1]].flatten(1)], dim=1)
    low, high = (torch.quantile(border, share, dim=1)[:, None, None] for share in (0.1, 0.9))
    return (light < low - 0.06) | (light > high + 0.06)


def filled(example: Sample) -> Tensor:
    """What is to be made, filled from its edges after Telea; frames of which nothing is known, from the nearest known.

    Every frame is gray where there is no source at all.
    """
    cv2 = opencv()
    unit = example.vcu
    kept = unit.masks == 0
    frames = torch.where(kept, unit.frames, 0.0)
    holes = ~kept[0, 0]
    pictures = to_uint8(frames).numpy()
    some = [bool(kept[0, 0, frame].any()) for frame in range(unit.num_frames)]
    known = torch.tensor([index for index, has in enumerate(some) if has])
    if not len(known):
        return frames
    done = {
        int(index): cv2.inpaint(pictures[index], holes[index].to(torch.uint8).numpy() * 255, 3, cv2.INPAINT_TELEA)
        for index in known
    }
    nearest = known[(torch.arange(unit.num_frames)[:, None] - known).abs().argmin(1)]
    clip = torch.stack([torch.from_numpy(done[int(index)]) for index in nearest])
    return torch.where(kept, unit.frames, clip.permute(3, 0, 1, 2)[None].float() / 127.5 - 1)


def disc(example: Sample) -> Tensor:
    """A still disc in the middle colour of the first reference, where something is to be."""
    page = example.vcu.references[0][0, :, 0]
    colour = page[:, _ink(page)].mean(1)
    axis = torch.linspace(-1, 1, 64)
    inside = (axis[None] ** 2 + axis[:, None] ** 2) < 0.9
    return _pasted(example, colour[:, None, None].expand(3, 64, 64), inside)


def cut_out(example: Sample) -> Tensor:
    """The first reference without its white, pasted where something is to be."""
    page = example.vcu.references[0][0, :, 0]
    return _pasted(example, page, _ink(page))


def _ink(page: Tensor) -> Tensor:
    """`(H, W)`: what of a reference is not white paper; all of it where nothing else is found."""
    ink = (page < 0.9).any(0)
    return ink if ink.any() else torch.ones_like(ink)


def _pasted(example: Sample, page: Tensor, ink: Tensor) -> Tensor:
    """A picture `(3, h, w)` with its ink `(h, w)`: in the hole, in the box of the control, or in the middle."""
    unit = example.vcu
    canvas = filled(example)[0] if bool((unit.masks == 0).any()) else _backdrop(example)
    rows, columns = (ink.any(axis).nonzero()[:, 0] for axis in (1, 0))
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    page, ink = page[:, top:bottom, left:right], ink[top:bottom, left:right]
    for frame in range(unit.num_frames):
        x0, y0, x1, y1 = _place(example, frame)
        size = (max(y1 - y0, 2), max(x1 - x0, 2))
        picture = F.interpolate(page[None], size=size, mode="bilinear", antialias=True)[0]
        cover = F.interpolate(ink[None, None].float(), size=size, mode="bilinear", antialias=True)[0, 0]
        here = canvas[:, frame, y0 : y0 + size[0], x0 : x0 + size[1]]
        height, width = here.shape[1:]
        here += cover[:height, :width] * (picture[:, :height, :width] - here)
    return torch.where(unit.masks == 0, unit.frames, canvas[None])


def _backdrop(example: Sample) -> Tensor:
    unit = example.vcu
    return asked_paints(unit.prompt)[1].expand(3, unit.num_frames, unit.height, unit.width).clone()


def _place(example: Sample, frame: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of where a thing goes in a frame."""
    unit = example.vcu
    spot = None
    if unit.control is not None:
        spot = figures_of(unit.control[:, :, frame : frame + 1])[0]
    elif bool((unit.masks[:, :, frame] == 0).any()):
        spot = unit.masks[0, 0, frame] > 0
    if spot is None or not spot.any():
        side = round(0.55 * min(unit.height, unit.width))
        left, top = (unit.width - side) // 2, (unit.height - side) // 2
        return left, top, left + side, top + side
    rows, columns = spot.any(1).nonzero()[:, 0], spot.any(0).nonzero()[:, 0]
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


RIVALS: Mapping[str, Callable[[Sample], Tensor]] = {
    "echo": echo,
    "tinted": tinted,
    "filled": filled,
    "disc": disc,
    "cut-out": cut_out,
}
"""Ways that need no model at all, by name."""


def able(name: str, example: Sample) -> bool:
    """Whether a rival of this name has something to work with."""
    unit = example.vcu
    if name == "tinted":
        return unit.control is not None
    if name in ("disc", "cut-out"):
        return bool(unit.references)
    if name == "filled":
        return bool((unit.masks == 0).any())
    return unit.control is not None or bool((unit.masks == 0).any())
