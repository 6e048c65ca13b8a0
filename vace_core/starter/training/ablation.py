"""What ablations compare on the starter: its base and VAE, examples of every task to learn from, and others to ask."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ...training.ablation.setting import Setting
from ...training.data.example import Example
from ..model import WEIGHTS, part_file
from ..scenes.samples import HELD_OUT, TASKS, draw_sample, draw_task
from .scenes import SCENES, SMALL
from .starter import TOGETHER
from .world import RECIPES

RECIPE = RECIPES / "ablation.toml"
"""What all variants have in common."""


@dataclass(frozen=True, kw_only=True)
class SmallTasks:
    """Examples of one size, 17 frames of 64×64 pixels.

    Attributes:
        draw_task: Number → task.
        first: Number of the first example.
    """

    draw_task: Callable[[int], str]
    first: int = 0

    @property
    def identity(self) -> str:
        return f"tasks of the scenes in one size, from {self.first}"

    def draw(self, number: int) -> Example:
        number += self.first
        sample = draw_sample(self.draw_task(number), number, SMALL)
        return Example(
            name=f"example {number}, {sample.task}",
            task=sample.task,
            unit=sample.vcu,
            target=sample.clip.frames,
            prompts=(sample.vcu.prompt,),
        )


def starter_setting(folder: Path = WEIGHTS) -> Setting:
    """Ablations on the starter, whose base and VAE are in `folder`.

    Raises:
        ModelError: one of them is missing.
    """
    text = SCENES.text()
    return Setting(
        base=part_file(folder, "base"),
        vae=part_file(folder, "vae"),
        examples=SmallTasks(draw_task=draw_task),
        held_out={task: SmallTasks(draw_task=lambda _, task=task: task, first=HELD_OUT) for task in TASKS},
        text=lambda _: text,
        together=TOGETHER,
        cpu=True,
    )
