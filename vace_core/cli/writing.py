"""A result written as what its name says, and where it is saved when it cannot be written there."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from ..errors import InputError
from ..inputs.blending import BlendMode
from ..inputs.put_back import is_series, write_put_back
from ..media.joined import Frames, taken
from ..media.pictures import write_image
from ..media.write import write_frames, write_video
from .film import joined
from .request import Request


def write_result(
    path: Path,
    frames: Frames,
    request: Request,
    *,
    lossless: bool,
    feather: int = 0,
    blend_mode: BlendMode = "feather",
) -> None:
    """One frame as an image, several as a video with what comes before and after them and the sound of what came.

    Args:
        path: Where it goes: a file, or a folder or pattern of numbered images.
        frames: `(1, 3, T, H, W)` in −1..1, or a film: what the model made of the request.
        request: What was asked for; where it has an original, the frames are put back onto that.
        lossless: As `write_video`.
        feather: Pixels of soft edge where the frames are put back.
        blend_mode: How they meet kept pixels there.

    Raises:
        InputError: it cannot be written there; where it is instead, if it can be written anywhere, is said.
    """
    write = partial(
        _write,
        frames=frames.cpu() if isinstance(frames, Tensor) else frames,
        lossless=lossless,
        feather=feather,
        blend_mode=blend_mode,
    )
    try:
        write(path, request=request)
    except InputError as error:
        saved = _saved_elsewhere(path, partial(write, request=replace(request, sound=None)))
        if saved is None:
            raise
        silent = ", without its sound" if request.sound else ""
        raise InputError(
            "result-saved-aside",
            "{error} The finished result is not lost: it is {saved}{silent}.",
            error=error,
            saved=saved,
            silent=silent,
        ) from error


def _saved_elsewhere(path: Path, write: Callable[[Path], None]) -> Path | None:
    """Where the result could be written: under its name without the sound, or in a temporary folder."""
    for folder in (lambda: path.parent, lambda: Path(tempfile.mkdtemp(prefix="vace-"))):
        with suppress(InputError, OSError):
            saved = folder() / path.name
            write(saved)
            return saved
    return None


def _write(
    path: Path, *, frames: Frames, request: Request, lossless: bool, feather: int, blend_mode: BlendMode
) -> None:
    if request.edit is not None:
        sound = request.sound is not None
        write_put_back(
            path, frames, request.edit, feather=feather, blend_mode=blend_mode, lossless=lossless, sound=sound
        )
    elif is_series(path):
        write_frames(path, joined(request.before, frames, request.after))
    elif path.suffix.lower() == ".png":
        write_image(path, taken(frames, 0, 1))
    else:
        write_video(
            path,
            joined(request.before, frames, request.after),
            fps=request.fps,
            lossless=lossless,
            colour=request.colour,
            times=request.times,
            copy_audio_from=request.sound,
            audio_start=request.sound_start,
        )
