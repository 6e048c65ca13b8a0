"""How well a network does on examples it is never trained on: one loss for each task, on the same noise every time.

Because neither examples nor noise change, differences between two networks or two times are far smaller than the
spread of the losses themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from ..models.text import TextEncoder
from .data.cache import Cache, Item
from .objective import Objective

ALL = "validation"


class Validation:
    """Losses of held-out examples.

    Every task's noise levels cover the range that is trained evenly; each example has its own level and noise for good.
    """

    def __init__(self, cache: Cache, objective: Objective, text: TextEncoder, *, size: int) -> None:
        self._cache, self._objective, self._text, self._size = cache, objective, text, size
        low, high = objective.lowest, objective.highest
        self._levels = {place: low + (high - low) * share for place, share in _shares(cache.items).items()}

    def __call__(self, module: nn.Module) -> dict[str, float]:
        """The mean loss of each task as "validation/TASK", and the mean over tasks as "validation"."""
        losses = self.losses(module)
        by_task: dict[str, list[float]] = {}
        for item, loss in zip(self._cache.items, losses, strict=True):
            by_task.setdefault(item.task, []).append(loss)
        means = {f"{ALL}/{task}": sum(values) / len(values) for task, values in sorted(by_task.items())}
        return means | {ALL: sum(means.values()) / max(len(means), 1)}

    @torch.no_grad()
    def losses(self, module: nn.Module) -> list[float]:
        """The loss of every example, in the order of the cache, for paired comparisons."""
        device = next(module.parameters()).device
        losses = [0.0] * len(self._cache.items)
        for places in self._alike():
            found = [self._cache.read(place) for place in places]
            targets = torch.stack([target for target, _ in found])
            contexts = [context for _, context in found if context is not None]
            sigmas = torch.tensor([self._levels[place] for place in places])
            noise = torch.stack(
                [
                    torch.randn(target.shape, generator=torch.Generator().manual_seed(self._cache.items[place].number))
                    for place, target in zip(places, targets, strict=True)
                ]
            )
            level = sigmas.view(-1, 1, 1, 1, 1)
            items = [self._cache.items[place] for place in places]
            velocity = module(
                ((1 - level) * targets + level * noise).to(device),
                sigmas,
                [self._text.encode(item.prompts[0]) for item in items],
                items[0].fps,
                torch.stack(contexts).to(device) if contexts else None,
            )
            each = self._objective.losses(velocity.cpu(), noise - targets, sigmas)
            for place, loss in zip(places, each.tolist(), strict=True):
                losses[place] = loss
        return losses

    def _alike(self) -> Sequence[list[int]]:
        groups: dict[tuple[object, ...], list[int]] = {}
        for place, item in enumerate(self._cache.items):
            groups.setdefault((item.size, item.references, item.fps), []).append(place)
        return [
            group[start : start + self._size] for group in groups.values() for start in range(0, len(group), self._size)
        ]


def _shares(items: Sequence[Item]) -> Mapping[int, float]:
    """A place 0..1 in the range of noise levels for each example, evenly spaced within each task."""
    by_task: dict[str, list[int]] = {}
    for place, item in enumerate(items):
        by_task.setdefault(item.task, []).append(place)
    return {place: (rank + 0.5) / len(places) for places in by_task.values() for rank, place in enumerate(places)}
