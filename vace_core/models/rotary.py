"""Rotary position embedding: every pair of features is turned by an angle that tells the place of its token."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import torch
from torch import Tensor

# Tokens that are turned at a time: in float32, they are the largest tensors of the attention.
PIECE = 4096
# Devices on which torch lacks complex numbers or parts of them.
WITHOUT_COMPLEX = frozenset({"mps"})


class Table:
    """A table of places that all passes of a job share, made once and kept for the next pass."""

    def __init__(self) -> None:
        self._known: tuple[Hashable, Tensor] | None = None

    def get(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """What `make` makes, unless it made it for the same key before."""
        if self._known is None or self._known[0] != key:
            self._known = (key, make())
        return self._known[1]

    def forget(self) -> None:
        """Frees what is kept."""
        self._known = None


def cos_sin(angles: Tensor) -> Tensor:
    """Angles `(…, P)` in radians → `(…, P, 2)` float32: cosines and sines, in the precision of `angles` until then."""
    return torch.stack([angles.cos(), angles.sin()], dim=-1).float()


def turned(x: Tensor, rotation: Tensor) -> Tensor:
    """`(B, L, D)` with pair p of every so many features turned; computed in float32, in the type of `x` at the end.

    Args:
        x: Neighbouring features are a pair.
        rotation: `(L, P, 2)` from `cos_sin`, for every `2 * P` features the same; P divides D/2.
    """
    if torch.compiler.is_compiling():  # a compiler fuses all of it, and knows no complex numbers
        return in_real_numbers(x, rotation)
    if x.shape[1] <= PIECE:
        return _turned(x, rotation)
    result = torch.empty_like(x)
    for start in range(0, x.shape[1], PIECE):
        piece = slice(start, start + PIECE)
        result[:, piece] = _turned(x[:, piece], rotation[piece])
    return result


def in_real_numbers(x: Tensor, rotation: Tensor) -> Tensor:
    """The same sums as with complex numbers, several times slower, for devices and compilers that know none."""
    even, odd = x.float().unflatten(-1, (-1, rotation.shape[-2], 2)).unbind(-1)
    cos, sin = rotation[:, None].unbind(-1)
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(2).to(x.dtype)


def _turned(x: Tensor, rotation: Tensor) -> Tensor:
    if x.device.type in WITHOUT_COMPLEX:
        return in_real_numbers(x, rotation)
    # In place on a copy.
    pairs = torch.view_as_complex(x.to(torch.float32, copy=True).unflatten(-1, (-1, rotation.shape[-2], 2)))
    return torch.view_as_real(pairs.mul_(torch.view_as_complex(rotation)[:, None])).flatten(2).to(x.dtype)
