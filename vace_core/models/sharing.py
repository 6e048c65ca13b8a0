"""Which tokens of a pass are worked on here, where several devices share one pass."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Attend = Callable[..., Tensor]
"""Attention as `layers.attention` computes it."""


class Share:
    """All tokens of a pass are here. `pipeline.parallel.sequence` has one of a part of them."""

    def own(self, x: Tensor, dim: int = 1) -> Tensor:
        """The tokens that are worked on here, out of all; they lie along `dim`."""
        return x

    def whole(self, x: Tensor) -> Tensor:
        """All tokens `(B, L, D)`, out of those that were worked on here and elsewhere."""
        return x

    def attend(self, attention: Attend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention of the tokens here, `(B, H, l, E)`, to those everywhere → `(B, l, H * E)`."""
        return attention(q, k, v)


ALL = Share()

Sharing = Callable[[int], Share]
"""How many tokens a pass has → how they are shared out. A base that can share has one as its `share`."""


def undivided(_tokens: int) -> Share:
    """All of them are here."""
    return ALL
