"""What ablations compare on the starter: its base and VAE, examples of every task to learn from, and others to ask."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...training.ablation.setting import Setting
from ..model import WEIGHTS, part_file
from ..scenes.samples import HELD_OUT, TASKS, draw_sample, draw_task
from .scenes import SCENES, SMALL, asked
from .starter import TOGETHER
from .world import RECIPES, Numbered

RECIPE = RECIPES / "ablation.toml"
"""What all variants have in common."""


def _small(draw_task: Callable[[int], str], first: int = 0) -> Numbered:
    """Examples of one size, 17 frames of 64x64 pixels, of the tasks that `draw_task` gives their numbers."""
    return Numbered(
        "tasks of the scenes in one size,",
        lambda number: asked(number, draw_sample(draw_task(number), number, SMALL)),
        first,
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
        examples=_small(draw_task),
        held_out={task: _small(lambda _, task=task: task, HELD_OUT) for task in TASKS},
        text=lambda _: text,
        clip_of=lambda item: item.name,  # every example is a scene of its own: its dice are of task and number
        together=TOGETHER,
        cpu=True,
    )
