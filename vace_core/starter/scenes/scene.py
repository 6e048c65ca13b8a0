"""What happens in a clip: a backdrop, objects with their ways, a camera. Drawn at random, or written by hand."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from .backdrops import BACKDROPS, UNSEEN_BACKDROPS, Backdrop, random_backdrop
from .palette import COLOURS, EYES, HAIRS, SKINS
from .paths import CAMERAS, FACE_MOTIONS, MOTIONS, PERSON_MOTIONS, Path, random_path
from .people import MOUTHS, Face
from .shapes import PATTERNS, SHAPES
from .split import unseen_pair

MOST_OBJECTS = 4


@dataclass(frozen=True, kw_only=True)
class SceneObject:
    """One object and its way through the clip.

    Attributes:
        shape: A name of `SHAPES`, "person" or "face".
        colour: A name of `COLOURS`; of a face its hair, a name of `HAIRS`; of a person the shirt.
        pattern: One of `PATTERNS` (people and faces: flat).
        trousers: Their colour, a name of `COLOURS`; of people only.
        face: What a face looks like; of faces only. Of a person only its skin counts.
        motion: A name of `MOTIONS`, `PERSON_MOTIONS` or `FACE_MOTIONS`; the path is made to match.
        path: Keyframes in order of time.
        depth: 0 = far, 1 = near; nearer objects hide farther ones.
        variant: Which of four: the waving hand and the first step of a person. No word says it.
    """

    shape: str
    colour: str
    pattern: str = "flat"
    trousers: str = "blue"
    face: Face = field(default_factory=Face)
    motion: str = "stays still"
    path: Path
    depth: float = 0.5
    variant: int = 0

    @property
    def words(self) -> str:
        """The object as a caption names it, e.g. "a red striped star" or "a smiling face with red hair"."""
        if self.shape == "person":
            return f"a person in a {self.colour} shirt and {self.trousers} trousers"
        if self.shape == "face":
            extra = " and glasses" if self.face.glasses else ""
            return f"a {self.face.mouth} face with {self.colour} hair and {self.face.eyes} eyes{extra}"
        pattern = "" if self.pattern == "flat" else f"{self.pattern} "
        return f"a {self.colour} {pattern}{self.shape}"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A backdrop, the objects before it in the order in which captions name them, and the camera.

    Attributes:
        backdrop: What is behind.
        objects: None to four.
        camera: One of `CAMERAS`.
        wording: A seed: which of the many ways to say it the caption takes.
    """

    backdrop: Backdrop
    objects: tuple[SceneObject, ...] = ()
    camera: str = "still"
    wording: int = 0


KINDS: dict[str, float] = {"one": 40, "two": 20, "three": 9, "four": 5, "person": 13, "face": 11, "none": 2}
"""What is in a scene, and how often of a hundred."""


def random_scene(
    seed: int | str,
    *,
    seconds: float = 2.0,
    aspect: float = 1.0,
    unseen: bool = False,
    calm: bool = False,
    kind: str | None = None,
) -> Scene:
    """A scene drawn at random; the same arguments give the same scene everywhere.

    Args:
        seed: Which one.
        seconds: How long the clip will be; 0 = a picture, the beginning of a clip of a second.
        aspect: Width over height of the frame.
        unseen: Whether it shows what training never does: pairs of shape and colour, or a kind of backdrop.
        calm: Whether its backdrop is muted, so that saturation finds the objects; and the camera stands.
        kind: A name of `KINDS`; None draws one.
    """
    # Python's own generator: its sequence is promised across versions and machines.
    rng = random.Random(f"scene {seed}")
    dice = _Dice(rng, seconds or 1.0, aspect, unseen)
    names = list(KINDS)
    drawn = kind or rng.choices(names, [KINDS[name] for name in names])[0]
    # What is not seen is the backdrop wherever no pair of shape and colour can be.
    other_backdrop = unseen and (drawn not in ("one", "two", "three", "four") or rng.random() < 0.35)
    if drawn == "person":
        objects: tuple[SceneObject, ...] = (dice.person(),)
        if rng.random() < 0.25:
            objects += (dice.shape(0.14, 0.2),)
    elif drawn == "face":
        objects = (dice.face(),)
    elif drawn == "none":
        objects = ()
    else:
        objects = dice.shapes({"one": 1, "two": 2, "three": 3, "four": 4}[drawn])
    kinds = UNSEEN_BACKDROPS if other_backdrop else BACKDROPS
    backdrop = random_backdrop(rng, kinds=kinds, calm=calm, taken=tuple(item.colour for item in objects))
    moving = 0.0 if calm else 0.28
    camera = rng.choice(CAMERAS[1:]) if rng.random() < moving else "still"
    return Scene(backdrop=backdrop, objects=_apart(objects, rng), camera=camera, wording=rng.randrange(2**31))


