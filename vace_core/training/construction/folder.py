"""The folder that is being made: its clips, what is known of each, and what is left to do after a stop.

OUT/clips holds what a training reads. OUT/sheets has a contact sheet of every shot. OUT/records says what became of
every film (`films/`) and every shot (`shots/`); a shot with a record is done. OUT/unfinished holds files that are being
written.
"""

from __future__ import annotations

import glob
import itertools
import json
import math
import os
import shutil
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...errors import InputError
from ...files import strict_json
from ...files.jobs.lock import LOCK, hold, let_go
from ...files.replacing import remove_left, replacing, unwritable
from .captions import captions_text

SETTINGS = "settings.json"
SUMMARY = "summary.json"


class OutputFolder:
    """The folder of a data construction.

    Args:
        path: Where it is; it is made where it is not.
        settings: How clips are made. A folder goes on with the settings that it was begun with.

    Raises:
        InputError: the folder holds something else, was begun with other settings, or cannot be written.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self.path = path
        self.clips, self.sheets = path / "clips", path / "sheets"
        self._films, self._shots = path / "records" / "films", path / "records" / "shots"
        self._unfinished = path / "unfinished"
        self._begin(json.loads(json.dumps(settings)))

    def film(self, name: str) -> dict[str, Any] | None:
        """The record of a film; None = it was not looked at yet, or not to the end."""
        return _read(self._films / f"{name}.json")

    def shot(self, name: str) -> dict[str, Any] | None:
        """The record of a shot; None = it is not done."""
        return _read(self._shots / f"{name}.json")

    def films(self) -> Iterator[dict[str, Any]]:
        """The records of all films."""
        yield from _all(self._films)

    def shots(self) -> Iterator[dict[str, Any]]:
        """The records of all shots."""
        yield from _all(self._shots)

    def keep_film(self, name: str, record: Mapping[str, Any]) -> None:
        """Writes the record of a film that is held."""
        _write(self._films / f"{name}.json", record, alone=True)

    def forget_film(self, name: str) -> None:
        """Takes away the record of a film."""
        with suppress(OSError):
            (self._films / f"{name}.json").unlink(missing_ok=True)

    def shots_of(self, film: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The shots of a film that are done, with their records: they are made one after the other, from 1 on."""
        for number in itertools.count(1):
            record = self.shot(name := f"{film}-{number:04}")
            if record is None:
                return
            yield name, record

    def forget_shots(self, film: str) -> None:
        """Takes away what was made of a film that is held: stopped at any time, whatever is left has its record."""
        names = [name for name, _ in self.shots_of(film)]
        try:
            # The last goes first, after the one that may lie there without its record.
            for name in (f"{film}-{len(names) + 1:04}", *reversed(names)):
                self._forget_files(name)
                (self.sheets / f"{name}.jpg").unlink(missing_ok=True)
                (self._shots / f"{name}.json").unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(self.clips, error) from error

    def caption_again(self, name: str, record: Mapping[str, Any], captions: Sequence[str]) -> None:
        """Writes other captions of a clip that is there, and its record."""
        with replacing(self.clips / f"{name}.txt") as part:
            part.write_text(captions_text(captions), encoding="utf-8")
        _write(self._shots / f"{name}.json", record, alone=True)

    @contextmanager
    def held(self, name: str) -> Generator[bool, None, None]:
        """Holds a film as long as it is worked on; False where another process does."""
        place = self._unfinished / name
        held: int | None = None
        try:
            place.mkdir(parents=True, exist_ok=True)
            held = hold(place)
        except BlockingIOError:
            yield False
            return
        except OSError as error:
            raise unwritable(place, error) from error
        try:
            yield True
        finally:
            let_go(held)
            if self.film(name) is not None:  # who holds it next sees that it is done
                with suppress(OSError):
                    (place / LOCK).unlink(missing_ok=True)
                    place.rmdir()

    @contextmanager
    def shot_in_work(self, film: str, name: str, record: dict[str, Any]) -> Generator[Path, None, None]:
        """An empty folder for the files of a shot, named `name` and what follows it, and `name`.sheet.jpg.

        When all are written they are moved to their places, the clip itself last, and then the record is written: a
        clip that is there has everything that belongs to it, and one without a record is made again.
        """
        place = self._unfinished / film / Path(name).name
        try:
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            yield place
            self._move(place, name)
            _write(self._shots / f"{name}.json", record, alone=True)
        except OSError as error:
            raise unwritable(place, error) from error
        finally:
            shutil.rmtree(place, ignore_errors=True)

    def summarise(self, summary: Mapping[str, Any]) -> Path:
        """Writes what came of it all."""
        _write(self.path / SUMMARY, summary)
        return self.path / SUMMARY

    def _move(self, place: Path, name: str) -> None:
        target = (self.clips / name).parent
        target.mkdir(parents=True, exist_ok=True)
        self._forget_files(name)  # of a try that was stopped
        sheet = place / f"{Path(name).name}.sheet.jpg"
        if sheet.exists():
            shown = self.sheets / f"{name}.jpg"
            shown.parent.mkdir(parents=True, exist_ok=True)
            os.replace(sheet, shown)
        clip = place / f"{Path(name).name}.mp4"
        for file in sorted(place.iterdir(), key=lambda file: (file == clip, file.name)):
            os.replace(file, target / file.name)

    def _forget_files(self, name: str) -> None:
        for left in (self.clips / name).parent.glob(f"{glob.escape(Path(name).name)}.*"):
            left.unlink(missing_ok=True)

    def _begin(self, settings: dict[str, Any]) -> None:
        path = self.path / SETTINGS
        begun = _read(path)
        if begun is not None and begun != settings:
            differ = sorted(name for name in {*begun, *settings} if begun.get(name) != settings.get(name))
            raise InputError(
                "data-settings-differ",
                "The folder {path} was begun with other settings: {names} differ. Its clips are made alike. Give the "
                "same settings, or another folder.",
                path=self.path,
                names=", ".join(differ),
            )
        try:
            if begun is None and self.path.exists() and _visible(self.path):
                raise InputError(
                    "data-folder-taken",
                    "The folder {path} holds something else than data that was begun. A new or empty folder is needed. "
                    "Name another.",
                    path=self.path,
                )
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.path, error) from error
        if begun is None:
            _write(path, settings)


def _visible(folder: Path) -> bool:
    """Whether a folder holds anything but hidden files, such as the one that another process is just writing."""
    return any(not one.name.startswith(".") for one in folder.iterdir())


def begun(path: Path) -> bool:
    """Whether a folder is one of a data construction."""
    return (path / SETTINGS).is_file()


def _read(path: Path) -> dict[str, Any] | None:
    """A record; None where there is none. One that is damaged counts as none, and what it is of is done again."""
    try:
        return strict_json.parse_table(path.read_bytes()) or None
    except OSError:
        return None


def _all(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.rglob("*.json")):
        record = None if path.name.startswith(".") else _read(path)
        if record is not None:
            yield record


def _write(path: Path, record: Mapping[str, Any], *, alone: bool = False) -> None:
    """Writes a record; with `alone`, nobody else writes it now, and what a killed process left of it is taken away."""
    if alone:
        remove_left(path, before=math.inf)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error
    with replacing(path) as part:
        part.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
