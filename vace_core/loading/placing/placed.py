"""A model whose networks come to a device as a plan says, and which goes on with a smaller plan where memory is short.

Only what failed is done again: a step from its own latents, an encode or decode in smaller tiles.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ...adapter import Attachment
from ...checks.room import is_short_of_memory
from ...errors import ModelError
from ...geometry import Box, Grid
from ...models.family import Family
from ...models.sharing import Sharing, undivided
from ...pipeline import Expert, VaceModel
from ...protocols import BaseSizes, CanPerturb, OnChunk, VideoVae
from .parcel import Parcel
from .plan import PlacingPlan
from .streaming import Transformer

Result = TypeVar("Result")

log = logging.getLogger("vace")


@contextmanager
def placed(
    model: VaceModel, plan: PlacingPlan, device: torch.device, family: Family
) -> Generator[VaceModel, None, None]:
    """The model at work on `device` as `plan` says; afterwards it is on the CPU.

    Results are equal to those of the model that is there whole, to the bit, but for the VAE in tiles.

    Args:
        model: On the CPU or, where all networks stay, on the device; with its adapters. Its weights are moved.
        plan: Where its networks are; it may become smaller while a job runs.
        device: Not the CPU.
        family: Of the model.
    """
    placement = Placement(plan, device)
    low_noise = model.low_noise and _placed(model.low_noise, placement)
    vae = PlacedVae(model.vae, placement, family)
    try:
        yield replace(model, expert=_placed(model.expert, placement), low_noise=low_noise, vae=vae)
    finally:
        placement.clear()


def _placed(expert: Expert, placement: Placement) -> Expert:
    kind = _PerturbedBase if isinstance(expert.base, CanPerturb) else PlacedBase
    return replace(expert, base=kind(expert, placement))


class Part(Protocol):
    """What comes to a device as one."""

    def open(self, share: float) -> None: ...

    def close(self) -> None: ...


class Placement:
    """Which networks of one model are on its device.

    Attributes:
        plan: What they follow.
        device: The device.
    """

    def __init__(self, plan: PlacingPlan, device: torch.device) -> None:
        self.plan, self.device = plan, device
        self._there: list[Part] = []

    def bring(self, part: Part) -> None:
        """Brings a part, for which all others leave unless all of them stay."""
        if part in self._there:
            return
        if not self.plan.stays:
            self.clear()
        self._there.append(part)
        part.open(self.plan.share)

    def clear(self) -> None:
        """Takes everything off the device."""
        while self._there:
            self._there.pop().close()
        if self.device.type in ("cuda", "xpu", "mps"):
            getattr(torch, self.device.type).empty_cache()

    def done(
        self, run: Callable[[], Result], doing: str, smaller: Callable[[PlacingPlan], PlacingPlan | None]
    ) -> Result:
        """What `run` gives, done again with a smaller plan as long as memory is short.

        Raises:
            ModelError: it is short with the smallest plan.
        """
        while True:
            try:
                return run()
            except Exception as error:
                if not is_short_of_memory(error):
                    raise
            # Here the error is gone, and with it what its frames held.
            self.clear()
            plan = smaller(self.plan)
            if plan is None:
                raise ModelError(
                    "out-of-memory-placed",
                    "Memory ran out while {doing}, with as little of the model on {device} as there can be. More free "
                    "memory is needed. Make the clip shorter or smaller, or close other programs that use it.",
                    doing=doing,
                    device=self.device,
                )
            log.warning("Out of memory while %s: it is done again with %s", doing, _change(self.plan, plan))
            self.plan = plan


def _change(old: PlacingPlan, new: PlacingPlan) -> str:
    if new.tile != old.tile:
        return f"the VAE in tiles of {new.tile} pixels"
    if new.share != old.share:
        return f"{new.share:.0%} of the blocks on the device"
    return "only what is in use on the device" if old.stays else "one pass after the other"


class PlacedBase:
    """A base whose weights come as they are used; `BaseModel` says what each part means."""

    def __init__(self, expert: Expert, placement: Placement) -> None:
        self._base: Any = expert.base
        self._placement = placement
        self._transformer = Transformer(expert.base, expert.adapter, placement.device)

    @property
    def share(self) -> Sharing:
        """How tokens are shared out to several processes, all of which must follow one plan to the end."""
        return self._base.share

    @share.setter
    def share(self, share: Sharing) -> None:
        self._base.share = share

    @property
    def sizes(self) -> BaseSizes:
        return self._base.sizes

    def prepare_text(self, text_embeds: Any, *, fps: float) -> Any:
        def run() -> Any:
            self._placement.bring(self._transformer)
            return self._base.prepare_text(text_embeds, fps=fps)

        return self._placement.done(run, "reading the prompt", self._smaller)

    def __call__(self, latents: Tensor, sigma: Tensor, text: Any, attachments: Sequence[Attachment] = ()) -> Tensor:
        return self.several(latents, sigma, [text], attachments)[0]

    def several(
        self, latents: Tensor, sigma: Tensor, texts: Sequence[Any], attachments: Sequence[Attachment] = ()
    ) -> list[Tensor]:
        """One prediction for each of `texts`; a block that is streamed comes once for all of them."""

        def run() -> list[Tensor]:
            self._placement.bring(self._transformer)
            if self._transformer.streams and self._placement.plan.together and hasattr(self._base, "passes"):
                self._transformer.begin(attachments)
                return self._base.passes(latents, sigma, texts, attachments)
            return [self._alone(latents, sigma, text, attachments) for text in texts]

        return self._placement.done(run, "sampling", self._smaller)

    def _smaller(self, plan: PlacingPlan) -> PlacingPlan | None:
        return plan.smaller() if getattr(self._base, "share", undivided) is undivided else None

    def _alone(self, latents: Tensor, sigma: Tensor, text: Any, attachments: Sequence[Attachment]) -> Tensor:
        self._transformer.begin(attachments)
        return self._base(latents, sigma, text, attachments)


class _PerturbedBase(PlacedBase):
    """`CanPerturb` too."""

    def perturb(self, text: Any) -> Any:
        return self._base.perturb(text)


class PlacedVae:
    """A VAE that is on the device while it works; `VideoVae` says what the calls mean."""

    def __init__(self, vae: VideoVae, placement: Placement, family: Family) -> None:
        self.latent_channels, self._grid = vae.latent_channels, vae.grid
        self.network: Any = vae.network  # type: ignore[attr-defined]
        self._placement, self._family = placement, family
        self._parcel = Parcel(self.network)
        self._ready: VideoVae | None = None

    @property
    def grid(self) -> Grid:
        return self._grid

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        return self._done("encoding", lambda vae: vae.encode(frames, content=content, on_chunk=on_chunk))

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk: OnChunk | None = None) -> Tensor:
        return self._done("decoding", lambda vae: vae.decode(latents, window=window, on_chunk=on_chunk))

    def open(self, share: float) -> None:
        """Brings all of it, however much of a transformer stays."""
        self._parcel.bring(self._placement.device)
        self._ready = self._family.ready_vae(self.network, self._placement.plan.tile)

    def close(self) -> None:
        """Takes it off the device, with all that it remembers."""
        self._ready = None
        self._parcel.leave()

    def _done(self, doing: str, run: Callable[[VideoVae], Tensor]) -> Tensor:
        def brought() -> Tensor:
            self._placement.bring(self)
            assert self._ready is not None
            return run(self._ready)

        return self._placement.done(brought, doing, PlacingPlan.smaller_tiles)
