"""Put among the custom nodes of a ComfyUI under test: with it ComfyUI's own loaders load parts of the starter.

The starter's VAE has one block a level where Wan's has two, and its text encoder is a list of words in the place of a
file of 6 GB. Everything else is loaded as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import comfy.ldm.wan.vae
import comfy.sd
import torch

sys.path.append(str(Path(__file__).resolve().parents[3]))
from vace_core.models.wan.dit import TEXT_TOKENS
from vace_core.starter.scenes.text import SceneText

NODE_CLASS_MAPPINGS: dict[str, Any] = {}


class StarterVae(comfy.ldm.wan.vae.WanVAE):
    def __init__(self, **sizes: Any) -> None:
        super().__init__(**{**sizes, "dim": 16, "num_res_blocks": 1})


class StarterClip:
    """What is used of CLIP."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, tokens: str) -> list[Any]:
        rows = SceneText().encode(tokens)
        return [[torch.nn.functional.pad(rows, (0, 0, 0, TEXT_TOKENS - rows.shape[1])), {"pooled_output": None}]]


comfy.ldm.wan.vae.WanVAE = StarterVae
comfy.sd.load_clip = lambda *files, **options: StarterClip()
