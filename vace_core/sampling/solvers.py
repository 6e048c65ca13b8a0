"""Solvers (samplers): from noise to clean latents, given `denoise`. They are independent of any model.

All of them take `denoise(latents, sigma)`, the noise itself, the noise levels from `schedule.sigmas`, `on_step`, which
is called as (index, total, denoised) after every step and may raise to stop, and `progress`, by which a job goes on
where it was left. Noise levels are those of flow matching: a latent at level s is (1 − s)·data + s·noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .guidance import Denoise
from .progress import LATENTS, Progress, Reached

OnStep = Callable[[int, int, Tensor], None]

Memory = Mapping[str, Tensor]
"""What a solver carries from one step to the next, by name: the latents, or what they are computed from."""

_Step = Callable[[Denoise, Memory, Sequence[float], int], tuple[Tensor, Memory]]
"""One step, of which the index is given: from the memory before it to what was denoised, and the memory after it. The
last one leaves the latents alone."""


def euler(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    on_step: OnStep | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """First order: straight along the velocity. Returns latents of the shape of `latents`."""
    return _solved(_euler, denoise, latents, sigmas, on_step, progress)


def dpmpp_2m(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    on_step: OnStep | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """DPM-Solver++ of second order with the midpoint rule; first and last step of first order.

    Source: Wan-Video/Wan2.1, wan/utils/fm_solvers.py.
    """
    return _solved(_dpmpp_2m, denoise, latents, sigmas, on_step, progress)


def unipc(
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    on_step: OnStep | None = None,
    progress: Progress | None = None,
) -> Tensor:
    """UniPC of second order, variant bh2, on predicted data: Wan's own solver.

    Every step is predicted from its start, and corrected with what the network predicts at its end.
    Source: Wan-Video/Wan2.1, wan/utils/fm_solvers_unipc.py; arXiv 2302.04867.
    """
    return _solved(_unipc, denoise, latents, sigmas, on_step, progress)


def _solved(
    step: _Step,
    denoise: Denoise,
    latents: Tensor,
    sigmas: Sequence[float],
    on_step: OnStep | None,
    progress: Progress | None,
) -> Tensor:
    """All steps, or those that `progress` says are left."""
    total = len(sigmas) - 1
    reached = None if progress is None else progress.reached()
    begin, memory = (0, {LATENTS: latents}) if reached is None else (reached.steps, _placed(reached.tensors, latents))
    del latents, reached  # so that no more is held than the memory
    for index in range(begin, total):
        denoised, memory = step(denoise, memory, sigmas, index)
        if on_step is not None:
            on_step(index, total, denoised)
        if progress is not None:
            progress.keep(Reached(steps=index + 1, total=total, tensors=memory))
    return memory[LATENTS]


def _placed(memory: Memory, like: Tensor) -> Memory:
    return {name: tensor.to(like.device) for name, tensor in memory.items()}


def _euler(denoise: Denoise, memory: Memory, sigmas: Sequence[float], index: int) -> tuple[Tensor, Memory]:
    latents, sigma, next_sigma = memory[LATENTS], sigmas[index], sigmas[index + 1]
    denoised = denoise(latents, sigma)
    latents = denoised if next_sigma == 0 else latents + (latents - denoised) * ((next_sigma - sigma) / sigma)
    return denoised, {LATENTS: latents}


def _dpmpp_2m(denoise: Denoise, memory: Memory, sigmas: Sequence[float], index: int) -> tuple[Tensor, Memory]:
    latents, older = memory[LATENTS], memory.get("older")
    sigma, next_sigma, is_last = sigmas[index], sigmas[index + 1], index == len(sigmas) - 2
    denoised = denoise(latents, sigma)
    slope = denoised
    if older is not None and not is_last:
        step, before = _log_snr(next_sigma) - _log_snr(sigma), _log_snr(sigma) - _log_snr(sigmas[index - 1])
        slope = denoised + (denoised - older) * (0.5 * step / before)
    latents = latents * (next_sigma / sigma) - slope * ((1 - next_sigma) * _decay(sigma, next_sigma))
    return denoised, {LATENTS: latents} if is_last else {LATENTS: latents, "older": denoised}


def _unipc(denoise: Denoise, memory: Memory, sigmas: Sequence[float], index: int) -> tuple[Tensor, Memory]:
    sigma, is_last = sigmas[index], index == len(sigmas) - 2
    last = None if LATENTS in memory else _Taken.of(memory, sigmas, index - 1)
    latents = memory[LATENTS] if last is None else _predict(last, sigma)
    denoised = denoise(latents, sigma)
    if last is not None:
        latents = _correct(last, denoised, sigma)
    taken = {"start": latents, "denoised": denoised}
    if last is not None and not is_last:
        taken["slope"] = (last.denoised - denoised) / _ratio(sigmas, index)
    return denoised, {LATENTS: _predict(_Taken.of(taken, sigmas, index), sigmas[index + 1])} if is_last else taken


@dataclass(frozen=True)
class _Taken:
    """One UniPC step as taken: its end is computed from this, and corrected once the network has seen it."""

    start: Tensor
    sigma: float
    denoised: Tensor
    slope: Tensor | None
    ratio: float

    @classmethod
    def of(cls, memory: Memory, sigmas: Sequence[float], index: int) -> _Taken:
        """The step that was taken at `index`."""
        slope = memory.get("slope")
        ratio = 0.0 if slope is None else _ratio(sigmas, index)
        return cls(memory["start"], sigmas[index], memory["denoised"], slope, ratio)


def _ratio(sigmas: Sequence[float], index: int) -> float:
    """The step before the one at `index`, over that one, both in log signal-to-noise."""
    before, sigma, after = (_log_snr(level) for level in sigmas[index - 1 : index + 2])
    return (before - sigma) / (after - sigma)


def _predict(step: _Taken, next_sigma: float) -> Tensor:
    weight = (1 - next_sigma) * _decay(step.sigma, next_sigma)
    base = step.start * (next_sigma / step.sigma) - step.denoised * weight
    return base if step.slope is None else base - step.slope * (0.5 * weight)


def _correct(step: _Taken, denoised: Tensor, next_sigma: float) -> Tensor:
    """The end of `step`, at level `next_sigma`, given the network's prediction at its predicted end."""
    weight = (1 - next_sigma) * _decay(step.sigma, next_sigma)
    base = step.start * (next_sigma / step.sigma) - step.denoised * weight
    change = denoised - step.denoised
    if step.slope is None:
        return base - change * (0.5 * weight)
    g = _log_snr(step.sigma) - _log_snr(next_sigma)
    decay = math.expm1(g)
    b1 = (decay / g - 1) / decay
    b2 = ((decay / g - 1) / g - 0.5) * 2 / decay
    # The two weights solve ρ1 + ρ2 = b1 and ratio·ρ1 + ρ2 = b2.
    rho1 = (b1 - b2) / (1 - step.ratio)
    return base - (step.slope * rho1 + change * (b1 - rho1)) * weight


