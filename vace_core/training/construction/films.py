"""The raw videos of a folder, and the frames of their shots at the size at which clips are made."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ...checks.room import check_room
from ...errors import InputError
from ...files.replacing import is_within
from ...geometry import Box
from ...inputs.masks import opencv
from ...media.footage import Footage
from ...media.sources import VIDEOS
from ..data.sources import BESIDE, CLIPS, PART
from .shots import Shot


@dataclass(frozen=True, kw_only=True)
class Film:
    """A raw video.

    Attributes:
        name: By which its clips, sheets and records are called: its path in the folder, without its ending.
        path: The file.
    """

    name: str
    path: Path


def films_in(folder: Path, made: Path | None = None) -> tuple[list[Film], list[Path]]:
    """The videos of a folder and its subfolders in the order of their names, and the files that are left aside.

    Those are parts of a clip that is there ("fox.mask.mp4" beside "fox.mp4"), and what is no video by its ending.

    Args:
        folder: What is looked through.
        made: Where clips are made, which may lie in that folder; nothing in it is a raw video.

    Raises:
        InputError: there is no such folder, no video in it, or two videos would make clips of one name.
    """
    if not folder.is_dir():
        raise InputError(
            "data-no-folder",
            "There is no folder {folder}. A folder of raw videos is needed. Check its name.",
            folder=folder,
        )
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix.lower() not in BESIDE)
    files = [path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
    files = [path for path in files if made is None or not is_within(path, made)]
    whole = {path.with_suffix("") for path in files if path.suffix.lower() in CLIPS}
    raw = [path for path in files if path.suffix.lower() in VIDEOS and not _is_part(path, whole)]
    if not raw:
        raise InputError(
            "data-no-videos",
            "The folder {folder} holds no video. Files that end in {known} are needed. Name another folder.",
            folder=folder,
            known=", ".join(VIDEOS),
        )
    names: dict[str, Path] = {}
    for path in raw:
        name = _name(path.relative_to(folder))
        if name in names:
            raise InputError(
                "data-names-collide",
                "{path} and {other} would both make clips called {name}. Names that differ are needed. Rename one.",
                path=path,
                other=names[name],
                name=name,
            )
        names[name] = path
    return [Film(name=name, path=path) for name, path in names.items()], sorted({*files} - {*raw})


def _is_part(path: Path, whole: Collection[Path]) -> bool:
    """Whether a file belongs to one of the clips that are there; "behind.the.mask.mp4" by itself is a film."""
    match = PART.fullmatch(path.stem)
    return match is not None and path.with_name(match["clip"]) in whole


def _name(path: Path) -> str:
    """Without dots, which tell the parts of a clip apart; with the ending of what is no .mp4, since fox.mov and fox.mp4
    may lie side by side."""
    stem = path.stem if path.suffix.lower() == ".mp4" else f"{path.stem}_{path.suffix[1:].lower()}"
    return path.with_name(re.sub(r"[.\s]+", "_", stem)).as_posix()


def scaled_size(film: Footage, shorter: int | None) -> tuple[int, int]:
    """Height and width at which a film is worked on: with square pixels, its shorter side at most `shorter`; None = as
    it is."""
    height, width = film.height, film.width * float(film.aspect)
    scale = 1.0 if shorter is None else min(shorter / min(height, width), 1.0)
    return max(round(height * scale), 2), max(round(width * scale), 2)


def read_frames(film: Footage, shot: Shot, size: tuple[int, int]) -> Tensor:
    """The frames of a shot `(T, H, W, 3)` uint8, scaled as they are decoded.

    Raises:
        InputError: a frame cannot be decoded, or they do not fit into memory.
    """
    cv2, (height, width) = opencv(), size
    check_room(2 * shot.count * height * width * 3, f"A shot of {film.path}", height=height, width=width)
    frames = torch.empty(shot.count, height, width, 3, dtype=torch.uint8)
    for chunk in film.chunks(shot.begin, shot.end):
        for place, frame in enumerate(chunk.frames, start=chunk.begin):
            same = tuple(frame.shape[:2]) == size
            scaled = frame.numpy() if same else cv2.resize(frame.numpy(), (width, height), interpolation=cv2.INTER_AREA)
            frames[place] = torch.from_numpy(np.ascontiguousarray(scaled))
    return frames


def even(box: Box) -> Box:
    """A box with even sides, at most a pixel smaller each way, as H.264 stores them everywhere."""
    return Box(box.left, box.top, box.right - box.width % 2, box.bottom - box.height % 2)


def cropped(frames: Tensor, box: Box) -> Tensor:
    """The part of frames `(T, H, W, 3)` in a box."""
    return frames[:, box.top : box.bottom, box.left : box.right].contiguous()


def check_shard(part: int, of: int) -> None:
    """Refuses what is no part of a whole.

    Raises:
        InputError: `part` is not from 1 to `of`.
    """
    if not 1 <= part <= of:
        raise InputError(
            "data-shard",
            "The shard is {part}/{of}. The first of three is 1/3, the last 3/3. Correct it.",
            part=part,
            of=of,
        )


def shard_of(films: Sequence[Film], part: int, of: int) -> list[Film]:
    """The films of one of several processes, which together have each film once.

    Raises:
        InputError: `part` is not from 1 to `of`.
    """
    check_shard(part, of)
    return list(films[part - 1 :: of])
