"""Prompts as numbers: what a text encoder is to the rest of the library."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

from ..errors import ModelError
from ..files.weights import Naming, Weights

TextEmbeds: TypeAlias = Tensor | tuple[Tensor, ...]
"""A prompt as a family's text encoder gives it: `(1, S, text_width)`, or several tensors for bases that read more."""

# Names by which the T5 family is told, in files of its own and behind what ComfyUI's checkpoints put before them.
T5_PREFIXES = ("", "text_encoders.umt5xxl.transformer.", "text_encoders.t5xxl.transformer.")
T5_NAMINGS = (
    Naming(name="official", marks=("blocks.0.attn.q.weight",), prefixes=T5_PREFIXES),
    Naming(name="transformers", marks=("encoder.block.0.layer.0.SelfAttention.q.weight",), prefixes=T5_PREFIXES),
    Naming(name="llama.cpp", marks=("enc.blk.0.attn_q.weight",), prefixes=T5_PREFIXES),
)
# The table of relative positions, by any of its names. umT5 has one in every layer, T5 only one.
POSITIONS = ("pos_embedding.embedding.weight", "relative_attention_bias.weight", "attn_rel_b.weight")


class TextEncoder(Protocol):
    """Turns a prompt into what a base model reads."""

    @property
    def width(self) -> int | None:
        """Features of one token; None where only what comes out tells."""
        ...

    def encode(self, prompt: str) -> TextEmbeds:
        """`(1, S, text_width)` float32, one row for each token of the prompt, no padding; S ≥ 1.

        Or a tuple, as `prepare_text` of the bases that it is for takes it.
        """
        ...


class ReadOnce:
    """A text encoder that reads each prompt once; what it gave is kept as long as this is."""

    def __init__(self, text: TextEncoder) -> None:
        self._text, self._read = text, dict[str, TextEmbeds]()

    @property
    def width(self) -> int | None:
        return self._text.width

    def encode(self, prompt: str) -> TextEmbeds:
        if prompt not in self._read:
            self._read[prompt] = self._text.encode(prompt)
        return self._read[prompt]


def placed(embeds: TextEmbeds, device: str | torch.device) -> TextEmbeds:
    """What a text encoder gave, on another device."""
    return embeds.to(device) if isinstance(embeds, Tensor) else tuple(part.to(device) for part in embeds)


class TextEncoderSpec(Protocol):
    """What a family says of its text encoder. Families that read the same encoder give it the same `name`.

    Attributes:
        name: Of the encoder.
        reader: Of the family, without its version.
        released: Of the encoder in the size that was published for the family.
        released_width: Features of one of its tokens.
        max_tokens: What the base was trained with, the end token included; the rest is cut.
        example: A file that holds the encoder.
        cased: Whether it was trained on prompts with capitals.
        namings: How files name its weights.
        unlike: What a file is that has such names and is another encoder.
    """

    @property
    def name(self) -> str: ...

    @property
    def reader(self) -> str: ...

    @property
    def released(self) -> str: ...

    @property
    def released_width(self) -> int: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def example(self) -> str: ...

    @property
    def cased(self) -> bool: ...

    @property
    def namings(self) -> tuple[Naming, ...]: ...

    @property
    def unlike(self) -> str: ...

    def owns(self, weights: Weights) -> bool:
        """Whether these weights, named in one of `namings`, are of this encoder."""
        ...


class LoadsItself(TextEncoderSpec, Protocol):
    """A `TextEncoderSpec` of another make than the T5 family's."""

    def load(
        self, weights: Weights, *, tokenizer: Any | None, device: str | torch.device, dtype: torch.dtype
    ) -> TextEncoder:
        """The encoder in a file; arguments as for `loading.t5.load_text`."""
        ...


@dataclass(frozen=True, kw_only=True)
class EncoderKind:
    """The text encoder of a model family: a T5 encoder, and what is done to a prompt before.

    Attributes:
        name: Of the encoder.
        reader: Of the base.
        network: Name of the network in the package transformers, and of its configuration.
        tables: Whether every layer has a table of relative positions of its own; else the first one has it for all.
        max_tokens: What the base was trained with, the end token included; the rest is cut.
        extra_embeddings: At most so many rows of the encoder's vocabulary have no token.
        tokenizer: Where the tokenizer was published.
        example: A file that holds the encoder.
        cased: Whether it was trained on prompts with capitals; where not, `clean` takes them away.
        clean: The prompt as it was written → as the base was trained on prompts.
    """

    name: str
    reader: str
    network: tuple[str, str]
    tables: bool
    max_tokens: int
    extra_embeddings: int
    tokenizer: str
    example: str
    cased: bool
    clean: Callable[[str], str]
    released_width: int = 4096
    namings: tuple[Naming, ...] = T5_NAMINGS
    unlike: str = "a text encoder of the T5 family that none of them reads"

    @property
    def released(self) -> str:
        """Of the encoder in the size that was published."""
        return f"{self.name}-XXL"

    def owns(self, weights: Weights) -> bool:
        """Whether these weights of the T5 family are of this encoder."""
        return self.tables == (sum(name.endswith(POSITIONS) for name in weights.stored) != 1)


def truncation_warning(count: int, kind: TextEncoderSpec) -> str:
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
            "transformers-not-installed",
            "The Python package {name} is not installed. Prompts for {reader} are read with it. Install it "
            "with: pip install transformers sentencepiece ftfy",
            name=name,
            reader=reader,
        ) from error
