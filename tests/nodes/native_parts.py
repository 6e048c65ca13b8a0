"""ComfyUI's own model classes at tiny sizes, with deterministic weights that are nowhere zero."""

from __future__ import annotations

from types import ModuleType
from typing import Any
from unittest import mock

import torch
from filling import fill
from tiny_files import full_weights


def vace_model(core: ModuleType) -> Any:
    """MODEL: the weights of `tiny_files`, loaded by ComfyUI."""
    import comfy.sd

    model = comfy.sd.load_diffusion_model_state_dict(full_weights(core))
    assert type(model.model).__name__ == "WAN21_Vace"
    return model


def plain_model(core: ModuleType) -> Any:
    """MODEL: the same base without VACE."""
    import comfy.sd

    weights = {name: value for name, value in full_weights(core).items() if not name.startswith("vace_")}
    return comfy.sd.load_diffusion_model_state_dict(weights)


def vae(core: ModuleType) -> Any:
    """VAE of width 8. Older ComfyUIs know one width only: it is told the other."""
    import comfy.ldm.wan.vae
    import comfy.sd

    real = comfy.ldm.wan.vae.WanVAE

    def narrow(**sizes: Any) -> Any:
        return real(**{**sizes, "dim": 8})

    network = fill(core.models.wan_vae.WanVaeNetwork(width=8), 3)
    state = {name: value.contiguous() for name, value in network.state_dict().items()}
    with mock.patch("comfy.ldm.wan.vae.WanVAE", narrow):
        return comfy.sd.VAE(sd=state)


class Clip:
    """What is used of CLIP: a row of numbers for each letter, filled up with zeros as umT5's are."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, tokens: str) -> list[Any]:
        letters = [ord(letter) % 64 for letter in tokens] or [1]
        rows = torch.zeros(1, 512, 4096)
        rows[0, : len(letters), :64] = torch.nn.functional.one_hot(torch.tensor(letters), 64) * 4.0
        return [[rows, {"pooled_output": None}]]
