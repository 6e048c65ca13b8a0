"""Image files: read into bytes or a mask, written whole or not at all."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..checks.room import most_bytes
from ..errors import InputError, ShapeError
from ..files.replacing import reason, replacing
from .files import check_file, check_target, pillow
from .video import MAX_BYTES, Clip, check_memory, read_video, to_uint8

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger("vace")

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of the files that are read as pictures; all others are videos."""

# What Pillow may open. Among its other formats are some that start a program, such as Ghostscript for EPS.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_MOVING = ("PNG", "WEBP", "GIF")  # whose further frames are an animation, not further pages or views
_USUAL_MS = 100  # that a frame lasts where its file says 0, as browsers take it

_MAX_PICTURE = 89_478_485  # pixels; Pillow warns from here on


def read_image(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """An image as `(H, W, 3)` uint8, upright, and its alpha `(H, W)` uint8, None where it is opaque.

    Images of 16 bits are brought to 8. The colours under transparent pixels are kept as they are stored.

    Raises:
        InputError: the file is missing, empty, damaged, no image, an animation, too large, or of an unknown range.
    """
    path = Path(path)
    with _opened(path) as image:
        count = _count(image)
        if count == 1:
            return _picture_bytes(image)
    raise InputError(
        "image-animated",
        "The image {path} is an animation of {count} frames. A single image is needed here. Save the "
        "frame that is meant as a .png.",
        path=path,
        count=count,
    )


def read_animation(path: str | Path) -> Clip | None:
    """An animated PNG, WebP or GIF as a clip; None for an image that does not move.

    Raises:
        InputError: as `read_image` and `read_video`.
    """
    path = Path(path)
    with _opened(path) as image:
        count = _count(image)
        if count == 1:
            return None
        check_memory(path, image.width, image.height, count, most_bytes(MAX_BYTES))
        frames = torch.empty(count, image.height, image.width, 3, dtype=torch.uint8)
        alpha, ends = torch.full(frames.shape[:3], 255, dtype=torch.uint8), torch.zeros(count + 1, dtype=torch.float64)
        first = _pages(image) - count  # an APNG may have a picture in front that is not part of it
        for index in range(count):
            image.seek(first + index)
            frames[index], opacity = _picture_bytes(image)
            if opacity is not None:
                alpha[index] = opacity
            ends[index + 1] = ends[index] + (float(image.info.get("duration", 0)) or _USUAL_MS) / 1000
        kind = image.format
    return Clip(
        frames=frames,
        alpha=None if int(alpha.min()) == 255 else alpha,
        fps=count / float(ends[-1]),
        times=torch.stack([ends[:-1], ends[1:]], dim=1),
        path=path,
        notes=(f"It is an animated {kind}, which is read as a video.",),
    )


def read_mask(path: str | Path) -> Tensor:
    """`(T, H, W)` float32 of 0 and 1: `read_mask_levels`, of which the brighter half is 1 = generate.

    Raises:
        InputError: as `read_mask_levels`.
    """
    return (read_mask_levels(path) > 127).float()


def read_mask_levels(path: str | Path) -> Tensor:
    """`(T, H, W)` uint8 from an image (T = 1), an animation or a video: 255 = generate, 0 = keep, soft between.

    An image of one single colour painted on transparency says with its alpha what it means: painted = generate.
    Where both vary, the brightness decides. Either is logged.

    Raises:
        InputError: as `read_image` and `read_video`.
    """
    path = Path(path)
    still = path.suffix.lower() in PICTURES
    clip = read_animation(path) if still else read_video(path)
    if clip is None:
        picture, opacity = read_image(path)
        pictures, alpha = picture[None], None if opacity is None else opacity[None]
    else:
        pictures, alpha = clip.frames, clip.alpha
        for note in clip.notes:
            logger.info("%s: %s", path, note)
    if alpha is not None:
        painted = pictures[alpha > 127]
        if not painted.numel() or int((painted.amax(0).int() - painted.amin(0).int()).max()) <= 16:
            logger.info("%s: a single colour on transparency, so the painted part is the mask.", path)
            return alpha
        logger.warning("%s: brightness and transparency both vary; the mask is the brightness.", path)
    weights = torch.tensor([0.299, 0.587, 0.114])
    return torch.stack([(picture.float() @ weights).round_().to(torch.uint8) for picture in pictures])


def write_image(path: str | Path, frames: Tensor) -> None:
    """Writes one frame `(1, 3, 1, H, W)` in -1..1 as PNG, whole or not at all.

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
        size = pictures.shape[2], pictures.shape[1]
        image_module.frombytes("RGB", size, pictures[0].numpy().tobytes()).save(part, format="PNG")


@contextmanager
def _opened(path: Path) -> Generator[Image, None, None]:
    """An open image file; whatever its decoder raises becomes an InputError."""
    image_module = pillow()
    check_file(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of very large pictures while it opens them; the check below says it as an error.
            warnings.simplefilter("ignore")
            with image_module.open(path, formats=_FORMATS) as image:
                if image.width * image.height > _MAX_PICTURE:
                    raise image_module.DecompressionBombError
                if image.format == "TIFF" and _pages(image) > 1:
                    logger.warning("%s: it has %d pages; the first is read.", path, _pages(image))
                yield image
    except InputError:
        raise
    except image_module.DecompressionBombError as error:
        raise InputError(
            "image-too-large",
            "The image {path} has more than {limit:,} pixels. Images up to that size are read. Scale it down first.",
            path=path,
            limit=_MAX_PICTURE,
        ) from error
    except Exception as error:  # a damaged picture can fail in any way inside Pillow's decoders
        raise InputError(
            "image-unreadable",
            "The file {path} cannot be read as an image ({error}). A complete PNG, JPEG or WebP file of 8 or "
            "16 bits is needed. Export or download it again.",
            path=path,
            error=reason(error),
        ) from error


def _count(image: Image) -> int:
    """Frames of an animation, 1 for an image."""
    if image.format not in _MOVING:
        return 1
    return max(_pages(image) - bool(getattr(image, "default_image", False)), 1)


def _pages(image: Image) -> int:
    """Images in the file."""
    return getattr(image, "n_frames", 1)


def _picture_bytes(image: Image) -> tuple[Tensor, Tensor | None]:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        levels = torch.frombuffer(bytearray(upright.convert("I").tobytes()), dtype=torch.int32)
        levels = levels.view(upright.height, upright.width)
        if int(levels.max()) > 65535 or int(levels.min()) < 0:
            raise ValueError("its values exceed 16 bits")
        return (levels.double() / 257).round().to(torch.uint8)[..., None].expand(-1, -1, 3).contiguous(), None
    if upright.mode == "F":
        raise ValueError("it holds floating-point values of an unknown range")
    mode = "RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB"
    data = bytearray(upright.convert(mode).tobytes())
    picture = torch.frombuffer(data, dtype=torch.uint8).view(upright.height, upright.width, len(mode))
    alpha = picture[..., 3].contiguous() if mode == "RGBA" else None
    return picture[..., :3].contiguous(), None if alpha is None or int(alpha.min()) == 255 else alpha
