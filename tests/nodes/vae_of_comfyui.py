"""ComfyUI's VAE of Wan where there is no ComfyUI, and the work of one counted without doing it."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from filling import fill
from torch.utils.flop_counter import FlopCounterMode


class OfComfyUI:
    """What is used of ComfyUI's VAE, where there is no ComfyUI."""

    device = output_device = torch.device("cpu")
    vae_dtype = torch.float32

    def __init__(self, network):
        self.first_stage_model, self.patcher = network, SimpleNamespace(patches={}, patches_uuid=0)

    def memory_used_encode(self, shape, dtype):
        return 0

    memory_used_decode = memory_used_encode

    def encode(self, pixels):
        return self.first_stage_model.encode(pixels.movedim(-1, 0)[None] * 2 - 1, {})[0]

    def decode(self, latents):
        frames = self.first_stage_model.decode(latents, {})
        return (frames.clamp(-1, 1) / 2 + 0.5).movedim(1, -1)


def standin(core, width=4):
    """One with weights that are nowhere zero, on meta where that is the device."""
    kind = type("WanVAE", (core.models.wan.vae.WanVaeNetwork,), {"__module__": "comfy.ldm.wan.vae"})
    vae = type("VAE", (OfComfyUI,), {"__module__": "comfy.sd"})
    network = kind(width=width).requires_grad_(False)
    on_meta = next(network.parameters()).is_meta
    made = vae(network if on_meta else fill(network, 3))
    if on_meta:
        made.device = made.output_device = torch.device("meta")
    return made


def counted(run):
    """What `run` gives, and the FLOP that it took."""
    with FlopCounterMode(display=False) as counter:
        made = run()
    return made, counter.get_total_flops()


class Counting:
    """A VAE that only counts: its work happens on meta tensors, its latents are zeros."""

    latent_channels = 16

    def __init__(self, vae):
        self.vae, self.grid, self.flop = vae, vae.grid, 0

    def encode(self, frames, *, content=None, on_chunk=None):
        return self._count(lambda: self.vae.encode(frames.to("meta"), content=content))

    def decode(self, latents, *, window=None, on_chunk=None):
        return self._count(lambda: self.vae.decode(latents.to("meta"), window=window))

    def _count(self, run):
        made, flop = counted(run)
        self.flop += flop
        return torch.zeros(made.shape)
