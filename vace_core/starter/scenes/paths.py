"""Ways through a clip: keyframes, the motions that words name, and the camera."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOTIONS: tuple[str, ...] = (
    *("stays still", "moves right", "moves left", "moves up", "moves down"),
    *("grows", "shrinks", "wanders", "spins", "bounces"),
)
"""What a shape can do."""

PERSON_MOTIONS: tuple[str, ...] = ("stays still", "walks right", "walks left", "waves", "jumps")
FACE_MOTIONS: tuple[str, ...] = ("stays still", "moves right", "moves left", "moves up", "moves down", "grows", "nods")

CAMERAS: tuple[str, ...] = ("still", "pans right", "pans left", "pans up", "pans down", "zooms in", "zooms out")
"""What the camera can do; what it pans over moves the other way."""

_WAYS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, kw_only=True)
class Keyframe:
    """Where an object is at one moment.

    Attributes:
        time: 0 = first frame, 1 = last frame.
        x: Centre, 0 = left edge, 1 = right edge of the frame as the camera sees it at the beginning.
        y: Centre, 0 = top edge, 1 = bottom edge.
        radius: Half the size of the object, in shorter sides.
        angle: Turn to the right in radians.
    """

    time: float
    x: float
    y: float
    radius: float
    angle: float = 0.0


Path = tuple[Keyframe, ...]


def track(path: Path, times: Tensor) -> Tensor:
    """`(4, T)`: x, y, radius and angle as in `Keyframe`, at `times` `(T,)` from 0 to 1."""
    keys = torch.tensor([(key.time, key.x, key.y, key.radius, key.angle) for key in path]).T.contiguous()
    return keys[1:].expand(4, len(times)) if len(path) == 1 else _curve(keys[0], keys[1:], times)


def _curve(key_times: Tensor, values: Tensor, times: Tensor) -> Tensor:
    """A smooth curve through `values` `(V, K)` at `key_times` `(K,)`, read at `times` `(T,)`; straight for K = 2."""
    steps = key_times.diff()
    slopes = values.diff(dim=1) / steps
    tangents = torch.cat([slopes[:, :1], (slopes[:, :-1] + slopes[:, 1:]) / 2, slopes[:, -1:]], dim=1)
    index = torch.searchsorted(key_times, times, right=True).sub(1).clamp(0, len(steps) - 1)
    u = ((times - key_times[index]) / steps[index]).clamp(0, 1)
    left, right = tangents[:, index] * steps[index], tangents[:, index + 1] * steps[index]
    jump = values[:, index + 1] - values[:, index]
    return values[:, index] + u * left + u**2 * (3 * jump - 2 * left - right) + u**3 * (left + right - 2 * jump)


def random_path(rng: random.Random, motion: str, radius: float, margin: tuple[float, float], seconds: float) -> Path:
    """Keyframes for a motion.

    Args:
        rng: The dice.
        motion: One of `MOTIONS`, `PERSON_MOTIONS` or `FACE_MOTIONS`.
        radius: Half the size, in shorter sides.
        margin: How far the centre keeps from the edges, as shares of width and height.
        seconds: How long the clip is; what moves goes a fourth of the frame in a second.
    """
    low = tuple(min(side, 0.5) for side in margin)
    start = [rng.uniform(one, 1 - one) for one in low]
    tilt = rng.uniform(-0.25, 0.25) if motion not in PERSON_MOTIONS[1:] else 0.0
    angle = 0.6 * tilt

    def key(time: float, x: float, y: float, size: float = 1.0, turn: float = 0.0) -> Keyframe:
        return Keyframe(time=time, x=x, y=y, radius=radius * size, angle=angle + turn)

    x, y = start
    word = motion.split()[-1]
    if word in _WAYS:
        ends = _straight(rng, start, low, _WAYS[word], seconds)
        return key(0, *ends[0]), key(1, *ends[1])
    if motion in ("grows", "shrinks"):
        ratio = max(0.55, 1 - 0.28 * seconds)
        sizes = (ratio, 1.0) if motion == "grows" else (1.0, ratio)
        return key(0, x, y, sizes[0]), key(1, x, y, sizes[1])
    if motion == "spins":
        turn = rng.choice((-1, 1)) * rng.uniform(0.8, 1.2) * math.pi / 2 * seconds
        return key(0, x, y), key(1, x, y, 1, turn)
    if motion == "nods":
        return _repeated(seconds, 0.5, lambda time, n: key(time, x, y, 1, (0.16, -0.16)[n % 2]))
    if motion == "bounces":
        height = rng.uniform(0.16, 0.26)
        foot = rng.uniform(min(low[1] + height, 1 - low[1]), 1 - low[1])
        return _repeated(seconds, 0.25, lambda time, n: key(time, x, foot - height * (0, 0.75, 1, 0.75)[n % 4]))
    if motion == "wanders":
        return _wander(rng, low, seconds, key)
    return (key(0, x, y),)


def _straight(
    rng: random.Random, start: list[float], low: tuple[float, ...], way: tuple[int, int], seconds: float
) -> tuple[list[float], list[float]]:
    """First and last centre of a straight motion."""
    length = rng.uniform(0.18, 0.28) * max(seconds, 0.4)
    first, last = list(start), list(start)
    for axis, sign in enumerate(way):
        if sign:
            # Where there is no room for a clear motion, it begins or ends cut off by the edge.
            edge = min(low[axis], 0.32)
            reach = sign * min(length, 1 - 2 * edge)
            first[axis] = rng.uniform(edge - min(reach, 0), 1 - edge - max(reach, 0))
            last[axis] = first[axis] + reach
    return first, last


def _repeated(seconds: float, every: float, key: Callable[[float, int], Keyframe]) -> Path:
    """Keys `every` so many seconds, from the beginning past the end."""
    count = max(math.ceil(seconds / every), 1)
    return tuple(key(n * every / seconds, n) for n in range(count + 1))


def _wander(
    rng: random.Random, low: tuple[float, ...], seconds: float, key: Callable[[float, float, float], Keyframe]
) -> Path:
    """Three or more places with turns between them, so that no single direction describes the way."""
    count = max(3, round(seconds * 1.5) + 1)
    low = tuple(min(one, 0.36) for one in low)
    points = [(rng.uniform(low[0], 1 - low[0]), rng.uniform(low[1], 1 - low[1]))]
    while len(points) < count:
        heading = rng.uniform(0, 2 * math.pi)
        length = rng.uniform(0.2, 0.34)
        x, y = points[-1][0] + length * math.cos(heading), points[-1][1] + length * math.sin(heading)
        if low[0] <= x <= 1 - low[0] and low[1] <= y <= 1 - low[1] and _turns(points, (x, y)):
            points.append((x, y))
    return tuple(key(n / (count - 1), x, y) for n, (x, y) in enumerate(points))


def _turns(points: list[tuple[float, float]], after: tuple[float, float]) -> bool:
    if len(points) < 2:
        return True
    (ax, ay), (bx, by) = points[-2:]
    ux, uy, vx, vy = bx - ax, by - ay, after[0] - bx, after[1] - by
    return ux * vx + uy * vy < 0.35 * math.hypot(ux, uy) * math.hypot(vx, vy)


@dataclass(frozen=True)
class Shot:
    """What the camera sees in every frame: `centre` `(2, T)`, how far it went in frames, and `zoom` `(T,)`."""

    centre: Tensor
    zoom: Tensor

    def seen(self, x: Tensor, y: Tensor, far: float) -> tuple[Tensor, Tensor]:
        """Where in the frame something is at `x`, `y` `(T,)`; `far` from 0 to 1 takes less part in a pan."""
        share = 1 - 0.5 * far
        left, top = (axis - 0.5 - share * at for axis, at in zip((x, y), self.centre, strict=True))
        return left * self.zoom + 0.5, top * self.zoom + 0.5


def shot(camera: str, times: Tensor, seconds: float) -> Shot:
    """The camera of a clip; `camera` is one of `CAMERAS`, `times` `(T,)` from 0 to 1."""
    zero = torch.zeros_like(times)
    word = camera.split()[-1]
    if word in _WAYS:
        reach = min(0.14 * seconds, 0.42)
        # Half before and half after the middle, so that things are in sight for most of the way.
        way = reach * (times - 0.5)
        return Shot(torch.stack([sign * way for sign in _WAYS[word]]), zero + 1)
    if camera.startswith("zooms"):
        most = 1 + min(0.22 * seconds, 0.5)
        zoom = most**times if word == "in" else most ** (1 - times)
        return Shot(torch.stack([zero, zero]), zoom)
    return Shot(torch.stack([zero, zero]), zero + 1)
