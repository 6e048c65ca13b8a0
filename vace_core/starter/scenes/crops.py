"""Pieces of clips for a VAE to learn from: scenes, and what tasks make of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .clips import Bucket, clip
from .conditions import draw_condition

PLAIN = 0.6
"""How often a piece is of a scene; otherwise it is of what a task makes of one."""

SIDES = (64, 96, 128)
"""Sides of the frames that pieces are cut from, in pixels."""

PIECES_OF_A_CLIP = 3  # drawing is a small part of a step if a clip is used more than once


@dataclass(frozen=True, kw_only=True)
class Crops:
    """A size of pieces.

    Attributes:
        num_frames: Length, 4n + 1.
        side: Height and width in pixels, a multiple of 8.
        count: Pieces of one step, ≥ 2: PyTorch convolves a single clip of few channels on the CPU without oneDNN and
            takes two to three times as long as for two.
        share: How often it is drawn, relative to the others.
    """

    num_frames: int
    side: int
    count: int
    share: float


CROPS: tuple[Crops, ...] = (
    Crops(num_frames=5, side=32, count=8, share=0.25),
    Crops(num_frames=9, side=48, count=4, share=0.50),
    Crops(num_frames=17, side=64, count=2, share=0.15),
    Crops(num_frames=5, side=96, count=2, share=0.10),
)
"""Small pieces learn faster per second, whole clips teach the borders and the attention."""


def draw_crops(kinds: Sequence[Crops], seed: int) -> Tensor:
    """`(B, 3, T, H, W)`, -1..1: the pieces of one step; one seed, one batch."""
    rng = random.Random(f"crops {seed}")
    kind = rng.choices(kinds, [one.share for one in kinds])[0]
    cut: list[Tensor] = []
    while len(cut) < kind.count:
        frame = rng.choice([side for side in SIDES if side >= kind.side])
        bucket = Bucket(num_frames=kind.num_frames, height=frame, width=frame)
        drawn = clip(0, rng.randrange(2**31), bucket)
        for _ in range(min(PIECES_OF_A_CLIP, kind.count - len(cut))):
            frames = drawn.frames if rng.random() < PLAIN else draw_condition(drawn, rng)
            y, x = (rng.randint(0, frame - kind.side) for _ in range(2))
            cut.append(frames[..., y : y + kind.side, x : x + kind.side])
    # As a video file holds them.
    levels = torch.cat(cut).add(1).mul(127.5).round()
    return (levels / 127.5 - 1).contiguous(memory_format=torch.channels_last_3d)
