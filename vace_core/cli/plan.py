"""`vace plan`: a long clip cut into windows, printed, drawn and saved, before anything is generated."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from typer import Argument, Option

from ..checks.numbers import frame_named
from ..errors import InputError
from ..inputs.all_frames import SAME_RATE
from ..inputs.fitted import Source, fit_clip
from ..media.files import check_target
from ..media.footage import Footage
from ..media.pictures import write_image
from ..media.video import from_uint8
from ..preview.timeline import draw_plan, plan_rows
from ..sampling.plan_text import plan_to_json, read_plan, spans_from_text, write_plan
from ..sampling.planning import Span, plan_windows, usual_overlap
from ..sampling.windows import Keyframe, Plan
from .console import errors_as_exit_codes, print_table, result
from .inputs import open_film, read_keyframe, target_of
from .models import check_named, profile_of
from .options import Part, Wanted

Prompts = Annotated[
    str | None,
    Option(
        "--prompts",
        help="Prompts for stretches of it: '[0-4s] a man walks | [4s, new shot] he sits'. Times are seconds, frames "
        "(80f) or timecodes; a new shot is a hard cut.",
    ),
]


@errors_as_exit_codes()
def plan(
    clip: Annotated[
        Path | None, Argument(help="A clip that is worked on, or a plan (.json) to look at.", show_default=False)
    ] = None,
    *,
    length: Annotated[int | None, Option(min=1, help="Frames of the whole result. Default: those of the clip.")] = None,
    fps: Annotated[float | None, Option(min=0.1, max=1000, help="Frames per second. Default: of the clip.")] = None,
    prompts: Prompts = None,
    windows: Annotated[
        int | None, Option(min=1, help="Frames of a window at most. Default: what the model takes in one pass.")
    ] = None,
    overlap: Annotated[
        int | None, Option(min=1, help="Frames that two windows share. Default: a quarter of a window.")
    ] = None,
    keyframe: Annotated[
        list[str] | None, Option(help="FRAME=IMAGE of the whole result; -1 is its last frame. May repeat.")
    ] = None,
    loop: Annotated[bool, Option("--loop", help="The end leads back to the beginning.")] = False,
    output: Annotated[Path | None, Option("--output", "-o", help="Save the plan, a .json.")] = None,
    sheet: Annotated[Path | None, Option(help="Draw the plan, a .png.")] = None,
    json: Annotated[bool, Option("--json", help="Print the plan as JSON on standard output.")] = False,
    model: Annotated[
        str, Option("--model", "-m", help="The model that will make it: 'starter', or a checkpoint.")
    ] = "starter",
    profile: Annotated[
        str | None, Option(help="Or a published model by name, of which no file is needed: wan-14b-480p, ltx, ...")
    ] = None,
) -> None:
    """Plan a clip of any length: into which windows it is cut, and what each of them shows."""
    if sheet is not None:
        check_target(sheet, ".png")
    if output is not None:
        check_target(output, ".json")
    if clip is not None and clip.suffix.lower() == ".json":
        asked = {
            "--length": length, "--fps": fps, "--prompts": prompts, "--windows": windows, "--overlap": overlap,
            "--keyframe": keyframe, "--loop": loop, "--profile": profile,
        }  # fmt: skip
        if typed := [name for name, value in asked.items() if value]:
            raise InputError(
                "plan-is-made",
                "{path} is a plan, and {options} was given too, which would be another one. One of both is needed. "
                "Leave the others out, or name the clip instead of its plan.",
                path=clip,
                options=", ".join(typed),
            )
        made = read_plan(clip)
    else:
        wanted = Wanted(model=model, profile=profile, fps=fps, length=length)
        check_named(wanted)
        print_table([("model", profile_of(wanted).title)])
        made = planned(clip, wanted, prompts=prompts, windows=windows, overlap=overlap, keyframe=keyframe, loop=loop)
    print_table(plan_rows(made))
    if sheet is not None:
        write_image(sheet, from_uint8(torch.from_numpy(np.array(draw_plan(made)))))
    if output is not None:
        write_plan(output, made)
    if json:
        result(json_format.loads(plan_to_json(made)))
    elif output is not None:
        result(str(output))


def planned(
    clip: Path | None,
    wanted: Wanted,
    *,
    prompts: str | None = None,
    windows: int | None = None,
    overlap: int | None = None,
    keyframe: list[str] | None = None,
    loop: bool = False,
) -> Plan:
    """The plan that options ask for.

    Raises:
        InputError: nothing says how long it is, or as `spans_from_text` and `plan_windows`.
    """
    rule = profile_of(wanted).rule
    film = None if clip is None else open_film(clip, wanted)
    fps, there, times = wanted.fps or rule.fps, None, None
    if film is not None:
        fps, there, times = film.fps, film.count, film.times
        if wanted.fps and abs(wanted.fps / film.fps - 1) >= SAME_RATE:  # otherwise every frame is taken as it is
            fps, there, times = wanted.fps, max(round(film.count / film.fps * wanted.fps), 1), None
    frames = wanted.length or there
    spans: tuple[Span, ...] = ()
    if prompts is not None:
        timecode = None if film is None else film.timecode
        spans = spans_from_text(prompts, num_frames=frames, fps=fps, timecode=timecode, times=times)
    count = frames or (spans[-1].end if spans else None)
    if count is None:
        raise InputError(
            "plan-length",
            "Nothing says how long the clip is. A clip, a length or prompts with an end are needed. Give --length.",
        )
    window = windows or (rule.longest(*profile_of(wanted).size) if film is None else _in_one_pass(film, wanted))
    return plan_windows(
        count,
        fps=fps,
        grid=rule.grid,
        window=window,
        overlap=overlap or usual_overlap(window, rule.grid),
        spans=spans,
        keyframes=[_keyframe(one) for one in keyframe or []],
        loop=loop,
    )


def _in_one_pass(film: Footage, wanted: Wanted) -> int:
    """Frames that the model takes in one pass of a clip, at the size that its tasks give it."""
    source = Source(frames=film, fps=film.fps, aspect=float(film.aspect))
    most = fit_clip(source, target_of(Wanted(model=wanted.model, profile=wanted.profile), Part())).most
    assert most is not None  # of a model, which has a rule
    return most


def _keyframe(text: str) -> Keyframe:
    frame, picture = read_keyframe(text)
    return Keyframe(frame=frame_named(frame, 0), picture=str(picture))
