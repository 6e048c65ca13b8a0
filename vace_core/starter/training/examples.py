"""The synthetic world as examples to learn from: clips led by references for the base, every task for the adapter."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from ... import tasks
from ...training.data.example import Example
from ..world import random_clip
from .samples import FPS, draw_sample, draw_task

MOST_REFERENCES = 2
# How often a clip is led by so many of its references, if it has them.
LEADING = (0.7, 0.2, 0.1)
# Of so many wordings, one leaves out what the objects look like.
WORDINGS = 6


@dataclass(frozen=True)
class WorldClips:
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
class WorldTasks:
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
