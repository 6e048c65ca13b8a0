"""The starter's world for ablations: its base and VAE, examples of every task to learn from, and others to ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...training.ablation.world import World
from ...training.data.example import Example
from ..model import WEIGHTS, part_file
from ..text import StarterText
from .examples import WorldTasks
from .samples import HELD_OUT, TASKS, draw_sample
from .starter import TOGETHER


@dataclass(frozen=True)
class WorldTask:
    """One task, of scenes that training never draws."""

    task: str

    @property
    def identity(self) -> str:
        return f"{self.task} of the synthetic world from {HELD_OUT}"

    def draw(self, number: int) -> Example:
        seed = HELD_OUT + number
        sample = draw_sample(self.task, seed)
        return Example(
            name=f"example {seed}, {self.task}",
            task=self.task,
            unit=sample.vcu,
            target=sample.clip.frames,
            prompts=(sample.vcu.prompt,),
        )


def starter_world(folder: Path = WEIGHTS) -> World:
    """The world of the starter whose base and VAE are in `folder`.

    Raises:
        ModelError: one of them is missing.
    """
    return World(
        base=part_file(folder, "base"),
        vae=part_file(folder, "vae"),
        examples=WorldTasks(),
        held_out={task: WorldTask(task) for task in TASKS},
        text=lambda _: StarterText(),
        together=TOGETHER,
        cpu=True,
    )
