"""Whose VAE a VAE socket holds, told by its weights: their names, and where these are the same, their shapes.

The channels of its latents do not tell: those of HunyuanVideo and Cosmos have as many as those of Wan 2.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...vace_core.models.family import Family
from ...vace_core.models.ltx.family import LTX
from ...vace_core.models.wan.family import WAN

Shapes = Mapping[str, tuple[int, ...]]
COMPILED = "_orig_mod."  # what torch.compile puts into names

# A weight that only one kind has, as ComfyUI's modules name it. Source: ComfyUI, comfy/sd.py.
WAN_MARK = "decoder.middle.0.residual.0.gamma"
WAN_22_MARK = "decoder.upsamples.0.upsamples.0.residual.2.weight"
LTX_MARK = "per_channel_statistics.mean-of-means"
LTX_095_MARK = "encoder.down_blocks.1.conv.conv.weight"
# The same as a part of a name.
OTHERS = {
    "patcher3d.": "Cosmos",
    "decoder.blocks.2.blocks.3.stack.5.": "Mochi",
    "taesd_decoder.": "a TAESD for previews",
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
    variant = None
    if WAN_MARK in shapes:
        variant = _wan_variant(shapes)
        if variant is None:
            return VaeKind(family=WAN, said=f"that of {WAN.name}")
    elif LTX_MARK in shapes:
        if LTX_095_MARK not in shapes and "decoder.up_blocks.0.res_blocks.0.conv1.conv.weight" in shapes:
            return VaeKind(family=LTX, said=f"that of {LTX.name}")
        variant = "that of LTX-Video 0.9.5 or later"
    else:
        variant = next((f"that of {name}" for part, name in OTHERS.items() if any(part in one for one in shapes)), None)
        if variant is None and _is_hunyuan_video(shapes):
            variant = "that of HunyuanVideo"
    return VaeKind(family=None, said=variant or _unknown(vae))


def _shapes(network: Any) -> Shapes:
    """The weights of a VAE's network, also where a part of it is compiled; nothing where there is none to look at."""
    if not hasattr(network, "named_parameters"):
        return {}
    weights = [*network.named_parameters(), *network.named_buffers()]
    return {name.replace(COMPILED, ""): tuple(value.shape) for name, value in weights}


def _wan_variant(shapes: Shapes) -> str | None:
    """What a VAE with the layers of Wan's is, where it is not that of Wan 2.1."""
    if WAN_22_MARK in shapes:
        return "that of Wan 2.2 (5B)"
    made, latents = shapes.get("decoder.head.2.weight", (3,))[0], shapes.get("conv2.weight", (WAN.latent_channels,))[0]
    read = shapes.get("encoder.conv1.weight", (0, 3))[1]
    if (read, made, latents) == (3, 3, WAN.latent_channels):
        return None
    return f"a variant of Wan 2.1's that reads {read} channels of pixels, makes {made} and has {latents} of latents"


def _is_hunyuan_video(shapes: Shapes) -> bool:
    first = shapes.get("decoder.conv_in.conv.weight", shapes.get("decoder.conv_in.weight", ()))
    return len(first) == 5


def _unknown(vae: Any) -> str:
    network = getattr(vae, "first_stage_model", None)
    name = type(vae if network is None else network).__name__
    channels, dims = getattr(vae, "latent_channels", None), getattr(vae, "latent_dim", None)
    said = "" if channels is None else f", with latents of {channels} channels in {dims} dimensions"
    return f"one that is not known here ({name}{said})"
