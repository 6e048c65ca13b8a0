"""The rival that fills what is to be made from what is known around it."""

from __future__ import annotations

import torch
from torch import Tensor

from ...inputs.masks import opencv
from ...media.video import to_uint8
from ..scenes.samples import Sample


def filled(example: Sample) -> Tensor:
    """What is to be made, filled from its edges after Telea; frames of which nothing is known, from the nearest known.

    Every frame is gray where there is no source at all.
    """
    unit = example.vcu
    kept = unit.masks == 0
    frames = torch.where(kept, unit.frames, 0.0)
    known = kept[0, 0].flatten(1).any(1).nonzero()[:, 0]
    if not len(known):
        return frames
    done = telea(frames[:, :, known], ~kept[:, :, known])
    nearest = (torch.arange(unit.num_frames)[:, None] - known).abs().argmin(1)
    return torch.where(kept, unit.frames, done[:, :, nearest])


def telea(frames: Tensor, holes: Tensor) -> Tensor:
    """`frames` `(1, 3, T, H, W)`, -1..1, with `holes` `(1, 1, T, H, W)`, 0 = none, filled from their edges."""
    cv2 = opencv()
    pairs = zip(to_uint8(frames).numpy(), (holes[0, 0] != 0).to(torch.uint8).numpy() * 255, strict=True)
    clip = torch.stack([torch.from_numpy(cv2.inpaint(*pair, 3, cv2.INPAINT_TELEA)) for pair in pairs])
    return clip.permute(3, 0, 1, 2)[None].float() / 127.5 - 1
