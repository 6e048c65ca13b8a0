"""Requests on a clip: what the model gets of it, whole or stretch by stretch, and where the result goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from .. import tasks
from ..inputs.border import Border, sides_of
from ..inputs.control_checks import ControlKind
from ..inputs.fitted import Fitted, fit_clip
from ..inputs.put_back import box_of
from ..media.ranges import StillFrame
from ..vcu import VideoConditionUnit, compose
from .editing import Work, work_on
from .inputs import Given, notes_of, read_part, read_references, target_of, warnings_of
from .options import EditPart, Part, References, Wanted
from .request import Request, request_of
from .sizes import Borders

Notes = Sequence[tuple[str, str]]


def of_clip(
    make: Callable[[Fitted], VideoConditionUnit],
    wanted: Wanted,
    fitted: Fitted,
    given: Given,
    notes: Notes,
    control: ControlKind | None = None,
) -> Request:
    """A task on a part of a clip, whose result has the size of the model and the sound of the part.

    Args:
        make: The VCU of the clip, or of any stretch of it.
        wanted: What was asked for.
        fitted: The clip.
        given: Where it comes from.
        notes: Rows on it.
        control: As for `Request`.
    """
    plan = fitted.plan
    request = request_of(
        lambda: replace(make(fitted), padding=plan.padding),
        lambda begin, end: make(fitted.stretch(begin, end)),
        len(plan.shown),
        wanted,
        most=fitted.most,
    )
    # At another rate, too, the first frames may be the clip's own; their times are not.
    every = plan.fps == plan.source_fps and plan.shown == tuple(range(len(plan.shown)))
    return replace(
        request,
        notes=notes,
        control=control,
        sound=given.sound,
        sound_start=given.seconds,
        times=given.source.times[: len(plan.shown)] if every and given.source.times is not None else None,
        colour=given.film.colour,
        cautions=warnings_of(fitted, wanted),
        clip=(given, fitted),
    )


def edited(make: Callable[[Work], VideoConditionUnit], wanted: Wanted, work: Work, more: Notes = ()) -> Request:
    """A task that edits a part of a clip; `make` gives the VCU of it, or of any stretch of it."""

    def of(fitted: Fitted) -> VideoConditionUnit:
        return make(work if fitted is work.fitted else replace(work, fitted=fitted))

    request = of_clip(of, wanted, work.fitted, work.given, [*work.notes, *more])
    begin = None
    if request.vcu.source is None:
        # Of one that goes by windows it only says that there is one.
        begin = (work.fitted if request.stretches is None else work.fitted.stretch(0, 1)).frames
    return replace(request, edit=work.edit, begin=begin)


def derived(
    clip: Path,
    mask: Path | None,
    pictures: References,
    wanted: Wanted,
    part: EditPart,
    task: Callable[..., VideoConditionUnit],
    *,
    looks_back: int = 0,
) -> Request:
    """A control that is computed from the clip, everywhere or inside a mask: of a frame and `looks_back` before it."""
    work, found = work_on(clip, mask, wanted, part), read_references(pictures)

    def make(work: Work) -> VideoConditionUnit:
        frames, fps = work.fitted.frames, work.fps
        if mask is None:
            vcu = task(frames, fps=fps)
        else:
            vcu = compose(tasks.inpaint(frames, work.masks, fps=fps), task(frames, masks=work.masks, fps=fps))
        return with_references(vcu, found)

    request = edited(make, wanted, work, seen(pictures, found))
    if request.stretches is None or not looks_back:
        return request
    parts = request.stretches.parts

    def looking_back(begin: int, end: int) -> VideoConditionUnit:
        more = min(looks_back, begin)
        vcu = parts(begin - more, end)
        source, control = (None if one is None else one[:, :, more:] for one in (vcu.source, vcu.control))
        return replace(vcu, roles=vcu.roles[:, :, more:], source=source, control=control)

    return replace(request, stretches=replace(request.stretches, parts=looking_back))


def ready_made(maps: Path, pictures: References, wanted: Wanted, part: Part, kind: ControlKind) -> Request:
    """A control that comes ready-made."""
    given, found = read_part(maps, wanted, part), read_references(pictures)
    signal = fit_clip(given.source, target_of(wanted, part))

    def make(signal: Fitted) -> VideoConditionUnit:
        return with_references(tasks.control(signal.frames, fps=signal.plan.fps), found)

    notes = [*notes_of(signal, kind, given), *seen(pictures, found)]
    return of_clip(make, wanted, signal, given, notes, control=kind)


def bordered(vcu: VideoConditionUnit, given: Given, count: int, border: Borders) -> Border:
    """The original of a VCU that shows it inside a border in its first frames."""
    film = given.film if given.film.count > 1 else StillFrame(given.film, 0, vcu.fps)
    inside = box_of(vcu.has_source[0, 0, 0])
    assert inside is not None
    more = 0 if count > 1 else vcu.shown_frames - count
    return Border(film=film, begin=given.begin, count=count, sides=sides_of(film, **border), seen=inside, more=more)


def with_references(vcu: VideoConditionUnit, found: Sequence[Tensor]) -> VideoConditionUnit:
    """The VCU with reference images."""
    if not found:
        return vcu
    shown = tasks.reference(found, num_frames=vcu.num_frames, height=vcu.height, width=vcu.width, fps=vcu.fps)
    return compose(vcu, shown)


def seen(pictures: References, found: Sequence[Tensor]) -> list[tuple[str, str]]:
    """What is said of reference images."""
    named = zip(pictures.reference or [], found, strict=True)
    return [("reference", f"{path.name}, {one.shape[4]} x {one.shape[3]}, letterboxed on white") for path, one in named]
