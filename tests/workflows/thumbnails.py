"""Makes the pictures that ComfyUI shows for the workflows: what went in at the left, what came out at the right.

python -m tests.workflows.run COMFYUI_DIR --videos FOLDER
python -m tests.workflows.thumbnails FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor
from torch.nn import functional

from .cases import Run, runs
from .checks import Case, case_of
from .run import video
from .shipped import WORKFLOWS, everything

SIDE, GAP = 192, 5
PAPER = (34, 36, 40)
QUALITY = 84


def thumbnail(prompt: dict[str, Any], film: Tensor) -> Image.Image:
    """Up to two pictures of what went in at the left, above each other, and what came out in the other places."""
    case = case_of(prompt, film)
    came_in = _inputs(case)
    places = [(column, row) for column in range(2) for row in range(2)]
    if len(came_in) < 2:  # in the order of reading
        places = [(column, row) for row in range(2) for column in range(2)]
    came_out = [film[:, :, at] for at in _shown_at(case, 4 - len(came_in))]
    sheet = Image.new("RGB", (2 * SIDE + 3 * GAP, 2 * SIDE + 3 * GAP), PAPER)
    for (column, row), picture in zip(places, [*came_in, *came_out], strict=True):
        sheet.paste(_picture(picture), (GAP + column * (SIDE + GAP), GAP + row * (SIDE + GAP)))
    return sheet


def _made(case: Case) -> list[int]:
    """The frames of the unit in which everything is made."""
    return case.unit.masks[0, 0].flatten(1).all(1).nonzero().flatten().tolist()


def _shown_at(case: Case, count: int) -> list[int]:
    """The frames of the film that show what came out."""
    last, made = case.unit.num_frames - 1, _made(case)
    if count > 2:
        return [round(last * n / (count - 1)) for n in range(count)]
    at = (round(last * 0.25), round(last * 0.75))
    if case.unit.source is not None and made:
        at = (made[len(made) // 3], made[-1 - len(made) // 6])
    return [case.start + one for one in at]


def _inputs(case: Case) -> list[Tensor]:
    """Pictures `(1, 3, H, W)` of what went in: the video, what the model is shown of it, references; at most two."""
    unit = case.unit
    pictures = [one[:, :, 0] for one in unit.references][:2]
    if unit.source is None:
        shown = [] if unit.control is None else [unit.control[:, :, at] for at in _shown_at(case, 2)]
    else:
        last = unit.num_frames - 1
        given = sorted(set(range(last + 1)) - set(_made(case)))
        if len(given) > last:  # a part of every frame is made: the video, and the place that is empty in it
            shown = [unit.source[:, :, round(last * 0.25)], unit.frames[:, :, round(last * 0.75)]]
        else:
            shown = [unit.frames[:, :, 0], unit.frames[:, :, last if unit.control is not None else given[-1]]]
    return [*shown[: 2 - len(pictures[:1])], *pictures][:2]


def _picture(frame: Tensor) -> Image.Image:
    """A frame `(1, 3, H, W)` as large as its place; what is not square is centred."""
    scale = SIDE / max(frame.shape[2:])
    large = functional.interpolate(frame, scale_factor=scale, mode="nearest")
    data = large[0].add(1).mul(127.5).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    page, picture = Image.new("RGB", (SIDE, SIDE), PAPER), Image.fromarray(data)
    page.paste(picture, ((SIDE - picture.width) // 2, (SIDE - picture.height) // 2))
    return page


def pictured() -> dict[str, Run]:
    """The run of each workflow that its picture is made of: the first."""
    titles = {graph.title for graph in everything()}
    found: dict[str, Run] = {}
    for one in runs():
        if one.title in titles:
            found.setdefault(one.title, one)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", type=Path)
    folder = parser.parse_args().videos
    for title, one in pictured().items():
        path = folder / f"{one.name}.mkv"
        if not path.is_file():
            print(f"no video of {title}")
            continue
        film = video(path.read_bytes())[0]
        thumbnail(one.prompt, film).save(WORKFLOWS / f"{title}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
