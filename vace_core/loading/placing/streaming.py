"""A transformer on a device that is smaller than it is: some blocks stay there, the others come as they are used.

The next block is on its way while one computes, on a stream of its own where the device has streams. Two slots are all
the memory that streamed blocks take, however far the CPU is ahead of the device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from ...adapter import Attachment, ContextAdapter
from .measure import units
from .parcel import Parcel
from .plan import SLOTS, resident


class Transformer:
    """A base with its adapter, and which of it is on a device.

    Args:
        base: The base; it keeps its blocks in one list, or is there whole.
        adapter: Its adapter, if it has one.
        device: Where the work is done.
    """

    def __init__(self, base: Any, adapter: ContextAdapter | None, device: torch.device) -> None:
        found = units(base, adapter)
        networks = [base] if adapter is None else [base, adapter]
        self.device = device
        self._forget: Callable[[], None] = getattr(base, "forget", lambda: None)
        self._rest = Parcel(*networks, without=[module for unit in found for module in unit])
        self._blocks = [Parcel(*unit) for unit in found]
        self._first = [unit[0] for unit in found]
        self._contexts = [] if adapter is None else [self._first.index(one) for one in adapter.context_blocks]
        self._stream = _Stream(device)
        self._hooks: list[Any] = []
        self._streamed: frozenset[int] = frozenset()
        self._slots: list[Tensor] = []
        self._held: list[int | None] = []
        self._ready: list[Any] = []
        self._following: dict[int, int] = {}
        self._now: int | None = None

    @property
    def streams(self) -> bool:
        """Whether blocks come as they are used."""
        return bool(self._streamed)

    def open(self, share: float) -> None:
        """Brings what stays: everything but blocks, and this share (0..1) of the bytes of those."""
        sizes = [block.nbytes for block in self._blocks]
        stays = resident(sizes, share)
        self._streamed = frozenset(range(len(sizes))) - stays
        self._rest.bring(self.device)
        for number in stays:
            self._blocks[number].bring(self.device)
        if not self._streamed:
            return
        self._stream.pin([tensor for number in self._streamed for tensor in self._blocks[number].home])
        largest = max(sizes[number] for number in self._streamed)
        self._slots = [torch.empty(largest, dtype=torch.uint8, device=self.device) for _ in range(SLOTS)]
        self._held, self._ready = [None] * SLOTS, [None] * SLOTS
        for number, module in enumerate(self._first):
            self._hooks.append(module.register_forward_pre_hook(self._needing(number)))

    def close(self) -> None:
        """Takes everything off the device."""
        self._stream.wait()
        for hook in self._hooks:
            hook.remove()
        for parcel in (self._rest, *self._blocks):
            parcel.leave()
        self._forget()
        self._stream.unpin()
        self._hooks, self._slots, self._held, self._ready = [], [], [], []
        self._streamed, self._now = frozenset(), None

    def begin(self, attachments: Sequence[Attachment]) -> None:
        """Before the blocks are used once, with these adapters acting."""
        if not self._streamed:
            return
        computed = max((attachment.computed for attachment in attachments), default=0)
        idle = set(self._contexts[computed:])
        order = [number for number in range(len(self._blocks)) if number not in idle]
        streamed = [number for number in order if number in self._streamed]
        self._now = None
        self._following = {
            number: following for number in order if (following := next((n for n in streamed if n > number), None))
        }
        if streamed:
            self._load(streamed[0])

    def _needing(self, number: int) -> Any:
        def need(_module: nn.Module, _given: Any) -> None:
            if number == self._now:  # another pass has the same block
                return
            self._now = number
            if number in self._streamed:
                self._load(number)
                self._stream.wait_for(self._ready[self._held.index(number)])
            if (following := self._following.get(number)) is not None:
                self._load(following)

        return need

    def _load(self, number: int) -> None:
        """Starts copying a block into the slot that is not in use, unless it is there or on its way."""
        if number in self._held:
            return
        slot = next(slot for slot, held in enumerate(self._held) if held is None or held != self._now)
        if (held := self._held[slot]) is not None:
            self._blocks[held].leave()
        self._held[slot] = number
        with self._stream.copying():
            self._blocks[number].copy_into(self._slots[slot][: self._blocks[number].nbytes])
        self._ready[slot] = self._stream.mark()


class _Stream:
    """Copies to a device beside its work, where it has streams; elsewhere they are done at once."""

    def __init__(self, device: torch.device) -> None:
        self._module: Any = getattr(torch, device.type) if device.type in ("cuda", "xpu") else None
        self._device = device
        self._side = None if self._module is None else self._module.Stream(device=device)
        self._pinned: list[Tensor] = []
        self._most = math.inf  # bytes, as the system refused more

    def copying(self) -> AbstractContextManager[Any]:
        """Inside, copies go beside the work, after all of it that was asked for so far."""
        if self._module is None or self._side is None:
            return nullcontext()
        self._side.wait_stream(self._module.current_stream(self._device))
        return self._module.stream(self._side)

    def mark(self) -> Any:
        """What to wait for until all copies so far are done."""
        return None if self._side is None else self._side.record_event()

    def wait_for(self, mark: Any) -> None:
        """Work that is asked for from now on begins when the copies are done."""
        if mark is not None:
            self._module.current_stream(self._device).wait_event(mark)

    def wait(self) -> None:
        """Until the device has done everything."""
        if self._module is not None:
            self._module.synchronize(self._device)

    def pin(self, tensors: Sequence[Tensor]) -> None:
        """Locks memory where it is, so that CUDA copies from it beside its work; as much as the system allows.

        What it refuses is copied without being locked, and is not asked for again.
        """
        if self._device.type != "cuda":
            return
        runtime: Any = torch.cuda.cudart()
        for tensor in tensors:
            if tensor.device.type != "cpu" or tensor.is_pinned():
                continue
            locked = sum(other.nbytes for other in self._pinned)
            if locked + tensor.nbytes > self._most:
                return
            if int(runtime.cudaHostRegister(tensor.data_ptr(), tensor.nbytes, 0)) != 0:
                self._most = locked
                _forget_error(self._device)
                return
            self._pinned.append(tensor)

    def unpin(self) -> None:
        """Undoes `pin`."""
        for tensor in self._pinned:
            if int(torch.cuda.cudart().cudaHostUnregister(tensor.data_ptr())) != 0:  # type: ignore[union-attr]
                _forget_error(self._device)
        self._pinned = []


def _forget_error(device: torch.device) -> None:
    """Takes the error of a call that failed and was answered.

    CUDA keeps it, and torch raises it at the next kernel, whatever that does: as memory that ran out, say. So one is
    launched that nobody needs.
    """
    with suppress(RuntimeError):
        _launch(device)


def _launch(device: torch.device) -> None:
    torch.ones(1, device=device).add_(1)
    torch.cuda.synchronize(device)
