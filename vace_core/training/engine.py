"""The engine: steps of an optimiser on one process or many, that can be stopped at any time and repeated to the bit.

What is drawn for a step depends on its number and the seed alone, and not on what came before or on how many processes
there are. Processes, their devices and how weights are spread over them are accelerate's business.
"""

from __future__ import annotations

import importlib
import json
import logging
import math
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..errors import InputError, ModelError, TrainingError, shortened
from ..files.replacing import replacing, unwritable
from .interrupts import held_back
from .optimisers import moments_of, optimiser_for
from .schedule import Schedule
from .state import STEP, Average, check_disk, load_state, save_state, trainable, whole

log = logging.getLogger("vace")

CHECKPOINT, LOSSES, LEFT_OUT = "checkpoint.safetensors", "losses.jsonl", "leave-out.txt"
MOST_NAMES = 8
# How long processes wait for each other: one may encode clips or prompts for hours after the others are done. torch
# would end them all after ten minutes (NCCL) or thirty (gloo). Who launched them ends the rest where one fails.
PATIENCE = timedelta(days=7)


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Which micro-batch is to be computed.

    Attributes:
        step: Of the optimiser, 0-based.
        number: Of the micro-batch in the whole run, over all processes, 0-based. Everything that is drawn for it comes
            from the seed and this.
    """

    step: int
    number: int


LossesOf = Callable[[nn.Module, Draw], Tensor]
"""Network and draw → losses `(N,)` of the clips of the micro-batch; the step follows their mean."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run has come to.

    Attributes:
        weights: The running average of the trained weights, by name, on the CPU.
        steps: Steps that are done.
        finished: Whether those are all.
    """

    weights: dict[str, Tensor]
    steps: int
    finished: bool


def accelerator(*, cpu: bool = False, trackers: Sequence[str] = (), folder: Path | None = None) -> Any:
    """What accelerate knows of this process and the others.

    Args:
        cpu: Whether to leave a GPU alone.
        trackers: Names of programs that draw curves, as accelerate knows them: "tensorboard", "wandb", ...
        folder: Where those keep their files.

    Raises:
        InputError: a tracker is not known.
        ModelError: accelerate is not installed.
    """
    try:
        accelerate = importlib.import_module("accelerate")
    except ImportError as error:
        raise ModelError(
            "accelerate-not-installed",
            "The Python package accelerate is not installed. Training is done with it. Install it with: pip "
            "install accelerate",
        ) from error
    known = [str(one) for one in importlib.import_module("accelerate.tracking").LOGGER_TYPE_TO_CLASS]
    if unknown := [name for name in trackers if name not in (*known, "all")]:
        raise InputError(
            "tracker-unknown",
            "There is no tracker {name}. Known are {known}. Correct its name.",
            name=shortened(unknown[0]),
            known=", ".join(known),
        )
    # Without a backend, which is accelerate's choice by the device.
    patience = importlib.import_module("accelerate.utils").InitProcessGroupKwargs(timeout=PATIENCE)
    # Precision is ours: `precision.mixed_precision`.
    return accelerate.Accelerator(
        cpu=cpu,
        mixed_precision="no",
        log_with=list(trackers) or None,
        project_dir=folder,
        kwargs_handlers=[patience],
    )


def agreed(processes: Any, wish: bool) -> bool:
    """Whether any of the processes wants something; all of them must ask."""
    return float(processes.reduce(torch.tensor(float(wish), device=processes.device), "sum")) > 0


def train(
    module: nn.Module,
    losses_of: LossesOf,
    schedule: Schedule,
    *,
    folder: Path,
    recipe: Mapping[str, Any] | None = None,
    names_of: Callable[[Draw], Sequence[str]] | None = None,
    validate: Callable[[nn.Module], Mapping[str, float]] | None = None,
    processes: Any = None,
    shard: Sequence[type[nn.Module]] = (),
    stop_after: float | None = None,
) -> Outcome:
    """Trains the weights of `module` that require gradients.

    Args:
        losses_of: See `LossesOf`. It calls the module that it is given, which may be `module` wrapped.
        folder: Holds the checkpoint, from which the run goes on if there is one, and the losses of every step.
        recipe: What the run was told, as JSON has it. A checkpoint of another one is refused.
        names_of: What the clips of a micro-batch are called, for the message if a loss is no number.
        validate: Called every `schedule.validate_every` steps and at the end with the averaged weights in place; its
            numbers go to the losses and trackers.
        processes: From `accelerator`; None = this process alone.
        shard: Kinds of blocks whose weights are spread over the processes (FSDP2); none = every process holds all.
        stop_after: Seconds after which the run is saved and left; None = not before its end.

    Raises:
        InputError: the folder cannot be written or has too little space, a checkpoint of something else, a batch that
            cannot be divided between the processes, or Muon for weights that are spread over them.
        ModelError: this PyTorch lacks the optimiser, or cannot spread weights.
        TrainingError: a loss or gradient is not a number.
    """
    processes = processes or accelerator()
    share = _share(schedule, processes.num_processes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    check_disk(folder, module)
    spread = bool(shard) and processes.num_processes > 1
    if spread and schedule.optimiser == "muon":
        raise InputError(
            "muon-sharded",
            "The recipe's optimiser is muon, and weights are to be spread over {count} processes. Muon needs whole "
            "matrices. Leave --shard out, or set the optimiser to adamw.",
            count=processes.num_processes,
        )
    if spread:
        _spread(module, shard, processes)
    optimiser = optimiser_for(
        schedule.optimiser,
        trainable(module),
        learning_rate=schedule.learning_rate,
        weight_decay=schedule.weight_decay,
    )
    if spread:
        wrapped = module
    else:
        wrapped, prepared = processes.prepare(module, optimiser)
        optimiser = prepared.optimizer
    run = _Run(wrapped, module, optimiser, schedule, processes, folder, dict(recipe or {}), validate, names_of)
    return run.go(losses_of, share, stop_after)


def _spread(module: nn.Module, kinds: Sequence[type[nn.Module]], processes: Any) -> None:
    """Gives every process a part of every weight; a block's are brought together while it computes.

    By torch itself, for accelerate does it on GPUs alone.
    """
    try:
        fully_shard = importlib.import_module("torch.distributed.fsdp").fully_shard
    except AttributeError as error:
        raise ModelError(
            "torch-too-old",
            "PyTorch {version} cannot spread weights over processes. Version 2.6 or later is needed for it. "
            "Update it, or leave --shard out.",
            version=torch.__version__,
        ) from error
    meshes = importlib.import_module("torch.distributed.device_mesh")
    mesh = meshes.init_device_mesh(processes.device.type, (processes.num_processes,))
    for part in module.modules():
        if isinstance(part, tuple(kinds)):
            fully_shard(part, mesh=mesh)
    fully_shard(module, mesh=mesh)


class _Run:
    """One run, in the middle of its steps."""

    def __init__(
        self,
        wrapped: nn.Module,
        bare: nn.Module,
        optimiser: torch.optim.Optimizer,
        schedule: Schedule,
        processes: Any,
        folder: Path,
        recipe: dict[str, Any],
        validate: Callable[[nn.Module], Mapping[str, float]] | None,
        names_of: Callable[[Draw], Sequence[str]] | None,
    ) -> None:
        self.wrapped, self.bare, self.optimiser = wrapped, bare, optimiser
        self.schedule, self.processes, self.folder, self.recipe = schedule, processes, folder, recipe
        self.validate, self.names_of = validate, names_of
        self.trained = list(trainable(bare).values())
        self.average = Average(bare, schedule.average)
        self.losses = _Losses(folder / LOSSES, writes=processes.is_main_process)

    def go(self, losses_of: LossesOf, share: int, stop_after: float | None) -> Outcome:
        schedule, path = self.schedule, self.folder / CHECKPOINT
        moments = moments_of(schedule.optimiser, trainable(self.bare))
        first = load_state(path, self.bare, self.optimiser, self.average, moments=moments, recipe=self.recipe)
        self._kept = first
        if first:
            log.info("%s goes on at step %d", self.folder, first)
        self.losses.keep(first)
        begun = time.monotonic()
        bar = tqdm(
            range(first, schedule.steps),
            initial=first,
            total=schedule.steps,
            desc=self.folder.name,
            mininterval=5,
            disable=not self.processes.is_main_process,
        )
        with held_back() as asked:
            for step in bar:
                figures = {"loss": self._step(losses_of, step, share), "rate": schedule.rate(step)}
                bar.set_postfix(figures)
                done = step + 1
                last = done == schedule.steps
                validates = self.validate is not None and schedule.validate_every
                if validates and (last or done % schedule.validate_every == 0):
                    figures |= self._validated(done)
                self.losses.add(done, figures)
                self.processes.log(figures, step=done)
                late = stop_after is not None and time.monotonic() - begun > stop_after
                stops = agreed(self.processes, late or asked())  # all of them must, at the same step
                if last or stops or done % schedule.save_every == 0:
                    self._save(done)
                if stops and not last:
                    log.info("%s is saved after step %d, and goes on from there", self.folder, done)
                    return self._outcome(done)
            return self._outcome(schedule.steps)

    def _step(self, losses_of: LossesOf, step: int, share: int) -> float:
        """One step of the optimiser on `share` micro-batches of this process; returns the mean loss over all."""
        schedule, processes = self.schedule, self.processes
        for group in self.optimiser.param_groups:
            group["lr"] = schedule.rate(step)
        self.optimiser.zero_grad(set_to_none=True)
        total, faulty = torch.zeros((), device=processes.device), list[str]()
        for number in range(share):
            # Neighbouring numbers go to different processes, so that all of them draw from the same stage.
            draw = Draw(step=step, number=(step * share + number) * processes.num_processes + processes.process_index)
            with self._apart() if number < share - 1 else nullcontext():
                losses = self._backward(losses_of, draw, share)
            total += losses.mean().float() / share
            faulty += self._faulty(draw, losses)
        loss = float(processes.reduce(total, "mean"))
        norm = float(processes.clip_grad_norm_(self.trained, schedule.clip))
        if not (math.isfinite(loss) and math.isfinite(norm)):
            self._give_up(step, faulty)
        self.optimiser.step()
        self.average.update(self.bare, step)
        return loss

    @contextmanager
    def _apart(self) -> Generator[None]:
        """Processes keep their gradients to themselves inside, for more are added before the step."""
        wrapped: Any = self.wrapped
        if not hasattr(wrapped, "set_requires_gradient_sync"):
            with self.processes.no_sync(wrapped):
                yield
            return
        wrapped.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            wrapped.set_requires_gradient_sync(True)

    def _backward(self, losses_of: LossesOf, draw: Draw, share: int) -> Tensor:
        losses = losses_of(self.wrapped, draw)
        self.processes.backward(losses.mean() / share)
        return losses.detach()

    def _faulty(self, draw: Draw, losses: Tensor) -> list[str]:
        fine = losses.isfinite()
        if bool(fine.all()) or self.names_of is None:
            return []
        return [name for name, good in zip(self.names_of(draw), fine.tolist(), strict=True) if not good]

    def _give_up(self, step: int, faulty: list[str]) -> None:
        """Stops, and leaves the last checkpoint: the weights of now may be what gives no number."""
        gather = importlib.import_module("accelerate.utils").gather_object
        names: list[str] = gather(faulty) if self.processes.num_processes > 1 else faulty
        which = f"The clips were {'; '.join(names[:MOST_NAMES])}" if names else "No single clip is to blame"
        path, last = self.folder / CHECKPOINT, self._kept
        kept = f"the state after step {last} is kept in {path}" if last else "no step is kept"
        raise TrainingError(
            "loss-not-finite",
            "The loss or its gradient is not a number (NaN or infinite) in step {step}; {kept}. {clips}. As it is, the "
            "run would come to the same again. Lower schedule.learning_rate or schedule.clip in the recipe, or name "
            "clips for vace train to leave out in {file}, a line each, and give the command again.",
            step=step + 1,
            kept=kept,
            clips=which,
            file=self.folder / LEFT_OUT,
        )

    def _validated(self, step: int) -> dict[str, float]:
        assert self.validate is not None
        self.average.swap(self.bare)
        with torch.no_grad():
            figures = dict(self.validate(self.wrapped))
        self.average.swap(self.bare)
        log.info("step %d: %s", step, ", ".join(f"{name} {value:.4f}" for name, value in figures.items()))
        return figures

    def _save(self, step: int) -> None:
        self._kept = step
        save_state(
            self.folder / CHECKPOINT,
            self.bare,
            self.optimiser,
            self.average,
            step=step,
            recipe=self.recipe,
            writes=self.processes.is_main_process,
        )

    def _outcome(self, steps: int) -> Outcome:
        weights = {name: whole(value).cpu() for name, value in self.average.weights.items()}
        return Outcome(weights=weights, steps=steps, finished=steps == self.schedule.steps)


class _Losses:
    """The numbers of every step as lines of JSON."""

    def __init__(self, path: Path, *, writes: bool) -> None:
        self.path, self.writes = path, writes

    def keep(self, steps: int) -> None:
        """Forgets what came after `steps`: a run that goes on from there says it again."""
        if not self.writes:
            return
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() and steps else []
        with replacing(self.path) as part:
            part.write_text("".join(f"{line}\n" for line in lines if _step_in(line) <= steps), encoding="utf-8")

    def add(self, step: int, figures: Mapping[str, float]) -> None:
        if not self.writes:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps({STEP: step, **figures}) + "\n")
        except OSError as error:
            raise unwritable(self.path, error) from error


def _step_in(line: str) -> float:
    try:
        return float(json.loads(line)[STEP])
    except (ValueError, KeyError, TypeError):  # half a line of a run that was killed
        return math.inf


def _share(schedule: Schedule, processes: int) -> int:
    """How many micro-batches of one step each process computes."""
    if schedule.pieces % processes:
        raise InputError(
            "batch-indivisible",
            "A batch of {batch} comes in micro-batches of {micro_batch}: {pieces} in all, for {processes} processes. "
            "Each process needs the same number of them. Change batch, micro_batch or the number of processes.",
            batch=schedule.batch,
            micro_batch=schedule.at_a_time,
            pieces=schedule.pieces,
            processes=processes,
        )
    return schedule.pieces // processes
