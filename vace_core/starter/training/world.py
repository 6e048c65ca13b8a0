"""What a starter is trained on, and how large it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from ...models.text import TextEncoder
from ...models.wan.dit import WanSizes
from ...training.data.example import Example
from .vae import DrawCrops, Stage

RECIPES = Path(__file__).with_name("recipes")


@dataclass(frozen=True)
class Numbered:
    """Examples of a synthetic world, each from its number.

    Attributes:
        about: What they are.
        make: Number → example.
        first: Number of the first one.
    """

    about: str
    make: Callable[[int], Example]
    first: int = 0

    @property
    def identity(self) -> str:
        return f"{self.about} from {self.first}"

    def draw(self, number: int) -> Example:
        return self.make(self.first + number)


@dataclass(frozen=True)
class Part:
    """A part of the training of a base or an adapter, on the result of the part before it.

    Attributes:
        name: Of its recipe, and of the file of weights that it ends with.
        about: What it is trained on.
        make: Number → one example of that.
    """

    name: str
    about: str
    make: Callable[[int], Example]

    def examples(self, seed: int) -> Numbered:
        """What it is trained on with a seed."""
        return Numbered(self.about, self.make, seed)


@dataclass(frozen=True, kw_only=True)
class World:
    """A synthetic world, and a model of it.

    Attributes:
        base: How the base is trained, on text to video; the last part is called "base".
        adapter: How the adapter is, on every task; the last part is called "adapter".
        text: Makes what reads the prompts.
        sizes: Of the base.
        vae_width: Of the VAE; Wan's own has 96.
        vae_stages: How the VAE is trained.
        draw_crops: What it is trained on.
        draw_clip: Number → a whole clip `(T, H, W, 3)` uint8, or what a task makes of it.
        held_out: Numbers of examples and clips from here on are never trained on.
    """

    base: tuple[Part, ...]
    adapter: tuple[Part, ...]
    text: Callable[[], TextEncoder]
    sizes: WanSizes
    vae_width: int
    vae_stages: tuple[Stage, ...]
    draw_crops: DrawCrops
    draw_clip: Callable[[int], Tensor]
    held_out: int

    def recipe(self, part: str) -> Path:
        """The file of how a part of its base or adapter is trained."""
        return RECIPES / f"{part}.toml"
