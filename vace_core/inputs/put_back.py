"""What was made of a fitted clip, put back onto the film that it came from: the fit undone, inside the mask alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..errors import ShapeError
from ..geometry import Box
from ..media.edited import write_edited
from ..media.files import pillow
from ..media.footage import CHUNK_BYTES, Footage
from ..media.pictures import write_image
from ..media.video import from_uint8, to_uint8
from ..media.write import write_frames
from .masks import soften

_MOST = 16  # frames of a chunk


@dataclass(frozen=True, kw_only=True, eq=False)
class Edit:
    """The part of a film that is edited.

    Attributes:
        film: The original.
        begin: Its frame that the edit begins at.
        count: Frames that are edited.
        masks: `(T, H, W)` uint8 of the film's size, above 127 = generated; T is `count`, or 1 for all. None =
            everywhere.
        boxes: What the model is shown of each frame, or of all; inside of it is all that is generated. None = all.
        cuts: Whether the frames around the edit are left out of the result.
    """

    film: Footage
    begin: int
    count: int
    masks: Tensor | None = None
    boxes: tuple[Box, ...] | None = None
    cuts: bool = False

    @property
    def span(self) -> tuple[int, int]:
        """The frames of the film that are written: the first, and the one after the last."""
        return (self.begin, self.begin + self.count) if self.cuts else (0, self.film.count)

    def seen(self, index: int) -> Box:
        """What the model is shown of a frame of the edit."""
        if self.boxes is None:
            return Box(0, 0, self.film.width, self.film.height)
        return self.boxes[index if len(self.boxes) > 1 else 0]

    def mask(self, begin: int, end: int) -> Tensor:
        """`(n, H, W)` bool, where frames of the edit are generated."""
        if self.masks is None:
            return torch.ones(end - begin, self.film.height, self.film.width, dtype=torch.bool)
        part = self.masks if len(self.masks) == 1 else self.masks[begin:end]
        return (part > 127).expand(end - begin, -1, -1)


def put_back(made: Tensor, edit: Edit, *, feather: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of frames at the size of the film, each with where they count, as `media.edited.write_edited` takes them.

    Args:
        made: `(1, 3, T, h, w)` in −1..1: all of the picture as the model gives it, at any size, for the edited frames.
        edit: Where they belong.
        feather: Pixels of the film over which they fade into it, inside the mask; 0 = a hard edge.

    Yields:
        `(1, 3, n, H, W)` in −1..1, scaled by Lanczos; and `(n, H, W)` bool.

    Raises:
        InputError: the film cannot be read.
    """
    film = edit.film
    size = max(1, min(_MOST, CHUNK_BYTES // (film.height * film.width * 12)))
    source = film.chunks(edit.begin, edit.begin + edit.count, size=size, deep=True) if feather else None
    for begin in range(0, edit.count, size):
        end = min(begin + size, edit.count)
        where = edit.mask(begin, end)
        frames = _laid_out(made[:, :, begin:end], where, [edit.seen(index) for index in range(begin, end)])
        if source is not None:
            frames = torch.lerp(next(source).frames, frames, soften(where[None, None].float(), feather))
        yield frames, where


def stitch(made: Tensor, source: Tensor, where: Tensor, boxes: Sequence[Box], *, feather: int = 0) -> Tensor:
    """`(1, 3, T, H, W)`: a clip with what was made of the boxes in it, every pixel outside of the mask as it came.

    Args:
        made: `(1, 3, T, h, w)` in −1..1, what was made of the boxes, at any size.
        source: `(1, 3, T, H, W)` in −1..1, the clip.
        where: `(T, H, W)` bool, or one for all: where it is generated.
        boxes: One for each frame, or one for all.
        feather: As `put_back`.

    Raises:
        ShapeError: `made` has another length than the clip.
    """
    count = source.shape[2]
    if made.shape[2] != count:
        raise ShapeError(
            "stitch-length",
            "{frames} frames came to be put back into a clip of {count}. As many are needed. Edit all frames of the "
            "crop.",
            frames=made.shape[2],
            count=count,
        )
    result = source.clone()
    for n in range(count):
        one, mask = slice(n, n + 1), where[n if len(where) > 1 else 0][None]
        frame = _laid_out(made[:, :, one], mask, [boxes[n if len(boxes) > 1 else 0]])
        if feather:
            frame = torch.lerp(source[:, :, one], frame, soften(mask[None, None].float(), feather))
        result[:, :, one] = torch.where(mask, frame, source[:, :, one])
    return result


def finished(made: Tensor, edit: Edit, *, feather: int = 0) -> Iterator[Tensor]:
    """Chunks of the whole film with the edit in it: `(n, H, W, 3)` uint8, or `(1, 3, n, H, W)` of more than 8 bits.

    Args:
        made: As `put_back`, as are all others.

    Raises:
        InputError: the film cannot be read.
    """
    first, last = edit.span
    deep = edit.film.bits > 8
    edited = _one_by_one(put_back(made, edit, feather=feather), deep=deep)
    for chunk in edit.film.chunks(first, last, deep=deep):
        frames = chunk.frames
        for n in range(frames.shape[2] if deep else len(frames)):
            if edit.begin <= first + chunk.begin + n < edit.begin + edit.count:
                picture, where = next(edited)
                part = frames[0, :, n] if deep else frames[n]
                part.copy_(torch.where(where if deep else where[..., None], picture, part))
        yield frames


def write_put_back(
    path: Path, made: Tensor, edit: Edit, *, feather: int = 0, lossless: bool = False, sound: bool = True
) -> None:
    """Writes the film with the edit in it, of a kind that the name says.

    Args:
        path: Ends in .mp4, .mkv if `lossless`, .png for one picture; or names a folder or pattern of numbered pictures.
        made: As `put_back`, as is `feather`.
        edit: As `put_back`.
        feather: As `put_back`.
        lossless: As `write_edited`.
        sound: As `write_edited`.

    Raises:
        InputError: the film cannot be read, or the path cannot be written.
        ShapeError: a .png of several frames.
    """
    if is_series(path):
        write_frames(path, finished(made, edit, feather=feather), bits=16 if edit.film.bits > 8 else 8)
    elif path.suffix.lower() == ".png":
        chunks = list(finished(made, edit, feather=feather))
        write_image(path, torch.cat([one if one.ndim == 5 else from_uint8(one) for one in chunks], dim=2))
    else:
        parts, (first, last) = put_back(made, edit, feather=feather), edit.span
        write_edited(
            path, edit.film, parts, begin=edit.begin, first=first, last=last, lossless=lossless, sound=sound
        )  # fmt: skip


def is_series(path: Path) -> bool:
    """Whether a result's name means numbered pictures: a folder, or a pattern for their names."""
    return "%" in path.name or not path.suffix


def _one_by_one(chunks: Iterator[tuple[Tensor, Tensor]], *, deep: bool) -> Iterator[tuple[Tensor, Tensor]]:
    for frames, where in chunks:
        pictures = frames[0].unbind(1) if deep else to_uint8(frames).unbind(0)
        yield from zip(pictures, where, strict=True)


def _laid_out(made: Tensor, where: Tensor, seen: Sequence[Box]) -> Tensor:
    """`(1, 3, n, H, W)`: frames `(1, 3, n, h, w)` of what lies in `seen`, where they are shown; 0 elsewhere."""
    frames = torch.zeros(1, 3, *where.shape)
    for n, inside in enumerate(seen):
        if (box := _box_of(where[n])) is not None:
            part = (0, slice(None), n, slice(box.top, box.bottom), slice(box.left, box.right))
            frames[part] = _scaled(made[0, :, n], box, inside)
    return frames


def _box_of(where: Tensor) -> Box | None:
    """The smallest box that holds all that is generated in `(H, W)`; None if that is nothing."""
    rows, columns = where.any(1).nonzero(), where.any(0).nonzero()
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _scaled(picture: Tensor, part: Box, seen: Box) -> Tensor:
    """Of a picture `(3, h, w)` of what lies inside `seen`, the `part` `(3, H, W)`, as if all of it were scaled."""
    height, width = picture.shape[1:]
    left, top = part.left - seen.left, part.top - seen.top
    if (height, width) == (seen.height, seen.width):
        return picture[:, top : top + part.height, left : left + part.width].cpu()
    image, rows, columns = pillow(), height / seen.height, width / seen.width
    box = (left * columns, top * rows, (left + part.width) * columns, (top + part.height) * rows)
    scaled = torch.empty(3, part.height, part.width)
    for channel, plane in enumerate(picture.detach().cpu().float().numpy()):
        whole = image.fromarray(np.ascontiguousarray(plane))
        lanczos = whole.resize((part.width, part.height), image.Resampling.LANCZOS, box=box)
        scaled[channel] = torch.from_numpy(np.array(lanczos))
    return scaled.clamp_(-1, 1)
