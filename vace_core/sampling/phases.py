"""Guidance by steps: a scale for each, so that some are guided and the rest cost one pass instead of two."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from itertools import groupby

from ..errors import InputError, shortened

RUN = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(?:\s*[x*]\s*(\d{1,4}))?")


def parse_scales(text: str) -> tuple[float, ...]:
    """The guidance scale of each step as it is typed: "6, 6, 1" or "6 x 2, 1"; "" = nothing said.

    Raises:
        InputError: it is something else.
    """
    scales: list[float] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = RUN.fullmatch(part)
        if match is None or int(match[2] or 1) < 1:
            raise InputError(
                "guidance-scales-unreadable",
                'The guidance scales by steps are "{text}". Numbers separated by commas are needed, each for one step '
                'or with the number of its steps, such as "6 x 2, 1"; the last one holds for the rest. Change them.',
                text=shortened(text),
            )
        scales += [float(match[1])] * int(match[2] or 1)
    return tuple(scales)


def said_scales(scales: Sequence[float]) -> str:
    """One scale for each step, as short as it can be read: "6 x 2, 1 x 8", or "6" if all are the same."""
    runs = [(scale, len(list(run))) for scale, run in groupby(scales)]
    return f"{runs[0][0]:g}" if len(runs) == 1 else ", ".join(f"{scale:g} x {count}" for scale, count in runs)


def scale_by_level(levels: Sequence[float], scales: Sequence[float]) -> Callable[[float], float]:
    """From a noise level to the guidance scale of the step that begins there.

    Args:
        levels: From `NoiseSchedule.sigmas`, descending, with the last one 0.
        scales: One for each step.
    """
    steps = list(zip(levels[:-1], scales, strict=True))
    # Noise levels may have been rounded on the way.
    return lambda sigma: min(steps, key=lambda step: math.fabs(step[0] - sigma))[1]
