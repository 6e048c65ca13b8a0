"""Clips that are made by windows: their plan, and from there to the frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ..errors import InputError
from ..inputs.blending import BlendMode
from ..inputs.fitted import fit_clip
from ..pipeline import SamplingOptions, VaceModel
from ..pipeline.long import generate_long
from ..pipeline.parts import parts_of, window_unit
from ..pipeline.windowed import Joining, WindowedJob
from ..preview.timeline import plan_rows
from ..sampling.plan_text import read_plan, spans_from_text
from ..sampling.planning import plan_windows, usual_overlap
from ..sampling.windows import Plan
from .console import Bars
from .inputs import read_references, read_still, target_of
from .models import profile_of
from .options import References, Wanted
from .request import Request
from .where import Conditions

_MOST_ROWS = 12


def windows_of(request: Request) -> Plan | None:
    """The windows that a request is made by; None = in one pass.

    Raises:
        InputError: the plan is of another clip, options contradict each other, or as `planning.plan_windows`.
    """
    wanted, vcu = request.wanted, request.vcu
    rule = profile_of(wanted).rule
    asked = {
        "--windows": wanted.windows,
        "--overlap": wanted.overlap,
        "--prompts": wanted.prompts,
        "--loop": wanted.loop,
    }
    typed = [name for name, value in asked.items() if value]
    if wanted.plan is not None:
        if typed:
            raise InputError(
                "plan-and-options",
                "--plan was given, and {options} too, which would be another plan. One of both is needed. Leave the "
                "others out, or change the plan.",
                options=", ".join(typed),
            )
        plan = read_plan(wanted.plan)
        plan.check_clip(vcu.shown_frames, vcu.fps, rule.grid)
        return plan
    if not typed and (request.most is None or vcu.num_frames <= request.most):
        return None
    window = wanted.windows or request.most or rule.longest(vcu.height, vcu.width)
    prompts = wanted.prompts
    return plan_windows(
        vcu.shown_frames,
        fps=vcu.fps,
        grid=rule.grid,
        window=window,
        overlap=wanted.overlap or usual_overlap(window, rule.grid),
        spans=() if prompts is None else spans_from_text(prompts, num_frames=vcu.shown_frames, fps=vcu.fps),
        loop=wanted.loop,
    )


def window_rows(plan: Plan | None, wanted: Wanted) -> list[tuple[str, str]]:
    """What is said of the windows before anything is computed."""
    if plan is None:
        return []
    rows = plan_rows(plan)
    more = len(rows) - _MOST_ROWS
    if more > 1:
        rows = [*rows[:_MOST_ROWS], ("", f"and {more} more, which vace plan shows")]
    anchor = wanted.anchor_colour.value
    said = wanted.join_by.value + ("" if anchor == "none" else f", colours anchored: {anchor}")
    return [*rows, ("joined by", said)]


def one_pass(request: Request, plan: Plan | None) -> Request:
    """The same with what the model is given in one pass: the first window that there is something to make in."""
    if plan is None:
        return request
    parts, pictures = parts_of(request.vcu), _pictures(plan, request)
    units = (window_unit(plan, number, parts, pictures) for number in range(len(plan)))
    return replace(request, vcu=next((unit for unit in units if bool(unit.masks.any())), request.vcu))


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
            "both is needed. Leave it out, or make a part with --start and --end that the model takes in one pass.",
            count=len(plan),
            what=" and ".join(said),
        )


def generate_windows(
    model: VaceModel,
    request: Request,
    plan: Plan,
    options: SamplingOptions,
    conditions: Conditions,
    *,
    feather: int = 0,
    match_colour: bool = False,
    blend_mode: BlendMode = "feather",
) -> Tensor:
    """As `pipeline.long.generate_long`, with bars on the terminal."""
    with Bars() as bars:
        bars.show("windows", 0, len(plan))
        job = WindowedJob(
            model=model,
            plan=plan,
            parts=parts_of(request.vcu),
            options=options,
            joining=Joining(by=request.wanted.join_by.value, anchor=request.wanted.anchor_colour.value),
            pictures=_pictures(plan, request),
            strength=conditions.strength,
            pin=conditions.pin,
            feather=feather,
            match_colour=match_colour,
            blend_mode=blend_mode,
            on_step=bars.on_step,
            on_chunk=bars.show,
        )
        return generate_long(job, on_window=lambda done: bars.show("windows", done, len(plan)))


def _pictures(plan: Plan, request: Request) -> Mapping[str, Tensor]:
    """The images that a plan names, from files beside it or where one is."""
    vcu, wanted = request.vcu, request.wanted
    folder = Path() if wanted.plan is None else wanted.plan.parent
    target = replace(target_of(wanted).still(), height=vcu.height, width=vcu.width)
    found: dict[str, Tensor] = {}

    def place(name: str) -> Path:
        return Path(name) if Path(name).exists() else folder / name

    for keyframe in plan.keyframes:
        found[keyframe.picture] = fit_clip(read_still(place(keyframe.picture), wanted), target).frames
    for window in plan.windows:
        for name in window.references or ():
            found[name] = read_references(References(reference=[place(name)]))[0]
    return found
