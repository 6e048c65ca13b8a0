"""One example: what is asked for, and a clip that fulfils it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...vcu import VideoConditionUnit


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One example to learn from.

    Attributes:
        name: What a message calls it: "fox.mp4, inpaint".
        task: What kind it is; stages choose by it, and losses are told for each.
        unit: What is asked for; its own prompt does not count.
        target: `(1, 3, T, H, W)` in −1..1, a clip that fulfils it.
        prompts: What the clip shows, in one wording or several, of which every draw takes one.
        left_out: What was drawn before it and could not be used, and why.
    """

    name: str
    task: str
    unit: VideoConditionUnit
    target: Tensor
    prompts: tuple[str, ...]
    left_out: tuple[str, ...] = ()


class Examples(Protocol):
    """Where examples come from: as many as are asked for, each from its number alone."""

    @property
    def identity(self) -> str:
        """What tells these examples from others, such as a path and a count; caches of others are refused."""
        ...

    def draw(self, number: int) -> Example:
        """The example of this number.

        Raises:
            InputError: it cannot be made, of no clip; it is then counted and left out.
        """
        ...


def stack_units(units: Sequence[VideoConditionUnit]) -> VideoConditionUnit:
    """Units of equal size, alike in what they have and with as many references, as one batch; a prompt is a line."""
    return VideoConditionUnit(
        roles=torch.cat([unit.roles for unit in units]),
        source=_together([unit.source for unit in units]),
        control=_together([unit.control for unit in units]),
        references=tuple(torch.cat(pictures) for pictures in zip(*(unit.references for unit in units), strict=True)),
        prompt="\n".join(unit.prompt for unit in units),
        negative_prompt="\n".join(unit.negative_prompt for unit in units),
        fps=units[0].fps,
    )


def _together(clips: Sequence[Tensor | None]) -> Tensor | None:
    there = [clip for clip in clips if clip is not None]
    assert len(there) in (0, len(clips)), "units of one batch are alike"
    return torch.cat(there) if there else None
