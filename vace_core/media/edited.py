"""An edited film: what was made, and everything else as the source stores it, never converted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ShapeError
from .footage import Footage
from .stored import Planes, pictures_of, planes_of, source_frames, stored_format, write_planes
from .write import CRF, check_video_target

Edited = Iterable[tuple[Tensor, Tensor]]
"""Chunks of what was made: finished frames and where they count, as `write_edited` takes them."""


def write_edited(
    path: str | Path,
    source: Footage,
    edited: Edited,
    *,
    begin: int = 0,
    first: int = 0,
    last: int | None = None,
    crf: int = CRF,
    lossless: bool = False,
    sound: bool = True,
) -> None:
    """Writes a film again with an edit in it, at its own size, rate, bit depth and pixel shape, with its own sound.

    Outside of the edit the levels that the source stores go to the encoder as they are; so without loss they are in
    the result bit for bit, as are edited pixels that are what the source shows. Where chroma is stored for several
    pixels at once, it changes if one of these does, and is made of them all.

    Args:
        path: Ends in .mp4, or .mkv if `lossless`.
        source: The film, which is read again, a frame at a time.
        edited: What was made for its frames from `begin` on, in order: chunks of finished frames, `(1, 3, n, H, W)` in
            -1..1 or `(n, H, W, 3)` uint8, of the size of the film, each with where they count, `(n, H, W)` or
            `(1, 1, n, H, W)`, above 0 = changed.
        begin: The frame of the film that the edit begins at.
        first: The first frame of the film that is written.
        last: The frame after the last; None = to the end.
        crf: Loss of H.264, 0 = least, 51 = most. Unused if `lossless`.
        lossless: FFV1 in the format that the film has, where H.264 has 4:2:0 and at most 10 bits.
        sound: Whether its sound is written, cut to the frames.

    Raises:
        InputError: the film cannot be read, the path cannot be written, or a frame holds NaN or infinity.
        ShapeError: the edit has another size than the film, or reaches beyond it.
    """
    path = Path(path)
    first, last = source.checked(first, last)
    check_video_target(path, lossless=lossless, pixels=(last - first) * source.height * source.width)
    times = source.times[first:last]
    write_planes(
        path,
        source,
        _edited_planes(source, edited, begin, first, last),
        size=(source.height, source.width),
        times=times,
        crf=crf,
        lossless=lossless,
        sound=sound,
        sound_start=float(times[0, 0]),
        timecode=None if first else source.timecode,
    )


def _edited_planes(source: Footage, edited: Edited, begin: int, first: int, last: int) -> Iterator[Planes]:
    name, made = stored_format(source), _made(edited, source)
    for index, (planes, shown) in enumerate(source_frames(source, first, last), first):
        edit = next(made, None) if index >= begin else None
        if edit is not None and edit[1].any():
            planes = _with_edit(planes, name, source, shown()[..., :3], *edit)
        yield planes
    if next(made, None) is not None:
        raise ShapeError(
            "edit-too-long",
            "The edit reaches beyond frame {last} of {path}, the last that is written. It needs as many frames "
            "as there are from {begin} on. Shorten it.",
            last=last,
            path=source.path,
            begin=begin,
        )


def _made(edited: Edited, source: Footage) -> Iterator[tuple[Tensor, Tensor]]:
    """One frame after the other, `(H, W, 3)` uint8 or float32 in 0..1, and `(H, W)` bool: where it counts."""
    for frames, changed in edited:
        changed = changed[0, 0] if changed.ndim == 5 else changed
        count = frames.shape[2] if frames.ndim == 5 else len(frames)
        size = tuple(frames.shape[3:] if frames.ndim == 5 else frames.shape[1:3])
        if size != (source.height, source.width) or tuple(changed.shape) != (count, *size):
            raise ShapeError(
                "edit-size",
                "The edit has {count} frames of {size} and where it counts is {changed_shape}, as (H, W). {path} "
                "is {source}. All of one size are needed. Scale the edit to it.",
                count=count,
                size=tuple(size),
                changed_shape=tuple(changed.shape),
                path=source.path,
                source=(source.height, source.width),
            )
        for index, picture in enumerate(pictures_of(frames, source)):
            yield picture, changed[index].cpu() > 0


def _with_edit(planes: Planes, name: str, source: Footage, shown: Tensor, picture: Tensor, changed: Tensor) -> Planes:
    """The planes with those of the picture where it counts and is not what the source shows.

    `shown` is what the source shows and comes to lie around it, in place: chroma on the edge of the edit is made of
    pixels on both sides.
    """
    if shown.is_floating_point():
        picture = picture if picture.is_floating_point() else picture / 255
        differs = (picture - shown).abs_() > 0.25 / ((1 << source.bits) - 1)  # less is rounding of float32
    else:
        differs = picture != shown
    changed = changed & differs.any(2)
    made = planes_of(torch.where(changed[..., None], picture, shown, out=shown), name, source)
    found: Planes = []
    for plane, new in zip(planes, [*made, *planes[len(made) :]], strict=True):
        rows, columns = -(-changed.shape[0] // plane.shape[0]), -(-changed.shape[1] // plane.shape[1])
        found.append(np.where(_any_of(changed.numpy(), rows, columns), new, plane))
    return found


def _any_of(changed: Any, rows: int, columns: int) -> Any:
    """Whether any of the pixels changed that share a sample."""
    height, width = changed.shape
    whole = np.pad(changed, ((0, -height % rows), (0, -width % columns)))
    return whole.reshape(whole.shape[0] // rows, rows, whole.shape[1] // columns, columns).any((1, 3))
