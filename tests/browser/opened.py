"""How the shipped workflows open: the zoom of each, and pictures of some, in a real frontend at 1600 x 950.

    python tests/browser/opened.py FRONTEND docs/templates.md docs/pictures/opened

FRONTEND is a folder made with `pip install --target`. No ComfyUI is needed: a record of one says what its nodes are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2]))

from browser.backend import LOADERS, Backend
from browser.found import PACKAGE, chromium
from browser.record_nodes import RECORDS
from browser.screenshots import save
from browser.studio import Studio

WORKFLOWS = Path(__file__).parents[2] / "workflows"
VIEW = (1600, 950)
LEAST = 0.6
SMALL_TITLE = 14  # pixels of a title at a zoom of 1
SHOWN = (
    "VACE Move Anything",
    "VACE Swap Anything",
    "VACE Inpaint",
    "VACE Reference to Video",
    "VACE Extend",
    "VACE Outpaint",
    "VACE Keyframes",
    "VACE Animate Anything",
    "VACE Long Extension",
    "VACE Text to Video",
)

# As the template dialog opens one.
OPEN = "(graph) => app.loadGraphData(graph, true, true, null, { openSource: 'template' })"
SCALE = "() => app.canvas.ds.scale"
HEAD = """\
# How templates open

The zoom at which each template opens in the frontend {version}, with a window of {width} x {height}. A title has \
{title} pixels at 100 %, so {small:.0f} at {least:.0%}. The frontend leaves a quarter of the window free.

{good} of {all} open at {least:.0%} or more.

`python tests/browser/opened.py FRONTEND docs/templates.md docs/pictures/opened` makes this page.

| template | zoom |
| --- | --- |
"""


def main() -> None:
    package, page, pictures = (Path(argument) for argument in sys.argv[1:4])
    (info,) = package.glob(f"{PACKAGE}-*.dist-info")
    version = info.name.removesuffix(".dist-info").rpartition("-")[2]
    backend = Backend(package / PACKAGE / "static", nodes=nodes())
    backend.settings["Comfy.Workflow.WorkflowTabsPosition"] = "Sidebar"
    studio = Studio(backend, chromium() or "", nodes_2=False, view=VIEW)
    pictures.mkdir(exist_ok=True, parents=True)
    zooms = {}
    try:
        for path in sorted(WORKFLOWS.glob("*.json")):
            zooms[path.stem] = opened(studio, path)
            if path.stem in SHOWN:
                save(studio.page.screenshot(), pictures / file_of(path.stem))
    finally:
        studio.close()
        backend.close()
    page.write_text(text(zooms, version), encoding="utf-8")


def nodes() -> dict[str, object]:
    """All nodes of the workflows: the pack's own as they are now, the others as a ComfyUI had them."""
    from tools.workflows.forms import pack

    record = json.loads((RECORDS / "0.33.0.json").read_text(encoding="utf-8"))
    own = {name: {"python_module": "custom_nodes.vace", **info} for name, info in pack().infos.items()}
    return LOADERS | record | own


def opened(studio: Studio, path: Path) -> float:
    studio.page.evaluate(OPEN, json.loads(path.read_text(encoding="utf-8")))
    studio.settle()
    studio.press("Escape")
    return studio.page.evaluate(SCALE)


def text(zooms: dict[str, float], version: str) -> str:
    good = sum(round(zoom, 2) >= LEAST for zoom in zooms.values())
    facts = {"width": VIEW[0], "height": VIEW[1], "title": SMALL_TITLE, "small": SMALL_TITLE * LEAST, "least": LEAST}
    head = HEAD.format(version=version, good=good, all=len(zooms), **facts)
    rows = sorted(zooms.items(), key=lambda row: (-round(row[1], 2), row[0]))
    shown = "".join(f"\n![{name}](pictures/opened/{file_of(name)})\n" for name in SHOWN)
    return head + "".join(f"| {name} | {zoom:.0%} |\n" for name, zoom in rows) + "\n## Ten of them\n" + shown


def file_of(name: str) -> str:
    return f"{name.removeprefix('VACE ').replace(' ', '-')}.webp"


if __name__ == "__main__":
    main()
