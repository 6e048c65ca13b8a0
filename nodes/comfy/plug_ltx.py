"""Adapters of LTX-Video on ComfyUI's own LTXV: its own blocks, with the adapter's weights.

Positions, noise level and text reach them as ComfyUI hands them on, whatever they look like in its version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from ...vace_core.adapter import ContextAdapter
from ...vace_core.errors import InputError
from ...vace_core.models.family import Family
from ...vace_core.models.ltx.family import HEADS, LTX
from . import host, placement
from .hooks import in_managed_layers

# What a block is called with, by the names that a replaced block gets it under; some only in newer ComfyUIs.
ARGUMENTS = {"txt": "context", "attention_mask": "attention_mask", "vec": "timestep", "pe": "pe",
             "transformer_options": "transformer_options", "self_attention_mask": "self_attention_mask",
             "prompt_timestep": "prompt_timestep"}  # fmt: skip


class LtxPlug:
    """`hooks.Plug` says what each part means."""

    family: Family = LTX
    room = 0.2  # an adapter holds its tokens and one hint beside the twelve or so tensors of the base

    def owns(self, network: Any) -> bool:
        classes = host.ltx_classes()
        return classes is not None and isinstance(network, classes[0])

    def check(self, network: Any) -> None:
        channels = network.patchify_proj.weight.shape[1]
        later = network.causal_temporal_positioning or getattr(network, "cross_attention_adaln", False)
        if later or channels != LTX.latent_channels:
            raise InputError(
                "ltx-version",
                "The model is an LTX-Video of another version, which places frames or reads prompts in another "
                "way. LTX-Video 2B v0.9 or 0.9.1 is needed by this adapter. Choose one of these, such as "
                "ltx-video-2b-v0.9.safetensors.",
            )

    def sizes(self, network: Any) -> Mapping[str, int]:
        return {"width": network.inner_dim, "layers": len(network.transformer_blocks)}

    def managed(self, adapter: ContextAdapter) -> ContextAdapter:
        width, dtype = adapter.width, next(adapter.context_embedder.parameters()).dtype
        ops, block = placement.managed_layers(), _block_class()
        with torch.device("meta"):
            embedder = _tokens_class(ops)(LTX.latents.vace_in_channels, width)
            blocks = [
                block(width, HEADS, width // HEADS, context_dim=width, dtype=dtype, operations=ops)
                for _ in adapter.context_layers
            ]
        return in_managed_layers(adapter, embedder, blocks)

    def prompt(self, rows: Tensor, fps: float) -> tuple[Tensor, dict[str, Any]]:
        return rows, {"attention_mask": torch.ones(rows.shape[:2], dtype=torch.long), "frame_rate": fps}

    def context(self, model: Any, context: Tensor) -> Tensor:
        return context  # ComfyUI's latents of LTX-Video are normalised by its VAE, as ours are


def _block_class() -> Any:
    """ComfyUI's block of LTXV, called as the adapter calls its blocks."""
    classes = host.ltx_classes()
    assert classes is not None  # a MODEL came

    class Block(classes[1]):  # type: ignore[misc]
        def forward(self, tokens: Tensor, stream: Mapping[str, Any]) -> Tensor:
            said = {name: stream[key] for key, name in ARGUMENTS.items() if stream.get(key) is not None}
            return super().forward(tokens, **said)  # writes into the tokens, which are the adapter's own

    return Block


def _tokens_class(ops: Any) -> Any:
    """Latents `(B, C, t, h, w)` → tokens `(B, L, D)` in the order frame, row, column."""

    class Tokens(ops.Linear):
        def forward(self, latents: Tensor) -> Tensor:
            return super().forward(latents.flatten(2).transpose(1, 2))

    return Tokens


LTX_PLUG = LtxPlug()
