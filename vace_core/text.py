"""Prompts as numbers: what a text encoder is to the rest of the library."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class TextEncoder(Protocol):
    """Turns a prompt into what a base model reads."""

    def encode(self, prompt: str) -> Tensor:
        """`(1, S, text_width)` float32, one row for each token of the prompt, no padding; S ≥ 1."""
        ...
