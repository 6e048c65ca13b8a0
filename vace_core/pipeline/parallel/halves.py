"""A step shared out by its predictions: half of the processes make that of the prompt, half that of the negative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh

from ...adapter import Attachment
from ...protocols import BaseModel, BaseSizes, CanPerturb, TakesSeveral
from .processes import gathered


class HalvedBase:
    """A base whose predictions of one step are made by several processes; `BaseModel` says what each part means."""

    def __init__(self, base: Any, mesh: DeviceMesh) -> None:
        self._base = base
        self._group, self._count, self._rank = mesh.get_group(), mesh.size(), mesh.get_local_rank()

    @property
    def sizes(self) -> BaseSizes:
        return self._base.sizes

    def prepare_text(self, text_embeds: Any, *, fps: float) -> Any:
        return self._base.prepare_text(text_embeds, fps=fps)

    def __call__(self, latents: Tensor, sigma: Tensor, text: Any, attachments: Sequence[Attachment] = ()) -> Tensor:
        return self._base(latents, sigma, text, attachments)

    def several(
        self, latents: Tensor, sigma: Tensor, texts: Sequence[Any], attachments: Sequence[Attachment] = ()
    ) -> list[Tensor]:
        """One prediction for each of `texts`, of which this process makes every second one; one alone, all make."""
        if len(texts) == 1:
            return self._made(latents, sigma, texts, attachments)
        turns = -(-len(texts) // self._count)
        own = [texts[min(turn * self._count + self._rank, len(texts) - 1)] for turn in range(turns)]
        made = torch.stack(self._made(latents, sigma, own, attachments))
        return list(gathered(made, self._group).movedim(1, 0).flatten(0, 1)[: len(texts)])

    def _made(
        self, latents: Tensor, sigma: Tensor, texts: Sequence[Any], attachments: Sequence[Attachment]
    ) -> list[Tensor]:
        if isinstance(self._base, TakesSeveral):
            return self._base.several(latents, sigma, texts, attachments)
        return [self._base(latents, sigma, text, attachments) for text in texts]


class _PerturbedBase(HalvedBase):
    """`CanPerturb` too."""

    def perturb(self, text: Any) -> Any:
        return self._base.perturb(text)


def halved(base: BaseModel, mesh: DeviceMesh) -> BaseModel:
    """The base with its predictions shared out to the processes of a mesh."""
    return (_PerturbedBase if isinstance(base, CanPerturb) else HalvedBase)(base, mesh)
