"""Films of every layout, an edit for them, and the levels that a file stores."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import torch
from video_files import encode, noise

from vace_core.media.planes import stored_planes

HOLE = (slice(9, 21), slice(11, 30))


def film(path: Path, codec: str, pix_fmt: str, count: int = 6, size: tuple[int, int] = (48, 64)) -> Path:
    return encode(path, noise(count, *size, 3), codec=codec, pix_fmt=pix_fmt, fps=30000 / 1001)


def stored(path: Path) -> list[list[np.ndarray]]:
    """The levels of every frame, copied, as a decoder gives them."""
    with av.open(str(path)) as container:
        return [[plane.copy() for plane in stored_planes(frame)[0]] for frame in container.decode(video=0)]


def edit(count: int, size: tuple[int, int] = (48, 64)) -> tuple[torch.Tensor, torch.Tensor]:
    """An orange rectangle."""
    frames = torch.tensor([200, 120, 40], dtype=torch.uint8).expand(count, *size, 3)
    changed = torch.zeros(count, *size)
    changed[(slice(None), *HOLE)] = 0.3  # a soft edge counts too
    return frames, changed
