"""Real photographs as backdrops: an extra for training, of those that scikit-image brings, where it is installed.

Nothing needs them: without scikit-image, and wherever nobody asks for them, there are none.
"""

from __future__ import annotations

import importlib.util
from functools import lru_cache
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor

from ...media.pictures import read_image

FILES: dict[str, str] = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "cat": "chelsea.png",
    "coffee": "coffee.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "stars": "hubble_deep_field.jpg",
    "rocket": "rocket.jpg",
}
"""Pictures of scikit-image that are CC0 or in the public domain, by what a caption calls them."""


def folder() -> Path | None:
    """Where scikit-image keeps its pictures; None if it is not installed. It is not imported."""
    found = importlib.util.find_spec("skimage")
    places = list(found.submodule_search_locations or []) if found else []
    return Path(places[0]) / "data" if places else None


def names() -> tuple[str, ...]:
    """The photographs that are there."""
    where = folder()
    return tuple(name for name, file in FILES.items() if where is not None and (where / file).is_file())


@lru_cache(maxsize=16)
def _photograph(name: str) -> Tensor:
    """`(3, h, w)`, 0..1."""
    where = folder()
    assert where is not None
    return read_image(where / FILES[name])[0].permute(2, 0, 1) / 255


def cut(name: str, phase: tuple[float, float, float, float], rows: int, columns: int) -> Tensor:
    """`(3, rows, columns)`, 0..1: a piece of a photograph; `phase` says where and how large."""
    picture = _photograph(name)
    height, width = picture.shape[1:]
    # From a fifth of the picture up to all of it.
    scale = (0.2 + 0.8 * phase[2]) * min(height / rows, width / columns)
    down, across = max(int(rows * scale), 2), max(int(columns * scale), 2)
    top, left = int(phase[0] * (height - down)), int(phase[1] * (width - across))
    piece = picture[None, :, top : top + down, left : left + across]
    piece = piece.flip(3) if phase[3] > 0.5 else piece
    return F.interpolate(piece, size=(rows, columns), mode="bilinear", antialias=True, align_corners=False)[0].clamp(
        0, 1
    )
