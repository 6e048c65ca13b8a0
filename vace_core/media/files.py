"""What every image and video file shares: the libraries, the checks, and writing whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..errors import InputError
from ..files.replacing import new_beside, unwritable

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

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
            "pyav-not-installed",
            "Video files were given, but PyAV is not installed. It is needed to read and write them. Run: "
            "pip install av",
        ) from error
    return av


def moving_pictures(container: InputContainer) -> list[VideoStream]:
    """The video streams of a file that are no cover picture."""
    cover = pyav().stream.Disposition.attached_pic
    return [stream for stream in container.streams.video if not stream.disposition & cover]


def pillow() -> ModuleType:
    """Pillow's `Image`, or an InputError that says how to get it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise InputError(
            "pillow-not-installed",
            "Image files were given, but Pillow is not installed. It is needed to read and write them. Run: "
            "pip install pillow",
        ) from error
    return Image


def check_file(path: Path) -> None:
    """Refuses a `path` without a file, or with an empty one, or a folder.

    Raises:
        InputError: it is so.
    """
    try:
        size, folder = path.stat().st_size if path.is_file() else None, path.is_dir()
    except (OSError, ValueError):  # a name that no file can have
        size, folder = None, False
    if folder:
        raise InputError(
            "file-is-folder", "{path} is a folder. A file is needed here. Name one of those in it.", path=path
        )
    if size is None:
        raise InputError(
            "file-missing",
            "There is no file {path}. An existing file is needed. Check the folder and the name.",
            path=path,
        )
    if size == 0:
        raise InputError(
            "file-empty",
            "The file {path} is empty (0 bytes). A complete file is needed. Export or download it again.",
            path=path,
        )


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
        raise InputError(
            "file-ending",
            "The name {path} ends in {suffix!r}. This is written as {known}. Change the ending.",
            path=path,
            suffix=path.suffix,
            known=known,
        )
    if not os.path.isdir(path.parent):
        raise InputError(
            "folder-missing",
            "There is no folder {folder}. The folder of the result must exist. Create it first.",
            folder=path.parent,
        )
    if os.path.isdir(path):
        raise InputError(
            "file-is-folder", "{path} is a folder. The result is written as a file. Choose another name.", path=path
        )
    check_room_beside(path, room=room)


def check_room_beside(path: Path, *, room: int = 0) -> None:
    """Refuses a `path` where nothing can be begun; a file is begun beside it and taken away again.

    Args:
        path: The file or folder to be.
        room: Bytes that will be needed.

    Raises:
        InputError: its name is too long, nothing can be created beside it, or the disk is too full.
    """
    try:
        with suppress(FileNotFoundError):
            path.lstat()  # a name that is too long is found out here
        new_beside(path, path.suffix).unlink()
        free = shutil.disk_usage(path.parent).free
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    if free < room:
        raise InputError(
            "disk-full",
            "The disk of {folder} has {free:,.0f} MiB free, and the result takes about {needed:,.0f} MiB. More "
            "free space is needed. Make room, or choose another folder.",
            folder=path.parent,
            free=free / 2**20,
            needed=room / 2**20,
        )
