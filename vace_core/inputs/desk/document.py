"""The document of the desk: objects drawn on a clip, each with what shall happen to it.

All places are fractions of the clip's frame, all times fractions of the clip, so that a drawing outlives another size
or length of its clip. `reading` has its JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

from ...checks.numbers import check_number, check_whole
from ...errors import InputError, shown
from ..layout import BLACK, FARTHEST, BoxKey, BoxPath, Colour, Smooth, check_smooth

Action = Literal["keep", "remove", "replace", "move", "control", "generate"]
StrokeKind = Literal["brush", "erase", "lasso", "cut"]
Ease = Literal["linear", "in", "out", "in-out"]

ACTIONS: tuple[Action, ...] = get_args(Action)
STROKES: tuple[StrokeKind, ...] = get_args(StrokeKind)
EASES: tuple[Ease, ...] = get_args(Ease)

MOST_OBJECTS, MOST_STROKES, MOST_POINTS, MOST_KEYS = 64, 512, 20_000, 4096
LONGEST_PROMPT, LONGEST_LABEL = 20_000, 200
MOST_GROWN, MOST_FEATHER, STRONGEST, MOST_PICTURES = 512, 256, 2.0, 1000
MOST_TURNED = 3600  # degrees

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class ClipSize:
    """The clip that was drawn on: pixels and frames.

    Raises:
        InputError: a number below 1.
    """

    width: int
    height: int
    frames: int

    def __post_init__(self) -> None:
        for name in ("width", "height", "frames"):
            check_whole(name, getattr(self, name), least=1)


@dataclass(frozen=True, kw_only=True)
class DeskKey(BoxKey):
    """Where a box is at one moment, and how it is turned.

    Attributes:
        angle: Degrees, clockwise as seen, about its centre; never wrapped, so that 720 are two turns.
        tracked: Whether the tracker set it: the next tracking replaces it, where keys by hand stay.

    Raises:
        InputError: as `BoxKey`.
    """

    angle: float = 0.0
    tracked: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("angle", self.angle, least=-MOST_TURNED, most=MOST_TURNED)
        _check_kind("tracked", self.tracked, bool, "True or false")


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """One stroke: `brush` and `lasso` add to a shape, `erase` and `cut` take away what was drawn before.

    Attributes:
        points: x, y; of a brush or eraser the way of a round tip (one point is a dot), of the others the corners.
        width: Of the tip, as a fraction of the frame's width. Corners need none.

    Raises:
        InputError: an unknown kind, too few points, or a number out of range.
    """

    kind: StrokeKind
    points: tuple[Point, ...]
    width: float = 0.0

    def __post_init__(self) -> None:
        _check_choice("kind", self.kind, STROKES)
        check_number("width", self.width, least=0, most=FARTHEST)
        least = 1 if self.is_line else 3
        if len(self.points) < least:
            raise InputError(
                "desk-stroke-short",
                "A stroke of the kind {kind} has {count} points. At least {least} are needed. Draw it again.",
                kind=self.kind,
                count=len(self.points),
                least=least,
            )
        for x, y in self.points:
            check_number("x of a point", x, least=-FARTHEST, most=FARTHEST)
            check_number("y of a point", y, least=-FARTHEST, most=FARTHEST)

    @property
    def is_line(self) -> bool:
        return self.kind in ("brush", "erase")

    @property
    def adds(self) -> bool:
        return self.kind in ("brush", "lasso")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What was drawn of an object at one moment. It holds until the next shape, carried along by the box."""

    time: float
    strokes: tuple[Stroke, ...]

    def __post_init__(self) -> None:
        check_number("time", self.time, least=0, most=1)


@dataclass(frozen=True, kw_only=True)
class Way:
    """Where a cut-out goes.

    Attributes:
        keys: At least two, their times rising.
        smooth: As for `BoxPath`.
        ease: How it starts and stops: slowly at the start ("in"), at the end ("out"), at both, or evenly.

    Raises:
        InputError: fewer keys, times that do not rise, or an unknown ease.
    """

    keys: tuple[DeskKey, ...]
    smooth: Smooth = False
    ease: Ease = "linear"

    def __post_init__(self) -> None:
        if len(self.keys) < 2:
            raise InputError(
                "desk-path-short",
                "A path has {count} key. At least two are needed, or nothing moves. Place it in one more frame, or "
                "take the path away.",
                count=len(self.keys),
            )
        check_times("A path", [key.time for key in self.keys])
        check_smooth(self.smooth)
        _check_choice("ease", self.ease, EASES)


