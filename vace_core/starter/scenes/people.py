"""Faces with parts, and people who walk, wave and jump."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .drawing import Layer, Region, capsule, coverage, rgb, stack
from .palette import COLOURS, EYES, HAIRS, SKINS, Rgb, mixed
from .poses import skeleton
from .shapes import Place, rim

MOUTHS: tuple[str, ...] = ("smiling", "sad", "surprised")


@dataclass(frozen=True, kw_only=True)
class Face:
    """What a face looks like, in the words of captions.

    Attributes:
        skin: A name of `SKINS`; no word of a caption says it.
        eyes: A name of `EYES`.
        mouth: One of `MOUTHS`.
        glasses: Whether it wears them.
    """

    skin: str = "pale"
    eyes: str = "brown"
    mouth: str = "smiling"
    glasses: bool = False


FACE_PARTS: dict[str, tuple[float, float, float, float]] = {
    "hair": (-0.5, -0.98, 0.5, -0.62),
    "eyes": (-0.52, -0.14, 0.52, 0.18),
    "mouth": (-0.38, 0.42, 0.38, 0.80),
}
"""Where the parts of a face are: left, top, right, bottom in radii around its centre."""

_HAIR, _SKIN, _EARS = (
    (0.0, -0.12, 0.88, 0.88),
    (0.0, 0.16, 0.72, 0.82),
    ((-0.76, 0.12, 0.13, 0.2), (0.76, 0.12, 0.13, 0.2)),
)


def _edge(cx: float, cy: float, rx: float, ry: float) -> Tensor:
    angles = torch.arange(48) * (2 * math.pi / 48)
    return torch.stack([cx + rx * angles.cos(), cy + ry * angles.sin()], dim=1)


FACE_OUTLINE = torch.cat([_edge(*oval) for oval in (_HAIR, _SKIN, *_EARS)])
"""`(N, 2)`: points on the edges of hair, skin and ears, in radii."""


class _Oval(Protocol):
    """An ellipse from its middle and half axes in radii; `edge` gives it a rim."""

    def __call__(self, cx: float, cy: float, rx: float, ry: float, colour: Tensor, *, edge: bool = False) -> Layer: ...


_Stroke = Callable[[list[tuple[float, float]], float, Tensor], list[Layer]]
"""Lines through points in radii, of a width in radii."""


def draw_face(region: Region, place: Place, hair: str, face: Face) -> Layer:
    """A face seen from the front: hair, ears, brows, eyes with white and iris, nose, mouth, perhaps glasses."""
    x, y = place.local(region)
    radius, flow = place.radius, place.flow(region)
    skin, lock = rgb(SKINS[face.skin]), rgb(HAIRS[hair])
    shade, line = rgb(mixed(SKINS[face.skin], (0.45, 0.12, 0.05), 0.35)), rgb((0.12, 0.08, 0.08))

    def oval(cx: float, cy: float, rx: float, ry: float, colour: Tensor, *, edge: bool = False) -> Layer:
        u, v = (x - cx) / rx, (y - cy) / ry
        size = (u * u + v * v).sqrt()
        # Divided by the length of its slope, which makes it a distance near the edge.
        distance = (size - 1) * size / ((u / rx) ** 2 + (v / ry) ** 2).sqrt().clamp(min=1e-4) * radius
        return Layer(coverage(distance), colour * rim(distance, radius) if edge else colour, flow)

    def stroke(points: list[tuple[float, float]], width: float, colour: Tensor) -> list[Layer]:
        at = place.points(torch.tensor(points))
        pairs = zip(at.unbind(1)[:-1], at.unbind(1)[1:], strict=True)
        thick = (width * radius).clamp(min=0.45)
        return [Layer(coverage(capsule(region, a, b, thick)), colour, flow) for a, b in pairs]

    parts = [oval(*_HAIR, lock, edge=True)]
    parts += [oval(*ear, shade) for ear in _EARS]
    parts += [oval(*_SKIN, skin, edge=True), _fringe(x, y, radius, lock, flow)]
    iris = rgb(EYES[face.eyes])
    for side in (-0.3, 0.3):
        parts += [oval(side, 0.03, 0.175, 0.14, rgb((0.98, 0.98, 0.97))), oval(side, 0.03, 0.115, 0.125, iris)]
        parts += [oval(side, 0.03, 0.05, 0.055, line)]
        raised = 0.06 if face.mouth == "surprised" else 0.0
        inner = 0.08 if face.mouth == "sad" else 0.0
        sign = math.copysign(1, side)
        brow = [(side - sign * 0.15, -0.17 - inner - raised), (side + sign * 0.17, -0.17 - raised)]
        parts += stroke(brow, 0.035, lock * 0.6)
    parts += stroke([(0.0, 0.16), (0.05, 0.31), (-0.03, 0.33)], 0.028, shade)
    parts += _mouth(face.mouth, oval, stroke)
    if face.glasses:
        parts += [_ring(x, y, side * 0.3, 0.03, 0.24, radius, line, flow) for side in (-1, 1)]
        parts += stroke([(-0.07, 0.0), (0.07, 0.0)], 0.03, line)
    return stack(parts)


def _fringe(x: Tensor, y: Tensor, radius: Tensor, colour: Tensor, flow: Tensor) -> Layer:
    """Hair over the forehead: the top of the head above a wavy line."""
    head = ((x / 0.88) ** 2 + ((y + 0.12) / 0.88) ** 2).sqrt() - 0.97
    below = y + 0.36 - 0.30 * x * x - 0.05 * torch.cos(9 * x + 0.6)
    return Layer(coverage(torch.maximum(head * 0.88, below) * radius), colour, flow)


def _mouth(kind: str, oval: _Oval, stroke: _Stroke) -> list[Layer]:
    lips, inside = rgb((0.74, 0.13, 0.16)), rgb((0.30, 0.03, 0.05))
    if kind == "surprised":
        return [oval(0, 0.62, 0.15, 0.19, lips), oval(0, 0.62, 0.09, 0.13, inside)]
    depth = 0.16 if kind == "smiling" else -0.15
    middle = 0.52 if kind == "smiling" else 0.68
    points = [(0.34 * u, middle + depth * (1 - u * u)) for u in (-1.0, -0.6, -0.2, 0.2, 0.6, 1.0)]
    return stroke(points, 0.055, lips)


def _ring(
    x: Tensor, y: Tensor, cx: float, cy: float, size: float, radius: Tensor, colour: Tensor, flow: Tensor
) -> Layer:
    distance = (((x - cx) ** 2 + (y - cy) ** 2).sqrt() - size).abs() * radius
    return Layer(coverage(distance - (0.035 * radius).clamp(min=0.5)), colour, flow)


# Joints in the order of OpenPose, then the middles of the head and of the hips.
_NECK, _R_ARM, _L_ARM, _R_LEG, _L_LEG, _HEAD, _HIPS = 1, 2, 5, 8, 11, 14, 15
_ARM, _LEG, _TORSO, _SKULL = 0.085, 0.105, 0.20, 0.235
_HAND, _TOE = 0.12, 0.05  # of the forearm and the shin, beyond the joint


def joints_of(motion: str, seconds: Tensor, variant: int, place: Place) -> Tensor:
    """`(T, 16, 2)`: the joints of a person in pixels; `seconds` `(T,)` since the clip began."""
    joints = skeleton(motion, seconds / 2, variant)
    if motion == "jumps":
        lift = _lift(seconds)
        joints[:, [3, 4], 0] -= 0.16 * lift[:, None]
        joints[:, [6, 7], 0] += 0.16 * lift[:, None]
        joints[:, [4, 7], 1] -= 0.62 * lift[:, None]
        joints[:, [3, 6], 1] -= 0.22 * lift[:, None]
        joints[:, :, 1] += 0.1 - 0.24 * lift[:, None]
    return place.points(joints)


def _lift(seconds: Tensor) -> Tensor:
    """0 on the ground, 1 at the top of a jump; a jump a second."""
    return (math.pi * seconds).sin().abs()


def _tip(joints: Tensor, first: int, beyond: float) -> Tensor:
    """`(T, 2)`: where a hand or foot ends, a part of the limb beyond its last joint."""
    return joints[:, first + 2] + beyond * (joints[:, first + 2] - joints[:, first + 1])


def person_extent(joints: Tensor, place: Place) -> Tensor:
    """`(T, 4)`: left, top, right, bottom of a drawn person in pixels; `joints` in pixels."""
    width = torch.full((16, 1), _LEG)
    width[_HEAD], width[_HIPS], width[0], width[_NECK] = _SKULL, _TORSO, 0.0, 0.0
    ends = [
        _tip(joints, _R_ARM, _HAND),
        _tip(joints, _L_ARM, _HAND),
        _tip(joints, _R_LEG, _TOE),
        _tip(joints, _L_LEG, _TOE),
    ]
    points = torch.cat([joints, torch.stack(ends, dim=1)], dim=1)
    reach = torch.cat([width, torch.full((4, 1), _LEG * 1.05)]) * place.radius
    low, high = (points - reach).amin(1), (points + reach).amax(1)
    return torch.cat([low, high], dim=1)


def draw_person(
    region: Region, place: Place, joints: Tensor, shirt: str, trousers: str, skin: str, motion: str
) -> Layer:
    """A person in a shirt and trousers, of capsules; `joints` `(T, 16, 2)` in pixels."""
    radius = place.radius

    def part(points: list[Tensor], widths: list[float], paint: Rgb, tone: float = 1.0) -> Layer:
        """Capsules from point to point as one thing, so that no rim crosses a knee."""
        pairs = list(zip(points[:-1], points[1:], widths, strict=True))
        distances = torch.stack([capsule(region, a, b, width * radius) for a, b, width in pairs])
        distance, nearest = distances.min(0)
        flow = limb_flow(region, *pairs[0][:2])
        for index, (a, b, _) in enumerate(pairs[1:], start=1):
            flow = torch.where(nearest[:-1] == index, limb_flow(region, a, b), flow)
        return Layer(coverage(distance), rgb(paint) * (tone * rim(distance, radius)), flow)

    def arm(first: int, tone: float) -> list[Layer]:
        shoulder, elbow, wrist = joints[:, first : first + 3].unbind(1)
        cuff = elbow + 0.5 * (wrist - elbow)
        bare = part([cuff, _tip(joints, first, _HAND)], [_ARM * 0.9], SKINS[skin], tone)
        return [bare, part([shoulder, elbow, cuff], [_ARM, _ARM], COLOURS[shirt], tone)]

    def leg(first: int, tone: float) -> list[Layer]:
        hip, knee, ankle = joints[:, first : first + 3].unbind(1)
        shoe = part([ankle, _tip(joints, first, _TOE)], [_LEG * 1.05], (0.30, 0.24, 0.22), tone)
        return [shoe, part([hip, knee, ankle], [_LEG, _LEG * 0.92], COLOURS[trousers], tone)]

    far, near = ((_R_ARM, _R_LEG), (_L_ARM, _L_LEG))
    if motion == "walks left":
        far, near = near, far
    walks = motion.startswith("walks")
    tone = 0.72 if walks else 1.0
    chest = joints[:, _NECK] + torch.tensor([0.0, 0.16]) * radius[:, :, 0]
    body = part([chest, joints[:, _HIPS]], [_TORSO], COLOURS[shirt])
    head = _head(region, place, joints, skin, motion)
    sides = [*arm(far[0], tone), *leg(far[1], tone), *leg(near[1], 1.0)]
    if walks:
        return stack([*sides, body, head, *arm(near[0], 1.0)])
    return stack([*sides, *arm(near[0], 1.0), body, head])


def _head(region: Region, place: Place, joints: Tensor, skin: str, motion: str) -> Layer:
    radius, flow = place.radius, place.flow(region)
    x, y = (
        (axis - at) / radius
        for axis, at in zip((region.x, region.y), joints[:, _HEAD, :, None, None].unbind(1), strict=True)
    )
    distance = ((x * x + y * y).sqrt() - _SKULL) * radius
    look = {"walks right": 0.10, "walks left": -0.10}.get(motion, 0.0)
    # Hair covers what is above a slanted line, which shows where somebody looks.
    above = (y + 0.02 + (1.6 * look) * x * 4) * radius
    hair = Layer(coverage(torch.maximum(distance, above + 0.04 * radius)), rgb((0.22, 0.13, 0.08)), flow)
    skull = Layer(coverage(distance), rgb(SKINS[skin]) * rim(distance, radius), flow)
    eyes = (look + 0.07, look - 0.07) if look == 0 else (look,)
    dots = [((x - at) ** 2 + (y - 0.035) ** 2).sqrt() * radius - (0.036 * radius).clamp(min=0.45) for at in eyes]
    return stack([skull, hair, *(Layer(coverage(dot), rgb((0.08, 0.06, 0.06)), flow) for dot in dots)])


def limb_flow(region: Region, start: Tensor, end: Tensor) -> Tensor:
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
