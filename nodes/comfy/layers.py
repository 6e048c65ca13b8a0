"""ComfyUI's managed layers and attention as our networks need them.

No time is lost where a weight is there, a weight comes once for several uses, and the attention is what ComfyUI was
started with.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from ...vace_core.files.packed import Packing
from ...vace_core.models import layers as own_layers


@cache
def managed_ops(layers: Any, cast: Any, context: Any | None, attentions: Any) -> Any:
    """ComfyUI's `layers` for networks that `vace_core` builds.

    Args:
        layers: Its `manual_cast`.
        cast: Its `cast_bias_weight`.
        context: The same as a context, by which newer ComfyUIs know how long a weight is needed.
        attentions: The module whose `optimized_attention` was chosen when it was started.
    """

    def attention(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | None = None) -> Tensor:
        # What it chose is meant for a card, and some kernels would leave a bias out without a word.
        if bias is not None or q.device.type == "cpu":
            return own_layers.attention(q, k, v, bias)
        return attentions.optimized_attention(q, k, v, q.shape[1], skip_reshape=True)

    def quick(name: str) -> Any:
        """A kind of layer that spends no time on casting where its weights are as they are needed."""
        plain, kind = getattr(nn, name), getattr(layers, name)

        def forward(self: Any, x: Tensor) -> Tensor:
            weight = self.weight
            there = weight is not None and weight.device == x.device and weight.dtype == x.dtype
            as_stored = there and not self.weight_function and not self.bias_function
            return plain.forward(self, x) if as_stored else kind.forward(self, x)

        return type(name, (kind,), {"forward": forward})

    class Linear(quick("Linear")):
        packing: Packing | None = None

        def forward(self, x: Tensor) -> Tensor:
            if self.packing is None:
                return super().forward(x)
            with self.held(x) as weights:
                return F.linear(x, *weights)

        @contextmanager
        def held(self, x: Tensor) -> Generator[Any, None, None]:
            """Weight and bias as `x` needs them, for several uses; they come to its device once, as they are stored."""
            wanted = {"dtype": x.dtype if self.packing is None else self.weight.dtype, "bias_dtype": x.dtype}
            coming = (
                nullcontext(cast(self, None, device=x.device, **wanted))
                if context is None
                else context(self, None, device=x.device, **wanted, offloadable=True)
            )
            with coming as (weight, bias):
                yield weight if self.packing is None else self.packing.numbers(weight, x.dtype), bias

    ours = {
        "attention": staticmethod(attention),
        "Linear": Linear,
        "RMSNorm": quick("RMSNorm"),
        "LayerNorm": quick("LayerNorm"),
    }
    return type("ManagedLayers", (layers,), ours)
