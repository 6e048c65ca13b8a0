"""VACE on ComfyUI's own models: its CLIP and VAE as our parts, what a unit is for its MODEL, our solvers inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from ...vace_core import SamplingOptions
from ...vace_core.adapter import SigmaRange
from ...vace_core.context import Encoded, encode_job
from ...vace_core.errors import InputError
from ...vace_core.geometry import Box, Grid
from ...vace_core.models import FAMILIES
from ...vace_core.models.family import Family
from ...vace_core.pipeline import get_solver, make_noise
from ...vace_core.protocols import OnChunk, VideoVae, report_chunk
from ...vace_core.sampling.conditions import check_adapter, check_steps
from ...vace_core.sampling.guidance import Denoise
from ...vace_core.sampling.pinning import Held, behind_references, kept_cells, pinned
from ...vace_core.sampling.solvers import OnStep, Solver
from ...vace_core.vcu import VideoConditionUnit
from . import host, placement
from .fitted import check_for_model
from .kept_latents import keeping
from .kept_texts import conditionings
from .native_strength import Varying, strength_in_conditioning, varied
from .own_stages import OwnStages
from .registry import NATIVE_VACE, comfy_family
from .sockets import NativeModel
from .vae_kind import kind_of
from .where import Where

TIMESTEPS = 1000  # of ComfyUI's models of Wan at noise level 1
LATENTS = NATIVE_VACE.latents


def check_has_vace(model: Any, name: str) -> None:
    """Validate that the MODEL of this input has VACE's context blocks.

    Raises:
        InputError: it has none, and would not look at a context.
    """
    if not host.has_vace(model):
        raise InputError(
            "model-without-vace",
            "The {name} has no VACE blocks. A MODEL loaded from a Wan VACE file is needed here. Choose "
            "wan2.1_vace_*.safetensors in Load Diffusion Model, or use VACE Load Model or VACE Attach Adapter with an "
            "adapter.",
            name=name,
        )


def family_of(vae: Any) -> Family:
    """Whose VAE a VAE socket holds.

    Raises:
        InputError: nobody's that is known here.
    """
    kind = kind_of(vae)
    if kind.family is None:
        known = " or ".join(family.name for family in FAMILIES)
        raise InputError(
            "vae-unknown",
            "The VAE is {vae}. That of {known} is needed. Load it with Load VAE, or connect the VACE model itself.",
            vae=kind.said,
            known=known,
        )
    return kind.family


class NativeVae:
    """A VAE socket as `vace_core.protocols.VideoVae`. ComfyUI moves it, and tiles it where memory is short.

    What is gray is not encoded, and of Wan's only the hole is decoded, with the same result.

    Raises:
        InputError: it is none of the family's.
    """

    def __init__(self, vae: Any, family: Family = NATIVE_VACE) -> None:
        kind = kind_of(vae)
        if kind.family is not family:
            raise InputError(
                "vae-for-another-model",
                "The VAE is {vae}. That of {needed} is needed. Load {file} with Load VAE.",
                vae=kind.said,
                needed=family.name,
                file=comfy_family(family).vae_file,
            )
        self._vae, self._family = vae, family
        self.latent_channels = family.latent_channels

    @property
    def grid(self) -> Grid:
        return self._family.grid

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        self.grid.check(*frames.shape[2:])
        if (latents := self._less(lambda stages: stages.encode(frames, content, on_chunk))) is not None:
            return latents
        space, times = self._family.latents, self.grid.latent_frames(frames.shape[2])
        if content is not None and content.area == 0 and space.gray_is_still:
            frames = frames[:, :, :1]
        clips = [space.from_comfyui(self._vae.encode(((clip + 1) / 2).movedim(0, -1))) for clip in frames]
        report_chunk(on_chunk, 1, 1)
        latents = torch.cat(clips)
        return latents if latents.shape[2] == times else latents.expand(-1, -1, times, -1, -1)

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        if (frames := self._less(lambda stages: stages.decode(latents, window, on_chunk))) is not None:
            return frames
        pixels = self._vae.decode(self._family.latents.to_comfyui(latents))
        frames = pixels.movedim(-1, 1).mul(2).sub_(1).clamp_(-1, 1)
        report_chunk(on_chunk, 1, 1)
        return frames if window is None else frames[..., window.top : window.bottom, window.left : window.right]

    def _less(self, run: Callable[[OwnStages], Tensor | None]) -> Tensor | None:
        """What takes less than whole frames; None where nothing does, or memory is too short for it."""
        if self._family is not NATIVE_VACE:
            return None
        return placement.when_memory_is_short(lambda: run(OwnStages(self._vae)), lambda: None)


def keeping_vae(vae: Any, family: Family = NATIVE_VACE) -> VideoVae:
    """A VAE socket that encodes the same frames once. Raises as `NativeVae`."""
    made, patches = NativeVae(vae, family), getattr(getattr(vae, "patcher", None), "patches_uuid", None)
    return keeping(made, getattr(vae, "first_stage_model", None), patches)


def encoded(
    vae: Any, where: Where, family: Family = NATIVE_VACE, *, source: bool, on_chunk: OnChunk | None = None
) -> Encoded:
    """As `encode_job`, by ComfyUI's own VAE."""
    masks, ready = family.encode_masks, keeping_vae(vae, family)
    return encode_job(where.units, ready, masks, source=source, begin=where.frames, on_chunk=on_chunk)


