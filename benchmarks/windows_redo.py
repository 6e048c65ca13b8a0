"""A window of a long clip made again: what its joins look like, and that nothing else moves. On the starter's world.

    OMP_NUM_THREADS=1 python benchmarks/windows_redo.py

Scenes, windows, sampling and seam step as in windows.py: four windows, of which the third is made again with another
seed, from the frames that the second handed over up to the first frames of the fourth. The seam step of its two borders
before and after, over the same steps of frames inside windows of the clip as it was.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import replace

import measuring
import torch
from torch import Tensor
from windows import SAMPLING, STRATEGIES, plan_of, scene, unit_of

from vace_core.pipeline.long import redo, stream
from vace_core.pipeline.parts import parts_of
from vace_core.pipeline.windowed import MadeWindow, WindowedJob
from vace_core.starter.model import load_starter

WINDOWS, AGAIN = 4, 2
NAMES = ("pixels", "latents", "latents, first colour", "latents, first colour, fade")


def step_at(film: Tensor, border: int) -> float:
    return float((film[:, :, border] - film[:, :, border - 1]).abs().mean())


def case(model, task: str, name: str, seed: int) -> dict[str, float]:
    """The numbers of one clip."""
    plan = plan_of(WINDOWS, loop=False)
    clip, places = scene(seed, plan.num_frames)
    job = WindowedJob(
        model=model,
        plan=plan,
        parts=parts_of(unit_of(task, clip, places)),
        options=replace(SAMPLING, seed=seed),
        joining=STRATEGIES[name],
    )
    made: list[MadeWindow] = list(stream(job))
    film = torch.cat([one.frames for one in made], dim=2)
    shared = plan.shared_with_next(AGAIN)
    again = redo(job, AGAIN, before=made[AGAIN - 1].handed, after=made[AGAIN + 1].head[:, :, :shared], seed=seed + 100)
    end = again.begin + again.frames.shape[2]
    changed = film.clone()
    changed[:, :, again.begin : end] = again.frames
    first = plan.windows[AGAIN + 1].begin  # of the window behind; what both share stays as it was
    others = [*range(again.begin), *range(first, plan.num_frames)]
    borders = {window.first_new for window in plan.windows[1:]}
    inside = statistics.fmean(step_at(film, n) for n in range(1, plan.num_frames) if n not in borders)
    return {
        "others": float((changed - film)[:, :, others].abs().max()),
        "changed": float((changed - film)[:, :, again.begin : first].abs().mean()) * 127.5,
        "begin": step_at(film, again.begin) / inside,
        "begin_again": step_at(changed, again.begin) / inside,
        "end": step_at(film, first) / inside,
        "end_again": step_at(changed, first) / inside,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tasks", nargs="+", default=["extend", "scribble", "inpaint"])
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, rows = load_starter(), []
    for task in options.tasks:
        for name in NAMES:
            found = [case(model, task, name, seed) for seed in range(options.seeds)]
            cells = [f"{max(one['others'] for one in found):g}"]
            for key in ("changed", "begin", "begin_again", "end", "end_again"):
                values = [one[key] for one in found]
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                cells.append(f"{statistics.fmean(values):.2f} ({spread:.2f})")
            rows.append([task, name, *cells])
            print(*rows[-1], sep=" | ", flush=True)
    head = ["task", "joined by", "largest change elsewhere", "mean change, levels", "seam at its begin, before",
            "after", "at its end, before", "after"]  # fmt: skip
    measuring.show(f"Window {AGAIN} of {WINDOWS} made again, {options.seeds} scenes", head, rows)


if __name__ == "__main__":
    main()
