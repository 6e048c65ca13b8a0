"""The world of shapes, whose model ships: clips led by references for the base, every task for the adapter."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ... import tasks
from ...media.video import to_uint8
from ...models.wan.dit import WanSizes
from ...training.data.example import Example
from ...training.schedule import Schedule
from ..scenes.crops import Crops
from ..text import StarterText
from ..world import random_clip
from .samples import FPS, HELD_OUT, draw_sample, draw_task
from .vae import Stage, as_frames
from .world import Part, World

MOST_REFERENCES = 2
# How often a clip is led by so many of its references, if it has them.
LEADING = (0.7, 0.2, 0.1)
# Of so many wordings, one leaves out what the objects look like.
WORDINGS = 6


@dataclass(frozen=True)
class ShapesClips:
    """Text to video, for the base; some clips have references in front, so that it has seen what those look like.

    Attributes:
        first: Seed of the first clip.
    """

    first: int = 0

    @property
    def identity(self) -> str:
        return f"clips of the synthetic world from {self.first}"

    def draw(self, number: int) -> Example:
        seed = self.first + number
        clip = random_clip(seed)
        wanted = random.Random(f"base {seed}").choices(range(len(LEADING)), weights=LEADING)[0]
        t, h, w = clip.frames.shape[2:]
        unit = replace(tasks.text(num_frames=t, height=h, width=w, fps=FPS), references=clip.references[:wanted])
        prompts = (*[clip.caption] * (WORDINGS - 1), clip.object_words)
        return Example(name=f"clip {seed}", task="text", unit=unit, target=clip.frames, prompts=prompts)


@dataclass(frozen=True)
class ShapesTasks:
    """Every task, for the adapter.

    Attributes:
        first: Seed of the first example.
    """

    first: int = 0

    @property
    def identity(self) -> str:
        return f"tasks of the synthetic world from {self.first}"

    def draw(self, number: int) -> Example:
        seed = self.first + number
        sample = draw_sample(draw_task(seed), seed)
        return Example(
            name=f"example {seed}, {sample.task}",
            task=sample.task,
            unit=sample.vcu,
            target=sample.clip.frames,
            prompts=(sample.vcu.prompt,),
        )


# How often a clip for the VAE is a plain scene; otherwise it is what an adapter's condition looks like.
PLAIN = 0.6


def draw_clip(seed: int) -> Tensor:
    """`(17, 64, 64, 3)` uint8: a scene, or what a task makes of one."""
    plain = random.Random(seed).random() < PLAIN
    return to_uint8(random_clip(seed).frames) if plain else draw_condition(seed)


def draw_condition(seed: int) -> Tensor:
    """`(17, 64, 64, 3)` uint8: what a task shows the model: control, hole, either half of both, a still reference."""
    rng = random.Random(f"condition {seed}")
    unit = draw_sample(draw_task(seed), seed).vcu
    if unit.references and rng.random() < 0.7:
        return to_uint8(unit.references[0].expand(-1, -1, unit.num_frames, -1, -1))
    return to_uint8(rng.choice((unit.frames, *unit.decouple())))


def draw_crops(kinds: Sequence[Crops], seed: int) -> Tensor:
    """Random pieces of clips as frames `(B, 3, T, H, W)`; one seed, one batch."""
    rng = random.Random(f"crops {seed}")
    kind = rng.choices(kinds, weights=[one.share for one in kinds])[0]
    cut: list[Tensor] = []
    for _ in range(kind.count):
        clip = draw_clip(rng.randrange(HELD_OUT))
        spare = (len(clip) - kind.num_frames, clip.shape[1] - kind.side, clip.shape[2] - kind.side)
        t, y, x = (rng.randint(0, most) for most in spare)
        cut.append(as_frames(clip[t : t + kind.num_frames, y : y + kind.side, x : x + kind.side]))
    return torch.stack(cut).contiguous(memory_format=torch.channels_last_3d)


def _crops(num_frames: int, side: int, count: int, share: float) -> Crops:
    return Crops(num_frames=num_frames, side=side, count=count, share=share)


SHAPES = World(
    name="shapes",
    base=(Part("base", ShapesClips),),
    adapter=(Part("adapter", ShapesTasks),),
    text=StarterText,
    sizes=WanSizes(width=256, ffn=768, layers=6),
    vae_width=16,
    vae_stages=(
        Stage(
            schedule=Schedule(steps=12000, learning_rate=8e-4, average=0.995, decay_from=0.05),
            crops=(_crops(5, 32, 8, 0.25), _crops(9, 48, 4, 0.55), _crops(17, 64, 1, 0.2)),
        ),
        # Brought 0.4 dB.
        Stage(
            schedule=Schedule(steps=4500, learning_rate=5e-4, average=0.997, decay_from=0.05, warmup=100),
            crops=(_crops(5, 32, 8, 0.15), _crops(9, 48, 4, 0.5), _crops(17, 64, 1, 0.35)),
        ),
    ),
    draw_crops=draw_crops,
    draw_clip=draw_clip,
    held_out=HELD_OUT,
)
