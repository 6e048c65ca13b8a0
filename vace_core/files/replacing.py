"""Files are written whole or not at all: under a name of their own first, which then takes the place of the old file.

Every writer of the library goes this way, of weights, checkpoints, images and videos.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from ..errors import InputError, VaceError


@contextmanager
def replacing(
    path: Path, library_error: type[Exception] = OSError, *, suffix: str | None = None
) -> Generator[Path, None, None]:
    """A new file beside `path` to write to. It takes the place of `path` at the end, and vanishes after any error.

    Its name is drawn at random and never that of a file that is there: several may write `path` at once, each its own
    whole file, of which the last to finish stays; and no other file is touched.

    Args:
        path: The file to be.
        library_error: What the library that writes raises where it cannot.
        suffix: The ending of the new file, by which others tell what it is; None = that of `path`.

    Raises:
        InputError: the file cannot be written.
    """
    part: Path | None = None
    try:
        part = new_beside(path, path.suffix if suffix is None else suffix)
        yield part
        _to_disk(part)
        os.replace(part, path)
    except BaseException as error:
        if part is not None:
            with suppress(OSError, ValueError):  # what went wrong first is what must be told
                part.unlink(missing_ok=True)
        if isinstance(error, (library_error, OSError, ValueError)) and not isinstance(error, VaceError):
            raise unwritable(path, error) from error
        raise


def unwritable(path: Path, error: BaseException) -> InputError:
    """What is said of a `path` that `error` keeps from being written."""
    return InputError(
        "file-unwritable",
        "The file {path} cannot be written ({error}). A writable folder with free space is needed. "
        "Choose another folder.",
        path=path,
        error=reason(error),
    )


def reason(error: BaseException) -> str:
    """The library's own words in short, without the number and the path it adds."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]


def is_within(path: Path, folder: Path) -> bool:
    """Whether a path leads into a folder, links followed; a name that no file can have leads nowhere."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError):
        return False


def new_beside(path: Path, suffix: str) -> Path:
    """A new and empty file beside `path`."""
    while True:
        # Cut short, so that its name is no longer than file systems allow where that of `path` is not.
        part = path.with_name(f".{path.stem[:40]}.{secrets.token_hex(8)}{suffix}")
        with suppress(FileExistsError), part.open("xb"):
            return part


def remove_left(path: Path, *, before: float) -> None:
    """Takes away what a process that was killed had begun to write in place of `path`.

    Args:
        before: Time in seconds since the epoch; what was written to later may be somebody's who is writing now.
    """
    begun = re.compile(re.escape(f".{path.stem[:40]}.") + "[0-9a-f]{16}" + re.escape(path.suffix))
    with suppress(OSError, ValueError):
        for part in path.parent.iterdir():
            if begun.fullmatch(part.name) and part.is_file() and part.stat().st_mtime < before:
                part.unlink()


def remove_all_left(folder: Path, stems: str) -> None:
    """Takes away what processes that were killed had begun to write in a folder that nobody writes to now, and below.

    Args:
        stems: A pattern of the names, without endings, of the files that were to be; no other file is touched.
    """
    begun = re.compile(rf"\.(?:{stems})\.[0-9a-f]{{16}}(?:\.\w+)?")
    with suppress(OSError, ValueError):
        for part in folder.rglob(".*"):
            if begun.fullmatch(part.name) and part.is_file():
                part.unlink()


def _to_disk(part: Path) -> None:
    """Has the system write the file out, so that a crash cannot leave the name of the old one with half of the new."""
    with part.open("rb+") as file:
        try:
            os.fsync(file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):  # some file systems know no such thing
                raise  # others say only now that there is no space
