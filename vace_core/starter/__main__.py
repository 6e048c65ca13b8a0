"""`python -m vace_core.starter FILE`: writes a clip of the synthetic world, to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..media.write import write_video
from .model import STARTER_PRESET
from .world import random_clip


def main(
    output: Annotated[Path, typer.Argument(help="The video to write, .mp4.")],
    seed: Annotated[int, typer.Option(help="Which clip.")] = 7,
    size: Annotated[int, typer.Option(help="Pixels of a side.")] = 256,
) -> None:
    """Draws one clip of the world and says what is in it."""
    clip = random_clip(seed, height=size, width=size)
    write_video(output, clip.frames, fps=STARTER_PRESET.fps)
    typer.echo(clip.caption)


typer.run(main)
