"""Objects found in a box and followed through a clip without a network: GrabCut and optical flow of OpenCV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ..geometry import Box
from .masks import bounds, opencv

SIDE = 320  # pixels of the shorter side at which objects are followed
ROUNDS = 5, 2  # of GrabCut: in the first frame, in every other one
RIM = 0.12  # of an object's size: how far from the moved outline the new one is looked for
AREA = 0.6, 1.6  # of what the moved mask has: another area is a fault of the refinement
COLOURS, ALIKE = 5, 12  # of the surroundings of a box; levels of 8 bits within which a pixel has such a colour
MOST_BEHIND = 0.85  # of a box
SAME = 0.6  # of its colours that an object keeps
LEAST = 12  # pixels: of less nothing is followed

Picture: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]


def follow(frames: Tensor, boxes: Sequence[Box]) -> Tensor:
    """Follows boxes without a network: GrabCut finds the object in its box; dense optical flow moves its mask to the
    next frame, where GrabCut finds its outline anew, near the moved one.

    It holds what differs from its surroundings. An object whose colours are no longer those it was found with, since
    something else is in front of it, counts as gone from there on; SAM 2 finds it again.

    Args:
        frames: `(T, H, W, 3)` uint8.
        boxes: N boxes in the first frame.

    Returns:
        `(N, T, H, W)` bool.
    """
    height, width = frames.shape[1:3]
    small, fit = _small(frames)
    size = small[0].shape[1], small[0].shape[0]
    found = follow_small(small, [in_box(small[0], _scaled(box, fit, size)) for box in boxes])
    return torch.stack([_enlarged(mask, height, width) for mask in found])


def follow_masks(frames: Tensor, starts: Sequence[Mask]) -> Tensor:
    """As `follow`, of objects whose masks `(H, W)` bool in the first frame are known."""
    height, width = frames.shape[1:3]
    small, _ = _small(frames)
    size, cv2 = (small[0].shape[1], small[0].shape[0]), opencv()
    first = [cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA) >= 0.5 for mask in starts]
    return torch.stack([_enlarged(mask, height, width) for mask in follow_small(small, first)])


def _small(frames: Tensor) -> tuple[list[Picture], tuple[float, float]]:
    """Frames at the size at which objects are followed, and by what they were scaled."""
    cv2 = opencv()
    height, width = frames.shape[1:3]
    scale = min(SIDE / min(height, width), 1.0)
    size = max(round(width * scale), 16), max(round(height * scale), 16)
    small = [cv2.resize(frame.numpy(), size, interpolation=cv2.INTER_AREA) for frame in frames]
    return small, (size[0] / width, size[1] / height)


def follow_small(small: Sequence[Picture], starts: Sequence[Mask]) -> list[Mask]:
    """Masks `(T, h, w)` of objects, of whom the masks in the first picture are known."""
    cv2 = opencv()
    masks = [[start] for start in starts]
    looks = [look(small[0], mask[0]) for mask in masks]
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    gray = [cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in small]
    for place in range(1, len(small)):
        # From where every pixel of this frame came: what it was there, it is here.
        back = search.calc(gray[place], gray[place - 1], None)
        for mask, first in zip(masks, looks, strict=True):
            found = _refined(small[place], _moved(mask[-1], back))
            lost = alike(first, look(small[place], found)) < SAME
            mask.append(np.zeros_like(found) if lost else found)
    return [np.stack(mask) for mask in masks]


def look(picture: Picture, mask: Mask) -> NDArray[np.float32]:
    """How often each of 512 colours occurs in a mask, blurred a little over colours; they add up to 1."""
    cv2 = opencv()
    shown = mask.astype(np.uint8)
    counts = cv2.calcHist([picture], [0, 1, 2], shown, [8, 8, 8], [0, 256] * 3)
    for axis in range(3):  # so that a little more light is no other colour
        counts = counts + 0.5 * (np.roll(counts, 1, axis) + np.roll(counts, -1, axis))
    return counts / max(float(counts.sum()), 1.0)


def alike(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """What two looks share, 0..1."""
    return float(np.minimum(one, other).sum())


def in_box(picture: Picture, box: Box) -> Mask:
    """The object in a box; where none stands out, all of the box."""
    cv2 = opencv()
    height, width = picture.shape[:2]
    marks = np.full((height, width), cv2.GC_BGD, np.uint8)
    marks[box.top : box.bottom, box.left : box.right] = cv2.GC_PR_FGD
    filled = marks == cv2.GC_PR_FGD
    area = box.grown(max(box.width, box.height) // 2 + 4, height, width)
    behind = _like_around(picture, box, area) & filled
    if behind.sum() <= MOST_BEHIND * filled.sum():  # where nearly all is, the object looks like what is around it
        marks[behind] = cv2.GC_PR_BGD
    found = _largest(cut_out(picture, marks, area, ROUNDS[0]))
    return found if found.sum() >= 0.1 * filled.sum() else filled


def _like_around(picture: Picture, box: Box, area: Box) -> Mask:
    """Pixels `(H, W)` of the colours that lie around a box: holes in an object and its corners, most likely."""
    cv2 = opencv()
    outside = np.zeros(picture.shape[:2], dtype=bool)
    outside[area.top : area.bottom, area.left : area.right] = True
    outside[box.top : box.bottom, box.left : box.right] = False
    colours = picture[outside].astype(np.float32)
    if len(colours) < COLOURS:
        return np.zeros_like(outside)
    cv2.setRNGSeed(0)  # where the clusters begin is drawn
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 10, 1.0)
    _, _, centres = cv2.kmeans(colours, COLOURS, None, stop, 1, cv2.KMEANS_PP_CENTERS)
    apart = np.stack([np.abs(picture - centre).max(axis=2) for centre in centres]).min(axis=0)
    return apart < ALIKE


def _refined(picture: Picture, moved: NDArray[np.float32]) -> Mask:
    """The object's outline in a picture, looked for near a moved mask `(H, W)` in 0..1."""
    cv2 = opencv()
    mask = moved > 0.5
    if mask.sum() < LEAST:
        return np.zeros_like(mask)
    rim = max(round(RIM * float(mask.sum()) ** 0.5), 2)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * rim + 1, 2 * rim + 1))
    flat = mask.astype(np.uint8)
    core, around = cv2.erode(flat, kernel, borderValue=1), cv2.dilate(flat, kernel)
    marks = np.full(mask.shape, cv2.GC_BGD, np.uint8)
    marks[around > 0] = cv2.GC_PR_BGD
    marks[mask] = cv2.GC_PR_FGD
    marks[core > 0] = cv2.GC_FGD
    found = cut_out(picture, marks, bounds(around > 0).grown(2 * rim + 4, *mask.shape), ROUNDS[1])
    return found if AREA[0] * mask.sum() <= found.sum() <= AREA[1] * mask.sum() else mask


