"""From a request to its result: reported, counted, sampled, finished, written."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from typer import Context

from ..adapter import check_blocks
from ..checks.numbers import check_number
from ..errors import InputError
from ..inputs.blending import BlendMode
from ..inputs.put_back import is_series
from ..loading.load import load_vae
from ..loading.placing.plan import PlacingPlan
from ..media.files import check_target
from ..media.joined import Frames
from ..media.write import check_frames_target, check_video_target
from ..pipeline import (
    SamplingOptions,
    VaceModel,
    check_finish,
    check_vcu,
    finish,
    generate,
    get_solver,
    kept_latents,
)
from ..preview.cost import job_cost
from ..sampling.conditions import check_adapter, check_steps
from ..sampling.phases import said_scales
from ..sampling.progress import Progress
from ..sampling.windows import Plan
from ..vcu import VideoConditionUnit
from .console import Bars, hint, print_table, result, say
from .files import Files, names_no_file
from .given import check_not_given, files_read
from .jobs import KeptJob, kept_job
from .long import (
    check_conditions,
    check_redo,
    generate_windows,
    kept_windows,
    one_pass,
    plan_of,
    window_rows,
    windows_of,
)
from .models import check_lora, check_named, device_of, options_of, profile_of, read_sizes, ready
from .options import BlendName, Sheet
from .planning import Planned, files_of, planned
from .request import Request
from .results import confirm, free
from .speed import check_alone, kept, sped_up, together
from .where import AS_IT_IS, Conditions, FullRun, conditions_of
from .writing import write_result


def run(task: str, ask: Callable[[], Request], run: FullRun, context: Context) -> None:
    """Does what was asked for and says where the result is."""
    with together(device_of, run) as leads, kept_job(task, run, context) as job:
        request = _asked(ask, context)
        options = run.sampled(options_of(request.wanted, run))
        frames = request.shape[0]
        if job.output and job.redo is None and job.wrote(job.output, frames):  # it was written, and not confirmed
            result(str(job.output))
            return
        output = _output(task, request, run, job) if leads else Path()
        for target in (output, run.preview) if leads else ():
            if target is not None:
                check_not_given(context, target)
        plan = plan_of(job, windows_of(request), request.wanted)
        check_redo(job.redo, plan)
        once = one_pass(request, plan)
        _show(task, request, once)
        print_table(window_rows(plan, request.wanted))
        if request.edit is not None and request.edit.film.alpha and output.suffix.lower() != ".mkv":
            say("! The result has not the transparency of the original. --lossless, as .mkv, keeps that.", "yellow")
        _check(request, plan, once.vcu, options, run)
        conditions = conditions_of(request, run, plan)
        check_conditions(plan, conditions, options)
        if plan is not None:
            check_alone()
        files = files_of(request.wanted, run)
        _show_model(request, options, files, run)
        if conditions.strength.blocks and files is not None and files.adapter is not None:
            check_blocks(len(conditions.strength.blocks), read_sizes(files, run).context_blocks)
        if run.preview is not None and leads:
            request.write_sheet(run.preview, [condition.vcu for condition in conditions.also])
            print_table([("preview", str(run.preview))])
        acting = 1 + len(conditions.also)
        if run.dry_run:
            check_adapter(once.vcu, options, attached=files is None or files.adapter is not None)
            needs = planned(files, request.wanted, run, once.vcu, options, conditions=acting)
            if files is not None:
                check_lora(files)
            _report_job(task, request, once, options, needs, run)
            return
        assert files is not None
        needs = planned(files, request.wanted, run, once.vcu, options, conditions=acting)
        needs.check()
        if not needs.found.memory.is_host:
            print_table(needs.found.rows())
        job.ready(output, files_read(context, files))
        begin = time.monotonic()
        made = _made(job, request, plan, options, conditions, files, run, needs.found.plan)
        if not leads:
            return
        with job.writing(output) as output:
            write_result(output, made, request, lossless=run.lossless, feather=run.feather, blend_mode=run.blend.value)
        confirm(output, frames)
        seconds = time.monotonic() - begin
    print_table([("done", f"{output} in {seconds:.1f} s"), *job.said()])
    done = _job(task, request, once, options, run) | {"output": str(output), "seconds": round(seconds, 3)}
    result(done if run.json else str(output))


def preview(task: str, ask: Callable[[], Request], sheet: Sheet, context: Context) -> None:
    """Writes the contact sheet alone; no model is opened."""
    request = _asked(ask, context)
    check_named(request.wanted)
    output = sheet.output or free(Path(f"{task}.png"))
    check_target(output, ".png")
    check_not_given(context, output)
    plan = windows_of(request)
    _show(task, request, one_pass(request, plan))
    print_table(window_rows(plan, request.wanted))
    request.write_sheet(output)
    result(str(output))


def _asked(ask: Callable[[], Request], context: Context) -> Request:
    """What was asked for; of an HDR clip it is said with which option it is taken."""
    try:
        return ask()
    except InputError as error:
        if error.code == "video-hdr" and context.params.get("tone_map") is False:
            hint(error, "Or add --tone-map: it is then brought to standard dynamic range as it is read.")
        raise


def _made(
    job: KeptJob,
    request: Request,
    plan: Plan | None,
    options: SamplingOptions,
    conditions: Conditions,
    files: Files,
    run: FullRun,
    placement: PlacingPlan,
) -> Frames:
    """The frames of a job, from where it was left. One of which every step is done is decoded with the VAE alone."""
    feather = 0 if request.edit else run.feather  # which is that of the original
    device = device_of(run)
    if plan is not None:
        kept_films = kept_windows(job, plan, request)
        if kept_films.left or job.redo is not None:
            with ready(files, run, placement) as model, sped_up(model, run, options, device) as model:
                generate_windows(
                    model,
                    request,
                    kept_films,
                    options,
                    conditions,
                    redo=job.redo,
                    feather=feather,
                    match_colour=run.match_colour,
                    blend_mode=run.blend.value,
                )
        return kept_films.film()
    progress = kept(job.progress, device)
    reached = None if progress is None else progress.reached()
    if reached is not None:
        print_table([("goes on", f"after step {reached.steps} of {reached.total}")])
    if reached is None or not reached.finished:
        prompts = options.prompts_for(request.vcu)
        with ready(files, run, placement, prompts) as model, sped_up(model, run, options, device) as model:
            return generate_shown(
                model,
                request.vcu,
                options,
                conditions,
                feather=feather,
                match_colour=run.match_colour,
                blend_mode=run.blend.value,
                progress=progress,
            ).cpu()
    tile = run.tile if placement.tile is None else placement.tile
    vae = load_vae(files.vae, dtype=getattr(torch, run.vae_dtype.value), device=device, tile=tile)
    latents = kept_latents(vae, request.vcu, options, progress)
    assert latents is not None
    with Bars() as bars:
        return finish(
            vae,
            request.vcu,
            latents,
            feather=feather,
            match_colour=run.match_colour,
            blend_mode=run.blend.value,
            on_chunk=lambda done, total: bars.show("decode", done, total),
        )


def generate_shown(
    model: VaceModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    conditions: Conditions = AS_IT_IS,
    *,
    feather: int = 0,
    match_colour: bool = False,
    blend_mode: BlendMode = "feather",
    progress: Progress | None = None,
) -> Tensor:
    """As `pipeline.generate`, with bars on the terminal."""
    with Bars() as bars:
        return generate(
            model,
            vcu,
            options,
            strength=conditions.strength,
            also=conditions.also,
            pin=conditions.pin,
            begin=conditions.begin,
            feather=feather,
            match_colour=match_colour,
            blend_mode=blend_mode,
            on_step=bars.on_step,
            on_chunk=bars.show,
            progress=progress,
        )


def _show(task: str, request: Request, once: Request) -> None:
    """Tells what was asked for; warnings are on `once`, what the model is given in one pass."""
    if first := once.first_line():
        say(f"! {first}", "yellow")
    print_table([("task", task), *request.rows()])
    for warning in once.warnings(profile_of(request.wanted).rule.grid):
        say(f"! {warning}", "yellow")


def _show_model(request: Request, options: SamplingOptions, files: Files | None, run: FullRun) -> None:
    wanted, profile = request.wanted, profile_of(request.wanted)
    name = f"{profile.title}, no file" if files is None else wanted.model
    rows = [
        ("model", f"{name} ({profile.family.name}); {_sampling_words(options)}"),
        ("negative prompt", _said_negative(options, request.vcu)),
    ]
    if files is None:
        rows += [("needs", f"{file.what}, such as {file.released}") for file in profile.files]
    else:
        rows += files.rows(run.boundary)
    print_table([*rows, *run.rows()])
    if run.distilled is not None and files is not None and not files.lora:
        say("! --distilled was given without --lora: the model must have its LoRA of few steps in it.", "yellow")
    if profile.caution:
        say(f"! {profile.caution}", "yellow")


def _check(
    request: Request, plan: Plan | None, vcu: VideoConditionUnit, options: SamplingOptions, run: FullRun
) -> None:
    """Everything that would fail after a long time, or do nothing, before it; `vcu` is what one pass is given."""
    family = profile_of(request.wanted).family
    check_vcu(vcu, family.grid)
    tokens = family.grid.tokens(vcu.num_frames, vcu.height, vcu.width, vcu.num_references)
    check_steps(options, options.schedule(tokens, first=get_solver(options.solver).first))
    check_number("The boundary", run.boundary, least=0, most=1)
    device_of(run)
    if options.stg_scale and not family.options.stg_scale:
        raise InputError(
            "stg-unknown",
            "--stg was given, but the model is {base_name}, which has no spatio-temporal guidance. A model "
            "such as LTX-Video is needed for it. Leave it out.",
            base_name=family.base_name,
        )
    if run.rescale and not options.stg_scale:
        raise InputError(
            "rescale-without-stg",
            "--rescale was given, which acts on spatio-temporal guidance, but there is none. --stg above 0 "
            "and a model such as LTX-Video are needed for it. Leave it out.",
        )
    if (run.feather or run.match_colour or run.blend is BlendName.multiband) and not request.keeps(plan):
        raise InputError(
            "finish-without-source",
            "This task keeps no pixels, but --feather, --match-colour or --blend was given, which blend generated "
            "pixels into kept ones. They need a task with a source clip. Leave them out.",
        )
    if plan is None:
        check_finish(vcu, feather=run.feather, match_colour=run.match_colour, blend_mode=run.blend.value)
    if run.preview is not None:
        check_target(run.preview, ".png")


def _output(task: str, request: Request, run: FullRun, job: KeptJob) -> Path:
    """Where the result goes, which has been tried before anything is computed.

    Raises:
        InputError: nothing can be written there.
    """
    count, height, width = request.shape
    still = count == 1
    video = ".mkv" if run.lossless else ".mp4"
    output = job.output or job.named(task, ".png" if still else video)
    pixels = count * height * width
    if is_series(output):
        check_frames_target(output, pixels=pixels)
        return output
    if still:
        check_target(output, video, ".png", room=pixels)
    if not still or output.suffix.lower() != ".png":
        check_video_target(output, lossless=run.lossless, pixels=pixels)
    return output


def _report_job(
    task: str, request: Request, once: Request, options: SamplingOptions, job: Planned, run: FullRun
) -> None:
    cost = job_cost(job.sizes, once.vcu, options, conditions=job.job.conditions)
    print_table([*cost.rows(), *job.found.rows()])
    if not job.found.fits:
        say(f"! {job.advice()}", "yellow")
    if run.json:
        result(_job(task, request, once, options, run) | {"cost": cost.to_json(), "plan": job.found.to_json()})


def _job(task: str, request: Request, once: Request, options: SamplingOptions, run: FullRun) -> dict[str, Any]:
    """What both kinds of JSON have in common."""
    vcu = request.vcu
    frames, height, width = request.shape
    return {
        "task": task,
        "model": request.wanted.profile if names_no_file(request.wanted) else request.wanted.model,
        "family": profile_of(request.wanted).family.name,
        "prompt": vcu.prompt,
        "negative_prompt": options.negative_for(vcu),
        "frames": frames,
        "width": width,
        "height": height,
        "fps": request.fps,
        "references": vcu.num_references,
        "notes": [list(note) for note in request.notes],
        "warnings": once.warnings(profile_of(request.wanted).rule.grid),
        "options": asdict(options),
        "where_and_when": run.said(),
        "lora": run.lora or [],
    }


def _said_negative(options: SamplingOptions, vcu: VideoConditionUnit) -> str:
    words = options.negative_for(vcu) or "none"
    return words if options.is_guided else f"{words} (not used: cfg is 1)"


def _sampling_words(options: SamplingOptions) -> str:
    grows = " and more for longer clips" if options.shift_growth else ""
    said = f"{options.steps} steps of {options.solver}, shift {options.shift:.3g}{grows}"
    said += f", cfg {said_scales(options.scales)}" + (f", stg {options.stg_scale:g}" if options.stg_scale else "")
    return f"{said}, strength {options.strength:g}, seed {options.seed}"