def large_object(seed: int | str, *, unseen: bool = False) -> Scene:
    """One shape alone on plain paper, large and at rest: the outlines that words mean, and nothing else to learn."""
    rng = random.Random(f"large {seed}")
    dice = _Dice(rng, 1.0, 1.0, unseen)
    item = dice.shape(0.3, 0.42)
    margin = min(1.02 * item.path[0].radius, 0.5)
    x, y = (rng.uniform(margin, 1 - margin) for _ in range(2))
    path = (replace(item.path[0], time=0.0, x=x, y=y),)
    item = replace(item, pattern="flat", motion="stays still", path=path)
    backdrop = random_backdrop(rng, kinds=("plain",), calm=True)
    return Scene(backdrop=backdrop, objects=(item,), wording=rng.randrange(2**31))


def _apart(objects: tuple[SceneObject, ...], rng: random.Random) -> tuple[SceneObject, ...]:
    """The objects with depths of their own, so that which hides which is never a matter of chance."""
    order = sorted(range(len(objects)), key=lambda index: objects[index].depth + rng.uniform(-0.3, 0.3))
    depths = {index: (place + 1) / (len(objects) + 1) for place, index in enumerate(order)}
    return tuple(replace(item, depth=depths[index]) for index, item in enumerate(objects))


@dataclass
class _Dice:
    """Draws objects for one scene."""

    rng: random.Random
    seconds: float
    aspect: float
    unseen: bool

    def shapes(self, count: int) -> tuple[SceneObject, ...]:
        """Shapes of different colours that start apart where there is room; they may cross later."""
        smallest, largest = {1: (0.24, 0.38), 2: (0.20, 0.29), 3: (0.17, 0.24), 4: (0.15, 0.21)}[count]
        found: list[SceneObject] = []
        tries = 0
        while len(found) < count:
            tries += 1
            item = self.shape(smallest, largest)
            taken = any(item.colour == other.colour for other in found)
            touches = any(_distance(item, other, self.aspect) < 0.8 for other in found)
            if not taken and (not touches or tries > 40):
                found.append(item)
        return tuple(found)

    def shape(self, smallest: float, largest: float) -> SceneObject:
        rng = self.rng
        while True:
            shape, colour = rng.choice(tuple(SHAPES)), rng.choice(tuple(COLOURS))
            if unseen_pair(shape, colour) == self.unseen:
                break
        pattern = rng.choices(PATTERNS, (5, 2, 1.5, 1.5))[0]
        # Nobody sees a plain disc spin.
        spins = 0 if shape in ("circle", "ring") and pattern == "flat" else 7
        motion = rng.choices(MOTIONS, (10, 12, 12, 12, 12, 8, 8, 12, spins, 7))[0]
        radius = rng.uniform(smallest, largest) * (1.15 if motion in ("grows", "shrinks") else 1)
        return SceneObject(
            shape=shape,
            colour=colour,
            pattern=pattern,
            motion=motion,
            path=random_path(rng, motion, radius, self._margin(radius, radius), self.seconds),
            depth=radius / 0.4,
        )

    def person(self) -> SceneObject:
        rng = self.rng
        motion = rng.choices(PERSON_MOTIONS, (12, 28, 28, 18, 14))[0]
        radius = rng.uniform(0.38, 0.48) * (0.88 if motion == "jumps" else 1)
        shirt = rng.choice(tuple(COLOURS))
        return SceneObject(
            shape="person",
            colour=shirt,
            trousers=rng.choice([name for name in COLOURS if name != shirt]),
            face=Face(skin=rng.choice(tuple(SKINS))),
            motion=motion,
            path=random_path(rng, motion, radius, self._margin(0.5 * radius, radius), self.seconds),
            depth=0.6,
            variant=rng.randrange(4),
        )

    def face(self) -> SceneObject:
        rng = self.rng
        motion = rng.choices(FACE_MOTIONS, (24, 13, 13, 10, 10, 12, 18))[0]
        radius = rng.uniform(0.34, 0.45)
        return SceneObject(
            shape="face",
            colour=rng.choice(tuple(HAIRS)),
            face=Face(
                skin=rng.choice(tuple(SKINS)),
                eyes=rng.choice(tuple(EYES)),
                mouth=rng.choice(MOUTHS),
                glasses=rng.random() < 0.3,
            ),
            motion=motion,
            path=random_path(rng, motion, radius, self._margin(0.9 * radius, radius), self.seconds),
            depth=0.6,
        )

    def _margin(self, across: float, down: float) -> tuple[float, float]:
        """Distances in shorter sides as shares of width and height."""
        return 0.92 * across * min(1 / self.aspect, 1.0), 0.92 * down * min(self.aspect, 1.0)


def _distance(one: SceneObject, other: SceneObject, aspect: float) -> float:
    """How far apart two objects start, in sums of their radii."""
    a, b = one.path[0], other.path[0]
    dx, dy = (a.x - b.x) * max(aspect, 1.0), (a.y - b.y) * max(1 / aspect, 1.0)
    return (dx * dx + dy * dy) ** 0.5 / (a.radius + b.radius)
