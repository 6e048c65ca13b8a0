"""Blocks of a transformer compiled, one for all: a step then fuses what lies between the large products."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError, shortened
from ..pipeline.model import Expert, VaceModel
from .placing.measure import blocks_of

LENGTH = {2: 1, 3: 1, 4: 3}
"""By the number of dimensions of a prompt's tensor, along which its length lies: `(B, S)`, `(B, S, D)`, and a bias
`(B, 1, 1, S)`."""


def compile_blocks(model: VaceModel, *, backend: str | Callable[..., Any] = "inductor") -> None:
    """Has the blocks of bases and adapters compiled when they are first used; their weights stay where they are.

    Compiled once for all blocks of one kind, and for all prompts, strengths and adapters: only another size or length
    of the clip is compiled again. Results differ from those of the blocks as they are by rounding.

    Args:
        model: Its networks are changed.
        backend: As for `torch.compile`; "inductor" needs a C++ compiler, or Triton on a card. Without one the first
            use raises InputError.
    """
    for expert in [model.expert] if model.low_noise is None else [model.expert, model.low_noise]:
        compile_expert(expert, backend)


def compile_expert(expert: Expert, backend: str | Callable[..., Any] = "inductor") -> None:
    """The same of one base with its adapter."""
    base: Any = expert.base
    contexts = () if expert.adapter is None else expert.adapter.context_blocks
    for block in (*blocks_of(base), *contexts):
        _compile(block, backend)
    if not hasattr(base, _PREPARED):
        setattr(base, _PREPARED, base.prepare_text)
        base.prepare_text = _of_any_length(base.prepare_text)


_PREPARED = "prepare_text_as_it_is"


def _compile(block: nn.Module, backend: str | Callable[..., Any]) -> None:
    """What it does alone, so that what brings streamed weights before that stays outside."""
    name = "work" if hasattr(block, "work") else "forward"
    compiled = torch.compile(getattr(type(block), name).__get__(block), backend=backend)

    @wraps(compiled)
    def work(*given: Any, **named: Any) -> Any:
        try:
            return compiled(*given, **named)
        except Exception as error:  # when a block is first used, for torch looks for a compiler then
            from torch._dynamo.exc import BackendCompilerFailed  # takes seconds, which only those pay who compile

            if not isinstance(error, BackendCompilerFailed):
                raise
            raise InputError(
                "compile-failed",
                "The blocks cannot be compiled ({error}). A C++ compiler, or Triton on a card, is needed for that. "
                "Install it, or do the job without compiling.",
                error=shortened(str(error.inner_exception).strip().partition("\n")[0]),
            ) from error

    setattr(block, name, work)


def _of_any_length(prepare: Callable[..., Any]) -> Callable[..., Any]:
    def prepared(*given: Any, **named: Any) -> Any:
        text = prepare(*given, **named)
        tensors = {
            field.name: value for field in fields(text) if isinstance(value := getattr(text, field.name), Tensor)
        }
        if len(tensors) == 1 and (tokens := next(iter(tensors.values()))).shape[1] == 1:
            # A length of one would be compiled on its own; and one token twice is the same to attention.
            tensors = {name: tokens.expand(-1, 2, -1).contiguous() for name in tensors}
            text = replace(text, **tensors)
        for value in tensors.values():
            torch._dynamo.maybe_mark_dynamic(value, LENGTH[value.ndim])  # type: ignore[attr-defined]
        return text

    return prepared
