"""The processes of one job, as torchrun starts them: one for each device."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ...errors import InputError

_FAILED, _PATIENCE = "vace/failed", timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Processes that do one job together.

    Attributes:
        rank: Which one this is, from 0.
        count: How many there are.
        device: The kind of device that each has one of: "cuda", "cpu".
    """

    rank: int = 0
    count: int = 1
    device: str = "cpu"

    @property
    def leads(self) -> bool:
        """Whether this is the one that writes and prints."""
        return self.rank == 0

    def least(self, number: int) -> int:
        """The smallest of the numbers that the processes come with, such as their free memory."""
        if self.count == 1:
            return number
        numbers = torch.tensor([number], device=self.device)
        dist.all_reduce(numbers, dist.ReduceOp.MIN)
        return int(numbers)


def rank_and_count() -> tuple[int, int]:
    """Which of how many processes torchrun started this as; (0, 1) where it did not."""
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))


@contextmanager
def joined(device: torch.device) -> Generator[Processes, None, None]:
    """All processes that torchrun started, each with a device of its own; this one alone where it did not.

    Args:
        device: Of a kind that every process has one of. Inside, "cuda" without a number is this process's own.

    Raises:
        InputError: there are more processes than devices, or a device with a number is for all of them.
    """
    rank, count = rank_and_count()
    if count == 1:
        yield Processes(device=device.type)
        return
    _choose(device, count)
    began = not dist.is_initialized()
    if began:
        dist.init_process_group(dist.get_default_backend_for_device(device.type))
    yield Processes(rank=rank, count=count, device=device.type)
    if began:  # after a failure others may never come to this
        dist.destroy_process_group()


def gathered(x: Tensor, group: Any) -> Tensor:
    """`(n, …)` of each process of a group, one after the other: `(count, n, …)`."""
    got = x.new_empty(group.size() * len(x), *x.shape[1:])
    # Torch 2.13 warns of the name before.
    module: Any = dist
    gather = module.all_gather_single if hasattr(dist, "all_gather_single") else module.all_gather_into_tensor
    gather(got, x.contiguous(), group=group)
    return got.unflatten(0, (group.size(), len(x)))


def is_first_to_fail() -> bool:
    """Whether no other process of this job failed before this one, which is then the one that says why."""
    rank, count = rank_and_count()
    if count == 1:
        return True
    with suppress(Exception):  # the others are gone, and the place where they meet with them
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        module: Any = dist
        store = module.TCPStore(host, port, is_master=False, timeout=_PATIENCE, wait_for_workers=False)
        return store.add(_FAILED, 1) == 1
    return rank == 0


def _choose(device: torch.device, count: int) -> None:
    """Makes the device of this process the current one."""
    if device.type == "cpu":
        return
    module: Any = getattr(torch, device.type)
    there = module.device_count()
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if ":" in str(device) or local >= there:
        raise InputError(
            "processes-devices",
            "{count} processes were started on {device}, of which {there} are here. Each process needs one of its "
            "own. Start as many as there are, and choose auto or {kind} as the device.",
            count=count,
            device=device,
            there=there,
            kind=device.type,
        )
    module.set_device(local)
