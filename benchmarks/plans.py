"""What runs on which card, from the planner.

    python benchmarks/plans.py

Nothing is measured: all figures are computed from sizes. Cards have their nominal memory less what a desktop and the
driver take.
"""

from __future__ import annotations

from dataclasses import replace

import torch

from vace_core.cli.models import stated_sizes
from vace_core.cli.options import Run, VaeDtypeName
from vace_core.loading.placing.measure import bytes_from_sizes
from vace_core.models.devices import Memory
from vace_core.preview.cost import GIB, ModelSizes
from vace_core.preview.plan import Job, JobPlan, plan_job
from vace_core.starter.profiles import PROFILES

CARDS = (8, 12, 16, 24, 48, 80)  # GiB
TAKEN = 0.75  # GiB that desktop and driver take
NAMES = ("wan-1.3b-480p", "wan-14b-480p", "wan-14b-720p", "fun-pair", "ltx")


def sizes_of(name: str, *, float8: bool) -> ModelSizes:
    """Weights in bfloat16 or float8; the VAE in bfloat16, text encoder in bfloat16."""
    profile = PROFILES[name]
    sizes = stated_sizes(profile, Run(vae_dtype=VaeDtypeName.bfloat16))
    if not float8:
        return sizes
    expert = bytes_from_sizes(profile.family, profile.base, profile.context_blocks, torch.float8_e4m3fn)
    largest = profile.base.width * max(6 * profile.base.width, profile.base.ffn) * sizes.bytes_per_number
    experts = tuple(replace(expert, unpacking=largest) for _ in sizes.experts)
    return replace(sizes, experts=experts, keep_packed=True)


def said(found: JobPlan) -> str:
    if not found.fits:
        return "no"
    if found.plan.stays:
        return f"all stays, {found.peak / GIB:.1f}"
    tiles = "" if found.plan.tile is None else f", tiles {found.plan.tile}"
    if not found.plan.streams:
        return f"stage by stage, {found.peak / GIB:.1f}{tiles}"
    return f"{found.moved_a_step / GIB:.1f} streamed a step, {found.peak / GIB:.1f}{tiles}"


def main() -> None:
    print("| model | weights | frames | " + " | ".join(f"{card} GiB" for card in CARDS) + " |")
    print("| --- " * (3 + len(CARDS)) + "|")
    for name in NAMES:
        profile = PROFILES[name]
        frames = profile.rule.usual(*profile.size)
        options = profile.usual
        passes = 1 + (options.guidance_scale != 1) + (options.stg_scale != 0)
        job = Job(size=(frames, *profile.size), steps=options.steps, passes=passes)
        for float8 in (False, True):
            sizes = sizes_of(name, float8=float8)
            cells = []
            for card in CARDS:
                memory = Memory(name="", total=card * GIB, free=int((card - TAKEN) * GIB))
                cells.append(said(plan_job(sizes, job, memory)))
            clip = f"{frames} of {profile.size[1]} x {profile.size[0]}"
            print(f"| {profile.title} | {'fp8' if float8 else 'bf16'} | {clip} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
