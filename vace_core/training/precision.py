"""What training computes in: half precision where the machine is fast at it, else float32."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

import torch


def training_dtype(device: str | torch.device = "cpu") -> torch.dtype:
    """bfloat16 on devices with instructions for it, float32 elsewhere.

    A processor without them emulates bfloat16 and takes 10 to 25 times as long as in float32. float16 is left out: its
    gradients underflow without loss scaling.
    """
    kind = torch.device(device).type
    if kind == "cpu":
        # An older torch cannot say; float32 is then the safe choice.
        has = getattr(torch.cpu, "get_capabilities", dict)()
        fast = bool(has.get("avx512_bf16") or has.get("amx_bf16"))
    elif kind == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


def mixed_precision(device: str | torch.device = "cpu", dtype: torch.dtype | None = None) -> torch.autocast:
    """The autocast context of `dtype`, or else of `training_dtype`; it does nothing where that is float32."""
    dtype = dtype or training_dtype(device)
    return torch.autocast(torch.device(device).type, dtype, enabled=dtype != torch.float32)


@contextmanager
def seeded(seed: int) -> Generator[None]:
    """All that torch draws on the CPU inside comes from `seed`, and nothing outside notices.

    Networks are built under it, so that layers which no rule of initialisation names are the same on every run too.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