def conditions(where: Where, contexts: Sequence[Tensor]) -> dict[str, list[Any]]:
    """What conditions add to a CONDITIONING, in the form of ComfyUI's WanVaceToVideo: raw latents, masks, strengths.

    Args:
        where: The conditions.
        contexts: Of each its context latents.

    Raises:
        InputError: a strength that ComfyUI's own model cannot have.
    """
    strengths = [strength_in_conditioning(one, NATIVE_VACE.grid) for one in where.conditions]
    parts = [context.split((2 * LATENTS.channels, LATENTS.mask_channels), dim=1) for context in contexts]
    return {
        "vace_frames": [
            torch.cat([LATENTS.to_comfyui(half) for half in halves.chunk(2, dim=1)], dim=1) for halves, _ in parts
        ],
        "vace_mask": [masks for _, masks in parts],
        "vace_strength": strengths,
    }


def empty_latent(vcu: VideoConditionUnit) -> Tensor:
    """`(B, 16, R+t, h, w)` of zeros: what a sampler fills, references in front."""
    t, h, w = NATIVE_VACE.grid.latent_size(vcu.num_frames, vcu.height, vcu.width)
    return torch.zeros(len(vcu.roles), LATENTS.channels, t + vcu.num_references, h, w)


def sample(
    model: NativeModel,
    where: Where,
    options: SamplingOptions,
    *,
    on_step: OnStep,
    on_chunk: OnChunk,
    texts: Mapping[str, Any] | None = None,
    known: Encoded | None = None,
    hold: Held | None = None,
) -> Tensor:
    """As `pipeline.sample`, on ComfyUI's guider and under its memory management; raw latents of the video alone.

    Args:
        texts: CONDITIONING by the words of `prompts_for`; None = they are read here.
        known: What was encoded before; None = it is encoded here.
        hold: Latents that are known and held in every step.
    """
    solver, vcu = get_solver(options.solver), where.vcu
    schedule = options.schedule(1, first=solver.first)
    levels = schedule.sigmas()
    check_for_model(vcu, NATIVE_VACE.grid)
    check_adapter(vcu, options, attached=True)
    check_steps(options, schedule)
    words = prompts_for(model, vcu, options)
    texts = conditionings(model.clip, words) if texts is None else texts
    begins = options.begins_from_clip
    if known is None:
        known = encoded(model.vae, where, source=where.needs_source(begins=begins), on_chunk=on_chunk)
    values = conditions(where, known.contexts)
    values["vace_strength"] = [_times(one, options.strength) for one in values["vace_strength"]]
    # Where there is no negative prompt, nothing reads what stands in its place.
    positive, negative = (host.with_values(texts[some], values) for some in (words[0], words[-1]))
    skip = vcu.num_references

    def report(index: int, total: int, denoised: Tensor) -> None:
        on_step(index, total, denoised[:, :, skip:])

    split = len(levels) - 1
    if model.low_noise is not None:
        split = next((n for n, level in enumerate(levels) if level < model.boundary), split)
    job = _Job(
        solver,
        levels,
        acting=options.adapter.sigma_range(schedule.at),
        behind=schedule.behind,
        known=_Known.of(known, where, begins=begins, hold=hold),
        on_step=report,
    )
    # ComfyUI scales the noise by the first level, which is all but 1; ours is the noise itself.
    noise = make_noise(tuple(empty_latent(vcu).shape), options.seed) / levels[0]
    latents = torch.zeros_like(noise)
    turns = ((model.model, 0, split), (model.low_noise, split, len(levels) - 1))
    for part, scale, first, last in _by_scale(turns, options.scales):
        # One MODEL after the other, each through a sampling of ComfyUI's own for the steps that are its: it is loaded
        # when its turn comes, where memory is short in place of the one that is done, and cleaned up after its turn
        # however that ends.
        latents = host.guided(
            job.wrapped(part),
            positive,
            negative,
            scale,
            job.until(last),
            levels[first : last + 1],
            noise if first == 0 else torch.zeros_like(noise),
            latents,
            options.seed,
        )
    return latents[:, :, skip:]


