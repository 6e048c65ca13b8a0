"""How a job will share its device, before it runs: what is there at each stage, and what helps where it does not fit.

All figures are computed from sizes: bytes of weights exactly, those of activations as `Costs` estimates them. Nothing
here is measured, and no time is told but that of bytes at a stated rate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import InputError
from ..loading.placing.plan import TILES, NetworkBytes, PlacingPlan
from ..models.devices import Memory
from ..sampling.options import SamplingOptions
from ..vcu import VideoConditionUnit
from .cost import ModelSizes, readable

SPARE = 1.1
"""Room for activations, by which their estimates are out at most."""

TEXT_ACTIVATIONS = 256 << 20
"""Bytes that a prompt of 512 tokens takes at most in the largest text encoder, umT5-XXL."""

LINK = 25e9
"""Bytes a second from main memory to a card: PCIe 4.0 x16 as it is reached with page-locked memory. Not measured."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What of a job decides how much memory it takes.

    Attributes:
        size: `(T, H, W)` of the clip in pixels.
        references: Images beside it.
        steps: Denoising steps.
        passes: Passes of the transformer in one step: 2 with guidance.
        conditions: VCUs that act at once.
    """

    size: tuple[int, int, int]
    references: int = 0
    steps: int = 1
    passes: int = 1
    conditions: int = 1

    @classmethod
    def of(cls, vcu: VideoConditionUnit, options: SamplingOptions, conditions: int = 1) -> Job:
        """The job that `generate` does with these, the VCU being one of so many conditions."""
        passes = 1 + options.is_guided + (options.stg_scale != 0)
        return cls(
            size=(vcu.num_frames, vcu.height, vcu.width),
            references=vcu.num_references,
            steps=options.steps,
            passes=passes,
            conditions=conditions,
        )

    def __str__(self) -> str:
        frames, height, width = self.size
        return f"{frames} frames of {width} x {height}" if frames > 1 else f"{width} x {height}"


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of a job.

    Attributes:
        name: "text", "encode", "sample", "decode".
        weights: Bytes of weights on the device.
        activations: Bytes of what is computed there, at the worst moment.
        moved: Bytes of weights that come to the device for it, those of the steps aside.
        moved_a_step: Bytes of weights that come to it in every step.
        words: What is where.
    """

    name: str
    weights: int
    activations: int
    moved: int
    moved_a_step: int = 0
    words: str = ""

    @property
    def peak(self) -> int:
        return self.weights + self.activations


@dataclass(frozen=True, kw_only=True)
class JobPlan:
    """How one job shares a device.

    Attributes:
        plan: For the networks of the job.
        memory: What the device has to give.
        stages: In the order in which they happen.
        host: Bytes of weights in main memory at the worst moment.
    """

    plan: PlacingPlan
    memory: Memory
    stages: tuple[Stage, ...]
    host: int

    @property
    def peak(self) -> int:
        """Bytes on the device at the worst moment."""
        return max(stage.peak for stage in self.stages)

    @property
    def fits(self) -> bool:
        return self.peak <= self.memory.free

    @property
    def moved_a_step(self) -> int:
        """Bytes of weights that come to the device in every step."""
        return max(stage.moved_a_step for stage in self.stages)

    def rows(self) -> list[tuple[str, str]]:
        """The plan as names and readable values, for a table."""
        rows = [("device", f"{self.memory.name}, {readable(self.memory.free)} to use")]
        for stage in self.stages:
            moved = f", {readable(stage.moved)} moved" if stage.moved and not self.memory.is_host else ""
            if stage.moved_a_step:
                seconds = stage.moved_a_step / LINK
                moved += f", then {readable(stage.moved_a_step)} a step ({seconds:.2g} s at 25 GB/s, computed)"
            rows.append((stage.name, f"{stage.words}; peak {readable(stage.peak)}{moved}"))
        fits = "fits" if self.fits else "does not fit"
        rows.append(("plan", f"{fits}: peak {readable(self.peak)} of {readable(self.memory.free)} (computed)"))
        return rows if self.memory.is_host else [*rows, ("main memory", f"{readable(self.host)} of weights")]

    def to_json(self) -> dict[str, Any]:
        """The same as a table that `json.dumps` accepts."""
        stages = [asdict(stage) | {"peak": stage.peak} for stage in self.stages]
        return {
            "device": asdict(self.memory),
            "fits": self.fits,
            "peak": self.peak,
            "moved_a_step": self.moved_a_step,
            "host": self.host,
            "plan": asdict(self.plan),
            "stages": stages,
        }


