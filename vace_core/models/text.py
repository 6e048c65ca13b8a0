"""Prompts as numbers: what a text encoder is to the rest of the library."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from ..errors import ModelError


class TextEncoder(Protocol):
    """Turns a prompt into what a base model reads."""

    @property
    def width(self) -> int | None:
        """Features of one token; None where only what comes out tells."""
        ...

    def encode(self, prompt: str) -> Tensor:
        """`(1, S, text_width)` float32, one row for each token of the prompt, no padding; S ≥ 1."""
        ...


@dataclass(frozen=True, kw_only=True)
class EncoderKind:
    """The text encoder of a model family: a T5 encoder, and what is done to a prompt before.

    Attributes:
        name: Of the encoder.
        reader: Of the base.
        network: Name of the network in the package transformers, and of its configuration.
        tables: Whether every layer has a table of relative positions of its own; else the first one has it for all.
        prefix: What other programs put before the names of its weights in files with several models.
        max_tokens: What the base was trained with, the end token included; the rest is cut.
        spare_rows: At most so many rows of the encoder's vocabulary have no token.
        tokenizer: Where the tokenizer was published.
        example: A file that holds the encoder.
        cased: Whether it was trained on prompts with capitals; where not, `clean` takes them away.
        clean: The prompt as it was written → as the base was trained on prompts.
    """

    name: str
    reader: str
    network: tuple[str, str]
    tables: bool
    prefix: str
    max_tokens: int
    spare_rows: int
    tokenizer: str
    example: str
    cased: bool
    clean: Callable[[str], str]


def said_of_cut(count: int, kind: EncoderKind) -> str:
    """A sentence on a prompt of `count` tokens, the end token not counted, which are more than the base reads."""
    most = kind.max_tokens - 1
    return (
        f"the prompt has {count} tokens, and {kind.reader} reads {most}: its last {count - most} were cut. Put what "
        "matters first, or say it in fewer words"
    )


def package(name: str, reader: str) -> Any:
    """A Python package that prompts are read with.

    Args:
        name: Of the package.
        reader: For which base.

    Raises:
        ModelError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ModelError(
            f"The Python package {name} is not installed. Prompts for {reader} are read with it. "
            "Install it with: pip install transformers sentencepiece ftfy"
        ) from error
