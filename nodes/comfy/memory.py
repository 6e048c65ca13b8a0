"""A model of ours on a device that is smaller than it is: what is there when, and what is done when memory is short.

The VAE is there whole or not at all, and does tiles where frames are too large. Of the transformer there is as much as
leaves room for a pass; the rest of its weights come when they are used. Only what failed is done again.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ...vace_core.adapter import Attachment
from ...vace_core.context import Encoded, encode_job
from ...vace_core.geometry import Box, Grid
from ...vace_core.loading.placing.measure import units
from ...vace_core.pipeline import Expert, VaceModel
from ...vace_core.protocols import BaseModel, BaseSizes, CanPerturb, OnChunk, VideoVae
from ...vace_core.vcu import VideoConditionUnit
from . import placement
from .kept_latents import keeping
from .sockets import LibraryModel

Made = TypeVar("Made")

TILE = 256  # pixels a side
VAE_BYTES = 10_000  # of activations, for every pixel of a frame while it is encoded or decoded
SPARE = 1.1  # costs are estimates to within 10 %
STREAMED = 2  # weights that are on their way to the device, or were just used, at the same time


class VaceTransformer(nn.Module):
    """A base and its adapter as one, for ComfyUI to share out memory between them."""

    def __init__(self, expert: Expert) -> None:
        super().__init__()
        base: Any = expert.base
        self.base, self.adapter = base, expert.adapter


def said(doing: str, vcu: VideoConditionUnit) -> AbstractContextManager[None]:
    """Around `doing` something with a clip: short memory, where nothing helped, as a sentence. Raises ModelError."""
    clip = f"{doing} a clip of {vcu.num_frames} frames of {vcu.width} x {vcu.height} pixels"
    return placement.saying_short_memory(clip, "Make the clip shorter or smaller")


def with_vae(model: LibraryModel, vcu: VideoConditionUnit, run: Callable[[VideoVae], Made]) -> Made:
    """What `run` gives with the model's VAE, of whole frames or, once these were too large, of tiles."""
    with forgetting(model):
        return _with_vae(model, vcu.height * vcu.width, run)


@contextmanager
def forgetting(model: Any) -> Generator[None, None, None]:
    """Around a job: behind it a VAE of ours keeps nothing but weights on its device, of which alone ComfyUI knows."""
    try:
        yield
    finally:
        forget(model)


def forget(model: Any) -> None:
    """Frees what a VAE of ours keeps between clips; of ComfyUI's own models there is none."""
    if isinstance(model, LibraryModel):
        getattr(model.core.vae, "forget", lambda: None)()


def _with_vae(model: LibraryModel, pixels: int, run: Callable[[VideoVae], Made]) -> Made:
    network: Any = model.core.vae

    def bring() -> None:
        placement.to_device(model.vae, pixels * VAE_BYTES, whole=True)

    def ready(vae: VideoVae) -> Made:
        return run(_Brought(vae, bring))

    def in_tiles() -> Made:
        forget(model)
        return ready(model.family.ready_vae(network.network, TILE))

    return placement.when_memory_is_short(lambda: ready(model.core.vae), in_tiles)


class ManagedVae:
    """A model's VAE that is brought to its device whenever it works, as `protocols.VideoVae`.

    Args:
        model: Whose VAE.
        device: Where its latents are wanted.
    """

    def __init__(self, model: LibraryModel, device: torch.device) -> None:
        self._model, self._device = model, device
        self.latent_channels = model.core.vae.latent_channels

    @property
    def grid(self) -> Grid:
        return self._model.core.vae.grid

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        pixels = frames.shape[3] * frames.shape[4]
        made = _with_vae(self._model, pixels, lambda vae: vae.encode(frames, content=content, on_chunk=on_chunk))
        return made.to(self._device)

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        pixels = latents.shape[3] * latents.shape[4] * self.grid.pixels**2
        return _with_vae(self._model, pixels, lambda vae: vae.decode(latents, window=window, on_chunk=on_chunk))


def encoded(
    model: LibraryModel,
    vcus: Sequence[VideoConditionUnit],
    *,
    source: bool = False,
    begin: Tensor | None = None,
    on_chunk: OnChunk | None = None,
) -> Encoded:
    """As `encode_job`, wherever the VAE is."""
    masks = model.family.encode_masks
    network = getattr(model.core.vae, "network", None)

    def run(vae: VideoVae) -> Encoded:
        return encode_job(vcus, keeping(vae, network), masks, source=source, begin=begin, on_chunk=on_chunk)

    return with_vae(model, vcus[0], run)


