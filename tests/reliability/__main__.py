"""The fault list: measures every row and writes benchmarks/results/reliability.json and docs/reliability.md.

    COMFYUI_PATH=… COMFYUI_PYTHON=… COMFYUI_PATH_2026=… COMFYUI_PYTHON_2026=… python -m tests.reliability

Each ComfyUI is run by its own Python, which needs pytest and hypothesis beside what ComfyUI needs. Without them the
rows that need one are measured on the tests' stand-in as far as that goes. `--rows 6 7` measures some rows again and
keeps the others as they were.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import (
    browser,
    core_faults,
    environment,
    files,
    importing,
    internals,
    messages,
    parity,
    paths,
    report,
    running,
    sizes,
    spoiled,
    touching,
    widgets,
    zoo,
)
from .pack import ROOT
from .row import FAULTS, Row

RESULTS = ROOT / "benchmarks" / "results" / "reliability.json"
MEASURED = ROOT / "build" / "reliability.json"  # everything that was seen, so that a row can be measured alone
DOCUMENT = ROOT / "docs" / "reliability.md"
STANDIN = "stand-in"
HOSTED: dict[Any, Any] = {}
ROWS: dict[int, Callable[[dict[str, Any]], Row]] = {}
for module in (sizes, zoo, spoiled, running, touching, paths, widgets, internals, importing, core_faults):
    HOSTED |= module.HOSTED
    ROWS |= getattr(module, "ROWS", {})


def hosts() -> dict[str, tuple[str, Path | None]]:
    """Where the pack is measured: by name, a Python and a ComfyUI."""
    found: dict[str, tuple[str, Path | None]] = {STANDIN: (sys.executable, None)}
    for ending in ("", "_2026"):
        path, python = (
            os.environ.get(f"COMFYUI_PATH{ending}"),
            os.environ.get(f"COMFYUI_PYTHON{ending}", sys.executable),
        )
        if path:
            version = (Path(path) / "comfyui_version.py").read_text(encoding="utf-8").split('"')[1]
            found[f"ComfyUI {version}"] = (python, Path(path))
    return found


def run(python: str, module: str, *words: str) -> dict[str, Any]:
    """What a module of the rows wrote as JSON, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.json"
        environment_ = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": ""}
        command = [python, "-m", f"tests.reliability.{module}", "--out", str(out), *words]
        done = subprocess.run(command, env=environment_, capture_output=True, text=True, check=False)
        if not out.exists():
            return {"failed": (done.stdout + done.stderr)[-2000:]}
        return json.loads(out.read_text(encoding="utf-8"))


def measure(wanted: set[str], known: dict[str, Any], keep: Callable[[], None]) -> None:
    """Measures what is wanted into `known`, and keeps it after every part."""
    for name, (python, comfyui) in hosts().items():
        rows = [str(one) for one in HOSTED if str(one) in wanted]
        place = ["--comfyui", str(comfyui)] if comfyui else []
        if rows:
            found = run(python, "probe", "--rows", *rows, *place)
            said = known.setdefault("said", {}).setdefault(name, [])
            said[:] = sorted({*said, *found.pop("said", [])})
            for row in rows:
                # A row that cannot be measured there must not keep what was measured before.
                known.setdefault("hosted", {}).setdefault(row, {}).pop(name, None)
            for row, one in found.items():
                known["hosted"].setdefault(row, {})[name] = one
            keep()
        if "2" in wanted:
            run(python, "importing", *place)  # writes the bytecode, as the first start of a new version does
            known.setdefault("costs", {})[name] = run(python, "importing", *place)
            if comfyui:
                known.setdefault("servers", {})[name] = importing.served(python, comfyui)
            keep()
    comfyuis = {name: path for name, (_, path) in hosts().items() if path}
    for row, key, call in (
        ("1", "library", importing.library_alone),
        ("5", "coverage", lambda: environment.coverage(environment.standin_forms())),
        ("17", "files", files.hostile_files),
        ("19", "resolved", lambda: environment.resolved(comfyuis)),
        ("19", "suites", _suites),
        ("21", "portable", environment.portable),
        ("24", "parity", parity.parity),
    ):
        if row in wanted:
            known[key] = call()
            keep()


def _suites() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        return environment.suites(Path(folder))


def judged(known: dict[str, Any]) -> tuple[list[Row], dict[int, list[str]]]:
    """The rows that the measurements give, and where each was measured."""
    hosted = {
        int(row): {name: one for name, one in found.items() if one and "failed" not in one}
        for row, found in known.get("hosted", {}).items()
        if row.isdigit()
    }
    rows = [row(hosted[number]) for number, row in ROWS.items() if hosted.get(number)]
    said = sorted({message for one in known.get("said", {}).values() for message in one})
    editor = browser.measured()
    rows += [browser.row_4(editor), browser.row_22(editor), browser.row_23(editor)]
    rows.append(messages.row_25(messages.written(), said))
    costs = {name: one for name, one in known.get("costs", {}).items() if "failed" not in one}
    for there, row in (
        ("library" in known and 1 in hosted, lambda: importing.row_1(hosted[1], known["library"])),
        (costs, lambda: importing.row_2(costs, known.get("servers", {}))),
        ("coverage" in known, lambda: environment.row_5(known["coverage"])),
        ("files" in known, lambda: files.row_17(known["files"], hosted.get(17, {}))),
        ("suites" in known, lambda: environment.row_19(known["resolved"], known["suites"])),
        ("portable" in known, lambda: environment.row_21(known["portable"])),
        ("parity" in known, lambda: parity.row_24(known["parity"])),
    ):
        if there:
            rows.append(row())
    return rows, {number: list(found) for number, found in hosted.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    choices = [*map(str, FAULTS), "core"]
    parser.add_argument("--rows", nargs="*", choices=choices, default=choices)
    options = parser.parse_args()
    known: dict[str, Any] = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}

    def keep() -> None:
        rows, places = judged(known)
        text = {"rows": [vars(row) for row in sorted(rows, key=lambda row: row.number)]}
        MEASURED.parent.mkdir(exist_ok=True)
        MEASURED.write_text(json.dumps(known, default=str), encoding="utf-8")
        RESULTS.write_text(json.dumps(text, indent=1, default=str) + "\n", encoding="utf-8")
        cases = {name: one for name, one in known.get("hosted", {}).get("core", {}).items() if one and "cases" in one}
        report.written(
            DOCUMENT,
            {
                "rows": report.scoreboard(rows, places),
                "methods": report.methods(rows),
                "core": report.core(cases),
                "edits": report.edits(browser.template_edits(browser.measured())),
                "stages": report.stages(known.get("parity", {}).get("stages", {})),
            },
        )

    start = time.monotonic()
    measure(set(options.rows), known, keep)
    keep()
    rows, _ = judged(known)
    met = sum(row.met is True for row in rows)
    print(f"{met} of {len(FAULTS)} rows met, in {time.monotonic() - start:.0f} s; see {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
