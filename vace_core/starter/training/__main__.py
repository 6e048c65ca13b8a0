"""`python -m vace_core.starter.training FOLDER`: trains the starter model, all of it, from a seed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from .starter import train_starter


def main(
    folder: Annotated[Path, typer.Argument(help="Where the run keeps its checkpoints and, at the end, the weights.")],
    seed: Annotated[int, typer.Option(help="First of the seeds of the training clips.")] = 0,
    compile: Annotated[bool, typer.Option(help="Let torch compile parts; faster, needs a C++ compiler.")] = False,
) -> None:
    """Trains the VAE, then the base, then the adapter. Stopped at any time, the same command goes on where it was."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    train_starter(folder, seed=seed, compiled=compile)


typer.run(main)
