"""Steps of a job, kept in its folder."""

from __future__ import annotations

import time

from ..files.jobs.folder import JobFolder
from .progress import Reached

STEPS, TOTAL = "steps", "total"
SHARE = 0.1
"""Of the time of a job that keeping its steps may take."""


class KeptSteps:
    """The progress of sampling, of which the last step is kept as one stage of a job.

    Every step is kept that takes ten times as long as writing it, and otherwise as many as take a tenth of the time;
    the last one always. One file is written anew each time, of as many bytes as the latents times 1 for Euler, 2 for
    DPM-Solver++ and 3 for UniPC.

    Args:
        folder: The job's.
        stage: The name of the stage; several clips of one job have one each.
    """

    def __init__(self, folder: JobFolder, stage: str = "sampling") -> None:
        self._folder, self._stage = folder, stage
        self._next = 0.0

    def reached(self) -> Reached | None:
        """Where the job goes on; None = from its beginning.

        Raises:
            InputError: what was kept is damaged.
        """
        if (kept := self._folder.kept(self._stage)) is None:
            return None
        steps, total = (_number(kept.said.get(name, "")) for name in (STEPS, TOTAL))
        return Reached(steps=steps, total=total, tensors=kept.tensors)

    def keep(self, reached: Reached) -> None:
        """Keeps a step, unless that would take too much of the time; where it cannot be kept, that is logged once."""
        begin = time.monotonic()
        if begin < self._next and not reached.finished:
            return
        said = {STEPS: str(reached.steps), TOTAL: str(reached.total)}
        self._folder.keep(self._stage, reached.tensors, said)
        end = time.monotonic()
        self._next = end + (end - begin) * (1 - SHARE) / SHARE


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else 0
