"""JSON out of files that somebody else made: exactly JSON, and never more work or memory than its length allows for.

Whoever reads a file holds its length against `MAX_JSON` first.
"""

from __future__ import annotations

import json
from typing import Any, cast

# No real header or index comes near these: the largest models have some thousand weights, each a table with two lists.
MAX_JSON = 10_000_000  # bytes
MAX_CONTAINERS = 300_000
_LONGEST_NUMBER = 19  # digits: every size of a file has fewer


def parse(content: str | bytes) -> Any:
    """What JSON says; bytes are UTF-8 without a byte order mark.

    Raises:
        ValueError: it is not JSON, too long, names something twice in one table, or is nested too deeply or too often.
    """
    if len(content) > MAX_JSON:
        raise ValueError(f"it has more than {MAX_JSON:,} bytes")
    text = content if isinstance(content, str) else content.decode()
    if text.count("{") + text.count("[") > MAX_CONTAINERS:
        raise ValueError(f"it has more than {MAX_CONTAINERS:,} tables and lists")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parse_table(content: str | bytes) -> dict[str, Any]:
    """As `parse`, of a table. {} where it is something else, or no JSON."""
    try:
        found = parse(content)
    except ValueError:
        found = None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name occurs twice")
    return found


def _whole(digits: str) -> float:
    # Thousands of digits take Python long to turn into a whole number, and longer to multiply.
    return int(digits) if len(digits) <= _LONGEST_NUMBER else float(digits)
