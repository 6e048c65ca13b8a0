"""Whose VAE a VAE socket holds, told by its weights: their names, and where these are the same, their shapes.

The channels of its latents do not tell: those of HunyuanVideo and Cosmos have as many as those of Wan 2.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...vace_core.models.family import Family
from .families import Shapes
from .registry import COMFY_FAMILIES

COMPILED = "_orig_mod."  # what torch.compile puts into names

# Part of the name of a weight that only one kind has, as ComfyUI's modules name it. Source: ComfyUI, comfy/sd.py.
# TAEHV has latents like those of Wan 2.1, but its first one holds four frames and not one: it shows what was sampled,
# and what it encodes is no condition.
OTHERS = {
    "patcher3d.": "that of Cosmos",
    "decoder.blocks.2.blocks.3.stack.5.": "that of Mochi",
    "taesd_decoder.": "a TAESD for previews",
    "decoder.22.bias": "a TAEHV for previews (such as lighttaew2_1), whose latents begin at other frames",
}


@dataclass(frozen=True, kw_only=True)
class VaeKind:
    """What a VAE socket holds.

    Attributes:
        family: Whose VAE it is; None if it is that of no family here.
        said: What it is, in a sentence: "that of HunyuanVideo".
    """

    family: Family | None
    said: str


def kind_of(vae: Any) -> VaeKind:
    """What a VAE socket holds."""
    shapes = _shapes(getattr(vae, "first_stage_model", None))
    alike = [comfy for comfy in COMFY_FAMILIES if comfy.vae_mark in shapes]
    for comfy in alike:
        if comfy.vae_variant(shapes) is None:
            return VaeKind(family=comfy.family, said=f"that of {comfy.family.name}")
    variant = next((comfy.vae_variant(shapes) for comfy in alike), None) or _other(shapes)
    return VaeKind(family=None, said=variant or _unknown(vae))


def _other(shapes: Shapes) -> str | None:
    """What a VAE of no family here is, where that can be told."""
    said = next((said for part, said in OTHERS.items() if any(part in name for name in shapes)), None)
    return "that of HunyuanVideo" if said is None and _is_hunyuan_video(shapes) else said


def _shapes(network: Any) -> Shapes:
    """The weights of a VAE's network, also where a part of it is compiled; nothing where there is none to look at."""
    if not hasattr(network, "named_parameters"):
        return {}
    weights = [*network.named_parameters(), *network.named_buffers()]
    return {name.replace(COMPILED, ""): tuple(value.shape) for name, value in weights}


def _is_hunyuan_video(shapes: Shapes) -> bool:
    first = shapes.get("decoder.conv_in.conv.weight", shapes.get("decoder.conv_in.weight", ()))
    return len(first) == 5


def _unknown(vae: Any) -> str:
    network = getattr(vae, "first_stage_model", None)
    name = type(vae if network is None else network).__name__
    channels, dims = getattr(vae, "latent_channels", None), getattr(vae, "latent_dim", None)
    said = "" if channels is None else f", with latents of {channels} channels in {dims} dimensions"
    return f"one that is not known here ({name}{said})"
