"""How one job is sampled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from ..adapter import SigmaRange
from ..checks.numbers import check_number, check_whole
from ..errors import InputError
from ..vcu import VideoConditionUnit
from .schedule import NoiseSchedule, grown_shift

WAN_NEGATIVE_PROMPT = (
    "色调艳丽，过曝，静态，细节模糊不清，字幕，风格，作品，画作，画面，静止，整体发灰，最差质量，低质量，"
    "JPEG压缩残留，丑陋的，残缺的，多余的手指，画得不好的手部，画得不好的脸部，畸形的，毁容的，"
    "形态畸形的肢体，手指融合，静止不动的画面，杂乱的背景，三条腿，背景人很多，倒着走"
)

NOTHING = "none"
"""The negative prompt of a unit for which no negative prompt is to count, not even that of the model."""

ALL_NOISE = 0.999  # from this level on latents are taken for noise alone; UniPC begins there
LAST_SEED = 2**64 - 1  # torch takes no larger one


@dataclass(frozen=True, kw_only=True)
class AdapterOptions:
    """How strongly an adapter acts, and in which part of the schedule.

    Attributes:
        strength: Factor ≥ 0 on the hints; 1 = as trained, 0 = the base alone.
        start_percent: The adapter acts from here, 0..1 of the schedule,
        end_percent: to here, which must be later.

    Raises:
        InputError: no finite numbers, out of range, or a part of the schedule that ends before it begins.
    """

    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0

    def __post_init__(self) -> None:
        check_number("The strength", self.strength, least=0)
        check_number("The start percent", self.start_percent, least=0, most=1)
        check_number("The end percent", self.end_percent, least=0, most=1)
        if self.start_percent >= self.end_percent:
            raise InputError(
                "adapter-never-acts",
                "The adapter would act from {start_percent:g} to {end_percent:g} of the schedule, which is no "
                "part of it. The start must be below the end. Change them, or set the strength to 0 to sample "
                "without the adapter.",
                start_percent=self.start_percent,
                end_percent=self.end_percent,
            )

    def sigma_range(self, percent_to_sigma: Callable[[float], float]) -> SigmaRange:
        """The noise levels at which the adapter acts.

        Args:
            percent_to_sigma: The noise level at which so much (0..1) of the schedule is behind; not asked for its ends.
        """
        return SigmaRange(
            start=percent_to_sigma(self.start_percent) if self.start_percent > 0 else math.inf,
            end=percent_to_sigma(self.end_percent) if self.end_percent < 1 else -math.inf,
        )


@dataclass(frozen=True, kw_only=True)
class SamplingOptions:
    """How one job is sampled, checked where it is born.

    The defaults are those of the official command for Wan; `Family.options` has others.

    The negative prompt is Chinese and lists, roughly: garish, overexposed, still, blurred, subtitles, gray all over, of
    worst quality, traces of JPEG, badly drawn hands and faces, disfigured, three legs, a crowded background, backwards.
    Source: Wan-Video/Wan2.1, wan/configs/shared_config.py.

    Attributes:
        steps: Denoising steps, ≥ 1; where there are `sigmas`, these say how many.
        shift: Shift of the schedule, > 0, for a clip of 1024 tokens.
        shift_growth: How fast the shift grows with the tokens of a clip, ≥ 0; 0 = it is the same for every clip.
        terminal: Noise level 0..1 at which the last step begins; 0 = where the shift puts it.
        guidance_scale: ≥ 0; 1 = off, which saves a pass.
        guidance_scales: The same of each step, from the first on; the last one holds for all that are left.
            () = `guidance_scale` in every step.
        stg_scale: Of spatio-temporal guidance, ≥ 0; 0 = off. Only some bases can do it.
        rescale: How much of the deviation of the prompt's own prediction comes back after that, 0..1; 0 and 1 = off.
        denoise: Part of the schedule, above 0 to 1, that is gone through: 1 = from pure noise; below, from the source
            video with so much noise, of which that much remains. All `steps` are made in it.
        sigmas: Noise levels that are gone through instead of those of the schedule, falling from at most 1 to 0: of
            another scheduler. Below 1 at its start a job begins from the source video, as with `denoise`. () = the
            schedule's. What is given as a part of the schedule (percents, curves) is still told by `shift`.
        solver: One of `SOLVERS`.
        seed: One seed, one result; 0..2**64 - 1. Torch draws the same noise from two seeds that differ by a multiple of
            2**32.
        strength: See `AdapterOptions`; so
        start_percent: and
        end_percent.
        negative_prompt: What the result does not show, where the unit says nothing about that; "" = nothing either.

    Raises:
        InputError: a value that is no finite number, or out of its range.
    """

    steps: int = 50
    shift: float = 16.0
    shift_growth: float = 0.0
    terminal: float = 0.0
    guidance_scale: float = 5.0
    stg_scale: float = 0.0
    rescale: float = 0.0
    denoise: float = 1.0
    sigmas: tuple[float, ...] = ()
    solver: str = "unipc"
    seed: int = 2025
    strength: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    negative_prompt: str = WAN_NEGATIVE_PROMPT
    guidance_scales: tuple[float, ...] = ()

    @property
    def scales(self) -> tuple[float, ...]:
        """The guidance scale of each step."""
        given = self.guidance_scales or (self.guidance_scale,)
        return (*given, *[given[-1]] * (self.count - len(given)))

    @property
    def count(self) -> int:
        """How many steps are made."""
        return len(self.sigmas) - 1 if self.sigmas else int(self.steps)

    @property
    def is_guided(self) -> bool:
        """Whether the negative prompt counts in any step."""
        return any(scale != 1 for scale in self.scales)

    def negative_for(self, vcu: VideoConditionUnit) -> str:
        """The negative prompt that the unit is sampled with: its own, or that of these options where it has none."""
        words = vcu.negative_prompt if vcu.negative_prompt.strip() else self.negative_prompt
        return "; ".join(part for part in words.split("; ") if part.strip().lower() != NOTHING)

    def prompts_for(self, vcu: VideoConditionUnit) -> tuple[str, ...]:
        """The prompts of the unit that are read: its own, and the negative one where that counts in any step."""
        return (vcu.prompt, self.negative_for(vcu)) if self.is_guided else (vcu.prompt,)

    def __post_init__(self) -> None:
        check_whole("The number of steps", self.steps, least=1)
        check_number("The shift", self.shift, above=0)
        check_number("The growth of the shift", self.shift_growth, least=0)
        check_number("The terminal noise level", self.terminal, least=0, most=1)
        check_number("The guidance scale (cfg)", self.guidance_scale, least=0)
        for scale in self.guidance_scales:
            check_number("A guidance scale (cfg) of a step", scale, least=0)
        check_number("The scale of spatio-temporal guidance (stg)", self.stg_scale, least=0)
        check_number("The rescale", self.rescale, least=0, most=1)
        check_number("The denoise", self.denoise, above=0, most=1)
        if self.sigmas:
            _check_sigmas(self.sigmas)
            if self.denoise < 1:
                raise InputError(
                    "denoise-and-sigmas",
                    "The denoise is {denoise:g}, and sigmas came too, which say themselves where to begin. One of the "
                    "two is needed. Set denoise to 1, or leave the sigmas out.",
                    denoise=self.denoise,
                )
        if len(self.guidance_scales) > self.count:
            raise InputError(
                "guidance-scales-many",
                "{count} guidance scales were given for {steps} steps. At most one for each step is needed, of which "
                "the last holds for the rest. Give fewer, or make more steps.",
                count=len(self.guidance_scales),
                steps=self.count,
            )
        check_whole("The seed", self.seed, least=0, most=LAST_SEED)
        _ = self.adapter  # checked where it is born

    @property
    def begins_from_clip(self) -> bool:
        """Whether a job begins from a clip with noise rather than from noise alone."""
        return self.denoise < 1 or (self.sigmas != () and self.sigmas[0] < ALL_NOISE)

    @property
    def adapter(self) -> AdapterOptions:
        """How strongly the adapter acts, and when."""
        return AdapterOptions(strength=self.strength, start_percent=self.start_percent, end_percent=self.end_percent)

    def schedule(self, tokens: int, *, first: float = 1.0) -> NoiseSchedule:
        """The noise levels for a clip of so many tokens, references included.

        Args:
            tokens: What the base works on.
            first: Unshifted level of the first step; `Solver.first`.
        """
        shift = grown_shift(float(self.shift), float(self.shift_growth), tokens)  # NumPy's may be of single precision
        return NoiseSchedule(
            steps=int(self.steps),
            shift=shift,
            first=first,
            terminal=self.terminal,
            denoise=self.denoise,
            levels=self.sigmas,
        )


def _check_sigmas(sigmas: tuple[float, ...]) -> None:
    for sigma in sigmas:
        check_number("A sigma", sigma, least=0, most=1)
    falling = all(after < before for before, after in pairwise(sigmas))
    if len(sigmas) < 2 or not falling or sigmas[-1] != 0:
        raise InputError(
            "sigmas-order",
            "The sigmas are {sigmas}. At least two are needed, each below the one before, the last 0. Connect all of a "
            "schedule, or its last part.",
            sigmas=", ".join(f"{sigma:.4g}" for sigma in sigmas[:8]) + (", ..." if len(sigmas) > 8 else ""),
        )
