"""Solvers (samplers): from noise to clean latents, given `denoise`. They are independent of any model.

All of them take `denoise(latents, sigma)`, the noise itself, the noise levels from `schedule.sigmas`, and `on_step`,
which is called as (index, total, denoised) after every step and may raise to stop. Noise levels are those of flow
matching: a latent at level s is (1 − s)·data + s·noise.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor

from .guidance import Denoise

OnStep = Callable[[int, int, Tensor], None]


def euler(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], on_step: OnStep | None = None) -> Tensor:
    """First order: straight along the velocity. Returns latents of the shape of `latents`."""
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = denoise(latents, sigma)
        latents = denoised if next_sigma == 0 else latents + (latents - denoised) * ((next_sigma - sigma) / sigma)
        _tell(on_step, index, sigmas, denoised)
    return latents


def dpmpp_2m(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], on_step: OnStep | None = None) -> Tensor:
    """DPM-Solver++ of second order with the midpoint rule; first and last step of first order.

    Source: Wan-Video/Wan2.1, wan/utils/fm_solvers.py.
    """
    older: Tensor | None = None
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = denoise(latents, sigma)
        slope = denoised
        if older is not None and index < len(sigmas) - 2:
            step, before = _log_snr(next_sigma) - _log_snr(sigma), _log_snr(sigma) - _log_snr(sigmas[index - 1])
            slope = denoised + (denoised - older) * (0.5 * step / before)
        latents = latents * (next_sigma / sigma) - slope * ((1 - next_sigma) * _decay(sigma, next_sigma))
        older = denoised
        _tell(on_step, index, sigmas, denoised)
    return latents


@dataclass(frozen=True)
class _Step:
    """One UniPC step as taken: what the corrector needs to take it again once its end is known."""

    start: Tensor
    sigma: float
    denoised: Tensor
    slope: Tensor | None
    ratio: float


def unipc(denoise: Denoise, latents: Tensor, sigmas: Sequence[float], on_step: OnStep | None = None) -> Tensor:
    """UniPC of second order, variant bh2, on predicted data: Wan's own solver.

    Every step is predicted from its start, and corrected with what the network predicts at its end.
    Source: Wan-Video/Wan2.1, wan/utils/fm_solvers_unipc.py; arXiv 2302.04867.
    """
    last: _Step | None = None
    for index, (sigma, next_sigma) in enumerate(pairwise(sigmas)):
        denoised = denoise(latents, sigma)
        if last is not None:
            latents = _correct(last, denoised, sigma)
        slope, ratio = None, 0.0
        if last is not None and index < len(sigmas) - 2:
            ratio = (_log_snr(last.sigma) - _log_snr(sigma)) / (_log_snr(next_sigma) - _log_snr(sigma))
            slope = (last.denoised - denoised) / ratio
        last = _Step(latents, sigma, denoised, slope, ratio)
        latents = _predict(last, next_sigma)
        _tell(on_step, index, sigmas, denoised)
    return latents


def _predict(step: _Step, next_sigma: float) -> Tensor:
    weight = (1 - next_sigma) * _decay(step.sigma, next_sigma)
    base = step.start * (next_sigma / step.sigma) - step.denoised * weight
    return base if step.slope is None else base - step.slope * (0.5 * weight)


def _correct(step: _Step, denoised: Tensor, next_sigma: float) -> Tensor:
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


def _tell(on_step: OnStep | None, index: int, sigmas: Sequence[float], denoised: Tensor) -> None:
    if on_step is not None:
        on_step(index, len(sigmas) - 1, denoised)


@dataclass(frozen=True, kw_only=True)
class Solver:
    """A solver, and what belongs to it in its official scheduler.

    Attributes:
        run: The solver.
        first: Unshifted noise level at which the schedule starts.
        timesteps: Noise levels are passed to the network as whole timesteps out of this many; None = as they are.
    """

    run: Callable[[Denoise, Tensor, Sequence[float], OnStep | None], Tensor]
    first: float
    timesteps: int | None = None

    def told(self, sigma: float) -> float:
        """The noise level passed to the network at `sigma`: truncated to a whole timestep."""
        return sigma if self.timesteps is None else math.floor(sigma * self.timesteps) / self.timesteps


# 0.999 as the official scheduler has it, in float32: with 0.999 itself some levels are cut off to another timestep.
UNIPC_FIRST = 0.9990000128746033


SOLVERS = {
    "unipc": Solver(run=unipc, first=UNIPC_FIRST, timesteps=1000),
    "euler": Solver(run=euler, first=1.0),
    "dpm++": Solver(run=dpmpp_2m, first=1.0, timesteps=1000),
}