def prompts_for(model: NativeModel, vcu: VideoConditionUnit, options: SamplingOptions) -> tuple[str, ...]:
    """The prompts of a unit that are read: the negative one where it counts, or where a MODEL asks for it anyway."""
    asked = any(part is not None and host.reads_negative(part) for part in (model.model, model.low_noise))
    return (vcu.prompt, options.negative_for(vcu)) if asked else options.prompts_for(vcu)


def _times(one: float, strength: float) -> float:
    """A strength in CONDITIONING, times a number."""
    return Varying(one * strength, one.strength, one.places) if isinstance(one, Varying) else one * strength


@dataclass(frozen=True, kw_only=True, eq=False)
class _Known:
    """Latents that are known before the first step, `(1, C, R+t, h, w)`, references in front.

    Attributes:
        cells: `(1, 1, R+t, h, w)` bool, what is pinned
        source: to these; None = nothing is.
        begin: What the job begins from; None = from noise alone.
    """

    cells: Tensor | None = None
    source: Tensor | None = None
    begin: Tensor | None = None

    @classmethod
    def of(cls, encoded: Encoded, where: Where, *, begins: bool, hold: Held | None = None) -> _Known:
        def whole(video: Tensor | None) -> Tensor | None:
            return None if video is None else behind_references(video, encoded.contexts[0]).float()

        begin = encoded.begin if where.latents is None else where.latents
        held = hold
        if where.pin and encoded.source is not None:
            cells = kept_cells(where.vcu.masks, NATIVE_VACE.grid).to(encoded.source.device)
            held = Held(latents=encoded.source, cells=cells).under(hold)
        front = where.vcu.num_references
        return cls(
            cells=None if held is None else functional.pad(held.cells, (0, 0, 0, 0, front, 0)),
            source=None if held is None else whole(held.latents),
            begin=whole(encoded.source if begin is None else begin) if begins else None,
        )

    def begun(self, noise: Tensor, level: float) -> Tensor:
        """What the first step gets."""
        return noise if self.begin is None else (1 - level) * self.begin.to(noise) + level * noise

    def held(self, denoise: Denoise, noise: Tensor) -> Denoise:
        if self.source is None or self.cells is None:
            return denoise
        return pinned(denoise, self.source.to(noise), noise, self.cells.to(noise.device))


