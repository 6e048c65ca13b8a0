"""From a network that knows a noise level to a function that removes noise: `denoise(latents, sigma)`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from .adapter import Attachment
from .models.base import BaseModel

Denoise = Callable[[Tensor, float], Tensor]
"""Noisy latents `(B, C, t, h, w)` and their noise level 1..0 → the latents without noise."""


def guide(
    model: BaseModel,
    prompt: Any,
    negative: Any | None,
    *,
    guidance_scale: float,
    attachments: Sequence[Attachment] = (),
) -> Denoise:
    """Classifier-free guidance: away from the negative prompt, towards the prompt.

    Args:
        model: Predicts velocity.
        prompt: From `model.prepare_text`.
        negative: The same of the negative prompt; not needed where `guidance_scale` is 1.
        guidance_scale: 1 = off, which halves the work.
        attachments: Adapters; both halves see the same hints' condition. Source: VACE, wan_vace.py.
    """

    @torch.no_grad()
    def denoise(latents: Tensor, sigma: float) -> Tensor:
        acting = [attachment for attachment in attachments if attachment.acts_at(sigma)]
        level = latents.new_full((len(latents),), sigma)
        velocity = model(latents, level, prompt, acting).to(latents.dtype)
        if guidance_scale != 1.0:
            away = model(latents, level, negative, acting).to(latents.dtype)
            velocity = away + guidance_scale * (velocity - away)
        return latents - sigma * velocity

    return denoise


def by_noise_level(high: Denoise, low: Denoise, boundary: float) -> Denoise:
    """Two experts as one: `high` while sigma ≥ `boundary`, then `low`. Wan 2.2 VACE-Fun: 0.875.

    Source: aigc-apps/VideoX-Fun, Wan2.2-VACE-Fun-A14B.
    """
    return lambda latents, sigma: (high if sigma >= boundary else low)(latents, sigma)
