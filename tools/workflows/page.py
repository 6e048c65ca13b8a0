"""The page of documentation that lists the workflows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .blueprint_json import Blueprint
from .graph_json import Graph

HEAD = """\
# Workflows

Open **Workflow → Browse Templates** in ComfyUI and choose **vace**. Every workflow goes from left to right: \
inputs, VACE task, preview, model, sampling, result (the two swaps with SAM have no preview). Its note says what to \
replace with inputs and models of your own.

All inputs of a task together are a VCU (Video Condition Unit): frames and masks that tell the model what to keep and \
what to generate. VACE Preview VCU shows it before any model is loaded.

## Without downloads

These run as they are: on an example clip of the starter's own world and on the starter model, with nothing to \
download. For your own video replace VACE Example Clip with **Load Video** and **Get Video Components**, whose `audio` \
goes to **Create Video**. For a real \
model choose another profile in **VACE Model**: size, length and sampling follow, and it names the files that are \
missing.
"""
FILES = """
## With real models

These need the files that their notes name.
"""
PACKS = """
## With other packs

These compute depth, poses or masks with nodes of other packs. ComfyUI-Manager offers to install what is missing.
"""
NEWER = """
## With ComfyUI 0.33

The same without other packs: with nodes that a ComfyUI of 2026 has itself.
"""
SINGLE = """
## As one node

ComfyUI from 0.3.67 on lists these among its subgraphs: search for their names in the node menu. Connect a VACE loader \
to `model`, and your video, image or mask. Double-click to see what is inside.
"""
RAN = """
## What was run

Every workflow and every one-node blueprint goes through a real ComfyUI, 0.3.64 and 0.33.0, on the CPU: `python -m \
tests.workflows.run COMFYUI_DIR`. Each runs twice; the second time every node must come from the cache. Then its video \
is looked at: kept pixels must be equal to the bit in the frames, and well kept in the video file, and the numbers \
that say whether the task was done must hold. *Without* is the same graph with the adapter's strength at 0 (where only \
words ask, with no words), on 0.33.0: it is written where the number fails then. \
Blueprints must give the very frames of the workflow that does the same, where there is one.

Three things have not been run:

- **Real weights.** The loaders load the starter's files under the names of the real ones. For that ComfyUI's VAE \
class is told that the starter's VAE has one block a level, and Load CLIP loads the starter's text encoder, not umT5.
- **LTX-Video.** Its workflow ran on the starter instead of the real model.
- **Nodes with weights of their own** (Depth Anything, DWPose, SAM 2, SAM 3, SDPose), and VideoHelperSuite. An example \
clip gave the masks and control videos instead. Their names, inputs, choices and types are compared with \
what the real nodes say of themselves (`tests/workflows/test_forms_of_others.py`).

Load Video, Load Image, Load Diffusion Model, Load VAE, LoRA and KSampler did run.

"""
TAIL = """
## How they are made

`python -m tools.workflows` writes them, and this page, from the code in `tools/workflows`. The thumbnails at \
the left are from those runs: the input, and beside it the result.
"""


def page(
    at_once: Sequence[Graph],
    with_files: Sequence[Graph],
    with_packs: Sequence[Graph],
    with_newer: Sequence[Graph],
    single: Sequence[Blueprint],
    *,
    results: Sequence[Mapping[str, Any]] = (),
) -> str:
    parts = [HEAD, _table(at_once), FILES, _table(with_files), PACKS, _table(with_packs), NEWER, _table(with_newer)]
    rows = [f"| **{one.title}** | {one.description} |" for one in single]
    parts += [SINGLE, "\n".join(["| node | what it does |", "|---|---|", *rows]), RAN + _numbers(results), TAIL]
    return "\n".join(parts)


def _table(graphs: Sequence[Graph]) -> str:
    rows = [f"| {_picture(one.title)} | **{one.title}** | {_does(one)} |" for one in graphs]
    return "\n".join(["| | workflow | what it does |", "|---|---|---|", *rows])


def _numbers(results: Sequence[Mapping[str, Any]]) -> str:
    """One row for each run: the numbers of the newest ComfyUI, and on which ones all of them held."""
    runs: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in results:
        runs.setdefault((one["workflow"], one["run"]), []).append(one)
    lines = ["| workflow | run | numbers | holds on | first run, again |", "|---|---|---|---|---|"]
    for (title, how), some in runs.items():
        newest = max(some, key=lambda one: [int(part) for part in one["comfyui"].split(".")])
        held = ", ".join(one["comfyui"] for one in some if all(row["holds"] for row in one["checks"]))
        times = f"{newest['seconds']:.0f} s, {newest['second run']:.1f} s"
        numbers = "; ".join(_number(row) for row in newest["checks"])
        lines.append(f"| {title.removeprefix('VACE ')} | {how} | {numbers} | {held or 'none'} | {times} |")
    return "\n".join(lines)


def _number(row: Mapping[str, Any]) -> str:
    other = f", without {row['without']:.3g}" if "without" in row and not row["holds without"] else ""
    return f"{row['what']} **{row['value']:.3g}** ({row['bound'].replace('>=', '≥').replace('<=', '≤')}{other})"


def _does(graph: Graph) -> str:
    """The first sentences of its note."""
    return graph.note.split("\n\n")[1]


def _picture(title: str) -> str:
    return f'<img src="../workflows/{quote(title)}.jpg" width="120" alt="">'
