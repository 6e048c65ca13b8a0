"""The node that turns a VCU into latents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from comfy_api.latest import io
from PIL import Image
from torch import Tensor

from ..vace_core import SamplingOptions, pipeline
from ..vace_core.checks.numbers import check_finite
from ..vace_core.errors import InputError
from ..vace_core.models.family import Family
from ..vace_core.models.wan.family import WAN
from ..vace_core.sampling.phases import said_scales
from ..vace_core.sampling.presets import DISTILLED
from ..vace_core.sampling.schedule import grown_shift
from ..vace_core.sampling.solvers import SOLVERS
from ..vace_core.sampling.strength import Strength
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, memory, native, placement, settings, sockets
from .comfy.chosen import AUTO
from .comfy.fitted import check_for_model
from .comfy.node import Node, captured_warnings
from .comfy.registry import tips
from .comfy.settings import CFG, profile_of, published, unlike
from .comfy.sockets import ConditionStack, LibraryModel, MoreOptions, NativeModel
from .comfy.where import Where, all_conditions, check_start, started
from .comfy.windowed import EncodedTexts

SHOWN = 4  # frames of a preview
SMALL = 128 * 128  # pixels of a frame that the VAE itself can show after every step


def sampling(*, seed: str, steps: str, shift: str) -> list[Any]:
    """The inputs of a node that samples, which all such nodes begin with.

    Args:
        seed: Tooltip of the seed.
        steps: What the steps are, as the tooltip begins.
        shift: Tooltip of the shift.
    """
    return [
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=0xFFFFFFFFFFFFFFFF,
            control_after_generate=True,
            tooltip=seed,
        ),
        io.Int.Input(
            "steps",
            default=0,
            min=0,
            max=1000,
            tooltip=f"{steps}: {tips('steps', ' ')}, 20 is enough for most. 0 = as the model was published.",
        ),
        io.Float.Input(
            "cfg",
            default=CFG,
            min=CFG,
            max=100.0,
            step=0.05,  # frontends round to the digits of the step
            tooltip=f"Guidance scale (CFG): how closely the prompt is followed. {tips('cfg', ', ')}, 2 for the "
            "starter. 1 = off, twice as fast. -1 = as the model was published.",
        ),
        io.Float.Input("shift", default=0.0, min=0.0, max=100.0, step=0.01, tooltip=shift),
        io.Combo.Input(
            "sampler",
            options=[*SOLVERS, AUTO],
            default=AUTO,
            tooltip=f"{tips('sampler', ', ')}. auto = as the model was published.",
        ),
    ]


class VaceSampleVideo(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceSampleVideo",
            "VACE Sample Video",
            "Generates the video that a VCU asks for. The output holds the latents of the video alone: decode "
            "them with VACE Decode Video, which also puts the kept pixels back.",
            inputs=[
                sockets.Model.Input("model", tooltip="From one of the VACE loaders."),
                sockets.Vcu.Input(
                    "vcu", tooltip="VCU (Video Condition Unit): what to keep and what to generate. From any VACE task."
                ),
                *sampling(
                    seed="The same seed gives the same video.",
                    steps="Denoising steps",
                    shift="Shift of the sigmas: higher spends more steps at high noise, on large shapes. 0 = as the "
                    f"model was published: {tips('shift', '; ')}. 5 with distilled LoRA.",
                ),
                *sockets.guidance(),
                io.Float.Input(
                    "stg",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.01,
                    optional=True,
                    tooltip="Spatio-temporal guidance (STG), for LTX-Video only: 1 as published, 0 = off, a "
                    "third faster. Other models ignore it.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="1 = from noise alone. Below, sampling begins from start, or from the VCU's own video, "
                    "with so much noise.",
                ),
                io.Boolean.Input(
                    "pin",
                    default=False,
                    optional=True,
                    tooltip="Holds kept latents to the source in every step. Kept pixels are put back at the end in "
                    "any case.",
                ),
                *sockets.where(),
                io.MultiType.Input(
                    "start",
                    types=[io.Image, io.Latent],
                    optional=True,
                    tooltip="The video to begin from with a denoise below 1, or samples of it, such as those of "
                    "another sampler.",
                ),
                sockets.Sigmas.Input(
                    "sigmas",
                    optional=True,
                    tooltip="Noise levels of one of ComfyUI's schedulers, in place of steps and shift. Where they "
                    "begin below 1, sampling begins from start or from the VCU's own video.",
                ),
                sockets.Options.Input(
                    "options",
                    optional=True,
                    tooltip="Guidance by steps, or a preset for LoRA of few steps: from VACE Sampling Options. It goes "
                    "before steps, cfg, shift and sampler here.",
                ),
            ],
            outputs=[
                io.Latent.Output(
                    display_name="samples", tooltip="The latents of the video, without the reference frames."
                ),
                sockets.passed_model(),
            ],
            aliases=["ksampler", "wan sampler", "vace strength"],
        )

    @classmethod
    def execute(
        cls,
        model: LibraryModel | NativeModel,
        vcu: VideoConditionUnit,
        seed: int,
        steps: int,
        cfg: float,
        shift: float,
        sampler: str,
        strength: float,
        start_percent: float,
        end_percent: float,
        stg: float = 1.0,
        denoise: float = 1.0,
        pin: bool = False,
        strengths: Strength | None = None,
        conditions: ConditionStack | None = None,
        start: Any | None = None,
        sigmas: Tensor | None = None,
        options: MoreOptions | None = None,
    ) -> io.NodeOutput:
        family, usual = settings.usual(model)
        check_for_model(vcu, family.grid)
        levels = () if sigmas is None else _levels(sigmas)
        chosen = replace(
            published(usual, steps=steps, cfg=cfg, shift=shift, sampler=sampler),
            stg_scale=stg if usual.stg_scale else 0.0,
            denoise=denoise,
            seed=seed,
            # With further conditions the number is that of this VCU alone.
            strength=strength if conditions is None else 1.0,
            start_percent=start_percent,
            end_percent=end_percent,
        )
        if options is not None:
            chosen = with_options(options, chosen, family)
        if levels:  # in place of steps and shift, whoever set these
            chosen = replace(chosen, steps=max(len(levels) - 1, 1), sigmas=levels)
        check_start(start, begins=chosen.begins_from_clip)
        frames, latents = started(start, vcu, family)
        own = 1.0 if conditions is None else strength
        where = Where(
            conditions=all_conditions(vcu, own, strengths, conditions), pin=pin, frames=frames, latents=latents
        )
        progress = host.Progress()
        show = shower(model, vcu)

        def on_step(index: int, total: int, denoised: Tensor) -> None:
            # Rather than after all the steps that cannot mend it.
            check_finite(denoised, f"Step {index + 1} of {total} of sampling", pipeline.MODEL_ADVICE)
            progress(index + 1, total, show(denoised))

        def on_chunk(done: int, total: int) -> None:
            host.check_interrupt()

        with captured_warnings() as warned, memory.said("sampling", vcu):
            if isinstance(model, NativeModel):
                samples = native.sample(model, where, chosen, on_step=on_step, on_chunk=on_chunk)
            else:
                samples = _sample(model, where, chosen, on_step, on_chunk)
        check_finite(samples, "Sampling", pipeline.MODEL_ADVICE)
        placement.free_cache()
        notes = [*outside_note(model, vcu), sampling_note(chosen, family, vcu), *warned]
        return host.output(cls, {"samples": samples}, model, notes=notes)


def _levels(sigmas: Tensor) -> tuple[float, ...]:
    """The noise levels of SIGMAS.

    Raises:
        InputError: there are none.
    """
    if not sigmas.numel():
        raise InputError(
            "sigmas-empty",
            "The sigmas are empty, as schedulers make them for a denoise of 0. At least two noise levels are needed. "
            "Set the denoise of the scheduler above 0, or disconnect sigmas.",
        )
    return tuple(float(level) for level in sigmas.flatten())


def _sample(
    model: LibraryModel,
    where: Where,
    options: SamplingOptions,
    on_step: Callable[[int, int, Tensor], None],
    on_chunk: Callable[[int, int], None],
) -> Tensor:
    """Latents `(1, C, t, h, w)` from one of our models, as ComfyUI's VAE takes them."""
    vcu, first, further = where.vcu, where.conditions[0], where.conditions[1:]
    # One part after the other has the device: the text encoder, the VAE, the transformer.
    texts = {words: model.core.text.encode(words) for words in options.prompts_for(vcu)}
    source = where.needs_source(begins=options.begins_from_clip)
    encoded = memory.encoded(model, where.units, source=source, begin=where.frames, on_chunk=on_chunk)
    if where.latents is not None:
        encoded = replace(encoded, begin=where.latents)
    core, device = memory.streamed(model, vcu, len(where.conditions))
    latents = pipeline.sample(
        replace(core, text=EncodedTexts(texts)),
        vcu,
        options,
        encoded=encoded.to(device),
        strength=first.strength,
        also=further,
        pin=where.pin,
        on_step=on_step,
    )
    return model.family.latents.to_comfyui(latents.cpu())


