"""Row 24: the largest difference to the reference implementations, stage by stage, as the parity tests measure it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from .pack import ROOT
from .row import Row

STAGES = {
    "test_wan_dit": "Wan transformer with adapter, against diffusers",
    "test_wan_vae": "Wan VAE, against diffusers",
    "test_umt5": "umT5 text encoder, against transformers and diffusers",
    "test_samplers": "UniPC, DPM-Solver++ and Euler, against diffusers",
    "test_ltx_dit": "LTX transformer, against diffusers",
    "test_ltx_vae": "LTX VAE, against diffusers",
    "test_ltx_vace": "LTX with adapter, and a whole job, against golden tensors of the official code",
    "test_t5": "T5 text encoder, against transformers",
}
SINGLE = 1e-5  # what float32 may differ by; larger bounds in the tests are of bfloat16, and are left out


def parity() -> dict[str, Any]:
    """Runs the parity tests and collects what they measured."""
    with tempfile.TemporaryDirectory() as name:
        record = Path(name) / "record.json"
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONPYCACHEPREFIX": name,  # assertions are compiled again, with the hook in them
            "VACE_RECORD": str(record),
        }
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "tests.reliability.recorder",
                   "-o", "enable_assertion_pass_hook=true", "tests/parity"]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        found = json.loads(record.read_text()) if record.exists() else []
    stages: dict[str, Any] = {}
    for one in found:
        stage = one["test"].split(".py")[0]
        if one["bound"] > SINGLE or stage not in STAGES:
            continue
        known = stages.setdefault(STAGES[stage], {"largest": 0.0, "comparisons": 0})
        known["largest"], known["comparisons"] = max(known["largest"], one["value"]), known["comparisons"] + 1
    return {"exit": done.returncode, "stages": stages, "last lines": done.stdout[-300:]}


def row_24(found: dict[str, Any]) -> Row:
    stages = found["stages"]
    worst = max((one["largest"] for one in stages.values()), default=float("nan"))
    count = sum(one["comparisons"] for one in stages.values())
    return Row(
        24,
        f"{worst:.1e} at most, in {count} comparisons of {len(stages)} stages",
        found["exit"] == 0 and len(stages) == len(STAGES) and worst <= SINGLE,
        "Largest difference over largest value, in float32, as the parity tests measure it; by stage in the table "
        "below.",
    )
