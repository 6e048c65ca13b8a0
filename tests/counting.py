"""What modules take of memory, counted on meta tensors."""

from __future__ import annotations

import weakref

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class AttentionInOnePiece(TorchFunctionMode):
    """On meta tensors torch spells attention and RMS norm out; on every real device they are one kernel."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in (F.scaled_dot_product_attention, F.rms_norm, torch.rms_norm):
            return torch.empty_like(args[0])
        return function(*args, **(kwargs or {}))


class LiveBytes(TorchDispatchMode):
    """The largest sum of bytes alive at once, of what is made inside."""

    def __init__(self):
        super().__init__()
        self.given, self.live, self.now, self.peak = set(), {}, 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        for storage in (x.untyped_storage() for x in tree_leaves(args) if isinstance(x, torch.nn.Parameter)):
            if storage._cdata not in self.given:
                self.given.add(storage._cdata)
                weakref.finalize(storage, self.given.discard, storage._cdata)  # its address is given to others then
        made = function(*args, **(kwargs or {}))
        for tensor in (x for x in tree_leaves(made) if isinstance(x, torch.Tensor)):
            storage = tensor.untyped_storage()
            if storage._cdata not in self.live and storage._cdata not in self.given:
                self.live[storage._cdata] = storage.nbytes()
                self.now += storage.nbytes()
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._freed, storage._cdata)
        return made

    def _freed(self, key: int) -> None:
        self.now -= self.live.pop(key, 0)
