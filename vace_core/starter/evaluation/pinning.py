"""Latent blending: known latents put back at every step. The strongest rival that a base has without any adapter.

With an adapter it is a way to sample: what is kept then stays as near to its source as the VAE can bring it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ...adapter import Attachment
from ...context import encode_context
from ...pipeline import SamplingOptions, VaceModel, get_solver, make_noise
from ...sampling.guidance import guide
from ...vcu import VideoConditionUnit


def known_cells(masks: Tensor) -> Tensor:
    """`(B, 1, t, h, w)`: latent cells of which every pixel is kept, from masks `(B, 1, T, H, W)`, 0 = kept."""
    made = F.max_pool3d(masks, (1, 8, 8))
    # The first frame is a cell of its own, then four frames make one.
    later = F.max_pool3d(made[:, :, 1:], (4, 1, 1)) if masks.shape[2] > 1 else made[:, :, 1:]
    return torch.cat([made[:, :, :1], later], dim=2) == 0


@torch.no_grad()
def sample_pinned(
    model: VaceModel,
    units: Sequence[VideoConditionUnit],
    sources: Tensor,
    options: SamplingOptions,
) -> Tensor:
    """Latents `(B, C, t, h, w)` of units of equal size and without references, known cells put back at every step.

    Args:
        model: Its adapter acts if `options.strength` is not 0.
        units: What is asked for.
        sources: `(B, 3, T, H, W)`: what is kept, with the holes filled somehow, so that no hard edge is encoded.
        options: How to sample.
    """
    base, solver = model.expert.base, get_solver(options.solver)
    first = units[0]
    tokens = model.vae.grid.tokens(first.num_frames, first.height, first.width)
    schedule = options.schedule(tokens, first=solver.first)
    text, negative = (
        base.prepare_text(_together([_row(model, words) for words in prompts]), fps=first.fps)
        for prompts in ([unit.prompt for unit in units], [options.negative_for(unit) for unit in units])
    )
    attachments: list[Attachment] = []
    if options.strength and model.expert.adapter is not None:
        context = torch.cat([encode_context(unit, model.vae, model.encode_masks) for unit in units])
        adapter = model.expert.adapter
        attachments = [Attachment(adapter=adapter, context=adapter.embed(context), strength=options.strength)]
    denoise = guide(
        base, text, negative, guidance_scale=options.guidance_scale, attachments=attachments, told=solver.told
    )
    known = model.vae.encode(sources)
    cells = torch.cat([known_cells(unit.masks) for unit in units]).to(known.device)
    noise = make_noise(tuple(known.shape), options.seed).to(known.device)

    def pinned(latents: Tensor, sigma: float) -> Tensor:
        seen = torch.where(cells, (1 - sigma) * known + sigma * noise, latents)
        return torch.where(cells, known, denoise(seen, sigma))

    return solver.run(pinned, noise, schedule.sigmas(), None)


def _row(model: VaceModel, words: str) -> Tensor:
    embeds = model.text.encode(words)
    return embeds if isinstance(embeds, Tensor) else embeds[0]


def _together(prompts: Sequence[Tensor]) -> Tensor:
    longest = max(prompt.shape[1] for prompt in prompts)
    return torch.cat([F.pad(prompt, (0, 0, 0, longest - prompt.shape[1])) for prompt in prompts])