class _Brought:
    """A VAE that comes to its device once there is something to do; `VideoVae` says what each part means."""

    def __init__(self, vae: VideoVae, bring: Callable[[], None]) -> None:
        self._vae, self._bring = vae, bring
        self.latent_channels = vae.latent_channels

    @property
    def grid(self) -> Grid:
        return self._vae.grid

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        self._bring()
        return self._vae.encode(frames, content=content, on_chunk=on_chunk)

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        self._bring()
        return self._vae.decode(latents, window=window, on_chunk=on_chunk)


def streamed(model: LibraryModel, vcu: VideoConditionUnit, conditions: int = 1) -> tuple[VaceModel, torch.device]:
    """The model for one job with so many conditions, whose weights come to the device as they are used; that device."""
    core, (first, *_) = model.core, model.experts
    tokens = core.vae.grid.tokens(vcu.num_frames, vcu.height, vcu.width, vcu.num_references)
    bases = _Bases(room=_room(model, tokens, conditions))
    pairs = zip((core.expert, core.low_noise), model.experts, strict=False)
    experts = [replace(expert, base=bases.streamed(expert.base, handle)) for expert, handle in pairs if expert]
    low_noise = experts[1] if len(experts) > 1 else None
    device = _first_weight(core.expert).device if first is None else first.load_device
    return replace(core, expert=experts[0], low_noise=low_noise), device


def _room(model: LibraryModel, tokens: int, conditions: int = 1) -> int:
    """Bytes to keep free for a pass: what it takes, with something to spare, and never less than any layer alone."""
    activations, weights = beside_weights(model, tokens, conditions)
    largest = max(_on_the_way(module, _number(model)) for module in VaceTransformer(model.core.expert).modules())
    return max(int(activations * SPARE) + weights, largest)


def beside_weights(model: LibraryModel, tokens: int, conditions: int = 1) -> tuple[int, int]:
    """Bytes that a pass takes beside the weights that stay: its activations, and weights of a block on their way."""
    expert = model.core.expert
    blocks = len(expert.adapter.context_layers) if expert.adapter else 0
    activations = model.family.costs.peak_of_pass(expert.base.sizes, blocks, tokens, _number(model), conditions)
    layers = [layer for unit in units(expert.base, expert.adapter) for part in unit for layer in part.modules()]
    return activations, max((_on_the_way(layer, _number(model)) for layer in layers), default=0)


def _on_the_way(module: nn.Module, number: int) -> int:
    """Bytes of weights as large as a module's largest: as stored, and one of them made numbers of so many bytes."""
    stored = STREAMED * max((weight.nbytes for weight in module.parameters(recurse=False)), default=0)
    packing = getattr(module, "packing", None)
    if not isinstance(module, nn.Linear) or packing is None:
        return stored
    return stored + packing.peak(module.in_features * module.out_features, number)


def _number(model: LibraryModel) -> int:
    """Bytes of a number that a pass computes in."""
    return _first_weight(model.core.expert).element_size()


def _first_weight(expert: Expert) -> Tensor:
    base: Any = expert.base
    return next(base.parameters())


@dataclass
class _Bases:
    """The bases of one job, of which one at a time has the device.

    Attributes:
        room: Bytes that stay free for a pass.
        there: Handle of the one that has it.
        short: Whether a pass ran out of memory. From then on the job has all weights come as they are used.
    """

    room: int
    there: Any | None = None
    short: bool = False

    def streamed(self, base: BaseModel, handle: Any | None) -> BaseModel:
        kind = _WeakeningBase if isinstance(base, CanPerturb) else _Base
        return kind(self, base, handle)

    def bring(self, handle: Any | None) -> None:
        if self.there is not handle and not self.short:
            placement.to_device(handle, self.room)
            self.there = handle

    def passed(self, run: Callable[[], Tensor]) -> Tensor:
        """One pass, which is done again once in a job where memory is short; what was done before it is kept."""
        if self.short:
            return run()

        def again() -> Tensor:
            self.short = True
            return run()

        return placement.when_memory_is_short(run, again)


class _Base:
    """`BaseModel` says what each part means."""

    def __init__(self, bases: _Bases, base: Any, handle: Any | None) -> None:
        self._bases, self._base, self._handle = bases, base, handle

    @property
    def sizes(self) -> BaseSizes:
        return self._base.sizes

    def prepare_text(self, text_embeds: Tensor, *, fps: float) -> Any:
        return self._base.prepare_text(text_embeds, fps=fps)

    def __call__(self, latents: Tensor, sigma: Tensor, text: Any, attachments: Sequence[Attachment] = ()) -> Tensor:
        self._bases.bring(self._handle)
        return self._bases.passed(lambda: self._base(latents, sigma, text, attachments))


class _WeakeningBase(_Base):
    """`CanPerturb` too."""

    def perturb(self, text: Any) -> Any:
        return self._base.perturb(text)
