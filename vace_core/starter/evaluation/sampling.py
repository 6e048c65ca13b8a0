"""Clips for an evaluation: what a model makes of several units at once, and what its VAE leaves of clips."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

from torch import Tensor

from ...context import Encoded
from ...models.text import TextEncoder
from ...pipeline import SamplingOptions, VaceModel, sample
from ...pipeline.composite import composite_vcu
from ...protocols import VideoVae
from ...training.data.example import stack_units
from ...training.tuning import pad_prompts
from ...vcu import VideoConditionUnit


@dataclass(frozen=True, kw_only=True)
class Made:
    """Clips `(B, 3, T, H, W)`, -1..1: as decoded, and with what was kept put back."""

    decoded: Tensor
    finished: Tensor


def make(
    model: VaceModel,
    units: Sequence[VideoConditionUnit],
    options: SamplingOptions,
    *,
    encoded: Encoded | None = None,
    pin: bool = False,
) -> Made:
    """What the model makes of several units of equal size and with as many references, sampled together.

    Args:
        model: The networks.
        units: What is asked for.
        options: How to sample.
        encoded: The units as `encode_job` gives them; None = they are encoded here.
        pin: As for `pipeline.sample`: latent blending, known latents put back at every step.
    """
    several = replace(model, text=_Lines(model.text))
    latents = sample(several, stack_units(units), options, encoded=encoded, pin=pin)
    return finish(model.vae.decode(latents).float().cpu(), units)


def finish(decoded: Tensor, units: Sequence[VideoConditionUnit]) -> Made:
    """Decoded clips `(B, 3, T, H, W)` with what `units` keep put back, as `pipeline.generate` does it."""
    unit = stack_units(units)
    finished = decoded if unit.source is None else composite_vcu(decoded, unit)
    return Made(decoded=decoded, finished=finished)


def through_vae(vae: VideoVae, clips: Tensor) -> Tensor:
    """`clips` `(B, 3, T, H, W)` encoded and decoded."""
    return vae.decode(vae.encode(clips)).float().cpu()


class _Lines:
    """A text encoder that reads one prompt a line, and gives a batch."""

    def __init__(self, text: TextEncoder) -> None:
        self._text = text

    def encode(self, prompt: str) -> Tensor:
        return pad_prompts([cast("Tensor", self._text.encode(line)) for line in prompt.split("\n")])
