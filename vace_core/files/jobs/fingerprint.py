"""What tells whether a file or a folder of files is still what it was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

MOST = 64 << 20
"""Bytes that are read of a file, or of all files of a folder: of larger ones, that much in pieces from end to end."""

PIECE = 64 << 10


def fingerprint(path: Path, *, without: Path | None = None) -> str:
    """Of a file its size and a hash of what is in it, however large at a bounded price; of a folder those of its files.

    Args:
        path: A file, or a folder, of which hidden files and folders in it do not count.
        without: A file that does not count either.

    Raises:
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return _of_files([path], named=False)
    files = [one for one in sorted(path.iterdir()) if one.is_file() and not one.name.startswith(".")]
    return _of_files([one for one in files if one != without], named=True)


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
    """All of a file, or pieces of it at even distances, its beginning and its end among them."""
    pieces = max(most // PIECE, 2)
    if length <= pieces * PIECE:
        file.seek(0)
        while data := file.read(PIECE):
            into.update(data)
        return
    for index in range(pieces):
        file.seek((length - PIECE) * index // (pieces - 1))
        into.update(file.read(PIECE))
