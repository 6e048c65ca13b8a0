"""The pose control: people's joints, found by a network and drawn as the model learned them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...inputs.masks import opencv
from . import networks

Pose: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Frames `(T, H, W, 3)` uint8 and the masks of N people `(N, T, H, W)` bool → pictures `(T, H, W, 3)` uint8."""

LEAST_SCORE = 0.3
LIMB, JOINT, LIMB_LIGHT = 4, 4, 0.6  # pixels, pixels, part of the full colour

# OpenPose's 18 joints by their places among COCO's 17; the neck, which COCO lacks, lies between the shoulders.
_NECK = -1
_FROM_COCO = (0, _NECK, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
_SHOULDERS = 5, 6
_LIMBS = ((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0),
          (0, 14), (14, 16), (0, 15), (15, 17))  # fmt: skip


def load_pose(path: Path, device: torch.device) -> Pose:
    """ViTPose, asked for every person in the box of their mask.

    Args:
        path: A folder as `save_pretrained` writes it; a model with COCO's 17 joints.
        device: Where it runs.

    Raises:
        ModelError: transformers is not installed, or the folder holds something else.
    """
    what = "Poses are found"
    model = networks.opened_model("VitPoseForPoseEstimation", path, device, what)
    processor = networks.opened_processor("AutoImageProcessor", path, what)
    experts = int(getattr(model.config.backbone_config, "num_experts", 1))
    if model.config.num_labels != 17:
        raise networks.unread(path, what, f"it knows {model.config.num_labels} joints, and not the 17 of COCO")

    @torch.no_grad()
    def pose(frames: Tensor, people: Tensor) -> Tensor:
        drawn = np.zeros(tuple(frames.shape), np.uint8)
        for place, frame in enumerate(frames):
            boxes = [box for box in map(_box, people[:, place]) if box is not None]
            if not boxes:
                continue
            inputs = processor(networks.as_image(frame), boxes=[boxes], return_tensors="pt").to(device)
            if experts > 1:  # ViTPose+: the first of its data sets is COCO
                inputs["dataset_index"] = torch.zeros(len(boxes), dtype=torch.int64, device=device)
            (found,) = processor.post_process_pose_estimation(model(**inputs), boxes=[boxes])
            for person in found:
                draw_person(drawn[place], person["keypoints"].cpu().numpy(), person["scores"].cpu().numpy())
        return torch.from_numpy(drawn)

    return pose


def draw_person(picture: NDArray[np.uint8], joints: NDArray[np.float32], scores: NDArray[np.float32]) -> None:
    """Draws a body of OpenPose's 18 joints into a picture `(H, W, 3)`, red first; limbs dimmed, joints bright.

    Args:
        picture: What is drawn into.
        joints: `(17, 2)`, COCO's joints in pixels: right, down.
        scores: `(17,)`, 0..1; what is less sure than 0.3 is left out.

    Source: ali-vilab/VACE, annotators/dwpose, for widths, dimming and threshold; CMU OpenPose for joints and colours.
    """
    cv2 = opencv()
    places = [_joint(joints, scores, place) for place in _FROM_COCO]
    limbs = np.zeros_like(picture)
    for number, (one, other) in enumerate(_LIMBS):
        first, second = places[one], places[other]
        if first is not None and second is not None:
            middle = (first[0] + second[0]) / 2, (first[1] + second[1]) / 2
            along = second[0] - first[0], second[1] - first[1]
            length = round(float(np.hypot(*along)) / 2)
            angle = round(float(np.degrees(np.arctan2(along[1], along[0]))))
            outline = cv2.ellipse2Poly(tuple(map(round, middle)), (length, LIMB), angle, 0, 360, 1)
            cv2.fillConvexPoly(limbs, outline, _colour(number))
    shown = limbs.any(axis=2)
    picture[shown] = (limbs[shown] * LIMB_LIGHT).astype(np.uint8)
    for number, place in enumerate(places):
        if place is not None:
            cv2.circle(picture, (round(place[0]), round(place[1])), JOINT, _colour(number), thickness=-1)


def _joint(joints: NDArray[np.float32], scores: NDArray[np.float32], place: int) -> tuple[float, float] | None:
    if place == _NECK:
        shoulders = [_joint(joints, scores, one) for one in _SHOULDERS]
        there = [one for one in shoulders if one is not None]
        return None if len(there) < 2 else (sum(x for x, _ in there) / 2, sum(y for _, y in there) / 2)
    return (float(joints[place, 0]), float(joints[place, 1])) if scores[place] >= LEAST_SCORE else None


def _colour(number: int) -> tuple[int, int, int]:
    """OpenPose's: once around the wheel of colours in steps of 20 degrees, from red."""
    place = number * 20 / 60
    rest = round(255 * (1 - abs(place % 2 - 1)))
    wheel = ((255, rest, 0), (rest, 255, 0), (0, 255, rest), (0, rest, 255), (rest, 0, 255), (255, 0, rest))
    return wheel[int(place) % 6]


def _box(mask: Tensor) -> list[float] | None:
    """Left, top, width and height of a person `(H, W)` bool, as COCO has boxes; None where there is none."""
    rows, columns = mask.any(1).nonzero().flatten(), mask.any(0).nonzero().flatten()
    if not len(rows):
        return None
    left, top = float(columns[0]), float(rows[0])
    return [left, top, float(columns[-1]) + 1 - left, float(rows[-1]) + 1 - top]
