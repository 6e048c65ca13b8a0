"""The two objects of the synthetic world that are more than a shape: a walking, waving figure, and a face."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .drawing import COLOURS, Layer, Place, Region, capsule, circle, coverage, rgb, stack

SKINS: tuple[tuple[float, float, float], ...] = ((0.95, 0.76, 0.60), (0.78, 0.54, 0.36), (0.46, 0.29, 0.19))
"""Skin colours of faces by variant, rgb from 0 to 1, HSV saturation above 0.35."""

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

_LIMB_WIDTH, _TORSO_WIDTH, _HEAD_RADIUS = 0.105, 0.20, 0.25
_THIGH, _SHIN, _UPPER_ARM, _FOREARM = 0.40, 0.40, 0.29, 0.29


def _reach(start: Tensor, angle: Tensor, length: float) -> Tensor:
    """`(T, 2)`: the end of a limb from `start` `(T, 2)`; `angle` `(T,)` in radians, 0 = down, positive = right."""
    return start + length * torch.stack([angle.sin(), angle.cos()], dim=1)


def skeleton(motion: str, times: Tensor, variant: int = 0) -> Tensor:
    """`(T, 16, 2)`: joints x, y in radii around the figure's centre.

    Args:
        motion: "walks right" and "walks left" are seen from the side, anything else from the front.
        times: `(T,)`, 0 = first frame, 1 = last frame.
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


def place_joints(joints: Tensor, place: Place) -> Tensor:
    """`(T, 16, 2)` in pixels from joints in radii."""
    return joints * place.radius + torch.cat([place.x, place.y], dim=2)


def figure_extent(joints: Tensor, place: Place) -> Tensor:
    """`(T, 4)`: left, top, right, bottom of the drawn figure in pixels; `joints` in pixels."""
    width = torch.full((16, 1), _LIMB_WIDTH)
    width[_HEAD], width[_NOSE], width[_NECK], width[_HIPS] = _HEAD_RADIUS, 0, _TORSO_WIDTH, _TORSO_WIDTH
    reach = width * place.radius
    # The neck is no end of the torso; its top is drawn below it.
    drawn = [index for index in range(16) if index != _NECK]
    low, high = (joints - reach)[:, drawn].amin(1), (joints + reach)[:, drawn].amax(1)
    return torch.cat([low, high], dim=1)


def draw_figure(region: Region, place: Place, joints: Tensor, colour: str, motion: str) -> Layer:
    """A person of capsules in three tones of one colour; `joints` `(T, 16, 2)` in pixels."""
    base, radius = rgb(COLOURS[colour]), place.radius

    def part(start: Tensor, end: Tensor, width: float, tone: float) -> Layer:
        covered = coverage(capsule(region, start, end, width * radius))
        return Layer(covered, base * tone, _limb_flow(region, start, end))

    def limb(first: int, tone: float) -> list[Layer]:
        a, b, c = joints[:, first : first + 3].unbind(1)
        return [part(a, b, _LIMB_WIDTH, tone), part(b, c, _LIMB_WIDTH, tone)]

    far_arm, far_leg, near_arm, near_leg = _R_ARM, _R_LEG, _L_ARM, _L_LEG
    if motion == "walks left":
        far_arm, far_leg, near_arm, near_leg = near_arm, near_leg, far_arm, far_leg
    # Seen from the front, both sides are equally near.
    far_tone = 0.5 if motion.startswith("walks") else 1.0
    chest = joints[:, _NECK] + torch.tensor([0.0, 0.14]) * radius[:, :, 0]
    torso = part(chest, joints[:, _HIPS], _TORSO_WIDTH, 0.7)
    x, y = joints[:, _HEAD, :, None, None].unbind(1)
    head = circle((region.x - x) / _HEAD_RADIUS / radius, (region.y - y) / _HEAD_RADIUS / radius)
    head = Layer(coverage(head * _HEAD_RADIUS * radius), base, place.flow(region))
    behind = limb(far_arm, far_tone) + limb(far_leg, far_tone) + limb(near_leg, 1.0)
    return stack([*behind, torso, head, *limb(near_arm, 1.0)])


def _limb_flow(region: Region, start: Tensor, end: Tensor) -> Tensor:
    """`(2, T-1, h, w)`: how a limb carries its pixels along, turning and stretching with its two ends."""
    along = end - start
    a, d = start[:, :, None, None], along[:, :, None, None]
    px, py = region.x - a[:-1, 0], region.y - a[:-1, 1]
    # Dividing complex numbers d' / d gives the turn and the stretch from one frame to the next.
    length = (d[:-1] ** 2).sum(1).clamp(min=1e-6)
    real = (d[1:] * d[:-1]).sum(1) / length - 1
    turn = (d[1:, 1] * d[:-1, 0] - d[1:, 0] * d[:-1, 1]) / length
    move = start.diff(dim=0)[:, :, None, None]
    return torch.stack([move[:, 0] + real * px - turn * py, move[:, 1] + turn * px + real * py])


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


def draw_face(region: Region, place: Place, hair: str, variant: int) -> Layer:
    """A round face: hair all around, skin, two eyes and a smile; all of it saturated enough to be found."""
    flow, radius = place.flow(region), place.radius
    x, y = (region.x - place.x) / radius, (region.y - place.y) / radius
    dark, lips = rgb((0.22, 0.10, 0.05)), rgb((0.72, 0.16, 0.18))

    def disc(cx: float, cy: float, size: float, colour: Tensor) -> Layer:
        return Layer(coverage(circle((x - cx) / size, (y - cy) / size) * size * radius), colour, flow)

    def stroke(start: tuple[float, float], end: tuple[float, float], width: float, colour: Tensor) -> Layer:
        centre = torch.cat([place.x, place.y], dim=2)[:, 0]
        a, b = (centre + torch.tensor(at) * radius[:, :, 0] for at in (start, end))
        return Layer(coverage(capsule(region, a, b, width * radius)), colour, flow)

    parts = [disc(0, 0, 1, rgb(COLOURS[hair])), disc(0, 0.24, 0.72, rgb(SKINS[variant % 3]))]
    parts += [disc(-0.28, 0.10, 0.13, dark), disc(0.28, 0.10, 0.13, dark)]
    parts += [stroke((-0.28, 0.50), (0, 0.62), 0.08, lips), stroke((0, 0.62), (0.28, 0.50), 0.08, lips)]
    return stack(parts)
