"""How well the starter does each task on clips it has not seen, adapter on against off.

    python benchmarks/starter_tasks.py --sheet starter_tasks.png

64 held-out clips of each task that has a target, 20 of every other, each made with two seeds. Writes
results/starter_tasks.json, after each task what there is so far, and prints the table. About 0.8 s of one CPU core for
each clip that is made: 3,000 of them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import measuring
import torch
from tqdm import tqdm
from vace_core.starter.evaluation.measures import PLANS

from vace_core.starter.evaluation import evaluate, evaluation_sheet, numbers, table
from vace_core.starter.model import STARTER_OPTIONS, WEIGHTS, load_starter

TARGETED = ("text", "object reference", "inpaint", "extend", "scribble", "layout")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, help="held-out clips of each task; else 64 where a target is set, and 20")
    parser.add_argument("--noise-seeds", type=int, nargs="+", default=[0, 1], help="each clip is made once with each")
    parser.add_argument("--tasks", nargs="+", choices=list(PLANS), default=list(PLANS), metavar="TASK")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with the starter's three files")
    parser.add_argument("--out", type=Path, default=measuring.RESULTS / "starter_tasks.json")
    parser.add_argument("--sheet", type=Path, help="also draw one example of each task into this PNG")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    model = load_starter(folder=options.weights)
    if options.sheet:
        evaluation_sheet(model, tasks=options.tasks).save(options.sheet)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    clips = {task: options.clips or (64 if task in TARGETED else 20) for task in options.tasks}
    settings = {"clips": clips, "noise_seeds": options.noise_seeds, "sampling": vars(STARTER_OPTIONS)}
    rows, before = [], 0
    with tqdm(total=sum(clips.values()), unit="clip") as bar:
        for task, count in clips.items():
            bar.set_description(task)
            rows += evaluate(
                model,
                tasks=[task],
                clips=count,
                noise_seeds=options.noise_seeds,
                on_done=lambda _, done, total, before=before: bar.update(before + done - bar.n),
            )
            before += count
            text = json.dumps({"torch": torch.__version__, "settings": settings, "rows": numbers(rows)}, indent=1)
            options.out.write_text(text + "\n")
    print(table(rows))


if __name__ == "__main__":
    main()
