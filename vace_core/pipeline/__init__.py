"""The whole method on one screen: VCU → context → hints → denoising → pixels → kept pixels pasted back."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from ..adapter import Attachment
from ..checks.numbers import check_finite, check_number
from ..checks.room import FRAMES, check_room
from ..context import EMPTY, VAE_ADVICE, Encoded, content_box, encode_job
from ..errors import InputError
from ..geometry import Box, Grid
from ..inputs.blending import RING, BlendMode, check_blend_mode
from ..models.text import placed
from ..protocols import OnChunk, VideoVae
from ..sampling.conditions import Condition, check_adapter, check_steps, conditions_of
from ..sampling.guidance import Denoise, guide, switch_experts
from ..sampling.options import SamplingOptions
from ..sampling.phases import scale_by_level
from ..sampling.pinning import Held, behind_references, kept_cells, pinned
from ..sampling.progress import LATENTS, Progress, check_reached
from ..sampling.schedule import NoiseSchedule
from ..sampling.solvers import SOLVERS, OnStep, Solver
from ..sampling.strength import AS_TRAINED, Strength
from ..vcu import VideoConditionUnit
from .composite import can_match, composite_vcu, not_comparable
from .model import Expert, VaceModel

MODEL_ADVICE = "Run the model in bfloat16 or float32, lower guidance and strength, or choose another file of it"


def generate(
    model: VaceModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    *,
    strength: Strength = AS_TRAINED,
    also: Sequence[Condition] = (),
    pin: bool = False,
    begin: Tensor | None = None,
    feather: int = 0,
    match_colour: bool = False,
    blend_mode: BlendMode = "feather",
    on_step: OnStep | None = None,
    on_chunk: Callable[[str, int, int], None] | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Frames `(B, 3, T, H, W)` in −1..1: what the VCU asks for, without its padding, every kept pixel as it came.

    Args:
        strength: Where and when the VCU acts, beside the strength of `options`, which is for all conditions.
        also: Further conditions. Their prompts do not count, and pixels are kept by the first VCU alone.
        pin: Whether latents of which every pixel is kept are held to the source in every step.
        begin: With `options.denoise` below 1, the clip to begin from, `(B, 3, T, H, W)` in −1..1; None = the source.
        feather: Pixels of soft edge, inside the mask; 0 = a hard edge.
        match_colour: Match the colours of the generated part to the kept part; `composite` says how.
        blend_mode: How generated pixels meet kept ones, as for `composite.composite_vcu`.
        on_step: Called as (index, total, denoised latents of the video) after each step. Raising stops the job and
            leaves the model as it was.
        on_chunk: Called as (what, done, total) while pixels are encoded and decoded; raising stops the job too.
        progress: Where steps are kept, such as `sampling.kept.KeptSteps`. The same job begun again goes on from there,
            to the same frames bit for bit.

    Raises:
        ShapeError: a length or size the model cannot take.
        InputError: the VCU conditions a model without an adapter, or an adapter that acts in no step; or `progress` is
            that of another job.
    """
    check_finish(vcu, feather=feather, match_colour=match_colour, blend_mode=blend_mode)
    latents = sample(
        model,
        vcu,
        options,
        strength=strength,
        also=also,
        pin=pin,
        begin=begin,
        on_step=on_step,
        on_chunk=_named(on_chunk, "encode"),
        progress=progress,
    )
    return finish(
        model.vae,
        vcu,
        latents,
        feather=feather,
        match_colour=match_colour,
        blend_mode=blend_mode,
        on_chunk=_named(on_chunk, "decode"),
    )


def finish(
    vae: VideoVae,
    vcu: VideoConditionUnit,
    latents: Tensor,
    *,
    feather: int = 0,
    match_colour: bool = False,
    blend_mode: BlendMode = "feather",
    correct: Callable[[Tensor], Tensor] | None = None,
    on_chunk: OnChunk | None = None,
) -> Tensor:
    """Latents `(B, C, t, h, w)` of the video as frames without padding: generated ones decoded, kept ones as they came.

    Args:
        feather: As for `generate`.
        match_colour: As for `generate`.
        blend_mode: As for `generate`.
        correct: What is done to the frames `(B, 3, T, H, W)` that the model generated before kept ones are put back;
            where nothing is generated in any frame, they are the source's.
        on_chunk: Called as (done, total) while pixels are decoded; raising stops it.

    Raises:
        InputError: a soft edge or matched colours where the VCU has no source, or a soft edge below 0, or there is no
            such blend; or too little is kept beside the mask to match colours on; or the VAE overflowed.
    """
    check_finish(vcu, feather=feather, match_colour=match_colour, blend_mode=blend_mode)
    # What is decoded, and the canvas that it is laid on.
    needed = vcu.roles.numel() * FRAMES * (1 if vcu.source is None else 2)
    check_room(needed, "The decoded clip", frames=vcu.num_frames, height=vcu.height, width=vcu.width)
    if vcu.source is None:
        frames = vae.decode(latents, on_chunk=on_chunk).to(vcu.roles.device)
        check_finite(frames, "Decoding", VAE_ADVICE)
        return vcu.shown(frames if correct is None else correct(frames))
    whole = Box(0, 0, vcu.width, vcu.height)
    # Colours are compared on kept pixels beside the mask, so these must be decoded too.
    compares = match_colour or blend_mode == "multiband"
    box = (generated_box(vcu) or whole).grown(RING if compares else 0, vcu.height, vcu.width)
    made = vae.decode(latents, window=None if box == whole else box, on_chunk=on_chunk)
    check_finite(made, "Decoding", VAE_ADVICE)
    canvas = made = made.to(vcu.source.device)
    if box != whole:
        canvas = vcu.source.clone()
        canvas[..., box.top : box.bottom, box.left : box.right] = made
    del made
    if correct is not None:
        canvas = correct(canvas)
    result = composite_vcu(canvas, vcu, feather=feather, match_colour=match_colour, blend_mode=blend_mode)
    return vcu.shown(result)


