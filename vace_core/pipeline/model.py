"""The networks of a job as one thing, to which adapters are attached and from which they are taken off."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..adapter import ContextAdapter
from ..checks.numbers import check_number
from ..errors import InputError
from ..models.text import TextEncoder
from ..protocols import BaseModel, EncodeMasks, VideoVae
from ..sampling.guidance import PAIR_BOUNDARY


@dataclass(frozen=True, kw_only=True)
class Expert:
    """A base model, and the adapter that is attached to it, if any."""

    base: BaseModel
    adapter: ContextAdapter | None = None


@dataclass(frozen=True, kw_only=True)
class VaceModel:
    """All networks of one job. Attaching and detaching an adapter give a new one; the parts are never changed.

    Attributes:
        expert: The network, for all noise levels or, where there is a `low_noise` one, for the high ones.
        vae: The VAE: pixels to latents and back.
        text: The text encoder: prompts to embeddings.
        encode_masks: Masks to mask latents, as the adapter was trained.
        low_noise: The second network of a pair (Wan 2.2 VACE-Fun).
        boundary: Noise level (sigma, 0..1) below which `low_noise` takes over from `expert`.

    Raises:
        InputError: the boundary is no finite number.
    """

    expert: Expert
    vae: VideoVae
    text: TextEncoder
    encode_masks: EncodeMasks
    low_noise: Expert | None = None
    boundary: float = PAIR_BOUNDARY

    def __post_init__(self) -> None:
        check_number("The boundary", self.boundary)

    def attach(self, adapter: ContextAdapter, low_noise: ContextAdapter | None = None) -> VaceModel:
        """This model with other adapters: one, or one for each of a pair.

        Raises:
            AdapterMismatchError: an adapter belongs to another base.
            InputError: one adapter for a pair, or two for one base.
        """
        if (low_noise is None) != (self.low_noise is None):
            came, needed = ("two adapters", "one") if low_noise else ("one adapter", "two (high and low noise)")
            raise InputError(
                "adapters-count",
                "{came} came. This model needs {needed}. Give as many as it has bases.",
                came=came.capitalize(),
                needed=needed,
            )
        expert = _attached(self.expert, adapter)
        if self.low_noise is None or low_noise is None:
            return replace(self, expert=expert)
        return replace(self, expert=expert, low_noise=_attached(self.low_noise, low_noise))

    def detach(self) -> VaceModel:
        """This model without adapters: the base alone."""
        low_noise = self.low_noise and replace(self.low_noise, adapter=None)
        return replace(self, expert=replace(self.expert, adapter=None), low_noise=low_noise)


def _attached(expert: Expert, adapter: ContextAdapter) -> Expert:
    sizes = expert.base.sizes
    adapter.check_fits(width=sizes.width, layers=sizes.layers)
    return replace(expert, adapter=adapter)
