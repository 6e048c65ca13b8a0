"""The interfaces of a VAE and a base model, as the rest of the library uses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from .adapter import Attachment
from .geometry import Box, Grid

OnChunk = Callable[[int, int], None]


def report_chunk(on_chunk: OnChunk | None, done: int, total: int) -> None:
    """Says how many pieces of work are done, where somebody wants to know."""
    if on_chunk is not None:
        on_chunk(done, total)


class VideoVae(Protocol):
    """Pixels to normalised latents and back."""

    latent_channels: int

    @property
    def grid(self) -> Grid: ...

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        """Frames `(B, 3, T, H, W)` in −1..1 → latents `(B, C, t, h, w)`, normalised, float32.

        Args:
            content: Where given, everything outside this box is gray (0) in all frames; a VAE may use that to do
                less work for the same result. An empty box means an all-gray clip.
            on_chunk: Called as (done, total) after every piece of work; raising stops it.
        """
        ...

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        """Normalised latents `(B, C, t, h, w)` → frames `(B, 3, T, H, W)` in −1..1, float32.

        Args:
            window: Where given, only this box of pixels is decoded and returned.
            on_chunk: As for `encode`.
        """
        ...


class BaseSizes(Protocol):
    """The sizes that decide whether an adapter and a text encoder fit a base model."""

    @property
    def width(self) -> int: ...

    @property
    def layers(self) -> int: ...

    @property
    def text_width(self) -> int: ...


class BaseModel(Protocol):
    """A text-to-video transformer that adapters can be attached to."""

    @property
    def sizes(self) -> BaseSizes: ...

    def prepare_text(self, text_embeds: Any, *, fps: float) -> Any:
        """Embeds one prompt once for a whole job; the result goes back into every call.

        Args:
            text_embeds: What the family's text encoder gives, `(B, S, text_width)` without padding or a tuple of
                tensors, on the device where the job is done; the weights may be elsewhere.
            fps: Frames per second of the clip, for bases that place frames in seconds; one that does not may say so
                by an attribute `reads_fps`, which is False.
        """
        ...

    def __call__(self, latents: Tensor, sigma: Tensor, text: Any, attachments: Sequence[Attachment] = ()) -> Tensor:
        """Velocity (noise minus data) `(B, C, t, h, w)` at noise level `sigma` `(B,)`, 1..0."""
        ...


@runtime_checkable
class CanPerturb(Protocol):
    """A base model that supports spatio-temporal guidance."""

    def perturb(self, text: Any) -> Any:
        """What `prepare_text` gave, perturbed for spatio-temporal guidance: a call with it leaves out attention."""
        ...


@runtime_checkable
class TakesSeveral(Protocol):
    """A base model that makes all predictions of a step in one call, where its weights have to come from elsewhere."""

    def several(
        self, latents: Tensor, sigma: Tensor, texts: Sequence[Any], attachments: Sequence[Attachment] = ()
    ) -> list[Tensor]:
        """What a call with each of `texts` gives, to the bit."""
        ...


EncodeMasks = Callable[[Tensor], Tensor]
"""Masks `(B, 1, T, H, W)` → mask latents `(B, C, t, h, w)`, as a base's adapters were trained with."""
