"""Wan 2.1 in ComfyUI."""

from __future__ import annotations

from ...vace_core.models.wan.family import WAN
from .families import ComfyFamily, Shapes
from .plug_wan import WAN_PLUG

WAN_22_MARK = "decoder.upsamples.0.upsamples.0.residual.2.weight"


def vae_variant(shapes: Shapes) -> str | None:
    """What a VAE with the layers of Wan's is, where it is not that of Wan 2.1."""
    if WAN_22_MARK in shapes:
        return "that of Wan 2.2 (5B)"
    channels = WAN.latents.channels
    made, latents = shapes.get("decoder.head.2.weight", (3,))[0], shapes.get("conv2.weight", (channels,))[0]
    read = shapes.get("encoder.conv1.weight", (0, 3))[1]
    if (read, made, latents) == (3, 3, channels):
        return None
    return f"a variant of Wan 2.1's that reads {read} channels of pixels, makes {made} and has {latents} of latents"


COMFY_WAN = ComfyFamily(
    family=WAN,
    clip_type="WAN",
    vae_file="wan_2.1_vae.safetensors",
    fits={"480p": WAN.presets["wan-480p"], "720p": WAN.presets["wan-720p"]},
    plug=WAN_PLUG,
    vae_mark="decoder.middle.0.residual.0.gamma",
    vae_variant=vae_variant,
    native_vace=True,
    tips={
        "side": "a multiple of 16",
        "length": "4n + 1",
        "fps": "16 for Wan",
        "steps": "50 as published",
        "cfg": "5 for Wan",
        "shift": "16 for Wan, 12 for pairs of Wan 2.2, 3 for the starter",
        "sampler": "unipc is the official sampler of Wan",
        "clip": "umT5 from Load CLIP, type wan",
        "text_encoder": "For Wan umT5-XXL, such as umt5_xxl_fp8_e4m3fn_scaled.safetensors",
    },
)
