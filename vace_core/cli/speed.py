"""How fast a job is done, and by how many processes: options of a run, looked at before any weight is read."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import Enum
from typing import Annotated, TypeVar

import torch
from typer import Option

from ..errors import InputError
from ..models.attention import AUTO, check_attention, heads_of
from ..models.devices import Memory
from ..pipeline import VaceModel
from ..pipeline.parallel.processes import Processes, joined, rank_and_count
from ..preview.cost import ModelSizes
from ..sampling.options import SamplingOptions
from ..sampling.progress import Progress
from ..vcu import VideoConditionUnit

Asked = TypeVar("Asked", bound="Speed")

SPEED = "Speed"


class AttentionName(str, Enum):
    """The names of `models.attention.ATTENTIONS`."""

    auto = "auto"
    flash = "flash"
    flash3 = "flash3"
    cudnn = "cudnn"
    efficient = "efficient"
    sage = "sage"
    xformers = "xformers"


class WayName(str, Enum):
    """The names of `pipeline.parallel.spread.Way`."""

    auto = "auto"
    sequence = "sequence"
    guidance = "guidance"


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast a job is done, and by how many processes."""

    attention: Annotated[
        AttentionName,
        Option(
            help="The kernel of attention: auto is the fastest exact one that torch has for the device; flash, cudnn "
            "and efficient are torch's by name. flash3, sage and xformers are packages to be installed. sage is not "
            "exact.",
            rich_help_panel=SPEED,
        ),
    ] = AttentionName.auto
    compile: Annotated[
        bool,
        Option(
            "--compile",
            help="Compile the blocks of the transformer: the first step takes longer, each other one less. Needs a "
            "C++ compiler, or Triton on a card.",
            rich_help_panel=SPEED,
        ),
    ] = False
    parallel: Annotated[
        WayName,
        Option(
            help="What several processes share, started as 'torchrun --nproc-per-node 4 -m vace_core …', one for each "
            "device: the tokens of every pass (sequence), or prompt and negative prompt, and with more than two "
            "processes each half by tokens (guidance). auto is guidance where it can be.",
            rich_help_panel=SPEED,
        ),
    ] = WayName.auto


@contextmanager
def together(device: Callable[[Asked], torch.device], run: Asked) -> Generator[bool, None, None]:
    """Does a job with the other processes that torchrun started; whether this is the one that writes.

    Raises:
        InputError: not every process has a device of its own.
    """
    _, count = rank_and_count()
    if count == 1:
        yield True
        return
    with joined(device(run)) as processes:
        yield processes.leads


def least(memory: Memory) -> Memory:
    """The memory that every process has, for all must follow one plan."""
    processes = _processes(torch.device("cpu"))
    return replace(memory, free=processes.least(memory.free)) if processes.count > 1 else memory


def check_speed(
    speed: Speed, sizes: ModelSizes, dtype: torch.dtype, vcu: VideoConditionUnit, options: SamplingOptions,
    device: torch.device,
) -> None:  # fmt: skip
    """Validate how fast a job is to be done, from sizes alone.

    Raises:
        InputError: a kernel is not there or does not run on the device, or the processes cannot share the job.
    """
    heads = heads_of(sizes.base)
    if speed.attention.value != AUTO:
        check_attention(speed.attention.value, device, dtype, sizes.base.width // heads)
    _, count = rank_and_count()
    if count > 1:
        from ..pipeline.parallel.sequence import check_divided
        from ..pipeline.parallel.spread import shared_out

        _, parts = shared_out(speed.parallel.value, count, guided=options.is_guided)
        tokens = sizes.family.grid.tokens(vcu.num_frames, vcu.height, vcu.width, vcu.num_references)
        check_divided(heads, tokens, parts)


def check_alone() -> None:
    """Validate that a clip that is made by windows is made by one process.

    Raises:
        InputError: several were started.
    """
    _, count = rank_and_count()
    if count > 1:
        raise InputError(
            "windows-processes",
            "{count} processes were started for a clip that is made by windows. One is needed, for each window begins "
            "with frames of the one before. Start it without torchrun, or set a length that is made in one pass.",
            count=count,
        )


@contextmanager
def sped_up(
    model: VaceModel, speed: Speed, options: SamplingOptions, device: torch.device
) -> Generator[VaceModel, None, None]:
    """The model at work in all processes."""
    processes = _processes(device)
    if processes.count == 1:
        yield model
        return
    from ..pipeline.parallel.spread import spread

    with spread(model, processes, way=speed.parallel.value, guided=options.is_guided) as shared:
        yield shared


def kept(progress: Progress | None, device: torch.device) -> Progress | None:
    """Where the steps of a job are kept, which the first of its processes does."""
    processes = _processes(device)
    if processes.count == 1:
        return progress
    from ..pipeline.parallel.progress import SharedProgress

    return SharedProgress(progress, processes)


def _processes(device: torch.device) -> Processes:
    rank, count = rank_and_count()
    return Processes(rank=rank, count=count, device=device.type)
