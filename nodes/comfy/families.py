"""What ComfyUI and its users need to know of each family: one object a family, from which all nodes take it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...vace_core.inputs.fitting import ResolutionPreset
from ...vace_core.models.family import Family
from .hooks import Plug

Shapes = Mapping[str, tuple[int, ...]]
"""Of the weights of a network, by their names."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ComfyFamily:
    """A family in ComfyUI.

    Attributes:
        family: What the library knows of it.
        clip_type: Name of ComfyUI's CLIPType that its text encoder is loaded as.
        vae_file: A file that holds its VAE.
        fits: The choices of "fit" that are for it.
        plug: How its adapters act in ComfyUI's own models.
        vae_mark: A weight that only its VAE and variants of that have, as ComfyUI's module names it.
        vae_variant: What a VAE with `vae_mark` is that is not its own, as in "that of …"; None if it is its own.
        native_vace: Whether ComfyUI's own models of it know VACE.
        tips: What tooltips say of it, by the name of the input.
    """

    family: Family
    clip_type: str
    vae_file: str
    fits: Mapping[str, ResolutionPreset]
    plug: Plug
    vae_mark: str
    vae_variant: Callable[[Shapes], str | None]
    native_vace: bool
    tips: Mapping[str, str]

    @property
    def clip_name(self) -> str:
        """What ComfyUI calls its text encoder: "umt5xxl"."""
        return f"{self.family.text.name.lower()}xxl"
