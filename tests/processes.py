"""Several processes of one job, as torchrun would start them, forked so that nothing is imported again."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

SECONDS = 240  # of a machine that does much else


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one of them ended: its exit status, what it returned, and what it wrote to both outputs."""

    status: int
    value: Any
    out: str
    err: str


def started(count: int, job: Callable[[], Any]) -> list[Ended]:
    """What each of `count` processes comes to; `job` computes with torch on one thread."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        children: list[int] = []
        for rank in range(count):
            child = os.fork()
            if child == 0:
                _work(folder, job, {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_PORT": port})
            children.append(child)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        texts = [{kind: (folder / f"{rank}.{kind}").read_text() for kind in ("value", "out", "err")}
                 for rank in range(count)]  # fmt: skip
    return [
        Ended(status=status, value=json.loads(text["value"] or "null"), out=text["out"], err=text["err"])
        for status, text in zip(statuses, texts, strict=True)
    ]


def _work(folder: Path, job: Callable[[], Any], environment: dict[str, int]) -> None:
    status = 1
    try:
        os.environ.update({name: str(value) for name, value in environment.items()}, MASTER_ADDR="127.0.0.1")
        signal.alarm(SECONDS)
        torch.set_num_threads(1)
        rank = environment["RANK"]
        (folder / f"{rank}.value").touch()
        for number, kind in ((1, "out"), (2, "err")):
            file = os.open(folder / f"{rank}.{kind}", os.O_WRONLY | os.O_CREAT)
            os.dup2(file, number)
        # What a process that is begun anew would have.
        sys.stdout = sys.__stdout__ = os.fdopen(1, "w", buffering=1, closefd=False)
        sys.stderr = sys.__stderr__ = os.fdopen(2, "w", buffering=1, closefd=False)
        (folder / f"{rank}.value").write_text(json.dumps(job()))
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Sent(TorchDispatchMode):
    """Counts what this process sends to others, in bytes, by kind of collective."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        if name == "c10d::alltoall_base_":
            group = torch.distributed.ProcessGroup.unbox(args[2]).size()
            self.bytes["all to all"] += args[1].nbytes * (group - 1) // group
        elif name == "c10d::_allgather_base_":
            self.bytes["all gather"] += args[0].nbytes - args[1].nbytes
        return func(*args, **(kwargs or {}))
