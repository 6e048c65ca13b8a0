"""Jobs that survive: every task of the list, killed or with its disk full or closed at every stage, and resumed.

python -m tests.reliability.jobs            # prints the table of docs/reliability.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import job_faults
from job_faults import CLOSED, FULL, KILL, STAGES, TASKS, Material

# A file system is not closed while a file is open for writing; what is written last needs no more room.
IMPOSSIBLE = {("writing, half way", CLOSED)}
FAULTS = (KILL, FULL, CLOSED)
NO_READING, NO_PUT_BACK = {"text"}, {"text", "gray", "extend"}


def cases() -> list[tuple[str, str, str]]:
    """Task, stage and fault."""
    return [
        (task, at, what)
        for task in TASKS
        for at in STAGES
        for what in FAULTS
        if (at, what) not in IMPOSSIBLE
        and not (at == "reading" and task in NO_READING)
        and not (at == "putting back" and task in NO_PUT_BACK)
    ]


def measured(wanted: list[tuple[str, str, str]]) -> list[tuple[str, str, str, dict[str, Any]]]:
    """What became of each case."""
    found: list[tuple[str, str, str, dict[str, Any]]] = []
    with tempfile.TemporaryDirectory() as folder:
        material, equal = Material.made(Path(folder)), dict[str, str]()
        for number, (task, at, what) in enumerate(wanted):
            if task not in equal:
                out = Path(folder) / f"{task}.mkv"
                job_faults.vace(material.words(task, out), material.folder / "aside")
                equal[task] = job_faults.planes(out)
            place = Path(folder) / str(number)
            place.mkdir()
            one = job_faults.in_a_child(lambda: job_faults.disturbed(material, task, at, what, place / "out.mkv"))  # noqa: B023
            one["as it was"] = one.get("equal") == equal[task]
            found.append((task, at, what, one))
            good = one["as it was"] and not one["tracebacks"] and one["code"] == 0
            print(f"{task}, {at}, {what}: {'as undisturbed' if good else one}", file=sys.stderr, flush=True)
    return found


def table(found: list[tuple[str, str, str, dict[str, Any]]]) -> str:
    """Stage by stage: results equal to the undisturbed run, how, and how many steps were done again."""
    lines = [f"| stage | {' | '.join(FAULTS)} |", "| --- | --- | --- | --- |"]
    for at in dict.fromkeys(at for _, at, _, _ in found):
        cells = [_cell([one for _, place, fault, one in found if (place, fault) == (at, what)]) for what in FAULTS]
        lines.append(f"| {at} | {' | '.join(cells)} |")
    shown = sum(one.get("tracebacks", 1) for *_, one in found)
    equal = sum(one["as it was"] for *_, one in found)
    return "\n".join([*lines, "", f"{equal} of {len(found)} equal to an undisturbed run; {shown} tracebacks."])


def _cell(found: list[dict[str, Any]]) -> str:
    if not found:
        return "—"
    equal = sum(one["as it was"] for one in found)
    ways = Counter(one.get("again") for one in found)
    steps = sorted({one["steps"] for one in found if one.get("again") == "resume"})
    said = {
        "resume": f"resumed{', steps again ' + '-'.join(map(str, steps)) if steps else ''}",
        "repeat": "refused before it began",
    }
    return f"{equal} of {len(found)}: " + ", ".join(
        f"{said.get(str(way), 'not concerned')} ({count})" for way, count in ways.items()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="*", choices=list(TASKS), default=list(TASKS))
    wanted = parser.parse_args().tasks
    print(table(measured([case for case in cases() if case[0] in wanted])))


if __name__ == "__main__":
    main()
