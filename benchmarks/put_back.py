"""An edit of a 1280 x 720 film with the starter model: what of the film is kept, and what it costs.

    python benchmarks/put_back.py [FILM]

Without a film, one of 50 frames with moving noise is made. 17 frames of its middle are edited inside a box, by way of
the whole frame and of a crop, and the planes that are stored are compared with those of the film.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
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


def row(film: Path, mask: Path, hole: tuple[slice, slice], out: Path, *options: str) -> str:
    """Edits the film by the command, and compares."""
    begin = time.monotonic()
    words = [
        "inpaint",
        film,
        "--mask",
        mask,
        "-p",
        "a red circle",
        "--start",
        f"{BEGIN}f",
        "--end",
        f"{END}f",
        "-o",
        out,
    ]
    subprocess.run(
        [sys.executable, "-m", "vace_core", *map(str, words), "--steps", "8", "--lossless", *options],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    seconds = time.monotonic() - begin
    before, after = VideoReader(film), VideoReader(out)
    largest, changed = 0, 0.0
    pairs = zip(before.raw(0, before.count), after.raw(0, after.count), strict=True)
    for index, (was, now) in enumerate(pairs):
        error = np.abs(was.to_ndarray().astype(int) - now.to_ndarray().astype(int))
        if BEGIN <= index < END:
            luma = error[: before.height]
            changed += float((luma[hole] > 0).mean()) / (END - BEGIN)
            luma[hole] = 0
            half = tuple(slice(part.start // 2, part.stop // 2) for part in hole)
            for plane in error[before.height :].reshape(2, before.height // 2, before.width // 2):
                plane[half] = 0
        largest = max(largest, int(error.max()))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    size = f"{after.count} of {after.width} x {after.height} at {after.fps:.3f} fps, {after.layout}"
    shown = " ".join(options) or "whole frame"
    return f"| {shown} | {size} | {largest} | {changed:.1%} | {seconds:.0f} s | {peak:,.0f} MiB |"


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        film, mask = Path(folder) / "film.mp4", Path(folder) / "mask.png"
        if len(sys.argv) > 1:
            film = Path(sys.argv[1])
        else:
            make_film(film)
        source = VideoReader(film)
        hole = (slice(source.height // 3 // 2 * 2, source.height // 2 // 2 * 2), slice(400, 600))
        picture = torch.full((1, 3, 1, source.height, source.width), -1.0)
        picture[..., hole[0], hole[1]] = 1
        write_image(mask, picture)
        print("| shown to the model | result | largest error of a kept level | changed inside | time | peak so far |")
        print("| --- | --- | --- | --- | --- | --- |")
        for number, options in enumerate(((), ("--crop", "steady"))):
            print(row(film, mask, hole, Path(folder) / f"{number}.mkv", *options), flush=True)


if __name__ == "__main__":
    main()
