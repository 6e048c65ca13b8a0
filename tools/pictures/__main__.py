"""Draws the pictures of the help pages with the real nodes and the starter: `python -m tools.pictures`.

Every picture is written to `web/docs/pictures` and put into its page, after the first paragraph.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

from .cases import CASES
from .sheet import Sheet
from .studio import Studio

DOCS = Path(__file__).parents[2] / "web" / "docs"
PICTURES = DOCS / "pictures"
SHOWN = re.compile(r"!\[[^\]]*\]\(pictures/[^)]*\)\n\n")
MOST = 40_000  # bytes


def put(page: Path, line: str) -> None:
    """Puts the picture between what the node does and its inputs."""
    text = SHOWN.sub("", page.read_text(encoding="utf-8"))
    before, heading, after = text.partition("## Inputs\n")
    page.write_text(f"{before}{line}\n\n{heading}{after}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", nargs="*", help="ids of nodes; all of them where none is named")
    parser.add_argument("--weights", type=Path, help="a folder with the starter's three files, for the pack's own")
    options = parser.parse_args()
    torch.manual_seed(0)
    studio = Studio(options.weights)
    PICTURES.mkdir(exist_ok=True)
    for node_id in options.nodes or studio.nodes:
        sheet = Sheet()
        words = CASES[node_id](studio, sheet)
        path = PICTURES / f"{node_id}.webp"
        for quality in (90, 80, 70, 60):
            sheet.drawn().save(path, quality=quality, method=6)
            if path.stat().st_size < MOST:
                break
        put(DOCS / f"{node_id}.md", f"![{studio.name(node_id)}: {words}](pictures/{path.name})")
        print(f"{node_id}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
