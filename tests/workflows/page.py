"""The page of documentation that lists the workflows."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from .blueprint_json import Blueprint
from .graph_json import Graph

HEAD = """\
# Workflows

Open **Workflow → Browse Templates** in ComfyUI and choose **vace**. Every workflow goes from left to right: what \
comes in, what to make, a look before anything is computed, the model, the video. Its note says what to replace.

## At once

These run as they are: on an example clip of the starter's own world and on the starter model, with nothing to \
download. For your own video put **Load Video** and **Get Video Components** in the place of VACE Example Clip. For a \
real model wake the loader that sleeps beside the starter (select it, Ctrl+M), connect it in the starter's place, and \
set `fit` to 480p.
"""
FILES = """
## With real models

These need the files that their notes name.
"""
PACKS = """
## With other packs

These draw depth and skeletons or find masks with nodes of other packs. ComfyUI-Manager offers what is missing.
"""
NEWER = """
## With ComfyUI 0.33

The same without other packs: with nodes that a ComfyUI of 2026 has itself.
"""
SINGLE = """
## As one node

ComfyUI from 0.3.67 on lists these among its subgraphs: search for their names in the node menu. Connect a VACE loader \
to `model`, and your video, picture or mask. Double-click to see what is inside.
"""
TAIL = """
## How they are made

`python -m tests.workflows` writes them, and this page, from the code in `tests/workflows`. `python -m \
tests.workflows.run COMFYUI_DIR` runs those that need nothing through a real ComfyUI and looks at their videos: \
[the numbers](../benchmarks/results/workflows.md).
"""


def page(
    at_once: Sequence[Graph],
    with_files: Sequence[Graph],
    with_packs: Sequence[Graph],
    with_newer: Sequence[Graph],
    single: Sequence[Blueprint],
) -> str:
    parts = [HEAD, _table(at_once), FILES, _table(with_files), PACKS, _table(with_packs), NEWER, _table(with_newer)]
    rows = [f"| **{one.title}** | {one.description} |" for one in single]
    return "\n".join([*parts, SINGLE, "\n".join(["| node | what it does |", "|---|---|", *rows]), TAIL])


def _table(graphs: Sequence[Graph]) -> str:
    rows = [f"| {_picture(one.title)} | **{one.title}** | {_does(one)} |" for one in graphs]
    return "\n".join(["| | workflow | what comes out |", "|---|---|---|", *rows])


def _does(graph: Graph) -> str:
    """The first sentences of its note."""
    return graph.note.split("\n\n")[1]


def _picture(title: str) -> str:
    return f'<img src="../workflows/{quote(title)}.jpg" width="120" alt="">'
