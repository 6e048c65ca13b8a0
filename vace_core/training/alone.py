"""A folder that one training at a time works in, over all of its processes."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files.jobs.lock import LOCK, hold, let_go
from ..files.replacing import remove_all_left, unwritable
from .engine import agreed

OWN = r"checkpoint|losses|recipe|adapter|lora|model|plan|run|examples-\d+|prompts-\d+|\d{6}"
"""What trainings and ablations write, without endings."""


@contextmanager
def alone(folder: Path, processes: Any) -> Generator[None]:
    """Makes a folder if there is none, and holds it until the end; all processes of a training must ask.

    What a training that was killed in it had begun to write, such as a checkpoint, is taken away.

    Args:
        processes: From `engine.accelerator`. The main one holds the folder for all.

    Raises:
        InputError: another training works in it, or it cannot be made.
    """
    held: int | None = None
    taken = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if processes.is_main_process:
            held = hold(folder)
            if held is not None:  # where a file system knows no locks, somebody may be writing
                remove_all_left(folder, OWN)
    except BlockingIOError:
        taken = True
    except OSError as error:
        raise unwritable(folder, error) from error
    if agreed(processes, taken):
        let_go(held)
        raise InputError(
            "training-folder-held",
            "Another training works in {folder}. Each needs a folder of its own: both would write the same files, of "
            "which those of one remain. Wait until it is at its end, stop it, or choose another folder.",
            folder=folder,
        )
    try:
        yield
    finally:
        let_go(held)
        if sys.platform == "win32" and held is not None:
            with suppress(OSError):
                (folder / LOCK).unlink(missing_ok=True)
