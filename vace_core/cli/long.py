"""Clips that are made by windows: their plan, and from there to the frames."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from ..errors import InputError
from ..files.jobs.folder import FILM
from ..inputs.blending import BlendMode
from ..inputs.fitted import fit_clip
from ..media.files import check_target
from ..pipeline import SamplingOptions, VaceModel
from ..pipeline.kept_windows import PLAN_FILE, KeptWindows
from ..pipeline.long import redo as make_again
from ..pipeline.long import stream
from ..pipeline.parts import Parts, PlanPictures, placed, window_unit
from ..pipeline.windowed import Joining, WindowedJob
from ..preview.timeline import plan_rows
from ..sampling.plan_text import read_plan, spans_from_text
from ..sampling.planning import Span, plan_windows, usual_overlap
from ..sampling.windows import Plan
from .console import Bars, say
from .given import beside
from .inputs import read_references, read_still, target_of
from .jobs import KeptJob, Redo
from .models import profile_of
from .options import References, Wanted
from .request import Request
from .where import Conditions

_MOST_ROWS = 12
_KEPT_PIXEL = 3  # bytes on disk, of six without compression
_MMAP_THRESHOLD, _LARGE = -3, 2**16  # of glibc: the number of a setting, and bytes


def windows_of(request: Request) -> Plan | None:
    """The windows that a request is made by; None = in one pass.

    Raises:
        InputError: the plan is of another clip, options contradict each other, or as `planning.plan_windows`.
    """
    wanted, vcu, count = request.wanted, request.vcu, request.num_frames
    rule = profile_of(wanted).rule
    usual = request.most or rule.longest(vcu.height, vcu.width)
    asked = {
        "--windows": wanted.windows,
        "--overlap": wanted.overlap,
        "--prompts": wanted.prompts,
        "--loop": wanted.loop,
    }
    typed = [name for name, value in asked.items() if value]
    if request.plan is not None:
        if typed or wanted.plan is not None:
            raise InputError(
                "windows-of-task",
                "Each transition between several clips is a window, and {options} was given, which would be other "
                "windows. One of the two is needed. Leave it out; prompts of windows are changed in the job's "
                "windows.json, for vace redo.",
                options=", ".join(typed or ["--plan"]),
            )
        return request.plan
    if wanted.plan is not None:
        if typed:
            raise InputError(
                "plan-and-options",
                "--plan was given, and {options} too, which would be another plan. One of the two is needed. Leave the "
                "others out, or change the plan.",
                options=", ".join(typed),
            )
        plan = read_plan(wanted.plan)
        plan.check_clip(count, vcu.fps, rule.grid)
        longest = max(plan.length(number) for number in range(len(plan)))
        if len(plan) > 1 and longest < usual:
            say(
                f"! The windows of {wanted.plan} have {longest} frames at most, and the model takes {usual} in one "
                "pass. Fewer frames see less of the clip: plan for this model, unless memory is short.",
                "yellow",
            )
        return plan
    if not wanted.cuts(rule.grid.nearest_lengths(count)[1], request.most):
        return None
    window = wanted.windows or usual
    return plan_windows(
        count,
        fps=vcu.fps,
        grid=rule.grid,
        window=window,
        overlap=wanted.overlap or usual_overlap(window, rule.grid),
        spans=() if wanted.prompts is None else _spans(wanted.prompts, request),
        loop=wanted.loop,
    )


def plan_of(job: KeptJob, plan: Plan | None, wanted: Wanted) -> Plan | None:
    """The plan that counts of a job that is done again: in its folder, where prompts and seeds may have been changed.

    Raises:
        InputError: it has other windows, or is damaged.
    """
    if plan is None or job.folder is None or not (job.folder.path / PLAN_FILE).is_file():
        return plan
    return KeptWindows(job.folder, plan, together=not _joining(wanted).streams).plan


def window_rows(plan: Plan | None, wanted: Wanted) -> list[tuple[str, str]]:
    """What is said of the windows before anything is computed."""
    if plan is None:
        return []
    rows = plan_rows(plan)
    more = len(rows) - _MOST_ROWS
    if more > 1:
        rows = [*rows[:_MOST_ROWS], ("", f"and {more} more, which vace plan shows")]
    return [*rows, ("joined by", str(_joining(wanted)))]


def one_pass(request: Request, plan: Plan | None) -> Request:
    """The same with what the model is given in one pass: the first window that there is something to make in.

    Where there is none, it is the last one, in which there is nothing to make either.
    """
    if plan is None:
        return request
    parts, pictures, unit = request.parts, _pictures(plan, request), request.vcu
    for number in range(len(plan)):
        unit = window_unit(plan, number, parts, pictures)
        if bool(unit.masks.any()):
            break
    return replace(request, vcu=unit, stretches=None)


def check_redo(redo: Redo | None, plan: Plan | None) -> None:
    """Validate that there are windows of which one can be made again.

    Raises:
        InputError: the clip is made in one pass, or has no such window.
    """
    if redo is not None and plan is None:
        raise InputError(
            "redo-one-pass",
            "Window {window} is to be made again, and this clip is made in one pass. A job of a clip that goes by "
            "windows is needed. Go on with this one by vace resume, or run its command with another seed.",
            window=redo.window,
        )
    if redo is not None and plan is not None:
        (plan.check_number if redo.and_after else plan.check_alone)(redo.window)


def check_conditions(plan: Plan | None, conditions: Conditions, options: SamplingOptions) -> None:
    """Validate that conditions act in every window alike.

    Raises:
        InputError: they are curves or masks over the whole clip, or there are several.
    """
    strength = conditions.strength
    whole = {
        "a strength over the frames": bool(strength.frames),
        "a strength in places": strength.space is not None,
        "a further condition": bool(conditions.also),
        "a clip to begin from": conditions.begin is not None and options.begins_from_clip,
    }
    said = [name for name, is_there in whole.items() if is_there]
    if plan is not None and said:
        raise InputError(
            "windows-conditions",
            "The clip is made by {count} windows, and {what} was given, which is of a clip made in one pass. One of "
            "the two is needed. Leave it out, or make a part with --start and --end that the model takes in one pass.",
            count=len(plan),
            what=" and ".join(said),
        )


def kept_windows(job: KeptJob, plan: Plan, request: Request) -> KeptWindows:
    """The windows of a job in its folder.

    Raises:
        InputError: the folder cannot be made, has other windows or no room; or there is nothing to make again.
    """
    wanted, joining = request.wanted, _joining(request.wanted)
    kept = KeptWindows(job.folder_of_windows(), plan, together=not joining.streams)
    pixels = request.vcu.height * request.vcu.width * sum(plan.windows[number].frames for number in kept.left)
    check_target(kept.folder.path / f"windows{FILM}", FILM, room=_KEPT_PIXEL * pixels)
    job.stays = wanted.keep_windows and joining.streams and job.folder is not None
    if (redo := job.redo) is None:
        return kept
    joining.check_streams("redone alone")
    if kept.left:
        raise InputError(
            "redo-unfinished",
            "Window {window} is to be made again, and window {left} was not made yet, or its film is gone. A clip "
            "whose windows are all there is needed. Put it back, or go on with it first: vace resume {job}",
            window=redo.window,
            left=kept.left[0],
            job=kept.folder.path,
        )
    return kept


def generate_windows(
    model: VaceModel,
    request: Request,
    kept: KeptWindows,
    options: SamplingOptions,
    conditions: Conditions,
    *,
    redo: Redo | None = None,
    feather: int = 0,
    match_colour: bool = False,
    blend_mode: BlendMode = "feather",
) -> None:
    """Makes the windows that are left, or one of them again, with bars on the terminal."""
    _give_large_blocks_back()
    parts, plan, anew = request.parts, kept.plan, range(0)
    if redo is not None and redo.and_after:
        plan = _with_seed(plan, redo)
        anew = range(redo.window, next(end for _, end in plan.shots if redo.window < end))
        parts = _still_closed(parts, kept, anew)
    with Bars() as bars:
        job = WindowedJob(
            model=model,
            plan=plan,
            parts=parts,
            options=options,
            joining=_joining(request.wanted),
            pictures=_pictures(plan, request),
            strength=conditions.strength,
            pin=conditions.pin,
            feather=feather,
            match_colour=match_colour,
            blend_mode=blend_mode,
            on_step=bars.on_step,
            on_chunk=bars.show,
        )
        if redo is not None and not redo.and_after:
            _make_again(job, kept, redo)
            return
        total, edges = len(kept.left) + len(kept.done), kept.edges(anew)
        bars.show("windows", len(edges), total)
        for made in stream(job, done=edges):
            if anew:  # not before there is a window in place of them: what stops the job until here loses nothing
                kept.forget(anew)
                kept.edit(plan)
                anew = range(0)
            kept.keep(made)
            bars.show("windows", len(kept.done), total)
            del made  # which is not to be held while the next one is made


def _make_again(job: WindowedJob, kept: KeptWindows, redo: Redo) -> None:
    number, plan = redo.window, _with_seed(kept.plan, redo)
    window, shared = plan.windows[number], plan.shared_with_next(number)
    begin = 0 if window.end > plan.num_frames else window.end - shared  # the last one of a loop leads to its beginning
    after = kept.frames(begin, begin + shared) if shared else None
    before = kept.handed(number - 1) if window.overlap else None
    head = kept.frames(0, plan.shared_with_next(len(plan) - 1)) if plan.loop and number == 0 else None
    kept.replace(make_again(replace(job, plan=plan), number, before=before, after=after, head=head))
    kept.edit(plan)


def _still_closed(parts: Parts, kept: KeptWindows, anew: range) -> Parts:
    """The same, with the first frames of a loop kept where they are made anew and the window that leads to them not."""
    plan = kept.plan
    if not plan.loop or 0 not in anew or len(plan) - 1 in anew:
        return parts
    head = kept.frames(0, plan.shared_with_next(len(plan) - 1))
    return lambda begin, end: placed(parts(begin, end), begin, {0: head})


def _give_large_blocks_back() -> None:
    """Has glibc give every large block back to the system as soon as it is free, for the rest of this process.

    By itself it does so with larger and larger blocks alone and keeps the others apart in pieces, so that a process
    that makes hundreds of windows grows without holding more. Other C libraries have no such setting.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, _LARGE)


