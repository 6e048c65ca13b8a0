"""What a result is called, and whether it is there."""

from __future__ import annotations

from pathlib import Path

from ..errors import InputError
from ..files.jobs.fingerprint import fingerprint
from ..media.sources import open_footage

ENDINGS = (".png", ".mp4", ".mkv")
"""Of results that nobody named."""


def place_of(output: Path) -> Path:
    """The file or folder that a result is: of a pattern for the names of numbered images their folder."""
    return output.parent if "%" in output.name else output


def stamp(output: Path) -> str:
    """What tells whether a result is still what it was; "" = there is none."""
    try:
        return fingerprint(place_of(output))
    except (OSError, ValueError):  # the second of a name that no file can have
        return ""


def free(output: Path) -> Path:
    """`output`, or the first numbered name beside it that is not taken."""
    place = found = place_of(output)
    number = 1
    while found.exists():
        number += 1
        found = place.with_stem(f"{place.stem}-{number}")
    return found if place == output else found / output.name


def confirm(output: Path, frames: int) -> None:
    """Validate that a result is there, with all of its frames.

    Raises:
        InputError: it is not.
    """
    count = open_footage(output).count
    if count != frames:
        raise InputError(
            "result-incomplete",
            "{path} was written with {count} frames, and {frames} were made. All of them are needed. Free some space, "
            "or choose another folder.",
            path=output,
            count=count,
            frames=frames,
        )
