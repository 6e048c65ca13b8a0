"""Context latents: a VCU as the adapter reads it.

Source: ali-vilab/VACE, vace/models/wan/wan_vace.py, vace_encode_frames, vace_encode_masks, vace_latent.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .checks.numbers import check_finite
from .checks.room import UNIT, check_room
from .geometry import Box
from .protocols import EncodeMasks, OnChunk, VideoVae
from .vcu import VideoConditionUnit

EMPTY = Box(0, 0, 0, 0)
VAE_ADVICE = "Run the VAE in bfloat16 or float32 (in ComfyUI: --bf16-vae or --fp32-vae), or choose another file of it"


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
    inactive, reactive = vcu.decouple()
    halves = [vae.encode(half, content=content_box(half), on_chunk=on_chunk) for half in (inactive, reactive)]
    video = torch.cat([*halves, encode_masks(vcu.masks).to(halves[0].device)], dim=1)
    pictures = [_encode_reference(picture, vae, video.shape[1]) for picture in vcu.references]
    context = torch.cat([*pictures, video], dim=2)
    check_finite(context, "Encoding", VAE_ADVICE)
    return context


def content_box(frames: Tensor) -> Box | None:
    """The smallest box outside of which all `frames` `(B, 3, T, H, W)` are gray; None where that is the whole frame."""
    used = (frames != 0).flatten(0, 2).any(dim=0)
    if not bool(used.any()):
        return EMPTY
    rows, columns = used.any(dim=1).nonzero().flatten(), used.any(dim=0).nonzero().flatten()
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return None if box == Box(0, 0, *reversed(frames.shape[-2:])) else box


def _encode_reference(picture: Tensor, vae: VideoVae, channels: int) -> Tensor:
    """One latent frame: the image as inactive; nothing reactive and nothing masked, zero in normalised space."""
    latents = vae.encode(picture)
    b, c, t, h, w = latents.shape
    return torch.cat([latents, latents.new_zeros(b, channels - c, t, h, w)], dim=1)
