"""Raw videos become a training folder: shot by shot, gone on with after a stop, divided over processes."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import InputError
from ...files.replacing import unwritable
from ...media.footage import Footage
from ...media.sources import open_footage
from ..data.derive import KINDS, Parts
from .boxes import read_given
from .build import CAPTION, Built, How, Source, Tools, build, write
from .captions import GivenCaptions
from .films import Film
from .folder import OutputFolder
from .given import CAPTIONS, MADE_OF, boxes_of, changes, given, said_of
from .shots import Shot, find_shots, pieces

log = logging.getLogger("vace")

NOT_COUNTED = ("control", "mixed", "as given")  # tasks of signals made elsewhere, and what nearly every clip gives


def make_clips(
    films: Sequence[Film],
    out: OutputFolder,
    how: How,
    tools: Tools,
    captions: GivenCaptions | None = None,
    *,
    retry: bool = False,
    on_film: Callable[[int, int], None] | None = None,
) -> None:
    """Makes the clips of films. What is done is left as it is; what another process works on is left to it.

    A film that was replaced, or has other boxes, since its clips were made is made anew; where its captions are others,
    they are written anew. What is not known to have changed, as in records of an earlier version, stays.

    A film or a shot that cannot be used is named in its record, and the rest goes on. A file that cannot be written, or
    a network that fails, stops the job: the same call goes on with the shot it was at.

    Args:
        films: Those of this process.
        out: Where to.
        how: How clips are made.
        tools: What finds, follows and describes.
        captions: What is said of the films; None = what lies beside them.
        retry: Try again what could not be used before, though nothing of it changed.
        on_film: Called as (films done, films in all) after each; raising stops.

    Raises:
        InputError: a file cannot be written.
        ModelError: a package is missing.
    """
    bare = 0
    for number, film in enumerate(films, start=1):
        with out.held(film.name) as ours:
            if ours:
                bare += _Film(film, out, how, tools, captions or GivenCaptions()).make(retry)
        if on_film is not None:
            on_film(number, len(films))
    if bare:
        log.warning("%d videos had a caption and have none any more; their clips keep it", bare)


class _Film:
    """One film, from its cuts to its clips."""

    def __init__(self, film: Film, out: OutputFolder, how: How, tools: Tools, captions: GivenCaptions) -> None:
        self._film, self._out, self._how, self._tools, self._captions = film, out, how, tools, captions
        self._faults = self._uncaptioned = 0
        self._made_of: dict[str, Any] = {}

    def make(self, retry: bool) -> bool:
        """Makes what is not there or was made of something else; whether captions that it had are gone."""
        name = self._film.name
        record = self._out.film(name)
        first = self._out.shot(f"{name}-0001") if record is None else record
        was = None if first is None else first.get(MADE_OF)
        self._made_of = given(self._film, self._captions, was)
        changed = changes(was, self._made_of)
        others = changed and changed != [CAPTIONS]
        if changed:
            anew = "made" if others else "captioned"
            log.warning(
                "%s: its %s changed since it was begun; its clips are %s anew", name, " and ".join(changed), anew
            )
        lacks = record is not None and bool(record.get("faults") or record.get("uncaptioned"))
        if record is None or others or (lacks and (retry or changed)):
            self._out.forget_film(name)
            if others:
                self._out.forget_shots(name)
            self._make(retry)
        elif changed:
            for shot, there in self._out.shots_of(name):
                self._captioned(shot, there)
            self._out.keep_film(name, record | {MADE_OF: self._made_of})
        return bool(self._made_of[CAPTIONS]) and not said_of(self._film, self._captions)

    def _make(self, retry: bool) -> None:
        told: dict[str, Any] = {"film": self._film.name, MADE_OF: self._made_of}
        try:
            source = self._opened()
            shots = find_shots(source.film, self._how.shots)
        except InputError as error:
            log.warning("left out: %s", error)
            self._out.keep_film(self._film.name, told | {"fault": str(error), "faults": 1, "shots": 0, "clips": 0})
            return
        parts = [part for shot in shots for part in pieces(shot, source.film.times, self._how.longest)]
        for number, part in enumerate(parts, start=1):
            self._shot(source, part, f"{self._film.name}-{number:04}", retry)
        size = {"frames": source.film.count, "fps": round(source.film.fps, 4)}
        cuts = [[shot.begin, shot.end] for shot in shots]
        counts = {"faults": self._faults, "uncaptioned": self._uncaptioned}
        self._out.keep_film(self._film.name, told | size | {"cuts": cuts} | counts)

    def _opened(self) -> Source:
        path = self._film.path
        film = open_footage(path)
        film.checked(0, None)  # a file that was cut short is refused before anything is made of it
        beside = boxes_of(self._film)
        boxes = read_given(beside, film.seconds) if beside.is_file() else []
        self._captions.of(path)  # whose text may be unreadable
        return Source(film=film, captions=tuple(self._made_of[CAPTIONS]), given=boxes)

    def _shot(self, source: Source, shot: Shot, name: str, retry: bool) -> None:
        there = self._out.shot(name)
        if there is not None and not self._may_differ(there, source, retry):
            self._captioned(name, there)
            self._faults += "fault" in there
            self._uncaptioned += there.get("dropped") == CAPTION
            return
        record: dict[str, Any] = {"film": self._film.name, "shot": name, MADE_OF: self._made_of}
        try:
            built = build(source, shot, Path(name).name, self._how, self._tools)
        except InputError as error:
            log.warning("left out: %s", error)
            built = Built(record={"begin": shot.begin, "end": shot.end, "dropped": None, "fault": str(error)})
            self._faults += 1
        record |= built.record
        self._uncaptioned += record["dropped"] == CAPTION
        with self._out.shot_in_work(self._film.name, name, record) as folder:
            try:
                write(folder, Path(name).name, source.film.fps, _times(source.film, shot), built)
            except OSError as error:
                raise unwritable(folder, error) from error

    def _captioned(self, name: str, record: Mapping[str, Any]) -> None:
        """Gives the clip of a shot that is done the captions of now, where it was made with others."""
        known = record.get(MADE_OF, self._made_of)
        if known[CAPTIONS] != self._made_of[CAPTIONS] and "prompts" in record:
            prompts = self._made_of[CAPTIONS]
            self._out.caption_again(name, {**record, "prompts": prompts, MADE_OF: self._made_of}, prompts)

    def _may_differ(self, record: Mapping[str, Any], source: Source, retry: bool) -> bool:
        """Whether a shot may come out otherwise when it is tried again."""
        return (retry and "fault" in record) or (record.get("dropped") == CAPTION and bool(source.captions))


def _times(film: Footage, shot: Shot) -> Tensor | None:
    """When each frame is shown, where that is not at the rate of the film."""
    lasts = (film.times[:, 1] - film.times[:, 0])[shot.begin : shot.end]
    if float((lasts * film.fps - 1).abs().max()) < 1e-3:
        return None
    times = film.times[shot.begin : shot.end].clone()
    return times - times[0, 0].to(torch.float64)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of it, counted over all records of a folder, whichever process wrote them.

    Attributes:
        films: Films that were looked at to the end.
        shots: Their shots and pieces of shots.
        clips: Of these, how many became clips.
        seconds: How long the clips are together.
        dropped: How many shots each filter dropped, by its name.
        beyond: Least and most that was measured of them, by the name of the filter.
        faults: What could not be used, with the reason, by the name of a film or shot.
        bars: Clips whose black bars were cut off.
        objects: Objects that were followed to the end.
        objects_dropped: Objects that were left out, by the reason.
        references: Pictures of objects.
        tasks: How many clips each task can be trained on.
    """

    films: int
    shots: int
    clips: int
    seconds: float
    dropped: Mapping[str, int]
    beyond: Mapping[str, tuple[float, float]]
    faults: Mapping[str, str]
    bars: int
    objects: int
    objects_dropped: Mapping[str, int]
    references: int
    tasks: Mapping[str, int]


