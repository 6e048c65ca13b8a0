"""Context latents: a VCU as the adapter reads it.

Source: ali-vilab/VACE, vace/models/wan/wan_vace.py, vace_encode_frames, vace_encode_masks, vace_latent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .checks.numbers import check_finite
from .checks.room import UNIT, check_room
from .geometry import Box
from .protocols import EncodeMasks, OnChunk, VideoVae
from .sampling.pinning import encode_source
from .vcu import VideoConditionUnit

EMPTY = Box(0, 0, 0, 0)
VAE_ADVICE = "Run the VAE in bfloat16 or float32 (in ComfyUI: --bf16-vae or --fp32-vae), or choose another file of it"


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoded:
    """All that a job needs of the VAE before its first step.

    Attributes:
        contexts: Context latents `(B, C, R+t, h, w)` of its conditions, the first one's first.
        source: Latents `(B, C, t, h, w)` of the source, for latents that are pinned, or to begin from.
        begin: Latents of the clip to begin from; None = the source's.
    """

    contexts: tuple[Tensor, ...]
    source: Tensor | None = None
    begin: Tensor | None = None

    def to(self, device: torch.device) -> Encoded:
        """The same on a device."""
        return Encoded(
            contexts=tuple(context.to(device) for context in self.contexts),
            source=None if self.source is None else self.source.to(device),
            begin=None if self.begin is None else self.begin.to(device),
        )


def encode_job(
    units: Sequence[VideoConditionUnit],
    vae: VideoVae,
    encode_masks: EncodeMasks,
    *,
    source: bool = False,
    begin: Tensor | None = None,
    on_chunk: OnChunk | None = None,
) -> Encoded:
    """What a job of these VCUs needs, the first VCU first.

    Args:
        units: All of one size and as many references.
        vae: As for `encode_context`.
        encode_masks: As for `encode_context`.
        source: Whether the source of the first VCU is needed as it is, which takes one more encoding.
        begin: The clip to begin from, `(B, 3, T, H, W)` in −1..1.
        on_chunk: As for `encode_context`.

    Raises:
        ShapeError: as `encode_context`.
        InputError: as `encode_context`, or the source is needed and there is none.
    """
    known = encode_source(units[0], vae, on_chunk=on_chunk) if source else None
    return Encoded(
        contexts=tuple(encode_context(unit, vae, encode_masks, on_chunk=on_chunk) for unit in units),
        source=known,
        begin=None if begin is None else vae.encode(begin, on_chunk=on_chunk),
    )


def encode_context(
    vcu: VideoConditionUnit, vae: VideoVae, encode_masks: EncodeMasks, *, on_chunk: OnChunk | None = None
) -> Tensor:
    """Context latents `(B, C, R+t, h, w)`: inactive ‖ reactive ‖ mask channels, references first in time.

    Args:
        vcu: What is kept and what is generated.
        vae: Encodes both halves. It is told where a half is gray, so that it need not encode what says nothing.
        encode_masks: How the base's adapters see masks.
        on_chunk: Called as (done, total) while a half is encoded; raising stops it.

    Raises:
        ShapeError: a length or size that the base cannot take.
        InputError: the VAE overflowed, or the clip does not fit into memory.
    """
    vae.grid.check(vcu.num_frames, vcu.height, vcu.width)
    size = {"frames": vcu.num_frames, "height": vcu.height, "width": vcu.width}
    check_room(vcu.roles.numel() * (UNIT - 1), "The clip", **size)
    # One after the other, so that no more than one half is held at a time.
    halves = [_encode_half(vcu.inactive, vae, on_chunk), _encode_half(vcu.reactive, vae, on_chunk)]
    video = torch.cat([*halves, encode_masks(vcu.masks).to(halves[0].device)], dim=1)
    pictures = [_encode_reference(picture, vae, video.shape[1]) for picture in vcu.references]
    context = torch.cat([*pictures, video], dim=2)
    check_finite(context, "Encoding", VAE_ADVICE)
    return context


def content_box(frames: Tensor) -> Box | None:
    """The smallest box outside of which all `frames` `(B, 3, T, H, W)` are gray; None where that is the whole frame."""
    used = torch.zeros(frames.shape[-2:], dtype=torch.bool, device=frames.device)
    for frame in frames.unbind(2):
        used |= (frame != 0).flatten(0, 1).any(dim=0)
    if not bool(used.any()):
        return EMPTY
    rows, columns = used.any(dim=1).nonzero().flatten(), used.any(dim=0).nonzero().flatten()
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return None if box == Box(0, 0, *reversed(frames.shape[-2:])) else box


def _encode_half(frames: Tensor, vae: VideoVae, on_chunk: OnChunk | None) -> Tensor:
    return vae.encode(frames, content=content_box(frames), on_chunk=on_chunk)


def _encode_reference(picture: Tensor, vae: VideoVae, channels: int) -> Tensor:
    """One latent frame: the image as inactive; nothing reactive and nothing masked, zero in normalised space."""
    latents = vae.encode(picture)
    b, c, t, h, w = latents.shape
    return torch.cat([latents, latents.new_zeros(b, channels - c, t, h, w)], dim=1)
