"""ComfyUI's own model classes at tiny sizes, with deterministic weights that are nowhere zero."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import torch
from filling import fill
from safetensors.torch import save_file
from tiny_files import full_weights


def vace_model(core: ModuleType, seed: int = 1, **options: Any) -> Any:
    """MODEL: the weights of `tiny_files`, loaded by ComfyUI."""
    import comfy.sd

    model = comfy.sd.load_diffusion_model_state_dict(full_weights(core, seed), model_options=options)
    assert type(model.model).__name__ == "WAN21_Vace"
    return model


def plain_model(core: ModuleType, seed: int = 1, **options: Any) -> Any:
    """MODEL: the same base without VACE."""
    import comfy.sd

    return comfy.sd.load_diffusion_model_state_dict(base_weights(core, seed), model_options=options)


def base_weights(core: ModuleType, seed: int = 1) -> dict[str, torch.Tensor]:
    return {name: value for name, value in full_weights(core, seed).items() if not name.startswith("vace_")}


def node_result(node: Any, **values: Any) -> Any:
    """The first output of one of ComfyUI's own nodes, of the older kind or the newer."""
    if hasattr(node, "execute"):
        return node.execute(**values)[0]
    return getattr(node(), node.FUNCTION)(**values)[0]


def vae(core: ModuleType) -> Any:
    """VAE of width 8. Older ComfyUIs know one width only: it is told the other."""
    import comfy.ldm.wan.vae
    import comfy.sd

    real = comfy.ldm.wan.vae.WanVAE

    def narrow(**sizes: Any) -> Any:
        return real(**{**sizes, "dim": 8})

    network = fill(core.models.wan.vae.WanVaeNetwork(width=8), 3)
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


def image_to_video_model(core: ModuleType) -> Any:
    """MODEL: a Wan with 36 input channels, as image-to-video models of Wan 2.2 have."""
    import comfy.sd

    weights = base_weights(core)
    weights["patch_embedding.weight"] = weights["patch_embedding.weight"].repeat(1, 3, 1, 1, 1)[:, :36].contiguous()
    return comfy.sd.load_diffusion_model_state_dict(weights)


def large_base() -> Any:
    """MODEL: a base in the sizes of the 1.3B one, without memory for its weights."""
    import comfy.model_patcher
    import comfy.supported_models

    sizes = {"model_type": "t2v", "dim": 1536, "ffn_dim": 8960, "num_heads": 12, "num_layers": 30, "text_dim": 4096,
             "in_dim": 16, "out_dim": 16}  # fmt: skip
    config = comfy.supported_models.WAN21_T2V({"image_model": "wan2.1", **sizes})
    config.set_inference_dtype(torch.bfloat16, None)
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(config.get_model({}, "", device=torch.device("meta")), cpu, cpu)


def other_model() -> Any:
    """MODEL: a picture model, no Wan at all."""
    import comfy.model_patcher
    import comfy.supported_models

    sizes = {"image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": 32, "num_res_blocks": [1, 1],
             "channel_mult": (1, 1), "transformer_depth": [0, 0], "transformer_depth_output": [0, 0, 0, 0],
             "transformer_depth_middle": -2, "num_heads": 1}  # fmt: skip
    config = comfy.supported_models.SD15(sizes)
    config.set_inference_dtype(torch.float32, None)
    cpu = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(config.get_model({}, "", device=cpu), cpu, cpu)


def write_ltx_adapter(core: ModuleType, folder: Path) -> Path:
    """A file with an adapter for LTX-Video."""
    ltx = core.models.ltx.dit
    sizes, layers = ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=32, heads=4), (0, 2)
    family = core.models.ltx.family.LTX
    state = fill(ltx.build_adapter(sizes, layers), 2).state_dict()
    path = folder / "ltx.safetensors"
    save_file({family.official_adapter_key(name, layers): value.contiguous() for name, value in state.items()}, path)
    return path


class SomeVae:
    """What a VAE says of itself."""

    def __init__(self, **said: Any) -> None:
        vars(self).update(said)

    def encode(self, _: Any) -> None:
        raise AssertionError("a VAE of another kind was used")

    decode = encode
