"""A model whose work is shared out to the processes of a job."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal

from torch.distributed.device_mesh import init_device_mesh

from ...errors import InputError
from ...models.sharing import undivided
from ..model import Expert, VaceModel
from .halves import halved
from .processes import Processes
from .sequence import Sequence

Way = Literal["auto", "sequence", "guidance"]
"""How a job is shared out: every pass by its tokens; or each step by its two prompts and, with more than two processes,
each half by tokens; "auto" = the latter where it can be, for it sends least."""


def shared_out(way: Way, count: int, *, guided: bool) -> tuple[int, int]:
    """How many processes share the predictions of a step, and how many of each the tokens of a pass.

    Args:
        way: How the job is shared out.
        count: How many processes there are.
        guided: Whether a step has predictions for a prompt and for a negative one.

    Raises:
        InputError: two prompts were to be shared out, and there is one, or an odd number of processes.
    """
    if way == "guidance" and (count % 2 or not guided):
        came = f"{count} processes, which is odd" if count % 2 else "a guidance scale of 1, which needs no second one"
        raise InputError(
            "processes-guidance",
            "Prompt and negative prompt were to be shared out, and there is {came}. An even number of processes and "
            "guidance are needed. Choose auto or sequence, or change that.",
            came=came,
        )
    halves = 2 if way == "guidance" or (way == "auto" and guided and count % 2 == 0) else 1
    return halves, count // halves


@contextmanager
def spread(
    model: VaceModel, processes: Processes, *, way: Way = "auto", guided: bool = True
) -> Generator[VaceModel, None, None]:
    """The model at work in all processes, each of which makes the same calls with the same arguments.

    Every process gets every result. Text encoder and VAE work in each of them.

    Args:
        model: Whole, or placed; in every process.
        processes: Those of the job.
        way: As for `shared_out`.
        guided: As for `shared_out`.

    Raises:
        InputError: a base that cannot share its tokens, or as `shared_out`.
    """
    if processes.count == 1:
        yield model
        return
    halves, parts = shared_out(way, processes.count, guided=guided)
    mesh = init_device_mesh(processes.device, (halves, parts), mesh_dim_names=("guidance", "sequence"))
    experts = [model.expert] if model.low_noise is None else [model.expert, model.low_noise]
    bases: list[Any] = [expert.base for expert in experts]
    try:
        for base in bases if parts > 1 else ():
            if not hasattr(base, "share"):
                raise InputError(
                    "base-undivided",
                    "The tokens of a pass were to be shared out to {parts} processes, and this base cannot do that. "
                    "One such as Wan or LTX-Video is needed. Start two processes, which share out the prompts.",
                    parts=parts,
                )
            base.share = Sequence(mesh["sequence"])

        def at_work(expert: Expert) -> Expert:
            return expert if halves == 1 else replace(expert, base=halved(expert.base, mesh["guidance"]))

        low_noise = None if model.low_noise is None else at_work(model.low_noise)
        yield replace(model, expert=at_work(model.expert), low_noise=low_noise)
    finally:
        for base in bases if parts > 1 else ():
            base.share = undivided
