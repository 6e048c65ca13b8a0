"""LoRA: a frozen layer, and beside it a narrow one that is trained; merged, the two are a layer as before.

Source: Hu et al., arXiv 2106.09685. Names in files are those that diffusers and ComfyUI read.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .state import whole

PREFIX = "diffusion_model."
DOWN, UP = "lora_A", "lora_B"


class LoraLinear(nn.Module):
    """A linear layer with a trained change of low rank, which is nothing at first.

    Attributes:
        linear: The layer as it was, frozen.
        lora_A: `(rank, in)`, drawn.
        lora_B: `(out, rank)`, zero at first.
    """

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        outputs, inputs = linear.weight.shape
        device = linear.weight.device
        self.lora_A = nn.Parameter(torch.randn(rank, inputs, device=device) * inputs**-0.5)
        self.lora_B = nn.Parameter(torch.zeros(outputs, rank, device=device))

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(x, self.lora_A.to(x.dtype))
        return self.linear(x) + F.linear(low, self.lora_B.to(low.dtype))

    @property
    def merged(self) -> Tensor:
        """`(out, in)`: the weight of one layer that does the same."""
        return self.linear.weight + (self.lora_B @ self.lora_A).to(self.linear.weight.dtype)

    @contextmanager
    def held(self, x: Tensor) -> Generator[tuple[Tensor, Tensor | None]]:
        """Weight and bias for several uses with `x`, for parts that work on a clip piece by piece."""
        yield self.merged.to(x.dtype), self.linear.bias


def add_lora(blocks: nn.Module, rank: int) -> None:
    """Puts a LoRA beside every linear layer in `blocks`; the layers themselves no longer learn."""
    blocks.requires_grad_(False)
    for module in list(blocks.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear) and not isinstance(module, LoraLinear):
                setattr(module, name, LoraLinear(child, rank))


def lora_weights(weights: Mapping[str, Tensor], official: Callable[[str], str]) -> dict[str, Tensor]:
    """Trained weights under the names that LoRA files have.

    Args:
        weights: By name in the network, such as "context_blocks.0.self_attn.q.lora_A".
        official: The official name of a weight of the network from our own.
    """
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        layer, _, part = name.rpartition(".")
        if part in (DOWN, UP):
            whole = official(f"{layer}.weight").removesuffix(".weight")
            found[f"{PREFIX}{whole}.{part}.weight"] = value
    return found


@torch.no_grad()
def merged_weights(
    module: nn.Module, trained: Mapping[str, Tensor], parts: tuple[str, ...], *, keeps: bool = True
) -> dict[str, Tensor]:
    """Weights of `module` as if it never had a LoRA, with what was trained in them, on the CPU.

    All processes must ask for it: they may hold parts of the weights.

    Args:
        trained: Those that were trained, by name; they go before what the module holds.
        parts: How the names of those that are wanted begin.
        keeps: Whether this process is one that gets them; the others get nothing.
    """
    found: dict[str, Tensor] = {}
    for name, value in module.state_dict().items():
        if name.startswith(parts):
            one = trained[name] if name in trained else whole(value)
            if keeps:
                found[name] = one.cpu()
    for name, part in module.named_modules() if keeps else ():
        if isinstance(part, LoraLinear) and name.startswith(parts):
            up, down = found.pop(f"{name}.{UP}"), found.pop(f"{name}.{DOWN}")
            weight = found.pop(f"{name}.linear.weight")
            found[f"{name}.weight"] = weight + (up @ down).to(weight.dtype)
            if (bias := found.pop(f"{name}.linear.bias", None)) is not None:
                found[f"{name}.bias"] = bias
    return found
