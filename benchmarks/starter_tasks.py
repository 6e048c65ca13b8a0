"""How well the starter does each task on clips it has not seen, and what others make of the same.

    OMP_NUM_THREADS=1 python benchmarks/starter_tasks.py --weights FOLDER --sheet starter_tasks.png

Adapter on, off, the ceiling after the VAE, the true clip, and rivals that know no VACE; 64 held-out clips of each task,
each made with two seeds: in the world, with combinations that training never shows, and in sizes that it never shows.
Computed in bfloat16 where the processor has it. Writes the JSON whole after each task and split; started again with the
same weights, settings and code, it goes on where it was. Several processes do different tasks into different files, and
`--merge FILE FILE` makes one file and one table of them.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import measuring
import torch
from tqdm import tqdm

from vace_core.pipeline import SamplingOptions, VaceModel
from vace_core.starter import evaluation, scenes
from vace_core.starter.evaluation.comparison import SPLITS, compare, held_out, label_of, splits_of
from vace_core.starter.evaluation.loaded import load_scenes
from vace_core.starter.evaluation.report import numbers, rows_of, table
from vace_core.starter.evaluation.sheet import sheet_of
from vace_core.starter.evaluation.trials import TRIALS
from vace_core.starter.model import PARTS, STARTER_OPTIONS, WEIGHTS, part_file
from vace_core.training.precision import training_dtype

Rows = dict[str, list[dict[str, Any]]]
"""What was measured, by `label_of` its trial and split."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=64, help="held-out clips of each task and split")
    parser.add_argument("--noise-seeds", type=int, nargs="+", default=[0, 1], help="each clip is made once with each")
    parser.add_argument("--tasks", nargs="+", choices=list(TRIALS), default=list(TRIALS), metavar="TASK")
    parser.add_argument("--splits", nargs="+", choices=list(SPLITS), default=list(SPLITS), metavar="SPLIT")
    own = STARTER_OPTIONS
    parser.add_argument("--steps", type=int, default=own.steps, help="else sampled as the starter comes")
    parser.add_argument("--guidance", type=float, default=own.guidance_scale)
    parser.add_argument("--shift", type=float, default=own.shift)
    parser.add_argument("--solver", default=own.solver)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with the starter's three files")
    parser.add_argument("--out", type=Path, default=measuring.RESULTS / "starter_tasks.json")
    parser.add_argument("--sheet", type=Path, help="also draw one example of each task into this PNG")
    parser.add_argument("--merge", type=Path, nargs="+", help="compute nothing: join these files of results into --out")
    return parser.parse_args()


def fingerprint(folder: Path) -> dict[str, str]:
    """By part of the model the sha256 of its file."""
    return {part: hashlib.sha256(part_file(folder, part).read_bytes()).hexdigest() for part in PARTS}


def read(path: Path, settings: Mapping[str, Any]) -> Rows:
    """The rows in a file of results; none if it is not there, or was made with other weights or settings."""
    told: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if told.get("settings") != settings:
        if told:
            print(f"{path} is of other weights or settings and will be replaced.")
        return {}
    rows: Rows = {}
    for row in told["rows"]:
        rows.setdefault(row["task"], []).append(row)
    return rows


def ordered(rows: Rows) -> list[dict[str, Any]]:
    """The rows split by split, in the order of the trials."""
    labels = [label_of(task, split) for split in SPLITS.values() for task in TRIALS]
    return [row for label in labels for row in rows.get(label, [])]


def write(path: Path, settings: Mapping[str, Any], rows: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {"torch": torch.__version__, "settings": settings, "rows": ordered(rows)}
    part = path.with_name(f"{path.name}.part")
    part.write_text(json.dumps(told, indent=1) + "\n")
    part.replace(path)


def merged(paths: Sequence[Path], out: Path) -> tuple[dict[str, Any], Rows]:
    """Settings and rows of several files, written as one."""
    settings = json.loads(paths[0].read_text())["settings"]
    rows: Rows = {}
    for path in paths:
        if json.loads(path.read_text())["settings"] != settings:
            raise SystemExit(
                f"{path} was made with other weights or settings than {paths[0]}; measure one of them again."
            )
        rows |= read(path, settings)
    write(out, settings, rows)
    return settings, rows


def measured(
    model: VaceModel, options: argparse.Namespace, settings: Mapping[str, Any], sampling: SamplingOptions
) -> Rows:
    """All that is asked for: what the file of results has, and the rest."""
    rows = read(options.out, settings)
    asked = [(task, split) for task in options.tasks for split in options.splits if split in splits_of(task)]
    left = [(task, SPLITS[split]) for task, split in asked if label_of(task, SPLITS[split]) not in rows]
    with tqdm(total=options.clips * len(left), unit="clip") as bar:
        for number, (task, split) in enumerate(left):
            bar.set_description(label_of(task, split))
            before = number * options.clips
            made = compare(
                model,
                task,
                split,
                clips=options.clips,
                noise_seeds=options.noise_seeds,
                options=sampling,
                on_done=lambda done, _, before=before: bar.update(before + done - bar.n),
            )
            rows[label_of(task, split)] = numbers(made)
            write(options.out, settings, rows)
    return rows


def code() -> str:
    """What tells the scores, rivals and scenes of now from others: rows of both are not mixed."""
    found = hashlib.sha256()
    for part in (evaluation, scenes):
        for path in sorted(Path(part.__file__).parent.glob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def main() -> None:
    options = arguments()
    # That the base alone reads no condition is the point of it.
    logging.getLogger("vace").setLevel(logging.ERROR)
    if options.merge:
        settings, rows = merged(options.merge, options.out)
    else:
        sampling = SamplingOptions(
            steps=options.steps,
            shift=options.shift,
            guidance_scale=options.guidance,
            solver=options.solver,
            negative_prompt="",
        )
        vae, base, adapter = (part_file(options.weights, part) for part in PARTS)
        weights = fingerprint(options.weights)  # before they are read: a training may put others in their place
        model = load_scenes(base, vae, adapter)
        settings = {
            "code": code(),
            "clips": options.clips,
            "noise_seeds": options.noise_seeds,
            "sampling": json.loads(json.dumps(asdict(sampling))),
            "computed_in": str(training_dtype()),
            "weights": weights,
        }
        if options.sheet:
            usual = {task: SPLITS[splits_of(task)[0]] for task in options.tasks}
            chosen = {task: held_out(task, split, 1)[0] for task, split in usual.items()}
            sheet_of(model, chosen, sampling).save(options.sheet)
        rows = measured(model, options, settings, sampling)
    told = settings["sampling"]
    print(
        f"{settings['clips']} clips, noise seeds {settings['noise_seeds']}, {told['steps']} steps of {told['solver']}, "
        f"shift {told['shift']:g}, guidance {told['guidance_scale']:g}, computed in {settings['computed_in']}\n"
    )
    print(table(rows_of(ordered(rows))))


if __name__ == "__main__":
    main()
