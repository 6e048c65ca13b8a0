"""Files for every profile, with true headers and no data: what they are is told from these alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from model_files import released_shapes, text_encoder, write_sparse
from torch import nn

from vace_core.models.ltx.family import LTX
from vace_core.models.wan.family import WAN
from vace_core.starter.profiles import PROFILES

FOLDERS = ("diffusion_models", "vae", "text_encoders", "loras")
TEXT = "encoder.block.{}.layer.0.SelfAttention.q.weight"
LAYERS = 40

Shapes = dict[str, tuple[int, ...]]


def write_profiles(folder: Path) -> Mapping[str, list[Path]]:
    """A file of each kind in folders called as ComfyUI's, under names that say nothing; the files of each folder."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    large = released_shapes(14)
    files: dict[str, Shapes] = {
        "diffusion_models/a": released_shapes(1.3),
        "diffusion_models/b": large,
        "diffusion_models/c, high": large,
        "diffusion_models/c, low": large,
        "diffusion_models/d": ltx(),
        "vae/a": shapes_of(_on_meta(lambda: WAN.build_vae(PROFILES["wan-14b-480p"].vae))),
        "text_encoders/a": text_encoder(24, 24, TEXT),
        "text_encoders/b": text_encoder(24, 1, TEXT),
        "loras/a, lightx2v": lora(),
        "loras/b, a style": lora(),
    }
    for name, shapes in files.items():
        write_sparse(folder / f"{name}.safetensors", shapes)
    return listed(folder)


def listed(folder: Path) -> Mapping[str, list[Path]]:
    return {name: sorted((folder / name).glob("*.safetensors")) for name in FOLDERS}


def ltx() -> Shapes:
    """All but the text encoder, as it was published."""
    profile = PROFILES["ltx"]
    layers = LTX.usual_layers(profile.base.layers, profile.context_blocks)
    base = shapes_of(_on_meta(lambda: LTX.build_base(profile.base)))
    adapter = shapes_of(_on_meta(lambda: LTX.build_adapter(profile.base, layers)))
    vae = shapes_of(_on_meta(lambda: LTX.build_vae(profile.vae)))
    own = {LTX.official_adapter_key(name, layers): shape for name, shape in adapter.items()}
    return base | own | {f"vae.{name}": shape for name, shape in vae.items()}


def lora(width: int = 5120) -> Shapes:
    """Of every query of the large base."""
    stem = "diffusion_model.blocks.{}.self_attn.q.lora_{}.weight"
    down = {stem.format(n, "A"): (4, width) for n in range(LAYERS)}
    return down | {stem.format(n, "B"): (width, 4) for n in range(LAYERS)}


def shapes_of(network: nn.Module) -> Shapes:
    return {name: tuple(value.shape) for name, value in network.state_dict().items()}


def _on_meta(build):
    with torch.device("meta"):
        return build()
