"""Keeps what ComfyUI says of the nodes that shipped workflows use, beside the pack's own: `nodes/VERSION.json`.

    python tests/browser/record_nodes.py 0.3.64 http://127.0.0.1:8188/object_info [more, such as a file with the same]

With it the real frontends load every workflow in tests, with no ComfyUI. A node is taken from the first that has it.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RECORDS = Path(__file__).with_name("nodes")
LONGEST = 20  # options kept of a choice: lists of models and cameras go on for pages


def workflows() -> list[Path]:
    """The shipped graphs and blueprints."""
    return [path for folder in ("workflows", "subgraphs") for path in sorted((ROOT / folder).glob("*.json"))]


def types_in(graph: dict[str, Any]) -> Iterator[str]:
    """The types of all nodes, those in subgraphs too."""
    parts = [graph, *graph.get("definitions", {}).get("subgraphs", [])]
    own = {part["id"] for part in parts[1:]}
    for part in parts:
        yield from (node["type"] for node in part["nodes"] if node["type"] not in own)


def used_values(graph: dict[str, Any]) -> Iterator[str]:
    """Texts in widgets: what a choice must go on to offer."""
    for part in (graph, *graph.get("definitions", {}).get("subgraphs", [])):
        for node in part["nodes"]:
            values = node.get("widgets_values") or []
            yield from (
                value for value in (values.values() if isinstance(values, dict) else values) if isinstance(value, str)
            )


def record(version: str, *sources: str) -> None:
    graphs = [json.loads(path.read_text()) for path in workflows()]
    wanted = {name for graph in graphs for name in types_in(graph)}
    values = {value for graph in graphs for value in used_values(graph)}
    found: dict[str, Any] = {}
    for source in sources:
        for name, node in _read(source).items():
            if name in wanted and not name.startswith("Vace"):
                found.setdefault(name, _short(node, values))
    RECORDS.mkdir(exist_ok=True)
    in_order = {name: found[name] for name in sorted(found)}  # only these: the order of inputs is that of widgets
    text = json.dumps(in_order, indent=1, ensure_ascii=False)
    (RECORDS / f"{version}.json").write_text(text + "\n")
    absent = sorted(name for name in wanted - set(found) if not name.startswith("Vace"))
    print(f"{len(found)} nodes of {version}; not among them: {', '.join(absent) or 'none'}")


def _read(source: str) -> dict[str, Any]:
    if source.startswith("http"):
        with urllib.request.urlopen(source, timeout=60) as answer:
            return json.load(answer)
    return json.loads(Path(source).read_text())


def _short(node: dict[str, Any], values: set[str]) -> dict[str, Any]:
    for group in node["input"].values():
        for spec in group.values():
            if isinstance(spec, list) and spec and isinstance(spec[0], list):
                spec[0] = _few(spec[0], values)
            elif isinstance(spec, list) and len(spec) > 1 and isinstance(spec[1].get("options"), list):
                spec[1]["options"] = _few(spec[1]["options"], values)
    return {name: value for name, value in node.items() if name not in ("deprecated", "experimental", "api_node")}


def _few(options: list[Any], values: set[str]) -> list[Any]:
    return options[:LONGEST] + [one for one in options[LONGEST:] if isinstance(one, str) and one in values]


if __name__ == "__main__":
    record(*sys.argv[1:])