def check_finish(vcu: VideoConditionUnit, *, feather: int, match_colour: bool, blend_mode: str) -> None:
    """Validate how frames are to be finished, which is better said before they are made.

    Raises:
        InputError: as `finish`, of what it is asked.
    """
    check_blend_mode(blend_mode)
    check_number("The feather", feather, least=0)
    if vcu.source is None and (feather or match_colour or blend_mode != "feather"):
        raise InputError(
            "finish-without-source",
            "This VCU keeps no pixels, but a soft edge, a blend or matching colours were asked for, which blend "
            "generated pixels into kept ones. They need a VCU with a source. Leave them out.",
        )
    if match_colour and not can_match(vcu.masks):
        raise not_comparable()


def sample(
    model: VaceModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    *,
    encoded: Encoded | None = None,
    strength: Strength = AS_TRAINED,
    also: Sequence[Condition] = (),
    pin: bool = False,
    hold: Held | None = None,
    begin: Tensor | None = None,
    on_step: OnStep | None = None,
    on_chunk: OnChunk | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """Latents `(B, C, t, h, w)` of the video alone, references already dropped; arguments as for `generate`.

    Args:
        encoded: The conditions, and what pinning and beginning from a clip need, as `encode_job` gives them, on the
            device where the job is done; None = they are encoded here.
        hold: Latents that are known and held in every step, whatever the source is there.
    """
    solver = get_solver(options.solver)
    skip = vcu.num_references
    tokens = model.vae.grid.tokens(vcu.num_frames, vcu.height, vcu.width, skip)
    schedule = options.schedule(tokens, first=solver.first)
    levels = schedule.sigmas()
    conditions = conditions_of(vcu, strength, also)
    check_vcu(vcu, model.vae.grid)
    for one in conditions:
        check_adapter(one.vcu, options, attached=model.expert.adapter is not None)
    check_steps(options, schedule)
    if (kept := kept_latents(model.vae, vcu, options, progress)) is not None:
        return kept

    starts = options.begins_from_clip
    if encoded is None:
        encoded = encode_job(
            [one.vcu for one in conditions],
            model.vae,
            model.encode_masks,
            source=pin or (starts and begin is None),
            begin=begin if starts else None,
            on_chunk=on_chunk,
        )
    context = encoded.contexts[0]
    denoise = make_denoiser(model, vcu, options, schedule, list(zip(conditions, encoded.contexts, strict=True)))

    def report(index: int, total: int, denoised: Tensor) -> None:
        check_finite(denoised, f"Step {index + 1} of {total} of sampling", MODEL_ADVICE)
        if on_step is not None:
            on_step(index, total, denoised[:, :, skip:])

    noise = make_noise((len(context), model.vae.latent_channels, *context.shape[2:]), options.seed).to(context.device)
    latents = noise
    held = hold
    if pin and encoded.source is not None:
        held = Held(latents=encoded.source, cells=kept_cells(vcu.masks, model.vae.grid).to(noise.device)).under(hold)
    if held is not None:
        cells = functional.pad(held.cells, (0, 0, 0, 0, skip, 0)).to(noise.device)
        denoise = pinned(denoise, behind_references(held.latents, context).to(noise), noise, cells)
    if starts:
        known = encoded.source if encoded.begin is None else encoded.begin
        assert known is not None
        latents = (1 - levels[0]) * behind_references(known, context).to(noise) + levels[0] * noise
    return solver.run(denoise, latents, levels, report, progress)[:, :, skip:]


def kept_latents(
    vae: VideoVae, vcu: VideoConditionUnit, options: SamplingOptions, progress: Progress | None
) -> Tensor | None:
    """Latents `(B, C, t, h, w)` as `sample` returns them, of a job of which every step is kept; None = steps are left.

    Raises:
        InputError: `progress` is that of another job.
    """
    if progress is None or (reached := progress.reached()) is None:
        return None
    t, h, w = vae.grid.latent_size(vcu.num_frames, vcu.height, vcu.width)
    shape = (len(vcu.roles), vae.latent_channels, vcu.num_references + t, h, w)
    check_reached(reached, shape=shape, total=options.count, carries=get_solver(options.solver).carries)
    return reached.tensors[LATENTS][:, :, vcu.num_references :] if reached.finished else None


def check_vcu(vcu: VideoConditionUnit, grid: Grid) -> None:
    """Validate that a model of this grid can run a VCU.

    Raises:
        ShapeError: a length or size the model cannot take.
        InputError: there is nothing to make.
    """
    grid.check(vcu.num_frames, vcu.height, vcu.width)
    if generated_box(vcu) == EMPTY:
        raise InputError(
            "nothing-to-generate",
            "The mask keeps every pixel of every frame. At least one pixel to generate (mask 1, white) is "
            "needed. Invert the mask if it is the wrong way round.",
        )


def get_solver(name: str) -> Solver:
    """The solver of this name.

    Raises:
        InputError: there is none.
    """
    if name not in SOLVERS:
        raise InputError(
            "solver-unknown",
            'The solver is "{name}". One of {known} is needed. Choose one of these.',
            name=name,
            known=", ".join(SOLVERS),
        )
    return SOLVERS[name]


def make_noise(shape: tuple[int, ...], seed: int) -> Tensor:
    """Standard normal float32 noise, drawn on the CPU so that a seed gives the same video on every device.

    Raises:
        InputError: it does not fit into memory.
    """
    check_room(4 * math.prod(shape), f"The noise of shape {shape}")
    return torch.randn(shape, generator=torch.Generator().manual_seed(int(seed)))


def generated_box(vcu: VideoConditionUnit) -> Box | None:
    """The smallest box that holds all pixels to generate; None where that is the whole frame."""
    return content_box(vcu.masks)


def make_denoiser(
    model: VaceModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    schedule: NoiseSchedule,
    conditions: Sequence[tuple[Condition, Tensor]],
    *,
    holds: bool = True,
) -> Denoise:
    """What removes noise in a job: the networks with their adapters, the prompts of `vcu`, guidance.

    Args:
        model: The networks.
        vcu: Whose prompts count.
        options: How the job is sampled.
        schedule: Its noise levels.
        conditions: Each with its context, as `encode_context` gives it.
        holds: Whether embedded contexts are held for the job: one embedding for each condition and network. False
            holds the contexts as they are, several times smaller, and embeds them in every call of a network: one or,
            where prompts go one after the other, as many as passes in each step. For many denoisers of which one works
            at a time.

    Raises:
        InputError: spatio-temporal guidance of a base that has none.
    """
    device = conditions[0][1].device
    texts = [model.text.encode(words) for words in options.prompts_for(vcu)]

    def for_expert(expert: Expert) -> Denoise:
        prompt, *negative = (expert.base.prepare_text(placed(text, device), fps=vcu.fps) for text in texts)
        return guide(
            expert.base,
            prompt,
            negative[0] if negative else None,
            guidance_scale=scale_by_level(schedule.sigmas(), options.scales),
            stg_scale=options.stg_scale,
            rescale=options.rescale,
            attachments=_attachments(expert, options, schedule, conditions, model.vae.grid, holds=holds),
            told=get_solver(options.solver).told,
        )

    denoise = for_expert(model.expert)
    if model.low_noise is None:
        return denoise
    return switch_experts(denoise, for_expert(model.low_noise), model.boundary)


@torch.no_grad()
def _attachments(
    expert: Expert,
    options: SamplingOptions,
    schedule: NoiseSchedule,
    conditions: Sequence[tuple[Condition, Tensor]],
    grid: Grid,
    *,
    holds: bool,
) -> list[Attachment]:
    if expert.adapter is None or options.strength == 0:
        return []
    attachments: list[Attachment] = []
    for condition, context in conditions:
        strength = condition.strength
        places = strength.on_tokens(condition.vcu, grid)
        attachments.append(
            Attachment(
                adapter=expert.adapter,
                context=expert.adapter.embed(context) if holds else context,
                embeds=not holds,
                strength=options.strength * strength.overall,
                sigmas=options.adapter.sigma_range(schedule.at),
                steps=(lambda level, at=strength.at: at(schedule.behind(level))) if strength.steps else None,
                blocks=strength.blocks,
                places=None if places is None else places.to(context.device),
            )
        )
    return attachments


def _named(on_chunk: Callable[[str, int, int], None] | None, what: str) -> OnChunk | None:
    return None if on_chunk is None else lambda done, total: on_chunk(what, done, total)
