"""Measures rows in one process: `python -m tests.reliability.probe --rows 6 7 --out FILE [--comfyui FOLDER] [--quick]`.

What is printed by ComfyUI goes to the same place as always; the result is written to FILE as JSON.
"""

from __future__ import annotations

import argparse
import importlib
import json
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

MODULES = (
    "importing",
    "sizes",
    "zoo",
    "spoiled",
    "running",
    "touching",
    "paths",
    "widgets",
    "internals",
    "core_faults",
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--comfyui", type=Path)
    parser.add_argument("--quick", action="store_true", help="a part of the cases of each row")
    options = parser.parse_args()
    from .pack import start

    results: dict[str, Any] = {}
    # What ComfyUI still has open on some systems must not fail a run that is over.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        pack = start(options.comfyui, Path(folder).resolve(), quick=options.quick)
        probes = {}
        for name in MODULES:
            probes |= importlib.import_module(f".{name}", __package__).HOSTED
        for row in options.rows:
            probe, before = probes[int(row) if row.isdigit() else row], time.monotonic()
            try:
                found = probe(pack)
            except Exception:
                found = {"failed": traceback.format_exc()[-3000:]}
            if found is not None:
                results[row] = {**found, "seconds": round(time.monotonic() - before, 1)}
            results["said"] = sorted(set(pack.said))
            options.out.write_text(json.dumps(results, default=str))


if __name__ == "__main__":
    main()
