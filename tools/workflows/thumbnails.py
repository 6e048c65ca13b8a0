"""Draws the thumbnails that ComfyUI shows for the workflows: what went in at the left, what came out at the right.

`python -m tests.workflows.picture_runs` draws them from the videos of real runs.
"""

from __future__ import annotations

from typing import Any

from PIL import Image
from torch import Tensor
from torch.nn import functional

from .shipped import WORKFLOWS

SIDE, GAP = 192, 5
PAPER = (34, 36, 40)
QUALITY = 84


def write(title: str, unit: Any, film: Tensor, start: int) -> None:
    """The thumbnail of a workflow, beside its file."""
    thumbnail(unit, film, start).save(WORKFLOWS / f"{title}.jpg", quality=QUALITY, optimize=True)


def thumbnail(unit: Any, film: Tensor, start: int) -> Image.Image:
    """Up to two images of what went in at the left, above each other, and what came out in the other places.

    Args:
        unit: The VideoConditionUnit that was asked for.
        film: `(1, 3, T, H, W)`, -1..1: what came out.
        start: The first frame of the film that the VCU is about.
    """
    came_in = _inputs(unit)
    places = [(column, row) for column in range(2) for row in range(2)]
    if len(came_in) < 2:  # in the order of reading
        places = [(column, row) for row in range(2) for column in range(2)]
    came_out = [film[:, :, at] for at in _shown_at(unit, 4 - len(came_in), start)]
    sheet = Image.new("RGB", (2 * SIDE + 3 * GAP, 2 * SIDE + 3 * GAP), PAPER)
    for (column, row), picture in zip(places, [*came_in, *came_out], strict=True):
        sheet.paste(_picture(picture), (GAP + column * (SIDE + GAP), GAP + row * (SIDE + GAP)))
    return sheet


def _made(unit: Any) -> list[int]:
    """The frames of the VCU in which everything is generated."""
    return unit.masks[0, 0].flatten(1).all(1).nonzero().flatten().tolist()


def _shown_at(unit: Any, count: int, start: int = 0) -> list[int]:
    """The frames of the film that show what came out."""
    last, made = unit.num_frames - 1, _made(unit)
    if count > 2:
        return [round(last * n / (count - 1)) for n in range(count)]
    at = (round(last * 0.25), round(last * 0.75))
    if unit.source is not None and made:
        at = (made[len(made) // 3], made[-1 - len(made) // 6])
    return [start + one for one in at]


def _inputs(unit: Any) -> list[Tensor]:
    """Images `(1, 3, H, W)` of what went in: the video, what the model sees of it, reference images; at most two."""
    pictures = [one[:, :, 0] for one in unit.references][:2]
    if unit.source is None:
        shown = [] if unit.control is None else [unit.control[:, :, at] for at in _shown_at(unit, 2)]
    else:
        last = unit.num_frames - 1
        given = sorted(set(range(last + 1)) - set(_made(unit)))
        if len(given) > last:  # a part of every frame is made: the video, and the place that is empty in it
            shown = [unit.source[:, :, round(last * 0.25)], unit.frames[:, :, round(last * 0.75)]]
        else:
            shown = [unit.frames[:, :, 0], unit.frames[:, :, last if unit.control is not None else given[-1]]]
    return [*shown[: 2 - len(pictures[:1])], *pictures][:2]


def _picture(frame: Tensor) -> Image.Image:
    """A frame `(1, 3, H, W)` as large as its place; what is not square is centred."""
    scale = SIDE / max(frame.shape[2:])
    large = functional.interpolate(frame, scale_factor=scale, mode="nearest")
    data = large[0].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    page, picture = Image.new("RGB", (SIDE, SIDE), PAPER), Image.fromarray(data)
    page.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return page
