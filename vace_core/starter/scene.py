"""What happens in a synthetic clip, in words and numbers: background, objects, motion, caption. Draws nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from .drawing import BACKGROUNDS, COLOURS, SHAPES, TINTS

MOTIONS: tuple[str, ...] = (
    "stays still",
    "moves right",
    "moves left",
    "moves up",
    "moves down",
    "grows",
    "shrinks",
    "wanders",
    "walks right",
    "walks left",
    "waves",
)
"""What an object can do. The last three are for figures, who otherwise only stand still."""

VOCABULARY: tuple[str, ...] = (
    *("a", "an", "and", "on", "with", "hair", "thing", "empty", "background"),
    *COLOURS,
    *("striped", *SHAPES, "figure", "face"),
    *("stays", "still", "moves", "right", "left", "up", "down", "grows", "shrinks", "wanders", "walks", "waves"),
    *BACKGROUNDS,
    *TINTS,
)
"""Every word that can occur in a caption, in an order that never changes: a word's place is its number."""

MAX_WORDS = 18
"""Words of the longest caption: two striped objects that move."""

_DIRECTIONS = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}


@dataclass(frozen=True, kw_only=True)
class Keyframe:
    """Where an object is at one moment.

    Attributes:
        time: 0 = first frame, 1 = last frame.
        x: Centre, 0 = left edge, 1 = right edge of the frame.
        y: Centre, 0 = top edge, 1 = bottom edge of the frame.
        radius: Half the size of the object, in shorter sides of the frame.
    """

    time: float
    x: float
    y: float
    radius: float


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object and its way through the clip.

    Attributes:
        shape: A name of `SHAPES`, "figure" or "face".
        colour: A name of `COLOURS`; of a face, its hair.
        pattern: "flat" or "striped" (figures and faces: flat).
        motion: One of `MOTIONS`; the path is made to match.
        path: Keyframes in order of time, joined by a smooth curve.
        depth: 0 = far, 1 = near; nearer objects hide farther ones.
        variant: Which of three: the skin of a face, the waving hand of a figure. No word says it.
    """

    shape: str
    colour: str
    pattern: str = "flat"
    motion: str = "stays still"
    path: tuple[Keyframe, ...]
    depth: float = 0.5
    variant: int = 0

    @property
    def words(self) -> str:
        """The object as a caption names it, e.g. "a red striped circle" or "a face with red hair"."""
        if self.shape == "face":
            return f"a face with {self.colour} hair"
        return f"a {self.colour} {'striped ' if self.pattern == 'striped' else ''}{self.shape}"

    def track(self, times: Tensor) -> Tensor:
        """`(3, T)`: x, y and radius as in `Keyframe`, at `times` `(T,)` from 0 to 1."""
        keys = torch.tensor([(key.time, key.x, key.y, key.radius) for key in self.path]).T.contiguous()
        if len(self.path) == 1:
            return keys[1:].expand(3, len(times))
        return _hermite(keys[0], keys[1:], times)


@dataclass(frozen=True, kw_only=True)
class Background:
    """A still, muted backdrop.

    Attributes:
        kind: One of `BACKGROUNDS`.
        tint: A name of `TINTS`.
        phase: Two numbers from 0 to 1 that place its pattern. No word says them.
    """

    kind: str
    tint: str
    phase: tuple[float, float] = (0.5, 0.5)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A background and the objects on it, in the order in which the caption names them."""

    background: Background
    objects: tuple[SceneObject, ...] = ()

    @property
    def caption(self) -> str:
        """The whole scene, e.g. "a red striped circle moves right on a plain gray background"."""
        return self._sentence([item.words for item in self.objects])

    @property
    def object_words(self) -> str:
        """The caption without what describes the objects, e.g. "a thing moves right on a plain gray background"."""
        return self._sentence(["a thing"] * len(self.objects))

    def _sentence(self, names: list[str]) -> str:
        place = f"{self.background.kind} {self.background.tint} background"
        if not self.objects:
            return f"an empty {place}"
        acts = [f"{name} {item.motion}" for name, item in zip(names, self.objects, strict=True)]
        return f"{' and '.join(acts)} on a {place}"


def random_scene(seed: int) -> Scene:
    """A scene drawn at random; the same seed gives the same scene everywhere.

    64 % one shape, 14 % two shapes, 11 % a figure, 8 % a face, 3 % nothing.
    """
    # Python's own generator: its sequence is promised across versions and machines.
    rng = random.Random(seed)
    background = Background(
        kind=rng.choice(BACKGROUNDS), tint=rng.choice(tuple(TINTS)), phase=(rng.random(), rng.random())
    )
    kind = rng.choices(("one", "two", "figure", "face", "none"), (64, 14, 11, 8, 3))[0]
    if kind == "none":
        return Scene(background=background)
    if kind == "two":
        return Scene(background=background, objects=_pair(rng))
    draw = {"one": _random_shape, "figure": _random_figure, "face": _random_face}[kind]
    return Scene(background=background, objects=(draw(rng),))


def _random_shape(rng: random.Random, smallest: float = 0.15, largest: float = 0.26) -> SceneObject:
    motion = rng.choices(MOTIONS[:8], (10, 13, 13, 13, 13, 9, 9, 20))[0]
    # What changes its size is drawn larger, so that it is recognisable when it is small.
    radius = rng.uniform(smallest, largest) * (1.25 if motion in ("grows", "shrinks") else 1)
    return SceneObject(
        shape=rng.choice(tuple(SHAPES)),
        colour=rng.choice(tuple(COLOURS)),
        pattern=rng.choice(("flat", "striped")),
        motion=motion,
        path=_path(rng, motion, radius, 0.95 * radius, 0.95 * radius),
        depth=_nearness(rng, radius),
    )


