"""A clip of any length cut into windows of about one length, on the latent frames; prompts and shots are borders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..checks.numbers import check_whole
from ..errors import InputError, ShapeError
from ..geometry import Grid
from .windows import Keyframe, Plan, Window


@dataclass(frozen=True, kw_only=True)
class Span:
    """A stretch of a clip with a prompt of its own.

    Attributes:
        begin: The first frame.
        end: The frame after the last.
        prompt: What it shows; None = the prompt of the whole clip.
        new_shot: Whether a hard cut is before it, so that nothing of what comes before is seen.
    """

    begin: int
    end: int
    prompt: str | None = None
    new_shot: bool = False


def plan_windows(
    num_frames: int,
    *,
    fps: float,
    grid: Grid,
    window: int,
    overlap: int,
    spans: Sequence[Span] = (),
    keyframes: Sequence[Keyframe] = (),
    loop: bool = False,
) -> Plan:
    """Cuts a clip into windows of about one length, none of them longer than `window`.

    A span begins with a window of its own, moved to the next latent frame; a new shot begins at its very frame.

    Args:
        num_frames: Frames of the clip, ≥ 1.
        fps: Frames per second.
        grid: Of the model.
        window: Frames of a window at most, of the model's lengths.
        overlap: Frames that a window shares with the one before, of the model's lengths.
        spans: Stretches with prompts of their own, in order, without gaps; () = one for all.
        keyframes: Images at their frames.
        loop: Whether the clip ends where it begins.

    Raises:
        InputError: a window no longer than its overlap, spans that leave gaps or go beyond the clip, two borders in one
            latent frame, or as `Plan`.
        ShapeError: a window or an overlap that the model does not take.
    """
    check_whole("The number of frames", num_frames, least=1)
    _check_sizes(window, overlap, grid)
    spans = spans or [Span(begin=0, end=num_frames)]
    _check_spans(spans, num_frames, grid)
    group, shortest = grid.frames, grid.shortest[0]
    # In a loop the last frames are followed by the first ones, of which the last window is given some.
    beyond = overlap + (shortest - num_frames - overlap + _shot_start(spans)) % group if loop else 0
    windows: list[Window] = []
    for shot in _shots(spans):
        whole = shot[-1].end + (beyond if shot[-1] is spans[-1] else 0)
        windows += _in_shot(shot, whole, grid, window, overlap)
    return Plan(
        num_frames=num_frames,
        fps=float(fps),
        group=group,
        shortest=shortest,
        windows=tuple(windows),
        keyframes=tuple(keyframes),
        loop=loop,
    )


def usual_overlap(window: int, grid: Grid) -> int:
    """A quarter of a window, of the model's lengths."""
    return grid.nearest_lengths(max(window // 4, 1))[1]


def _check_sizes(window: int, overlap: int, grid: Grid) -> None:
    for name, frames in (("window", window), ("overlap", overlap)):
        check_whole(f"The {name}", frames, least=1)
        below, above = grid.nearest_lengths(frames)
        if below != frames:
            raise ShapeError(
                "window-size",
                "The {name} is {frames} frames. {lengths} are needed, as the model takes. Set {below} or {above}.",
                name=name,
                frames=frames,
                lengths=grid.lengths,
                below=below,
                above=above,
            )
    if overlap >= window:
        _ = Window(begin=0, end=window, overlap=overlap)  # says what is wrong


def _check_spans(spans: Sequence[Span], num_frames: int, grid: Grid) -> None:
    for before, span in zip([None, *spans[:-1]], spans, strict=True):
        expected = 0 if before is None else before.end
        if span.begin != expected or not span.begin < span.end <= num_frames:
            raise InputError(
                "spans-order",
                "A prompt is for the frames {begin} to {end}, where one from frame {expected} on is next, and the clip "
                "has {count} frames. Stretches that follow one another within the clip are needed. Change their times.",
                begin=span.begin,
                end=span.end - 1,
                expected=expected,
                count=num_frames,
            )
        if len(spans) > 1 and span.end - span.begin < grid.frames:
            raise InputError(
                "borders-too-near",
                "There are borders at the frames {first} and {second}, within the {group} frames of one latent frame. "
                "Borders further apart are needed. Move one of them.",
                first=span.begin,
                second=span.end,
                group=grid.frames,
            )
    if spans[-1].end != num_frames:
        raise InputError(
            "spans-end",
            "The last prompt ends at frame {end}, and the clip has {count} frames. Prompts up to its end are needed. "
            "Leave the end of the last one out.",
            end=spans[-1].end,
            count=num_frames,
        )


def _shots(spans: Sequence[Span]) -> Iterator[list[Span]]:
    shot: list[Span] = []
    for span in spans:
        if shot and span.new_shot:
            yield shot
            shot = []
        shot.append(span)
    yield shot


def _shot_start(spans: Sequence[Span]) -> int:
    """The frame at which the last shot begins."""
    return next((span.begin for span in reversed(spans) if span.new_shot), 0)


def _in_shot(shot: Sequence[Span], whole: int, grid: Grid, window: int, overlap: int) -> Iterator[Window]:
    """The windows from the first frame of a shot up to the frame `whole`."""
    group, shortest, start = grid.frames, grid.shortest[0], shot[0].begin
    at, before = start, 0  # the frame behind the last window, and that window's length
    for span in shot:
        # Where a window ends that another follows: on the frames that a number of latent frames ends with.
        near = int((span.end - start - shortest) / group + 0.5) * group + shortest + start
        end = whole if span is shot[-1] else near
        back = max(whole - span.end, 0) if span is shot[-1] else 0  # frames of a loop's begin at its end
        least = back + overlap + 1 if back else 0  # one frame of its own, at least
        for frames, shared in _shares(end - at, before, grid, window, overlap, least):
            begin = at - shared
            at = min(begin + frames, end)
            yield Window(begin=begin, end=at, overlap=shared, prompt=span.prompt)
            before = frames


def _shares(new: int, before: int, grid: Grid, window: int, overlap: int, least: int = 0) -> Iterator[tuple[int, int]]:
    """Lengths and overlaps of the windows that make `new` frames behind a window of `before` frames (0 = none).

    The last one is to have `least` frames at least.
    """
    group, shortest = grid.frames, grid.shortest[0]
    shared = (overlap - shortest) // group  # in groups of frames, as are all sizes below
    most = (window - shortest) // group
    first = min(overlap, before)
    total = -(-(new + first - shortest) // group)  # of a single window that holds everything
    count = max(-(-(total - shared) // (most - shared)), 1)
    last = -(-(least - shortest) // group)
    # One window more leaves room for a long last one.
    for sizes in (_sizes(total, count, shared, last), _sizes(total, count + 1, shared, last)):
        if all((shared if number else 0) <= size - bool(number) and size <= most for number, size in enumerate(sizes)):
            break
    else:
        raise InputError(
            "loop-too-short",
            "A loop was to be made of windows of {window} frames that share {overlap}, of which the last shares frames "
            "with the one before it and with the first. Longer windows, or more frames in all, are needed. Set a "
            "smaller overlap, or a length that is a multiple of {group}.",
            window=window,
            overlap=overlap,
            group=group,
        )
    for number, size in enumerate(sizes):
        yield size * group + shortest, overlap if number else first


def _sizes(total: int, count: int, shared: int, last: int) -> list[int]:
    """Sizes of `count` windows that overlap by `shared`, about equal, the last one at least `last`."""
    whole = total + (count - 1) * shared
    sizes = _even(whole, count)
    return sizes if sizes[-1] >= last or count == 1 else [*_even(whole - last, count - 1), last]


def _even(total: int, count: int) -> list[int]:
    """`total` in `count` whole parts that differ by 1 at most, the larger ones first."""
    return [total // count + (number < total % count) for number in range(count)]
