"""How one job is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from .schedule import Schedule, grown_shift
from .vcu import VideoConditionUnit

WAN_NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，"
    "JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，"
    "形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)

NOTHING = "none"
"""The negative prompt of a unit for which no negative prompt is to count, not even that of the model."""


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How one job is sampled. The defaults are those of the official command for Wan; `Family.options` has others.

    The negative prompt is Chinese and lists, roughly: garish, overexposed, still, blurred, subtitles, gray all over, of
    worst quality, traces of JPEG, badly drawn hands and faces, disfigured, three legs, a crowded background, backwards.
    Source: Wan-Video/Wan2.1, wan/configs/shared_config.py.

    Attributes:
        steps: Denoising steps, ≥ 1.
        shift: Shift of the schedule, > 0, for a clip of 1024 tokens.
        shift_growth: How fast the shift grows with the tokens of a clip, ≥ 0; 0 = it is the same for every clip.
        terminal: Noise level 0..1 at which the last step begins; 0 = where the shift puts it.
        guidance_scale: 1 = off.
        stg_scale: Of spatio-temporal guidance, ≥ 0; 0 = off. Only some bases can do it.
        rescale: How much of the deviation of the prompt's own prediction comes back after that, 0..1; 0 and 1 = off.
        solver: One of `SOLVERS`.
        seed: One seed, one result.
        strength: Factor on the hints; 1 = as trained, 0 = the base alone.
        start_percent: The adapter acts from here, 0..1 of the schedule,
        end_percent: to here.
        negative_prompt: What the result does not show, where the unit says nothing about that; "" = nothing either.
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
    negative_prompt: str = WAN_NEGATIVE_PROMPT

    def negative_for(self, vcu: VideoConditionUnit) -> str:
        """The negative prompt that the unit is sampled with: its own, or that of these options where it has none."""
        words = vcu.negative_prompt if vcu.negative_prompt.strip() else self.negative_prompt
        return "; ".join(part for part in words.split("; ") if part.strip().lower() != NOTHING)

    def schedule(self, tokens: int, *, first: float = 1.0) -> Schedule:
        """The noise levels for a clip of so many tokens, references included.

        Args:
            tokens: What the base works on.
            first: Unshifted level of the first step; `Solver.first`.
        """
        shift = grown_shift(self.shift, self.shift_growth, tokens)
        return Schedule(steps=self.steps, shift=shift, first=first, terminal=self.terminal)
