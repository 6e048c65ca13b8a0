"""The starter's thirteen tasks and latent blending with its base alone, as folders that `vace evaluate` measures.

    python benchmarks/evaluate_starter.py FOLDER --clips 4
    vace evaluate FOLDER/samples --method starter=FOLDER/starter --method "latent blending=FOLDER/blending" \\
        --vae starter -o FOLDER/page.html

Writes a manifest with the samples, and every result without loss, as it was decoded and as it was pasted back.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from tqdm import tqdm

from vace_core.media.pictures import write_image
from vace_core.media.write import write_video
from vace_core.starter.evaluation import SPLITS, held_out
from vace_core.starter.evaluation.sampling import Made, make
from vace_core.starter.evaluation.trials import TRIALS
from vace_core.starter.model import STARTER_OPTIONS, load_starter
from vace_core.starter.scenes.render import FPS
from vace_core.starter.scenes.samples import COMPOSED, Sample

TASKS = tuple(name for name, trial in TRIALS.items() if trial.task is None and name not in COMPOSED)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=4, help="held-out clips of each task")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS, metavar="TASK")
    return parser.parse_args()


def write(path: Path, frames: torch.Tensor) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, frames, fps=FPS, lossless=True)
    return path.name


def asked(folder: Path, name: str, example: Sample) -> dict[str, object]:
    """The files of one sample, and its row of the manifest."""
    unit = example.vcu
    row: dict[str, object] = {"name": name, "task": example.task, "prompt": unit.prompt, "kind": "generated"}
    row["video"] = write(folder / f"{name}_video.mkv", example.clip.frames)
    row["mask"] = write(folder / f"{name}_mask.mkv", (unit.masks * 2 - 1).expand(-1, 3, -1, -1, -1))
    for part in ("source", "control"):
        if (clip := getattr(unit, part)) is not None:
            row[part] = write(folder / f"{name}_{part}.mkv", clip)
    row["references"] = []
    for number, picture in enumerate(unit.references):
        path = folder / f"{name}_reference{number}.png"
        write_image(path, picture)
        row["references"].append(path.name)
    return row


def blended(model, example: Sample) -> Made:
    """The base alone, with what is kept put back into the latents at every step, and into the pixels at the end."""
    unit = replace(example.vcu, references=())
    return make(model, [unit], replace(STARTER_OPTIONS, strength=0.0, seed=0), pin=unit.source is not None)


def main() -> None:
    options = arguments()
    model, rows = load_starter(), []
    for task in tqdm(options.tasks):
        for number, example in enumerate(held_out(task, SPLITS["in the world"], options.clips)):
            name = f"{task.replace(' ', '-')}-{number}"
            rows.append(asked(options.folder / "samples", name, example))
            results = {
                "starter": make(model, [example.vcu], replace(STARTER_OPTIONS, seed=0)),
                "blending": blended(model, example),
            }
            for method, made in results.items():
                write(options.folder / method / f"{name}.mkv", made.finished)
                write(options.folder / method / "decoded" / f"{name}.mkv", made.decoded)
        # After each task what there is so far.
        (options.folder / "samples" / "manifest.json").write_text(json.dumps({"samples": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
