"""A pytest plugin that writes down every measured difference: each passed `assert VALUE <= BOUND` of the tests.

Needs `-o enable_assertion_pass_hook=true`; the file is named by VACE_RECORD.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

COMPARED = re.compile(r"^\(?(?:tensor\()?([-+\d.e]+)[^<\n]*<=\s*([-+\d.e]+)")
found: list[dict[str, Any]] = []


def pytest_assertion_pass(item: Any, lineno: int, orig: str, expl: str) -> None:
    match = COMPARED.match(expl)
    if match and "<=" in orig:
        name = item.nodeid.split("/")[-1]
        found.append({"test": name, "line": lineno, "value": float(match[1]), "bound": float(match[2]), "what": orig})


def pytest_sessionfinish() -> None:
    Path(os.environ["VACE_RECORD"]).write_text(json.dumps(found))