def plan_job(model: ModelSizes, job: Job, memory: Memory) -> JobPlan:
    """The plan that moves least of those that fit; where none does, the smallest one."""
    first, last = PlacingPlan(tile=model.tile, keep_packed=model.keep_packed), None
    text = model.weights.get("text", 0)
    if text and not memory.is_host and text + TEXT_ACTIVATIONS <= memory.free:
        first = replace(first, text=True)
    for plan in _plans(model, job, memory, first):
        last = JobPlan(plan=plan, memory=memory, stages=stages_of(model, job, plan), host=_host(model, plan))
        if last.fits:
            break
    assert last is not None
    return last


def check_plan(found: JobPlan, model: ModelSizes, job: Job) -> None:
    """Validate that a job fits.

    Raises:
        InputError: it does not, even with the smallest plan; with what would.
    """
    if found.fits:
        return
    raise InputError(
        "memory-below-plan",
        "{job} needs at least {needed} on the device, and {free} of {device} are to be used. {advice}",
        job=str(job),
        needed=readable(found.peak),
        free=readable(found.memory.free),
        device=found.memory.name,
        advice=advice(model, job, found.memory),
    )


def _plans(model: ModelSizes, job: Job, memory: Memory, first: PlacingPlan) -> Iterator[PlacingPlan]:
    """From the one that moves least to the smallest one."""
    tiles = [tile for tile in TILES if tile is None or tile < (model.tile or max(job.size[1:]))]
    tiles = [model.tile, *(tile for tile in tiles if tile is not None)]
    if memory.is_host:
        yield from (replace(first, tile=tile) for tile in tiles)
        return
    yield first
    tile = next((tile for tile in tiles if _vae_peak(model, job, tile) <= memory.free), tiles[-1])
    apart = replace(first, stays=False, tile=tile)
    yield apart
    for together in (True, False) if job.passes > 1 else (True,):
        free = memory.free - _activations(model, job, job.passes if together else 1)
        share = min(_share(expert, free) for expert in model.experts)
        if share > 0 or not together or job.passes == 1:
            yield replace(apart, share=share, together=together)
    yield replace(apart, share=0.0, together=False)


def _share(expert: NetworkBytes, free: int) -> float:
    """How much of the blocks can stay in so many bytes while the others are streamed."""
    blocks = sum(expert.blocks)
    return min(max((free - expert.rest - expert.slots) / blocks, 0.0), 1 - 1e-9) if blocks else 1.0


def stages_of(model: ModelSizes, job: Job, plan: PlacingPlan) -> tuple[Stage, ...]:
    """What a job takes at each stage with a plan."""
    vae, text = model.weights.get("VAE", 0), model.weights.get("text", 0)
    networks = sum(expert.total for expert in model.experts)
    held = vae + networks if plan.stays else vae
    activations = _vae_peak(model, job, plan.tile) - vae
    pieces = "whole frames" if plan.tile is None else f"tiles of {plan.tile} pixels"
    stages = list[Stage]()
    if text:
        where = "on the device, then dropped" if plan.text else "on the CPU, then dropped"
        taken = (text, TEXT_ACTIVATIONS, text) if plan.text else (0, 0, 0)
        stages.append(
            Stage(name="text", weights=taken[0], activations=taken[1], moved=taken[2], words=f"text encoder {where}")
        )
    stages.append(
        Stage(name="encode", weights=held, activations=activations, moved=held, words=f"VAE on the device, {pieces}")
    )
    passes = job.passes if plan.together and plan.streams else 1
    worst = max(model.experts, key=lambda expert: expert.on_device(plan.share))
    streamed = max(expert.streamed(plan.share) for expert in model.experts)
    stages.append(
        Stage(
            name="sample",
            weights=held if plan.stays else worst.on_device(plan.share),
            activations=_activations(model, job, passes),
            moved=0 if plan.stays else networks - sum(expert.streamed(plan.share) for expert in model.experts),
            moved_a_step=streamed * (1 if plan.together else job.passes),
            words=_sampling_words(model, plan, worst),
        )
    )
    stages.append(
        Stage(
            name="decode", weights=held, activations=activations, moved=0 if plan.stays else vae,
            words=f"VAE on the device, {pieces}",
        )
    )  # fmt: skip
    return tuple(stages)


