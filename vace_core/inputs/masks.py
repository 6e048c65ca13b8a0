"""Masks: grow, shrink, hull, box, set algebra, holding in time, the official augmentation, the blend edge.

Every function takes and returns `masks` `(B, 1, T, H, W)`, float32, 1 = generate, 0 = keep, and works on each
frame by itself unless it says otherwise; `carried_on` is for the frames themselves. The model wants hard masks:
`soften` makes the one soft thing here, and it is for compositing only. Every function raises `ShapeError` for a tensor
of another shape and `InputError` for one that is not hard, or for a number out of its range.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import reduce
from types import ModuleType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..checks.numbers import check_number, check_whole
from ..errors import InputError, ShapeError, VaceError
from ..geometry import Box

Frame: TypeAlias = NDArray[np.uint8]
"""One frame `(H, W)` of a mask, 0 or 255: what OpenCV and Pillow work on."""

AugmentMode = Literal["original", "original_expand", "hull", "hull_expand", "bbox", "bbox_expand", "random"]

AUGMENT_MODES: tuple[AugmentMode, ...] = get_args(AugmentMode)


def opencv() -> ModuleType:
    """OpenCV, imported at its first use.

    Raises:
        VaceError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise VaceError(
            "opencv-not-installed",
            "OpenCV is not installed. Masks, layouts and control signals are drawn with it. Install it with: "
            "pip install opencv-python-headless",
        ) from error
    return cv2


def check(masks: Tensor) -> None:
    """Validate binary masks `(B, 1, T, H, W)`, float32, 0 and 1.

    Raises:
        ShapeError: another shape.
        InputError: other numbers.
    """
    shape = tuple(masks.shape)
    if len(shape) != 5 or shape[1] != 1 or not masks.numel():
        raise ShapeError(
            "mask-shape",
            "The mask has the shape {shape}. (batch, 1, frames, height, width) is needed, with no size of 0. "
            "Connect a mask with one channel.",
            shape=shape,
        )
    if masks.dtype != torch.float32:
        raise InputError(
            "mask-dtype",
            "The mask holds {dtype} numbers. torch.float32 is needed. Convert it with .float().",
            dtype=masks.dtype,
        )
    if not ((masks == 0) | (masks == 1)).all():
        raise InputError(
            "mask-values",
            "The mask holds values from {low:g} to {high:g}. Only 0 (keep) and 1 (generate) are possible. "
            "Threshold it first, for example at 0.5.",
            low=float(masks.min()),
            high=float(masks.max()),
        )


def each_frame(masks: Tensor) -> NDArray[np.uint8]:
    """`masks` as OpenCV takes them: `(B·T, H, W)`, 0 or 255."""
    check(masks)
    frames: NDArray[np.uint8] = masks.flatten(0, 2).mul(255).to(torch.uint8).cpu().numpy()
    return frames


def grow(masks: Tensor, pixels: int) -> Tensor:
    """`masks` with everything that is at most `pixels` (≥ 0) away added: round, the same in all directions.

    For growth in chosen directions, such as towards a shadow, see `augment` and its `expand_lrtp`.
    """
    return _distance_to(masks, _at_least_zero("Grow (pixels)", pixels)).le(pixels).to(masks)


def shrink(masks: Tensor, pixels: int) -> Tensor:
    """`masks` without everything that is at most `pixels` (≥ 0) away from a kept pixel.

    The frame's edge does not eat into a mask that touches it: `shrink` is `grow` on the inverted mask.
    """
    return _distance_to(invert(masks), _at_least_zero("Shrink (pixels)", pixels)).gt(pixels).to(masks)


def soften(masks: Tensor, pixels: int) -> Tensor:
    """The blend `(B, 1, T, H, W)` in 0..1 with which generated pixels are laid over the source.

    It feathers inwards only: 0 wherever the mask is 0, so that kept pixels stay as they are, then a straight
    ramp over `pixels` (≥ 0) pixels inside the mask, 1 from there on. At the frame's edge there is no ramp.
    It is not a mask: the model takes hard masks only.
    """
    depth = _distance_to(invert(masks), _at_least_zero("Soften (pixels)", pixels))
    return (depth / (pixels + 1)).clamp(max=1).to(masks)


def hull(masks: Tensor) -> Tensor:
    """The convex hull of everything in each frame, all regions together. An empty frame stays empty.

    Source: ali-vilab/VACE, annotators/maskaug.py (mode "hull").
    """
    return _per_frame(masks, _hull)


def box(masks: Tensor) -> Tensor:
    """The filled bounding box of everything in each frame. An empty frame stays empty.

    Source: ali-vilab/VACE, annotators/maskaug.py (mode "bbox").
    """
    return _per_frame(masks, _box)


def invert(masks: Tensor) -> Tensor:
    """Generate becomes keep, keep becomes generate."""
    check(masks)
    return 1 - masks


def union(*masks: Tensor) -> Tensor:
    """1 where at least one of the masks is 1. Sizes and lengths must be equal."""
    _check_all(masks)
    return reduce(torch.maximum, masks)


