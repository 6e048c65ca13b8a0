"""LTX-Video 0.9 as a family: its files, its sizes, its settings.

Source: Lightricks/LTX-Video 0.9.1; ali-vilab/VACE, vace/models/ltx.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, cast

import torch
from torch import Tensor

from ...adapter import ContextAdapter
from ...files import strict_json
from ...files.weights import Naming, Weights
from ...inputs.fitting import ResolutionPreset
from ...protocols import VideoVae
from ...sampling.options import SamplingOptions
from .. import layers
from ..family import Costs, block_numbers, count_blocks
from ..text import TextEncoderSpec
from . import cost as ltx_cost
from . import dit as ltx
from .dit import LtxDit, LtxSizes
from .keys import ADAPTER_NAMES, STATISTICS, diffusers_key, official_adapter_key, official_key, official_vae_key
from .latents import LATENTS
from .text import T5
from .vae import BLOCKS, LtxVae, LtxVaeNetwork, LtxVaeSizes

BASE_MARK, ADAPTER_MARK = "patchify_proj.weight", "patchify_context_proj.weight"
PREFIXES = ("", "model.diffusion_model.", "diffusion_model.")
VAE_PREFIXES = ("", "vae.")
HEADS = 32


class LtxFamily:
    """`models.family.Family` says what each part means."""

    name = "LTX-Video 0.9"
    base_name = "an LTX-Video base"
    vae_name = "the LTX-Video 0.9 VAE"
    vae_fits = "LTX-Video 0.9 models and their VACE adapters"
    text: TextEncoderSpec = T5
    pads_prompts = False
    latents = LATENTS
    grid = LATENTS.grid
    # Source: ali-vilab/VACE, vace/vace_ltx_inference.py, and the scheduler's configuration in the released file.
    options = SamplingOptions(
        steps=40,
        shift=math.exp(0.95),
        shift_growth=(2.05 - 0.95) / (4096 - 1024),
        terminal=0.1,
        guidance_scale=3.0,
        stg_scale=1.0,
        rescale=0.7,
        solver="euler",
        seed=42,
        negative_prompt="worst quality, inconsistent motion, blurry, jittery, distorted",
    )
    pair_options = options  # no pairs are known
    # No float16: ComfyUI, comfy/supported_models.py, does not compute it in that either.
    dtypes: tuple[torch.dtype, ...] = (torch.bfloat16, torch.float32)
    latent_channels = LATENTS.channels
    # Source: ali-vilab/VACE, configs of VACE-LTX.
    presets: Mapping[str, ResolutionPreset] = {
        "ltx": ResolutionPreset(grid=LATENTS.grid, max_area=512 * 768, max_tokens=4_992, fps=25.0),
    }
    size: tuple[int, int] = (512, 768)
    released_layers: Mapping[int, int] = {2048: 28}
    costs: Costs = ltx_cost
    transformer = (
        Naming(name="official", marks=(BASE_MARK, ADAPTER_MARK), prefixes=PREFIXES),
        Naming(
            name="diffusers",
            marks=("time_embed.linear.weight",),
            prefixes=PREFIXES,
            official=official_key,
            own=diffusers_key,
        ),
    )
    vae = (
        Naming(name="official", marks=tuple(STATISTICS), prefixes=VAE_PREFIXES),
        Naming(name="diffusers", marks=tuple(STATISTICS.values()), prefixes=VAE_PREFIXES, official=official_vae_key),
    )

    def has_base(self, weights: Weights) -> bool:
        return BASE_MARK in weights.stored

    def is_adapter_name(self, official: str) -> bool:
        return official.startswith(ADAPTER_NAMES)

    def variant(self, weights: Weights) -> str | None:
        if _configuration(weights).get("causal_temporal_positioning"):
            return "an LTX-Video model of version 0.9.5 or later, which places frames in time in another way"
        needed = LATENTS.vace_in_channels
        context = weights.inputs(ADAPTER_MARK, needed)
        return None if context == needed else f"an adapter whose context has {context} channels instead of {needed}"

    def vae_variant(self, weights: Weights) -> str | None:
        widest = weights.shape("decoder.conv_in.conv.weight")[:1]
        narrowest = weights.shape("decoder.conv_out.conv.weight")[1:2]
        timed = any("time_embedder" in name for name in weights.stored)
        if timed or widest != tuple(width * BLOCKS[-1][2] for width in narrowest):
            return "an LTX-Video VAE of version 0.9.1 or later"
        return None

    def vae_weights(self, weights: Weights) -> tuple[str, ...]:
        statistics = tuple(STATISTICS)
        return tuple(
            name for name in weights.stored if name in statistics or not name.startswith("per_channel_statistics.")
        )

    def base_sizes(self, weights: Weights) -> LtxSizes:
        _ffn, width = weights.matrix("transformer_blocks.0.ff.net.0.proj.weight")
        _check_width(weights, width, "transformer_blocks.0.attn1.to_q.weight")
        weights.matrix("caption_projection.linear_1.weight")
        count_blocks(weights, "transformer_blocks.", "blocks")
        return LtxSizes.of({name: weights.shape(name) for name in weights.stored})

    def adapter_sizes(self, weights: Weights) -> tuple[LtxSizes, int]:
        if not self.recorded_layers(weights) and (shape := weights.shape(ADAPTER_MARK)):
            return LtxSizes(width=shape[0], ffn=shape[0], layers=0), 0  # its tokens are read by the base itself
        ffn, width = weights.matrix("transformer_context_blocks.0.ff.net.0.proj.weight")
        _check_width(weights, width, "transformer_context_blocks.0.attn1.to_q.weight")
        blocks = count_blocks(weights, ADAPTER_NAMES[1], "context blocks")
        return LtxSizes(width=width, ffn=ffn, layers=blocks), blocks

    def vae_sizes(self, weights: Weights) -> LtxVaeSizes:
        shape = weights.shape("encoder.conv_in.conv.weight")
        if len(shape) != 5 or not shape[0]:
            raise weights.damaged("its weights do not tell the sizes of an LTX-Video VAE")
        return LtxVaeSizes(width=shape[0])

    def recorded_layers(self, weights: Weights) -> tuple[int, ...] | None:
        return block_numbers(weights, ADAPTER_NAMES[1], "context blocks")

    def usual_layers(self, layers: int, blocks: int) -> tuple[int, ...]:
        return tuple(range(blocks))

    def build_base(self, sizes: LtxSizes, ops: ModuleType | Any = layers) -> LtxDit:
        return LtxDit(sizes, ops)

    def build_adapter(
        self, sizes: LtxSizes, context_layers: Sequence[int], ops: ModuleType | Any = layers
    ) -> ContextAdapter:
        return ltx.build_adapter(sizes, context_layers, ops)

    def build_vae(self, sizes: LtxVaeSizes) -> LtxVaeNetwork:
        return LtxVaeNetwork(width=sizes.width)

    def ready_vae(self, network: LtxVaeNetwork, tile: int | None) -> VideoVae:
        return LtxVae(network, tile=tile)

    def official_adapter_key(self, ours: str, context_layers: Sequence[int]) -> str:
        return official_adapter_key(ours, context_layers)

    def encode_masks(self, masks: Tensor) -> Tensor:
        return ltx.encode_masks(masks)

    def mask_frames(self, num_frames: int) -> list[int]:
        return ltx.mask_frames(num_frames)


def _configuration(weights: Weights) -> Mapping[str, Any]:
    """What the metadata of an official file say of the transformer; {} if nothing that can be read."""
    found = strict_json.parse_table(weights.file.metadata.get("config", "{}")).get("transformer")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _check_width(weights: Weights, width: int, square: str) -> None:
    if weights.matrix(square) != (width, width) or width % HEADS:
        raise weights.damaged(f"its weight {square} does not fit a model of width {width}")


LTX = LtxFamily()
