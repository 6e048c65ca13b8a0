"""What a kind of base model is to the rest of the library: how its files are told and read, and how it is run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..adapter import ContextAdapter
from ..files.weights import Naming, Weights
from ..geometry import Grid
from ..inputs.fitting import ResolutionPreset
from ..protocols import BaseSizes, VideoVae
from ..sampling.options import SamplingOptions
from . import layers
from .latent_space import LatentSpace
from .text import TextEncoderSpec

MAX_BLOCKS = 256


class FileSizes(BaseSizes, Protocol):
    """The sizes of a base, or of an adapter's blocks, as its weights tell them."""

    @property
    def ffn(self) -> int: ...


class Costs(Protocol):
    """What a family's models cost, from their sizes alone; a module of functions.

    Attributes:
        MAX_TEXT_TOKENS: Most tokens of a prompt that are worked on.
    """

    MAX_TEXT_TOKENS: int

    def base_flop(self, sizes: Any, tokens: int, text_tokens: int) -> int:
        """One pass of the base on one clip; prompts are embedded once for a job and not counted."""
        ...

    def adapter_flop(self, sizes: Any, blocks: int, tokens: int, text_tokens: int) -> int:
        """One pass of an adapter of so many blocks; the condition is embedded once for a job and not counted."""
        ...

    def encode_flop(self, vae: Any, num_frames: int, height: int, width: int, *, gray: bool = False) -> int:
        """One clip of pixels into latents; `gray` if it is known to be that all over."""
        ...

    def decode_flop(self, vae: Any, num_frames: int, height: int, width: int) -> int:
        """The latents of a whole clip into pixels."""
        ...

    def peak_of_pass(self, sizes: Any, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
        """Bytes of activations in one pass of base and adapter, with so many conditions; weights not counted."""
        ...

    def waiting_pass(self, sizes: Any, blocks: int, tokens: int, bytes_per_number: int, conditions: int = 1) -> int:
        """Bytes that a pass takes between two blocks, while another pass is in the same block."""
        ...

    def peak_of_vae(self, vae: Any, size: Sequence[int], bytes_per_number: int, tile: int | None = None) -> int:
        """Bytes of activations while a clip of `(T, H, W)` is encoded or decoded, whole or in tiles."""
        ...


class Family(Protocol):
    """One kind of base, with its VAE, text encoder and adapters.

    Attributes:
        name: As published, with the version: "Wan 2.1".
        base_name: Of one of its bases, in a sentence: "a Wan text-to-video base".
        vae_name: Of its VAE, in a sentence.
        vae_fits: What the VAE can be used with.
        text: How it reads prompts.
        pads_prompts: Whether its bases read zeros after the end of a prompt, so that prompts of different lengths can
            be one batch.
        latents: What its VAE makes of pixels.
        grid: As `latents.grid`, how it divides a clip.
        latent_channels: As `latents.channels`.
        options: How it is sampled where nobody says, with the negative prompt.
        pair_options: The same for two networks that share the noise levels.
        dtypes: What its transformers can be computed in, best first.
        presets: What clips it was trained on, by a name to choose from; the first is the usual one.
        size: `(H, W)` in pixels where nothing came that has a shape.
        transformer: How files name the weights of bases and adapters.
        vae: How they name those of the VAE.
        released_layers: Blocks of the released bases by width, for adapters that come without one.
        costs: What its models cost.
    """

    name: str
    base_name: str
    vae_name: str
    vae_fits: str
    text: TextEncoderSpec
    pads_prompts: bool
    latents: LatentSpace
    grid: Grid
    latent_channels: int
    options: SamplingOptions
    dtypes: tuple[torch.dtype, ...]
    pair_options: SamplingOptions
    presets: Mapping[str, ResolutionPreset]
    size: tuple[int, int]
    transformer: tuple[Naming, ...]
    vae: tuple[Naming, ...]
    released_layers: Mapping[int, int]
    costs: Costs

    def has_base(self, weights: Weights) -> bool:
        """Whether a base is among the weights; an adapter can be alone."""
        ...

    def is_adapter_name(self, official: str) -> bool:
        """Whether a weight of this name is the adapter's."""
        ...

    def variant(self, weights: Weights) -> str | None:
        """What a transformer of this family is that cannot be used; None if it can."""
        ...

    def vae_variant(self, weights: Weights) -> str | None:
        """What a VAE of this family is that cannot be used; None if it can."""
        ...

    def vae_weights(self, weights: Weights) -> tuple[str, ...]:
        """The names of those weights of the VAE that are read."""
        ...

    def base_sizes(self, weights: Weights) -> FileSizes:
        """The sizes of the base. Raises WeightsError: a weight that tells them is missing or impossible."""
        ...

    def adapter_sizes(self, weights: Weights) -> tuple[FileSizes, int]:
        """The sizes of the adapter's blocks, and how many there are. Raises as `base_sizes`."""
        ...

    def vae_sizes(self, weights: Weights) -> Any:
        """The sizes of the VAE. Raises as `base_sizes`."""
        ...

    def recorded_layers(self, weights: Weights) -> tuple[int, ...] | None:
        """The context layers, where the names of an adapter's weights tell them."""
        ...

    def usual_layers(self, layers: int, blocks: int) -> tuple[int, ...]:
        """The context layers of an adapter of `blocks` blocks for a base of `layers`, where nothing tells them."""
        ...

    def build_base(self, sizes: Any, ops: ModuleType | Any = layers) -> nn.Module:
        """A base, its weights not yet loaded; it meets `BaseModel`."""
        ...

    def build_adapter(
        self, sizes: Any, context_layers: Sequence[int], ops: ModuleType | Any = layers
    ) -> ContextAdapter:
        """An adapter, its weights not yet loaded."""
        ...

    def build_vae(self, sizes: Any) -> nn.Module:
        """The network of a VAE, its weights not yet loaded."""
        ...

    def ready_vae(self, network: Any, tile: int | None) -> VideoVae:
        """The VAE with its weights, which works in pieces of `tile` pixels a side; None = whole frames."""
        ...

    def official_adapter_key(self, ours: str, context_layers: Sequence[int]) -> str:
        """The official name of an adapter's weight from our own."""
        ...

    def encode_masks(self, masks: Tensor) -> Tensor:
        """As `EncodeMasks`."""
        ...

    def mask_frames(self, num_frames: int) -> list[int]:
        """The mask frames that the model reads."""
        ...


def count_blocks(weights: Weights, start: str, what: str) -> int:
    """How many blocks there are whose names begin with `start` and go on with a number.

    Raises:
        WeightsError: absurdly many.
    """
    return len(block_numbers(weights, start, what))


def block_numbers(weights: Weights, start: str, what: str) -> tuple[int, ...]:
    """The numbers that come after `start` in the names of weights, ascending. Raises as `count_blocks`."""
    numbers = {name[len(start) :].split(".", 1)[0] for name in weights.stored if name.startswith(start)}
    if len(numbers) > MAX_BLOCKS:
        raise weights.damaged(f"it claims {len(numbers)} {what}")
    # No longer ones: Python refuses to read thousands of digits.
    return tuple(sorted(int(number) for number in numbers if number.isdecimal() and len(number) < 10))
