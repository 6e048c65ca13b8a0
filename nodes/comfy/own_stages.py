"""Our stages of Wan's VAE on the weights of ComfyUI's: it encodes and decodes whole frames, they a part of one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ...vace_core.geometry import Box
from ...vace_core.models.wan.vae import WanVaeNetwork
from ...vace_core.models.wan.vae_stream import GRID, WanVae, decodes_less, encodes_less
from ...vace_core.protocols import OnChunk
from . import placement
from .vae_kind import COMPILED

WEIGHTS = "encoder.conv1.weight"


class OwnStages:
    """What of a Wan VAE's work is less than whole frames; the results are those of its whole frames.

    Args:
        vae: ComfyUI's VAE of Wan 2.1. One whose code somebody changed is left to itself.
    """

    def __init__(self, vae: Any) -> None:
        self._vae = vae

    def encode(self, frames: Tensor, content: Box | None, on_chunk: OnChunk | None) -> Tensor | None:
        """Normalised latents, or None where a whole frame is hardly more work or the VAE is not known."""
        if not encodes_less(content, *frames.shape[3:]) or not self._is_known():
            return None
        memory = self._vae.memory_used_encode(tuple(frames.shape), self._vae.vae_dtype)
        return self._ready(memory).encode(frames, content=content, on_chunk=on_chunk).to(self._vae.output_device)

    def decode(self, latents: Tensor, window: Box | None, on_chunk: OnChunk | None) -> Tensor | None:
        """Frames in −1..1 of `window`, or None as for `encode`."""
        height, width = (side * GRID.pixels for side in latents.shape[3:])
        if not decodes_less(window, height, width) or not self._is_known():
            return None
        memory = self._vae.memory_used_decode(tuple(latents.shape), self._vae.vae_dtype)
        return self._ready(memory).decode(latents, window=window, on_chunk=on_chunk)

    def _is_known(self) -> bool:
        """Whether it computes what the published network does: ComfyUI's classes, nothing of them replaced."""
        vae, network = self._vae, getattr(self._vae, "first_stage_model", None)
        kinds = [f"{type(one).__module__}.{type(one).__name__}" for one in (vae, network)]
        changed = {"encode", "decode"} & {*vars(vae), *vars(network)} if network is not None else {"network"}
        patched = getattr(getattr(vae, "patcher", None), "patches", None)
        return kinds == ["comfy.sd.VAE", "comfy.ldm.wan.vae.WanVAE"] and not changed and not patched

    def _ready(self, memory: int) -> WanVae:
        """With the weights where and as ComfyUI has them for its own call."""
        placement.bring_vae(self._vae, memory)
        state = {
            name.replace(COMPILED, ""): weight.to(device=self._vae.device, dtype=self._vae.vae_dtype)
            for name, weight in self._vae.first_stage_model.state_dict().items()
        }
        blocks = {name.split(".")[2] for name in state if name.startswith("encoder.downsamples.")}
        with torch.device("meta"):
            network = WanVaeNetwork(width=len(state[WEIGHTS]), blocks=(len(blocks) - 3) // 4).requires_grad_(False)
        network.load_state_dict(state, assign=True)
        return WanVae(network)