def intersection(*masks: Tensor) -> Tensor:
    """1 where all of the masks are 1. Sizes and lengths must be equal."""
    _check_all(masks)
    return reduce(torch.minimum, masks)


def difference(masks: Tensor, minus: Tensor) -> Tensor:
    """1 where `masks` is 1 and `minus` is 0. Sizes and lengths must be equal."""
    _check_all((masks, minus))
    return masks * (1 - minus)


def steady(masks: Tensor, radius: int | None) -> Tensor:
    """`masks` held in time: every frame is the union of the frames up to `radius` (≥ 0) before and after it.

    Args:
        masks: `(B, 1, T, H, W)`.
        radius: frames to each side; None takes the union of the whole clip, so that nothing moves at all.
            A moving silhouette tells the model what moved there; a held one does not.
    """
    check(masks)
    if radius is None:
        return masks.amax(dim=2, keepdim=True).expand_as(masks).clone()
    reach = min(_at_least_zero("Steady (frames)", radius), masks.shape[2])
    return F.max_pool3d(masks, (2 * reach + 1, 1, 1), stride=1, padding=(reach, 0, 0))


def bounding_box(masks: Tensor) -> Box | None:
    """The smallest box that holds every generated pixel of every frame; None if there is none."""
    check(masks)
    flat = masks.amax(dim=(0, 1, 2))
    rows, columns = flat.amax(dim=1).nonzero().flatten(), flat.amax(dim=0).nonzero().flatten()
    if not len(rows):
        return None
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def augment(
    masks: Tensor,
    mode: AugmentMode,
    *,
    expand_ratio: float = 0.3,
    expand_iters: int | None = 5,
    expand_lrtp: tuple[float, float, float, float] | None = (1.0, 1.0, 1.0, 1.0),
    seed: int = 0,
) -> Tensor:
    """`masks` in one of the official looser shapes, pixel for pixel as the official annotator draws them.

    A tight silhouette tells the model what to redraw. To remove an object use "hull_expand" or "bbox_expand"; to
    take a shadow along, grow towards it: `expand_lrtp=(0, 0, 0, 1)` grows downwards only.

    What is left to chance is drawn once for the clip, from `seed`, and holds for all its frames; each frame is then
    shaped from its own mask. For a shape that holds still as well, put `steady` before it. Empty frames stay empty.

    Args:
        masks: `(B, 1, T, H, W)`.
        mode: the shape ("original", "hull", "bbox"), with "_expand" to grow it, or "random" for one of these six.
        expand_ratio: growth as a fraction ≥ 0 of the object's width and height in that frame; never more than half
            of the way to the frame's edge. 0 = no growth.
        expand_iters: the growth is cut into this many equal steps (≥ 1) of whole pixels, each rounded down, so a
            small object grows less in many steps. None = drawn from 1..10.
        expand_lrtp: the part (0..1) of the growth used to the left, right, top and bottom. None = each drawn from 0..1.
        seed: what is drawn is what the official annotator draws after `random.seed(seed)`.

    Raises:
        InputError: an unknown mode, or a number out of its range.

    Source: ali-vilab/VACE, annotators/maskaug.py.
    """
    if mode not in AUGMENT_MODES:
        raise InputError(
            "mask-mode",
            'The mask mode is "{mode}". Known modes are {known}. Choose one of them.',
            mode=mode,
            known=", ".join(AUGMENT_MODES),
        )
    check_number("expand_ratio", expand_ratio, least=0)
    if expand_lrtp is not None and not (len(expand_lrtp) == 4 and all(0 <= part <= 1 for part in expand_lrtp)):
        raise InputError(
            "expand-lrtp",
            "expand_lrtp is {expand_lrtp}. Four numbers from 0 to 1 are needed: left, right, top, bottom. Change them.",
            expand_lrtp=expand_lrtp,
        )
    if expand_iters is not None:
        check_whole("expand_iters", expand_iters, least=1)

    # The order of the draws is the official one: first which entry of a one-entry list of settings to use.
    draw = random.Random(seed)
    draw.random()
    chosen = draw.choice(AUGMENT_MODES[:-1]) if mode == "random" else mode
    expands = chosen.endswith("_expand")
    if expands:
        expand_iters = draw.randint(1, 10) if expand_iters is None else expand_iters
        expand_lrtp = expand_lrtp or (draw.random(), draw.random(), draw.random(), draw.random())
    clockwise = chosen.startswith("hull") and draw.choice((True, False))

    def change(frame: Frame) -> Frame:
        shape = _hull(frame, clockwise) if chosen.startswith("hull") else _box(frame) if "bbox" in chosen else frame
        if not expands or expand_iters is None or expand_lrtp is None or not frame.any():
            return shape
        return _expand(shape, bounds(frame), expand_ratio, expand_iters, expand_lrtp)

    return _per_frame(masks, change)


