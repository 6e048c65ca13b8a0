"""VACE on ComfyUI's own models: its CLIP and VAE as our parts, what a unit is for its MODEL, our solvers inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..vace_core import SamplingOptions
from ..vace_core.context import encode_context
from ..vace_core.errors import InputError
from ..vace_core.models import FAMILIES
from ..vace_core.models.base import OnChunk
from ..vace_core.models.family import Family
from ..vace_core.models.wan_family import WAN
from ..vace_core.pipeline import make_noise, solver_named
from ..vace_core.sampler import OnStep, Solver
from ..vace_core.schedule import percent_to_sigma, sigmas
from ..vace_core.shapes import Box, Grid
from ..vace_core.vcu import VideoConditionUnit
from . import host
from .bridge import normalised, raw
from .fitted import check_for_model
from .sockets import NativeModel

TIMESTEPS = 1000  # of ComfyUI's models of Wan at noise level 1
CHANNELS = WAN.latent_channels  # ComfyUI knows VACE on Wan alone

# What ComfyUI calls our families where it loads their text encoders.
CLIP_TYPES = {"umT5": "WAN", "T5": "LTXV"}
VAE_FILES = {"Wan 2.1": "wan_2.1_vae.safetensors", "LTX-Video 0.9": "the VAE of ltx-video-2b-v0.9.safetensors"}


class ClipText:
    """A CLIP as the text encoder of our models.

    ComfyUI's prompt weights keep working, so of what the bases' own code does to prompts only capitals are taken away,
    where the base does not know them.
    """

    width = None

    def __init__(self, clip: Any, *, cased: bool = True) -> None:
        self._clip, self._cased = clip, cased

    def encode(self, prompt: str) -> Tensor:
        """`(1, S, 4096)` without what ComfyUI fills a prompt up with: zeros, or anything behind a mask."""
        rows, more = host.conditioning(self._clip, prompt if self._cased else prompt.lower())[0][:2]
        mask = more.get("attention_mask")
        if mask is not None:
            return rows.float()[:, mask[0].to(rows.device) > 0]
        used = int(rows.ne(0).any(dim=2)[0].nonzero().max()) + 1 if bool(rows.ne(0).any()) else 1
        return rows.float()[:, :used]


def family_of(vae: Any) -> Family:
    """Whose VAE a VAE socket holds, told by the channels of its latents.

    Raises:
        InputError: nobody's that is known here.
    """
    found = next((family for family in FAMILIES if is_of(vae, family)), None)
    if found is None:
        known = " or ".join(f"{family.name}, with {family.latent_channels}" for family in FAMILIES)
        raise InputError(
            f"The VAE makes latents of {_said_of_latents(vae)}. That of {known} in 3 is needed. Load it with Load VAE, "
            "or connect the VACE model itself."
        )
    return found


class NativeVae:
    """A VAE socket as `vace_core.models.base.VideoVae`. ComfyUI moves it, and tiles it where memory is short.

    Raises:
        InputError: it is none of the family's.
    """

    def __init__(self, vae: Any, family: Family = WAN) -> None:
        if not is_of(vae, family):
            raise InputError(
                f"The VAE makes latents of {_said_of_latents(vae)}. That of {family.name} is needed, with "
                f"{family.latent_channels} in 3. Load {VAE_FILES[family.name]} with Load VAE."
            )
        self._vae, self._family = vae, family
        self.latent_channels = family.latent_channels

    @property
    def grid(self) -> Grid:
        return self._family.grid

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        self.grid.check(*frames.shape[2:])
        clips = [normalised(self._vae.encode(((clip + 1) / 2).movedim(0, -1))) for clip in frames]
        _said(on_chunk)
        return torch.cat(clips)

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        pixels = self._vae.decode(raw(latents))
        frames = pixels.movedim(-1, 1).mul(2).sub_(1).clamp_(-1, 1)
        _said(on_chunk)
        return frames if window is None else frames[..., window.top : window.bottom, window.left : window.right]


def conditions(vcu: VideoConditionUnit, vae: Any, strength: float, on_chunk: OnChunk | None = None) -> dict[str, Any]:
    """What a unit adds to a CONDITIONING, in the form of ComfyUI's WanVaceToVideo: raw latents, masks, strength."""
    context = encode_context(vcu, NativeVae(vae), WAN.fold_masks, on_chunk=on_chunk)
    inactive, reactive, masks = context.split((CHANNELS, CHANNELS, context.shape[1] - 2 * CHANNELS), dim=1)
    return {
        "vace_frames": [torch.cat([raw(inactive), raw(reactive)], dim=1)],
        "vace_mask": [masks],
        "vace_strength": [strength],
    }


