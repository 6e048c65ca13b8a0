"""The plan of a long clip: data that says which frames go into which pass of the model, and how passes overlap.

A plan is made by `planning`, edited here, typed and saved by `plan_text`, drawn by `preview.timeline`. A window
is what the model makes in one pass. It begins with the last frames of the window before it, its `overlap`, unless it
begins a shot. Frames are counted from 0 over the whole clip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from ..checks.numbers import check_number, check_whole
from ..errors import InputError, ShapeError, shortened
from ..geometry import Grid
from .options import LAST_SEED


@dataclass(frozen=True, kw_only=True)
class Window:
    """One pass of the model.

    Attributes:
        begin: The first frame, overlap included.
        end: The frame after the last. Beyond the end of the clip it goes on with its first frames, in a loop.
        overlap: Frames at its begin that the window before has too; 0 = a new shot begins here.
        prompt: What it shows; None = the prompt of the whole clip.
        negative_prompt: What it does not show; None = that of the whole.
        references: Names of reference images; None = those of the whole, () = none.
        strength: Factor ≥ 0 on that of the adapter.
        seed: Of its noise; None = one made from the seed of the job and the number of the window.

    Raises:
        InputError: a number out of range, or an overlap that leaves nothing to generate.
    """

    begin: int
    end: int
    overlap: int = 0
    prompt: str | None = None
    negative_prompt: str | None = None
    references: tuple[str, ...] | None = None
    strength: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        check_whole("The begin of a window", self.begin, least=0)
        check_whole("The overlap of a window", self.overlap, least=0)
        check_number("The strength of a window", self.strength, least=0)
        if self.seed is not None:
            check_whole("The seed of a window", self.seed, least=0, most=LAST_SEED)
        if self.frames <= self.overlap:
            raise InputError(
                "window-overlap",
                "A window of {frames} frames has an overlap of {overlap}. A longer window is needed, so that there is "
                "something to generate. Set a longer window or a smaller overlap.",
                frames=self.frames,
                overlap=self.overlap,
            )

    @property
    def frames(self) -> int:
        """Frames from begin to end, without padding."""
        return self.end - self.begin

    @property
    def first_new(self) -> int:
        """The first frame that the window before does not have."""
        return self.begin + self.overlap


@dataclass(frozen=True, kw_only=True)
class Keyframe:
    """An image that the whole clip shows at one of its frames. An end frame is a keyframe at the last one.

    Attributes:
        frame: Where; below 0 it is counted from the end, −1 = the last frame.
        picture: Its name, such as that of a file.
    """

    frame: int
    picture: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Windows that make up a clip.

    Attributes:
        num_frames: Frames of the clip.
        fps: Frames per second.
        group: Frames of one latent frame: 4 for Wan, 8 for LTX-Video.
        shortest: Frames of the shortest clip that the model takes. Windows have `group`·n + `shortest` frames.
        windows: In the order of time.
        keyframes: Images at their frames of the whole clip.
        order: Numbers of windows in the order they are made in; () = that of time. A window made after the one behind
            it leads up to that one's first frames.
        loop: Whether the clip ends where it begins.

    Raises:
        InputError: windows that leave out frames or do not lie on the model's lengths, a keyframe outside of the
            clip, two at one frame, an order that is none, or a loop of a single window.
    """

    num_frames: int
    fps: float
    group: int
    windows: tuple[Window, ...]
    shortest: int = 1
    keyframes: tuple[Keyframe, ...] = ()
    order: tuple[int, ...] = ()
    loop: bool = False

    def __post_init__(self) -> None:
        check_whole("The number of frames", self.num_frames, least=1)
        check_number("The frame rate", self.fps, above=0)
        check_whole("The frames of a latent frame", self.group, least=1)
        check_whole("The frames of the shortest clip", self.shortest, least=1)
        self._check_windows()
        shown = dict[int, str]()
        for keyframe in self.keyframes:
            check_frame(keyframe, self.num_frames)
            frame = keyframe.frame % self.num_frames
            if frame in shown:
                raise InputError(
                    "keyframe-twice",
                    "{first} and {second} are both to be shown at frame {frame}. One image for a frame is needed. "
                    "Move one of them, or leave it out.",
                    first=shown[frame],
                    second=keyframe.picture,
                    frame=frame,
                )
            shown[frame] = keyframe.picture
        if self.order and sorted(self.order) != list(range(len(self.windows))):
            raise InputError(
                "plan-order",
                "The order of the windows is {order}. Each number from 0 to {last} is needed once. Change it, or leave "
                "it out.",
                order=shortened(self.order),
                last=len(self.windows) - 1,
            )

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def made_in(self) -> tuple[int, ...]:
        """Numbers of the windows in the order they are made in."""
        return self.order or tuple(range(len(self)))

    @property
    def shots(self) -> tuple[tuple[int, int], ...]:
        """The first window of each shot, and the one after its last."""
        starts = [number for number, window in enumerate(self.windows) if not window.overlap]
        return tuple(pairwise([*starts, len(self)]))

    @property
    def pictures(self) -> frozenset[str]:
        """Names of all its images."""
        named = (name for window in self.windows for name in window.references or ())
        return frozenset(named) | {keyframe.picture for keyframe in self.keyframes}

    @property
    def lengths(self) -> str:
        """The lengths of windows as a formula: "4n + 1"."""
        return f"{self.group}n + {self.shortest}"

    def length(self, number: int) -> int:
        """Frames that the model is given for a window: its own, and padding up to a length that it takes."""
        return self.longer(self.windows[number].frames)

    def longer(self, frames: int) -> int:
        """The shortest length of the model that holds so many frames."""
        return max(-(-(frames - self.shortest) // self.group), 0) * self.group + self.shortest

    def shared_with_next(self, number: int) -> int:
        """Frames at the end of a window that the one behind it begins with, the first one in a loop; 0 before a cut."""
        if number + 1 < len(self):
            return self.windows[number + 1].overlap
        return self.windows[number].end - self.num_frames if self.loop else 0

    def keyframes_in(self, begin: int, end: int) -> dict[int, str]:
        """Names of the keyframes among the frames `begin` up to `end`, by their place after `begin`."""
        placed = ((keyframe.frame % self.num_frames, keyframe.picture) for keyframe in self.keyframes)
        return {frame - begin: name for frame, name in placed if begin <= frame < end}

    def edited(self, number: int, **changes: Any) -> Plan:
        """This plan with other values of one window: `plan.edited(3, prompt="it rains", seed=9)`.

        Raises:
            InputError: there is no such window, or what `Window` and `Plan` refuse.
        """
        self.check_number(number)
        windows = list(self.windows)
        windows[number] = replace(windows[number], **changes)
        return replace(self, windows=tuple(windows))

    def moved(self, number: int, frames: int) -> Plan:
        """This plan with the border before a window moved by so many frames, later for numbers above 0.

        Raises:
            InputError: as `edited`; or the first window, or frames that are no multiple of the latent's.
        """
        return self.with_moves({number: frames})

    def with_moves(self, moves: Mapping[int, int]) -> Plan:
        """This plan with several borders moved at once: frames by the number of the window behind the border.

        Raises:
            InputError: as `moved`.
        """
        ends = [(window.begin, window.end) for window in self.windows]
        for number, frames in moves.items():
            self.check_number(number)
            if number == 0 or frames % self.group:
                raise InputError(
                    "plan-move",
                    "The border before window {number} was to move by {frames} frames. A window after the first and a "
                    "multiple of {group} are needed. Change one of them.",
                    number=number,
                    frames=frames,
                    group=self.group,
                )
            ends[number - 1] = (ends[number - 1][0], ends[number - 1][1] + frames)
            ends[number] = (ends[number][0] + frames, ends[number][1])
        for number, frames in moves.items():
            if ends[number][0] < 0:
                raise InputError(
                    "plan-move-far",
                    "The border before window {number} was to move by {frames} frames, and the {overlap} frames that "
                    "the window shares would begin before the clip. A move that leaves room for them is needed. Move "
                    "it less far, or set a smaller overlap.",
                    number=number,
                    frames=frames,
                    overlap=self.windows[number].overlap,
                )
        placed = zip(self.windows, ends, strict=True)
        return replace(self, windows=tuple(replace(window, begin=begin, end=end) for window, (begin, end) in placed))

    def check_number(self, number: int) -> None:
        """Validate the number of a window.

        Raises:
            InputError: there is no such window.
        """
        if not 0 <= number < len(self):
            raise InputError(
                "window-unknown",
                "Window {number} was named, and the plan has {count} windows, 0 to {last}. One of these is needed. "
                "Name another.",
                number=number,
                count=len(self),
                last=len(self) - 1,
            )

    def check_alone(self, number: int) -> None:
        """Validate that a window can be made again alone: that it has frames that none beside it has.

        Raises:
            InputError: it has none, or as `check_number`.
        """
        self.check_number(number)
        window, last = self.windows[number], len(self) - 1
        head = self.shared_with_next(last) if number == 0 else 0  # of a loop, which leads back to it
        behind = self.shared_with_next(number) if number < last else 0
        if window.first_new + head >= min(window.end, self.num_frames) - behind:
            raise InputError(
                "window-all-shared",
                "Window {number} was to be made again alone, and the windows beside it have all of its frames too, "
                "which stay as they are. Frames of its own are needed. Make the windows behind it anew as well, or "
                "plan the clip with a smaller overlap.",
                number=number,
            )

    def check_clip(self, num_frames: int, fps: float, grid: Grid) -> None:
        """Validate that this is the plan of a clip and of the model that makes it.

        Raises:
            InputError: it is the plan of another clip, or for another model.
        """
        if num_frames != self.num_frames or abs(fps / self.fps - 1) > 0.01:
            raise InputError(
                "plan-of-another",
                "The plan is of a clip of {planned} frames at {planned_fps:.4g} fps, and this one has {frames} at "
                "{fps:.4g}. A plan of this clip is needed. Make one for it.",
                planned=self.num_frames,
                planned_fps=self.fps,
                frames=num_frames,
                fps=fps,
            )
        if (grid.frames, grid.shortest[0]) != (self.group, self.shortest):
            raise InputError(
                "plan-of-another-model",
                "The windows of the plan have {planned} frames, and this model takes {lengths}. A plan for this model "
                "is needed. Make one for it.",
                planned=self.lengths,
                lengths=grid.lengths,
            )

    def _check_windows(self) -> None:
        if not self.windows:
            raise InputError("plan-empty", "The plan has no windows. At least one is needed. Plan the clip again.")
        last = self.windows[-1]
        ends = last.first_new < self.num_frames < last.end if self.loop else last.end == self.num_frames
        if self.windows[0].first_new or not ends:
            raise InputError(
                "plan-ends",
                "The windows go from frame {begin} to {end}, and the clip has {count} frames{loop}. Windows from frame "
                "0 to its end are needed. Plan the clip again.",
                begin=self.windows[0].first_new,
                end=last.end,
                count=self.num_frames,
                loop=" and is a loop, which goes on with its first frames" if self.loop else "",
            )
        if self.loop and (len(self) < 2 or last.end - self.num_frames > self.windows[0].frames):
            raise InputError(
                "loop-windows",
                "The loop has {count} windows. At least two are needed, of which the last leads back to the first "
                "frames. Set a shorter window.",
                count=len(self),
            )
        for number, (window, after) in enumerate(pairwise(self.windows)):
            if after.first_new != window.end or after.overlap > window.frames:
                raise InputError(
                    "plan-gap",
                    "Window {number} ends at frame {end}, and the next one shares {overlap} frames with it and goes on "
                    "at {begin}. It is needed that frames follow one another and that no more are shared than the "
                    "window has. Move its begin.",
                    number=number,
                    end=window.end,
                    overlap=after.overlap,
                    begin=after.first_new,
                )
        for number, window in enumerate(self.windows):
            self._check_length(number, "is", window.frames, padded=not self.shared_with_next(number))
            self._check_length(number, "has an overlap of", window.overlap, padded=not window.overlap)

    def _check_length(self, number: int, what: str, frames: int, *, padded: bool) -> None:
        if not padded and self.longer(frames) != frames:
            above = self.longer(frames)
            raise ShapeError(
                "window-length",
                "Window {number} {what} {frames} frames. {lengths} are needed, as the model takes. Set {choice}.",
                number=number,
                what=what,
                frames=frames,
                lengths=self.lengths,
                choice=f"{above - self.group} or {above}" if above > self.shortest else f"{above}",
            )


def check_frame(keyframe: Keyframe, num_frames: int) -> None:
    """Validate that a keyframe is in a clip.

    Raises:
        InputError: it is outside.
    """
    if not -num_frames <= keyframe.frame < num_frames:
        raise InputError(
            "keyframe-outside-plan",
            "{picture} is to be shown at frame {frame}, and the clip has the frames 0 to {last}. A frame among them is "
            "needed. Move it, or make the clip longer.",
            picture=keyframe.picture,
            frame=keyframe.frame,
            last=num_frames - 1,
        )
