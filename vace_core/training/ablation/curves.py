"""Pictures of the results: losses of a question's variants by step, and how far they are from the default."""

from __future__ import annotations

import importlib
from pathlib import Path
from statistics import fmean
from typing import Any

from ...errors import ModelError
from ...files.replacing import replacing
from .results import Results

SIZE, DPI = (9.0, 3.6), 100  # inches, dots an inch


def draw(results: Results, names: list[str], default: str, title: str, path: Path) -> None:
    """Draws the curves of some variants: a thin line a seed, a thick one for their mean.

    Args:
        path: A .png; written whole or not at all.

    Raises:
        ModelError: matplotlib is not installed.
        InputError: the file cannot be written.
    """
    try:
        figures: Any = importlib.import_module("matplotlib.figure")
    except ImportError as error:
        raise ModelError(
            "matplotlib-not-installed",
            "The Python package matplotlib is not installed. The curves of an ablation are drawn with it. Install it "
            "with: pip install matplotlib",
        ) from error
    figure = figures.Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    losses, apart = figure.subplots(1, 2)
    for number, name in enumerate([default, *names]):
        colour = "black" if name == default else f"C{number - 1}"
        for axes, lines in ((losses, _losses(results, name)), (apart, _apart(results, name, default))):
            for line in lines:
                axes.plot(*zip(*sorted(line.items()), strict=True), color=colour, linewidth=0.6, alpha=0.5)
            mean = _mean(lines)
            if mean:
                axes.plot(*zip(*sorted(mean.items()), strict=True), color=colour, linewidth=1.8, label=name)
    losses.set(xlabel="steps", ylabel="validation loss, mean over tasks", title=title)
    apart.set(xlabel="steps", ylabel="difference to the default", title="on the same clips and noise")
    losses.legend(fontsize="small")
    for axes in (losses, apart):
        axes.grid(alpha=0.3)
        axes.title.set_fontsize("medium")
    with replacing(path) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


def _losses(results: Results, name: str) -> list[dict[int, float]]:
    """The mean loss over tasks by step, a line for each seed; of few clips, which are validated most often."""
    return [
        {step: fmean(fmean(values) for values in losses.values()) for step, losses in run.few.items()}
        for run in results.of(name).values()
    ]


def _apart(results: Results, name: str, default: str) -> list[dict[int, float]]:
    """Differences to the default by step, a line for each seed."""
    lines: dict[int, dict[int, float]] = {}
    for step in sorted({step for run in results.of(name).values() for step in run.few}):
        found = results.difference(name, default, step, many=False)
        for seed, value in (found.by_seed if found else {}).items():
            lines.setdefault(seed, {})[step] = value
    return list(lines.values())


def _mean(lines: list[dict[int, float]]) -> dict[int, float]:
    """Where all lines have a value."""
    steps = set.intersection(*map(set, lines)) if lines else set[int]()
    return {step: fmean(line[step] for line in lines) for step in steps}
