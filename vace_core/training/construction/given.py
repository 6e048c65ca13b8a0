"""What a film was made of, as its records say it: whether its video, boxes or captions are still the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files.jobs.fingerprint import fingerprint
from .boxes import GIVEN
from .captions import GivenCaptions
from .films import Film

MADE_OF = "made of"
"""Where a record says it; those of an earlier version do not."""

VIDEO, BOXES, CAPTIONS = "video", "boxes", "captions"


def boxes_of(film: Film) -> Path:
    """The file of given boxes beside a film, which need not be there."""
    return film.path.with_name(f"{film.path.stem}{GIVEN}")


def given(film: Film, captions: GivenCaptions, was: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a film would be made of now.

    Args:
        captions: What is said of films.
        was: What it was made of, if it was. A file with the size and the time of then is not read again.
    """
    was = was or {}
    return {
        VIDEO: _told(film.path, was.get(VIDEO)),
        BOXES: _told(boxes_of(film), was.get(BOXES)),
        # A caption that is gone, as where --captions was left out, is no other caption.
        CAPTIONS: said_of(film, captions) or was.get(CAPTIONS, []),
    }


def said_of(film: Film, captions: GivenCaptions) -> list[str]:
    """The captions of a film; none where they cannot be read, which is said where it is made."""
    try:
        return list(captions.of(film.path))
    except InputError:
        return []


def changes(was: Mapping[str, Any] | None, now: Mapping[str, Any]) -> list[str]:
    """What of a film is no longer what it was made of; nothing where that is not known."""
    return [] if was is None else [part for part in (VIDEO, BOXES, CAPTIONS) if was.get(part) != now[part]]


def _told(path: Path, was: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """What tells a file from others; None where there is none that can be read. `was` itself if it is still that."""
    try:
        there = path.stat()
        if was and (was["bytes"], was["time"]) == (there.st_size, there.st_mtime_ns):
            return was
        told = fingerprint(path)
    except OSError:
        return None
    if was and was["fingerprint"] == told:  # copied, or touched
        return was
    return {"bytes": there.st_size, "time": there.st_mtime_ns, "fingerprint": told}
