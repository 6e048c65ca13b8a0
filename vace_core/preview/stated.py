"""What the models of a profile take, of which no file need be there."""

from __future__ import annotations

import torch

from ..loading.placing.measure import bytes_from_sizes
from ..loading.profiles import Profile
from .cost import ModelSizes

NAMES = ("base and adapter", "low-noise base and adapter")


def sizes_of(
    profile: Profile, *, dtype: torch.dtype, vae_dtype: torch.dtype = torch.float32, tile: int | None = None
) -> ModelSizes:
    """The sizes of a profile's models, its text encoder in 16 bits.

    Args:
        profile: One whose sizes are known.
        dtype: What the transformer is held and computed in.
        vae_dtype: The same of the VAE.
        tile: Side in pixels of the pieces that the VAE works in; None = whole frames.
    """
    family = profile.family
    with torch.device("meta"):
        numbers = sum(tensor.numel() for tensor in family.build_vae(profile.vae).state_dict().values())
    expert = bytes_from_sizes(family, profile.base, profile.context_blocks, dtype)
    experts = (expert, expert) if profile.is_pair else (expert,)
    return ModelSizes(
        family=family,
        base=profile.base,
        context_blocks=profile.context_blocks,
        vae=profile.vae,
        weights={
            **{name: each.total for name, each in zip(NAMES, experts, strict=False)},
            "VAE": numbers * vae_dtype.itemsize,
            **({"text": 2 * profile.text_weights} if profile.text_weights else {}),
        },
        bytes_per_number=dtype.itemsize,
        vae_bytes_per_number=vae_dtype.itemsize,
        tile=tile,
        experts=experts,
        stated=True,
    )
