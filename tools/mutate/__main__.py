"""Puts random faults into the library, one at a time, and runs the tests on each: what survives, no test holds.

    python -m tools.mutate --count 300 --seed SEED [--only PATH …] [--part I N] [--seconds S]
        [--reach FILE.json] [--out FILE.jsonl]

A fault is one small change of the code: another comparison, operator or constant, a condition turned round, a statement
left out, arguments swapped. Messages and annotations are left alone. It is made in a copy of the checkout. The
tests that `tests.TESTS` names for its module run once, to see which lines each of them meets; then every fault is
tried on those that meet its line, the quickest first, in a process of its own; one that is run on import is tried on
all of its module. Prints survivors, then a table by module. With --reach, the lines are kept in that file, and only
test files that changed run again, or all of them after a change of the library. With --out, faults that the file holds
already are not tried again, so that a long run can be made in parts: one after another with --seconds, or beside each
other with --part, each with a file of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tools.mutate.faults import KEPT, Fault, chosen
from tools.mutate.reach import QUIET, Reach, record
from tools.mutate.tests import files_of

ROOT = Path(__file__).resolve().parents[2]
HANGS = 20  # times the seconds of computing that tests may take, before they hang: other programs take their share
NOT_MET = "survived: no test meets it"


class Selected:
    """Of the tests that pytest finds those that are to run, in their order; what it did not find before runs too."""

    def __init__(self, order: list[str], known: set[str]) -> None:
        self.order, self.known = {name: place for place, name in enumerate(order)}, known

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [one for one in items if one.nodeid in self.order or one.nodeid not in self.known]
        items.sort(key=lambda one: self.order.get(one.nodeid, -1))


def outcome(root: Path, one: Fault, reach: Reach) -> str:
    """ "survived", or what killed it: the first test that failed, or the time."""
    tests = reach.tests(files_of(one.path), one.path, one.lines)
    if not tests:
        return NOT_MET
    files = list(dict.fromkeys(name.split("::")[0] for name in tests))
    known = {name for file in files for name in reach.rows[file]["tests"]}
    target = root / one.path
    good = target.read_text(encoding="utf-8")
    target.write_text(one.code, encoding="utf-8")
    try:
        return _tested(files, Selected(list(tests), known), 60 + 4 * sum(tests.values()), root / "tests.log")
    finally:
        target.write_text(good, encoding="utf-8")


def _tested(files: list[str], selected: Selected, seconds: float, log: Path) -> str:
    def job() -> int:
        import pytest

        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))  # one that never ends is found too
        arguments = ["-x", "-q", *QUIET, "--tb=line", *files]
        return int(pytest.main(arguments, plugins=[selected]))

    status = _in_child(job, log, HANGS * seconds)
    if status in (0, 5):  # all passed, or the fault took the cases away
        return "survived"
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        return "time"
    lines = log.read_text(errors="replace").splitlines()
    return next((line for line in lines if line.startswith(("FAILED", "ERROR"))), f"exit {status}")[:200]


def _in_child(job: Callable[[], int], log: Path, wait: float = float("inf")) -> int:
    """The exit status of a process that begins as this one is; less than 0 for the signal that ended it."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(out, 1)
        os.dup2(out, 2)
        code = 3
        try:
            code = job()
        finally:
            os._exit(code)
    end = time.monotonic() + wait
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.killpg(child, signal.SIGKILL)
            end += wait
        time.sleep(0.05)


def record_what_is_new(root: Path, files: list[str], reach: Reach, kept: Path, say: Callable[[str], None]) -> None:
    """Records test files that are not in `reach` as they are now, and keeps what was recorded."""
    for file in files:
        if not (root / file).exists() or reach.holds(root, file):
            continue
        start, part = time.monotonic(), root / "reach.json"
        if _in_child(lambda file=file, part=part: record(root, [file], part), root / "tests.log"):
            raise SystemExit((root / "tests.log").read_text(errors="replace")[-3000:])
        reach.rows |= json.loads(part.read_text(encoding="utf-8"))
        kept.write_text(json.dumps(reach.rows), encoding="utf-8")
        found = reach.rows[file]
        _warm_up(set(found["imported"]))
        say(f"{file}: {len(found['tests'])} tests, {time.monotonic() - start:.0f} s")
        for name in found["failed"]:
            say(f"left out, fails without a fault: {name}")


