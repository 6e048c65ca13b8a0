"""The starter's adapter plugged into ComfyUI's own MODEL and sampled with its KSampler, against our own sampler.

    COMFYUI_PATH=/path/to/ComfyUI python benchmarks/attached.py --clips 32

Both make the same held-out clips from the same noise, and are measured as starter_tasks.py does it. Writes
results/attached.json, where other rows stay, and prints the rows: our own sampler, ComfyUI's, the mean
difference clip by clip.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import measuring
import torch
from tqdm import tqdm

sys.path.insert(0, str(measuring.ROOT / "tests" / "nodes"))
from boot import boot
from conftest import PACK, load_pack

TASKS = ("move anything", "swap anything", "inpaint")
SAMPLERS = {"euler": "euler", "uni_pc": "unipc"}  # ComfyUI's name, ours
BATCH = 8


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=32, help="held-out clips of each task")
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), metavar="TASK")
    parser.add_argument("--samplers", nargs="+", choices=list(SAMPLERS), default=list(SAMPLERS))
    parser.add_argument("--weights", type=Path, help="folder with the starter's three files, if not its own")
    parser.add_argument("--out", type=Path, default=measuring.RESULTS / "attached.json")
    options = parser.parse_args()
    options.comfyui = os.environ.get("COMFYUI_PATH") or parser.error("set COMFYUI_PATH to the folder of a ComfyUI")
    return options


class Graph:
    """The nodes as a graph would link them; what the tasks have in common is made once."""

    def __init__(self, comfy: Any, pack: Any, weights: Path | None) -> None:
        from comfy_extras.nodes_model_advanced import ModelSamplingSD3  # pyright: ignore[reportMissingImports]

        self._comfy, self._pack, starter = comfy, pack, pack.vace_core.starter.model
        if weights is not None:
            starter.WEIGHTS = weights
        self.options = starter.STARTER_OPTIONS
        self.model, base, self._adapter = self._run("VaceLoadStarter")
        self._base = ModelSamplingSD3().patch(base, self.options.shift)[0]

    def _run(self, node_id: str, **values: Any) -> Any:
        return self._pack.by_id[node_id].PREPARE_CLASS_CLONE({}).EXECUTE_NORMALIZED(**values).result

    def made_by_comfyui(self, units: list[Any], sampler: str, seed: int) -> Any:
        """Clips as decoded and finished, from KSampler on the MODEL with the adapter attached."""
        evaluation = self._pack.vace_core.starter.evaluation.sampling
        unit = evaluation.stack_units(units)
        model, latent, skip = self._run(
            "VaceAttachAdapter", model=self._base, adapter=self._adapter, vcu=unit, vae=self.model,
            strength=1.0, start_percent=0.0, end_percent=1.0,
        )  # fmt: skip
        each = [self._run("VaceEncodePrompt", clip=self.model, vcu=one) for one in units]
        texts = [[[torch.cat([pair[side][0][0] for pair in each]), {}]] for side in range(2)]
        options = self.options
        samples = self._comfy.nodes.KSampler().sample(
            model, seed, options.steps, options.guidance_scale, sampler, "simple", *texts, latent
        )[0]["samples"]
        video = self._pack.nodes.comfy.bridge.normalised(samples)[:, :, skip:]
        return evaluation.finish(self.model.core.vae.decode(video).float().cpu(), units)

    def made_by_us(self, units: list[Any], solver: str, seed: int) -> Any:
        options = replace(self.options, solver=solver, seed=seed)
        return self._pack.vace_core.starter.evaluation.sampling.make(self.model.core, units, options)


def measured(graph: Graph, evaluation: Any, task: str, clips: int, sampler: str, bar: tqdm) -> list[dict[str, Any]]:
    measures = evaluation.trials.TRIALS[task].measures
    found = evaluation.held_out(task, evaluation.SPLITS["in the world"], clips)
    values: dict[str, list[list[float]]] = {measure.metric: [] for measure in measures}
    pixels: list[float] = []
    for start in range(0, clips, BATCH):
        batch = found[start : start + BATCH]
        units = [example.vcu for example in batch]
        both = graph.made_by_us(units, SAMPLERS[sampler], start), graph.made_by_comfyui(units, sampler, start)
        pixels += (both[0].decoded - both[1].decoded).abs().flatten(1).mean(dim=1).tolist()
        for measure in measures:
            for at, example in enumerate(batch):
                scores = [measure.score(example, one.finished[at : at + 1]) for one in both]
                values[measure.metric].append(scores)
        bar.update(len(batch))
    said = {"task": task, "sampler": sampler, "pixels apart, mean of -1..1": sum(pixels) / len(pixels)}
    return [{**said, **_row(evaluation, metric, torch.tensor(some))} for metric, some in values.items()]


def _row(evaluation: Any, metric: str, values: torch.Tensor) -> dict[str, Any]:
    values = values[values.isfinite().all(dim=1)]
    ours, theirs, difference = (
        asdict(evaluation.report.score_of(some[:, None])) for some in (*values.T, values[:, 1] - values[:, 0])
    )
    return {"metric": metric, "n": len(values), "our sampler": ours, "KSampler": theirs, "difference": difference}


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        comfy = boot(Path(options.comfyui), Path(folder))
        pack = load_pack(PACK)
        evaluation = importlib.import_module(f"{PACK}.vace_core.starter.evaluation")
        graph = Graph(comfy, pack, options.weights)
        rows: list[dict[str, Any]] = []
        jobs = [(task, sampler) for task in options.tasks for sampler in options.samplers]
        with tqdm(total=len(jobs) * options.clips, unit="clip") as bar:
            for task, sampler in jobs:
                bar.set_description(f"{task}, {sampler}")
                rows += measured(graph, evaluation, task, options.clips, sampler, bar)
    from comfyui_version import __version__  # pyright: ignore[reportMissingImports]

    earlier = json.loads(options.out.read_text())["runs"] if options.out.exists() else {}
    others = [row for row in earlier.get(__version__, {}).get("rows", []) if (row["task"], row["sampler"]) not in jobs]
    runs = {**earlier, __version__: {"torch": torch.__version__, "rows": others + rows}}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"runs": runs}, indent=1) + "\n")
    for row in rows:
        means = " ".join(f"{row[who]['mean']:8.3f}" for who in ("our sampler", "KSampler"))
        difference = "{mean:+.3f} ± {error:.3f}".format(**row["difference"])
        print(f"{row['task']:<16}{row['sampler']:<8}{row['metric']:<34}{means} {difference}")


if __name__ == "__main__":
    main()