def _by_scale(
    turns: Sequence[tuple[Any | None, int, int]], scales: Sequence[float]
) -> Iterator[tuple[Any, float, int, int]]:
    """Turns of a MODEL, its guidance scale, and the steps from and up to which both are the same."""
    for part, start, end in turns:
        for scale, run in groupby(range(start, end), key=lambda step: scales[step]):
            steps = list(run)
            yield part, scale, steps[0], steps[-1] + 1


class _Job:
    """One run of one of our solvers, the steps of which are done by one MODEL after another.

    Solvers of higher order know what was made before, and ComfyUI knows no sampling that changes its MODEL. So every
    MODEL gets a sampling of its own, and what the networks made is kept: each sampling walks anew from the first noise
    through the steps that are behind, which costs next to nothing without a network, and does its own ones. The result
    is to the bit that of one run.
    """

    def __init__(
        self,
        solver: Solver,
        levels: list[float],
        *,
        acting: SigmaRange,
        behind: Callable[[float], float],
        known: _Known,
        on_step: OnStep,
    ) -> None:
        self._solver, self._levels, self._on_step = solver, levels, on_step
        self._acting, self._behind, self._known = acting, behind, known
        self._percent: float | None = 0.0
        self._timestep: float | None = None
        self._noise: Tensor | None = None
        self._made: list[Tensor] = []

    def until(self, last: int) -> Callable[..., Tensor]:
        """The steps up to level `last` that are not done yet, in the form of ComfyUI's sampler functions."""

        def steps(model: Any, x: Tensor, sigmas: Tensor, extra_args: dict[str, Any], **_: Any) -> Tensor:
            if self._noise is None:
                self._noise = x
            done, places = len(self._made), count()

            def denoise(latents: Tensor, sigma: float) -> Tensor:
                place = next(places)
                if place == last:
                    raise _TurnIsOver(latents)
                if place < done:
                    return self._made[place].to(latents.device)
                host.check_interrupt()
                self._percent = self._behind(sigma) if sigma in self._acting else None
                self._timestep = None if self._solver.timesteps is None else self._solver.told(sigma) * TIMESTEPS
                made = model(latents, latents.new_full((len(latents),), sigma), **extra_args)
                if last < len(self._levels) - 1:
                    self._made.append(made.cpu())  # for the next MODEL
                return made

            def report(index: int, total: int, denoised: Tensor) -> None:
                if index >= done:
                    self._on_step(index, total, denoised)

            try:
                noise = self._noise.to(x.device)
                held = self._known.held(denoise, noise)
                return self._solver.run(held, self._known.begun(noise, self._levels[0]), self._levels, report)
            except _TurnIsOver as over:
                return over.latents

        return steps

    def wrapped(self, model: Any) -> Any:
        """A MODEL whose network is told whole timesteps, for solvers that have them, and strengths as they are in each
        step. ComfyUI itself needs the true noise level, so that is changed here, behind it.
        """

        # Functions and no methods: ComfyUI may copy what belongs to a MODEL, and a method's copy has a copied object.
        def around(executor: Any, x: Tensor, timestep: Tensor, *args: Any, **kwargs: Any) -> Any:
            if self._timestep is not None:
                timestep = torch.full_like(timestep, round(self._timestep))
            return executor(x, timestep, *args, **kwargs)

        wrapped = host.with_wrapper(model, around)
        host.add_wrapper(wrapped, "APPLY_MODEL", "vace", varied(lambda base, t, matters: self._percent))
        return wrapped


class _TurnIsOver(Exception):
    """Ends a solver where the next MODEL takes over, with the latents as they are there."""

    def __init__(self, latents: Tensor) -> None:
        super().__init__()
        self.latents = latents