def empty_latent(vcu: VideoConditionUnit) -> Tensor:
    """`(B, 16, R+t, h, w)` of zeros: what a sampler fills, references in front."""
    t, h, w = WAN.grid.latent_size(vcu.num_frames, vcu.height, vcu.width)
    return torch.zeros(len(vcu.roles), CHANNELS, t + vcu.num_references, h, w)


def sample(
    model: NativeModel,
    vcu: VideoConditionUnit,
    options: SamplingOptions,
    *,
    on_step: OnStep,
    on_chunk: OnChunk,
) -> Tensor:
    """As `pipeline.sample`, on ComfyUI's guider and under its memory management; raw latents of the video alone."""
    solver = solver_named(options.solver)
    levels = sigmas(options.steps, options.shift, first=solver.first)
    check_for_model(vcu, WAN.grid)
    texts = [host.conditioning(model.clip, words) for words in (vcu.prompt, options.negative_for(vcu))]
    values = conditions(vcu, model.vae, options.strength, on_chunk)
    positive, negative = (host.with_values(text, values) for text in texts)
    skip = vcu.num_references

    def report(index: int, denoised: Tensor) -> None:
        on_step(index, options.steps, denoised[:, :, skip:])

    split = len(levels) - 1
    if model.low_noise is not None:
        split = next((n for n, level in enumerate(levels) if level < model.boundary), split)
    noise = make_noise(tuple(empty_latent(vcu).shape), options.seed)
    latents = torch.zeros_like(noise)
    start, end = (percent_to_sigma(at, options.shift) for at in (options.start_percent, options.end_percent))
    parts = ((model.model, levels[: split + 1], 0), (model.low_noise, levels[split:], split))
    for part, some, done in parts:
        if part is None or len(some) < 2:
            continue
        run = _Run(solver, some, start, end, lambda index, _, denoised, done=done: report(done + index, denoised))
        # ComfyUI scales the noise by the first level, which is all but 1; ours is the noise itself.
        scaled = noise / some[0] if done == 0 else torch.zeros_like(noise)
        gated = host.with_wrapper(part, run.gate())
        latents = host.guided(
            gated, positive, negative, options.guidance_scale, run, some, scaled, latents, options.seed
        )
    return latents[:, :, skip:]


class _Run:
    """One of our solvers in the form of ComfyUI's sampler functions, over the noise levels of one MODEL.

    It lives as long as one job, and tells the MODEL's network at each step whether the adapter acts there.
    """

    def __init__(self, solver: Solver, levels: list[float], start: float, end: float, on_step: OnStep) -> None:
        self._solver, self._levels, self._start, self._end, self._on_step = solver, levels, start, end, on_step
        self._acts, self._timestep = True, None

    def __call__(self, model: Any, x: Tensor, sigmas: Tensor, extra_args: dict[str, Any], **_: Any) -> Tensor:
        def denoise(latents: Tensor, sigma: float) -> Tensor:
            host.check_interrupt()
            self._acts = self._end < sigma <= self._start
            self._timestep = None if self._solver.timesteps is None else self._solver.told(sigma) * TIMESTEPS
            return model(latents, x.new_full((len(latents),), sigma), **extra_args)

        return self._solver.run(denoise, x, self._levels, self._on_step)

    def gate(self) -> Callable[..., Any]:
        """What goes around the network: whole timesteps for solvers that have them, strength 0 where the adapter does
        not act. ComfyUI itself needs the true noise level, so it is changed here, behind it.
        """

        # A function and no method: ComfyUI may copy what belongs to a MODEL, and a method's copy has a copied object.
        def around(executor: Any, x: Tensor, timestep: Tensor, *args: Any, **kwargs: Any) -> Any:
            if self._timestep is not None:
                timestep = torch.full_like(timestep, round(self._timestep))
            if not self._acts:
                kwargs["vace_strength"] = [0.0] * len(kwargs["vace_strength"])
            return executor(x, timestep, *args, **kwargs)

        return around


def is_of(vae: Any, family: Family) -> bool:
    """Whether a VAE socket holds that of a family, as far as the channels of its latents tell."""
    channels, dims = getattr(vae, "latent_channels", None), getattr(vae, "latent_dim", None)
    return channels == family.latent_channels and dims == 3


def _said_of_latents(vae: Any) -> str:
    channels, dims = getattr(vae, "latent_channels", None), getattr(vae, "latent_dim", None)
    return f"{channels} channels in {dims} dimensions"


def _said(on_chunk: OnChunk | None) -> None:
    if on_chunk is not None:
        on_chunk(1, 1)
