"""Latents that a VAE made before: another seed or prompt does not encode the same frames again."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from ...vace_core.geometry import Box, Grid
from ...vace_core.protocols import OnChunk, VideoVae, report_chunk

BYTES = 256 * 2**20
"""Of latents that are kept of each VAE. Those of 81 frames of 832 x 480 are 8 MiB."""

_kept: WeakKeyDictionary[nn.Module, OrderedDict[bytes, Tensor]] = WeakKeyDictionary()


class KeepingVae:
    """A VAE that encodes the same frames once; `vace_core.protocols.VideoVae` says what the calls mean.

    Args:
        vae: What encodes and decodes.
        network: Whose latents they are: as long as it lives, they are kept.
        state: What they depend on beside the weights as they were loaded.
    """

    def __init__(self, vae: VideoVae, network: nn.Module, state: Any = None) -> None:
        self._vae, self._network, self._state = vae, network, state
        self.latent_channels = vae.latent_channels

    @property
    def grid(self) -> Grid:
        return self._vae.grid

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        known = _kept.setdefault(self._network, OrderedDict())
        key = self._key(frames, content)
        if key not in known:
            known[key] = self._vae.encode(frames, content=content, on_chunk=on_chunk).cpu()
            while len(known) > 1 and sum(latents.nbytes for latents in known.values()) > BYTES:
                known.popitem(last=False)
        else:
            report_chunk(on_chunk, 1, 1)
        known.move_to_end(key)
        return known[key].clone()

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        return self._vae.decode(latents, window=window, on_chunk=on_chunk)

    def _key(self, frames: Tensor, content: Box | None) -> bytes:
        """Of what is shown: outside of `content` all clips of one size are alike."""
        weight = next(self._network.parameters(), None)
        said = (tuple(frames.shape), frames.dtype, content, self._state, None if weight is None else weight.dtype)
        mark = blake2b(repr(said).encode(), digest_size=32)
        if content is not None:
            frames = frames[..., content.top : content.bottom, content.left : content.right]
        for frame in frames.unbind(2) if frames.numel() else ():
            mark.update(frame.cpu().contiguous().numpy())
        return mark.digest()


def keeping(vae: VideoVae, network: Any, state: Any = None) -> VideoVae:
    """A VAE as `KeepingVae`, or as it is where there is no network of it to go by."""
    return KeepingVae(vae, network, state) if isinstance(network, nn.Module) else vae


def forget(network: nn.Module) -> None:
    """Drops what is kept of a VAE's network."""
    _kept.pop(network, None)
