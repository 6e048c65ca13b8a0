"""The whole method on one screen: VCU → context → hints → denoising → pixels → kept pixels pasted back."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .adapter import Attachment, ContextAdapter
from .checks.numbers import check_finite, check_number
from .checks.room import FRAMES, check_room
from .composite import RING, composite_vcu
from .context import EMPTY, VAE_ADVICE, content_box, encode_context
from .errors import InputError
from .geometry import Box, Grid
from .models.text import TextEncoder, placed
from .protocols import BaseModel, EncodeMasks, OnChunk, VideoVae
from .sampling.guidance import PAIR_BOUNDARY, Denoise, guide, switch_experts
from .sampling.options import SamplingOptions
from .sampling.schedule import NoiseSchedule
from .sampling.solvers import SOLVERS, OnStep, Solver
from .vcu import FOLLOW, VideoConditionUnit

log = logging.getLogger("vace")

MODEL_ADVICE = "Run the model in bfloat16 or float32, lower guidance and strength, or choose another file of it"


@dataclass(frozen=True, kw_only=True)
class Expert:
    """A base model, and the adapter that is attached to it, if any."""

    base: BaseModel
    adapter: ContextAdapter | None = None


@dataclass(frozen=True, kw_only=True)
class VaceModel:
    """All networks of one job. Attaching and detaching an adapter give a new one; the parts are never changed.

    Attributes:
        expert: The network, for all noise levels or, where there is a `low_noise` one, for the high ones.
        vae: The VAE: pixels to latents and back.
        text: The text encoder: prompts to embeddings.
        encode_masks: Masks to mask latents, as the adapter was trained.
        low_noise: The second network of a pair (Wan 2.2 VACE-Fun).
        boundary: Noise level (sigma, 0..1) below which `low_noise` takes over from `expert`.

    Raises:
        InputError: the boundary is no finite number.
    """

    expert: Expert
    vae: VideoVae
    text: TextEncoder
    encode_masks: EncodeMasks
    low_noise: Expert | None = None
    boundary: float = PAIR_BOUNDARY

    def __post_init__(self) -> None:
        check_number("The boundary", self.boundary)

    def attach(self, adapter: ContextAdapter, low_noise: ContextAdapter | None = None) -> VaceModel:
        """This model with other adapters: one, or one for each of a pair.

        Raises:
            AdapterMismatchError: an adapter belongs to another base.
            InputError: one adapter for a pair, or two for one base.
        """
        if (low_noise is None) != (self.low_noise is None):
            came, needed = ("two adapters", "one") if low_noise else ("one adapter", "two (high and low noise)")
            raise InputError(
                "adapters-count",
                "{came} came. This model needs {needed}. Give as many as it has bases.",
                came=came.capitalize(),
                needed=needed,
            )
        expert = _attached(self.expert, adapter)
        if self.low_noise is None or low_noise is None:
            return replace(self, expert=expert)
        return replace(self, expert=expert, low_noise=_attached(self.low_noise, low_noise))

    def detach(self) -> VaceModel:
        """This model without adapters: the base alone."""
        low_noise = self.low_noise and replace(self.low_noise, adapter=None)
        return replace(self, expert=replace(self.expert, adapter=None), low_noise=low_noise)


def _attached(expert: Expert, adapter: ContextAdapter) -> Expert:
    sizes = expert.base.sizes
    adapter.check_fits(width=sizes.width, layers=sizes.layers)
    return replace(expert, adapter=adapter)


def generate(
    model: VaceModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    *,
    feather: int = 0,
    match_colour: bool = False,
    on_step: OnStep | None = None,
    on_chunk: Callable[[str, int, int], None] | None = None,
) -> Tensor:
    """Frames `(B, 3, T, H, W)` in −1..1: what the VCU asks for, without its padding, every kept pixel as it came.

    Args:
        feather: Pixels of soft edge, inside the mask; 0 = a hard edge.
        match_colour: Match the colours of the generated part to the kept part; `composite` says how.
        on_step: Called as (index, total, denoised latents of the video) after each step. Raising stops the job and
            leaves the model as it was.
        on_chunk: Called as (what, done, total) while pixels are encoded and decoded; raising stops the job too.

    Raises:
        ShapeError: a length or size the model cannot take.
        InputError: the VCU conditions a model without an adapter, or an adapter that acts in no step.
    """
    latents = sample(model, vcu, options, on_step=on_step, on_chunk=_named(on_chunk, "encode"))
    return finish(
        model.vae, vcu, latents, feather=feather, match_colour=match_colour, on_chunk=_named(on_chunk, "decode")
    )


def finish(
    vae: VideoVae,
    vcu: VideoConditionUnit,
    latents: Tensor,
    *,
    feather: int = 0,
    match_colour: bool = False,
    on_chunk: OnChunk | None = None,
) -> Tensor:
    """Latents `(B, C, t, h, w)` of the video as frames without padding: generated ones decoded, kept ones as they came.

    Args:
        feather: As for `generate`.
        match_colour: As for `generate`.
        on_chunk: Called as (done, total) while pixels are decoded; raising stops it.

    Raises:
        InputError: a soft edge or matched colours where the VCU has no source; or the VAE overflowed.
    """
    # What is decoded, and the canvas that it is laid on.
    needed = vcu.roles.numel() * FRAMES * (1 if vcu.source is None else 2)
    check_room(needed, "The decoded clip", frames=vcu.num_frames, height=vcu.height, width=vcu.width)
    if vcu.source is None:
        if feather or match_colour:
            raise InputError(
                "finish-without-source",
                "This VCU keeps no pixels, but a soft edge or matching colours were asked for, which blend "
                "generated pixels into kept ones. They need a VCU with a source. Leave them out.",
            )
        frames = vae.decode(latents, on_chunk=on_chunk).to(vcu.roles.device)
        check_finite(frames, "Decoding", VAE_ADVICE)
        return vcu.shown(frames)
    whole = Box(0, 0, vcu.width, vcu.height)
    # Colours are compared on kept pixels beside the mask, so these must be decoded too.
    box = (generated_box(vcu) or whole).grown(RING if match_colour else 0, vcu.height, vcu.width)
    made = vae.decode(latents, window=None if box == whole else box, on_chunk=on_chunk)
    check_finite(made, "Decoding", VAE_ADVICE)
    canvas = vcu.source.clone()
    canvas[..., box.top : box.bottom, box.left : box.right] = made.to(canvas.device)
    return vcu.shown(composite_vcu(canvas, vcu, feather=feather, match_colour=match_colour))


def sample(
    model: VaceModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    *,
    context: Tensor | None = None,
    on_step: OnStep | None = None,
    on_chunk: OnChunk | None = None,
) -> Tensor:
    """Latents `(B, C, t, h, w)` of the video alone, references already dropped; arguments as for `generate`.

    Args:
        context: The VCU as `encode_context` gives it, on the device where the job is done; None = it is encoded here.
    """
    solver = get_solver(options.solver)
    skip = vcu.num_references
    tokens = model.vae.grid.tokens(vcu.num_frames, vcu.height, vcu.width, skip)
    schedule = options.schedule(tokens, first=solver.first)
    levels = schedule.sigmas()
    check_vcu(vcu, model.vae.grid)
    check_adapter(vcu, options, attached=model.expert.adapter is not None)
    check_steps(options, schedule)
    if context is None:
        context = encode_context(vcu, model.vae, model.encode_masks, on_chunk=on_chunk)
    denoise = _denoiser(model, vcu, options, schedule, context)

    def report(index: int, total: int, denoised: Tensor) -> None:
        check_finite(denoised, f"Step {index + 1} of {total} of sampling", MODEL_ADVICE)
        if on_step is not None:
            on_step(index, total, denoised[:, :, skip:])

    noise = make_noise((len(context), model.vae.latent_channels, *context.shape[2:]), options.seed)
    return solver.run(denoise, noise.to(context.device), levels, report)[:, :, skip:]


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


def check_adapter(vcu: VideoConditionUnit, options: SamplingOptions, *, attached: bool) -> None:
    """Validate that a VCU's conditions are read; log a warning where they are not because the strength is 0.

    Raises:
        InputError: there is no adapter to read them.
    """
    said = _conditions(vcu)
    if not said or (attached and options.strength):
        return
    if options.strength:
        raise InputError(
            "no-adapter",
            "The VCU has {what}, but the model has no adapter, and only an adapter reads them. A VACE "
            "adapter is needed. Attach one, or set the strength to 0 to generate from the prompt alone.",
            what=said,
        )
    log.warning("the strength is 0, so the model reads the prompt alone: it sees nothing of the VCU's %s", said)


def check_steps(options: SamplingOptions, schedule: NoiseSchedule) -> None:
    """Validate that an adapter acts in at least one step of `schedule`.

    Raises:
        InputError: it acts in none.
    """
    acting = options.adapter.sigma_range(schedule.at)
    if options.strength and not any(level in acting for level in schedule.sigmas()[:-1]):
        raise InputError(
            "adapter-never-acts",
            "None of the {steps} steps lies between {start_percent:g} and {end_percent:g} of the schedule, "
            "where the adapter acts. At least one is needed. Set start and end further apart, use more "
            "steps, or set the strength to 0 to sample without the adapter.",
            steps=options.steps,
            start_percent=options.start_percent,
            end_percent=options.end_percent,
        )


def _conditions(vcu: VideoConditionUnit) -> str:
    """The parts of a VCU that an adapter reads, in words; "" if none."""
    count = vcu.num_references
    there = (
        (f"{count} reference{'s' if count > 1 else ''}", count > 0),
        ("pixels to keep", bool((vcu.masks == 0).any())),
        ("a control to follow", bool(((vcu.roles & FOLLOW) != 0).any())),
    )
    *first, last = [words for words, is_there in there if is_there] or [""]
    return f"{', '.join(first)} and {last}" if first else last


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
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def generated_box(vcu: VideoConditionUnit) -> Box | None:
    """The smallest box that holds all pixels to generate; None where that is the whole frame."""
    return content_box(vcu.masks)


def _denoiser(
    model: VaceModel, vcu: VideoConditionUnit, options: SamplingOptions, schedule: NoiseSchedule, context: Tensor
) -> Denoise:
    def for_expert(expert: Expert) -> Denoise:
        prompt, negative = (
            expert.base.prepare_text(placed(model.text.encode(words), context.device), fps=vcu.fps)
            for words in (vcu.prompt, options.negative_for(vcu))
        )
        return guide(
            expert.base,
            prompt,
            negative,
            guidance_scale=options.guidance_scale,
            stg_scale=options.stg_scale,
            rescale=options.rescale,
            attachments=_attachments(expert, options, schedule, context),
            told=get_solver(options.solver).told,
        )

    denoise = for_expert(model.expert)
    if model.low_noise is None:
        return denoise
    return switch_experts(denoise, for_expert(model.low_noise), model.boundary)


@torch.no_grad()
def _attachments(
    expert: Expert, options: SamplingOptions, schedule: NoiseSchedule, context: Tensor
) -> list[Attachment]:
    if expert.adapter is None or options.strength == 0:
        return []
    return [
        Attachment(
            adapter=expert.adapter,
            context=expert.adapter.embed(context),
            strength=options.strength,
            sigmas=options.adapter.sigma_range(schedule.at),
        )
    ]


def _named(on_chunk: Callable[[str, int, int], None] | None, what: str) -> OnChunk | None:
    return None if on_chunk is None else lambda done, total: on_chunk(what, done, total)
