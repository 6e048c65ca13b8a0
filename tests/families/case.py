"""What the conformance suite needs to know of a family."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from filling import fill
from torch import Tensor

from vace_core.models.family import Family
from vace_core.models.text import TextEncoder
from vace_core.pipeline import Expert, VaceModel

Renaming = Callable[[str], str]


@dataclass(frozen=True, kw_only=True, eq=False)
class Case:
    """A family at tiny sizes.

    Attributes:
        family: What is tested.
        sizes: Of a tiny base.
        context_layers: Blocks of it that get hints, the first and another.
        vae_sizes: Of a tiny VAE.
        text: Makes a tiny text encoder.
        text_weights: Tensors of a file that is told as its text encoder.
        last: The base's last layer.
        clip: `(T, H, W)` of the smallest clip with more than one latent frame, two tokens wide or more.
        base: The tiny base with weights that are nowhere zero, where more than parameters are to be filled.
        theirs: From the official names to those of another naming, by its name, for the transformer and the VAE.
    """

    family: Family
    sizes: Any
    context_layers: tuple[int, ...]
    vae_sizes: Any
    text: Callable[[], TextEncoder]
    text_weights: Callable[[], dict[str, Tensor]]
    last: str
    clip: tuple[int, int, int]
    base: Callable[[], Any] | None = None
    theirs: Mapping[str, tuple[Renaming, Renaming]] = field(default_factory=dict)

    def make_base(self) -> Any:
        return fill(self.family.build_base(self.sizes), 1) if self.base is None else self.base()

    def make_adapter(self) -> Any:
        return fill(self.family.build_adapter(self.sizes, self.context_layers), 2)

    def make_vae(self, tile: int | None = None) -> Any:
        return self.family.ready_vae(self.vae_network(), tile)

    def vae_network(self) -> Any:
        """With statistics that are not neutral where the weights hold them."""
        network = fill(self.family.build_vae(self.vae_sizes), 3)
        generator = torch.Generator().manual_seed(3)
        for name, buffer in network.named_buffers():
            buffer.copy_(torch.rand(buffer.shape, generator=generator) + ("std" in name))
        return network

    def make_model(self) -> VaceModel:
        expert = Expert(base=self.make_base())
        model = VaceModel(expert=expert, vae=self.make_vae(), text=self.text(), encode_masks=self.family.encode_masks)
        return model.attach(self.make_adapter())

    def inputs(self) -> tuple[Tensor, Tensor, Any]:
        """Of one pass: latents, noise level and text."""
        text = self.make_base().prepare_text(self.text().encode("a dog"), fps=24.0)
        return self._latents(self.family.latents.channels, 5), torch.tensor([0.7]), text

    def context(self) -> Tensor:
        return self._latents(self.family.latents.vace_in_channels, 6)

    def pixels(self, seed: int = 0, **size: int) -> Tensor:
        """Frames of the size of `clip`, or of another, that are nowhere gray."""
        t, h, w = (size.get(name, side) for name, side in zip("thw", self.clip, strict=True))
        return 0.1 + 0.9 * torch.rand(1, 3, t, h, w, generator=torch.Generator().manual_seed(seed))

    def adapter_weights(self) -> dict[str, Tensor]:
        state = self.make_adapter().state_dict()
        return {self.family.official_adapter_key(name, self.context_layers): value for name, value in state.items()}

    def tensors(self, part: str) -> dict[str, Tensor]:
        """Of a file with one part, by official names."""
        parts = {
            "base": lambda: self.make_base().state_dict(),
            "adapter": self.adapter_weights,
            "vae": lambda: self.vae_network().state_dict(),
            "text": self.text_weights,
        }
        return {name: value.contiguous() for name, value in parts[part]().items()}

    def _latents(self, channels: int, seed: int) -> Tensor:
        size = self.family.grid.latent_size(*self.clip)
        return torch.randn(1, channels, *size, generator=torch.Generator().manual_seed(seed))


def quick(options: Any) -> Any:
    """A family's own options for one step."""
    return replace(options, steps=1)
