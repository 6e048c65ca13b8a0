"""LTX-Video 0.9 in ComfyUI."""

from __future__ import annotations

from ...vace_core.models.ltx.family import LTX
from .families import ComfyFamily, Shapes
from .plug_ltx import LTX_PLUG

LTX_095_MARK = "encoder.down_blocks.1.conv.conv.weight"
LTX_MARK = "decoder.up_blocks.0.res_blocks.0.conv1.conv.weight"


def vae_variant(shapes: Shapes) -> str | None:
    """What a VAE with statistics such as LTX-Video's is, where it is not that of version 0.9."""
    return None if LTX_095_MARK not in shapes and LTX_MARK in shapes else "that of LTX-Video 0.9.5 or later"


COMFY_LTX = ComfyFamily(
    family=LTX,
    clip_type="LTXV",
    vae_file="the VAE of ltx-video-2b-v0.9.safetensors",
    fits={"LTX-Video": LTX.presets["ltx"]},
    plug=LTX_PLUG,
    vae_mark="per_channel_statistics.mean-of-means",
    vae_variant=vae_variant,
    native_vace=False,
    tips={
        "side": "for LTX-Video of 32",
        "length": "for LTX-Video 8n + 1",
        "fps": "25 for LTX-Video",
        "steps": "(LTX-Video 40)",
        "cfg": "3 for LTX-Video",
        "shift": "for LTX-Video it grows with the clip",
        "sampler": "euler that of LTX-Video",
        "clip": "(for LTX-Video T5, type ltxv)",
        "text_encoder": "for LTX-Video T5-XXL, such as t5xxl_fp16.safetensors",
    },
)
