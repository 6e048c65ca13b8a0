"""Training on cached examples: batch, noise, prediction, losses."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..models.text import TextEncoder
from .data.batches import Batches, Stage
from .data.cache import Cache
from .engine import Draw, Outcome, accelerator, train
from .objective import Objective
from .schedule import Schedule
from .tuning import Tuned
from .validation import Validation


def fit(
    tuned: Tuned,
    cache: Cache,
    text: TextEncoder,
    *,
    objective: Objective,
    schedule: Schedule,
    folder: Path,
    stages: Sequence[Stage] = (),
    held_out: Cache | None = None,
    validate: Callable[[nn.Module, int], Mapping[str, float]] | None = None,
    recipe: Mapping[str, Any] | None = None,
    processes: Any = None,
    shard: Sequence[type[nn.Module]] = (),
    stop_after: float | None = None,
) -> Outcome:
    """Trains those weights of `tuned` that require gradients, and puts their running average in place at the end.

    Args:
        cache: Examples to learn from.
        text: What reads their prompts.
        stages: Which of them are trained when; none = all, from the first step on.
        held_out: Examples whose losses are told for each task, on the same noise every time; None = none.
        validate: What is asked instead of that: network and steps that are done → numbers to tell.
        folder: As for `engine.train`, as are the rest.

    Raises:
        InputError: a stage without examples, or as `engine.train`.
        TrainingError: as `engine.train`.
    """
    processes = processes or accelerator()
    batches = Batches(
        cache,
        stages,
        size=schedule.at_a_time,
        p_zero=objective.p_zero,
        seed=schedule.seed,
        fps_matters=getattr(tuned.base, "reads_fps", True),
    )

    done = 0

    def losses_of(module: nn.Module, draw: Draw) -> Tensor:
        nonlocal done
        done = draw.step + 1
        batch = batches.draw(draw.step / schedule.steps, draw.number)
        noisy, sigmas, wanted = objective.noised(batch.targets, noise_generator(schedule.seed, draw.number))
        context = None if batch.contexts is None else batch.contexts.to(processes.device)
        prompts = [text.encode(prompt) for prompt in batch.prompts]
        velocity = module(noisy.to(processes.device), sigmas, prompts, batch.fps, context)
        return objective.losses(velocity, wanted.to(processes.device), sigmas)

    validation: Callable[[nn.Module], Mapping[str, float]] | None = None
    if validate is not None:
        validation = lambda module: validate(module, done)  # noqa: E731
    elif held_out is not None:
        validation = Validation(held_out, objective, text, size=schedule.at_a_time)
    outcome = train(
        tuned,
        losses_of,
        schedule,
        folder=folder,
        recipe=recipe,
        names_of=lambda draw: batches.names(draw.step / schedule.steps, draw.number),
        validate=validation,
        processes=processes,
        shard=shard,
        stop_after=stop_after,
    )
    if not shard or processes.num_processes == 1:
        tuned.load_state_dict(outcome.weights, strict=False)
    return outcome


def noise_generator(seed: int, number: int) -> torch.Generator:
    """The dice of one micro-batch."""
    return torch.Generator().manual_seed(random.Random(f"noise {seed} {number}").getrandbits(62))
