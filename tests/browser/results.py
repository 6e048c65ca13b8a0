"""Numbers of a run of these tests, by frontend: `EDITOR_RESULTS=FILE` says where to put them.

    EDITOR_RESULTS=benchmarks/results/editor.json python -m pytest tests/browser

What other runs put there for other frontends or from other tests stays.
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
        self.outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def count(self, kind: str, outcome: str, seconds: float) -> None:
        self.outcomes[kind][outcome] += 1
        self.seconds[kind] += seconds

    def write(self) -> None:
        if not os.environ.get("EDITOR_RESULTS"):
            return
        path = Path(os.environ["EDITOR_RESULTS"])
        known = json.loads(path.read_text()) if path.exists() else {}
        for kind, values in self.measured.items():
            known.setdefault(kind, {}).update(values)
        for kind, outcomes in self.outcomes.items():
            known.setdefault(kind, {})["tests"] = {**outcomes, "seconds": round(self.seconds[kind])}
        path.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