def summarise(out: OutputFolder) -> Summary:
    """Counts all records of a folder."""
    films, shots = list(out.films()), list(out.shots())
    clips = [one for one in shots if one.get("dropped") is None and "fault" not in one]
    faults = {one["film"]: one["fault"] for one in films if "fault" in one}
    faults |= {one["shot"]: one["fault"] for one in shots if "fault" in one}
    return Summary(
        films=len(films),
        shots=len(shots),
        clips=len(clips),
        seconds=round(sum(one["seconds"] for one in clips), 2),
        dropped=dict(sorted(Counter(one["dropped"] for one in shots if one.get("dropped") is not None).items())),
        beyond=_beyond(shots),
        faults=faults,
        bars=sum("bars" in one for one in clips),
        objects=sum(len(one["objects"]) for one in clips),
        objects_dropped=_added(one["objects dropped"] for one in clips),
        references=sum(one["references"] for one in clips),
        tasks=_tasks(clips),
    )


def _beyond(shots: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    measured: dict[str, list[float]] = {}
    for one in shots:
        name = str(one.get("dropped"))
        if name in one.get("measured", {}):
            measured.setdefault(name, []).append(one["measured"][name])
    return {name: (min(values), max(values)) for name, values in sorted(measured.items())}


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _tasks(clips: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """By the names of a training, and by what each of its tasks needs."""
    there = [
        Parts(objects=len(one["objects"]), references=one["references"], controls=one["controls"]) for one in clips
    ]
    return {name: sum(map(kind.needs, there)) for name, kind in KINDS.items() if name not in NOT_COUNTED}
