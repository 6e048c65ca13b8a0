"""Conditions encoded otherwise than VACE does it, to see what its way is worth."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...vcu import FOLLOW, VideoConditionUnit
from ..data.cache import Encoder
from ..data.derive import drawn_hole
from ..data.example import Example, stack_units
from .variants import Context


def encoder_of(context: Context, encoder: Encoder) -> Encoder:
    """The encoder that makes contexts of this kind, with the VAE and the masks of `encoder`."""
    kind = {"decoupled": Encoder, "one-clip": OneClip, "masked-controls": MaskedControls}[context]
    return kind(vae=encoder.vae, encode_masks=encoder.encode_masks, together=encoder.together)


@dataclass(frozen=True, kw_only=True)
class OneClip(Encoder):
    """Concept decoupling off: kept and generated pixels are one clip, encoded once.

    Its latents stand in the inactive half. The reactive half is zero, so that its weights neither count nor learn: the
    adapter is one of 16 + 64 channels (Wan).
    """

    @torch.no_grad()
    def encode(self, examples: Sequence[Example]) -> dict[int, dict[str, Tensor]]:
        found = super().encode(examples)
        for alike in self._alike(examples):
            frames = stack_units([examples[place].unit for place in alike]).frames
            for place, latents in zip(alike, self.vae.encode(frames), strict=True):
                _put(found[place]["context"], latents, torch.zeros_like(latents))
        return found


@dataclass(frozen=True, kw_only=True)
class MaskedControls(Encoder):
    """A fault of public trainers: a control is split by a random mask, while the mask channels say that all of it is
    to be generated. Rightly all of it is reactive.

    It touches examples that follow a control everywhere and keep nothing, with references or without.
    Source: aigc-apps/VideoX-Fun, scripts/wan2.1_vace/train.py; the masks are of its kinds, about as often.
    """

    @torch.no_grad()
    def encode(self, examples: Sequence[Example]) -> dict[int, dict[str, Tensor]]:
        found = super().encode(examples)
        for alike in self._alike(examples):
            controls = [place for place in alike if is_control(examples[place].unit)]
            if not controls:
                continue
            frames = stack_units([examples[place].unit for place in controls]).frames
            masks = torch.cat([random_mask(examples[place]) for place in controls])
            halves = (self.vae.encode(half) for half in (frames * (1 - masks), frames * masks))
            for place, inactive, reactive in zip(controls, *halves, strict=True):
                _put(found[place]["context"], inactive, reactive)
        return found


def is_control(unit: VideoConditionUnit) -> bool:
    """Whether a control is followed everywhere and nothing kept."""
    return bool((unit.roles == FOLLOW).all())


def random_mask(example: Example) -> Tensor:
    """`(1, 1, T, H, W)`, the same for an example every time: everything, all but the ends, or a hole."""
    rng = random.Random(f"mask of {example.name}")
    mask = torch.ones_like(example.unit.masks)
    kind, t = rng.choices(("all", "first", "both ends", "hole"), weights=(0.2, 0.2, 0.2, 0.4))[0], mask.shape[2]
    if kind == "hole":
        return drawn_hole(example.target, rng)
    if kind != "all":
        mask[:, :, : rng.randint(1, min(4, t))] = 0
    if kind == "both ends":
        mask[:, :, t - rng.randint(1, min(4, t)) :] = 0
    return mask


def _put(context: Tensor, inactive: Tensor, reactive: Tensor) -> None:
    """Replaces both halves `(C, t, h, w)` of a context `(C', R+t, h, w)`; references and masks stay."""
    channels, frames = inactive.shape[:2]
    context[:channels, -frames:] = inactive
    context[channels : 2 * channels, -frames:] = reactive
