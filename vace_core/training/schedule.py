"""How long and how fast a network learns."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..errors import InputError
from ..sampling.options import LAST_SEED, check_number, check_whole
from .optimisers import OptimiserName


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how fast, checked where it is born.

    One step of the optimiser reads `batch` clips, `micro_batch` of them at a time. Which process reads which does not
    matter to the result: one with two at a time, or two with one each, come to the same weights but for rounding.

    Attributes:
        steps: Optimiser steps in all, ≥ 1.
        learning_rate: The peak, > 0; reached after `warmup` steps, held, then lowered to zero along a cosine.
        batch: Clips of one step, over all processes.
        micro_batch: Clips that one process computes at a time; divides `batch`. None = all of them.
        decay_from: Fraction of the steps after which the rate falls, 0..1.
        warmup: Steps over which the rate rises from zero.
        optimiser: "adamw"; "muon" = Muon for the matrices of the blocks, which learns the same in fewer steps, each a
            little dearer.
        weight_decay: Of the optimiser, ≥ 0.
        clip: Largest norm of the gradient of one step, > 0.
        average: Decay of the running average of the weights that is kept as the result, 0..1; 0 = the last weights.
        seed: Of the first weights, and of everything that is drawn.
        save_every: Steps between checkpoints.
        validate_every: Steps between validations; 0 = none.

    Raises:
        InputError: a value out of range.
    """

    steps: int
    learning_rate: float
    batch: int = 1
    micro_batch: int | None = None
    decay_from: float = 0.3
    warmup: int = 50
    optimiser: OptimiserName = "adamw"
    weight_decay: float = 1e-4
    clip: float = 1.0
    average: float = 0.99
    seed: int = 0
    save_every: int = 200
    validate_every: int = 500

    def __post_init__(self) -> None:
        for name, value, least in (
            ("number of steps", self.steps, 1),
            ("batch", self.batch, 1),
            ("micro_batch", self.at_a_time, 1),
            ("warmup", self.warmup, 0),
            ("save_every", self.save_every, 1),
            ("validate_every", self.validate_every, 0),
        ):
            check_whole(name, value, least=least)
        check_whole("seed", self.seed, least=0, most=LAST_SEED)
        check_number("learning rate", self.learning_rate, above=0)
        check_number("weight decay", self.weight_decay, least=0)
        check_number("clip", self.clip, above=0)
        check_number("decay_from", self.decay_from, least=0, most=1)
        check_number("average", self.average, least=0, most=1)
        if self.batch % self.at_a_time:
            raise InputError(
                "micro-batch",
                "The batch is {batch} and the micro_batch {micro_batch}. The micro_batch must divide the batch. "
                "Change one of them.",
                batch=self.batch,
                micro_batch=self.at_a_time,
            )

    @property
    def at_a_time(self) -> int:
        """Clips that one process computes at a time."""
        return self.batch if self.micro_batch is None else self.micro_batch

    @property
    def pieces(self) -> int:
        """Into how many micro-batches the batch of one step is divided, over all processes."""
        return self.batch // self.at_a_time

    def rate(self, step: int) -> float:
        """The learning rate of step `step`, 0-based."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        if self.decay_from == 1.0:
            return self.learning_rate
        progress = max(step / self.steps - self.decay_from, 0.0) / (1.0 - self.decay_from)
        return self.learning_rate * (0.5 + 0.5 * math.cos(progress * math.pi))
