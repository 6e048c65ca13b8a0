"""The part of a film that somebody names: by seconds, by frames, or by timecode."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError, shortened
from .footage import Footage

_EARLY = 0.01  # of a frame: a typed time is rounded
_WHOLE = r"\d{1,12}"  # more digits are no time, and Python refuses to read thousands of them
_TIMECODE = re.compile(rf"({_WHOLE}):(\d\d):(\d\d)([:;])({_WHOLE})")


class Cut(Footage):
    """A range of another film, as a film of its own.

    Args:
        film: The whole.
        begin: The first frame.
        end: The frame after the last; None = to the end.

    Raises:
        InputError: the range is not in the film.
    """

    def __init__(self, film: Footage, begin: int, end: int | None) -> None:
        self._film = film
        self._begin, end = film.checked(begin, end)
        self.path, self.fps, self.height, self.width = film.path, film.fps, film.height, film.width
        self.times = film.times[begin:end] - film.times[begin, 0]
        self.colour, self.bits, self.aspect = film.colour, film.bits, film.aspect
        self.alpha, self.sound, self.notes = film.alpha, film.sound, film.notes

    def pictures(self, indices: Sequence[int], *, deep: bool = False) -> Iterator[Tensor]:
        return self._film.pictures([self._begin + index for index in indices], deep=deep)


class StillFrame(Cut):
    """One frame of a film as a picture, which is shown for a frame of another rate.

    Args:
        film: The whole.
        index: The frame.
        fps: The rate it then has.
    """

    def __init__(self, film: Footage, index: int, fps: float) -> None:
        super().__init__(film, index, index + 1)
        self.fps, self.times, self.sound = fps, torch.tensor([[0.0, 1 / fps]], dtype=torch.float64), False


def frame_range(film: Footage, start: str | float | None, end: str | float | None) -> tuple[int, int]:
    """The frames from the one on show at `start` up to, and without, the one on show at `end`.

    So two ranges that meet at a time share no frame and lose none.

    Args:
        film: What is cut.
        start: Seconds from the first frame, or a text: "3.2s", "80f" (frame 80, the first being 0), a timecode
            "HH:MM:SS:FF", counted from the one that the film states, or clock time "MM:SS.s". None = its beginning.
        end: The same. None = its end.

    Raises:
        InputError: a text is none of these, or the range is empty or not in the film.
    """
    begin = 0 if start is None else frame_at(film, start)
    last = film.count if end is None else frame_at(film, end, closing=True)
    if begin >= last:
        raise InputError(
            "range-empty",
            "The range of {path} from {start} to {end} holds no frame. An end after the start is needed, and "
            "the film has {count} frames in {seconds:.2f} s. Change --start or --end.",
            path=film.path,
            start="its beginning" if start is None else start,
            end="its end" if end is None else end,
            count=film.count,
            seconds=film.seconds,
        )
    return begin, last


def frame_at(film: Footage, when: str | float, *, closing: bool = False) -> int:
    """The frame on show at a time; with `closing`, its end is a time too, and gives the number of frames.

    Args:
        film: What is looked at.
        when: As `frame_range`.
        closing: Whether it is the end of a range.

    Raises:
        InputError: the text is not understood, or the film is shorter.
    """
    frame = frame_number(when)
    if frame is not None:
        index = frame
    else:
        seconds = seconds_of(when, fps=film.fps, timecode=film.timecode)
        early = seconds + _EARLY / film.fps
        index = int((film.times[:, 0] <= early).sum()) - 1
        if closing and early >= film.seconds:
            index = film.count
        if index < 0 or seconds > film.seconds + 1 / film.fps or (not closing and early > film.seconds):
            index = -1
    if not 0 <= index <= film.count - (not closing):
        raise InputError(
            "time-outside",
            '"{when}" is not in {path}, which has {count} frames in {seconds:.2f} s{origin}. A time in it is '
            "needed. Change it.",
            when=when,
            path=film.path,
            count=film.count,
            seconds=film.seconds,
            origin=f" from timecode {film.timecode} on" if film.timecode else "",
        )
    return index


def named_frame(text: str | Path) -> tuple[Path, str | None]:
    """A file, and the time after "@" where it names a frame of it: "clip.mp4@3.2s".

    A file that has such a name itself is that file.
    """
    path = Path(text)
    before, at, when = path.name.rpartition("@")
    if not at or not before or not when or path.exists():
        return path, None
    return path.with_name(before), when


def frame_number(when: str | float) -> int | None:
    """The frame that a text names by its number, "80f" or "80 frames"; None where it is another kind of time."""
    frame = re.fullmatch(rf"\s*({_WHOLE})\s*(?:f|frames?)\s*", when) if isinstance(when, str) else None
    return int(frame[1]) if frame else None


def frame_in(
    when: str | float,
    *,
    fps: float,
    timecode: str | None = None,
    begin: float = 0.0,
    times: Tensor | None = None,
) -> int:
    """The frame on show at a time of a clip, however long it is.

    Args:
        when: As `frame_range`.
        fps: Frames per second.
        timecode: That of the first frame of its film, from which timecodes are counted; None = 0.
        begin: Seconds of the film before the clip, which such a timecode counts too.
        times: `(T, 2)` seconds, start and end of each frame, where the rate varies; None = a constant one.

    Raises:
        InputError: the text is not understood.
    """
    frame = frame_number(when)
    if frame is not None:
        return frame
    seconds = seconds_of(when, fps=fps, timecode=timecode)
    if timecode is not None and isinstance(when, str) and _TIMECODE.fullmatch(when.strip()):
        seconds -= begin
    end = 0.0 if times is None else float(times[-1, 1])
    if times is None or seconds + _EARLY / fps >= end:
        return (0 if times is None else len(times)) + int((seconds - end) * fps + _EARLY)
    return int((times[:, 0] <= seconds + _EARLY / fps).sum()) - 1


def seconds_of(when: str | float, *, fps: float, timecode: str | None = None) -> float:
    """Seconds from the first frame to a time: a number, or a text as `frame_range` takes, but for a frame's number.

    Args:
        when: The time.
        fps: Frames per second, which a timecode counts.
        timecode: That of the first frame, from which timecodes are counted; None = 0.

    Raises:
        InputError: the text is not understood.
    """
    if not isinstance(when, str):
        return float(when)
    text = when.strip()
    if plain := re.fullmatch(rf"({_WHOLE}(?:\.\d*)?|\.\d+)\s*s?", text):
        return float(plain[1])
    if code := _TIMECODE.fullmatch(text):
        origin = _TIMECODE.fullmatch(timecode or "")
        frames = _frames_of(code, fps) - (_frames_of(origin, fps) if origin else 0)
        return frames / fps
    if clock := re.fullmatch(rf"(?:({_WHOLE}):)?({_WHOLE}):({_WHOLE}(?:\.\d*)?)", text):
        return int(clock[1] or 0) * 3600 + int(clock[2]) * 60 + float(clock[3])
    raise InputError(
        "time-unreadable",
        '"{when}" is no time. Seconds ("3.2" or "3.2s"), a frame ("80f") or a timecode ("00:01:02:13", "01:02.5") are '
        "needed. Change it.",
        when=shortened(text),
    )


def _frames_of(code: re.Match[str], fps: float) -> int:
    """Frames that a timecode counts; with ";" it leaves out numbers so that it runs with the clock (SMPTE 12M)."""
    hours, minutes, seconds, frames = (int(code[group]) for group in (1, 2, 3, 5))
    rate = round(fps)
    if frames >= rate:
        raise InputError(
            "timecode-frames",
            '"{code}" counts frame {frames} of a second of {rate}. Fewer are needed. Change it.',
            code=code[0],
            frames=frames,
            rate=rate,
        )
    whole = ((hours * 60 + minutes) * 60 + seconds) * rate + frames
    passed = hours * 60 + minutes
    dropped = rate * (passed - passed // 10) // 15 if code[4] == ";" else 0  # 2 a minute at 30, 4 at 60
    return whole - dropped
