"""What a row of the fault list says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

FAULTS = {
    1: ("import failure breaks or absents the pack", "packs loaded: 100%"),
    2: ("import is slow or has side effects", "import < 0.2 s, in ComfyUI < 1 s; side effects 0"),
    3: ("ids or inputs drift and break saved graphs", "changed, removed or reordered inputs: 0"),
    4: ("a shipped workflow does not load", "0 missing, 0 null, prompts as frozen"),
    5: ("a node without workflow, help or tooltip", "100%"),
    6: ("wrong frame count", "the rule, or one clear sentence: 100%"),
    7: ("odd, tiny, portrait or 4k sizes", "no crash; aspect error < 1 px; even sizes 100%"),
    8: ("the zoo of mask shapes", "handled or said 100%; kept pixels changed by 0"),
    9: ("clips, masks and controls that do not fit together", "cryptic errors: 0"),
    10: ("NaN, infinity, overflow, black frames", "named at the first node 100%; NaN frames written 0"),
    11: ("cancelling leaves something behind", "latency ≤ 1 step; hooks, patches, files left 0; next run bit-equal"),
    12: ("memory leaks between runs", "growth after run 3: 0 tensors, < 1 MB"),
    13: ("an input is changed in place", "changed inputs: 0"),
    14: ("the cache is stale, or runs needlessly", "stale 0, needless 0"),
    15: ("results are not reproducible", "same settings: 0; tiled: ≤ 2e-5 of −1..1"),
    16: ("paths escape ComfyUI's folders", "escapes: 0"),
    17: ("hostile files", "crashes, hangs, memory: 0; named 100%"),
    18: ("hostile text in widgets", "unhandled 0; eval and exec 0"),
    19: ("dependencies in conflict", "conflicts 0; suites green n/n"),
    20: ("ComfyUI's internals move", "unguarded 0; the fewer the better"),
    21: ("Windows, macOS, no CUDA", 'hard-coded "cuda" 0'),
    22: ("JavaScript collides with others'", "errors 0"),
    23: ("the editor loses or misplaces edits", "edits lost 0; error < 0.5 px"),
    24: ("wrong mathematics", "largest difference ≤ 1e-5 in float32"),
    25: ("misleading errors", "got, wanted, fix: 100%"),
    26: ("weights absent, no network", "file and folder named 100%; network attempts 0"),
}


@dataclass
class Row:
    """The result of one row.

    Attributes:
        number: Of the fault list.
        result: The numbers, in words.
        met: Whether the target is met; None = not measured.
        how: What was done, in a sentence or two.
        details: Everything measured, for the JSON file.
    """

    number: int
    result: str
    met: bool | None
    how: str
    details: dict[str, Any] = field(default_factory=dict)


def tally(outcomes: Mapping[str, tuple[str, Any]] | Iterable[tuple[str, str, Any]]) -> dict[str, Any]:
    """How often each kind of outcome came, and the cases of the bad ones by name."""
    items = [(name, *pair) for name, pair in outcomes.items()] if isinstance(outcomes, Mapping) else list(outcomes)
    bad = {name: value for name, kind, value in items if kind not in ("handled", "said", "right")}
    return {"cases": len(items), **Counter(kind for _, kind, _ in items), "bad": {k: str(v) for k, v in bad.items()}}
