"""First frames of the example clips, which the path editor shows before a graph has run.

`python -m tools.workflows.example_pictures` draws them again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image

from .forms import ROOT, pack

PICTURES = ROOT / "web" / "examples"


def path_of(scene: str) -> Path:
    """The file of a scene's image; `web/js/paths/picture.mjs` makes the same name."""
    return PICTURES / f"{re.sub('[^a-z]+', '-', scene)}.png"


def drawn() -> dict[Path, Any]:
    """`(H, W, 3)` bytes of every scene's first frame, by its file."""
    nodes = pack().by_id
    clips = {scene: nodes["VaceExampleClip"].execute(scene=scene, length=1) for scene in _scenes(nodes)}
    return {path_of(scene): out.result[0][0].mul(255).round().byte().numpy() for scene, out in clips.items()}


def _scenes(nodes: dict[str, Any]) -> list[str]:
    (scene,) = (one for one in nodes["VaceExampleClip"].define_schema().inputs if one.id == "scene")
    return list(scene.options)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for path, pixels in drawn().items():
        Image.fromarray(pixels).save(path)
