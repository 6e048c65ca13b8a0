"""Pictures and masks: read into bytes or numbers of 0 and 1, from files of any kind, written whole or not at all."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from ..checks.room import check_room
from ..errors import InputError, ShapeError
from ..files.replacing import replacing
from .files import check_target, pillow
from .footage import Footage
from .ranges import frame_at, named_frame
from .sources import open_footage
from .stills import PICTURES, Animation, frame_count, opened, picture_of
from .video import Clip, read_clip, to_uint8
from .write import pngs_of

__all__ = [
    "PICTURES",
    "MaskChannel",
    "mask_of",
    "read_animation",
    "read_image",
    "read_mask",
    "read_mask_levels",
    "write_image",
]

logger = logging.getLogger("vace")

MaskChannel = Literal["auto", "luma", "alpha"]
"""What of a file is its mask: its brightness, its alpha, or whichever of them its pictures mean."""

_ONE_COLOUR = 16  # levels that painted pixels of one colour may differ by, after a lossy codec


def read_image(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """An image as `(H, W, 3)` uint8, upright, and its alpha `(H, W)` uint8, None where it is opaque.

    "clip.mp4@3.2s" is the frame of a video on show at a time, in the forms of `ranges.frame_range`. Pictures of 16
    bits are brought to 8. The colours under transparent pixels are kept as they are stored.

    Raises:
        InputError: the file is missing, empty, damaged, no image, an animation, too large, or of an unknown range.
    """
    path, when = named_frame(path)
    if when is not None:
        film = open_footage(path)
        picture, alpha = film.frame(frame_at(film, when))
        return picture, None if alpha is None or int(alpha.min()) == 255 else alpha
    try:
        with opened(path) as image:
            count = frame_count(image)
            if count == 1:
                picture = picture_of(image)
                return picture[..., :3].contiguous(), picture[..., 3].contiguous() if picture.shape[2] == 4 else None
    except InputError as error:
        if error.code == "image-unreadable" and _is_film(path):
            raise InputError(
                "image-is-film",
                "{path} is a video. A single image is needed here. Name one of its frames, as {path}@3.2s.",
                path=path,
            ) from None
        raise
    raise InputError(
        "image-animated",
        "The image {path} is an animation of {count} frames. A single image is needed here. Name one of its frames, as "
        "{path}@0.3s.",
        path=path,
        count=count,
    )


def _is_film(path: Path) -> bool:
    try:
        return path.suffix.lower() not in PICTURES and open_footage(path).count > 0
    except InputError:
        return False


def read_animation(path: str | Path) -> Clip | None:
    """An animated PNG, WebP or GIF as a clip; None for an image that does not move.

    Raises:
        InputError: as `read_image` and `read_video`.
    """
    path = Path(path)
    with opened(path) as image:
        still = frame_count(image) == 1
    return None if still else read_clip(Animation(path))


def read_mask(path: str | Path, *, channel: MaskChannel = "auto", begin: int = 0, end: int | None = None) -> Tensor:
    """`(T, H, W)` float32 of 0 and 1: `read_mask_levels`, of which the brighter half is 1 = generate.

    Args:
        path: As `read_mask_levels`, as are all others.

    Raises:
        InputError: as `read_mask_levels`.
    """
    return (read_mask_levels(path, channel=channel, begin=begin, end=end) > 127).float()


def read_mask_levels(
    path: str | Path, *, channel: MaskChannel = "auto", begin: int = 0, end: int | None = None
) -> Tensor:
    """`(T, H, W)` uint8 from an image (T = 1), a video or numbered images: 255 = generate, 0 = keep, soft between.

    Args:
        path: As `open_footage`.
        channel: Where the mask is: in the brightness ("luma") or the transparency ("alpha"). "auto": a single colour
            painted on transparency says with its alpha what it means; where both vary, the brightness decides, and
            either is logged.
        begin: The first frame that is read.
        end: The frame after the last; None = to the end.

    Raises:
        InputError: as `read_image` and `read_video`, or the file has no alpha and that is asked for.
    """
    film = open_footage(path)
    if film.count > 1:
        for note in film.notes:
            logger.info("%s: %s", path, note)
    return mask_of(film, channel=channel, begin=begin, end=end)


def mask_of(film: Footage, *, channel: MaskChannel = "auto", begin: int = 0, end: int | None = None) -> Tensor:
    """The levels of the mask of an open film, as `read_mask_levels`."""
    begin, end = film.checked(begin, end)
    if channel == "alpha" and not film.alpha:
        raise InputError(
            "mask-without-alpha",
            "{path} has no transparency, and its alpha is to be the mask. A file with alpha is needed, such as "
            'PNG, WebM or ProRes 4444. Choose another, or take its brightness ("luma").',
            path=film.path,
        )
    size = end - begin, film.height, film.width
    check_room(6 * size[0] * size[1] * size[2], f"The mask {film.path}", height=film.height, width=film.width)
    bright = torch.empty(size, dtype=torch.uint8)
    opaque: Tensor | None = None
    seen: list[Tensor] = []
    for chunk in film.chunks(begin, end):
        place = slice(chunk.begin, chunk.begin + len(chunk.frames))
        for index, picture in enumerate(chunk.frames):
            bright[chunk.begin + index] = brightness(picture)
        if chunk.alpha is None or (int(chunk.alpha.min()) == 255 and opaque is None):
            painted = chunk.frames.flatten(0, 2)
        else:
            opaque = torch.full(size, 255, dtype=torch.uint8) if opaque is None else opaque
            opaque[place] = chunk.alpha
            painted = chunk.frames[chunk.alpha > 127]
        if painted.numel():
            seen += [painted.amin(0).int(), painted.amax(0).int()]
    if channel == "auto" and opaque is not None:
        if not seen or int((torch.stack(seen).amax(0) - torch.stack(seen).amin(0)).max()) <= _ONE_COLOUR:
            logger.info("%s: a single colour on transparency, so the painted part is the mask.", film.path)
            return opaque
        logger.warning("%s: brightness and transparency both vary; the mask is the brightness.", film.path)
    if channel == "alpha":
        return torch.full(size, 255, dtype=torch.uint8) if opaque is None else opaque
    return bright


def brightness(picture: Tensor) -> Tensor:
    """`(H, W)` uint8 of a picture `(H, W, 3)` uint8."""
    return (picture.float() @ torch.tensor([0.299, 0.587, 0.114])).round_().to(torch.uint8)


def write_image(path: str | Path, frames: Tensor, *, bits: int = 8) -> None:
    """Writes one frame `(1, 3, 1, H, W)` in -1..1 as PNG of 8 or 16 bits, whole or not at all.

    Raises:
        InputError: the path cannot be used, the frame holds NaN or infinity, or writing fails.
        ShapeError: not exactly one frame.
    """
    path, image_module = Path(path), pillow()
    check_target(path, ".png")
    pictures = to_uint8(frames)
    if len(pictures) != 1:
        raise ShapeError(
            "image-several-frames",
            "There are {frames} frames. An image holds one. Choose one frame, or write a video.",
            frames=len(pictures),
        )
    with replacing(path, OSError) as part:
        if bits == 16:
            part.write_bytes(next(pngs_of(frames, bits)))
            return
        size = pictures.shape[2], pictures.shape[1]
        image_module.frombytes("RGB", size, pictures[0].numpy().tobytes()).save(part, format="PNG")
