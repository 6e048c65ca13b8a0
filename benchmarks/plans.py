"""What runs on which card, from the planner: the table in README and in results/plans.md.

    python benchmarks/plans.py            # prints it and writes results/plans.md

Nothing is measured: all figures are computed from sizes, as `vace … --profile … --memory … --dry-run` computes them.
Cards have their nominal memory less what a desktop and the driver take.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import measuring
import torch

from vace_core.cli.models import stated_sizes
from vace_core.cli.options import DtypeName, Run
from vace_core.loading.placing.measure import bytes_from_sizes
from vace_core.models.devices import Memory
from vace_core.preview.cost import GIB, ModelSizes
from vace_core.preview.plan import Job, JobPlan, plan_job
from vace_core.starter.profiles import PROFILES

CARDS = (8, 12, 16, 24, 32)  # GiB
TAKEN = 0.75  # GiB that desktop and driver take
FRAMES = 81
TABLE = measuring.RESULTS / "plans.md"
# Name, profile, and what the transformer's weights are stored in.
MODELS = (
    ("Wan 2.1 VACE 1.3B", "wan-1.3b-480p", {"bf16": None}),
    ("Wan 2.1 VACE 14B", "wan-14b-480p", {"bf16": None, "fp8": "F8_E4M3", "GGUF Q8_0": "Q8_0", "GGUF Q4_K": "Q4_K"}),
    ("VACE-LTX-Video 2B", "ltx", {"bf16": None}),
)
# Height and width by family; LTX-Video takes multiples of 32.
SIZES = {"Wan 2.1": ((480, 832), (720, 1280)), "LTX-Video 0.9": ((480, 832), (704, 1280))}
LEGEND = f"""Computed, not measured: {FRAMES} frames, the model's default options, VAE in float32, text encoder in bf16
(on the CPU where the card is too small for it). {TAKEN} GiB of a card count as taken by others. The number is the
predicted peak in GiB.

- **stays**: all networks are on the card together.
- **turns**: text encoder, VAE and transformer, one after the other.
- **streams n**: the same, and n % of the transformer's weights come from main memory in every step, block by block;
  more than 100 where prompt and negative prompt have to go one after the other.
- **tiles n**: the VAE works in tiles of n pixels.
- **VAE bf16**: with `--vae-dtype bfloat16`, without which it does not fit.
- **no**: it does not fit."""


def sizes_of(name: str, stored: str | None) -> ModelSizes:
    """What a model takes, its transformer's matrices as they are stored."""
    profile = PROFILES[name]
    sizes = stated_sizes(profile, Run(dtype=DtypeName.bfloat16))
    if stored is None:
        return sizes
    expert = bytes_from_sizes(profile.family, profile.base, profile.context_blocks, torch.bfloat16, stored=stored)
    weights = {**sizes.weights, "base and adapter": expert.total}
    return replace(sizes, experts=(expert,), weights=weights, keep_packed=True)


def cell(sizes: ModelSizes, job: Job, card: int) -> str:
    """How a job runs on a card: as the command does it, or else with what it would advise."""
    memory = Memory(name="", total=card * GIB, free=int((card - TAKEN) * GIB))
    smaller = replace(sizes, vae_bytes_per_number=2, weights={**sizes.weights, "VAE": sizes.weights["VAE"] // 2})
    for vae, each in (("", sizes), (", VAE bf16", smaller)):
        found = plan_job(each, job, memory)
        if found.fits:
            return said(found, each) + vae
    return "no"


def said(found: JobPlan, sizes: ModelSizes) -> str:
    how = "stays" if found.plan.stays else "turns"
    if found.plan.streams:
        how = f"streams {100 * found.moved_a_step / sizes.experts[0].total:.0f}"
    tiles = "" if found.plan.tile is None else f", tiles {found.plan.tile}"
    return f"{found.peak / GIB:.1f} {how}{tiles}"


def lines() -> Iterator[str]:
    cards = " | ".join(f"{card} GB" for card in CARDS)
    yield f"| model | weights | frame | {cards} |"
    yield "|---" * (3 + len(CARDS)) + "|"
    for title, name, kinds in MODELS:
        profile = PROFILES[name]
        options = profile.usual
        for kind, stored in kinds.items():
            sizes = sizes_of(name, stored)
            for height, width in SIZES[profile.family.name]:
                passes = 1 + (options.guidance_scale != 1) + (options.stg_scale != 0)
                job = Job(size=(FRAMES, height, width), steps=options.steps, passes=passes)
                cells = " | ".join(cell(sizes, job, card) for card in CARDS)
                yield f"| {title} | {kind} | {width} x {height} | {cells} |"


def table() -> str:
    return "\n".join(lines()) + f"\n\n{LEGEND}\n"


def main() -> None:
    print(table(), end="")
    TABLE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
