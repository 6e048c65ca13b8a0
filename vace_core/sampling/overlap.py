"""Windows of one long clip denoised together: in every step each by itself, and blended where they overlap.

Source: the idea of MultiDiffusion, arXiv 2302.08113, in time; ComfyUI's context windows work so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from .guidance import Denoise


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretch:
    """A window of latents.

    Attributes:
        denoise: Of its latents, references in front.
        begin: Its first latent frame.
        weights: `(t,)` above 0, how much each of its latent frames counts.
    """

    denoise: Denoise
    begin: int
    weights: Tensor


def ramp(frames: int, before: int, after: int) -> Tensor:
    """Weights `(frames,)` that rise evenly over the latents shared with the window before, and fall over those after.

    Over shared latents the weights of two windows add up to 1.
    """
    weights = torch.ones(frames)
    weights[:before] *= (torch.arange(before) + 1) / (before + 1)
    weights[frames - after :] *= ((torch.arange(after) + 1) / (after + 1)).flip(0)
    return weights


def pyramid(frames: int) -> Tensor:
    """Weights `(frames,)` that rise evenly up to the middle of a window and fall behind it."""
    return torch.minimum(torch.arange(1, frames + 1), torch.arange(frames, 0, -1)).float()


def blended(stretches: Sequence[Stretch], references: int) -> Denoise:
    """One `denoise` of whole latents `(B, C, R+t, h, w)`, of which every frame is in a stretch.

    Args:
        stretches: The windows.
        references: R, latents of references in front; they are the same for all windows, and so is their mean.
    """

    def denoise(latents: Tensor, sigma: float) -> Tensor:
        total, weight = torch.zeros_like(latents), latents.new_zeros(latents.shape[2])
        for one in stretches:
            places = torch.cat([torch.arange(references), references + one.begin + torch.arange(len(one.weights))]).to(
                latents.device
            )
            weights = torch.cat([torch.ones(references), one.weights]).to(latents)
            made = one.denoise(latents[:, :, places], sigma)
            total.index_add_(2, places, made * weights.view(1, 1, -1, 1, 1))
            weight.index_add_(0, places, weights)
        return total / weight.view(1, 1, -1, 1, 1)

    return denoise
