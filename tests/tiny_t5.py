"""A tiny T5, as it lies beside the released model of LTX-Video."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import sentencepiece
import transformers
from filling import fill

from vace_core.loading.t5 import load_text
from vace_core.models.wan.text import UMT5

WIDTH = 32


def write_t5(folder: Path) -> Path:
    """Writes text_encoder/ and tokenizer/ into `folder`."""
    (folder / "corpus.txt").write_text("a red circle moves left\nthe cat is sitting and waiting\n" * 20)
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "corpus.txt"), model_prefix=str(folder / "spiece"), vocab_size=320, hard_vocab_limit=False,
        byte_fallback=True, pad_id=0, eos_id=1, unk_id=2, bos_id=-1, minloglevel=2,
    )  # fmt: skip
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "spiece.model"))
    config = transformers.T5Config(
        vocab_size=pieces.get_piece_size() + 20, d_model=WIDTH, d_kv=16, d_ff=64, num_layers=2, num_heads=4,
        feed_forward_proj="gated-gelu",
    )  # fmt: skip
    fill(transformers.T5EncoderModel(config)).save_pretrained(folder / "text_encoder")
    (folder / "tokenizer").mkdir()
    (folder / "spiece.model").rename(folder / "tokenizer" / "spiece.model")
    return folder


load_umt5 = partial(load_text, kind=UMT5)