def table(rows: list[dict[str, Any]]) -> str:
    """How many of each module's faults were killed."""
    lines = []
    for path in sorted({one["path"] for one in rows}):
        some = [not one["outcome"].startswith("survived") for one in rows if one["path"] == path]
        lines.append(f"{path:40} {sum(some):4} of {len(some):4}  {sum(some) / len(some):5.0%}")
    killed = sum(not one["outcome"].startswith("survived") for one in rows)
    return "\n".join([*lines, f"{'all':40} {killed:4} of {len(rows):4}  {killed / max(len(rows), 1):5.1%}"])


def _copy(folder: Path) -> Path:
    skip = shutil.ignore_patterns(".git", ".venv*", "__pycache__", "build", ".*_cache", ".hypothesis", "browser")
    return Path(shutil.copytree(ROOT, folder / "copy", ignore=skip))


def _move_to(root: Path) -> None:
    os.chdir(root)
    sys.dont_write_bytecode = True
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(root)}
    sys.path[:] = [str(root), *(one for one in sys.path if one and Path(one).resolve() != ROOT)]


def _warm_up(names: set[str]) -> None:
    """What tests import beside the library, once for all of them."""
    for name in ["torch", *sorted(names)]:
        if not name.startswith(("pytest", "_pytest")):
            try:
                import_module(name)
            except Exception:  # a part that its package did not import by itself
                continue
    sys.modules["torch"].set_num_threads(1)


def _same_examples() -> None:
    """Hypothesis tries the same examples with every fault, however slow the machine is meanwhile."""
    from hypothesis import HealthCheck, settings

    settings.register_profile("mutate", derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    settings.load_profile("mutate")


def main(say: Callable[[str], None] = print) -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.mutate", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--only", nargs="*", default=[], metavar="PATH", help="files or folders")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("I", "N"), help="every N-th from I on")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="where to stop")
    parser.add_argument("--reach", type=Path, help="where the lines that tests meet are kept")
    parser.add_argument("--out", type=Path, help="where every fault and its outcome is kept")
    options = parser.parse_args()
    end, out = time.monotonic() + options.seconds, options.out.resolve() if options.out else None
    known = [json.loads(line) for line in out.read_text().splitlines()] if out and out.exists() else []
    done = {tuple(one[name] for name in KEPT) for one in known}
    with tempfile.TemporaryDirectory() as folder:
        root, kept = _copy(Path(folder)), (options.reach or Path(folder, "reach.json")).resolve()
        part, parts = options.part
        faults = chosen(root, options.only, options.count, options.seed)[part::parts]
        faults = [one for one in faults if one.key not in done]
        _move_to(root)
        _warm_up({"numpy", "cv2", "pytest", "safetensors.torch", "hypothesis", "av", "typer", "gguf"})
        _same_examples()
        reach = Reach(json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else {})
        _warm_up({name for row in reach.rows.values() for name in row["imported"]})
        for one in faults:
            if time.monotonic() > end:
                break
            record_what_is_new(root, files_of(one.path), reach, kept, say)
            start = time.monotonic()
            row = {name: getattr(one, name) for name in KEPT} | {"outcome": outcome(root, one, reach)}
            known.append(row)
            if row["outcome"].startswith("survived"):
                say(f"{one.path}:{one.line}: {one.kind}: {one.before}  →  {one.after} ({row['outcome']})")
            if out:
                row["seconds"] = round(time.monotonic() - start, 1)
                with out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row, ensure_ascii=False) + "\n")
        os.chdir(ROOT)
    say(table(known))


if __name__ == "__main__":
    main()
