"""How one job is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from .schedule import Schedule, grown_shift


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How one job is sampled. The defaults are those of the official command for Wan; `Family.options` has others.

    Attributes:
        steps: Denoising steps, ≥ 1.
        shift: Shift of the schedule, > 0, for a clip of 1024 tokens.
        shift_growth: How fast the shift grows with the tokens of a clip, ≥ 0; 0 = it is the same for every clip.
        terminal: Noise level 0..1 at which the last step begins; 0 = where the shift puts it.
        guidance_scale: 1 = off.
        stg_scale: Of spatio-temporal guidance, ≥ 0; 0 = off. Only some bases can do it.
        rescale: How much of the deviation of the prompt's own prediction comes back after that, 0..1; 0 = off.
        solver: One of `SOLVERS`.
        seed: One seed, one result.
        strength: Factor on the hints; 1 = as trained, 0 = the base alone.
        start_percent: The adapter acts from here, 0..1 of the schedule,
        end_percent: to here.
    """

    steps: int = 50
    shift: float = 16.0
    shift_growth: float = 0.0
    terminal: float = 0.0
    guidance_scale: float = 5.0
    stg_scale: float = 0.0
    rescale: float = 0.0
    solver: str = "unipc"
    seed: int = 2025
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0

    def schedule(self, tokens: int, *, first: float = 1.0) -> Schedule:
        """The noise levels for a clip of so many tokens, references included.

        Args:
            tokens: What the base works on.
            first: Unshifted level of the first step; `Solver.first`.
        """
        shift = grown_shift(self.shift, self.shift_growth, tokens)
        return Schedule(steps=self.steps, shift=shift, first=first, terminal=self.terminal)
