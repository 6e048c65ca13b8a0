"""An edit of a 1280 x 720 film with the starter model: what of the film is kept, and what it costs.

    python benchmarks/put_back.py [FILM]

Without a film, one of 50 frames with moving noise is made. 17 frames of its middle are edited inside a box, by way of
the whole frame and of a crop, and the planes that are stored are compared with those of the film. Then five edits are
made one after the other, each of what the one before made, and compared with the film in the same way.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from vace_core.media.pictures import write_image
from vace_core.media.reader import VideoReader
from vace_core.media.write import write_video

ROOT = Path(__file__).parents[1]
HEIGHT, WIDTH, COUNT, BEGIN, END = 720, 1280, 50, 10, 27


def make_film(path: Path) -> None:
    """Soft moving noise, 25 fps, H.264 4:2:0."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.rand(1, 3, HEIGHT // 8, WIDTH // 8 + COUNT, generator=generator) * 2 - 1
    wide = torch.nn.functional.interpolate(noise, scale_factor=8, mode="bicubic").clamp(-1, 1)
    write_video(path, (wide[:, :, None, :, 4 * n : 4 * n + WIDTH] for n in range(COUNT)), fps=25)


@dataclass
class Edit:
    """A box in some frames, `end` not among them, and the options of the command."""

    hole: tuple[slice, slice]
    begin: int = BEGIN
    end: int = END
    options: tuple[str, ...] = ()


def make(film: Path, edit: Edit, out: Path) -> None:
    """Edits a film by the command."""
    source = VideoReader(film)
    picture = torch.full((1, 3, 1, source.height, source.width), -1.0)
    picture[..., edit.hole[0], edit.hole[1]] = 1
    mask = out.with_suffix(".png")
    write_image(mask, picture)
    what = ["inpaint", str(film), "--mask", str(mask), "-p", "a red circle", "-o", str(out)]
    where = ["--start", f"{edit.begin}f", "--end", f"{edit.end}f"]
    subprocess.run(
        [sys.executable, "-m", "vace_core", *what, *where, "--steps", "8", "--lossless", *edit.options],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )


def row(name: str, film: Path, out: Path, edits: Sequence[Edit], seconds: float) -> str:
    """Compares a film with what came of it, outside of all holes."""
    before, after = VideoReader(film), VideoReader(out)
    largest, changed = 0, list[float]()
    pairs = zip(before.raw(0, before.count), after.raw(0, after.count), strict=True)
    for index, (was, now) in enumerate(pairs):
        error = np.abs(was.to_ndarray().astype(int) - now.to_ndarray().astype(int))
        for edit in edits:
            if not edit.begin <= index < edit.end:
                continue
            luma = error[: before.height]
            changed.append(float((luma[edit.hole] > 0).mean()))
            luma[edit.hole] = 0
            half = tuple(slice(part.start // 2, part.stop // 2) for part in edit.hole)
            for plane in error[before.height :].reshape(2, before.height // 2, before.width // 2):
                plane[half] = 0
        largest = max(largest, int(error.max()))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    size = f"{after.count} of {after.width} x {after.height} at {after.fps:.3f} fps, {after.layout}"
    return f"| {name} | {size} | {largest} | {np.mean(changed):.1%} | {seconds:.0f} s | {peak:,.0f} MiB |"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "film.mp4"
        if len(sys.argv) > 1:
            film = Path(sys.argv[1])
        else:
            make_film(film)
        height = VideoReader(film).height
        hole = (slice(height // 3 // 2 * 2, height // 2 // 2 * 2), slice(400, 600))
        print("| shown to the model | result | largest error of a kept level | changed inside | time | peak so far |")
        print("| --- | --- | --- | --- | --- | --- |")
        for number, options in enumerate(((), ("--crop", "steady"))):
            edit, out = Edit(hole, options=options), Path(folder) / f"{number}.mkv"
            begin = time.monotonic()
            make(film, edit, out)
            print(row(" ".join(options) or "whole frame", film, out, [edit], time.monotonic() - begin), flush=True)
        in_a_row(film, Path(folder), height)


def in_a_row(film: Path, folder: Path, height: int) -> None:
    """Five edits, each of what the one before made, in boxes and frames that partly overlap."""
    edits, current, begin = list[Edit](), film, time.monotonic()
    for number in range(5):
        top, left = height // 8 * (number % 4), 100 + 150 * number
        place = (slice(top // 2 * 2, top // 2 * 2 + 150), slice(left, left + 200))
        options = ("--crop", "steady") if number % 2 else ()
        edits.append(Edit(place, begin=6 * number, end=6 * number + 17, options=options))
        out = folder / f"row{number}.mkv"
        make(current, edits[-1], out)
        print(row(f"edit {number + 1} of 5 in a row", film, out, edits, time.monotonic() - begin), flush=True)
        current = out


if __name__ == "__main__":
    main()
