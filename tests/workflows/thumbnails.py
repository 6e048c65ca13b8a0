"""Makes the pictures that ComfyUI shows for the workflows: what went in at the left, what came out at the right.

python -m tests.workflows.run COMFYUI_DIR --videos FOLDER
python -m tests.workflows.thumbnails FOLDER
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from .checks import Case, case_of
from .run import video
from .shipped import PROMPTS, WORKFLOWS, at_once

SIDE, GAP = 192, 5
PAPER = (34, 36, 40)
LIKE = {
    "VACE Native Model with LoRA": "VACE Extend",
    "VACE Native Model with LoRA through KSampler": "VACE Reference to Video",
    "VACE Adapter on a Native Model through KSampler": "VACE Several References",
    "VACE Depth (controlnet_aux)": "VACE Depth",
    "VACE Depth (Depth Anything 3)": "VACE Depth",
    "VACE Animate (DWPose)": "VACE Animate Anything",
    "VACE Animate (SDPose)": "VACE Animate Anything",
    "VACE Swap (SAM 2)": "VACE Swap Anything",
    "VACE Swap (SAM 3)": "VACE Swap Anything",
    "VACE Inpaint (Box Editor)": "VACE Inpaint",
}
"""Workflows that do not run on the starter, and the one that does the same on it."""


def thumbnail(prompt: dict[str, Any], film: Tensor) -> Image.Image:
    """Two pictures of what went in above each other, beside two of what came out; four of these without an input."""
    case = case_of(prompt, film)
    last = film.shape[2] - 1
    came_in = _inputs(case)
    came_out = [film[:, :, round(last * at)] for at in ((0.25, 0.75) if came_in else (0.0, 0.33, 0.67, 1.0))]
    pictures = [*came_in, *came_out]
    sheet = Image.new("RGB", (2 * SIDE + 3 * GAP, 2 * SIDE + 3 * GAP), PAPER)
    places = [(column, row) for column in range(2) for row in range(2)]
    for (column, row), picture in zip(places, pictures, strict=True):
        sheet.paste(_picture(picture), (GAP + column * (SIDE + GAP), GAP + row * (SIDE + GAP)))
    return sheet


def _inputs(case: Case) -> list[Tensor]:
    """Two pictures `(1, 3, H, W)`: of the video that went in, of references, or one of each; none without either."""
    unit = case.unit
    last = unit.num_frames - 1
    given = [] if unit.source is None and unit.control is None else [0, round(last * 0.75)]
    if unit.source is not None and bool((unit.masks[0, 0, given[1]] == 1).all()):
        given = [0, last]  # the middle is all to be made
    shown = [unit.frames[:, :, at] for at in given]
    pictures = [one[:, :, 0] for one in unit.references]
    if not pictures:
        return shown
    return [shown[0], pictures[0]] if shown else [pictures[0], pictures[-1] if len(pictures) > 1 else _blank(pictures)]


def _blank(pictures: list[Tensor]) -> Tensor:
    return torch.full_like(pictures[0], 2 * PAPER[1] / 255 - 1)


def _picture(frame: Tensor) -> Image.Image:
    """A frame `(1, 3, H, W)` as large as its place; what is not square is centred."""
    scale = SIDE / max(frame.shape[2:])
    large = functional.interpolate(frame, scale_factor=scale, mode="nearest")
    data = large[0].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    page, picture = Image.new("RGB", (SIDE, SIDE), PAPER), Image.fromarray(data)
    page.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    folder = parser.parse_args().videos
    for title in (graph.title for graph in at_once()):
        path = folder / f"{title}.mp4"
        if not path.is_file():
            print(f"no video of {title}")
            continue
        prompt = json.loads((PROMPTS / f"{title}.json").read_text(encoding="utf-8"))
        sheet = thumbnail(prompt, video(path.read_bytes())[0])
        for name in (title, *(name for name, like in LIKE.items() if like == title)):
            sheet.save(WORKFLOWS / f"{name}.jpg", quality=90)


if __name__ == "__main__":
    main()
