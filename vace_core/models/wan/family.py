"""Wan 2.1 as a family: its files, its sizes, its settings.

Source: Wan-Video/Wan2.1, wan/configs; ComfyUI, comfy/model_detection.py, for the names that tell models apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from ...adapter import ContextAdapter
from ...files.weights import Naming, Weights
from ...inputs.fitting import ResolutionPreset
from ...protocols import VideoVae
from ...sampling.options import SamplingOptions
from .. import layers
from ..family import Costs, count_blocks
from ..text import TextEncoderSpec
from . import cost as wan_cost
from . import dit as wan
from .dit import HEAD_WIDTH, WanDit, WanSizes
from .keys import diffusers_key, official_key, official_vae_key
from .latents import LATENTS
from .text import UMT5
from .vae import MULTIPLIERS, VaeSizes, WanVaeNetwork
from .vae_stream import WanVae

BASE_MARK, ADAPTER_MARK = "head.modulation", "vace_blocks.0.after_proj.weight"
EMBEDDER_MARK = "vace_patch_embedding.weight"  # all that there is of an adapter without blocks
ADAPTER_NAMES = "vace_"
PREFIXES = ("", "model.diffusion_model.", "model.model.", "net.", "model.", "diffusion_model.")
VAE_PREFIXES = ("", "vae.", "first_stage_model.")
MAX_VAE_BLOCKS = 8
# First part of a name that only a variant of Wan has, and what that variant is.
VARIANTS = {
    "img_emb": "a Wan image-to-video model",
    "control_adapter": "a Wan Fun camera control model",
    "ref_conv": "a Wan Fun-Control model",
    "face_adapter": "a Wan Animate model",
    "casual_audio_encoder": "a Wan speech-to-video model",
    "audio_proj": "a Wan HuMo model",
}


class WanFamily:
    """`models.family.Family` says what each part means."""

    name = "Wan 2.1"
    base_name = "a Wan text-to-video base"
    vae_name = "the Wan 2.1 VAE"
    vae_fits = "Wan 2.1 and Wan 2.2 14B models and their VACE adapters"
    text: TextEncoderSpec = UMT5
    pads_prompts = True
    latents = LATENTS
    grid = LATENTS.grid
    options = SamplingOptions()
    dtypes: tuple[torch.dtype, ...] = (torch.bfloat16, torch.float16, torch.float32)
    # Source: aigc-apps/VideoX-Fun, Wan2.2-VACE-Fun-A14B.
    pair_options = replace(options, shift=12.0)
    latent_channels = LATENTS.channels
    # Source: ali-vilab/VACE, models/wan/wan_vace.py.
    presets: Mapping[str, ResolutionPreset] = {
        "wan-480p": ResolutionPreset(grid=LATENTS.grid, max_area=480 * 832, max_tokens=32_760, fps=16.0),
        "wan-720p": ResolutionPreset(grid=LATENTS.grid, max_area=720 * 1280, max_tokens=75_600, fps=16.0),
    }
    size: tuple[int, int] = (480, 832)
    released_layers: Mapping[int, int] = {1536: 30, 5120: 40}
    costs: Costs = wan_cost
    transformer = (
        Naming(name="official", marks=(BASE_MARK, ADAPTER_MARK), prefixes=PREFIXES),
        Naming(
            name="diffusers",
            marks=("condition_embedder.time_proj.weight", "vace_blocks.0.proj_out.weight"),
            prefixes=PREFIXES,
            official=official_key,
            own=diffusers_key,
        ),
        Naming(name="official", marks=(EMBEDDER_MARK,), prefixes=PREFIXES),  # diffusers has the same name for it
    )
    vae = (
        Naming(name="official", marks=("decoder.middle.0.residual.0.gamma",), prefixes=VAE_PREFIXES),
        Naming(
            name="diffusers",
            marks=("decoder.mid_block.resnets.0.norm1.gamma",),
            prefixes=VAE_PREFIXES,
            official=official_vae_key,
        ),
    )

    def has_base(self, weights: Weights) -> bool:
        return BASE_MARK in weights.stored

    def is_adapter_name(self, official: str) -> bool:
        return official.startswith(ADAPTER_NAMES)

    def variant(self, weights: Weights) -> str | None:
        heads = {name.split(".", 1)[0] for name in weights.stored}
        variant = next((what for head, what in VARIANTS.items() if head in heads), None)
        if variant is None and any(".k_img." in name for name in weights.stored):
            variant = VARIANTS["img_emb"]
        usual = LATENTS.channels
        channels = weights.inputs("patch_embedding.weight", usual)
        if variant is None and channels != usual:
            # TI2V-5B is the one whose output has as many channels as its input.
            tiny = weights.shape("head.head.weight")[:1] == (channels * 4,)
            variant = "the Wan 2.2 TI2V-5B model" if tiny else "a Wan image-to-video or Fun-Control model"
        if variant is not None:
            return f"{variant}, whose input has {channels} channels instead of {usual}"
        needed = LATENTS.vace_in_channels
        context = weights.inputs("vace_patch_embedding.weight", needed)
        return None if context == needed else f"an adapter whose context has {context} channels instead of {needed}"

    def vae_variant(self, weights: Weights) -> str | None:
        channels = weights.inputs("decoder.conv1.weight", LATENTS.channels)
        nested = "decoder.upsamples.0.upsamples.0.residual.2.weight" in weights.stored
        return f"the Wan 2.2 VAE of {channels} latent channels" if nested or channels != LATENTS.channels else None

    def vae_weights(self, weights: Weights) -> tuple[str, ...]:
        return tuple(weights.stored)

    def base_sizes(self, weights: Weights) -> WanSizes:
        _ffn, width = weights.matrix("blocks.0.ffn.0.weight")
        _check_width(weights, width, "blocks.0.self_attn.q.weight")
        weights.matrix("text_embedding.0.weight")
        count_blocks(weights, "blocks.", "blocks")
        return WanSizes.of({name: weights.shape(name) for name in weights.stored})

    def adapter_sizes(self, weights: Weights) -> tuple[WanSizes, int]:
        if ADAPTER_MARK not in weights.stored and (shape := weights.shape(EMBEDDER_MARK)):
            return WanSizes(width=shape[0], ffn=shape[0], layers=0), 0  # its tokens are read by the base itself
        ffn, width = weights.matrix("vace_blocks.0.ffn.0.weight")
        _check_width(weights, width, "vace_blocks.0.self_attn.q.weight")
        blocks = count_blocks(weights, "vace_blocks.", "context blocks")
        return WanSizes(width=width, ffn=ffn, layers=blocks), blocks

    def vae_sizes(self, weights: Weights) -> VaeSizes:
        middle = weights.shape("encoder.middle.0.residual.2.weight")
        channels = middle[0] if middle else 0
        width, rest = divmod(channels, MULTIPLIERS[-1])
        downs = {name.split(".")[2] for name in weights.stored if name.startswith("encoder.downsamples.")}
        levels = len(MULTIPLIERS)
        blocks = (len(downs) - levels + 1) // levels
        if rest or not width or not 1 <= blocks <= MAX_VAE_BLOCKS or middle != (channels, channels, 3, 3, 3):
            raise weights.damaged("its weights do not tell the sizes of a Wan VAE")
        return VaeSizes(width=width, blocks=blocks)

    def recorded_layers(self, weights: Weights) -> tuple[int, ...] | None:
        return None

    def usual_layers(self, layers: int, blocks: int) -> tuple[int, ...]:
        return wan.default_context_layers(layers, blocks)

    def build_base(self, sizes: WanSizes, ops: ModuleType | Any = layers) -> WanDit:
        return WanDit(sizes, ops)

    def build_adapter(
        self, sizes: WanSizes, context_layers: Sequence[int], ops: ModuleType | Any = layers
    ) -> ContextAdapter:
        return wan.build_adapter(sizes, context_layers, ops)

    def build_vae(self, sizes: VaeSizes) -> WanVaeNetwork:
        return WanVaeNetwork(width=sizes.width, blocks=sizes.blocks)

    def ready_vae(self, network: WanVaeNetwork, tile: int | None) -> VideoVae:
        return WanVae(network, tile=tile)

    def official_adapter_key(self, ours: str, context_layers: Sequence[int]) -> str:
        return wan.official_adapter_key(ours)

    def encode_masks(self, masks: Tensor) -> Tensor:
        return wan.encode_masks(masks)

    def mask_frames(self, num_frames: int) -> list[int]:
        return wan.mask_frames(num_frames)


def _check_width(weights: Weights, width: int, square: str) -> None:
    if weights.matrix(square) != (width, width) or width % HEAD_WIDTH:
        raise weights.damaged(f"its weight {square} does not fit a model of width {width}")


WAN = WanFamily()