def _spans(prompts: str, request: Request) -> tuple[Span, ...]:
    """The stretches of a clip that were typed: seconds from its begin, timecodes as its film counts them."""
    given = None if request.clip is None else request.clip[0]
    return spans_from_text(
        prompts,
        num_frames=request.num_frames,
        fps=request.vcu.fps,
        timecode=None if given is None else given.film.timecode,
        begin=0.0 if given is None else given.seconds,
        times=request.times,
    )


def _with_seed(plan: Plan, redo: Redo) -> Plan:
    return plan if redo.seed is None else plan.edited(redo.window, seed=redo.seed)


def _joining(wanted: Wanted) -> Joining:
    return Joining(by=wanted.join_by.value, anchor=wanted.anchor_colour.value, fade=wanted.fade_joins)


def _pictures(plan: Plan, request: Request) -> PlanPictures:
    """The images that a plan names, from files beside it or where one is."""
    vcu, wanted = request.vcu, request.wanted
    place = partial(beside, wanted.plan or Path("plan.json"))
    target = replace(target_of(wanted).still(), height=vcu.height, width=vcu.width)
    keyframes, references = dict[str, Tensor](), dict[str, Tensor]()
    for keyframe in plan.keyframes:
        keyframes[keyframe.picture] = fit_clip(read_still(place(keyframe.picture), wanted), target).frames
    for window in plan.windows:
        for name in window.references or ():
            references[name] = read_references(References(reference=[place(name)]))[0]
    return PlanPictures(references=references, keyframes=keyframes)
