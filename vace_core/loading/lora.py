"""LoRA files and what they add to weights: merged tensor by tensor as a model is loaded, or when a weight is used.

Source: Hu et al., arXiv 2106.09685.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import torch
from torch import Tensor

from ..checks.numbers import check_number
from ..files.tensors import TensorFile
from .inspect import Noise


@dataclass(frozen=True, kw_only=True)
class Lora:
    """A LoRA file, and how it is used.

    Attributes:
        path: The file.
        strength: What its changes are multiplied by; 1 = as trained, 0 = nothing, below 0 = the opposite.
        noise: Which network of a pair it changes; None = both, or the only one.

    Raises:
        InputError: the strength is no finite number.
    """

    path: Path
    strength: float = 1.0
    noise: Noise | None = None

    def __post_init__(self) -> None:
        check_number("The strength of a LoRA", self.strength)

    @classmethod
    def parse(cls, text: str) -> Lora:
        """What `file`, `file:0.8`, `file:high` or `file:0.8:low` says: the last two name a network of a pair."""
        rest, noise, strength = text, None, 1.0
        head, colon, last = rest.rpartition(":")
        if colon and last in ("high", "low"):
            rest, noise = head, last
            head, colon, last = rest.rpartition(":")
        if colon and (number := _number(last)) is not None:
            rest, strength = head, number
        return cls(path=Path(rest), strength=strength, noise=noise)

    def __str__(self) -> str:
        """The file's name, with the strength and the network where they are not the usual ones."""
        strength = "" if self.strength == 1 else f" at {self.strength:g}"
        return f"{self.path.name}{strength}{'' if self.noise is None else f', {self.noise} noise'}"


@dataclass(frozen=True, kw_only=True, eq=False)
class Added:
    """What one file adds to one weight.

    Attributes:
        factors: `(out, rank, …)` and `(rank, in, …)`, of which the product is added, or None.
        scale: What that is multiplied by.
        whole: As many numbers as the weight has, or None.
        whole_scale: What these are multiplied by.
    """

    factors: tuple[Tensor, Tensor] | None = None
    scale: float = 1.0
    whole: Tensor | None = None
    whole_scale: float = 1.0

    def to(self, device: str | torch.device) -> Added:
        """The same on another device."""
        factors = None if self.factors is None else (self.factors[0].to(device), self.factors[1].to(device))
        return replace(self, factors=factors, whole=None if self.whole is None else self.whole.to(device))

    @torch.no_grad()
    def onto(self, value: Tensor) -> Tensor:
        """`value`, contiguous float32 on any device, with this added to it in place."""
        if self.factors is not None:
            up, down = (one.to(value.device, torch.float32).flatten(1) for one in self.factors)
            value.view(len(up), -1).addmm_(up, down, alpha=self.scale)
        if self.whole is not None:
            value.add_(self.whole.to(value.device, torch.float32).view(value.shape), alpha=self.whole_scale)
        return value


@dataclass(frozen=True, kw_only=True, eq=False)
class Change:
    """What one file changes in one weight, not yet read.

    Attributes:
        file: The LoRA file.
        strength: As `Lora.strength`.
        parts: Names in the file by what they are: "up" and "down", "diff", or what is added to a bias; and "alpha".
        usual_scale: Of the factors, where the file has no alpha.
    """

    file: TensorFile
    strength: float
    parts: Mapping[str, str]
    usual_scale: float = 1.0

    def read(self) -> Added:
        """What is added, as it is stored."""
        read, parts = self.file.read, self.parts
        scale = self.usual_scale
        if "alpha" in parts and "down" in parts:
            scale = float(read(parts["alpha"])) / self.file.tensors[parts["down"]].shape[0]
        whole = next((part for part in ("diff", "up_bias") if part in parts), None)
        return Added(
            factors=(read(parts["up"]), read(parts["down"])) if "up" in parts else None,
            scale=self.strength * scale,
            whole=None if whole is None else read(parts[whole]),
            whole_scale=self.strength * (self.usual_scale if whole == "up_bias" else 1.0),
        )


Changes = Mapping[str, Sequence[Change]]
"""By the official name of a weight, what LoRA files change in it."""


def merged(value: Tensor, changes: Iterable[Change]) -> Tensor:
    """A weight with everything that LoRA files change in it, in float32: to be rounded once.

    It needs nothing but the weight itself, so that it serves where weights are loaded all at once and one by one.

    Args:
        value: Contiguous float32, on any device; it is changed in place.
        changes: Of this weight.
    """
    return reduce(lambda weight, change: change.read().onto(weight), changes, value)


def kept_change(changes: Sequence[Change], device: str | torch.device = "cpu") -> Callable[[Tensor], Tensor] | None:
    """As `merged`, for a weight that becomes numbers whenever it is used: what is added is read now, and kept.

    Args:
        changes: Of this weight; without any, None comes back.
        device: Where it is kept; if the weight is elsewhere, it comes there when it is used.
    """
    added = [change.read().to(device) for change in changes]
    if not added:
        return None
    return lambda value: reduce(lambda weight, one: one.onto(weight), added, value)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
