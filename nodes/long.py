"""The node that generates a clip of any length by a plan, window by window, or one of its windows again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from comfy_api.latest import io
from torch import Tensor

from ..vace_core import pipeline
from ..vace_core.checks.numbers import check_finite
from ..vace_core.errors import InputError
from ..vace_core.inputs.blending import BlendMode
from ..vace_core.pipeline.parts import parts_of, window_unit
from ..vace_core.pipeline.windowed import WindowedJob
from ..vace_core.sampling.strength import AS_TRAINED, Strength
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, memory, placement, settings, sockets
from .comfy.node import Node, captured_warnings
from .comfy.registry import tips
from .comfy.settings import published
from .comfy.sockets import LibraryModel, LongPlan, MoreOptions, NativeModel
from .comfy.windowed import Film, networks, pictures_for, windows_made
from .finish import edges, joined
from .plan import said_joining
from .sample import outside_note, sampling, sampling_note, shower, with_options

ALL = -1  # of the windows


class VaceSampleLongVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceSampleLongVideo",
            "VACE Sample Long Video",
            "Generates a video of any length by a plan: each window is encoded, sampled, decoded and joined to the one "
            "before, in the memory of one. Kept pixels come back exactly. One window can be made again alone, with all "
            "others as they were.",
            category="VACE/Long",
            inputs=[
                sockets.Model.Input("model", tooltip="From one of the VACE loaders."),
                sockets.Vcu.Input(
                    "vcu",
                    tooltip="VCU (Video Condition Unit) of the whole clip: from any VACE task, with a long length, or "
                    "with a fit of any length.",
                ),
                sockets.Windows.Input("plan", tooltip="From VACE Plan Windows, with the same VCU."),
                *sampling(
                    seed="Window n is sampled with this seed plus n, unless the plan gives it one of its own.",
                    steps="Denoising steps of each window",
                    shift=f"Shift of the sigmas. 0 = as the model was published: {tips('shift', '; ')}.",
                ),
                sockets.strength(),
                io.Boolean.Input(
                    "pin",
                    default=False,
                    tooltip="Holds kept latents to the source in every step. Kept pixels are put back in any case.",
                ),
                *edges("each window"),
                sockets.blend(),
                io.Int.Input(
                    "redo",
                    default=ALL,
                    min=ALL,
                    max=100_000,
                    optional=True,
                    tooltip="The window of made to generate again, 0 the first; every frame outside it stays as it is. "
                    "-1 = generate all.",
                ),
                io.Image.Input(
                    "made",
                    optional=True,
                    tooltip="With redo: what this node generated before by the same plan, without before and after.",
                ),
                sockets.Strength.Input(
                    "strengths",
                    optional=True,
                    tooltip="When, in which blocks and by which references the VCU guides the model: from VACE "
                    "Strength. Not in which frames or places: these are of a clip made in one pass.",
                ),
                sockets.Options.Input(
                    "options",
                    optional=True,
                    tooltip="Guidance by steps, or a preset for LoRA of few steps: from VACE Sampling Options. It goes "
                    "before steps, cfg, shift and sampler here.",
                ),
                io.Image.Input(
                    "before",
                    optional=True,
                    tooltip="Frames to put in front of the result: before of VACE Extend Video.",
                ),
                io.Image.Input(
                    "after", optional=True, tooltip="Frames to put behind the result: after of VACE Extend Video."
                ),
            ],
            outputs=[
                io.Image.Output(display_name="images", tooltip="The frames of the video."),
                io.Float.Output(display_name="fps", tooltip="Frames per second, for Create Video."),
                io.String.Output(
                    display_name="report", tooltip="How much was kept, how exactly, and how windows meet."
                ),
            ],
            aliases=[
                "long video",
                "long take",
                "sliding window",
                "context window",
                "loop",
                "infinite video",
                "redo window",
            ],
        )

    @classmethod
    def execute(
        cls,
        model: LibraryModel | NativeModel,
        vcu: VideoConditionUnit,
        plan: LongPlan,
        seed: int,
        steps: int,
        cfg: float,
        shift: float,
        sampler: str,
        strength: float,
        pin: bool,
        feather: int,
        match_colour: bool,
        blend: BlendMode = "feather",
        redo: int = ALL,
        made: Any | None = None,
        strengths: Strength | None = None,
        options: MoreOptions | None = None,
        before: Any | None = None,
        after: Any | None = None,
    ) -> io.NodeOutput:
        family, usual = settings.usual(model)
        plan.plan.check_clip(vcu.shown_frames, vcu.fps, family.grid)
        check_strengths(strengths, len(plan.plan))
        chosen = replace(
            published(usual, steps=steps, cfg=cfg, shift=shift, sampler=sampler),
            seed=seed,
            strength=strength,
        )
        if options is not None:
            chosen = with_options(options, chosen, family)
        parts, pictures = parts_of(vcu), pictures_for(plan, vcu)
        first = window_unit(plan.plan, plan.plan.made_in[0], parts, pictures)
        progress, show, count = host.Progress(), shower(model, first), len(plan.plan)
        done = 0

        def on_step(index: int, total: int, denoised: Tensor) -> None:
            check_finite(denoised, f"Step {index + 1} of {total} of sampling", pipeline.MODEL_ADVICE)
            progress(done * total + index + 1, count * total, show(denoised))

        def on_chunk(what: str, at: int, of: int) -> None:
            host.check_interrupt()

        only = None if redo == ALL else redo
        film = Film(vcu, plan.plan, None if only is None else made)
        longest = max(plan.plan.length(number) for number in range(count))
        doing = f"sampling windows of {longest} frames of {vcu.width} x {vcu.height} pixels"
        short = placement.saying_short_memory(doing, "Plan shorter windows")
        with captured_warnings() as warned, short, memory.forgetting(model):
            networks_of, sampled = networks(model, plan, parts, chosen, only=only)
            job = WindowedJob(
                model=networks_of,
                sampler=sampled,
                plan=plan.plan,
                parts=parts,
                options=chosen,
                joining=plan.joining,
                pictures=pictures,
                strength=AS_TRAINED if strengths is None else strengths,
                pin=pin,
                feather=feather,
                match_colour=match_colour,
                blend_mode=blend,
                on_step=on_step,
                on_chunk=on_chunk,
            )
            for window in windows_made(job, only, made):
                film.add(window)
                done += 1
                placement.free_cache()
        said = film.report()
        notes = [
            *outside_note(model, first),
            f"{count} windows, joined by {said_joining(plan.joining)}.",
            sampling_note(chosen, family, first),
            *warned,
            said,
        ]
        return host.output(cls, joined(before, film.images, after), vcu.fps, said, notes=notes)


def check_strengths(strengths: Strength | None, windows: int) -> None:
    """Validate that a strength acts in every window alike.

    Raises:
        InputError: it says in which frames or places.
    """
    said = (
        [] if strengths is None else ["over_frames"] * bool(strengths.frames) + ["mask"] * (strengths.space is not None)
    )
    if said:
        raise InputError(
            "windows-strength",
            "strengths has {what}, which are of a clip made in one pass, and this one is made by {count} windows. A "
            "strength over steps, blocks and references is needed. Leave the others out, or give single windows a "
            "strength in changes of VACE Plan Windows.",
            what=" and ".join(said),
            count=windows,
        )
