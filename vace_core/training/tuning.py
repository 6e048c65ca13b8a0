"""What is trained: an adapter that begins as a copy of the base and says nothing yet, or the base itself.

Source: VACE, arXiv 2503.07598, section 3.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..adapter import Attachment, ContextAdapter
from ..errors import AdapterMismatchError
from ..models.text import TextEmbeds, placed
from .precision import mixed_precision


class Tuned(nn.Module):
    """A base, and what is trained on it, as one call.

    Args:
        base: Meets `protocols.BaseModel`.
        adapter: Reads the context; None = the base alone.
        pads: Whether prompts of different lengths are made one batch with zeros after their end, as Wan reads them.
            Otherwise clips whose prompts differ in length are computed one after the other.
        dtype: What products are computed in; None = what the device is fast at.
    """

    def __init__(
        self,
        base: nn.Module,
        adapter: ContextAdapter | None = None,
        *,
        pads: bool = True,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.base, self.adapter, self.pads, self.dtype = base, adapter, pads, dtype

    def forward(
        self, latents: Tensor, sigmas: Tensor, prompts: Sequence[TextEmbeds], fps: float, context: Tensor | None = None
    ) -> Tensor:
        """The velocity `(B, C, t, h, w)` float32.

        Args:
            latents: `(B, C, t, h, w)` noisy.
            sigmas: `(B,)` noise levels, on the CPU.
            prompts: B times what the text encoder gives.
            fps: Frames per second of all clips.
            context: Context latents `(B, C', t, h, w)`; None = the base alone.
        """
        with mixed_precision(latents.device, self.dtype):
            if self.pads or len({_length(prompt) for prompt in prompts}) == 1:
                return self._call(latents, sigmas, _together(prompts), fps, context).float()
            one_by_one = [
                self._call(
                    latents[at : at + 1],
                    sigmas[at : at + 1],
                    prompt,
                    fps,
                    None if context is None else context[at : at + 1],
                )
                for at, prompt in enumerate(prompts)
            ]
            return torch.cat(one_by_one).float()

    def _call(self, latents: Tensor, sigmas: Tensor, text: TextEmbeds, fps: float, context: Tensor | None) -> Tensor:
        base: Any = self.base
        embedded = base.prepare_text(placed(text, latents.device), fps=fps)
        attachments: list[Attachment] = []
        if self.adapter is not None and context is not None:
            attachments = [Attachment(adapter=self.adapter, context=self.adapter.embed(context).float())]
        return base(latents, sigmas, embedded, attachments)


def pad_prompts(prompts: Sequence[Tensor]) -> Tensor:
    """Prompts `(1, S, …)` of different lengths as one `(B, S, …)`; zeros after the end, as Wan reads them."""
    longest = max(map(_length, prompts))
    ends = [prompt.new_zeros(1, longest - prompt.shape[1], *prompt.shape[2:]) for prompt in prompts]
    return torch.cat([torch.cat(pair, dim=1) for pair in zip(prompts, ends, strict=True)])


def _together(prompts: Sequence[TextEmbeds]) -> TextEmbeds:
    if isinstance(prompts[0], Tensor):
        return pad_prompts(cast("Sequence[Tensor]", prompts))
    return tuple(map(pad_prompts, zip(*cast("Sequence[tuple[Tensor, ...]]", prompts), strict=True)))


def _length(prompt: TextEmbeds) -> int:
    return (prompt if isinstance(prompt, Tensor) else prompt[0]).shape[1]


@torch.no_grad()
def copy_base(adapter: ContextAdapter, base: nn.Module) -> None:
    """Makes the adapter a copy of the base that says nothing yet.

    Blocks are those of the base; the embedder is the base's for both halves of the condition and zero for the mask;
    the projections are zero, so that the first step is the base itself. Without blocks the embedder is zero.

    Raises:
        AdapterMismatchError: the adapter is not made of the base's own parts.
    """
    ours: Any = adapter.context_embedder
    ours.weight.zero_()
    ours.bias.zero_()
    if not adapter.context_layers:
        return
    blocks, embedder = blocks_of(base, adapter), _embedder_of(base, adapter)
    for block, layer in zip(adapter.context_blocks, adapter.context_layers, strict=True):
        block.load_state_dict(blocks[layer].state_dict())
    channels = embedder.weight.shape[1]
    for half in range(2):
        ours.weight[:, half * channels : (half + 1) * channels] = embedder.weight
    for projection in (adapter.before_proj, *adapter.after_proj):
        projection.weight.zero_()  # type: ignore[union-attr,operator]
        projection.bias.zero_()  # type: ignore[union-attr,operator]


def blocks_of(base: nn.Module, adapter: ContextAdapter) -> nn.ModuleList:
    """The blocks of a base, told by what the adapter's are made of. Raises as `copy_base`."""
    lists = [part for part in base.children() if isinstance(part, nn.ModuleList) and len(part)]
    if not adapter.context_layers and lists:
        return max(lists, key=len)
    for part in lists:
        if isinstance(adapter.context_blocks[0], type(part[0])):
            return part
    raise _unlike(base, adapter)


def _embedder_of(base: nn.Module, adapter: ContextAdapter) -> Any:
    for part in base.children():
        if type(part) is type(adapter.context_embedder):
            return part
    raise _unlike(base, adapter)


def _unlike(base: nn.Module, adapter: ContextAdapter) -> AdapterMismatchError:
    return AdapterMismatchError(
        "adapter-blocks",
        "The base {base} has no blocks or no embedder of the adapter's types, {block} and {embedder}. An "
        "adapter built from the base's own types is needed. Build it with the family of this base.",
        base=type(base).__name__,
        block=type(adapter.context_blocks[0]).__name__,
        embedder=type(adapter.context_embedder).__name__,
    )


def save_memory(*lists: nn.ModuleList) -> None:
    """Lets blocks forget what is between their parts, and compute it again when gradients are asked for."""
    for blocks in lists:
        for block in blocks:
            block.forward = partial(_again, block.forward)


def _again(forward: Any, *args: Any) -> Any:
    return cast("Any", checkpoint(forward, *args, use_reentrant=False))
