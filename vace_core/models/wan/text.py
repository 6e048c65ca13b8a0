"""Wan's text encoder: umT5-XXL, and normalised white space."""

from __future__ import annotations

import html
import re

from ..text import EncoderKind, package


def clean(prompt: str) -> str:
    """The prompt with broken characters fixed, HTML entities resolved and every run of white space made one space.

    Source: Wan-Video/Wan2.1, wan/modules/tokenizers.py, clean="whitespace".
    """
    mended = html.unescape(html.unescape(package("ftfy", "Wan").fix_text(prompt)))
    return re.sub(r"\s+", " ", mended).strip()


UMT5 = EncoderKind(
    name="umT5",
    reader="Wan",
    network=("UMT5EncoderModel", "UMT5Config"),
    tables=True,
    max_tokens=512,
    extra_embeddings=384,  # 256,384 rows for 256,000 pieces
    tokenizer="google/umt5-xxl",
    example="umt5_xxl_fp16.safetensors",
    cased=True,
    clean=clean,
)
