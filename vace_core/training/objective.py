"""Flow matching: at which noise levels is trained, and what is asked of the network there.

A clip x and noise n meet at x_σ = (1 − σ)·x + σ·n, and the network is to say n − x.
Sources: Lipman et al., arXiv 2210.02747; Esser et al., arXiv 2403.03206 (shift, logit-normal levels).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import InputError
from ..sampling.options import check_number
from ..sampling.schedule import shift_sigma


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What is asked of the network, checked where it is born.

    The paper's "p-zero" is not defined there. It is read here as in ali-vilab's other trainers (modelscope/scepter,
    P_ZERO): the probability that a clip is trained with the empty prompt, which guidance needs.

    Attributes:
        shift: Of the noise levels, > 0, as for sampling: above 1 there is more noise.
        logit_normal: Share of the levels that are drawn around the middle (logit-normal), 0..1; the rest evenly.
        weighting: Of the loss by level: "none", or "bell", which counts the middle most
            (modelscope/DiffSynth-Studio).
        p_zero: Probability of the empty prompt, 0..1.
        lowest: Noise levels from here, 0..1,
        highest: to here are trained, for one expert of a pair (Wan 2.2: high noise 0.875..1, low noise 0..0.875).

    Raises:
        InputError: a value out of range.
    """

    shift: float = 5.0
    logit_normal: float = 0.0
    weighting: Literal["none", "bell"] = "none"
    p_zero: float = 0.1
    lowest: float = 0.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        check_number("shift", self.shift, above=0)
        for name, value in (
            ("logit_normal", self.logit_normal),
            ("p_zero", self.p_zero),
            ("lowest", self.lowest),
            ("highest", self.highest),
        ):
            check_number(name, value, least=0, most=1)
        if self.lowest >= self.highest:
            raise InputError(
                "sigma-range",
                "Noise levels from {lowest:g} to {highest:g} are to be trained, which is an empty range. The "
                "lowest must be below the highest. Change them.",
                lowest=self.lowest,
                highest=self.highest,
            )

    def draw_sigmas(self, count: int, generator: torch.Generator) -> Tensor:
        """`(count,)` noise levels to train at, within `lowest`..`highest`."""
        # Shifting keeps the order, so the range is cut before it, where levels are drawn.
        low, high = (min(shift_sigma(level, 1 / self.shift), 1.0) for level in (self.lowest, self.highest))
        even = low + (high - low) * torch.rand(count, generator=generator)
        start, end = (_normal_cdf(_logit(level)) for level in (low, high))
        share = start + (end - start) * torch.rand(count, generator=generator).double()
        middle = torch.special.ndtri(share.clamp(1e-9, 1 - 1e-9)).sigmoid().float()
        pick = torch.rand(count, generator=generator) < self.logit_normal
        levels = torch.where(pick, middle, even).clamp(low, high)
        return self.shift * levels / (1 + (self.shift - 1) * levels)

    def weights(self, sigmas: Tensor) -> Tensor:
        """What the loss of a clip at each noise level counts; 1 on average over evenly drawn levels."""
        if self.weighting == "none":
            return torch.ones_like(sigmas)
        return _bell(sigmas) / _bell(torch.linspace(0, 1, 1001)).mean()

    def noised(self, latents: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Clean `latents` `(B, C, t, h, w)` → what the network sees, its noise levels `(B,)`, and what it is to say.

        Everything is drawn on the CPU, so that a seed means the same on every device.
        """
        sigmas = self.draw_sigmas(len(latents), generator)
        noise = torch.randn(latents.shape, generator=generator)
        level = sigmas.view(-1, 1, 1, 1, 1)
        return (1 - level) * latents + level * noise, sigmas, noise - latents

    def losses(self, velocity: Tensor, wanted: Tensor, sigmas: Tensor) -> Tensor:
        """`(B,)`: the mean squared error of each clip, weighted by level."""
        errors = (velocity.float() - wanted).square().flatten(1).mean(1)
        return errors * self.weights(sigmas).to(errors.device)


def _bell(sigmas: Tensor) -> Tensor:
    return torch.exp(-2 * (sigmas - 0.5) ** 2) - math.exp(-0.5)


def _logit(level: float) -> float:
    return math.inf if level == 1 else -math.inf if level == 0 else math.log(level / (1 - level))


def _normal_cdf(x: float) -> float:
    return 0.5 * (1 + math.erf(x / math.sqrt(2)))
