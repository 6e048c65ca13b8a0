"""One process of a training of a tiny Wan, on drawn latents: what several processes must come to together.

`python -m torch.distributed.run --nproc-per-node 2 tests/training_processes.py FOLDER STEPS shard`; "copy" instead of
"shard" has every process hold all weights. See `tests/core/test_training_processes.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import tiny
import torch
from safetensors.torch import save_file

from vace_core import tasks
from vace_core.models.wan import dit as wan
from vace_core.training.data.cache import Cache, Encoder, fill_cache
from vace_core.training.data.example import Example
from vace_core.training.engine import accelerator
from vace_core.training.fit import fit
from vace_core.training.objective import Objective
from vace_core.training.schedule import Schedule
from vace_core.training.tuning import Tuned, copy_base, save_memory


class Drawn:
    """Examples of noise: half of each clip is made anew."""

    identity = "noise"

    def draw(self, number: int) -> Example:
        target = tiny.clip(seed=number)
        masks = torch.zeros_like(target[:, :1])
        masks[..., : 24 + number % 3] = 1
        unit = tasks.inpaint(target, masks)
        return Example(name=f"clip {number}", task="inpaint", unit=unit, target=target, prompts=("abc"[: number % 4],))


def main(folder: Path, steps: int, way: str, stop_after: float | None = None) -> None:
    torch.set_num_threads(1)
    base = tiny.base().requires_grad_(False)
    adapter = wan.build_adapter(tiny.SIZES, tiny.LAYERS)
    copy_base(adapter, base)
    save_memory(base.blocks, adapter.context_blocks)
    processes = accelerator(cpu=True)
    tuned = Tuned(base, adapter, dtype=torch.float32)  # whose sums differ by less than what the test tells apart
    encoder = Encoder(vae=tiny.vae(), encode_masks=wan.encode_masks)
    which = {"process": processes.process_index, "processes": processes.num_processes}
    fill_cache(folder / "examples", Drawn(), range(8), encoder, **which)
    processes.wait_for_everyone()
    outcome = fit(
        tuned,
        Cache(folder / "examples"),
        tiny.LetterText(),
        objective=Objective(),
        schedule=Schedule(steps=steps, learning_rate=1e-3, batch=4, micro_batch=1, warmup=1, save_every=steps // 2),
        folder=folder / "run",
        processes=processes,
        shard=[wan.WanBlock] if way == "shard" else [],
        stop_after=stop_after,
    )
    if processes.is_main_process:
        held = {type(weight).__name__ for weight in tuned.parameters()}
        save_file(outcome.weights, folder / "weights.safetensors", {"held": " ".join(held)})
    processes.wait_for_everyone()
    processes.end_training()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], float(sys.argv[4]) if len(sys.argv) > 4 else None)
    # torch's own threads may still run, and end a process that is taken down around them by SIGABRT, now and then.
    sys.stdout.flush()
    os._exit(0)
