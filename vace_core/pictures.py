"""Picture files: read into bytes or a mask, written whole or not at all."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .errors import InputError, ShapeError
from .media_files import check_file, check_target, pillow, reason, replacing
from .video import read_video, to_uint8

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger("vace")

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
"""Endings of the files that are read as pictures; all others are videos."""

_MAX_PICTURE = 89_478_485  # pixels; Pillow warns from here on


def read_image(path: str | Path) -> tuple[Tensor, Tensor | None]:
    """A picture as `(H, W, 3)` uint8, upright, and its alpha `(H, W)` uint8, None where it is opaque.

    Pictures of 16 bits are brought to 8. The colours under transparent pixels are kept as they are stored.

    Raises:
        InputError: the file is missing, empty, damaged, no picture, too large, or of an unknown range.
    """
    path, image_module = Path(path), pillow()
    check_file(path)
    try:
        with warnings.catch_warnings():
            # Pillow warns of very large pictures while it opens them; the check below says it as an error.
            warnings.simplefilter("ignore")
            with image_module.open(path) as image:
                if image.width * image.height > _MAX_PICTURE:
                    raise image_module.DecompressionBombError
                return _picture_bytes(image)
    except image_module.DecompressionBombError as error:
        raise InputError(
            f"The picture {path} has more than {_MAX_PICTURE:,} pixels. Pictures up to that size are read. "
            "Scale it down first."
        ) from error
    except Exception as error:  # a damaged picture can fail in any way inside Pillow's decoders
        raise InputError(
            f"The file {path} cannot be read as a picture ({reason(error)}). A complete PNG, JPEG or WebP file of "
            "8 or 16 bits is needed. Export or download it again."
        ) from error


def read_mask(path: str | Path) -> Tensor:
    """`(T, H, W)` float32 of 0 and 1 from a picture (T = 1) or a video: 1 = generate where it is brighter than half.

    A picture of one single colour painted on transparency says with its alpha what it means: painted = generate.
    Where both vary, the brightness decides. Either is logged.

    Raises:
        InputError: as `read_image` and `read_video`.
    """
    path = Path(path)
    if path.suffix.lower() in PICTURES:
        picture, opacity = read_image(path)
        pictures, alpha = picture[None], None if opacity is None else opacity[None]
    else:
        clip = read_video(path)
        pictures, alpha = clip.frames, clip.alpha
        for note in clip.notes:
            logger.info("%s: %s", path, note)
    if alpha is not None:
        painted = pictures[alpha > 127]
        if not painted.numel() or int((painted.amax(0).int() - painted.amin(0).int()).max()) <= 16:
            logger.info("%s: a single colour on transparency, so the painted part is the mask.", path)
            return (alpha > 127).float()
        logger.warning("%s: brightness and transparency both vary; the mask is the brightness.", path)
    weights = torch.tensor([0.299, 0.587, 0.114])
    return torch.stack([(picture.float() @ weights > 127.5).float() for picture in pictures])


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
        raise ShapeError(f"{len(pictures)} frames came. A picture holds one. Choose one frame, or write a video.")
    with replacing(path, OSError) as part:
        size = pictures.shape[2], pictures.shape[1]
        image_module.frombytes("RGB", size, pictures[0].numpy().tobytes()).save(part, format="PNG")


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
