"""Rows 4, 22 and 23: what the tests in real frontends measured (benchmarks/results/editor.json)."""

from __future__ import annotations

import json
import re
from typing import Any

from .pack import ROOT
from .row import Row

RESULTS = ROOT / "benchmarks" / "results" / "editor.json"
NONE = "not measured"
HOW = "EDITOR_RESULTS=benchmarks/results/editor.json python -m pytest tests/browser"


def measured() -> dict[str, Any]:
    """By frontend and mode."""
    return json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}


def template_edits(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What was checked and what was lost of all templates, by frontend and mode: the sum of its parts."""
    summed: dict[str, dict[str, Any]] = {}
    for kind, one in sorted(found.items()):
        parts = one.get("template edits", {}).values()
        if parts:
            summed[kind] = {"templates": sum(part["templates"] for part in parts)}
            for what in ("checked", "lost"):
                counts = [part[what] for part in parts]
                summed[kind][what] = {event: sum(count[event] for count in counts) for event in counts[0]}
    return summed


def globals_written() -> dict[str, Any]:
    """What the pack's scripts change outside of themselves, and the names of their extensions."""
    writes, names = [], []
    for path in sorted([*(ROOT / "web").rglob("*.js"), *(ROOT / "web").rglob("*.mjs")]):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            code = line.split("//")[0]
            if re.search(r"\b(window|globalThis|self)\.\w+\s*=[^=]", code) or re.search(
                r"\b(LGraph\w*|LiteGraph|app|Element|Array|Object|String|HTMLElement|Node)\.prototype\.\w+\s*=[^=]|"
                r"\b(LiteGraph|LGraphCanvas)\.\w+\s*=[^=]", code
            ):  # fmt: skip
                writes.append(f"{path.relative_to(ROOT)}:{number}: {code.strip()[:100]}")
            names += re.findall(r'name:\s*"(VACE[^"]*|Vace[^"]*|vace[^"]*)"', code)
    return {"writes": writes, "names": names, "twice": sorted({name for name in names if names.count(name) > 1})}


def row_4(found: dict[str, Any]) -> Row:
    kinds = {kind: one["workflows"] for kind, one in found.items() if isinstance(one, dict) and "workflows" in one}
    if not kinds:
        return Row(4, NONE, None, f"From {HOW}.")
    total = {name: sum(one[name] for one in kinds.values()) for name in ("opened", "missing", "null", "other prompt")}
    return Row(
        4,
        f"{total['opened']} openings in {len(kinds)} frontends and modes: {total['missing']} missing, {total['null']} "
        f"null, {total['other prompt']} prompts unlike the frozen ones",
        not (total["missing"] or total["null"] or total["other prompt"]),
        f"Every workflow and blueprint in {', '.join(sorted(kinds))}.",
        kinds,
    )


def row_22(found: dict[str, Any]) -> Row:
    lint = globals_written()
    tests = {kind: one["tests"] for kind, one in found.items() if isinstance(one, dict) and "tests" in one}
    passed, failed = (sum(one.get(what, 0) for one in tests.values()) for what in ("passed", "failed"))
    result = f"writes outside of itself {len(lint['writes'])}, extension names used twice {len(lint['twice'])}"
    if not tests:
        return Row(22, f"{result}; in the browser {NONE}", None, f"Sources searched; from {HOW}.", lint)
    return Row(
        22,
        f"{result}; {failed} of {passed + failed} browser tests failed",
        not (lint["writes"] or lint["twice"] or failed),
        "Sources searched for globals and patched prototypes; the browser tests, among them the pack twice, beside a "
        "neighbour that overwrites what it can, and beside packs that many have, with every console error counted.",
        {**lint, **tests},
    )


def row_23(found: dict[str, Any]) -> Row:
    kinds = {
        kind: one
        for kind, one in found.items()
        if isinstance(one, dict) and ("edits" in one or "template edits" in one or "place_error_px" in one)
    }
    if not kinds:
        return Row(23, NONE, None, f"From {HOW}.")
    widgets = sorted({widget for one in kinds.values() for widget in one.get("edits", {})})
    edits = [of for one in kinds.values() for of in one.get("edits", {}).values()]
    edits += template_edits(found).values()
    checked = sum(sum(one["checked"].values()) for one in edits)
    lost = sum(sum(one["lost"].values()) for one in edits)
    off = max((max(one["place_error_px"].values()) for one in kinds.values() if "place_error_px" in one), default=None)
    return Row(
        23,
        f"{lost} of {checked} lost; places off by {NONE if off is None else f'{off:.3f} px'} at most",
        (not lost and off < 0.5) if checked and off is not None else None,
        f"Random edits ({', '.join(widgets)}), then reload, copy, undo, redo, bypass, subgraph, the prompt; "
        f"every template edited in ComfyUI 0.33.0, then copy, undo and redo, another tab, subgraph, a reload; "
        f"places at zooms from 0.25 to 4. In {', '.join(sorted(kinds))}.",
        kinds,
    )
