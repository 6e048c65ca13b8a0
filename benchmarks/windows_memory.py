"""What the command takes of memory for clips by windows, however long they are.

    OMP_NUM_THREADS=1 python benchmarks/windows_memory.py                        (81, 641 and 2001 frames)
    OMP_NUM_THREADS=1 python benchmarks/windows_memory.py --tasks gray --frames 81 641

Each job is a process of its own, `vace gray clip.mp4 --windows 17 …`, with a model laid out like the starter, with tiny
networks and one step: what grows with the clip does not depend on them. Two numbers: the largest resident memory of
the process, and the largest sum of bytes of all tensors alive at once, counted (tests/counting.py); on a card the
latter is more than what is taken of it, as frames stay in main memory. The frame is small, since one core makes 2001
of them here; one float32 copy of all 2001 frames would be 98 MB at 64 x 64. Writes results/windows_memory.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import measuring
import torch
from torch import Tensor

FPS, CHUNK = 16.0, 16
FILE = measuring.RESULTS / "windows_memory.json"
TASKS: dict[str, list[str]] = {
    "gray": ["gray", "{clip}"],
    "depth": ["depth", "{clip}"],
    "inpaint, put back": ["inpaint", "{clip}", "--mask", "{mask}"],
    "inpaint, a mask for each frame": ["inpaint", "{clip}", "--mask", "{masks}"],
    "text": ["text", "--length", "{frames}", "--width", "{side}", "--height", "{side}"],
    "extend": ["extend", "{first}", "--length", "{frames}", "--no-put-back"],
}


def material(folder: Path, frames: int, side: int) -> dict[str, str]:
    """A clip of moving waves, a mask, a mask for each frame, and a short clip to extend."""
    from vace_core.media.pictures import write_image
    from vace_core.media.write import write_video

    def waves(count: int) -> Iterator[Tensor]:
        rows, columns = (torch.arange(side) / side * 6 for _ in range(2))
        for begin in range(0, count, CHUNK):
            times = torch.arange(begin, min(begin + CHUNK, count)) / 9
            one = torch.sin(rows[None, :, None] + columns[None, None] + times[:, None, None])
            yield torch.stack([one, one.roll(side // 3, 1), -one])[None] * 0.8

    def boxes() -> Iterator[Tensor]:
        for begin in range(0, frames, CHUNK):
            chunk = torch.full((1, 3, min(CHUNK, frames - begin), side, side), -1.0)
            chunk[..., side // 4 : side // 2, side // 4 : side // 2] = 1
            yield chunk

    found = {name: str(folder / f"{name}.mp4") for name in ("clip", "masks", "first")} | {"side": str(side)}
    write_video(found["clip"], waves(frames), fps=FPS)
    write_video(found["masks"], boxes(), fps=FPS)
    write_video(found["first"], waves(5), fps=FPS)
    write_image(folder / "mask.png", next(boxes())[:, :, :1])
    return found | {"mask": str(folder / "mask.png"), "frames": str(frames)}


def one(words: list[str]) -> None:
    """One job in this process; its numbers as JSON."""
    from counting import LiveBytes
    from typer.main import get_command

    from vace_core.cli import app

    begin = time.process_time()
    with LiveBytes() as counted:
        code = get_command(app).main(words, standalone_mode=False) or 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps({"code": code, "host": most, "tensors": counted.peak, "seconds": time.process_time() - begin}))


def measured(task: str, frames: int, side: int) -> dict[str, Any]:
    """The numbers of one job."""
    import like_starter

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = material(folder, frames, side)
        (folder / "model").mkdir()
        like_starter.write(folder / "model")
        words = [word.format(**given) for word in TASKS[task]]
        words += ["--windows", "17", "--overlap", "5", "--steps", "1", "--cfg", "1", "--seed", "1"]
        words += ["-o", str(folder / "out.mp4"), "-m", str(folder / "model")]
        done = subprocess.run([sys.executable, __file__, "--one", *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        row = json.loads(done.stdout.splitlines()[-1])
    return {"task": task, "frames": frames, "side": side} | row


def main() -> None:
    if "--one" in sys.argv:
        one(sys.argv[sys.argv.index("--one") + 1 :])
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[81, 641, 2001])
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--side", type=int, default=64, help="pixels of both sides of a frame")
    options = parser.parse_args()
    rows: list[dict[str, Any]] = json.loads(FILE.read_text())["rows"] if FILE.exists() else []
    for task in options.tasks:
        for frames in options.frames:
            rows = [row for row in rows if (row["task"], row["frames"], row["side"]) != (task, frames, options.side)]
            rows.append(measured(task, frames, options.side))
            row = rows[-1]
            print(f"| {task} | {frames} | {row['host'] / 2**20:.0f} | {row['tensors'] / 2**20:.1f} |", flush=True)
            measuring.RESULTS.mkdir(exist_ok=True)
            FILE.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