def outside_note(model: LibraryModel | NativeModel, vcu: VideoConditionUnit) -> list[str]:
    """What a VCU asks for that the model was not trained on."""
    found = unlike(profile_of(model), vcu)
    return [] if found is None else [f"! {found}"]


def sampling_note(options: SamplingOptions, family: Family, vcu: VideoConditionUnit) -> str:
    """The sampling options used, in a line."""
    tokens = family.grid.tokens(vcu.num_frames, vcu.height, vcu.width, vcu.num_references)
    shift = grown_shift(options.shift, options.shift_growth, tokens)
    guided = f", stg {options.stg_scale:g}" if options.stg_scale else ""
    levels = "the sigmas given" if options.sigmas else f"shift {shift:.4g}"
    levels += f", denoise {options.denoise:g}" if options.denoise < 1 else ""
    said = f"{options.steps} steps of {options.solver}, {levels}, cfg {said_scales(options.scales)}{guided}."
    return said if not options.is_guided else f"{said} Negative prompt: {options.negative_for(vcu) or 'none'}"


def with_options(more: MoreOptions, options: SamplingOptions, family: Family) -> SamplingOptions:
    """The options with those of VACE Sampling Options.

    Raises:
        InputError: the model is of a family that the preset is not for.
    """
    if more.distilled is not None:
        if family is not WAN:
            raise InputError(
                "distilled-other-family",
                "The preset is {name}, but the model is {model}. The presets are for LoRA of {needed}. Set distilled "
                "to off in VACE Sampling Options.",
                name=more.distilled,
                model=family.base_name,
                needed=WAN.name,
            )
        options = DISTILLED[more.distilled].options(options)
    return replace(options, guidance_scales=more.scales)


