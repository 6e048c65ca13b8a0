"""How jobs of published models share devices of several sizes: figures that were looked at.

After a change that is meant, `python tests/core/test_plan_golden.py` writes them anew; look at each.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from vace_core.cli.models import stated_sizes
from vace_core.cli.options import Run
from vace_core.models.devices import Memory
from vace_core.preview.plan import Job, advice, plan_job
from vace_core.starter.profiles import PROFILES

GOLDEN = Path(__file__).with_name("golden") / "plans.json"
MIB = 2**20
JOBS = {
    "starter": Job(size=(17, 128, 128), references=1, steps=4, passes=1),
    "wan-1.3b-480p": Job(size=(81, 480, 832), steps=50, passes=2),
    "wan-14b-480p": Job(size=(81, 480, 832), references=2, steps=50, passes=2),
    "fun-pair": Job(size=(49, 480, 832), steps=4, passes=1),
    "ltx": Job(size=(97, 512, 768), steps=40, passes=3),
}
FREE = {  # MiB
    "starter": (40, 56, 80, 112, 2000), "wan-1.3b-480p": (2900, 4200, 5500, 8000, 24000),
    "wan-14b-480p": (5500, 7000, 8000, 12000, 24000, 40000, 80000), "fun-pair": (7000, 12000, 24000, 40000, 80000),
    "ltx": (2900, 4500, 6000, 8000, 24000)
}  # fmt: skip


def told(name: str) -> dict[str, Any]:
    """The plan on each device, and what is advised where the job does not fit."""
    sizes, job, found = stated_sizes(PROFILES[name], Run()), JOBS[name], {}
    for free, host in (*((one, False) for one in FREE[name]), (16000, True)):
        memory = Memory(name="CPU" if host else "a card", total=free * MIB, free=free * MIB, is_host=host)
        plan = plan_job(sizes, job, memory)
        said = [f"{one}: {words}" for one, words in plan.rows()]
        found[f"{memory.name} of {free} MiB"] = {
            "rows": said, "plan": asdict(plan.plan), "peaks": [one.peak for one in plan.stages], "host": plan.host,
            "moved": [(one.moved, one.moved_a_step) for one in plan.stages],
            "advice": "" if plan.fits else advice(sizes, job, memory),
        }  # fmt: skip
    large = replace(sizes, vae_bytes_per_number=4, keep_packed=True, tile=256)
    memory = Memory(name="a card", total=FREE[name][1] * MIB, free=FREE[name][1] * MIB)
    found["a large VAE in tiles"] = [*map(list, plan_job(large, job, memory).rows()), advice(large, job, memory)]
    return found


@pytest.mark.parametrize("name", JOBS)
def test_a_job_is_planned_as_it_was_when_it_was_looked_at(name: str):
    assert json.loads(json.dumps(told(name))) == json.loads(GOLDEN.read_text(encoding="utf-8"))[name]


if __name__ == "__main__":
    rows = (f"{json.dumps(name)}: {json.dumps(told(name), separators=(',', ':'))}" for name in JOBS)
    GOLDEN.write_text("{" + ",\n".join(rows) + "}\n", encoding="utf-8")
