"""The list of shipped workflows, and their files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import templates as single
from . import templates_anything as several
from . import templates_long as long
from . import templates_models as models
from . import templates_packs as packs
from .blueprints import BLUEPRINTS
from .forms import ROOT
from .graph_json import Graph
from .page import page

WORKFLOWS = ROOT / "workflows"
SUBGRAPHS = ROOT / "subgraphs"
PAGE = ROOT / "docs" / "workflows.md"
ORDER = ROOT / "web" / "js" / "templates" / "order.mjs"
RESULTS = ROOT / "benchmarks" / "results" / "workflows.json"
PROMPTS = ROOT / "tests" / "workflows" / "prompts"

AT_ONCE: tuple[Callable[[], Graph], ...] = (
    single.text,
    single.reference,
    single.several_references,
    single.inpaint,
    single.outpaint,
    single.extend,
    single.first_and_last,
    single.keyframes,
    single.join,
    single.gray,
    single.depth,
    single.pose,
    single.scribble,
    single.stylize,
    single.flow,
    single.layout,
    several.desk,
    several.move,
    several.swap,
    several.expand,
    several.animate,
    several.reference_anything,
    several.composed,
    several.two_controls,
    several.masks,
    several.general,
    several.retouch,
    several.crop,
    several.measure,
    long.rerender,
    long.extension,
    long.loop,
    models.lora,
    models.plugged,
)
"""Those that run on the starter, with nothing to download."""

WITH_FILES: tuple[Callable[[], Graph], ...] = (
    models.adapter,
    models.native,
    models.ksampler,
    models.attached,
    models.ltx,
    packs.inpaint_boxes,
)
"""Those that need real models."""

WITH_PACKS: tuple[Callable[[], Graph], ...] = (packs.depth_aux, packs.pose_aux, packs.swap_sam2)
"""Those that need other packs too."""

WITH_NEWER_CORE: tuple[Callable[[], Graph], ...] = (
    packs.depth_3,
    packs.pose_sdpose,
    packs.swap_sam3,
)
"""Those that need the nodes of a ComfyUI of 2026."""


def at_once() -> list[Graph]:
    return [make() for make in AT_ONCE]


def everything() -> list[Graph]:
    return [make() for make in (*AT_ONCE, *WITH_FILES, *WITH_PACKS, *WITH_NEWER_CORE)]


def files() -> dict[Path, str]:
    """What is written where."""
    found: dict[Path, str] = {ORDER: order()}
    for graph in everything():
        found[WORKFLOWS / f"{graph.title}.json"] = written(graph.workflow())
        found[PROMPTS / f"{graph.title}.json"] = written(graph.prompt())
    single = [make() for make in BLUEPRINTS]
    for one in single:
        found[SUBGRAPHS / f"{one.title}.json"] = written(one.workflow())
    groups = ([make() for make in some] for some in (AT_ONCE, WITH_FILES, WITH_PACKS, WITH_NEWER_CORE))
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else []
    found[PAGE] = page(*groups, single, results=results)
    return found


def order() -> str:
    """The order in which the dialog of templates shows them."""
    names = "".join(f"  {json.dumps(graph.title)},\n" for graph in everything())
    return (
        "// The templates: what runs at once, what needs models, what needs other packs or a newer ComfyUI.\n"
        f"// `python -m tools.workflows` writes this.\n\nexport const ORDER = [\n{names}];\n"
    )


def written(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    for path, text in files().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
