"""The progress of a job of several processes: the first one keeps it, and all go on from what that one has."""

from __future__ import annotations

import json
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from ...sampling.progress import Progress, Reached
from .processes import Processes

_NUMBERS = {str(dtype).removeprefix("torch."): dtype for dtype in (torch.float32, torch.bfloat16, torch.float16)}


class SharedProgress:
    """`Progress` for every process of a job.

    Args:
        kept: What the first process has; None in the others, or where nothing is kept.
        processes: Those of the job.
    """

    def __init__(self, kept: Progress | None, processes: Processes) -> None:
        self._kept, self._processes = kept, processes

    def reached(self) -> Reached | None:
        """Where the job goes on, in every process; None = from its beginning."""
        found = None if self._kept is None else self._kept.reached()
        said = json.loads(self._said(_described(found)))
        if said is None:
            return None
        tensors: dict[str, Tensor] = {}
        for name in said["names"]:
            tensor = (
                torch.empty(said["shape"], dtype=_NUMBERS[said["numbers"]]) if found is None else found.tensors[name]
            )
            tensors[name] = self._sent(tensor).cpu()
        return Reached(steps=said["steps"], total=said["total"], tensors=tensors)

    def keep(self, reached: Reached) -> None:
        """Kept by the first process alone."""
        if self._kept is not None:
            self._kept.keep(reached)

    def _said(self, text: str) -> str:
        """The text of the first process."""
        count = int(self._sent(torch.tensor([len(text)])))
        letters = torch.tensor(list(text.encode("ascii")) if self._processes.leads else [0] * count, dtype=torch.uint8)
        return bytes(self._sent(letters).tolist()).decode("ascii")

    def _sent(self, x: Tensor) -> Tensor:
        """The tensor of the first process."""
        x = x.to(self._processes.device).contiguous()
        dist.broadcast(x, 0)
        return x


def _described(found: Reached | None) -> str:
    if found is None:
        return json.dumps(None)
    names = sorted(found.tensors)
    like = found.tensors[names[0]]
    said: dict[str, Any] = {"steps": found.steps, "total": found.total, "names": names, "shape": list(like.shape)}
    return json.dumps(said | {"numbers": str(like.dtype).removeprefix("torch.")})
