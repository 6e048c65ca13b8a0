"""A contact sheet of an evaluation: one example of each task, asked for, true, made, and made without the adapter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from ...media.video import to_uint8
from ...pipeline import SamplingOptions, VaceModel
from ..scenes.samples import Sample
from .sampling import make

_SIDE, _GAP, _LABEL, _HEAD = 96, 4, 150, 28
_COLUMNS = ("condition", "truth", "adapter on", "adapter off")
_PAPER, _INK = (34, 36, 40), (235, 235, 235)


def sheet_of(model: VaceModel, chosen: Mapping[str, Sample], options: SamplingOptions) -> Image.Image:
    """A row for each example: its references, then first, middle and last frame of what is asked for, true and made.

    Args:
        model: With an adapter attached.
        chosen: An example by what its row is called.
        options: How to sample; the strength is set here.
    """
    group = 3 * (_SIDE + _GAP) + 3 * _GAP
    pictures = _LABEL + 2 * (_SIDE // 2 + _GAP)
    sheet = Image.new("RGB", (pictures + 4 * group, _HEAD + len(chosen) * (_SIDE + _GAP)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for number, title in enumerate(_COLUMNS):
        draw.text((pictures + number * group, 6), title, _INK, font)
    for row, (task, example) in enumerate(chosen.items()):
        top = _HEAD + row * (_SIDE + _GAP)
        draw.text((_GAP, top + _SIDE // 2 - 8), task, _INK, font)
        for number, picture in enumerate(example.vcu.references):
            sheet.paste(_pictures(picture, [0], _SIDE // 2)[0], (_LABEL + number * (_SIDE // 2 + _GAP), top))
        for number, frames in enumerate(_clips(model, example, options)):
            for at, image in enumerate(_pictures(frames, [0, frames.shape[2] // 2, -1], _SIDE)):
                sheet.paste(image, (pictures + number * group + at * (_SIDE + _GAP), top))
    return sheet


def _clips(model: VaceModel, example: Sample, options: SamplingOptions) -> list[Tensor]:
    """One clip for each column."""
    made = [make(model, [example.vcu], replace(options, strength=strength)).finished for strength in (1.0, 0.0)]
    return [example.vcu.frames, example.clip.frames, *made]


def _pictures(frames: Tensor, at: Sequence[int], side: int) -> list[Image.Image]:
    chosen = functional.interpolate(frames[0, :, list(at)].transpose(0, 1), size=(side, side), mode="nearest")
    pictures = to_uint8(chosen.transpose(0, 1)[None])
    return [Image.fromarray(picture.numpy()) for picture in torch.unbind(pictures)]
