"""What was made of a fitted clip, put back onto the film that it came from: the fit undone, inside the mask alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from ..errors import ShapeError
from ..geometry import Box
from ..media.edited import write_edited
from ..media.footage import FRAME_PIXEL, Footage, frames_in_chunk
from ..media.joined import Frames, taken
from ..media.pictures import write_image
from ..media.video import from_uint8, to_uint8
from ..media.write import write_frames
from .blending import RING, BlendMode, multiband
from .mask_films import Masks, masks_at
from .masks import soften
from .resizing import resize_part


class Original(Protocol):
    """Where the result of a job goes."""

    @property
    def film(self) -> Footage:
        """The film that the result has the format, rate and sound of."""
        ...

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)` of what is written."""
        ...

    @property
    def said(self) -> str:
        """What is written, in a few words."""
        ...

    def finished(self, made: Frames, *, feather: int = 0, blend_mode: BlendMode = "feather") -> Iterator[Tensor]:
        """Chunks of all that is written: `(n, H, W, 3)` uint8, or `(1, 3, n, H, W)` of more than 8 bits."""
        ...

    def write(
        self,
        path: Path,
        made: Frames,
        *,
        feather: int = 0,
        blend_mode: BlendMode = "feather",
        lossless: bool = False,
        sound: bool = True,
    ) -> None:
        """Writes it as a video, every kept pixel as it is stored."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Edit:
    """The part of a film that is edited.

    Attributes:
        film: The original.
        begin: Its frame that the edit begins at.
        count: Frames that are edited.
        masks: `(T, H, W)` uint8 of the film's size, above 127 = generated, or a film of them; T is `count`, or 1 for
            all. None = everywhere.
        boxes: What the model is shown of each frame, or of all; inside of it is all that is generated. None = all.
        cuts: Whether the frames around the edit are left out of the result.
    """

    film: Footage
    begin: int
    count: int
    masks: Masks | None = None
    boxes: tuple[Box, ...] | None = None
    cuts: bool = False

    @property
    def span(self) -> tuple[int, int]:
        """The frames of the film that are written: the first, and the one after the last."""
        return (self.begin, self.begin + self.count) if self.cuts else (0, self.film.count)

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)` of what is written."""
        first, last = self.span
        return last - first, self.film.height, self.film.width

    @property
    def said(self) -> str:
        """What is written, in a few words."""
        where = f"generated in frames {self.begin} to {self.begin + self.count - 1}"
        return "the original with the edit put back" + (f", {where}" if self.shape[0] > 1 else "")

    def seen(self, index: int) -> Box:
        """What the model is shown of a frame of the edit."""
        if self.boxes is None:
            return Box(0, 0, self.film.width, self.film.height)
        return self.boxes[index if len(self.boxes) > 1 else 0]

    def mask(self, begin: int, end: int) -> Tensor:
        """`(n, H, W)` bool, where frames of the edit are generated."""
        if self.masks is None:
            return torch.ones(end - begin, self.film.height, self.film.width, dtype=torch.bool)
        part = masks_at(self.masks, range(begin, end))
        return (part > 127).expand(end - begin, -1, -1)

    def finished(self, made: Frames, *, feather: int = 0, blend_mode: BlendMode = "feather") -> Iterator[Tensor]:
        """Chunks of the film with the edit in it, as `Original` says; arguments as `put_back`.

        Raises:
            InputError: the film cannot be read.
        """
        first, last = self.span
        deep = self.film.bits > 8
        edited = _one_by_one(put_back(made, self, feather=feather, blend_mode=blend_mode), deep=deep)
        for chunk in self.film.chunks(first, last, deep=deep):
            frames = chunk.frames
            for n in range(frames.shape[2] if deep else len(frames)):
                if self.begin <= first + chunk.begin + n < self.begin + self.count:
                    picture, where = next(edited)
                    part = frames[0, :, n] if deep else frames[n]
                    part.copy_(torch.where(where if deep else where[..., None], picture, part))
            yield frames

    def write(
        self,
        path: Path,
        made: Frames,
        *,
        feather: int = 0,
        blend_mode: BlendMode = "feather",
        lossless: bool = False,
        sound: bool = True,
    ) -> None:
        """Writes the film with the edit in it, as `media.edited.write_edited`; arguments as `put_back`.

        Raises:
            InputError: the film cannot be read, or the path cannot be written.
        """
        parts, (first, last) = put_back(made, self, feather=feather, blend_mode=blend_mode), self.span
        write_edited(
            path, self.film, parts, begin=self.begin, first=first, last=last, lossless=lossless, sound=sound
        )  # fmt: skip


