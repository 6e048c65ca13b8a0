"""What ablations compare on the starter: its base and VAE, examples of every task to learn from, and others to ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ...training.ablation.setting import Setting
from ...training.data.example import Example
from ..model import WEIGHTS, part_file
from ..scenes import samples as scenes
from . import samples as shapes
from .scenes import SCENES, SMALL
from .starter import TOGETHER
from .world import RECIPES, World

RECIPE = RECIPES / "all" / "ablation.toml"
"""What all variants have in common, on either world."""

DrawSample = Callable[[str, int], shapes.Sample | scenes.Sample]


@dataclass(frozen=True, kw_only=True)
class SmallTasks:
    """Examples of one size, 17 frames of 64×64 pixels.

    Attributes:
        world: Its name.
        draw_sample: Task and number → sample.
        draw_task: Number → task.
        first: Number of the first example.
    """

    world: str
    draw_sample: DrawSample
    draw_task: Callable[[int], str]
    first: int = 0

    @property
    def identity(self) -> str:
        return f"tasks of the world of {self.world} in one size, from {self.first}"

    def draw(self, number: int) -> Example:
        number += self.first
        sample = self.draw_sample(self.draw_task(number), number)
        return Example(
            name=f"example {number}, {sample.task}",
            task=sample.task,
            unit=sample.vcu,
            target=sample.clip.frames,
            prompts=(sample.vcu.prompt,),
        )


def starter_setting(world: World, folder: Path = WEIGHTS) -> Setting:
    """Ablations on the starter of a world, whose base and VAE are in `folder`.

    Raises:
        ModelError: one of them is missing.
    """
    names: Mapping[str, object]
    draw_sample: DrawSample
    if world is SCENES:
        names, draw_task = scenes.TASKS, scenes.draw_task
        draw_sample = lambda task, number: scenes.draw_sample(task, number, SMALL)  # noqa: E731
    else:
        names, draw_task, draw_sample = shapes.TASKS, shapes.draw_task, shapes.draw_sample
    text = world.text()

    def drawn(which: Callable[[int], str], first: int) -> SmallTasks:
        return SmallTasks(world=world.name, draw_sample=draw_sample, draw_task=which, first=first)

    return Setting(
        base=part_file(folder, "base"),
        vae=part_file(folder, "vae"),
        examples=drawn(draw_task, 0),
        held_out={task: drawn(lambda _, task=task: task, world.held_out) for task in names},
        text=lambda _: text,
        clip_of=lambda item: item.name,  # every example is a scene of its own: its dice are of task and number
        together=TOGETHER,
        cpu=True,
    )
