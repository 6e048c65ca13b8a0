"""The pose of a person: joints that walk and wave, and the stick figure that a pose map shows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .drawing import Region, capsule, coverage, rgb

# Joints in the order of OpenPose: nose, neck, then shoulder, elbow, wrist and hip, knee, ankle, right before left.
_NOSE, _NECK, _R_ARM, _L_ARM, _R_LEG, _L_LEG = 0, 1, 2, 5, 8, 11
_HEAD = 14  # the middle of the head and of the hips: ours, they are drawn but no part of the pose
_HIPS = 15

LIMBS: tuple[tuple[int, int], ...] = (
    *((1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8)),
    *((8, 9), (9, 10), (1, 11), (11, 12), (12, 13), (1, 0)),
)
"""Pairs of joints that the pose map connects. Source: OpenPose's COCO body model, without eyes and ears."""

JOINT_COLOURS: tuple[tuple[int, int, int], ...] = (
    *((255, 0, 0), (255, 85, 0), (255, 170, 0), (255, 255, 0), (170, 255, 0), (85, 255, 0), (0, 255, 0)),
    *((0, 255, 85), (0, 255, 170), (0, 255, 255), (0, 170, 255), (0, 85, 255), (0, 0, 255), (85, 0, 255)),
)
"""rgb of joint n; limb n has the same colour times 0.6. Source: IDEA-Research/DWPose, as VACE's annotators draw it."""

_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.40, 0.40, 0.29, 0.29


def _reach(start: Tensor, angle: Tensor, length: float) -> Tensor:
    """`(T, 2)`: the end of a limb from `start` `(T, 2)`; `angle` `(T,)` in radians, 0 = down, positive = right."""
    return start + length * torch.stack([angle.sin(), angle.cos()], dim=1)


def skeleton(motion: str, times: Tensor, variant: int = 0) -> Tensor:
    """`(T, 16, 2)`: joints x, y in radii around the figure's centre.

    Args:
        motion: "walks right" and "walks left" are seen from the side, anything else from the front.
        times: `(T,)`, when, in units of two seconds.
        variant: An even one waves with the hand on the right of the picture, an odd one with the other.
    """
    zero = torch.zeros_like(times)
    side = {"walks right": 1.0, "walks left": -1.0}.get(motion, 0.0)
    swing = (2 * math.pi * 1.25 * times + variant).sin() if side else zero
    lift = (2 * math.pi * 1.25 * times + variant).cos()
    wave = (2 * math.pi * 1.5 * times + variant).sin()
    shoulder, hip = (0.03, 0.03) if side else (0.22, 0.11)
    points: dict[int, Tensor] = {_NECK: torch.stack([zero, zero - 0.46], 1), _HEAD: torch.stack([zero, zero - 0.75], 1)}
    points[_HIPS] = torch.stack([zero, zero + 0.06], 1)
    points[_NOSE] = torch.stack([zero + 0.14 * side, zero - 0.72], 1)
    for sign, arm, leg in ((-1.0, _R_ARM, _R_LEG), (1.0, _L_ARM, _L_LEG)):
        points[arm] = torch.stack([zero + sign * shoulder, zero - 0.40], 1)
        points[leg] = torch.stack([zero + sign * hip, zero + 0.12], 1)
        if side:
            upper, fore = -0.75 * sign * swing, -0.75 * sign * swing + 0.5 * side
            thigh = 0.55 * sign * swing
            shin = thigh - side * (0.15 + 0.6 * (sign * side * lift).clamp(min=0))
        elif motion == "waves" and (sign > 0) == (variant % 2 == 0):
            upper, fore = zero + sign * 1.9, sign * 2.75 + 0.55 * wave
            thigh, shin = zero + sign * 0.14, zero + sign * 0.05
        else:
            upper, fore = zero + sign * 0.35, zero + sign * 0.15
            thigh, shin = zero + sign * 0.14, zero + sign * 0.05
        points[arm + 1] = _reach(points[arm], upper, _UPPER_ARM)
        points[arm + 2] = _reach(points[arm + 1], fore, _FOREARM)
        points[leg + 1] = _reach(points[leg], thigh, _THIGH)
        points[leg + 2] = _reach(points[leg + 1], shin, _SHIN)
    return torch.stack([points[index] for index in range(16)], dim=1)


def draw_pose(joints: Tensor, height: int, width: int) -> Tensor:
    """`(3, T, H, W)`, 0..1: the stick figure on black, limbs dimmed, joints bright; `joints` in pixels.

    Thicker than DWPose draws it for its size (4 pixels at 1024), or nothing would be left of it in latent cells.
    """
    unit = min(height, width) / 64
    reach = 2 * unit
    region = Region.around(torch.cat([joints - reach, joints + reach], dim=2), height, width)
    rows, columns = region.slices
    page = torch.zeros(3, len(joints), height, width)
    canvas = page[..., rows, columns]
    ends = [*LIMBS, *((joint, joint) for joint in range(len(JOINT_COLOURS)))]
    for index, (start, end) in enumerate(ends):
        is_limb = index < len(LIMBS)
        colour = rgb(JOINT_COLOURS[index if is_limb else start]) * ((0.6 if is_limb else 1.0) / 255)
        thickness = torch.tensor((1.1 if is_limb else 1.5) * unit)
        canvas += coverage(capsule(region, joints[:, start], joints[:, end], thickness)) * (colour - canvas)
    return page
