"""What every picture and video file shares: the libraries, the checks, and writing whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType

from .errors import InputError, VaceError

# Containers of video only: among FFmpeg's other formats are playlists that open further files and addresses.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,apng,image2,png_pipe,jpeg_pipe,webp_pipe,bmp_pipe,tiff_pipe,"
    "mpegts,mpeg,mpegvideo,flv,ogg,asf,mxf,ivf,h264,hevc,yuv4mpegpipe,nut,mp3,wav,flac,aac"
)
OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
"""What FFmpeg may open."""

EXACT_COLOUR = 0x2 | 0x2000 | 0x40000
"""FFmpeg's bilinear | full_chroma_int | accurate_rnd. Its defaults darken a picture by one level per conversion."""


def pyav() -> ModuleType:
    """PyAV, or an InputError that says how to get it."""
    try:
        import av
    except ImportError as error:
        raise InputError(
            "Video files came, and PyAV is not installed. It is needed to read and write them. Run: pip install av"
        ) from error
    return av


def pillow() -> ModuleType:
    """Pillow's `Image`, or an InputError that says how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(
            "Picture files came, and Pillow is not installed. It is needed to read and write them. "
            "Run: pip install pillow"
        ) from error
    return Image


def check_file(path: Path) -> None:
    """Refuses a `path` without a file, or with an empty one.

    Raises:
        InputError: it is so.
    """
    try:
        size = path.stat().st_size if path.is_file() else None
    except (OSError, ValueError):  # a name that no file can have
        size = None
    if size is None:
        raise InputError(f"There is no file {path}. An existing file is needed. Check the folder and the name.")
    if size == 0:
        raise InputError(f"The file {path} is empty (0 bytes). A complete file is needed. Export or download it again.")


def check_target(path: Path, *suffixes: str, room: int = 0) -> None:
    """Refuses a `path` that nothing can be written to; a file is begun beside it and taken away again.

    Args:
        path: The file to be.
        suffixes: What it may end in.
        room: Bytes that will be needed.

    Raises:
        InputError: it ends otherwise, lies in no folder or is one, cannot be created, or the disk is too full.
    """
    if path.suffix.lower() not in suffixes:
        known = " or ".join(suffixes)
        raise InputError(f"The name {path} ends in {path.suffix!r}. This is written as {known}. Change the ending.")
    if not os.path.isdir(path.parent):
        raise InputError(f"There is no folder {path.parent}. The folder of the result must exist. Create it first.")
    if os.path.isdir(path):
        raise InputError(f"{path} is a folder. A file is written there. Choose another name.")
    part = _beside(path)
    try:
        with suppress(FileNotFoundError):
            path.lstat()  # a name that is too long is found out here
        part.touch(exist_ok=False)
        part.unlink()
        free = shutil.disk_usage(path.parent).free
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    if free < room:
        raise InputError(
            f"The disk of {path.parent} has {free / 2**20:,.0f} MiB free, and the result takes about "
            f"{room / 2**20:,.0f} MiB. More free space is needed. Make room, or choose another folder."
        )


@contextmanager
def replacing(path: Path, library_error: type[Exception]) -> Generator[Path, None, None]:
    """A name beside `path` to write to. It takes the place of `path` at the end, and vanishes if anything is raised.

    Raises:
        InputError: the library, the system or the name makes writing impossible.
    """
    part = _beside(path)
    try:
        yield part
        os.replace(part, path)
    except BaseException as error:
        with suppress(OSError, ValueError):  # the folder may be gone: what was raised first is what is said
            part.unlink()
        if isinstance(error, (library_error, OSError, ValueError)) and not isinstance(error, VaceError):
            raise _unwritable(path, error) from error
        raise


def _beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else has."""
    return path.with_name(f".{path.stem[:80]}.{secrets.token_hex(4)}{path.suffix}")


def _unwritable(path: Path, error: BaseException) -> InputError:
    return InputError(
        f"The file {path} cannot be written ({reason(error)}). A writable folder with free space is needed. "
        "Choose another one."
    )


def reason(error: BaseException) -> str:
    """The library's own words in short, without the number and the path it adds."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(text).splitlines()[0]
