"""The Context Adapter: copied blocks of a base model that read the condition and hand hints to the base.

The adapter is an object of its own. A base model takes it as an argument of one call and keeps nothing of it, so that
attaching, swapping and detaching are simply passing, passing another and passing none.
Source: VACE, arXiv 2503.07598, section 3.3; ali-vilab/VACE, vace/models/wan/modules/model.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from .errors import AdapterMismatchError


class ContextAdapter(nn.Module):
    """Context latents in, one hint for each of `context_layers` out.

    Attributes:
        context_embedder: Context latents `(B, C, t, h, w)` → tokens `(B, L, D)`.
        before_proj: Applied once to the embedded context, before the base's own tokens are added.
        context_blocks: Copies of the base's blocks; each reads what the one before it made.
        after_proj: One projection per block; its output is the hint. Zero at the start of training.
        context_layers: Indices of the base's blocks after which the hints are added, ascending, the first is 0.

    Without blocks it is what the paper compares with: its tokens are added to the base's, and the base itself is
    trained to read them. That is the base with a patch embedding that takes latents and context side by side.
    """

    def __init__(
        self,
        *,
        embedder: nn.Module,
        blocks: Sequence[nn.Module],
        width: int,
        context_layers: Sequence[int],
        ops: ModuleType | Any,
    ) -> None:
        super().__init__()
        if len(blocks) != len(context_layers):
            raise AdapterMismatchError(
                "adapter-layers",
                "The adapter has {blocks} context blocks for {context_layers} context layers. Each layer "
                "needs one block. Check vace_layers in the model's configuration.",
                blocks=len(blocks),
                context_layers=len(context_layers),
            )
        self.width = width
        self.context_layers = tuple(context_layers)
        self.context_embedder = embedder
        self.before_proj = ops.Linear(width, width) if blocks else nn.Identity()
        self.context_blocks = nn.ModuleList(blocks)
        self.after_proj = nn.ModuleList(ops.Linear(width, width) for _ in blocks)

    def embed(self, context_latents: Tensor) -> Tensor:
        """The part that never changes during a job: context tokens `(B, L, D)` ready to meet the base's tokens."""
        return self.before_proj(self.context_embedder(context_latents))

    def check_fits(self, *, width: int, layers: int) -> None:
        """Accepts a base model of `layers` blocks of `width`.

        Raises:
            AdapterMismatchError: the adapter was made for another width or for a deeper model.
        """
        needed = max(self.context_layers, default=0) + 1
        if self.width != width or needed > layers:
            raise AdapterMismatchError(
                "adapter-width",
                "This adapter is made for a base of width {width} with at least {least_blocks} blocks. The base has "
                "width {base_width} and {base_blocks} blocks. Choose the adapter that belongs to this base.",
                width=self.width,
                least_blocks=needed,
                base_width=width,
                base_blocks=layers,
            )


@dataclass(frozen=True, kw_only=True)
class SigmaRange:
    """Noise levels (1..0) at which an adapter acts: `sigma in SigmaRange(…)`.

    Attributes:
        start: The highest.
        end: Where it stops: the adapter does not act at this level any more.
    """

    start: float = math.inf
    end: float = -math.inf

    def __contains__(self, sigma: float) -> bool:
        return self.end < sigma <= self.start

    @property
    def is_everything(self) -> bool:
        """Whether no noise level need be looked at."""
        return self.end == -math.inf and self.start == math.inf


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """One adapter with one condition, for the length of one job.

    Attributes:
        adapter: Whose blocks make the hints.
        context: What `adapter.embed` returned, `(B, L, D)`; or, where `embeds`, what it gets, `(B, C, t, h, w)`.
        strength: Factor on the hints. 1 = as trained, 0 = the base alone.
        sigmas: The noise levels at which the adapter acts.
        steps: Noise level → a further factor; None = 1.
        blocks: A further factor for each context block; none = 1.
        places: `(1 or B, L, 1)`, a further factor for each token; None = 1.
        embeds: Whether the context is embedded in each call of the base, rather than held embedded for the job.

    Raises:
        AdapterMismatchError: factors for another number of blocks than the adapter has.
    """

    adapter: ContextAdapter
    context: Tensor
    strength: float = 1.0
    sigmas: SigmaRange = SigmaRange()
    steps: Callable[[float], float] | None = None
    blocks: tuple[float, ...] = ()
    places: Tensor | None = None
    embeds: bool = False

    def __post_init__(self) -> None:
        if self.blocks:
            check_blocks(len(self.blocks), len(self.adapter.context_layers))

    def at(self, sigma: float) -> Attachment:
        """This attachment as it is at one noise level."""
        return self if self.steps is None else replace(self, strength=self.strength * self.steps(sigma), steps=None)

    def shared(self, own: Callable[[Tensor], Tensor]) -> Attachment:
        """This attachment for one call and a part of the tokens, which `own` gives of all."""
        places = None if self.places is None else own(self.places)
        return replace(self, context=own(self._embedded()), places=places, embeds=False)

    def is_active(self, sigma: float) -> bool:
        """Whether this attachment does anything at this noise level; where it does not, it costs nothing."""
        somewhere = any(self.blocks or (1.0,)) and (self.places is None or bool(self.places.any()))
        return somewhere and sigma in self.sigmas and self.at(sigma).strength != 0.0

    @property
    def computed(self) -> int:
        """How many of the context blocks are computed in a pass, from the first on."""
        return _computed([self.strength * factor for factor in self.blocks or [1.0] * len(self.adapter.context_layers)])

    def begin(self, tokens: Tensor) -> Tensor:
        """The base's tokens `(B, L, D)` before its first block, with the context added if the adapter has no blocks."""
        if self.adapter.context_layers:
            return tokens
        context = self._embedded()
        if self.places is not None:
            context = context * self.places.to(context)
        return tokens + context if self.strength == 1.0 else tokens.add(context, alpha=self.strength)

    def chain(self, tokens: Tensor) -> HintChain:
        """Starts one forward pass from the base's `tokens` `(B, L, D)` as they are before its first block."""
        # The context is in the precision of the adapter's products; the tokens of a base may be in a higher one.
        context = self._embedded()
        return HintChain(
            self.adapter,
            context + tokens,
            strength=self.strength,
            dtype=context.dtype,
            blocks=self.blocks,
            places=self.places,
        )

    def _embedded(self) -> Tensor:
        return self.adapter.embed(self.context) if self.embeds else self.context