def carried_on(source: Tensor, there: Tensor, wanted: Tensor) -> Tensor:
    """`source` with the nearest pixel of the same frame that is `there` in those that are `wanted`.

    A frame where nothing is there stays as it is. Args: `(B, 3, T, H, W)`, and twice `(B, 1, T, H, W)` bool.
    """
    if not bool(wanted.any()):
        return source
    source, cv2 = source.clone(), opencv()
    possible = wanted.flatten(3).any(dim=3) & there.flatten(3).any(dim=3)
    for clip, frame in possible[:, 0].nonzero().tolist():
        pixels, holds, lacks = source[clip, :, frame], there[clip, 0, frame], wanted[clip, 0, frame]
        missing = (~holds).to(torch.uint8).cpu().numpy()
        _, nearest = cv2.distanceTransformWithLabels(missing, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
        # Every pixel that is there has a label of its own, and all others that of their nearest.
        places = np.zeros(int(nearest.max()) + 1, dtype=np.int64)
        places[nearest[missing == 0]] = np.flatnonzero(missing == 0)
        chosen = torch.from_numpy(places[nearest[lacks.cpu().numpy()]]).to(source.device)
        pixels[:, lacks] = pixels.flatten(1)[:, chosen]
    return source


def mask_overlap(one: Tensor, other: Tensor) -> float:
    """Intersection over union, 0..1, of two boolean tensors of one shape; 0 where both are empty."""
    union = int((one | other).sum())
    return int((one & other).sum()) / union if union else 0.0


def _check_all(masks: tuple[Tensor, ...]) -> None:
    if not masks:
        raise InputError("no-mask", "No mask was given. At least one is needed. Connect a mask.")
    for one in masks:
        check(one)
        if one.shape != masks[0].shape:
            raise ShapeError(
                "masks-differ",
                "The masks have the shapes {shape} and {other_shape} (batch, 1, frames, height, width). They must be "
                "the same. Bring them to the same size and length.",
                shape=tuple(masks[0].shape),
                other_shape=tuple(one.shape),
            )


def _at_least_zero(what: str, value: int) -> int:
    check_number(what, value, least=0)
    return value


def _distance_to(masks: Tensor, limit: float) -> Tensor:
    """How far, in pixels, each pixel's centre is from that of the nearest 1 of its frame; `limit` + 1 where more."""
    cv2 = opencv()
    found = [cv2.distanceTransform(255 - frame, cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for frame in each_frame(masks)]
    # A frame without any 1 gets some very large number from OpenCV: cut it off. Its square roots differ in the last bit
    # from call to call; what they are the roots of are whole numbers.
    distances = torch.from_numpy(np.stack(found)).clamp_(max=limit + 1).square_().round_().sqrt_()
    return distances.reshape(masks.shape).to(masks.device)


def _per_frame(masks: Tensor, change: Callable[[Frame], Frame]) -> Tensor:
    changed = np.stack([change(frame) if frame.any() else frame for frame in each_frame(masks)])
    return torch.from_numpy(changed != 0).reshape(masks.shape).to(masks)


def bounds(frame: NDArray[Any]) -> Box:
    """The smallest box around what is not zero in a mask `(H, W)`, which must not be empty."""
    rows, columns = np.flatnonzero(frame.any(axis=1)), np.flatnonzero(frame.any(axis=0))
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)


def _box(frame: Frame) -> Frame:
    box, filled = bounds(frame), np.zeros_like(frame)
    filled[box.top : box.bottom, box.left : box.right] = True
    return filled


def _hull(frame: Frame, clockwise: bool = False) -> Frame:
    # Pillow's polygon, not OpenCV's: their edges differ by a pixel, and so do, rarely, the two directions.
    from PIL import Image, ImageDraw

    cv2 = opencv()
    outlines: Any = cv2.findContours(frame, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    corners = cv2.convexHull(np.concatenate(outlines), clockwise=clockwise).reshape(-1, 2).tolist()
    if len(corners) == 1:  # Pillow refuses a polygon of one point
        return frame
    image = Image.new("1", (frame.shape[1], frame.shape[0]))
    ImageDraw.Draw(image).polygon([(x, y) for x, y in corners], fill=True)
    return np.asarray(image, dtype=np.uint8)


def _expand(shape: Frame, bounds: Box, ratio: float, iters: int, lrtp: tuple[float, float, float, float]) -> Frame:
    """`shape` grown by a rectangle, as the official annotator grows it.

    That one dilates `iters` times with a kernel of side 2k, k the largest step of the four, which has no room for a
    step of k to the left or to the top: these two then go k - 1 far.
    """
    height, width = shape.shape
    rooms = (bounds.left, width - (bounds.right - 1), bounds.top, height - (bounds.bottom - 1))
    sizes = (bounds.width, bounds.width, bounds.height, bounds.height)
    steps = [
        int(part * min(size * ratio, room / 2) / iters) for part, size, room in zip(lrtp, sizes, rooms, strict=True)
    ]
    most = max(steps)
    if most == 0:
        return shape
    left, top = min(steps[0], most - 1) * iters, min(steps[2], most - 1) * iters
    right, bottom = steps[1] * iters, steps[3] * iters
    kernel = np.ones((top + bottom + 1, left + right + 1), np.uint8)
    grown: Frame = opencv().dilate(shape, kernel, anchor=(right, bottom))
    return grown
