"""What tells whether a file or a folder of files is still what it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

MOST = 64 << 20
"""Bytes that are read of a file, or of all files of a folder: of larger ones, that much in pieces from end to end."""

PIECE = 1 << 20
_LEAST = 4 << 10  # of a piece, where a folder has many files


def fingerprint(path: Path, *, without: Path | None = None) -> str:
    """Of a file its size and a hash of what is in it, however large at a bounded price; of a folder those of its files.

    Args:
        path: A file, or a folder, of which hidden files and folders in it do not count.
        without: A file that does not count either, by whatever name it is in the folder.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return _of_files([path], named=False)
    files = [one for one in sorted(path.iterdir()) if one.is_file() and not one.name.startswith(".")]
    return _of_files([one for one in files if without is None or not _is_same(one, without)], named=True)


def _is_same(path: Path, other: Path) -> bool:
    with suppress(OSError, ValueError):  # there is none, or a name that no file can have
        return os.path.samefile(path, other)
    return False


def _of_files(files: Iterable[Path], *, named: bool) -> str:
    found, size = hashlib.blake2b(digest_size=16), 0
    files = list(files)
    for path in files:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            found.update(f"{path.name if named else ''}\0{length}\0".encode("utf-8", "surrogateescape"))
            _read(file, length, MOST // len(files), found)
        size += length
    count = f"{len(files)} files, " if named else ""
    return f"{count}{size} bytes, blake2b {found.hexdigest()}"


def _read(file: BinaryIO, length: int, most: int, into: hashlib.blake2b) -> None:
    """All of a file, or of a larger one about `most` bytes: pieces at even distances, from its beginning to its end."""
    piece = min(PIECE, max(most // 2, _LEAST))
    pieces = max(most // piece, 2)
    if length <= pieces * piece:
        file.seek(0)
        while data := file.read(PIECE):
            into.update(data)
        return
    for index in range(pieces):
        file.seek((length - piece) * index // (pieces - 1))
        into.update(file.read(piece))
