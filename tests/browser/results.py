"""Numbers of a run of these tests, by frontend: `EDITOR_RESULTS=FILE` says where to put them.

    EDITOR_RESULTS=benchmarks/results/editor.json python -m pytest tests/browser

What other runs put there for other frontends, from other files of tests, or for other templates stays.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any


class Results:
    def __init__(self) -> None:
        self.measured: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        self.outcomes: defaultdict[tuple[str, str], dict[str, float]] = defaultdict(Counter)

    def count(self, kind: str, module: str, outcome: str, seconds: float) -> None:
        counted = self.outcomes[kind, module]
        counted["seconds"] += seconds
        counted[outcome] += 1

    def write(self) -> None:
        if not os.environ.get("EDITOR_RESULTS"):
            return
        path = Path(os.environ["EDITOR_RESULTS"])
        known = json.loads(path.read_text()) if path.exists() else {}
        for kind, values in self.measured.items():
            _put(known.setdefault(kind, {}), values)
        for (kind, module), outcomes in self.outcomes.items():
            one = known.setdefault(kind, {})
            files = one.setdefault("tests by file", {})
            files[module] = {name: round(number) for name, number in outcomes.items()}
            one["tests"] = dict(sum((Counter(file) for file in files.values()), Counter()))
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


def _put(known: dict[str, Any], values: dict[str, Any]) -> None:
    for name, value in values.items():
        if isinstance(value, dict) and isinstance(known.get(name), dict):
            _put(known[name], value)
        else:
            known[name] = value
