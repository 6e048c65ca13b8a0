"""The contact sheet of a shot: what was found in it and what a training can make of it, for a human to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from ...errors import InputError
from ...files.replacing import replacing
from ...inputs.controls import flow, gray, scribble
from ...inputs.layout import draw_track
from ...media.video import from_uint8, to_uint8

COLUMNS, SIDE = 6, 200  # pictures of a row, pixels of a picture's longer side
EDGE, GAP, LABEL, LINE = 12, 6, 96, 18  # pixels
PAPER, INK, FAINT = (34, 36, 40), (235, 235, 235), (160, 163, 168)
COLOURS = ((255, 92, 92), (92, 160, 255), (120, 220, 120), (255, 200, 60), (220, 120, 255), (90, 220, 220))


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What a sheet shows.

    Attributes:
        title: What the shot is called, and what became of it.
        lines: What else is said of it.
        frames: `(T, H, W, 3)` uint8.
        masks: `(N, T, H, W)` bool, its objects.
        labels: Of the objects.
        references: Pictures `(1, 3, 1, h, w)` in -1..1.
        controls: Further rows, `(T, H, W, 3)` uint8 by name.
        derived: Whether to show the controls that a training computes from the frames.
    """

    title: str
    lines: Sequence[str]
    frames: Tensor
    masks: Tensor | None = None
    labels: Sequence[str] = ()
    references: Sequence[Tensor] = ()
    controls: Sequence[tuple[str, Tensor]] = ()
    derived: bool = True


def write_sheet(path: Path, seen: Seen) -> None:
    """Draws a sheet into a .jpg, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    image = draw_sheet(seen)
    with replacing(path) as part:
        image.save(part, format="JPEG", quality=88)


def draw_sheet(seen: Seen) -> Image.Image:
    """A sheet as one picture."""
    places = sorted({round(place * (len(seen.frames) - 1) / (COLUMNS - 1)) for place in range(COLUMNS)})
    rows = [(name, [Image.fromarray(one) for one in pictures]) for name, pictures in _rows(seen, places)]
    if seen.references:
        rows.append(("references", [_reference(picture) for picture in seen.references]))
    widest = max(sum(one.width + GAP for one in pictures) for _, pictures in rows)
    width = max(2 * EDGE + LABEL + widest, 700)
    words = [line for said in seen.lines for line in _wrapped(said, (width - 2 * EDGE) // 7)]
    top = 2 * EDGE + 24 + LINE * len(words)
    height = top + sum(max(one.height for one in pictures) + GAP for _, pictures in rows) + EDGE
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((EDGE, EDGE), _plain(seen.title), INK, ImageFont.load_default(18))
    for number, line in enumerate(words):
        draw.text((EDGE, EDGE + 28 + LINE * number), line, FAINT, ImageFont.load_default(13))
    for name, pictures in rows:
        draw.text((EDGE, top + 4), name, FAINT, ImageFont.load_default(13))
        left = EDGE + LABEL
        for one in pictures:
            sheet.paste(one, (left, top))
            left += one.width + GAP
        top += max(one.height for one in pictures) + GAP
    return sheet


def _rows(seen: Seen, places: list[int]) -> list[tuple[str, np.ndarray]]:
    some = _small(seen.frames[places])
    rows: list[tuple[str, Tensor]] = [("frames", some)]
    masks = None if seen.masks is None or not len(seen.masks) else _small_masks(seen.masks[:, places], some)
    if masks is not None:
        rows.append(("objects", _tinted(some, masks)))
    rows += [(name, _small(control[places])) for name, control in seen.controls]
    if seen.derived:
        frames = from_uint8(some)
        rows += [("gray", to_uint8(gray(frames))), ("scribble", to_uint8(scribble(frames)))]
        moved = _flow(seen.frames, places)
        rows += [] if moved is None else [("flow", moved)]
        if masks is not None:
            drawn = [draw_track(mask[None, None].float()) for mask in masks]
            rows.append(("layout", to_uint8(torch.stack(drawn).amin(0))))
    times = max(SIDE // max(some.shape[1:3]), 1)  # tiny clips are enlarged to be seen, and measured as they are
    named = [(name, _repeated(pictures, times).numpy()) for name, pictures in rows]
    for number, label in enumerate(seen.labels):
        if label and masks is not None:
            mask = _repeated(masks[number][..., None], times)[..., 0]
            named[1] = (named[1][0], _labelled(named[1][1], mask, label, number))
    return named


def _repeated(pictures: Tensor, times: int) -> Tensor:
    return pictures.repeat_interleave(times, 1).repeat_interleave(times, 2)


def _flow(frames: Tensor, places: list[int]) -> Tensor | None:
    """From each place to the next frame, not to the next place; None where it cannot be measured."""
    if len(frames) < 2:
        return None
    drawn: list[Tensor] = []
    try:
        for place in places:
            first = min(place, len(frames) - 2)
            drawn.append(to_uint8(flow(from_uint8(_small(frames[first : first + 2])))[:, :, 1:]))
    except InputError:  # frames too small
        return None
    return torch.cat(drawn)


def _small(frames: Tensor) -> Tensor:
    height, width = frames.shape[1:3]
    scale = SIDE / max(height, width)
    if scale >= 1:
        return frames
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    small = functional.interpolate(frames.permute(0, 3, 1, 2).float(), size=size, mode="area")
    return small.round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def _small_masks(masks: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(masks.float(), size=tuple(like.shape[1:3]), mode="nearest") > 0.5


def _tinted(frames: Tensor, masks: Tensor) -> Tensor:
    shown = frames.float() * 0.55
    for number, mask in enumerate(masks):
        colour = torch.tensor(COLOURS[number % len(COLOURS)]).float()
        edge = (functional.max_pool2d(mask[:, None].float(), 3, 1, 1)[:, 0] > 0) & ~mask
        shown = torch.where(mask[..., None], frames.float() * 0.7 + colour * 0.3, shown)
        shown = torch.where(edge[..., None], colour, shown)
    return shown.round().clamp(0, 255).to(torch.uint8)


def _labelled(pictures: np.ndarray, mask: Tensor, label: str, number: int) -> np.ndarray:
    """The name of an object in the first picture in which it is seen."""
    seen = mask.flatten(1).any(1).nonzero().flatten().tolist()
    if not seen:
        return pictures
    rows, columns = mask[seen[0]].nonzero().unbind(1)
    image = Image.fromarray(pictures[seen[0]])
    place = int(columns.min()), max(int(rows.min()) - 14, 0)
    ImageDraw.Draw(image).text(place, _plain(label)[:24], COLOURS[number % len(COLOURS)], ImageFont.load_default(12))
    pictures = pictures.copy()
    pictures[seen[0]] = np.asarray(image)
    return pictures


def _reference(picture: Tensor) -> Image.Image:
    image = Image.fromarray(to_uint8(picture)[0].numpy())
    image.thumbnail((SIDE, SIDE))
    return image


def _plain(text: str) -> str:
    """What the font of the sheet can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _wrapped(text: str, letters: int, most: int = 4) -> list[str]:
    """At most `most` lines; what does not fit ends in dots."""
    words, lines = _plain(text).split(), [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > letters:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word[:letters]}".strip()
    return lines if len(lines) <= most else [*lines[: most - 1], lines[most - 1][: letters - 4] + " ..."]