def _random_figure(rng: random.Random) -> SceneObject:
    motion = rng.choices(("walks right", "walks left", "waves", "stays still"), (32, 32, 26, 10))[0]
    radius = rng.uniform(0.32, 0.40)
    return SceneObject(
        shape="figure",
        colour=rng.choice(tuple(COLOURS)),
        motion=motion,
        path=_path(rng, motion, radius, 0.5 * radius, radius),
        depth=_nearness(rng, 0.6 * radius),
        variant=rng.randrange(3),
    )


def _random_face(rng: random.Random) -> SceneObject:
    motion = rng.choices(MOTIONS[:8], (25, 15, 15, 10, 10, 5, 5, 15))[0]
    radius = rng.uniform(0.24, 0.32)
    return SceneObject(
        shape="face",
        colour=rng.choice(tuple(COLOURS)),
        motion=motion,
        path=_path(rng, motion, radius, radius, radius),
        depth=_nearness(rng, 0.8 * radius),
        variant=rng.randrange(3),
    )


def _pair(rng: random.Random) -> tuple[SceneObject, ...]:
    """Two shapes of different colours that start apart; they may cross later, the nearer in front."""
    first = _random_shape(rng, 0.14, 0.21)
    while True:
        second = _random_shape(rng, 0.14, 0.21)
        a, b = first.path[0], second.path[0]
        apart = (a.x - b.x) ** 2 + (a.y - b.y) ** 2 > (a.radius + b.radius) ** 2
        if apart and first.colour != second.colour and abs(first.depth - second.depth) > 0.15:
            return first, second


def _nearness(rng: random.Random, radius: float) -> float:
    """A depth from 0 to 1: bigger objects tend to be nearer."""
    return min(max((radius - 0.12) / 0.14 + rng.uniform(-0.35, 0.35), 0.0), 1.0)


def _path(rng: random.Random, motion: str, radius: float, margin_x: float, margin_y: float) -> tuple[Keyframe, ...]:
    """Keyframes for a motion, with the centre `margin_x` and `margin_y` away from the edges."""

    def anywhere() -> tuple[float, float]:
        return rng.uniform(margin_x, 1 - margin_x), rng.uniform(margin_y, 1 - margin_y)

    if motion == "wanders":
        return _wander(rng, radius, margin_x, margin_y)
    if motion in ("grows", "shrinks"):
        start, end = (0.6 * radius, radius) if motion == "grows" else (radius, 0.6 * radius)
        x, y = anywhere()
        return Keyframe(time=0, x=x, y=y, radius=start), Keyframe(time=1, x=x, y=y, radius=end)
    dx, dy = _DIRECTIONS.get(motion.split()[-1], (0, 0))
    length = rng.uniform(0.32, 0.5)
    low, high = (margin_x, margin_y), (1 - margin_x, 1 - margin_y)
    start, end = list(anywhere()), [0.0, 0.0]
    for axis, sign in enumerate((dx, dy)):
        reach = sign * min(length, high[axis] - low[axis])
        if sign:
            start[axis] = rng.uniform(low[axis] - min(reach, 0), high[axis] - max(reach, 0))
        end[axis] = start[axis] + reach
    first = Keyframe(time=0, x=start[0], y=start[1], radius=radius)
    return (first, Keyframe(time=1, x=end[0], y=end[1], radius=radius)) if dx or dy else (first,)


def _wander(rng: random.Random, radius: float, margin_x: float, margin_y: float) -> tuple[Keyframe, ...]:
    while True:
        points = [(rng.uniform(margin_x, 1 - margin_x), rng.uniform(margin_y, 1 - margin_y)) for _ in range(3)]
        (ax, ay), (bx, by), (cx, cy) = points
        # Two clear legs with a turn between them, or the word would fit a straight motion as well.
        legs = (bx - ax) ** 2 + (by - ay) ** 2 > 0.05 and (cx - bx) ** 2 + (cy - by) ** 2 > 0.05
        if legs and (bx - ax) * (cx - bx) + (by - ay) * (cy - by) < 0.02:
            radii = (radius, radius * rng.uniform(0.8, 1.0), radius)
            return tuple(Keyframe(time=index / 2, x=x, y=y, radius=radii[index]) for index, (x, y) in enumerate(points))


def _hermite(key_times: Tensor, values: Tensor, times: Tensor) -> Tensor:
    """A smooth curve through `values` `(V, K)` at `key_times` `(K,)`, read at `times` `(T,)`; straight for K = 2."""
    steps = key_times.diff()
    slopes = values.diff(dim=1) / steps
    tangents = torch.cat([slopes[:, :1], (slopes[:, :-1] + slopes[:, 1:]) / 2, slopes[:, -1:]], dim=1)
    index = torch.searchsorted(key_times, times, right=True).sub(1).clamp(0, len(steps) - 1)
    u = ((times - key_times[index]) / steps[index]).clamp(0, 1)
    left, right = tangents[:, index] * steps[index], tangents[:, index + 1] * steps[index]
    jump = values[:, index + 1] - values[:, index]
    return values[:, index] + u * left + u**2 * (3 * jump - 2 * left - right) + u**3 * (left + right - 2 * jump)
