"""Clips that the desk's editor names: a file of ComfyUI's folders, an example clip, or one that a node showed."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock, Timer
from typing import Any

import torch
from torch import Tensor

from ..vace_core.checks.numbers import check_number, check_whole
from ..vace_core.checks.room import check_room
from ..vace_core.errors import InputError, shown
from ..vace_core.inputs.fitted import Fitted, Source
from ..vace_core.media.footage import Footage
from ..vace_core.media.sources import open_footage
from ..vace_core.media.stills import PICTURES
from .comfy import host, shown_clips
from .comfy.fitted import fit_clip
from .example import clip_of

RATE = 16.0  # of what states none
BYTES = 2**30  # of clips as a model gets them that are kept, so that a stroke costs no decoding; a larger one alone
_KEPT_FOR = 300.0  # seconds after the last request of an editor

_fitted: OrderedDict[tuple[Any, ...], Fitted] = OrderedDict()
_one_at_a_time = Lock()
_letting_go: Timer | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class NamedClip:
    """A clip that was asked for; nothing of it is decoded yet.

    Attributes:
        name: What tells it from others, and from itself after it was changed.
        size: `(T, H, W)`.
        fps: Frames per second.
        images: All of it as IMAGE, as ComfyUI's own nodes load it.
        some: Frames from the first up to the second number, `(n, H, W, 3)` uint8; they alone are decoded.
    """

    name: tuple[Any, ...]
    size: tuple[int, int, int]
    fps: float
    images: Callable[[], Tensor]
    some: Callable[[int, int], Tensor]


def named_clip(said: Any) -> NamedClip:
    """The clip that an editor names.

    Args:
        said: `{"file", "type", "subfolder"}`, with "rate", "skip", "cap" and "every" where a loader takes frames out;
            or `{"example", "length"}`.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    _let_go_later()
    table: dict[str, Any] = said if isinstance(said, dict) else {}
    if isinstance(table.get("example"), str):
        length = table.get("length", 17)
        check_whole("length", length, least=1, most=8192)
        return _of_images(("example", table["example"], length), *clip_of(table["example"], length))
    name, subfolder, kind = (
        table.get(one) or usual for one, usual in (("file", ""), ("subfolder", ""), ("type", "input"))
    )
    if not all(isinstance(one, str) and "\0" not in one for one in (name, subfolder, kind)) or not name:
        raise InputError(
            "clip-unnamed",
            "The clip is {value}. A file of ComfyUI's folders, or an example clip, is needed. Connect a video to the "
            "desk, or run the node once.",
            value=shown(said),
        )
    there = shown_clips.find(subfolder, name)
    if there is not None:
        return NamedClip(
            name=("shown", subfolder, name),
            size=there.size,
            fps=there.fps,
            images=there.images,
            some=lambda begin, end: shown_clips.levels(there.images()[begin:end]),
        )
    path = host.file_in(kind, subfolder, name)
    picture = path.suffix.lower() in PICTURES
    if kind == "temp" and picture:
        raise InputError(
            "desk-clip-gone",
            "The clip behind {name} is no longer held by ComfyUI. It is needed here. Run the desk's node again.",
            name=name,
        )
    load = (lambda: host.load_images(kind, subfolder, name)) if picture else (lambda: _frames_of_video(path))
    return _thinned(_of_file(path, load), table)


def fitted_clip(clip: NamedClip, fit: str, fps: float) -> Fitted:
    """A clip by one of `sockets.FITS`; the last ones are kept, for a while and no more than `BYTES`."""
    name = (*clip.name, fit, fps)
    with _one_at_a_time:
        if name not in _fitted:
            _drop_beyond(least=0)
            count, height, width = clip.size
            room = count * height * width * shown_clips.READ
            check_room(room, "The clip", frames=count, height=height, width=width)
            _fitted[name] = _without_source(fit_clip(clip.images(), fit, fps, name="clip"))
        _fitted.move_to_end(name)
        _drop_beyond(least=1)
        return _fitted[name]


def _drop_beyond(least: int) -> None:
    """Drops what was asked for longest ago, as long as all take more than `BYTES`."""
    while len(_fitted) > least and sum(one.frames.nbytes for one in _fitted.values()) > BYTES:
        _fitted.popitem(last=False)


def _let_go() -> None:
    with _one_at_a_time:
        _fitted.clear()
    shown_clips.forget()


def _let_go_later() -> None:
    """No request says that an editor was closed: what is kept goes some time after the last one."""
    global _letting_go
    if _letting_go is not None:
        _letting_go.cancel()
    _letting_go = Timer(_KEPT_FOR, _let_go)
    _letting_go.daemon = True
    _letting_go.start()


def _of_images(name: tuple[Any, ...], images: Tensor, fps: float) -> NamedClip:
    count, height, width = images.shape[:3]
    return NamedClip(
        name=name,
        size=(count, height, width),
        fps=fps,
        images=lambda: images,
        some=lambda begin, end: shown_clips.levels(images[begin:end]),
    )


def _of_file(path: Path, load: Callable[[], Tensor]) -> NamedClip:
    film: Footage = open_footage(path)
    stat = path.stat()
    return NamedClip(
        name=(str(path), stat.st_mtime_ns, stat.st_size),
        size=(film.count, film.height, film.width),
        fps=float(film.fps) if film.count > 1 else RATE,
        images=load,
        some=lambda begin, end: torch.cat([chunk.frames for chunk in film.chunks(begin, end)]),
    )


def _thinned(clip: NamedClip, said: dict[str, Any]) -> NamedClip:
    """A clip as loaders take it: at a rate, without the first frames, all but every n-th, those after a number."""
    skip, every, cap = said.get("skip") or 0, said.get("every") or 1, said.get("cap") or 0
    for what, value, least in (("skip", skip, 0), ("every", every, 1), ("cap", cap, 0)):
        check_whole(what, value, least=least, most=10_000_000)
    rate = said.get("rate") or clip.fps
    check_number("rate", rate, least=0.01, most=1000)
    if (rate, skip, every, cap) == (clip.fps, 0, 1, 0):
        return clip
    # At the begin of each frame of that rate, the first frame of the file from there on.
    shown = math.floor((clip.size[0] - 1) * rate / clip.fps + 1e-6) + 1
    places = [math.ceil(n * clip.fps / rate - 1e-6) for n in range(shown)][skip::every]
    places = places[:cap] if cap else places
    if not places:
        raise InputError(
            "clip-skipped",
            "{skip} frames are left out of a clip of {count}. At least one that stays is needed. Skip fewer.",
            skip=skip,
            count=shown,
        )
    return replace(
        clip,
        name=(*clip.name, rate, skip, every, cap),
        size=(len(places), *clip.size[1:]),
        fps=rate / every,
        images=lambda: clip.images()[places],
        some=lambda begin, end: torch.cat([clip.some(place, place + 1) for place in places[begin:end]]),
    )


def _frames_of_video(path: Path) -> Tensor:
    return shown_clips.images_and_rate(host.load_video(path), RATE)[0]


def _without_source(fitted: Fitted) -> Fitted:
    """The clip with its frames for the model, and of the source its size alone: that is all that is read of it."""
    frames = fitted.frames
    size = fitted.source.shape
    light: Source = replace(fitted.source, frames=torch.zeros(1, 3, 1, 1, 1).expand(1, 3, *size))
    found = replace(fitted, source=light, taken=light)
    found.__dict__["frames"] = frames  # a cached property, of which the source is let go
    return found
