"""MiniMax H3 as a family. Source: ComfyUI 0.33, comfy/model_detection.py, comfy/supported_models.py and comfy/sd.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from vace_core.adapter import ContextAdapter
from vace_core.files.weights import Naming, Weights
from vace_core.inputs.fitting import ResolutionPreset
from vace_core.models import layers
from vace_core.models.family import Costs, block_numbers, count_blocks
from vace_core.models.text import TextEncoderSpec
from vace_core.protocols import VideoVae
from vace_core.sampling.options import SamplingOptions

from . import cost, dit
from .dit import EVERY, MiniMaxDit, MiniMaxSizes
from .keys import ADAPTER_NAMES, official_adapter_key
from .latents import LATENTS
from .text import QWEN3
from .vae import MiniMaxVae, MiniMaxVaeNetwork, MiniMaxVaeSizes

BASE_MARK, ADAPTER_MARK = "video_patch_proj.weight", "vace_patch_proj.weight"
PREFIXES = ("", "model.diffusion_model.", "diffusion_model.")


class MiniMaxFamily:
    """`vace_core.models.family.Family` says what each part means."""

    name = "MiniMax H3"
    base_name = "a MiniMax H3 base"
    vae_name = "the MiniMax H3 VAE"
    vae_fits = "MiniMax H3 models and their VACE adapters"
    text: TextEncoderSpec = QWEN3
    pads_prompts = False
    latents = LATENTS
    grid = LATENTS.grid
    latent_channels = LATENTS.channels
    options = SamplingOptions(shift=12.0, solver="euler", negative_prompt="")
    pair_options = options
    dtypes: tuple[torch.dtype, ...] = (torch.bfloat16, torch.float32)
    presets: Mapping[str, ResolutionPreset] = {
        "minimax": ResolutionPreset(grid=LATENTS.grid, max_area=768 * 1280, max_tokens=40_000, fps=24.0)
    }
    size: tuple[int, int] = (768, 1280)
    released_layers: Mapping[int, int] = {5376: 50}
    costs: Costs = cost
    transformer = (Naming(name="official", marks=(BASE_MARK, ADAPTER_MARK), prefixes=PREFIXES),)
    vae = (Naming(name="official", marks=("decoder.transformer_blocks.0.scale1",), prefixes=("", "vae.")),)

    def has_base(self, weights: Weights) -> bool:
        return BASE_MARK in weights.stored

    def is_adapter_name(self, official: str) -> bool:
        return official.startswith(ADAPTER_NAMES)

    def variant(self, weights: Weights) -> str | None:
        return (
            "a MiniMax H3 model with a table in place of its time embedder"
            if "adaln_t_table" in weights.stored
            else None
        )

    def vae_variant(self, weights: Weights) -> str | None:
        return None

    def vae_weights(self, weights: Weights) -> tuple[str, ...]:
        return tuple(weights.stored)

    def base_sizes(self, weights: Weights) -> MiniMaxSizes:
        count_blocks(weights, "blocks.", "blocks")
        for name in ("time_embedder.proj_in.weight", "blocks.0.mlp.fc2.weight", "condition_proj.weight"):
            weights.matrix(name)
        return MiniMaxSizes.of({name: weights.shape(name) for name in weights.stored})

    def adapter_sizes(self, weights: Weights) -> tuple[MiniMaxSizes, int]:
        width, ffn = weights.matrix("vace_blocks.0.mlp.fc2.weight")
        _, inner = weights.matrix("vace_blocks.0.attn.out_proj.weight")
        _, time_width = weights.matrix("vace_blocks.0.adaln_proj.linear.weight")
        (head_width,) = weights.shape("vace_blocks.0.attn.q_norm.weight")
        numbers = block_numbers(weights, ADAPTER_NAMES[1], "context blocks")
        sizes = MiniMaxSizes(
            width=width, ffn=ffn, heads=inner // head_width, head_width=head_width, time_width=time_width,
            layers=len(numbers),
        )  # fmt: skip
        return sizes, len(numbers)

    def vae_sizes(self, weights: Weights) -> MiniMaxVaeSizes:
        _, width = weights.matrix("decoder.proj_out.weight")
        return MiniMaxVaeSizes(width=width)

    def recorded_layers(self, weights: Weights) -> tuple[int, ...] | None:
        return block_numbers(weights, ADAPTER_NAMES[1], "context blocks")

    def usual_layers(self, layers: int, blocks: int) -> tuple[int, ...]:
        return tuple(range(0, layers, EVERY))[:blocks]

    def build_base(self, sizes: MiniMaxSizes, ops: ModuleType | Any = layers) -> MiniMaxDit:
        return MiniMaxDit(sizes, ops)

    def build_adapter(
        self, sizes: MiniMaxSizes, context_layers: Sequence[int], ops: ModuleType | Any = layers
    ) -> ContextAdapter:
        return dit.build_adapter(sizes, context_layers, ops)

    def build_vae(self, sizes: MiniMaxVaeSizes) -> MiniMaxVaeNetwork:
        return MiniMaxVaeNetwork(sizes.width)

    def ready_vae(self, network: MiniMaxVaeNetwork, tile: int | None) -> VideoVae:
        return MiniMaxVae(network, tile)

    def official_adapter_key(self, ours: str, context_layers: Sequence[int]) -> str:
        return official_adapter_key(ours, context_layers)

    def encode_masks(self, masks: Tensor) -> Tensor:
        return dit.encode_masks(masks)

    def mask_frames(self, num_frames: int) -> list[int]:
        return list(range(num_frames))


MINIMAX = MiniMaxFamily()
