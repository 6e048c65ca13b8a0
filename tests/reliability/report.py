"""The tables of docs/reliability.md, between their markers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .row import FAULTS, Row

MARK = re.compile(r"(<!-- (?P<name>[a-z]+):begin -->\n).*?(<!-- (?P=name):end -->)", re.DOTALL)


def written(path: Path, parts: Mapping[str, str]) -> None:
    """Puts each part between its markers; what is around them stays."""

    def put(match: re.Match[str]) -> str:
        name = match["name"]
        return f"{match[1]}{parts[name]}{match[3]}" if name in parts else match[0]

    path.write_text(MARK.sub(put, path.read_text(encoding="utf-8")), encoding="utf-8")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |" for cells in rows]
    return "\n".join(["| " + " | ".join(head) + " |", "| " + " | ".join(["---"] * len(head)) + " |", *lines]) + "\n"


def scoreboard(rows: Sequence[Row], places: Mapping[int, Sequence[str]]) -> str:
    """All rows, one line each."""
    said = {True: "yes", False: "**no**", None: "not measured"}
    by_number = {row.number: row for row in rows}
    lines = []
    for number, (fault, target) in FAULTS.items():
        row = by_number.get(number) or Row(number, "not measured", None, "")
        lines.append([str(number), fault, target, row.result, said[row.met], ", ".join(places.get(number, ()))])
    return table(["#", "fault", "target", "measured", "met", "where"], lines)


def methods(rows: Sequence[Row]) -> str:
    """What was done for each row."""
    return "\n".join(f"{row.number}. {row.how}" for row in sorted(rows, key=lambda row: row.number) if row.how) + "\n"


def edits(kinds: Mapping[str, Mapping[str, Any]]) -> str:
    """The edits of templates that were lost, of those that were checked, by frontend and by what happened to them."""
    if not kinds:
        return "Not measured: it needs a ComfyUI.\n"
    events = list(next(iter(kinds.values()))["checked"])
    lines = []
    for kind, one in kinds.items():
        pairs = [(one["lost"][event], one["checked"][event]) for event in events]
        pairs.append((sum(lost for lost, _ in pairs), sum(checked for _, checked in pairs)))
        lines.append([kind, str(one["templates"]), *(f"{lost} of {checked}" for lost, checked in pairs)])
    return table(["frontend", "templates", *events, "all"], lines)


def core(cases: Mapping[str, Mapping[str, Any]]) -> str:
    """The faults of ComfyUI's node: each case, there and here."""
    names = list(cases)
    if not names:
        return "Not measured: it needs a ComfyUI.\n"
    lines = []
    for case in cases[names[0]]["cases"]:
        theirs = {name: cases[name]["cases"][case]["core"] for name in names}
        ours = {name: cases[name]["cases"][case]["ours"] for name in names}
        lines.append([case, _alike(theirs), _alike(ours)])
    return f"Measured in {' and '.join(names)}.\n\n" + table(["input", "WanVaceToVideo", "this pack"], lines)


def _alike(said: Mapping[str, str]) -> str:
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return "; ".join(f"{name}: {one}" for name, one in said.items())


def stages(found: Mapping[str, Any]) -> str:
    """Largest differences, stage by stage."""
    lines = [[name, f"{one['largest']:.1e}", str(one["comparisons"])] for name, one in found.items()]
    return table(["stage", "largest difference", "comparisons"], lines) if lines else "Not measured.\n"
