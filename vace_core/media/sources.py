"""Whatever moves, opened by what it is: a video file, numbered pictures, an animation, or a picture as one frame."""

from __future__ import annotations

from pathlib import Path

from .footage import Footage
from .reader import VideoReader
from .stills import PICTURES, Animation, Folder

VIDEOS = (
    *(".mp4", ".mkv", ".webm", ".mov", ".avi", ".gif"),
    *(".m4v", ".mxf", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".wmv", ".ogv"),
)
"""Endings by which videos are looked for in a folder; a file that is named is opened whatever its ending."""


def open_footage(path: str | Path, *, fps: float | None = None, tone_map: bool = False) -> Footage:
    """A film that says what it is and gives its frames in chunks; nothing of a video is decoded yet.

    Args:
        path: A video or picture, a folder of numbered pictures, or a pattern such as "frame_%04d.png".
        fps: The rate of pictures, which state none. None = 25.
        tone_map: Bring HDR videos to standard dynamic range; without that they are refused.

    Raises:
        InputError: there is nothing, or nothing that can be read.
    """
    path = Path(path)
    try:
        folder = path.is_dir() or ("%" in path.name and not path.is_file() and path.parent.is_dir())
    except (OSError, ValueError):  # a name that no file can have
        folder = False
    if folder:
        return Folder(path, fps)
    if path.suffix.lower() in PICTURES:
        return Animation(path, fps)
    return VideoReader(path, tone_map=tone_map)
