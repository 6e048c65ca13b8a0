"""Which lines every test meets: recorded once, so that a fault is tried on no test that cannot find it.

A pytest plugin on `sys.settrace`. A test meets what it runs itself and what its fixtures ran, whenever that was. What
ran on import or while tests were collected, all tests may depend on. A test that starts a process may meet anything.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

PROCESS = "process"  # stands for the lines of a test that starts one
_STARTED = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system"}
QUIET = ("-p", "no:cacheprovider", "-W", "ignore", "-o", "timeout=0")  # slow is what a machine may be meanwhile
FOLDERS = ("vace_core", "nodes")

Lines = dict[str, Any]  # of a path: its lines; PROCESS: True


class _Met:
    """The lines of one piece of code that were met."""

    def __init__(self, code: CodeType, path: str) -> None:
        self.code, self.path, self.lines = code, path, {code.co_firstlineno}
        self.total = len({line for _, _, line in code.co_lines() if line} | self.lines)

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        self.lines.add(frame.f_lineno)
        return self.trace


class Recorder:
    """Records, while pytest runs, the lines and the seconds of every test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.always: dict[int, Any] = {}
        self.now = self.always
        self.fixtures: dict[Any, dict[int, Any]] = {}
        self.caches: list[Any] = []
        self.tests: dict[str, dict[str, Any]] = {}
        self.failed: list[str] = []
        self.paths: dict[str, str] = {}

    def start(self) -> None:
        """From here on everything is recorded; the library must not have been imported yet."""
        made = functools.lru_cache

        def remembered(*given: Any, **named: Any) -> Any:
            kept = made(*given, **named)
            return self._cache(kept) if hasattr(kept, "cache_clear") else lambda function: self._cache(kept(function))

        functools.lru_cache = remembered  # type: ignore[assignment]
        sys.addaudithook(self._audit)
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _cache(self, kept: Any) -> Any:
        code = getattr(kept.__wrapped__, "__code__", None)
        if code is not None and code.co_filename.startswith(str(self.root)):
            self.caches.append(kept)
        return kept

    def _audit(self, event: str, _: Any) -> None:
        if event in _STARTED:
            self.now[0] = PROCESS

    def _call(self, frame: FrameType, event: str, _: Any) -> Any:
        code = frame.f_code
        path = self.paths.get(code.co_filename)
        if path is None:
            path = self.paths[code.co_filename] = self._path(code.co_filename)
        if not path:
            return None
        met = self.now.get(id(code))
        if met is None:
            met = self.now[id(code)] = _Met(code, path)
        return met.trace if len(met.lines) < met.total else None

    def _path(self, file: str) -> str:
        inside = os.path.relpath(file, self.root) if file.startswith(str(self.root)) else ""
        return inside if inside.split(os.sep)[0] in FOLDERS else ""

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        """What a fixture of several tests runs counts for each of them."""
        if fixturedef.scope == "function":
            return (yield)
        before, self.now = self.now, {}
        try:
            return (yield)
        finally:
            self.fixtures[fixturedef], self.now = self.now, before

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Iterator[None]:
        for one in self.caches:
            one.cache_clear()
        self.now, start = {}, sum(os.times()[:4])
        try:
            return (yield)
        finally:
            seconds = sum(os.times()[:4]) - start
            fixtures = [one for found in item._fixtureinfo.name2fixturedefs.values() for one in found]
            mets = [self.now, *(self.fixtures[one] for one in fixtures if one in self.fixtures)]
            self.tests[item.nodeid] = {"seconds": round(seconds, 3), "lines": lines_of(mets)}
            self.now = self.always

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(report.nodeid)


def lines_of(mets: list[dict[int, Any]]) -> Lines:
    """What was met, by path."""
    found: dict[str, set[int]] = {}
    for met in (one for many in mets for one in many.values() if one != PROCESS):
        found.setdefault(met.path, set()).update(met.lines)
    started = {PROCESS: True} if any(PROCESS in many.values() for many in mets) else {}
    return {path: sorted(lines) for path, lines in found.items()} | started


def digest(root: Path, file: str) -> str:
    """Changes with a test file, and with anything that all of them use."""
    found = hashlib.sha256((root / file).read_bytes())
    for path in sorted((root).rglob("*.py")):
        if not path.name.startswith("test_") and path.relative_to(root).parts[0] in (*FOLDERS, "tests"):
            found.update(path.read_bytes())
    return found.hexdigest()


def record(root: Path, files: list[str], out: Path) -> None:
    """Runs test files and writes what their tests meet. Ends the process: it is made for a child."""
    found = Recorder(root)
    found.start()
    for path in sorted((root / "vace_core").rglob("*.py")):
        if path.stem != "__main__":  # what an import runs is met by all, also where a test is the first to import
            importlib.import_module(".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"))
    code = pytest.main(["-q", *QUIET, *files], plugins=[found])
    sys.settrace(None)
    always = lines_of([found.always])
    always.pop(PROCESS, None)
    others = [name for name, one in list(sys.modules.items()) if "site-packages" in str(getattr(one, "__file__", ""))]
    rows = {file: {"digest": digest(root, file), "always": always, "failed": found.failed, "imported": others,
                   "tests": {name: test for name, test in found.tests.items() if name.startswith(f"{file}::")}}
            for file in files}  # fmt: skip
    out.write_text(json.dumps(rows), encoding="utf-8")
    sys.stdout.flush()
    os._exit(0 if code in (0, 1) else int(code))


class Reach:
    """What the tests of some files meet."""

    def __init__(self, rows: dict[str, Any]) -> None:
        self.rows = rows
        self._held: set[str] = set()

    def holds(self, root: Path, file: str) -> bool:
        """Whether a test file was recorded as it is now."""
        if file not in self._held and self.rows.get(file, {}).get("digest") == digest(root, file):
            self._held.add(file)
        return file in self._held

    def tests(self, files: list[str], path: str, lines: range | None) -> dict[str, float]:
        """The tests that meet lines of a module, all of them if it is None, the quickest first, with their seconds."""
        rows = [self.rows[file] for file in files if file in self.rows]
        if lines is not None and any(_meets(row["always"], path, lines) for row in rows):
            lines = None
        found = {
            name: test["seconds"] for row in rows for name, test in row["tests"].items() if name not in row["failed"]
            and (lines is None or PROCESS in test["lines"] or _meets(test["lines"], path, lines))
        }  # fmt: skip
        of_file: dict[str, float] = {}
        for name, seconds in found.items():
            of_file[name.split("::")[0]] = of_file.get(name.split("::")[0], 0) + seconds
        order = sorted(found, key=lambda name: (found[name] > 1, of_file[name.split("::")[0]], name.split("::")[0]))
        return {name: found[name] for name in order}


def _meets(met: Lines, path: str, lines: range) -> bool:
    return any(line in lines for line in met.get(path, ()))