def _log_snr(sigma: float) -> float:
    """Logarithm of signal over noise; infinite at both ends, which the formulas above bear."""
    if sigma in (0.0, 1.0):
        return math.inf if sigma == 0.0 else -math.inf
    return math.log((1 - sigma) / sigma)


def _decay(sigma: float, next_sigma: float) -> float:
    """exp(−h) − 1 for the step h in log signal-to-noise."""
    return math.expm1(_log_snr(sigma) - _log_snr(next_sigma))


class _Run(Protocol):
    def __call__(
        self,
        denoise: Denoise,
        latents: Tensor,
        sigmas: Sequence[float],
        on_step: OnStep | None = None,
        progress: Progress | None = None,
    ) -> Tensor: ...


@dataclass(frozen=True, kw_only=True)
class Solver:
    """A solver, and what belongs to it in its official scheduler.

    Attributes:
        run: The solver.
        first: Unshifted noise level at which the schedule starts.
        carries: What it has in memory between two steps, by name: one of these sets.
        timesteps: Noise levels are passed to the network as whole timesteps out of this many; None = as they are.
    """

    run: _Run
    first: float
    carries: tuple[frozenset[str], ...]
    timesteps: int | None = None

    def told(self, sigma: float) -> float:
        """The noise level passed to the network at `sigma`: truncated to a whole timestep."""
        return sigma if self.timesteps is None else math.floor(sigma * self.timesteps) / self.timesteps


# 0.999 as the official scheduler has it, in float32: with 0.999 itself some levels are cut off to another timestep.
UNIPC_FIRST = 0.9990000128746033


SOLVERS = {
    "unipc": Solver(
        run=unipc,
        first=UNIPC_FIRST,
        carries=(frozenset({"start", "denoised"}), frozenset({"start", "denoised", "slope"})),
        timesteps=1000,
    ),
    "euler": Solver(run=euler, first=1.0, carries=(frozenset({LATENTS}),)),
    "dpm++": Solver(run=dpmpp_2m, first=1.0, carries=(frozenset({LATENTS, "older"}),), timesteps=1000),
}
