"""ComfyUI's managed layers as ours need them: no time lost where a weight is there, and one way for several uses."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from typing import Any

from torch import Tensor, nn


@cache
def managed_ops(layers: Any, cast: Any, context: Any | None) -> Any:
    """ComfyUI's `layers` for networks that `vace_core` builds.

    Args:
        layers: Its `manual_cast`.
        cast: Its `cast_bias_weight`.
        context: The same as a context, by which newer ComfyUIs know how long a weight is needed.
    """

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
        @contextmanager
        def held(self, x: Tensor) -> Generator[Any, None, None]:
            """Weight and bias as `x` needs them, for several uses; they come to its device once."""
            if context is None:
                yield cast(self, x)
                return
            with context(self, x, offloadable=True) as weights:
                yield weights

    ours = {"Linear": Linear, "RMSNorm": quick("RMSNorm"), "LayerNorm": quick("LayerNorm")}
    return type("ManagedLayers", (layers,), ours)
