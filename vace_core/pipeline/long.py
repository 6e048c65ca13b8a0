"""A clip of any length by a plan: window by window, or all windows of a shot together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ..checks.numbers import check_finite
from ..context import encode_context
from ..errors import InputError
from ..models.text import ReadOnce
from ..sampling.conditions import Condition, check_adapter, check_steps
from ..sampling.overlap import Stretch, blended, pyramid, ramp
from ..sampling.windows import Plan
from ..vcu import VideoConditionUnit
from . import MODEL_ADVICE, check_vcu, finish, get_solver, make_denoiser, make_noise
from .parts import check_pictures, keeping, lengthened, parts_of, window_unit
from .windowed import HandOver, MadeWindow, WindowedJob, make_window, matches_colour


def generate_long(job: WindowedJob, *, on_window: Callable[[int], None] | None = None) -> Tensor:
    """Frames `(B, 3, T, H, W)` in −1..1 of the whole clip; `stream` gives them as they are made.

    Args:
        job: The clip.
        on_window: Called with how many windows are done, after each; raising stops the job.

    Raises:
        InputError: as `stream`.
        ShapeError: as `generate`.
    """
    film: Tensor | None = None
    shots = dict(job.plan.shots)  # of windows that are made together, a shot is done at once
    for done, made in enumerate(stream(job), start=1):
        if on_window is not None:
            on_window(done if job.joining.streams else shots[made.number])
        if film is None:
            b, c, _, h, w = made.frames.shape
            film = made.frames.new_zeros(b, c, job.plan.num_frames, h, w)
        film[:, :, made.begin : made.begin + made.frames.shape[2]] = made.frames
    assert film is not None
    return film


def stream(
    job: WindowedJob,
    *,
    start: int = 0,
    before: HandOver | None = None,
    done: Mapping[int, MadeWindow] | None = None,
) -> Iterator[MadeWindow]:
    """Windows as they are done, in the order of the plan; only what neighbours need of one is kept behind it.

    Args:
        job: The clip.
        start: How many windows of that order are done already.
        before: What the last of these handed over; None = nothing.
        done: Windows that are done already, by number, instead of both: they are not made again. Needed of them is
            what `pipeline.kept_windows.KeptWindows.edges` gives.

    Raises:
        InputError: an image of the plan is missing, or the plan cannot be made by this strategy; or as `generate`.
        ShapeError: as `generate`.
    """
    check_pictures(job.plan, job.pictures)
    if not job.joining.streams:
        _check_together(job, start)
        yield from _together(job, done or {})
        return
    plan, edges = job.plan, dict(done or {})
    if start and (plan.order or plan.loop):
        raise InputError(
            "resume-order",
            "The plan is a loop or has an order of its own, and {start} of its windows are done. To go on, a plan in "
            "the order of time is needed. Make the clip from its beginning.",
            start=start,
        )
    order = [number for number in plan.made_in[start:] if number not in edges]
    for place, number in enumerate(order):
        handed = before if start and not place else _handed(edges, number, plan.windows[number].overlap)
        made = make_window(job, number, before=handed, after=_following(job, edges, number))
        yield made
        # Of a window that is done only its edges are needed, and only where a neighbour is still to be made.
        edges[number] = replace(made, frames=made.frames[:, :, :0].clone())
        del made, handed
        left = set(order[place + 1 :])
        edges = {one: edge for one, edge in edges.items() if left & _beside(plan, one)}


def redo(
    job: WindowedJob,
    number: int,
    *,
    before: HandOver | None = None,
    after: Tensor | None = None,
    head: Tensor | None = None,
    seed: int | None = None,
) -> MadeWindow:
    """Makes one window again, alone: it leads from the window before up to the first frames of the one behind.

    Its frames from `begin` on take the place of the old ones; those that it shares with others are as they were, so
    every other window stays as it is.

    Args:
        job: The clip, joined by a strategy that hands over.
        number: The window.
        before: What the window before it handed over; its frames alone are enough. None for the first of a shot.
        after: `(B, 3, n, H, W)`, the first frames of the window behind, as many as both share. None for the last.
        head: `(B, 3, n, H, W)`, the first frames of the clip, as many as the last window of a loop leads to. Its first
            window keeps them.
        seed: Of its noise; None = the same as before.

    Raises:
        InputError: windows that were made together, a neighbour is missing, or as `make_window`.
        ShapeError: as `make_window`.
    """
    plan = job.plan
    plan.check_number(number)
    job.joining.check_streams("redone alone")
    led_to = plan.shared_with_next(len(plan) - 1) if plan.loop and not number else 0
    for where, given, shared in (
        ("before", before, plan.windows[number].overlap),
        ("before", head, led_to),
        ("behind", after, plan.shared_with_next(number)),
    ):
        if shared and given is None:
            raise InputError(
                "redo-neighbour",
                "Window {number} is to be made again, and the {shared} frames that it shares with the window {where} "
                "it did not come. They are needed, so that all else stays as it is. Give them.",
                number=number,
                shared=shared,
                where=where,
            )
    again = job if seed is None else replace(job, plan=plan.edited(number, seed=seed))
    if head is not None and led_to:
        again = replace(again, parts=lambda begin, end: keeping(job.parts(begin, end), 0, head))
    return make_window(again, number, before=before, after=after)


def _handed(done: dict[int, MadeWindow], number: int, overlap: int) -> HandOver | None:
    earlier = done.get(number - 1) if overlap else None
    return None if earlier is None else earlier.handed


def _following(job: WindowedJob, done: dict[int, MadeWindow], number: int) -> Tensor | None:
    """The first frames of the window behind, if that is done."""
    shared = job.plan.shared_with_next(number)
    later = done.get((number + 1) % len(job.plan)) if shared else None
    return None if later is None else later.head[:, :, :shared]


def _beside(plan: Plan, number: int) -> set[int]:
    """The windows before and behind one; in a loop the first is behind the last."""
    around = {number - 1, number + 1}
    return {one % len(plan) for one in around} if plan.loop else around


def _together(job: WindowedJob, done: Mapping[int, MadeWindow]) -> Iterator[MadeWindow]:
    """All windows of a shot denoised together, from one noise, shot after shot."""
    for first, last in job.plan.shots:
        if first in done:
            continue
        begin, end = job.plan.windows[first].begin, job.plan.windows[last - 1].end
        vcu = job.parts(begin, end)
        length = job.plan.longer(end - begin)
        vcu = lengthened(vcu, length, padding=length - (end - begin))
        if vcu.source is not None and not bool(vcu.masks.any()):
            frames = vcu.shown(vcu.source)  # of which all is known
        else:
            frames = finish(
                job.model.vae,
                vcu,
                _sampled_together(job, vcu, range(first, last)),
                feather=job.feather if vcu.source is not None else 0,
                match_colour=matches_colour(job, vcu, first),
                blend_mode=job.blend_mode if vcu.source is not None else "feather",
                on_chunk=job.chunks("decode"),
            )
        yield MadeWindow(number=first, begin=begin, frames=frames, head=frames[:, :, :0], handed=None)


def _sampled_together(job: WindowedJob, vcu: VideoConditionUnit, numbers: range) -> Tensor:
    """Latents `(B, C, t, h, w)` of a shot.

    The embedded context of one window is there at a time, however many there are. So each is embedded in every step
    anew, once for each call of the network: windows x steps x calls embeddings in all, instead of one for each window.
    """
    grid, plan = job.model.vae.grid, job.plan
    model = replace(job.model, text=ReadOnce(job.model.text))
    options, solver, skip = job.options, get_solver(job.options.solver), vcu.num_references
    check_vcu(vcu, grid)
    check_adapter(vcu, options, attached=model.expert.adapter is not None)
    longest = max(plan.length(number) for number in numbers)
    schedule = options.schedule(grid.tokens(longest, vcu.height, vcu.width, skip), first=solver.first)
    check_steps(options, schedule)
    context = encode_context(vcu, model.vae, model.encode_masks, on_chunk=job.chunks("encode"))
    start, stretches, stretch = plan.windows[numbers[0]].begin, list[Stretch](), parts_of(vcu)
    for number in numbers:
        window, count = plan.windows[number], grid.latent_frames(plan.length(number))
        begin = grid.latent_frames(window.begin - start + 1) - 1
        behind = plan.windows[number + 1].overlap if number + 1 in numbers else 0
        before, after = (grid.latent_frames(shared) if shared else 0 for shared in (window.overlap, behind))
        # Of its own frames alone, so that a strength over frames, places or references has a factor for each of its
        # tokens; over its frames, as in a window that is made on its own.
        own = window_unit(plan, number, lambda first, last: stretch(first - start, last - start), job.pictures)
        part = torch.cat([context[:, :, :skip], context[:, :, skip + begin : skip + begin + count]], dim=2)
        asked = replace(options, strength=options.strength * window.strength)
        condition = Condition(vcu=own, strength=job.strength)
        denoise = make_denoiser(model, own, asked, schedule, [(condition, part)], holds=False)
        weights = pyramid(count) if job.joining.by == "pyramid" else ramp(count, before, after)
        stretches.append(Stretch(denoise=denoise, begin=begin, weights=weights))
    noise = make_noise((len(context), model.vae.latent_channels, *context.shape[2:]), options.seed).to(context.device)

    def report(index: int, total: int, denoised: Tensor) -> None:
        check_finite(denoised, f"Step {index + 1} of {total} of sampling", MODEL_ADVICE)
        if job.on_step is not None:
            job.on_step(index, total, denoised[:, :, skip:])

    return solver.run(blended(stretches, skip), noise, schedule.sigmas(), report)[:, :, skip:]


def _check_together(job: WindowedJob, start: int) -> None:
    """Validate that a plan can be made by windows that are denoised together."""
    plan = job.plan
    for there, what in (
        (start > 0, "gone on with"),
        (plan.loop, "closed to a loop"),
        (bool(plan.order), "made in another order"),
        (any(window.seed is not None for window in plan.windows), "given seeds of their own"),
        (any(window.references is not None for window in plan.windows), "given references of their own"),
        (bool(plan.keyframes), "given keyframes by the plan"),
        (job.pin, "pinned"),
        (job.options.begins_from_clip, "begun from the source"),
    ):
        if there:
            job.joining.check_streams(what)