def cut_out(picture: Picture, marks: NDArray[np.uint8], area: Box, rounds: int) -> Mask:
    """GrabCut within an area of the picture; what it cannot tell apart is left as it was marked."""
    cv2 = opencv()
    rows, columns = slice(area.top, area.bottom), slice(area.left, area.right)
    part = np.ascontiguousarray(marks[rows, columns])
    sure = np.isin(part, (cv2.GC_BGD, cv2.GC_PR_BGD))
    if not sure.all() and sure.any():
        colours = [np.zeros((1, 65), np.float64) for _ in range(2)]
        near = np.ascontiguousarray(picture[rows, columns])
        cv2.setRNGSeed(0)  # its clusters are drawn
        cv2.grabCut(near, part, None, *colours, rounds, cv2.GC_INIT_WITH_MASK)
    found = np.zeros(marks.shape, dtype=bool)
    found[rows, columns] = np.isin(part, (cv2.GC_FGD, cv2.GC_PR_FGD))
    return found


def _largest(mask: Mask) -> Mask:
    """The largest connected part, and others of at least a tenth of it."""
    count, parts, stats, _ = opencv().connectedComponentsWithStats(mask.astype(np.uint8))
    areas = stats[:, -1]
    if count <= 2:
        return mask
    keep = [part for part in range(1, count) if areas[part] >= 0.1 * areas[1:].max()]
    return np.isin(parts, keep)


def _moved(mask: Mask, back: NDArray[np.float32]) -> NDArray[np.float32]:
    cv2 = opencv()
    height, width = mask.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    came = columns + back[..., 0], rows + back[..., 1]
    return cv2.remap(mask.astype(np.float32), *came, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _enlarged(masks: Mask, height: int, width: int) -> Tensor:
    """`(T, H, W)` bool at the size of the frames; smooth where it grows."""
    whole = torch.from_numpy(masks)
    if whole.shape[1:] == (height, width):
        return whole
    return functional.interpolate(whole[:, None].float(), size=(height, width), mode="bilinear")[:, 0] > 0.5


def _scaled(box: Box, fit: tuple[float, float], size: tuple[int, int]) -> Box:
    left, right = (round(side * fit[0]) for side in (box.left, box.right))
    top, bottom = (round(side * fit[1]) for side in (box.top, box.bottom))
    left, top = min(left, size[0] - 1), min(top, size[1] - 1)
    return Box(left, top, max(right, left + 1), max(bottom, top + 1)).grown(0, size[1], size[0])
