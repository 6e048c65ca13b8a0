"""How the contact sheet looks: pictures of it that were looked at.

After a change that is meant, `python tests/core/test_preview_golden.py` draws them anew; look at each.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

from vace_core import tasks
from vace_core.preview.sheet import contact_sheet
from vace_core.vcu import VideoConditionUnit, compose

GOLDEN = Path(__file__).with_name("golden")
FREETYPE = "2.14.3"  # draws letters a little differently in each version


def colours(t: int, h: int = 32, w: int = 48) -> torch.Tensor:
    """Ramps to the right, downwards and in time."""
    axes = torch.meshgrid(torch.linspace(-1, 1, t), torch.linspace(-1, 1, h), torch.linspace(-1, 1, w), indexing="ij")
    return torch.stack([axes[2], axes[1], axes[0]])[None]


def masks(t: int) -> torch.Tensor:
    """A hole that goes to the right, and a whole frame."""
    made = torch.zeros(1, 1, t, 32, 48)
    for n in range(t):
        made[..., n, 8:24, 4 + n % 24 : 20 + n % 24] = 1
    made[:, :, t // 2] = 1
    return made


def composed() -> tuple[VideoConditionUnit, dict]:
    followed = torch.zeros(1, 1, 9, 32, 48)
    followed[..., 16:] = 1
    unit = compose(tasks.inpaint(colours(9), masks(9), prompt="a red fox " * 40, negative_prompt="blur 狗狗"),
                   tasks.depth(colours(9).flip(4), masks=followed))  # fmt: skip
    return unit, {"mask_frames": [1, 4, 7]}


def long() -> tuple[VideoConditionUnit, dict]:
    return tasks.inpaint(colours(81), masks(81)), {"columns": 6, "mask_frames": range(1, 81, 4)}


def references() -> tuple[VideoConditionUnit, dict]:
    pictures = [colours(1).roll(8 * n, dims=4) for n in range(7)]
    return tasks.reference(pictures, num_frames=5, height=32, width=48, prompt="seven"), {}


def tall() -> tuple[VideoConditionUnit, dict]:
    return tasks.depth(torch.cat([colours(3, 96, 32), -colours(3, 96, 32)])), {}


def cuts() -> tuple[VideoConditionUnit, dict]:
    """Single kept frames, more than columns: each is shown rather than the frame before it."""
    kept = {frame: colours(1, 20, 44) for frame in (3, 9, 10, 17, 25, 31, 38)}
    return tasks.keyframes(kept, num_frames=40), {"columns": 7, "mask_frames": [3, 17]}


def few_cuts() -> tuple[VideoConditionUnit, dict]:
    """Both sides of a cut are shown, and the widest gaps are filled; the references are many and narrow."""
    made = torch.zeros(1, 1, 30, 24, 16)
    made[:, :, 11:13], made[..., 20:, :4, :] = 1, 1
    clip = colours(30, 24, 16)
    unit = tasks.inpaint(torch.cat([clip, -clip]), torch.cat([made, made]), prompt="word", negative_prompt="no " * 200)
    pictures = tuple(colours(1, 24, 16).roll(n, dims=3).expand(2, -1, -1, -1, -1) for n in range(23))
    return replace(unit, references=pictures, fps=7.5), {"columns": 9}


def little() -> tuple[VideoConditionUnit, dict]:
    """Shares at and beside one in a hundred, of pictures that are smaller than a thumbnail."""
    made = torch.ones(1, 1, 2, 10, 20)
    made[:, :, 0, 0, :2], made[:, :, 1, 0, :2] = 0, 0
    followed = torch.zeros(1, 1, 2, 10, 20)
    followed[:, :, 1, 9, 19] = 1
    return compose(tasks.inpaint(colours(2, 10, 20), made), tasks.depth(colours(2, 10, 20), masks=followed)), {}


def wide() -> tuple[VideoConditionUnit, dict]:
    return tasks.reference([colours(1, 4, 300)], num_frames=150, height=4, width=300), {"mask_frames": [0, 149]}


CASES = (composed, long, references, tall, cuts, few_cuts, little, wide)


def drawn(case) -> Image.Image:
    unit, options = case()
    return contact_sheet(unit, **options)


@pytest.mark.skipif(features.version("freetype2") != FREETYPE, reason="letters of another FreeType")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_it_looks_as_it_did_when_it_was_looked_at(case):
    with Image.open(GOLDEN / f"sheet_{case.__name__}.png") as wanted:
        assert np.array_equal(np.asarray(drawn(case)), np.asarray(wanted.convert("RGB")))


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for one in CASES:
        drawn(one).save(GOLDEN / f"sheet_{one.__name__}.png", optimize=True)
