"""`python -m vace_core.starter.training FOLDER`: trains the starter model, all of it, from a seed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from .scenes import SCENES
from .starter import StarterTraining


def main(
    folder: Annotated[Path, typer.Argument(help="Where the run keeps its checkpoints and, at the end, the weights.")],
    seed: Annotated[int, typer.Option(help="First of the seeds of the training clips.")] = 0,
    compile: Annotated[bool, typer.Option(help="Let torch compile parts; faster, needs a C++ compiler.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Stop after so many; the same command goes on.")] = None,
) -> None:
    """Trains the VAE, then the base, then the adapter. Stopped at any time, the same command goes on where it was."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    StarterTraining(SCENES, folder, seed=seed).run(compiled=compile, stop_after=minutes and minutes * 60)


typer.run(main)
