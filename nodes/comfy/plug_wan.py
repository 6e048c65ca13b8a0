"""Adapters of Wan 2.1 on ComfyUI's own Wan: its own blocks, with the adapter's weights, so that sums are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ...vace_core.adapter import ContextAdapter
from ...vace_core.errors import InputError
from ...vace_core.models.family import Family
from ...vace_core.models.wan.dit import EPS, GRID, HEAD_WIDTH, TEXT_TOKENS
from ...vace_core.models.wan.family import WAN
from . import host, placement
from .hooks import in_managed_layers

CHANNELS = WAN.latent_channels
PATCH = (1, GRID.patch, GRID.patch)


class WanPlug:
    """`hooks.Plug` says what each part means."""

    family: Family = WAN
    room = 0.2  # Source: ComfyUI, comfy/supported_models.py: memory_usage_factor 1.2 for Wan with VACE, 1 without

    def owns(self, network: Any) -> bool:
        classes = host.wan_classes()
        return classes is not None and isinstance(network, classes[0])

    def check(self, network: Any) -> None:
        if hasattr(network, "vace_patch_embedding"):
            raise InputError(
                "model-has-vace",
                "The model has VACE blocks of its own. A text-to-video model without them is needed to attach an "
                "adapter. Connect the plain base, or use this model as it is with VACE Apply VCU.",
            )
        if network.out_dim != CHANNELS:
            raise InputError(
                "model-latents",
                "The model works on latents of {channels} channels. This adapter needs a Wan model with latents "
                "of {needed}. Choose a Wan 2.1 or a Wan 2.2 14B model.",
                channels=network.out_dim,
                needed=CHANNELS,
            )
        if network.img_emb is not None:
            raise InputError(
                "model-image-attention",
                "The blocks of the model attend to an image beside the text (CLIP vision, as in Wan 2.1 "
                "image-to-video), and those of the adapter do not. A model whose blocks read text alone is "
                "needed. Choose a Wan 2.1 T2V model, or a Wan 2.2 14B one.",
            )
        block = type(getattr(network.blocks[0], "_orig_mod", network.blocks[0]))
        if block is not _classes()[1]:
            raise InputError(
                "model-blocks",
                "The blocks of the model are of another kind ({kind}) than those of the adapter ({needed}). A "
                "model of the same blocks is needed. Choose a Wan 2.1 T2V model, or a Wan 2.2 14B one.",
                kind=block.__name__,
                needed=_classes()[1].__name__,
            )

    def sizes(self, network: Any) -> Mapping[str, int]:
        return {"width": network.dim, "layers": len(network.blocks)}

    def managed(self, adapter: ContextAdapter) -> ContextAdapter:
        width, ffn = adapter.width, len(adapter.state_dict()["context_blocks.0.ffn.0.weight"])
        ops = placement.managed_layers()
        settings = {"operations": ops, "device": None, "dtype": next(adapter.context_embedder.parameters()).dtype}
        block = _block_class()
        sizes = ("t2v_cross_attn", width, ffn, width // HEAD_WIDTH)
        with torch.device("meta"):
            embedder = _patches_class(ops)(WAN.latents.vace_in_channels, width, kernel_size=PATCH, stride=PATCH)
            blocks = [
                block(*sizes, cross_attn_norm=True, eps=EPS, operation_settings=settings)
                for _ in adapter.context_layers
            ]
        return in_managed_layers(adapter, embedder, blocks)

    def prompt(self, rows: Tensor, fps: float) -> tuple[Tensor, dict[str, Any]]:
        # ComfyUI's Wan reads what it is given, and it was trained with zeros after the end.
        return torch.nn.functional.pad(rows, (0, 0, 0, max(0, TEXT_TOKENS - rows.shape[1]))), {}

    def context(self, model: Any, context: Tensor) -> Tensor:
        # There and back again, as latents reach ComfyUI's own model: rounding is part of equality.
        halves = [
            model.model.process_latent_in(WAN.latents.to_comfyui(half))
            for half in context[:, : 2 * CHANNELS].split(CHANNELS, 1)
        ]
        return torch.cat([*halves, context[:, 2 * CHANNELS :]], dim=1)


def _classes() -> tuple[type[nn.Module], type[nn.Module]]:
    classes = host.wan_classes()
    assert classes is not None  # a MODEL came
    return classes


def _block_class() -> Any:
    """ComfyUI's block of Wan, called as the adapter calls its blocks."""

    class Block(_classes()[1]):  # type: ignore[misc]
        def forward(self, tokens: Tensor, stream: Mapping[str, Any]) -> Tensor:
            return super().forward(
                tokens,
                e=stream["vec"],
                freqs=stream["pe"],
                context=stream["txt"],
                context_img_len=None,
                transformer_options=stream["transformer_options"],
            )

    return Block


def _patches_class(ops: Any) -> Any:
    """Latents `(B, C, t, h, w)` → tokens `(B, L, D)`, in single precision as ComfyUI's Wan does it."""

    class Patches(ops.Conv3d):
        def forward(self, latents: Tensor) -> Tensor:
            return super().forward(latents.float()).to(latents.dtype).flatten(2).transpose(1, 2)

    return Patches


WAN_PLUG = WanPlug()
