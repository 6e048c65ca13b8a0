"""Where a job runs and in which numbers, where nobody says: one rule for the command and the nodes."""

from __future__ import annotations

from collections.abc import Sequence

import torch

# Pixels of a VAE, best first. In float16 its features overflow, so where bfloat16 lacks it is float32.
VAE_DTYPES = (torch.bfloat16, torch.float32)


def best_device() -> torch.device:
    """The accelerator that torch has, else the CPU."""
    kinds = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.backends.mps}
    return torch.device(next((name for name, kind in kinds.items() if kind.is_available()), "cpu"))


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
