"""Clips for an evaluation: held-out examples of a task, what the model makes of them, and what simpler ways make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

from ...context import Encoded
from ...inputs.masks import opencv
from ...media.video import to_uint8
from ...models.text import TextEncoder
from ...pipeline import SamplingOptions, VaceModel, sample
from ...pipeline.composite import composite_vcu
from ...protocols import VideoVae
from ...training.data.example import stack_units
from ...training.tuning import pad_prompts
from ...vcu import VideoConditionUnit
from ..training.samples import HELD_OUT, Sample, draw_sample


@dataclass(frozen=True, kw_only=True)
class Made:
    """Clips `(B, 3, T, H, W)`, -1..1: as decoded, and with what was kept put back."""

    decoded: Tensor
    finished: Tensor


def examples(task: str, count: int, *, tell: bool, suits: Callable[[Sample], bool]) -> list[Sample]:
    """The first `count` held-out examples of `task` that suit.

    Args:
        tell: Whether the prompt describes the objects.
        suits: Which examples there is something to measure on.
    """
    found: list[Sample] = []
    seed = HELD_OUT
    while len(found) < count:
        example = draw_sample(task, seed, always_tell=tell)
        if suits(example):
            found.append(example)
        seed += 1
    return found


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


def gray_fill(example: Sample) -> Tensor:
    """What is to be made is left gray."""
    return torch.where(example.vcu.masks > 0, 0.0, example.clip.frames)


def telea(example: Sample) -> Tensor:
    """What is to be made is filled in from its edges, frame by frame: OpenCV's inpainting after Telea."""
    cv2 = opencv()
    pictures = to_uint8(gray_fill(example)).numpy()
    holes = example.vcu.masks[0, 0].mul(255).to(torch.uint8).numpy()
    filled = [cv2.inpaint(*pair, 3, cv2.INPAINT_TELEA) for pair in zip(pictures, holes, strict=True)]
    return torch.stack([torch.from_numpy(frame) for frame in filled]).permute(3, 0, 1, 2)[None].float() / 127.5 - 1


def nearest_frame(example: Sample) -> Tensor:
    """Every frame is a copy of the nearest one that is known."""
    known = (example.vcu.masks[0, 0].flatten(1) == 0).all(1).nonzero()[:, 0]
    nearest = (torch.arange(example.vcu.num_frames)[:, None] - known).abs().argmin(1)
    return example.clip.frames[:, :, known[nearest]]


def standstill(example: Sample) -> Tensor:
    """The first frame of the true clip, all the time."""
    return example.clip.frames[:, :, :1].expand_as(example.clip.frames).contiguous()


BASELINES: Mapping[str, Callable[[Sample], Tensor]] = {
    "gray": gray_fill,
    "Telea": telea,
    "nearest frame": nearest_frame,
    "standstill": standstill,
}
"""What can be done without a model."""
