"""The optimisers that a recipe can name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import nn

from ..errors import ModelError

OptimiserName = Literal["adamw", "muon"]


def optimiser_for(
    name: OptimiserName, weights: Mapping[str, nn.Parameter], *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """The optimiser called `name`, of `weights` by their names.

    Raises:
        ModelError: this PyTorch lacks it.
    """
    if name == "muon":
        return Muon(weights, learning_rate=learning_rate, weight_decay=weight_decay)
    return _adamw(list(weights.values()), learning_rate, weight_decay)


class Muon(torch.optim.Optimizer):
    """Muon for the matrices of the blocks, AdamW for everything else, each weight by one of the two.

    Muon makes the step of a matrix orthogonal, as large as AdamW's, so that one learning rate serves both. Embeddings,
    the head, norms, biases and convolutions stay with AdamW.

    Raises:
        ModelError: this PyTorch has none.

    Source: Muon of Jordan and others (2024), its size of steps that of Moonlight (arXiv 2502.16982); torch.optim.Muon.
    """

    def __init__(self, weights: Mapping[str, nn.Parameter], *, learning_rate: float, weight_decay: float) -> None:
        muon: Any = getattr(torch.optim, "Muon", None)
        if muon is None:
            raise ModelError(
                "muon-torch-too-old",
                "PyTorch {version} has no Muon. Version 2.9 or later is needed for it. Update it, or set the "
                "recipe's optimiser to adamw.",
                version=torch.__version__,
            )
        matrices = [value for name, value in weights.items() if _by_muon(name, value)]
        others = [value for name, value in weights.items() if not _by_muon(name, value)]
        super().__init__(list(weights.values()), {"lr": learning_rate})
        self._parts: list[torch.optim.Optimizer] = [_adamw(others, learning_rate, weight_decay)] if others else []
        if matrices:
            self._parts.append(
                muon(matrices, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
            )
        self.param_groups = [group for part in self._parts for group in part.param_groups]

    def step(self, closure: Any = None) -> Any:
        """One step with the gradients that there are; `closure` is not called."""
        for part, group in zip(self._parts, self.param_groups, strict=True):
            # Rates are set, and moments put back, in what is here, which others replace.
            part.param_groups, part.state = [group], self.state
            part.step()


def moments_of(name: OptimiserName, weights: Mapping[str, nn.Parameter]) -> dict[str, tuple[str, ...]]:
    """What the optimiser called `name` keeps of each weight besides the number of steps, by the weight's name."""
    return {
        weight: ("momentum_buffer",) if name == "muon" and _by_muon(weight, value) else ("exp_avg", "exp_avg_sq")
        for weight, value in weights.items()
    }


def _by_muon(name: str, weight: nn.Parameter) -> bool:
    return "blocks." in name and weight.ndim == 2


def _adamw(weights: list[nn.Parameter], learning_rate: float, weight_decay: float) -> torch.optim.AdamW:
    return torch.optim.AdamW(weights, lr=learning_rate, weight_decay=weight_decay, fused=True)