def _sampling_words(model: ModelSizes, plan: PlacingPlan, expert: NetworkBytes) -> str:
    packed = ", weights as stored until they are used" if plan.keep_packed else ""
    one = " of one expert at a time" if len(model.experts) > 1 and not plan.stays else ""
    count = len(expert.blocks)
    if not plan.streams:
        return f"all blocks{one} on the device{packed}"
    streamed = sum(size for size in expert.blocks) - (expert.total - expert.streamed(plan.share) - expert.rest)
    number = round(streamed / max(sum(expert.blocks), 1) * count)
    how = "one after the other for all passes" if plan.together else "again for each pass"
    return f"{count - number} of {count} blocks{one} on the device, {number} streamed {how}{packed}"


def _vae_peak(model: ModelSizes, job: Job, tile: int | None) -> int:
    peak = model.family.costs.peak_of_vae(model.vae, job.size, model.vae_bytes_per_number, tile)
    return model.weights.get("VAE", 0) + int(peak * SPARE)


def _activations(model: ModelSizes, job: Job, passes: int) -> int:
    costs, number = model.family.costs, model.bytes_per_number
    tokens = model.family.grid.tokens(*job.size, job.references)
    sizes = (model.base, model.context_blocks, tokens, number, job.conditions)
    peak = costs.peak_of_pass(*sizes) + (passes - 1) * costs.waiting_pass(*sizes)
    return int(peak * SPARE) + max((expert.unpacking for expert in model.experts), default=0)


def _host(model: ModelSizes, plan: PlacingPlan) -> int:
    """The text encoder is gone before the others come; those that never leave the device are not in main memory."""
    others = model.weights.get("VAE", 0) + sum(expert.total for expert in model.experts)
    return max(model.weights.get("text", 0), 0 if plan.stays else others)


def advice(model: ModelSizes, job: Job, memory: Memory) -> str:
    """What fits: the same with a smaller VAE, the longest clip of this size, the largest of this length."""
    frames, height, width = job.size
    grid, choices = model.family.grid, list[str]()
    if model.vae_bytes_per_number > 2:
        weights = {**model.weights, "VAE": model.weights.get("VAE", 0) * 2 // model.vae_bytes_per_number}
        if plan_job(replace(model, vae_bytes_per_number=2, weights=weights), job, memory).fits:
            choices.append("the same with the VAE in bfloat16")
    lengths = (grid.pixel_frames(count) for count in range(grid.latent_frames(frames) - 1, 0, -1))
    if fit := _first_that_fits(model, memory, [replace(job, size=(length, height, width)) for length in lengths]):
        choices.append(str(fit))
    sides = [(height * share // 100, width * share // 100) for share in range(90, 9, -10)]
    smaller = [replace(job, size=(frames, *(side // grid.step * grid.step for side in pair))) for pair in sides]
    if fit := _first_that_fits(model, memory, [one for one in smaller if min(one.size) > 0]):
        choices.append(str(fit))
    fits = f"What fits is {' or '.join(choices)}. Choose one of these, or a" if choices else "Choose a"
    return f"{fits} smaller model or a quantised file of it, or free some memory."


def _first_that_fits(model: ModelSizes, memory: Memory, jobs: Sequence[Job]) -> Job | None:
    return next((job for job in jobs if plan_job(model, job, memory).fits), None)
