"""Something done in a process of its own that begins as this one is, so that it can be limited and measured alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Child:
    """How a process ended.

    Attributes:
        error: The name of what was raised; "" if nothing was, "killed" if the process did not live to say so.
        text: What was raised, or what came back, in words.
        grown: Bytes by which its memory grew, at most.
    """

    error: str
    text: str
    grown: int


def forked(job: Callable[[], object], *, seconds: int = 60, memory: int | None = None) -> Child:
    """What `job` does in a child.

    Args:
        job: Computes with torch on one thread: the threads of this process do not follow into the child, and torch
            would wait for them for ever.
        seconds: After which it is killed, whether it computes or waits.
        memory: Bytes of addresses that it may take beside what there is; None = any.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, json.dumps(_done(job, seconds, memory)).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return Child(**(json.loads(said) if said else {"error": "killed", "text": "", "grown": 0}))


def _done(job: Callable[[], object], seconds: int, memory: int | None) -> dict[str, object]:
    import resource
    import signal

    import torch

    torch.set_num_threads(1)
    signal.alarm(seconds)
    if memory is not None:
        with open("/proc/self/statm", encoding="ascii") as file:
            taken = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + memory, taken + memory))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        error, text = "", str(job())
    except BaseException as raised:
        error, text = type(raised).__name__, str(raised)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    return {"error": error, "text": text[:4000], "grown": grown}
