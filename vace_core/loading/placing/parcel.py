"""The tensors of some modules as one: brought to a device, copied into memory that is kept there, and put back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

ALIGNED = 64  # bytes at which a tensor begins in a slot, enough for any kernel


class Parcel:
    """All weights of some modules. Their home is where they were when the parcel was made, or the CPU once they leave.

    Args:
        modules: Whose weights.
        without: Modules in them that are left out.
    """

    def __init__(self, *modules: nn.Module, without: Iterable[nn.Module] = ()) -> None:
        left_out = {id(inner) for module in without for inner in module.modules()}
        self._places: list[tuple[dict[str, Any], str]] = []
        self._home: list[Tensor] = []
        known = set[int]()
        for inner in (inner for module in modules for inner in module.modules()):
            if id(inner) in left_out or id(inner) in known:
                continue
            known.add(id(inner))
            tables: list[dict[str, Any]] = [vars(inner)["_parameters"], vars(inner)["_buffers"]]
            for table in tables:
                for name, tensor in table.items():
                    if tensor is not None:
                        self._places.append((table, name))
                        self._home.append(tensor)

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in a slot."""
        return sum(-(-tensor.nbytes // ALIGNED) * ALIGNED for tensor in self._home)

    @property
    def home(self) -> list[Tensor]:
        """The tensors where they stay."""
        return self._home

    def bring(self, device: torch.device) -> None:
        """Copies all of it to a device."""
        self._put(tensor if tensor.device == device else tensor.to(device) for tensor in self._home)

    def copy_into(self, slot: Tensor) -> None:
        """Copies all of it into `slot`, uint8 `(nbytes,)` on a device, and uses it from there."""
        self._put(self._copied(slot))

    def leave(self) -> None:
        """Back to where it came from; what was made on a device goes to the CPU."""
        self._home = [
            tensor if tensor.device.type == "cpu" else _kept(tensor, tensor.to("cpu")) for tensor in self._home
        ]
        self._put(iter(self._home))

    def _copied(self, slot: Tensor) -> Iterator[Tensor]:
        begin = 0
        for tensor in self._home:
            place = slot[begin : begin + tensor.nbytes].view(tensor.dtype).view(tensor.shape)
            place.copy_(tensor.detach(), non_blocking=True)
            begin += -(-tensor.nbytes // ALIGNED) * ALIGNED
            yield place

    def _put(self, tensors: Iterable[Tensor]) -> None:
        for (table, name), home, tensor in zip(self._places, self._home, tensors, strict=True):
            table[name] = tensor if tensor is home else _kept(home, tensor)


def _kept(home: Tensor, tensor: Tensor) -> Tensor:
    """A tensor as what `home` is: a parameter or a buffer."""
    return nn.Parameter(tensor, requires_grad=False) if isinstance(home, nn.Parameter) else tensor