def shower(model: LibraryModel | NativeModel, vcu: VideoConditionUnit) -> Callable[[Tensor], Image.Image | None]:
    """What shows the video's own frames (never a reference) after a step."""
    if isinstance(model, LibraryModel) and vcu.height * vcu.width <= SMALL:
        # Each latent frame as if it were a clip of its own: rougher than the video, and as cheap as the step itself.
        return lambda denoised: _grid(model.core.vae.decode(_some(denoised)[:, :, None])[:, :, 0])
    family, _ = settings.usual(model)
    factors = host.rgb_factors(family.latents.latent_format)
    if factors is None:
        return lambda denoised: None
    weight, bias = factors
    return lambda denoised: _grid((_some(denoised).movedim(1, -1) @ weight + bias).movedim(-1, 1))


def _some(latents: Tensor) -> Tensor:
    """`(N, C, h, w)` of up to four frames of `(1, C, t, h, w)`, from the first to the last."""
    last = latents.shape[2] - 1
    places = sorted({round(n * last / (SHOWN - 1)) for n in range(SHOWN)})
    return latents[0, :, places].transpose(0, 1).float().cpu()


def _grid(frames: Tensor) -> Image.Image:
    """`(N, 3, H, W)` in −1..1 as one image, two in a row."""
    pictures = ((frames.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().permute(0, 2, 3, 1).numpy()
    across = min(len(pictures), 2)
    missing = -len(pictures) % across
    pictures = np.concatenate([pictures, np.zeros_like(pictures[:missing])]) if missing else pictures
    rows = [np.concatenate(pictures[n : n + across], axis=1) for n in range(0, len(pictures), across)]
    return Image.fromarray(np.concatenate(rows))
