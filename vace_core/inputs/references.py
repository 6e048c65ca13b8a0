"""Reference images as the model was trained on them: one whole subject each, on white, in order.

An image is `(B, 3, 1, h, w)` in −1..1, of any size; a reference is one that has the size of the frame.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..checks.room import FRAMES, check_room
from ..errors import InputError, ShapeError
from ..vcu import check_frames
from .masks import bounding_box

WHITE = 1.0


def letterbox(picture: Tensor, height: int, width: int) -> Tensor:
    """The whole image `(B, 3, 1, height, width)`, as large as fits, centred on white.

    An image that has this size already comes back as it is.

    Args:
        picture: `(B, 3, 1, h, w)` in −1..1.
        height: Pixels of the frame, ≥ 1.
        width: Pixels of the frame, ≥ 1.

    Raises:
        ShapeError: not one image, one too narrow to show, or a frame without pixels.
        InputError: values out of range.

    Source: ali-vilab/VACE, models/wan/wan_vace.py, prepare_source: sizes cut to whole pixels, bilinear without
    antialiasing.
    """
    return _letterbox(picture, height, width, "picture")


def stack(pictures: Sequence[Tensor], height: int, width: int) -> tuple[Tensor, ...]:
    """Each image letterboxed, in the order given; the images may differ in size.

    Raises:
        ShapeError: as `letterbox`; the message counts the images from 1.
        InputError: values out of range.
    """
    return tuple(_letterbox(picture, height, width, f"picture {n}") for n, picture in enumerate(pictures, start=1))


def cover(picture: Tensor, height: int, width: int) -> Tensor:
    """The middle of the image `(B, 3, 1, height, width)`, as large as fills the frame: for what is all over an image.

    A style, unlike a subject, needs no white around it, and with white it would be a style with white bars.

    Args:
        picture: `(B, 3, 1, h, w)` in −1..1.
        height: Pixels of the frame, ≥ 1.
        width: Pixels of the frame, ≥ 1.

    Raises:
        ShapeError: as `letterbox`.
        InputError: values out of range.
    """
    _check_picture(picture, "style image")
    own_height, own_width = picture.shape[3:]
    inner_height = min(own_height, max(1, round(own_width * height / max(width, 1))))
    inner_width = min(own_width, max(1, round(own_height * width / max(height, 1))))
    top, left = (own_height - inner_height) // 2, (own_width - inner_width) // 2
    middle = picture[..., top : top + inner_height, left : left + inner_width]
    if (inner_height, inner_width) == (height, width):
        return middle.contiguous()
    needed = 2 * len(picture) * height * width * FRAMES
    check_room(needed, "The frame that the style image is fitted into", height=height, width=width)
    # In float32: torch smooths no halves on the CPU.
    fitted = functional.interpolate(middle[:, :, 0].float(), size=(height, width), mode="bilinear", antialias=True)
    return fitted.clamp(-1, 1)[:, :, None].to(picture)


def on_white(picture: Tensor, alpha: Tensor) -> Tensor:
    """An image with transparent parts, laid on white: `(B, 3, 1, h, w)`.

    Args:
        picture: `(B, 3, 1, h, w)` in −1..1.
        alpha: `(B, 1, 1, h, w)`, 0 = transparent, 1 = opaque.

    Raises:
        ShapeError: the two do not belong together.
        InputError: values out of range.
    """
    _check_picture(picture, "picture")
    _check_size(alpha, picture, "alpha channel")
    low, high = (float(value) for value in torch.aminmax(alpha))
    if not (low >= 0 and high <= 1):
        raise InputError(
            "alpha-values",
            "The alpha channel holds values from {low:g} to {high:g}. Values from 0 (transparent) to 1 "
            "(opaque) are needed. Divide 0..255 by 255.",
            low=low,
            high=high,
        )
    # Written so that an opaque pixel stays as it is, to the bit.
    return picture * alpha + WHITE * (1 - alpha)


def crop_subject(picture: Tensor, mask: Tensor) -> Tensor:
    """The subject alone: everything else white, cut to the subject's box.

    What reaches the edge of a reference tends to show up in the first frames; a subject cut out this way does not.
    In a batch the box holds the subjects of all images.

    Args:
        picture: `(B, 3, 1, h, w)` in −1..1.
        mask: `(B, 1, 1, h, w)`, 1 = subject, 0 = background.

    Raises:
        ShapeError: the two do not belong together.
        InputError: values out of range, or no subject. (The original would return a white image.)

    Source: ali-vilab/VACE, annotators/subject.py, with ROI_ONLY and USE_CROP as its configurations set them.
    """
    _check_picture(picture, "picture")
    _check_size(mask, picture, "subject mask")
    box = bounding_box(mask)
    if box is None:
        raise InputError(
            "subject-mask-empty",
            "The subject mask is empty. At least one pixel must mark the subject. Paint it, or leave the mask out.",
        )
    subject = torch.where(mask > 0, picture, WHITE)
    return subject[..., box.top : box.bottom, box.left : box.right].contiguous()


def _letterbox(picture: Tensor, height: int, width: int, name: str) -> Tensor:
    _check_picture(picture, name)
    if height < 1 or width < 1:
        raise ShapeError(
            "frame-size",
            "The frame is {width} x {height} pixels. At least 1 x 1 is needed. Set both sides.",
            width=width,
            height=height,
        )
    own_height, own_width = picture.shape[3:]
    if (own_height, own_width) == (height, width):
        return picture
    # The picture in its new size, and the white that it is laid on.
    needed = 2 * len(picture) * height * width * FRAMES
    check_room(needed, f"The frame that the {name} is fitted into", height=height, width=width)
    scale = min(height / own_height, width / own_width)
    new_height, new_width = int(own_height * scale), int(own_width * scale)
    if not (new_height and new_width):
        raise ShapeError(
            "reference-too-narrow",
            "The {name} is {own_width} x {own_height} pixels. Fitted into {width} x {height} it would be "
            "thinner than a pixel. Crop it to a squarer shape.",
            name=name,
            own_width=own_width,
            own_height=own_height,
            width=width,
            height=height,
        )
    resized = functional.interpolate(
        picture[:, :, 0], size=(new_height, new_width), mode="bilinear", align_corners=False
    )
    top, left = (height - new_height) // 2, (width - new_width) // 2
    canvas = picture.new_full((picture.shape[0], 3, 1, height, width), WHITE)
    canvas[:, :, 0, top : top + new_height, left : left + new_width] = resized
    return canvas


def _check_picture(picture: Tensor, name: str) -> None:
    if picture.dim() == 5 and picture.shape[1] == 4:
        raise ShapeError(
            "reference-channels",
            "The {name} has shape {shape}, with a fourth channel. Three are needed. If the fourth is "
            "transparency, lay it on white with vace_core.inputs.references.on_white.",
            name=name,
            shape=tuple(picture.shape),
        )
    check_frames(picture, name)
    if picture.shape[2] != 1:
        raise ShapeError(
            "reference-several",
            "The {name} has {frames} frames. A reference is a single image. Choose one frame, or give each "
            "as an image of its own.",
            name=name,
            frames=picture.shape[2],
        )


def _check_size(given: Tensor, picture: Tensor, name: str) -> None:
    b, _, _, h, w = picture.shape
    if given.shape != (b, 1, 1, h, w):
        raise ShapeError(
            "reference-mask-size",
            "The {name} has shape {shape}. {needed} is needed, as the image has. Resize it to the image.",
            name=name,
            shape=tuple(given.shape),
            needed=(b, 1, 1, h, w),
        )
