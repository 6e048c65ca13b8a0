"""The script for a card runs as it stands, at toy sizes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.py"


def test_all_its_parts_run():
    done = subprocess.run([sys.executable, SCRIPT, "--quick"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = ("LTX-Video; layout", "vace_core, compiled", "text, no bias", "decode; vace_core, tiles", "toy; equal; True")
    for row in (*rows, "float8 as it is used; from the CPU's"):
        assert row in done.stdout
    assert "left out" not in done.stdout
