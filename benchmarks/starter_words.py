"""How often the starter's base draws what the words ask for, alone: shape, colour and direction.

    OMP_NUM_THREADS=1 python benchmarks/starter_words.py --weights FOLDER --frames 1

Held-out prompts of one object before a muted backdrop. Needs the base and the VAE, no adapter: a base that is still
learning can be asked. Computed in bfloat16 where the processor has it. In a single frame nothing moves, so that "all
right" is shape and colour there. Of each shape it also says how often it was drawn and what was drawn instead.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import measuring
from torch import Tensor

from vace_core.pipeline import SamplingOptions, VaceModel
from vace_core.starter.evaluation.comparison import Split, held_out
from vace_core.starter.evaluation.loaded import load_scenes
from vace_core.starter.evaluation.outlines import shape_of
from vace_core.starter.evaluation.sampling import make, through_vae
from vace_core.starter.evaluation.trials import TRIALS, outline_of
from vace_core.starter.model import STARTER_OPTIONS, WEIGHTS
from vace_core.starter.scenes.clips import Bucket
from vace_core.starter.scenes.samples import Sample

TRIAL = TRIALS["text"]
WHO = ("drawn", "true clip after the VAE")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder with base.safetensors")
    parser.add_argument("--base", type=Path, help="file of the base, where it has another name")
    parser.add_argument("--vae", type=Path, help="file of the VAE; else that of the folder, or the one that ships")
    parser.add_argument("--prompts", type=int, default=128)
    parser.add_argument("--frames", type=int, default=17, help="1, or 4n + 1")
    parser.add_argument("--side", type=int, default=96, help="pixels, a multiple of 16")
    own = STARTER_OPTIONS
    parser.add_argument("--steps", type=int, default=own.steps, help="else sampled as the starter comes")
    parser.add_argument("--guidance", type=float, default=own.guidance_scale)
    parser.add_argument("--shift", type=float, default=own.shift)
    parser.add_argument("--solver", default=own.solver)
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--unseen", action="store_true", help="pairs of shape and colour that training never shows")
    parser.add_argument("--batch", type=int, default=32, help="clips that are made together")
    parser.add_argument("--out", type=Path, help="also write the numbers into this JSON")
    return parser.parse_args()


def drawn(model: VaceModel, examples: Sequence[Sample], options: SamplingOptions, batch: int) -> list[Tensor]:
    """A clip `(1, 3, T, H, W)` of each example's words."""
    made: list[Tensor] = []
    for start in range(0, len(examples), batch):
        units = [example.vcu for example in examples[start : start + batch]]
        # Noise of its own for each batch, or prompts of different batches would not be independent.
        made += make(model, units, replace(options, seed=options.seed + 1000 * start)).finished.split(1)
    return made


def rate(values: Sequence[float]) -> tuple[float, float]:
    """The mean, and its standard error."""
    mean = sum(values) / len(values)
    return mean, math.sqrt(mean * (1 - mean) / max(len(values) - 1, 1))


def main() -> None:
    options = arguments()
    own = options.weights / "vae.safetensors"
    vae = options.vae or (own if own.is_file() else WEIGHTS / "vae.safetensors")
    model = load_scenes(options.base or options.weights / "base.safetensors", vae)
    sampling = SamplingOptions(
        steps=options.steps,
        shift=options.shift,
        guidance_scale=options.guidance,
        solver=options.solver,
        negative_prompt="",
        strength=0.0,
        seed=options.seed,
    )
    bucket = Bucket(num_frames=options.frames, height=options.side, width=options.side)
    examples = held_out("text", Split(name="", buckets=(bucket,), unseen=options.unseen), options.prompts)
    begun = time.monotonic()
    clips = {WHO[0]: drawn(model, examples, sampling, options.batch)}
    seconds = time.monotonic() - begun
    truth = [example.clip.frames for example in examples]
    clips[WHO[1]] = [through_vae(model.vae, clip) for clip in truth]

    found: dict[str, dict[str, tuple[float, float]]] = {}
    for measure in TRIAL.measures:
        scores = {who: [measure.score(*pair) for pair in zip(examples, clips[who], strict=True)] for who in WHO}
        found[measure.metric] = {who: rate(values) for who, values in scores.items()}
    kind = f"{options.frames} frames of {options.side}x{options.side}"
    measuring.show(
        f"{len(examples)} prompts, {kind}, {options.steps} steps of {options.solver}, shift {options.shift:g}, "
        f"guidance {options.guidance:g}: {seconds:.0f} s",
        ["", *WHO],
        [[name, *(f"{by[who][0]:.3f} \u00b1 {by[who][1]:.3f}" for who in WHO)] for name, by in found.items()],
    )

    instead: dict[str, Counter[str]] = defaultdict(Counter)
    for example, clip in zip(examples, clips[WHO[0]], strict=True):
        item = example.clip.objects[0]
        instead[item.shape][shape_of(outline_of(clip, item, alone=True)) or "nothing"] += 1
    rows = [[shape, ", ".join(f"{n} {name}" for name, n in some.most_common())] for shape, some in instead.items()]
    measuring.show("Shapes", ["asked for", "drawn"], sorted(rows))
    if options.out:
        told = {name: str(value) if isinstance(value, Path) else value for name, value in vars(options).items()}
        options.out.write_text(json.dumps({"options": told, "found": found, "shapes": instead}, indent=1) + "\n")


if __name__ == "__main__":
    main()
