"""`python -m vace_core.starter FILE`: writes a clip of the synthetic world, to try things on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..media.write import write_video
from .model import LENGTH, SIDE, STARTER_PRESET
from .scenes.clips import HELD_OUT, Bucket, clip


def main(
    output: Annotated[Path, typer.Argument(help="The video to write, .mp4.")],
    seed: Annotated[int, typer.Option(min=0, help="Which clip.")] = 7,
    size: Annotated[int, typer.Option(min=16, help="Pixels of a side, even.")] = SIDE,
) -> None:
    """Draws one clip of the world and says what is in it."""
    drawn = clip(HELD_OUT, seed, Bucket(num_frames=LENGTH, height=size, width=size))
    write_video(output, drawn.frames, fps=STARTER_PRESET.fps)
    typer.echo(drawn.caption)


typer.run(main)