@dataclass(frozen=True, kw_only=True)
class DeskObject:
    """One object and what shall happen to it.

    Attributes:
        action: One of `ACTIONS`.
        label: A name for the eye.
        order: The higher is in front; of equals the later one.
        colour: Red, green, blue, 0..255, for the eye.
        prompt: Its words, joined to those of the whole.
        picture: `replace`: number of the picture that takes its place, from 1; 0 = none chosen.
        grow: Pixels of the clip that its mask is grown by, -512..512.
        feather: Pixels of the clip of a soft edge inside of the masks that are handed on, 0..256.
        strength: Of the condition where it is, 0..2.
        smooth: Of `keys`, as for `BoxPath`.
        keys: Its box over time, times rising. None: it stands still.
        shapes: What was drawn, times rising. None: its mask is its box.
        path: `move`: where its box goes. None: it stays.

    Raises:
        InputError: a value out of range, or a path of something that has no box.
    """

    action: Action
    label: str = ""
    order: int = 0
    colour: Colour = BLACK
    prompt: str = ""
    picture: int = 0
    grow: int = 0
    feather: int = 0
    strength: float = 1.0
    smooth: Smooth = False
    keys: tuple[DeskKey, ...] = ()
    shapes: tuple[Shape, ...] = ()
    path: Way | None = None

    def __post_init__(self) -> None:
        _check_choice("action", self.action, ACTIONS)
        for name, most in (("label", LONGEST_LABEL), ("prompt", LONGEST_PROMPT)):
            _check_text(name, getattr(self, name), most)
        check_whole("order", self.order, least=-1_000_000, most=1_000_000)
        check_whole("picture", self.picture, least=0, most=MOST_PICTURES)
        check_whole("grow", self.grow, least=-MOST_GROWN, most=MOST_GROWN)
        check_whole("feather", self.feather, least=0, most=MOST_FEATHER)
        check_number("strength", self.strength, least=0, most=STRONGEST)
        check_smooth(self.smooth)
        check_times("The box", [key.time for key in self.keys])
        check_times("The drawing", [shape.time for shape in self.shapes])
        if self.keys:
            self.box_path()  # which validates the colour
        _check_counts(self)
        if self.path is not None and not self.keys:
            raise InputError(
                "desk-path-without-box",
                "There is a path, and no box that would go along it. A box in at least one frame is needed. Draw one, "
                "or take the path away.",
            )

    @property
    def is_drawn(self) -> bool:
        """Whether there is a box or a shape."""
        return bool(self.keys or any(shape.strokes for shape in self.shapes))

    def box_path(self) -> BoxPath:
        """Its box as a path of the layouts, which know no angle."""
        return BoxPath(keys=self.keys, order=self.order, label=self.label, colour=self.colour, smooth=self.smooth)


@dataclass(frozen=True, kw_only=True)
class Desk:
    """All objects, in the order in which they were made.

    Attributes:
        objects: At most 64.
        clip: What was drawn on; None before a clip was seen.

    Raises:
        InputError: more objects or keys.
    """

    objects: tuple[DeskObject, ...] = ()
    clip: ClipSize | None = None

    def __post_init__(self) -> None:
        check_whole("The number of objects", len(self.objects), least=0, most=MOST_OBJECTS)
        keys = sum(len(one.keys) + (len(one.path.keys) if one.path else 0) for one in self.objects)
        check_whole("The number of keys", keys, least=0, most=MOST_KEYS)

    def named(self, number: int) -> str:
        """An object in words: 'Object 2 ("dog")'."""
        label = self.objects[number].label
        return f'Object {number + 1} ("{label}")' if label else f"Object {number + 1}"


def check_times(what: str, times: list[float]) -> None:
    """Validate that times rise.

    Raises:
        InputError: two of them do not.
    """
    for before, after in pairwise(times):
        if after <= before:
            raise InputError(
                "desk-order",
                "{what} has a key at time {time:g} after one at {before:g}. Times must rise. Sort the keys and keep "
                "one per time.",
                what=what,
                time=after,
                before=before,
            )


def _check_counts(one: DeskObject) -> None:
    strokes = [stroke for shape in one.shapes for stroke in shape.strokes]
    points = sum(len(stroke.points) for stroke in strokes)
    for count, most, what in ((len(strokes), MOST_STROKES, "strokes"), (points, MOST_POINTS, "points of strokes")):
        if count > most:
            raise InputError(
                "desk-too-much",
                "There are {count:,} {what} in one object. At most {most:,} are possible. Draw it with fewer, or make "
                "two objects of it.",
                count=count,
                what=what,
                most=most,
            )


def _check_text(name: str, value: object, most: int) -> None:
    _check_kind(name, value, str, "A text")
    if len(str(value)) > most:
        raise InputError(
            "desk-text-long",
            "{name} has {count:,} characters. At most {most:,} are possible. Shorten it.",
            name=name,
            count=len(str(value)),
            most=most,
        )


def _check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in known:
        raise InputError(
            "desk-choice",
            "{name} is {value}. One of {known} is needed. Choose one of these.",
            name=name,
            value=shown(value),
            known=", ".join(known),
        )


def _check_kind(name: str, value: object, kind: type, words: str) -> None:
    if type(value) is not kind:
        raise InputError(
            "value-type",
            "{name} is {value}. {needed} is needed. Change it.",
            name=name,
            value=shown(value),
            needed=words,
        )
