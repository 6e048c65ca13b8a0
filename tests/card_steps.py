"""What a pretended card does in the steps of a job."""

from __future__ import annotations

from typing import Any

import torch
from pretended_card import Card

from vace_core.models.wan.dit import FREQUENCIES

# Brought to the card in every pass: the noise level. Tables of places are there since the first one.
LEVEL = 4 * FREQUENCIES


class Steps:
    """What a card did in each step but the first: bytes that came to it, and how often the CPU waited for it."""

    def __init__(self, card: Card) -> None:
        self.card, self.before, self.seen = card, (0, 0), []

    def __call__(self, index: int, total: int, denoised: torch.Tensor) -> None:
        assert denoised.device == self.card.device
        now = (self.card.copied, self.card.asked)
        if index:
            self.seen.append((now[0] - self.before[0], now[1] - self.before[1]))
        self.before = now


def angles(case: Any, unit: Any) -> int:
    """Bytes of the angles of Wan's tokens, axis by axis, which a network brings in its first pass."""
    t, h, w = case.family.grid.latent_size(unit.num_frames, unit.height, unit.width)
    return 8 * (22 * (t + unit.num_references) + 21 * h // 2 + 21 * w // 2)
