"""How MiniMax H3 reads prompts: states of Qwen3-VL, and what every token is. A stand-in with a row for each byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vace_core.files.weights import Naming, Weights

from .dit import TEXT

TABLE, QWEN3_MARK = "model.embed_tokens.weight", "model.layers.0.self_attn.q_norm.weight"


@dataclass(frozen=True)
class Qwen3Text:
    """`vace_core.models.text.TextEncoder` says what the calls mean."""

    table: Tensor

    @property
    def width(self) -> int:
        return self.table.shape[1]

    def encode(self, prompt: str) -> tuple[Tensor, Tensor]:
        numbers = torch.tensor(list(prompt.encode()) or [0], device=self.table.device) % len(self.table)
        return self.table[numbers].float()[None], torch.full((1, len(numbers)), TEXT, device=self.table.device)


class Qwen3Kind:
    """`vace_core.models.text.TextEncoderSpec` says what each part means."""

    name, reader = "Qwen3-VL", "MiniMax"
    released, released_width = "Qwen3-VL-32B", 5120
    max_tokens = 1024
    example = "qwen3vl_32b.safetensors"
    cased = True
    namings = (Naming(name="official", marks=(QWEN3_MARK,), prefixes=("", "text_encoders.qwen3vl_32b.transformer.")),)
    unlike = "a text encoder of the Qwen3 family that none of them reads"

    def owns(self, weights: Weights) -> bool:
        return TABLE in weights.stored

    def load(self, weights: Weights, *, tokenizer: Any, device: str | torch.device, dtype: torch.dtype) -> Qwen3Text:
        return Qwen3Text(weights.read(TABLE, dtype=dtype, device=device))


QWEN3 = Qwen3Kind()
