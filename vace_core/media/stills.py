"""Picture files as Pillow opens them, and folders and animations of them as footage."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..errors import InputError
from ..files.replacing import reason
from .files import OPTIONS, check_file, pillow, pyav
from .footage import Footage
from .index import UNSTATED_RATE

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


class Animation(Footage):
    """An animated PNG, WebP or GIF, or a picture as footage of one frame."""

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.path = path
        with opened(path) as image:
            count, ends = frame_count(image), [0.0]
            self._moving = count > 1
            self._first = _pages(image) - count  # an APNG may have a picture in front that is not part of it
            if self._moving:
                for index in range(count):
                    image.seek(self._first + index)
                    image.load()  # WebP says how long a frame lasts when it is decoded
                    ends.append(ends[-1] + (float(image.info.get("duration", 0)) or _USUAL_MS) / 1000)
                image.seek(self._first)
                self.notes = (f"It is an animated {image.format}, which is read as a video.",)
            else:
                ends.append(1 / (fps or UNSTATED_RATE))
            self.bits = _bits(image)  # before it is loaded, which forgets it
            first = picture_of(image)
        self.times = torch.tensor(list(pairwise(ends)), dtype=torch.float64)
        self.fps = count / ends[-1]
        self.height, self.width = first.shape[:2]
        self.alpha = first.shape[2] == 4

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        with opened(self.path) as image:
            for index in indices:
                if self._moving:
                    image.seek(self._first + index)
                yield _same_channels(picture_of(image, deep=deep), self.alpha)


class Folder(Footage):
    """Numbered pictures: a folder that holds one series of them, or a pattern such as "frame_%04d.png".

    Raises:
        InputError: there are none, or several series.
    """

    def __init__(self, path: Path, fps: float | None = None) -> None:
        self.path, self.fps = path, fps or UNSTATED_RATE
        self._files, missing = _series(path)
        with opened(self._files[0]) as image:
            self.bits = _bits(image)  # before it is loaded, which forgets it
            first = picture_of(image)
        self.height, self.width = first.shape[:2]
        self.alpha = first.shape[2] == 4
        edges = torch.arange(len(self._files) + 1, dtype=torch.float64) / self.fps
        self.times = torch.stack([edges[:-1], edges[1:]], dim=1)
        notes = [] if fps else [f"Pictures state no frame rate; {self.fps:g} fps is assumed."]
        if missing:
            notes.append(f"Of its numbers {missing} are missing; those that are there follow each other.")
        self.notes = tuple(notes)

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        for index in indices:
            path = self._files[index]
            with opened(path) as image:
                picture = picture_of(image, deep=deep)
            if tuple(picture.shape[:2]) != (self.height, self.width):
                raise InputError(
                    "series-size",
                    "The image {path} has {width} x {height} pixels, the first of its series {first_width} x "
                    "{first_height}. One size is needed. Scale it, or take it away.",
                    path=path,
                    width=picture.shape[1],
                    height=picture.shape[0],
                    first_width=self.width,
                    first_height=self.height,
                )
            yield _same_channels(picture, self.alpha)


@contextmanager
def opened(path: Path) -> Generator[Image, None, None]:
    """An open picture file; whatever its decoder raises becomes an InputError."""
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


def frame_count(image: Image) -> int:
    """Frames of an animation, 1 for a picture."""
    if image.format not in _MOVING:
        return 1
    return max(_pages(image) - bool(getattr(image, "default_image", False)), 1)


def picture_of(image: Image, *, deep: bool = False) -> Tensor:
    """`(H, W, 3)` or, where it is not opaque everywhere, `(H, W, 4)`, upright: uint8, or float32 in 0..1 if `deep`."""
    from PIL import ImageOps

    if deep and _bits(image) > 8 and not image.mode.startswith("I"):
        return _sixteen_bits(image)
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I"):
        levels = torch.frombuffer(bytearray(upright.convert("I").tobytes()), dtype=torch.int32)
        levels = levels.view(upright.height, upright.width)
        if int(levels.max()) > 65535 or int(levels.min()) < 0:
            raise ValueError("its values exceed 16 bits")
        gray = (levels.double() / 65535).float() if deep else (levels.double() / 257).round().to(torch.uint8)
        return gray[..., None].expand(-1, -1, 3).contiguous()
    if upright.mode == "F":
        raise ValueError("it holds floating-point values of an unknown range")
    mode = "RGBA" if "A" in upright.getbands() or "transparency" in upright.info else "RGB"
    data = bytearray(upright.convert(mode).tobytes())
    picture = torch.frombuffer(data, dtype=torch.uint8).view(upright.height, upright.width, len(mode))
    if mode == "RGBA" and int(picture[..., 3].min()) == 255:
        picture = picture[..., :3]
    return picture.float() / 255 if deep else picture.contiguous()


def _sixteen_bits(image: Image) -> Tensor:
    """By FFmpeg, since Pillow cuts colours down to 8 bits while it opens them."""
    path = str(Path(str(image.filename)).absolute())  # type: ignore[attr-defined]
    with pyav().open(path, container_options=OPTIONS) as container:
        frame = next(container.decode(video=0))
    layout = "rgba64le" if any(part.is_alpha for part in frame.format.components) else "rgb48le"
    picture = torch.from_numpy(frame.reformat(format=layout).to_ndarray().astype(np.float32)) / 65535
    return picture[..., :3] if picture.shape[2] == 4 and float(picture[..., 3].min()) == 1 else picture


def _bits(image: Image) -> int:
    layouts = [str(tile[3]) for tile in getattr(image, "tile", [])]
    return 16 if image.mode.startswith("I") or any(";16" in layout for layout in layouts) else 8


def _same_channels(picture: Tensor, alpha: bool) -> Tensor:
    """With alpha or without, as the first picture of a series is."""
    if not alpha or picture.shape[2] == 4:
        return picture if alpha else picture[..., :3]
    opaque = 1.0 if picture.is_floating_point() else 255
    return torch.cat([picture, torch.full_like(picture[..., :1], opaque)], dim=2)


def _pages(image: Image) -> int:
    """Pictures in the file."""
    return getattr(image, "n_frames", 1)


def _series(path: Path) -> tuple[list[Path], int]:
    """The files of a series in the order of their numbers, and how many numbers between them have none."""
    folder = path if path.is_dir() else path.parent
    parts = re.split(r"%0?(\d*)d", path.name) if folder != path else []
    series: dict[tuple[str, str], list[tuple[int, Path]]] = {}
    for file in sorted(folder.iterdir()) if folder.is_dir() else []:
        named = re.fullmatch(r"(.*?)(\d+)(\D*)", file.name)
        if named is None or file.name.startswith(".") or file.suffix.lower() not in PICTURES:
            continue
        if parts and ([named[1], named[3]] != parts[::2] or len(named[2]) < int(f"0{parts[1]}")):
            continue
        series.setdefault((named[1], named[3]), []).append((int(named[2]), file))
    if not series:
        if parts:
            raise InputError(
                "file-missing",
                "There is no file {path}. An existing file is needed. Check the folder and the name.",
                path=path,
            )
        raise InputError(
            "series-missing",
            "The folder {path} holds no numbered images. Files such as frame_0001.png are needed. Name another.",
            path=path,
        )
    if len(series) > 1:
        names = ", ".join(str(folder / f"{first}%d{last}") for first, last in list(series)[:4])
        raise InputError(
            "series-several",
            "The folder {path} holds {count} series of images. One is needed. Name one of them: {names}",
            path=path,
            count=len(series),
            names=names,
        )
    ((_, found),) = series.items()
    found.sort()
    return [file for _, file in found], found[-1][0] - found[0][0] + 1 - len(found)