def put_back(
    made: Frames, edit: Edit, *, feather: int = 0, blend_mode: BlendMode = "feather"
) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of frames at the size of the film, each with where they count, as `media.edited.write_edited` takes them.

    Args:
        made: `(1, 3, T, h, w)` in −1..1, or a film: all of the picture as the model gives it, at any size, for the
            edited frames.
        edit: Where they belong.
        feather: Pixels of the film over which they fade into it, inside the mask; 0 = a hard edge.
        blend_mode: "multiband" first brings them to the levels that the film has beside the mask.

    Yields:
        `(1, 3, n, H, W)` in −1..1, scaled by Lanczos; and `(n, H, W)` bool.

    Raises:
        InputError: the film cannot be read.
    """
    film = edit.film
    size = frames_in_chunk(film.height * film.width * FRAME_PIXEL)
    banded = blend_mode == "multiband"
    soft = bool(feather) or banded
    source = film.chunks(edit.begin, edit.begin + edit.count, size=size, deep=True) if soft else None
    for begin in range(0, edit.count, size):
        end = min(begin + size, edit.count)
        where = edit.mask(begin, end)
        seen = [edit.seen(index) for index in range(begin, end)]
        frames = _laid_out(taken(made, begin, end), where, seen, rim=RING if banded else 0)
        if source is not None:
            frames = blended(frames, next(source).frames, where, feather=feather, blend_mode=blend_mode, seen=seen)
        yield frames, where


def blended(
    made: Tensor,
    source: Tensor,
    where: Tensor,
    *,
    feather: int,
    blend_mode: BlendMode,
    seen: Sequence[Box] | None = None,
) -> Tensor:
    """`(1, 3, n, H, W)`: what was made as it goes into a clip, of which every pixel outside of the mask is kept.

    Args:
        made: `(1, 3, n, H, W)` in −1..1, with the kept pixels beside the mask as the model has them.
        source: The same: the clip.
        where: `(n, H, W)` bool, where it is generated.
        feather: As `put_back`.
        blend_mode: As `put_back`.
        seen: What the model was shown of each frame; None = all.
    """
    inside = where[None, None]
    if blend_mode == "multiband":
        known = None if seen is None else torch.zeros_like(inside)
        for n, box in enumerate(seen or ()):
            assert known is not None
            known[0, 0, n, box.top : box.bottom, box.left : box.right] = True
        made = multiband(made, source, inside, known=known)
    return torch.lerp(source, made, soften(inside.float(), feather)) if feather else made


def stitch(
    made: Tensor,
    source: Tensor,
    where: Tensor,
    boxes: Sequence[Box],
    *,
    feather: int = 0,
    blend_mode: BlendMode = "feather",
) -> Tensor:
    """`(1, 3, T, H, W)`: a clip with what was made of the boxes in it, every pixel outside of the mask as it came.

    Args:
        made: `(1, 3, T, h, w)` in −1..1, what was made of the boxes, at any size.
        source: `(1, 3, T, H, W)` in −1..1, the clip.
        where: `(T, H, W)` bool, or one for all: where it is generated.
        boxes: One for each frame, or one for all.
        feather: As `put_back`.
        blend_mode: As `put_back`.

    Raises:
        ShapeError: `made` has another length than the clip.
    """
    count = source.shape[2]
    if made.shape[2] != count:
        raise ShapeError(
            "stitch-length",
            "{frames} frames came to be put back into a clip of {count}. As many are needed. Edit all frames of the "
            "crop: a task whose fit keeps all frames drops none.",
            frames=made.shape[2],
            count=count,
        )
    result = source.clone()
    for n in range(count):
        mask = where[n if len(where) > 1 else 0][None]
        seen = [boxes[n if len(boxes) > 1 else 0]]
        frame = _laid_out(made[:, :, n : n + 1], mask, seen, rim=RING if blend_mode == "multiband" else 0)
        kept = source[:, :, n : n + 1]
        frame = blended(frame, kept, mask, feather=feather, blend_mode=blend_mode, seen=seen)
        result[:, :, n] = torch.where(mask, frame[:, :, 0], source[:, :, n])
    return result


def write_put_back(
    path: Path,
    made: Frames,
    edit: Original,
    *,
    feather: int = 0,
    blend_mode: BlendMode = "feather",
    lossless: bool = False,
    sound: bool = True,
) -> None:
    """Writes the film with what was made in it, of a kind that the name says.

    Args:
        path: Ends in .mp4, .mkv if `lossless`, .png for one picture; or names a folder or pattern of numbered pictures.
        made: As `put_back`, as is `feather`.
        edit: Where it goes.
        feather: As `put_back`, as is `blend_mode`.
        blend_mode: As `put_back`.
        lossless: As `write_edited`.
        sound: As `write_edited`.

    Raises:
        InputError: the film cannot be read, or the path cannot be written.
        ShapeError: a .png of several frames.
    """
    bits = 16 if edit.film.bits > 8 else 8
    if is_series(path):
        write_frames(path, edit.finished(made, feather=feather, blend_mode=blend_mode), bits=bits)
    elif path.suffix.lower() == ".png":
        chunks = list(edit.finished(made, feather=feather, blend_mode=blend_mode))
        frames = torch.cat([one if one.ndim == 5 else from_uint8(one) for one in chunks], dim=2)
        write_image(path, frames, bits=bits)
    else:
        edit.write(path, made, feather=feather, blend_mode=blend_mode, lossless=lossless, sound=sound)


def is_series(path: Path) -> bool:
    """Whether a result's name means numbered pictures: a folder, or a pattern for their names."""
    return "%" in path.name or not path.suffix


