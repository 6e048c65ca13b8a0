"""How LTX-Video reads prompts: T5-XXL, in lower case and plain punctuation."""

from __future__ import annotations

import html
import re
import unicodedata

from ..text import EncoderKind, package

# Signs that a space is put for; a slash or a pair of brackets says as little.
SIGNS = re.compile(r"[#®•©™&@·º½¾¿¡§~()\[\]{}|\\/*]+")


def clean(prompt: str) -> str:
    """The prompt in lower case, with typewriter quotes and dashes, without signs, and in even spaces.

    The official pipeline goes on to delete what it takes for the litter of scraped captions: addresses, file names,
    codes, sizes such as 3x4, "free shipping", all Chinese and Japanese characters. A prompt says what its author put
    into it, so these stay. Source: Lightricks/LTX-Video 0.9.1, pipeline_ltx_video.py, clean_caption.
    """
    text = html.unescape(html.unescape(package("ftfy", "LTX-Video").fix_text(prompt.lower())))
    text = "".join("-" if unicodedata.category(letter) == "Pd" else letter for letter in text)
    text = SIGNS.sub(" ", re.sub("-{2,}", "-", text))
    text = re.sub(r"(?<=\D[,.])(?=\w)", " ", text)
    return re.sub(r"\s+", " ", text).strip()


T5 = EncoderKind(
    name="T5",
    reader="LTX-Video",
    network=("T5EncoderModel", "T5Config"),
    tables=False,
    max_tokens=128,
    extra_embeddings=128,  # 32,128 rows for 32,000 pieces, or for 32,100 tokens in a tokenizer.json
    tokenizer="google/t5-v1_1-xxl",
    example="t5xxl_fp16.safetensors",
    cased=False,
    clean=clean,
)
