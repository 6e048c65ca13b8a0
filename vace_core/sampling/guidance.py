"""Guidance: from a network that predicts velocity to a function that removes noise, `denoise(latents, sigma)`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..adapter import Attachment
from ..errors import InputError
from ..protocols import BaseModel, CanPerturb, TakesSeveral

Denoise = Callable[[Tensor, float], Tensor]
"""Noisy latents `(B, C, t, h, w)` and their noise level 1..0 → the latents without noise."""

PAIR_BOUNDARY = 0.875
"""Noise level at which the pairs of Wan 2.2 VACE-Fun go from one network to the other, where nobody says another."""


def guide(
    model: BaseModel,
    prompt: Any,
    negative: Any | None,
    *,
    guidance_scale: float | Callable[[float], float],
    stg_scale: float = 0.0,
    rescale: float = 0.0,
    attachments: Sequence[Attachment] = (),
    told: Callable[[float], float] = float,
) -> Denoise:
    """Classifier-free and spatio-temporal guidance: away from the negative prompt and from a perturbed model.

    Source: VACE, wan_vace.py; vace/models/ltx/pipelines/pipeline_ltx_video.py.

    Args:
        model: Predicts velocity.
        prompt: From `model.prepare_text`.
        negative: The same of the negative prompt; not used where the guidance scale is 1.
        guidance_scale: Of classifier-free guidance (CFG), or what gives it for the noise level of a step. 1 = off,
            which saves a pass.
        stg_scale: Of spatio-temporal guidance (STG). 0 = off, which saves a pass.
        rescale: How much of the deviation of the prompt's own prediction comes back after that, 0..1; 0 = nothing, and
            so is 1, by which the official code means that it is off.
        attachments: Adapters; all passes get the same context.
        told: The noise level passed to the network, from the true one; `Solver.told`.

    Raises:
        InputError: spatio-temporal guidance of a base that has none.
    """
    weak = _weakened(model, prompt) if stg_scale else None

    @torch.no_grad()
    def denoise(latents: Tensor, sigma: float) -> Tensor:
        acting = [attachment.at(sigma) for attachment in attachments if attachment.is_active(sigma)]
        level = latents.new_full((len(latents),), told(sigma), device="cpu")

        scale = guidance_scale(sigma) if callable(guidance_scale) else guidance_scale
        texts = [prompt, *([negative] if scale != 1.0 else ()), *([weak] if stg_scale else ())]
        asked = iter(_asked(model, latents, level, texts, acting))
        velocity = own = next(asked).to(latents.dtype)
        if scale != 1.0:
            away = next(asked).to(latents.dtype)
            velocity = away + scale * (velocity - away)
        if stg_scale:
            velocity = velocity + stg_scale * (own - next(asked).to(latents.dtype))
            if rescale != 1.0:
                velocity = velocity * (rescale * _deviation(own) / _deviation(velocity) + 1 - rescale)
        return latents - sigma * velocity

    return denoise


def _deviation(velocity: Tensor) -> Tensor:
    """`(B, 1, 1, 1, 1)`: of each clip, which has no part in that of another of its batch."""
    return velocity.std((1, 2, 3, 4), keepdim=True)


def _asked(
    model: BaseModel, latents: Tensor, level: Tensor, texts: Sequence[Any], acting: Sequence[Attachment]
) -> Iterable[Tensor]:
    """The predictions for each of `texts`, made when they are asked for, unless the model makes all at once."""
    if isinstance(model, TakesSeveral):
        return model.several(latents, level, texts, acting)
    return (model(latents, level, text, acting) for text in texts)


def _weakened(model: BaseModel, prompt: Any) -> Any:
    if not isinstance(model, CanPerturb):
        raise InputError(
            "stg-unknown",
            "Spatio-temporal guidance was asked for with a model that it is not known for. A model such as "
            "LTX-Video is needed. Set its scale to 0, or choose such a model.",
        )
    return model.perturb(prompt)


def switch_experts(high: Denoise, low: Denoise, boundary: float) -> Denoise:
    """Two experts as one: `high` while sigma ≥ `boundary`, then `low`.

    Source: aigc-apps/VideoX-Fun, Wan2.2-VACE-Fun-A14B.
    """
    return lambda latents, sigma: (high if sigma >= boundary else low)(latents, sigma)