def _one_by_one(chunks: Iterator[tuple[Tensor, Tensor]], *, deep: bool) -> Iterator[tuple[Tensor, Tensor]]:
    for frames, where in chunks:
        pictures = frames[0].unbind(1) if deep else to_uint8(frames).unbind(0)
        yield from zip(pictures, where, strict=True)


def _laid_out(made: Tensor, where: Tensor, seen: Sequence[Box], *, rim: int = 0) -> Tensor:
    """`(1, 3, n, H, W)`: frames `(1, 3, n, h, w)` of what lies in `seen`, where they are shown; 0 elsewhere.

    With `rim`, so many pixels around that as well, as far as `seen` goes.
    """
    frames = torch.zeros(1, 3, *where.shape)
    for n, inside in enumerate(seen):
        if (found := box_of(where[n])) is not None:
            box = found
            if rim:
                around = found.grown(rim, *where.shape[1:])
                box = Box(
                    max(around.left, inside.left),
                    max(around.top, inside.top),
                    min(around.right, inside.right),
                    min(around.bottom, inside.bottom),
                )
            part = (0, slice(None), n, slice(box.top, box.bottom), slice(box.left, box.right))
            frames[part] = _scaled(made[0, :, n], box, inside)
    return frames


def box_of(where: Tensor) -> Box | None:
    """The smallest box that holds all that is generated in `(H, W)`; None if that is nothing."""
    rows, columns = where.any(1).nonzero(), where.any(0).nonzero()
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _scaled(picture: Tensor, part: Box, seen: Box) -> Tensor:
    """Of a picture `(3, h, w)` of what lies inside `seen`, the `part` `(3, H, W)`, as if all of it were scaled."""
    rows, columns = picture.shape[1] / seen.height, picture.shape[2] / seen.width
    left, top = part.left - seen.left, part.top - seen.top
    box = (left * columns, top * rows, (left + part.width) * columns, (top + part.height) * rows)
    return resize_part(picture, box, (part.height, part.width))
