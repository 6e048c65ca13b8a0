"""Nodes that turn a VCU into latents: our sampler, and the conditioning for the stock ones."""

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
from ..vace_core.starter.outside import outside
from ..vace_core.starter.text import StarterText
from ..vace_core.vcu import VideoConditionUnit
from .comfy import host, memory, native, placement, sockets
from .comfy.fitted import check_for_model
from .comfy.node import Node, captured_warnings
from .comfy.registry import NATIVE_VACE, tips
from .comfy.sockets import LibraryModel, MoreOptions, NativeModel
from .comfy.vae_kind import kind_of

SHOWN = 4  # frames of a preview
SMALL = 128 * 128  # pixels of a frame that the VAE itself can show after every step


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
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The same seed gives the same video.",
                ),
                io.Int.Input(
                    "steps",
                    default=30,
                    min=1,
                    max=1000,
                    tooltip=f"Denoising steps: {tips('steps', ' ')}, 20 is enough for most.",
                ),
                io.Float.Input(
                    "cfg",
                    default=5.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip=f"Guidance scale (CFG): how closely the prompt is followed. {tips('cfg', ', ')}, 2 for "
                    "the starter. 1 = off, twice as fast.",
                ),
                io.Float.Input(
                    "shift",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.01,
                    tooltip="Shift of the sigmas: higher spends more steps at high noise, on large shapes. 0 = as the "
                    f"model was published: {tips('shift', '; ')}. 5 with distilled LoRA.",
                ),
                io.Combo.Input(
                    "sampler",
                    options=list(SOLVERS),
                    default="unipc",
                    tooltip=f"{tips('sampler', ', ')}.",
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
                )
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
        options: MoreOptions | None = None,
    ) -> io.NodeOutput:
        family, usual = sockets.usual(model)
        check_for_model(vcu, family.grid)
        chosen = replace(
            usual if shift == 0 else replace(usual, shift=shift, shift_growth=0.0),
            steps=steps,
            guidance_scale=cfg,
            stg_scale=stg if usual.stg_scale else 0.0,
            solver=sampler,
            seed=seed,
            strength=strength,
            start_percent=start_percent,
            end_percent=end_percent,
        )
        if options is not None:
            chosen = _with(options, chosen, family)
        progress = host.Progress()
        show = _shower(model, vcu)

        def on_step(index: int, total: int, denoised: Tensor) -> None:
            # Rather than after all the steps that cannot mend it.
            check_finite(denoised, f"Step {index + 1} of {total} of sampling", pipeline.MODEL_ADVICE)
            progress(index + 1, total, show(denoised))

        def on_chunk(done: int, total: int) -> None:
            host.check_interrupt()

        with captured_warnings() as warned, memory.said("sampling", vcu):
            if isinstance(model, NativeModel):
                samples = native.sample(model, vcu, chosen, on_step=on_step, on_chunk=on_chunk)
            else:
                samples = _sample(model, vcu, chosen, on_step, on_chunk)
        check_finite(samples, "Sampling", pipeline.MODEL_ADVICE)
        placement.free_cache()
        notes = [*_outside(model, vcu), _sampling_note(chosen, family, vcu), *warned]
        return host.output(cls, {"samples": samples}, notes=notes)


