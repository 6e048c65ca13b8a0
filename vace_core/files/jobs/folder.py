"""A job's folder: a plan in JSON, and a safetensors file for every stage that is done, written whole or not at all."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from torch import Tensor

from ...checks.room import check_room
from ...errors import InputError, ModelError
from .. import strict_json
from ..replacing import reason, replacing, unwritable
from ..safetensors_format import SafetensorsFile, save
from .lock import LOCK, hold, let_go

log = logging.getLogger("vace")

PLAN = "job.json"
FORMAT = "format"
_THIS_FORMAT = 1
_STAGE = ".safetensors"
_UNFINISHED = ".part"
FILM = ".mkv"
"""The ending of films that a job keeps."""
_PUT_THERE = (f"*{_STAGE}", f"*{FILM}", f".*{FILM}", "windows.*", ".windows.*", f".*{_UNFINISHED}")


class Kept(NamedTuple):
    """A stage that is done.

    Attributes:
        tensors: What it came to, by name.
        said: What was said of it.
    """

    tensors: dict[str, Tensor]
    said: Mapping[str, str]


class JobFolder:
    """A folder that this process holds, until it is closed or removed; also a context manager that closes it.

    Attributes:
        path: Where it is.
        plan: What the job is, as JSON has it.
    """

    def __init__(self, path: Path, held: int | None, plan: Mapping[str, Any]) -> None:
        """As `create` and `open` make it."""
        self.path, self.plan = path, plan
        self._held, self._failed = held, False

    @classmethod
    def create(
        cls, path: Path, plan: Mapping[str, Any], *, taken: Callable[[Path], bool] = lambda _: False
    ) -> JobFolder:
        """A new folder `path`, or the first numbered name beside it that is not taken.

        Args:
            path: Where it is to be.
            plan: What the job is.
            taken: Whether a name cannot be had for another reason. It is asked once the folder is there, so that two
                jobs that begin at once never have the same.

        Raises:
            InputError: it cannot be made.
        """
        for number in count(1):
            made = path if number == 1 else path.with_name(f"{path.stem}-{number}{path.suffix}")
            try:
                made.mkdir()
            except FileExistsError:
                continue
            except (OSError, ValueError) as error:
                raise unwritable(made, error) from error
            if taken(made):
                with suppress(OSError):
                    made.rmdir()
                continue
            folder = cls(made, _held(made), plan)
            try:
                folder.write_plan(plan)
            except BaseException:
                folder.remove()
                raise
            return folder
        raise AssertionError  # there is always a next number

    @classmethod
    def open(cls, path: Path, *, hold: bool = True) -> JobFolder:
        """A folder that is there.

        Args:
            path: Where it is.
            hold: Whether this process is the one that works in it; another one of the same job only looks.

        Raises:
            InputError: there is none, it is not the folder of a job, or the job is running.
        """
        if not (path / PLAN).is_file():
            raise InputError(
                "job-missing",
                "{path} is not the folder of a job: there is no {plan} in it. A folder that an interrupted job left "
                "beside its output is needed. Check the name.",
                path=path,
                plan=PLAN,
            )
        held = _held(path) if hold else None
        try:
            return cls(path, held, _read_plan(path / PLAN))
        except BaseException:
            let_go(held)
            raise

    def write_plan(self, plan: Mapping[str, Any]) -> None:
        """Writes another plan in place of the one that is there.

        Raises:
            InputError: it cannot be written.
        """
        text = json.dumps({FORMAT: _THIS_FORMAT, **plan}, indent=1)
        with replacing(self.path / PLAN, suffix=_UNFINISHED) as part:
            part.write_text(text, encoding="utf-8")
        self.plan = plan

    def keep(self, stage: str, tensors: Mapping[str, Tensor], said: Mapping[str, str] | None = None) -> bool:
        """Keeps a stage, in place of what was kept of it before, and returns whether that went well.

        A job does not fail because something could not be kept: that is logged, once, and what was kept before stays.
        """
        try:
            largest = max((tensor.nbytes for tensor in tensors.values()), default=0)
            check_room(largest, f"What is kept of {stage}")
            save(self._file(stage), tensors, said)
        except InputError as error:
            if not self._failed:
                log.warning("The job goes on, but what it has come to cannot be kept to resume it: %s", error)
            self._failed = True
            return False
        return True

    def kept(self, stage: str) -> Kept | None:
        """A stage that is done; None = it is not.

        Raises:
            InputError: its file is damaged, or does not fit into memory.
        """
        path = self._file(stage)
        if not path.is_file():
            return None
        try:
            file = SafetensorsFile(path)
            return Kept({name: file.read(name) for name in file.tensors}, file.metadata)
        except (ModelError, OSError) as error:
            raise InputError(
                "job-damaged",
                "{path} cannot be read ({error}). What a job kept is needed as it was written. Delete this file to "
                "do that part of the job again.",
                path=path,
                error=reason(error),
            ) from error

    def stages(self) -> list[str]:
        """The names of the stages that are done."""
        return sorted(path.stem for path in self.path.glob(f"*{_STAGE}"))

    def drop(self, stage: str) -> None:
        """Forgets a stage, where it was done."""
        with suppress(OSError):
            self._file(stage).unlink(missing_ok=True)

    def close(self) -> None:
        """Lets go of the folder, which stays."""
        let_go(self._held)
        self._held = None

    def remove(self) -> bool:
        """Takes away the folder, unless there is something in it that no job has put there; whether it is gone."""
        # Its plan last: without that it is no folder of a job, which could not be named to go on with.
        with suppress(OSError):
            for pattern in (*_PUT_THERE, PLAN):
                for path in self.path.glob(pattern):
                    path.unlink(missing_ok=True)
        self.close()
        with suppress(OSError):
            (self.path / LOCK).unlink(missing_ok=True)
            self.path.rmdir()
            return True
        return False

    def __enter__(self) -> JobFolder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _file(self, stage: str) -> Path:
        return self.path / f"{stage}{_STAGE}"


def _held(path: Path) -> int | None:
    try:
        return hold(path)
    except BlockingIOError as error:
        raise InputError(
            "job-running",
            "The job {path} is running. One process at a time can do it. Wait until it is done, or stop it first.",
            path=path,
        ) from error
    except OSError:  # a lock that cannot be had is no reason not to do the job
        return None


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > strict_json.MAX_JSON:
            raise ValueError(f"it has more than {strict_json.MAX_JSON:,} bytes")
        plan = strict_json.parse_table(path.read_bytes())
        if plan.pop(FORMAT, None) != _THIS_FORMAT:
            raise ValueError(f"it does not say that its {FORMAT} is {_THIS_FORMAT}")
    except (OSError, ValueError) as error:
        raise plan_damaged(path, reason(error)) from error
    return plan


def plan_damaged(path: Path, why: str) -> InputError:
    """The error for a plan that nothing can be done by; `why` is a clause."""
    return InputError(
        "job-plan-damaged",
        "{path} is not the plan of a job ({error}). It is needed as this version writes it. Begin the job anew.",
        path=path,
        error=why,
    )
