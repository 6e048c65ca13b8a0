"""How far a job has come: what is kept of it after a step, and where it goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from ..errors import InputError, shortened

LATENTS = "latents"
"""The name of the latents among the tensors of a solver."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reached:
    """A job after a step: all that its solver needs to go on to the same result, bit for bit.

    Attributes:
        steps: Steps that are done.
        total: Steps of the whole job.
        tensors: What the solver carries on, by name, each of the shape of the latents. After the last step these are
            the latents alone.
    """

    steps: int
    total: int
    tensors: Mapping[str, Tensor]

    @property
    def finished(self) -> bool:
        """Whether every step is done."""
        return self.steps == self.total


class Progress(Protocol):
    """Where the steps of a job are kept, and read from when the same job is begun again."""

    def reached(self) -> Reached | None:
        """Where the job goes on; None = from its beginning."""
        ...

    def keep(self, reached: Reached) -> None:
        """Called after every step; raising stops the job."""
        ...


def check_reached(reached: Reached, *, shape: Sequence[int], total: int, carries: Sequence[frozenset[str]]) -> None:
    """Validate that what was kept is of this job.

    Args:
        reached: What was kept.
        shape: `(B, C, R+t, h, w)` of the job's latents.
        total: Steps of the job.
        carries: As its `Solver`.

    Raises:
        InputError: it is of other latents, of another number of steps, or of another solver.
    """
    names = frozenset(reached.tensors)
    shapes = {tuple(tensor.shape) for tensor in reached.tensors.values()}
    known = names == frozenset({LATENTS}) if reached.finished else names in carries
    if reached.total != total or not 0 < reached.steps <= total or shapes != {tuple(shape)} or not known:
        raise InputError(
            "progress-other-job",
            "Step {steps} of {kept_total} of a job was kept, as {names} of shape {kept}. This job has {total} steps, "
            "latents of {shape}, and a solver that keeps {needed}. Go on with the job it was kept of, or begin anew.",
            steps=reached.steps,
            kept_total=reached.total,
            names=shortened(", ".join(sorted(names)) or "nothing"),
            kept=shortened(" and ".join(map(str, sorted(shapes))) or "none"),
            total=total,
            shape=tuple(shape),
            needed=", ".join(sorted(carries[-1])),
        )