class VaceApplyVCU(Node):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return sockets.schema(
            "VaceApplyVCU",
            "VACE Apply VCU",
            "Turns a VCU (Video Condition Unit) into conditioning and a latent for KSampler and everything built "
            "on it. The prompts come from your own text encode nodes; those of the VCU are not used. Reference "
            "frames are in front of the latent: VACE Decode Video drops them by itself, for other nodes use Trim "
            "Video Latent with trim_latent.",
            inputs=[
                io.Conditioning.Input("positive", tooltip="The prompt, from CLIP Text Encode."),
                io.Conditioning.Input("negative", tooltip="The negative prompt."),
                io.Vae.Input("vae", tooltip="The VAE of Wan 2.1."),
                sockets.Vcu.Input(
                    "vcu", tooltip="VCU (Video Condition Unit): what to keep and what to generate. From any VACE task."
                ),
                sockets.strength(),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="For the sampler."),
                io.Conditioning.Output(display_name="negative", tooltip="For the sampler."),
                io.Latent.Output(display_name="latent", tooltip="An empty latent of the VCU's size and length."),
                io.Int.Output(display_name="trim_latent", tooltip="The number of latent frames that are references."),
            ],
            aliases=["wan vace to video", "vace conditioning", "vace context", "vace strength", "ksampler"],
        )

    @classmethod
    def execute(cls, positive: Any, negative: Any, vae: Any, vcu: VideoConditionUnit, strength: float) -> io.NodeOutput:
        progress = host.Progress()
        family = kind_of(vae).family
        if family is not None and family is not NATIVE_VACE:
            kind = family.text.reader
            raise InputError(
                "native-without-vace",
                "The VAE is that of {kind}, for which ComfyUI's own models have no VACE. The VAE of {needed} is "
                "needed here. For {kind} use VACE Sample Video, or VACE Attach Adapter on a MODEL.",
                kind=kind,
                needed=NATIVE_VACE.name,
            )
        check_for_model(vcu, NATIVE_VACE.grid)
        with memory.said("encoding", vcu):
            values = native.conditions(vcu, vae, strength, lambda done, total: progress(done, total))
        conditioned = (host.with_values(one, values) for one in (positive, negative))
        return host.output(cls, *conditioned, {"samples": native.empty_latent(vcu)}, vcu.num_references)


def _sample(
    model: LibraryModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    on_step: Callable[[int, int, Tensor], None],
    on_chunk: Callable[[int, int], None],
) -> Tensor:
    """Latents `(1, C, t, h, w)` from one of our models, as ComfyUI's VAE takes them."""
    # One part after the other has the device: the text encoder, the VAE, the transformer.
    texts = {words: model.core.text.encode(words) for words in (vcu.prompt, options.negative_for(vcu))}
    context = memory.encoded(model, vcu, on_chunk)
    core, device = memory.streamed(model, vcu)
    core = replace(core, text=_Encoded(texts))
    latents = pipeline.sample(core, vcu, options, context=context.to(device), on_step=on_step)
    return model.family.latents.to_comfyui(latents.cpu())


class _Encoded:
    """Prompts that were encoded before."""

    width = None

    def __init__(self, texts: dict[str, Tensor]) -> None:
        self._texts = texts

    def encode(self, prompt: str) -> Tensor:
        return self._texts[prompt]


def _outside(model: LibraryModel | NativeModel, vcu: VideoConditionUnit) -> list[str]:
    """What a VCU asks for that the starter was not trained on, if that is the model."""
    starter = isinstance(model, LibraryModel) and isinstance(model.core.text, StarterText)
    found = outside(vcu) if starter else None
    return [] if found is None else [f"! {found}"]


def _sampling_note(options: SamplingOptions, family: Family, vcu: VideoConditionUnit) -> str:
    """The sampling options used, in a line."""
    tokens = family.grid.tokens(vcu.num_frames, vcu.height, vcu.width, vcu.num_references)
    shift = grown_shift(options.shift, options.shift_growth, tokens)
    guided = f", stg {options.stg_scale:g}" if options.stg_scale else ""
    cfg = said_scales(options.scales)
    said = f"{options.steps} steps of {options.solver}, shift {shift:.4g}, cfg {cfg}{guided}."
    return said if not options.is_guided else f"{said} Negative prompt: {options.negative_for(vcu) or 'none'}"


def _with(more: MoreOptions, options: SamplingOptions, family: Family) -> SamplingOptions:
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


def _shower(model: LibraryModel | NativeModel, vcu: VideoConditionUnit) -> Callable[[Tensor], Image.Image | None]:
    """What shows the video's own frames (never a reference) after a step."""
    if isinstance(model, LibraryModel) and vcu.height * vcu.width <= SMALL:
        # Each latent frame as if it were a clip of its own: rougher than the video, and as cheap as the step itself.
        return lambda denoised: _grid(model.core.vae.decode(_some(denoised)[:, :, None])[:, :, 0])
    family, _ = sockets.usual(model)
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
