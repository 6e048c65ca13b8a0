"""What a run has come to: weights, their running average and the optimiser's memory, on disk and back.

A checkpoint is a safetensors file, so that reading it can run no code; it is written whole or not at all. Weights that
are spread over several processes are gathered one at a time.
"""

from __future__ import annotations

import importlib
import json
import logging
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..files import strict_json
from ..files.safetensors_format import DTYPE_NAMES, SafetensorsFile, write
from ..files.tensors import TensorInfo

log = logging.getLogger("vace")

_COPIES = 4  # of every weight in a checkpoint at most: itself, its average and two moments
STEP, RECIPE = "step", "recipe"
ALTERABLE = ("tuning.save_memory", "schedule.save_every", "schedule.validate_every")
"""What may differ where a run goes on: it changes the weights by no more than rounding."""
GENTLER = ("schedule.learning_rate", "schedule.clip")
"""What may differ where a training goes on, too, and is then said: a run that came to no number needs other ones."""


class Average:
    """A running average of trainable weights, which scores better than the last step's."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: p.detach().clone() for name, p in trainable(module).items()}

    @torch.no_grad()
    def update(self, module: nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, parameter in trainable(module).items():
            self.weights[name].lerp_(parameter.detach(), 1 - decay)

    @torch.no_grad()
    def swap(self, module: nn.Module) -> None:
        """Changes places with the weights of `module`; a second call undoes it."""
        for name, parameter in trainable(module).items():
            mine = self.weights[name].clone()
            self.weights[name].copy_(parameter)
            parameter.copy_(mine)


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    """The weights of `module` that are trained, by name."""
    return {name: parameter for name, parameter in module.named_parameters() if parameter.requires_grad}


def whole(value: Tensor) -> Tensor:
    """A weight that may be spread over processes, as one tensor; all processes must ask for it."""
    return value.full_tensor() if _spread(value) else value  # pyright: ignore[reportAttributeAccessIssue]


def save_state(
    path: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average,
    *,
    step: int,
    recipe: Mapping[str, Any],
    writes: bool = True,
) -> None:
    """Writes a checkpoint, whole or not at all.

    Args:
        step: Steps that are done.
        recipe: What the run was told, as JSON has it; checked when it goes on.
        writes: Whether this process is the one that writes. The others must call too: they hold parts of the weights.

    Raises:
        InputError: the file cannot be written; the one before it is still there.
    """
    places: dict[str, Tensor] = {}
    for name, parameter in trainable(module).items():
        moments = {moment: value for moment, value in optimiser.state[parameter].items() if moment != STEP}
        found = {"weight": parameter.detach(), "average": average.weights[name], **moments}
        places |= {f"{part}.{name}": value for part, value in found.items()}
    infos = {
        name: TensorInfo(
            dtype=DTYPE_NAMES[value.dtype],
            shape=tuple(value.shape),
            start=0,
            nbytes=value.numel() * value.dtype.itemsize,
        )
        for name, value in places.items()
    }

    def read_bytes(name: str) -> Tensor:
        return whole(places[name]).cpu().contiguous().reshape(-1).view(torch.uint8)

    if writes:
        write(path, infos, read_bytes, {STEP: str(step), RECIPE: json.dumps(recipe)})
    elif any(map(_spread, places.values())):
        for name in sorted(infos, key=lambda name: (-places[name].dtype.itemsize, name)):  # as they are written
            read_bytes(name)


@torch.no_grad()
def load_state(
    path: Path,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    average: Average,
    *,
    moments: Mapping[str, tuple[str, ...]],
    recipe: Mapping[str, Any],
) -> int:
    """Puts a checkpoint back and returns the number of steps it had done; 0 if there is none.

    Args:
        moments: What the optimiser keeps of each weight, from `optimisers.moments_of`.
        recipe: What the run was told, as JSON has it.

    Raises:
        InputError: it is of another recipe, or of another network.
        WeightsError: it is damaged.
    """
    if not path.exists():
        return 0
    file = SafetensorsFile(path)
    weights = trainable(module)
    shapes = {
        f"{part}.{name}": tuple(value.shape)
        for name, value in weights.items()
        for part in ("weight", "average", *moments[name])
    }
    came = strict_json.parse_table(file.metadata.get(RECIPE, ""))
    check_recipe(path, came, recipe, (*ALTERABLE, *GENTLER))
    was, now = _flat(came), _flat(recipe)
    for name in GENTLER:
        if was.get(name) != now.get(name):
            log.warning("%s goes on with %s = %s, which was %s", path.parent, name, now.get(name), was.get(name))
    step = file.metadata.get(STEP, "")
    if {name: info.shape for name, info in file.tensors.items()} != shapes or not step.isdecimal():
        raise InputError(
            "checkpoint-other-network",
            "The checkpoint {path} is of another network than the one to train. One of the same recipe and "
            "base is needed. Choose another folder to start over, or restore the files it was started with.",
            path=path,
        )
    for name, parameter in weights.items():
        parameter.copy_(_like(file.read(f"weight.{name}"), parameter))
        average.weights[name].copy_(_like(file.read(f"average.{name}"), parameter))
        kept = {moment: _like(file.read(f"{moment}.{name}"), parameter) for moment in moments[name]}
        # AdamW's fused kernels count steps where the weight is.
        optimiser.state[parameter] = {STEP: torch.tensor(float(step), device=parameter.device), **kept}
    return int(step)


def check_recipe(
    path: Path, came: Mapping[str, Any], wanted: Mapping[str, Any], alterable: Collection[str] = ALTERABLE
) -> None:
    """Accepts what was begun with the same recipe, but for what is `alterable`.

    Raises:
        InputError: it was begun with another one; the message names what differs.
    """
    was, now = _flat(came), _flat(json.loads(json.dumps(wanted)))
    names = (was.keys() | now.keys()) - {*alterable}
    differing = sorted(name for name in names if was.get(name) != now.get(name))
    if differing:
        told = "; ".join(f"{name} was {was.get(name)!r:.60} and is {now.get(name)!r:.60}" for name in differing[:5])
        raise InputError(
            "checkpoint-other-recipe",
            "{path} was started with another recipe: {changes}. The same recipe is needed to resume. Choose "
            "another folder to start over, or change these values back.",
            path=path,
            changes=told,
        )


def check_disk(folder: Path, module: nn.Module) -> None:
    """Accepts a folder with room for two checkpoints: the old one stays until the new one is whole.

    Raises:
        InputError: there is less.
    """
    one = sum(value.numel() * value.element_size() for value in trainable(module).values()) * _COPIES
    free = shutil.disk_usage(folder).free
    if free < 2 * one:
        raise InputError(
            "disk-full",
            "{folder} has {free:.1f} GiB of free space. {needed:.1f} GiB are needed, for a checkpoint and the one "
            "that replaces it. Free some space, or choose another folder.",
            folder=folder,
            free=free / 2**30,
            needed=2 * one / 2**30,
        )


def _flat(table: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= _flat(value, f"{start}{name}.") if isinstance(value, dict) else {f"{start}{name}": value}
    return found


def _spread(value: Tensor) -> bool:
    return hasattr(value, "full_tensor")


def _like(value: Tensor, parameter: Tensor) -> Tensor:
    """`value` where and how `parameter` is: on its device, in its order of memory, and spread as it is."""
    if not _spread(parameter):
        # The optimiser walks through weights and moments side by side, whatever their strides say.
        return torch.empty_like(parameter).copy_(value)
    tensor = importlib.import_module("torch.distributed.tensor")
    spread: Any = parameter
    return tensor.distribute_tensor(value.to(parameter.device), spread.device_mesh, spread.placements)
