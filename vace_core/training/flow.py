"""Flow matching: the loss of the base and of the adapter."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..adapter import Attachment
from ..models.wan.dit import TextTokens, WanDit
from ..sampling.schedule import shift_sigma
from .precision import mixed_precision

SHIFT = 2.0
# The rest of the noise levels is drawn evenly, so that both ends are seen often enough.
LOGIT_NORMAL = 0.7


def draw_sigmas(count: int, generator: torch.Generator) -> Tensor:
    """`(count,)` noise levels 0..1 to train at."""
    normal = torch.randn(count, generator=generator).sigmoid()
    even = torch.rand(count, generator=generator)
    pick = torch.rand(count, generator=generator) < LOGIT_NORMAL
    return torch.where(pick, normal, even).apply_(lambda sigma: shift_sigma(sigma, SHIFT))


def flow_loss(
    base: WanDit,
    latents: Tensor,
    text: TextTokens,
    generator: torch.Generator,
    attachments: Sequence[Attachment] = (),
) -> Tensor:
    """Mean squared error of the predicted velocity, for clean `latents` `(B, 16, t, h, w)`."""
    sigma = draw_sigmas(len(latents), generator)
    level = sigma.view(-1, 1, 1, 1, 1)
    noise = torch.randn(latents.shape, generator=generator)
    with mixed_precision(latents.device):
        velocity = base((1 - level) * latents + level * noise, sigma, text, attachments)
    return (velocity.float() - (noise - latents)).square().mean()


def pad_prompts(prompts: Sequence[Tensor]) -> Tensor:
    """Prompts `(1, S, D)` of different lengths as one `(B, S, D)`; zeros after the end, as Wan reads them."""
    longest = max(prompt.shape[1] for prompt in prompts)
    return torch.cat([torch.nn.functional.pad(prompt, (0, 0, 0, longest - prompt.shape[1])) for prompt in prompts])
