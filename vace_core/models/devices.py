"""Where a job runs and in which numbers, where nobody says: one rule for the command and the nodes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..checks.room import free_bytes
from ..errors import InputError, shortened

# Pixels of a VAE, best first. In float16 its features overflow, so where bfloat16 lacks it is float32.
VAE_DTYPES = (torch.bfloat16, torch.float32)


def best_device() -> torch.device:
    """The accelerator that torch has, else the CPU."""
    kinds = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.backends.mps}
    return torch.device(next((name for name, kind in kinds.items() if kind.is_available()), "cpu"))


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What a device has to give.

    Attributes:
        name: Of the device, for people.
        total: Bytes that it has.
        free: Bytes that a job may take.
        is_host: Whether it is main memory, where all weights are in any case.
    """

    name: str
    total: int
    free: int
    is_host: bool = False


def memory_of(device: torch.device, limit: int | None = None) -> Memory:
    """What a device has to give now, or `limit` bytes of it."""
    name, total, free = _asked(device)
    free = free if limit is None else min(free, limit)
    return Memory(name=name, total=total, free=free, is_host=device.type == "cpu")


def _asked(device: torch.device) -> tuple[str, int, int]:
    module: Any = getattr(torch, device.type, None)
    if hasattr(module, "mem_get_info"):
        free, total = module.mem_get_info(device)
        if device.type == "cuda":  # what torch holds and does not use is free to it
            free += module.memory_reserved(device) - module.memory_allocated(device)
        name = module.get_device_name(device) if hasattr(module, "get_device_name") else device.type
        return name, total, free
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        return "Apple GPU", total, min(total - torch.mps.driver_allocated_memory(), free_bytes())
    free = free_bytes()
    return "main memory" if device.type == "cpu" else device.type, free, free


def memory_size(text: str) -> int:
    """Bytes that are written as "12GB" (12 * 10^9), "12GiB" (12 * 2^30), "800 MB" or a number of GB.

    Raises:
        InputError: it is no size.
    """
    match = re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s*(|[kmgt]i?b?)\s*", text, re.IGNORECASE | re.ASCII)
    if match is None or not float(match[1]):
        raise InputError(
            "memory-unreadable",
            'The memory is "{text}". A size such as 12GB, 11.5GiB or 800MB is needed. Change it.',
            text=shortened(text),
        )
    unit = (match[2] or "g").lower()
    return int(float(match[1]) * (1024 if "i" in unit else 1000) ** ("kmgt".index(unit[0]) + 1))


def dtype_on(device: torch.device, stored: torch.dtype, dtypes: Sequence[torch.dtype]) -> torch.dtype | None:
    """What a transformer is computed in.

    Args:
        device: Where.
        stored: What most of its weights are stored in.
        dtypes: What its family can be computed in, best first.

    Returns:
        None where the device computes in what is stored; else the first of `dtypes` that it computes in, or float32.
    """
    if computes_in(device, stored):
        return None
    return next((dtype for dtype in dtypes if computes_in(device, dtype)), torch.float32)


def computes_in(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether a device computes in these numbers by itself; emulated ones are slower than float32."""
    if device.type == "cpu" or dtype != torch.bfloat16:
        return True
    if device.type == "cuda":
        with torch.cuda.device(device):
            return torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        torch.empty((), dtype=dtype, device=device).neg_()  # an older macOS refuses
    except (TypeError, RuntimeError):
        return False
    return True
