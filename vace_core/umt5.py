"""umT5: prompts as Wan reads them, from any file that the encoder is published in."""

from __future__ import annotations

from pathlib import Path

import torch

from .models.wan_text import UMT5
from .models.wan_text import clean as clean
from .t5 import T5Text, load_text


def load_umt5(
    path: str | Path,
    *,
    tokenizer: str | Path | None = None,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.bfloat16,
) -> T5Text:
    """The umT5 text encoder in `path`; arguments and errors as for `t5.load_text`."""
    return load_text(path, kind=UMT5, tokenizer=tokenizer, device=device, dtype=dtype)