def check_blocks(given: int, blocks: int) -> None:
    """Accepts as many strengths as an adapter has context blocks.

    Raises:
        AdapterMismatchError: there are more or fewer.
    """
    if given != blocks:
        raise AdapterMismatchError(
            "strength-blocks",
            "There are strengths for {given} context blocks. The adapter has {blocks}. Give one for each.",
            given=given,
            blocks=blocks,
        )


class HintChain:
    """The context path of one forward pass. It holds one set of tokens, never a stack of hints."""

    def __init__(
        self,
        adapter: ContextAdapter,
        tokens: Tensor,
        *,
        strength: float,
        dtype: torch.dtype | None = None,
        blocks: Sequence[float] = (),
        places: Tensor | None = None,
    ) -> None:
        """Starts a pass.

        Args:
            adapter: Whose blocks make the hints.
            tokens: Embedded context plus the base's tokens before its first block, `(B, L, D)`.
            strength: Factor on the hints.
            dtype: What tokens are brought to before the projection that makes a hint of them; None = left as they are.
            blocks: As for `Attachment`.
            places: As for `Attachment`.
        """
        self._adapter, self._tokens = adapter, tokens
        self._dtype, self._places = dtype, places
        self._factors = [strength * factor for factor in blocks or [1.0] * len(adapter.context_layers)]
        self._computed = _computed(self._factors)
        self._next = 0

    def add_hint(self, layer: int, tokens: Tensor, stream: object) -> Tensor:
        """`tokens` after base block `layer`, plus the hint for that block where there is one.

        Args:
            layer: Index of the base block that made `tokens`; the calls come in ascending order. The hint for a block
                that was left out is added here too.
            tokens: `(B, L, D)`.
            stream: What the base's blocks share in this pass; handed on to the context block as it is.
        """
        layers = self._adapter.context_layers
        while self._next < len(layers) and layers[self._next] <= layer:
            if self._next < self._computed:
                self._tokens = self._adapter.context_blocks[self._next](self._tokens, stream)
                tokens = self._with_hint(tokens, self._factors[self._next])
            self._next += 1
        return tokens

    def _with_hint(self, tokens: Tensor, factor: float) -> Tensor:
        if factor == 0.0:
            return tokens
        hint = self._adapter.after_proj[self._next](self._tokens.to(self._dtype or self._tokens.dtype))
        return self._sum(tokens, hint if self._places is None else hint * self._places.to(hint), factor)

    def _sum(self, tokens: Tensor, hint: Tensor, strength: float) -> Tensor:
        return tokens + hint if strength == 1.0 else tokens.add(hint, alpha=strength)


def _computed(factors: Sequence[float]) -> int:
    """A context block reads the one before it, so all up to the last one that says something are computed."""
    # Without a generator and `default`: this is compiled with the base where that is, as one graph.
    acting = [number + 1 for number, factor in enumerate(factors) if factor]
    return acting[-1] if acting else 0
