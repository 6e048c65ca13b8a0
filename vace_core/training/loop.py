"""The training loop that all three stages share: schedule, checkpoint, resume, average of the weights."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from tqdm import tqdm

from ..files.safetensors_format import save

log = logging.getLogger("vace")

LossAndFigures = tuple[Tensor, dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast one stage learns.

    Attributes:
        steps: Optimiser steps in all.
        learning_rate: The peak; reached after `warmup` steps, held, then lowered to zero along a cosine.
        decay_from: Fraction of the steps after which the rate falls, 0..1.
        warmup: Steps over which the rate rises from zero.
        average: Decay of the running average of the weights that is kept as the result, 0..1.
        save_every: Steps between checkpoints.
    """

    steps: int
    learning_rate: float
    decay_from: float = 0.3
    warmup: int = 50
    average: float = 0.99
    save_every: int = 200

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, 0-based."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        progress = max(step / self.steps - self.decay_from, 0.0) / (1.0 - self.decay_from)
        return self.learning_rate * (0.5 + 0.5 * float(torch.cos(torch.tensor(progress * torch.pi))))


class Average:
    """A running average of trainable weights, which scores better than the last step's."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in module.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in module.named_parameters():
            if name in self.weights:
                self.weights[name].lerp_(parameter.detach(), 1 - decay)


def _save(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, average: Average, step: int) -> None:
    """Writes a checkpoint whole or not at all; plain tensors, so that reading it can run no code."""
    tensors = {f"average.{name}": value for name, value in average.weights.items()}
    for name, parameter in module.named_parameters():
        if name in average.weights:
            tensors[f"weight.{name}"] = parameter.detach()
            for moment in ("exp_avg", "exp_avg_sq"):
                tensors[f"{moment}.{name}"] = optimiser.state[parameter][moment]
    save(path, tensors, {"step": str(step)})


def _resume(path: Path, module: nn.Module, optimiser: torch.optim.Optimizer, average: Average) -> int:
    """Puts a checkpoint back and returns the number of steps it had done; 0 if there is none."""
    if not path.exists():
        return 0
    with safe_open(path, "pt") as file:
        step = int(file.metadata()["step"])
        for name, parameter in module.named_parameters():
            if name in average.weights:
                parameter.data.copy_(file.get_tensor(f"weight.{name}"))
                average.weights[name].copy_(file.get_tensor(f"average.{name}"))
                moments = {moment: file.get_tensor(f"{moment}.{name}") for moment in ("exp_avg", "exp_avg_sq")}
                optimiser.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    log.info("resumed %s at step %d", path.name, step)
    return step


def train(
    module: nn.Module,
    loss_of: Callable[[int], LossAndFigures],
    schedule: Schedule,
    *,
    checkpoint: Path,
    evaluate: Callable[[], dict[str, float]] | None = None,
    evaluate_every: int = 500,
) -> dict[str, Tensor]:
    """Trains the parameters of `module` that require gradients and returns their running average.

    Args:
        loss_of: Step number → (loss, figures to log). It seeds itself from the step, so that a resumed run
            continues as if it had never stopped.
        checkpoint: Where the run is saved and, if the file exists, resumed from. Only ever read by this function.
        evaluate: Called every `evaluate_every` steps with the current weights.
    """
    trained = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=schedule.learning_rate, betas=(0.9, 0.999), weight_decay=1e-4, fused=True)
    average = Average(module, schedule.average)
    first = _resume(checkpoint, module, optimiser, average)
    bar = tqdm(range(first, schedule.steps), initial=first, total=schedule.steps, desc=checkpoint.stem, mininterval=5)
    for step in bar:
        for group in optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        loss, figures = loss_of(step)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        average.update(module, step)
        bar.set_postfix(figures)
        done = step + 1
        if evaluate is not None and (done % evaluate_every == 0 or done == schedule.steps):
            log.info("%s step %d: %s", checkpoint.stem, done, evaluate())
        if done % schedule.save_every == 0 or done == schedule.steps:
            _save(checkpoint, module, optimiser, average, done)
    return average.weights
