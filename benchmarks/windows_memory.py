"""What the command takes of memory for clips by windows, however long they are.

    OMP_NUM_THREADS=1 python benchmarks/windows_memory.py                        (81, 641 and 2001 frames)
    OMP_NUM_THREADS=1 python benchmarks/windows_memory.py --tasks gray --frames 81 641
    OMP_NUM_THREADS=1 python benchmarks/windows_memory.py --tasks gray --card    (832 x 480, on a card)

Each job is a process of its own, `vace gray clip.mp4 --windows 17 …`, with a model laid out like the starter, with tiny
networks and one step: what grows with the clip does not depend on them. Two numbers: the largest resident memory of
the process, and the largest sum of bytes of all tensors alive at once, counted (tests/counting.py); on a card the
latter is more than what is taken of it, as frames stay in main memory. The frame is small, since one core makes 2001
of them here; one float32 copy of all 2001 frames would be 98 MB at 64 x 64. With --card frames are of 832 x 480 and the
networks are on a simulated card (tests/pretended_card.py), which counts bytes and computes nothing: films are read,
fitted, moved, written and put back as ever, and the second number is the most that was taken of the card. One float32
copy of 2001 frames would be 9.6 GB. Writes results/windows_memory.json.
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
BUDGET, CARD_SIZE = 12 * 2**30, (480, 832)
FILE = measuring.RESULTS / "windows_memory.json"
TASKS: dict[str, list[str]] = {
    "gray": ["gray", "{clip}"],
    "depth": ["depth", "{clip}"],
    "inpaint, put back": ["inpaint", "{clip}", "--mask", "{mask}"],
    "inpaint, a mask for each frame": ["inpaint", "{clip}", "--mask", "{masks}"],
    "text": ["text", "--length", "{frames}", "--width", "{width}", "--height", "{height}"],
    "extend": ["extend", "{first}", "--length", "{frames}", "--no-put-back"],
}


def material(folder: Path, frames: int, height: int, width: int) -> dict[str, str]:
    """A clip of moving waves, a mask, a mask for each frame, and a short clip to extend."""
    from vace_core.media.pictures import write_image
    from vace_core.media.write import write_video

    def waves(count: int) -> Iterator[Tensor]:
        rows, columns = (torch.arange(side) / side * 6 for side in (height, width))
        for begin in range(0, count, CHUNK):
            times = torch.arange(begin, min(begin + CHUNK, count)) / 9
            one = torch.sin(rows[None, :, None] + columns[None, None] + times[:, None, None])
            yield torch.stack([one, one.roll(height // 3, 1), -one])[None] * 0.8

    def boxes() -> Iterator[Tensor]:
        for begin in range(0, frames, CHUNK):
            chunk = torch.full((1, 3, min(CHUNK, frames - begin), height, width), -1.0)
            chunk[..., height // 4 : height // 2, width // 4 : width // 2] = 1
            yield chunk

    found = {name: str(folder / f"{name}.mp4") for name in ("clip", "masks", "first")}
    found |= {"height": str(height), "width": str(width)}
    write_video(found["clip"], waves(frames), fps=FPS)
    write_video(found["masks"], boxes(), fps=FPS)
    write_video(found["first"], waves(5), fps=FPS)
    write_image(folder / "mask.png", next(boxes())[:, :, :1])
    return found | {"mask": str(folder / "mask.png"), "frames": str(frames)}


def one(words: list[str], *, on_card: bool) -> None:
    """One job in this process; its numbers as JSON."""
    from counting import LiveBytes
    from pretended_card import Card
    from typer.main import get_command

    from vace_core.cli import app

    begin = time.process_time()
    with Card(BUDGET, shadow=True) if on_card else LiveBytes() as counted:
        code = get_command(app).main(words, standalone_mode=False) or 0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    print(json.dumps({"code": code, "host": most, "tensors": counted.peak, "seconds": time.process_time() - begin}))


def measured(task: str, frames: int, size: tuple[int, int], *, on_card: bool) -> dict[str, Any]:
    """The numbers of one job."""
    import like_starter

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        given = material(folder, frames, *size)
        (folder / "model").mkdir()
        like_starter.write(folder / "model")
        words = [word.format(**given) for word in TASKS[task]]
        words += ["--windows", "17", "--overlap", "5", "--steps", "1", "--cfg", "1", "--seed", "1"]
        words += ["-o", str(folder / "out.mp4"), "-m", str(folder / "model")]
        if on_card:
            words += ["--device", "gpu:0", "--width", given["width"], "--height", given["height"]]
        how = ["--one-on-card" if on_card else "--one"]
        done = subprocess.run([sys.executable, __file__, *how, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        row = json.loads(done.stdout.splitlines()[-1])
    return {"task": task, "frames": frames, "size": list(size), "on card": on_card} | row


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in ("--one", "--one-on-card"):
        one(sys.argv[2:], on_card=sys.argv[1] == "--one-on-card")
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[81, 641, 2001])
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--side", type=int, default=64, help="pixels of both sides of a frame")
    parser.add_argument("--card", action="store_true", help="832 x 480, with the networks on a simulated card")
    options = parser.parse_args()
    size = CARD_SIZE if options.card else (options.side, options.side)
    rows: list[dict[str, Any]] = json.loads(FILE.read_text())["rows"] if FILE.exists() else []
    for task in options.tasks:
        for frames in options.frames:
            case = (task, frames, list(size), options.card)
            rows = [row for row in rows if (row["task"], row["frames"], row["size"], row["on card"]) != case]
            rows.append(measured(task, frames, size, on_card=options.card))
            row = rows[-1]
            print(f"| {task} | {frames} | {row['host'] / 2**20:.0f} | {row['tensors'] / 2**20:.1f} |", flush=True)
            measuring.RESULTS.mkdir(exist_ok=True)
            FILE.write_text(json.dumps({"torch": torch.__version__, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
