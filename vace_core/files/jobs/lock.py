"""A folder that one process at a time works in. The system lets go of it when the process ends, however it ends."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

LOCK = "lock"
"""The file that is held where a folder cannot be."""


def hold(folder: Path) -> int | None:
    """Holds a folder, as long as what comes back is not closed; None where the file system knows no locks.

    Raises:
        BlockingIOError: somebody else holds it.
        OSError: there is no such folder.
    """
    if sys.platform == "win32":
        import msvcrt

        held = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT)
        try:
            msvcrt.locking(held, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            os.close(held)
            raise BlockingIOError(*error.args) from error
        return held
    try:
        import fcntl
    except ImportError:
        return None

    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(held)
        raise
    except OSError:
        os.close(held)
        return None
    return held


def let_go(held: int | None) -> None:
    """Ends it."""
    if held is not None:
        with suppress(OSError):
            os.close(held)
