"""A job of the command that survives: what it was called with, kept beside its output until that is confirmed."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

import torch
from typer import Context
from typer.core import TyperGroup

from .. import __version__
from ..errors import InputError
from ..files.jobs.fingerprint import fingerprint
from ..files.jobs.folder import PLAN, JobFolder, plan_damaged
from ..files.replacing import reason, remove_left
from ..inputs.put_back import is_series
from ..pipeline.parallel.processes import rank_and_count
from ..sampling.kept import KeptSteps
from .console import hint, log, print_table, say
from .options import Run
from .results import ENDINGS, confirm, free, place_of, stamp

ENDING = ".vace-job"
WRITTEN = "written"
"""The stage of a job whose result is written, and whose folder stays."""
_WORDS = "vace.words"
_LONGEST = 60  # letters of a name: no file system allows more than 255 bytes


class Remembering(TyperGroup):
    """A command that remembers what it was called with."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[_WORDS] = list(args)
        return super().parse_args(ctx, args)


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """What a job was called with.

    Attributes:
        command: The words after "vace".
        folder: Where it was called.
        versions: Of what computes, by name.
        output: Where its result goes; "" = not known yet.
        files: The fingerprint of every file that it reads.
        own: By name what it may replace: a result that was there when it was begun, and those that it wrote.
    """

    command: tuple[str, ...]
    folder: str
    versions: Mapping[str, str]
    output: str = ""
    files: Mapping[str, str]
    own: Mapping[str, str] = field(default_factory=dict[str, str])

    def to_json(self) -> dict[str, Any]:
        return vars(self) | {"command": list(self.command)}

    @classmethod
    def of(cls, folder: JobFolder) -> Invocation:
        """The plan in a job's folder.

        Raises:
            InputError: it is not one of this command.
        """
        told = dict(folder.plan)
        command = told.pop("command", None)
        words = cast("list[Any]", command) if isinstance(command, list) else list[Any]()
        texts = [words, [told.get("folder")], [told.get("output")]]
        for table in (told.get("versions"), told.get("files"), told.get("own", {})):
            pairs = cast("dict[str, Any]", table) if isinstance(table, dict) else {"": None}
            texts.append(list(pairs.values()))
        known = {one.name for one in fields(cls)} - {"command"}
        if {*told, "own"} != known or not all(isinstance(text, str) for one in texts for text in one) or not words:
            raise plan_damaged(folder.path / PLAN, "it does not say what the command was called with")
        return cls(command=tuple(words), **told)

    def check_files(self) -> None:
        """Validate that every file is what it was.

        Raises:
            InputError: one is not.
        """
        for name, was in self.files.items():
            try:
                now = fingerprint(Path(name), without=Path(self.output))
            except (OSError, ValueError):  # the second of a name that no file can have
                now = "gone"
            if now != was:
                raise InputError(
                    "job-file-changed",
                    "{path} is {state} since the job was begun. The file as it was then is needed to go on. Put that "
                    "back, or begin a new job with the same command.",
                    path=name,
                    state="gone" if now == "gone" else "no longer the same",
                )


@dataclass(frozen=True, kw_only=True)
class Redo:
    """A window of a long clip that is made again.

    Attributes:
        window: Its number, the first is 0.
        seed: Of its noise; None = as before.
        and_after: Whether those behind it are made anew too, up to the next hard cut. Otherwise it leads up to them.
    """

    window: int
    seed: int | None = None
    and_after: bool = False


@dataclass(frozen=True, kw_only=True)
class Resumed:
    """A job that is done again: its folder, where the result goes instead, since when, in seconds, and what of it."""

    folder: JobFolder
    plan: Invocation
    output: Path | None
    begun: float
    redo: Redo | None = None


class KeptJob:
    """What a task is run in: where its steps are kept, if they are.

    Attributes:
        folder: None = nothing is kept.
        plan: What it was called with.
        output: Where the result goes; None = nobody has said.
        made: Whether the result is made, though not written.
        stays: Whether its folder stays when the result is written, so that a window can be made again.
    """

    def __init__(
        self,
        folder: JobFolder | None,
        plan: Invocation,
        output: Path | None,
        again: Resumed | None = None,
        lost: str = "",
    ) -> None:
        self.folder, self.plan, self._again, self._lost = folder, plan, again, lost
        self.made = self.stays = False
        self._aside: Path | None = None
        self._typed = output if again is None else again.output
        self.output = self._typed or (Path(plan.output) if plan.output else output)

    @property
    def redo(self) -> Redo | None:
        """What is made again; None = all that is left."""
        return None if self._again is None else self._again.redo

    def named(self, task: str, ending: str) -> Path:
        """The name of a result that nobody named: that of its folder, which no other job has."""
        return free(Path(f"{task if self.folder is None else self.folder.path.stem}{ending}"))

    @contextmanager
    def writing(self, output: Path) -> Generator[Path, None, None]:
        """Where the result is written: there, unless what nobody named now would replace what is not this job's."""
        if self._typed is None and stamp(output) not in ("", *self.plan.own.values()):
            there, output = output, free(output)
            say(f"! {there} is not of this job, and stays. Its result goes to {output}.", "yellow")
            self._note(output=str(output.absolute()))
        self.made = True
        try:
            yield output
        finally:
            if found := stamp(output):
                self._note(own={**self.plan.own, str(output.absolute()): found})

    def wrote(self, output: Path, frames: int) -> bool:
        """Whether this job wrote a folder of numbered pictures, which is never written into, with all of them."""
        if not is_series(output) or stamp(output) not in self.plan.own.values():
            return False
        with suppress(InputError):
            confirm(output, frames)
            return True
        return False

    def folder_of_windows(self) -> JobFolder:
        """The folder that windows are kept in: the job's, or where there is none one that goes when the job ends.

        Raises:
            InputError: none can be made.
        """
        if self.folder is not None:
            return self.folder
        self._aside = Path(tempfile.mkdtemp(prefix="vace-"))
        return JobFolder.create(self._aside / "windows", self.plan.to_json())

    def said(self) -> list[tuple[str, str]]:
        """What is said of its folder when the job is done."""
        if self.folder is None or not self.stays:
            return []
        again = f"vace redo {_spoken([str(self.folder.path)])} --window N"
        return [("windows", f"{self.folder.path}; {again} makes one of them again")]

    def left(self) -> None:
        """Takes away what is of no use behind the job, however it ended."""
        if self._aside is not None:
            shutil.rmtree(self._aside, ignore_errors=True)

    @property
    def progress(self) -> KeptSteps | None:
        """Where its steps are kept."""
        return None if self.folder is None else KeptSteps(self.folder)

    def ready(self, output: Path, read: Iterable[Path]) -> None:
        """Keeps where the result goes and what the files are that it is made of, before anything is computed.

        Raises:
            InputError: a job that goes on would read a file that it was begun without.
        """
        if self.folder is None:
            log.warning("The job cannot be resumed if it is interrupted: %s", self._lost)
            return
        if self.plan.files:
            # What is looked for beside other files, such as the second network of a pair, may have come since.
            if new := sorted({str(path.absolute()) for path in read} - self.plan.files.keys()):
                raise InputError(
                    "job-file-new",
                    "{path} was not there when the job was begun, and is read now. To go on it needs the files that it "
                    "had. Move that one away, or begin a new job with the same command.",
                    path=new[0],
                )
            return
        found: dict[str, str] = {}
        for path in read:
            with suppress(OSError):
                found[str(path.absolute())] = fingerprint(path, without=output.absolute())
        own = {str(output.absolute()): there} if (there := stamp(output)) else {}
        if error := self._note(output=str(output.absolute()), files=found, own=own):
            log.warning("The job cannot be resumed if it is interrupted: %s", error)

    def _note(self, **changed: Any) -> InputError | None:
        """Changes its plan, also in its folder; what kept it from that."""
        self.plan = replace(self.plan, **changed)
        try:
            if self.folder is not None:
                self.folder.write_plan(self.plan.to_json())
        except InputError as error:
            return error
        return None

    def done(self) -> None:
        """Its output is confirmed, so that nothing needs to be kept."""
        if self.folder is None:
            return
        if self._again is not None and self._again.plan.output:
            remove_left(Path(self._again.plan.output), before=self._again.begun)
        if self.stays:
            self.folder.keep(WRITTEN, {})
            _take_away_older(self.folder, self.plan)
            self.folder.close()
            return
        if not self.folder.remove():
            say(f"! The folder {self.folder.path} is of no more use, and cannot be removed.", "yellow")

    def failed(self, error: BaseException) -> None:
        """Says how to go on with what is kept; a job of which nothing came yet leaves nothing."""
        if self.folder is None:
            return
        if self._again is None and not self.made and not self.folder.stages():
            self.folder.remove()
            return
        self.folder.close()
        if self.redo is not None and not self.redo.and_after and not self.made:
            return  # all windows are as they were
        hint(error, f"To go on with it: {_command(self.folder.path)}")


@contextmanager
def kept_job(task: str, run: Run, context: Context) -> Generator[KeptJob, None, None]:
    """The job that is begun, or gone on with, by a command; none of it is kept where nothing will be computed.

    Of several processes the first one keeps it.
    """
    if run.dry_run or rank_and_count()[0]:
        again = context.find_object(Resumed)
        job = KeptJob(None, _plan(context) if again is None else again.plan, run.output, again)
    elif (again := context.find_object(Resumed)) is not None:
        job = KeptJob(again.folder, again.plan, run.output, again)
    else:
        job = _begun(task, run, context)
    try:
        yield job
    except BaseException as error:
        job.failed(error)
        raise
    else:
        job.done()
    finally:
        job.left()


def go_on(context: Context, path: Path, output: Path | None, redo: Redo | None = None) -> None:
    """Does the job in a folder again, from where it was left, or a part of it that was done.

    Raises:
        InputError: it is no job, it is running, or a file that it reads has changed.
    """
    with JobFolder.open(path.absolute(), hold=rank_and_count()[0] == 0) as folder:
        plan = Invocation.of(folder)
        plan.check_files()
        now = _versions()
        for name, was in plan.versions.items():
            if (version := now.get(name, "none")) != was:
                say(
                    f"! The job was begun with {name} {was}, and this is {version}: results may differ a little.",
                    "yellow",
                )
        print_table([("job", f"vace {_spoken(plan.command)}")])
        resumed = Resumed(folder=folder, plan=plan, output=output and output.absolute(), begun=time.time(), redo=redo)
        before = Path.cwd()
        try:
            os.chdir(plan.folder)
        except (OSError, ValueError) as error:  # the second of a name that no folder can have
            raise InputError(
                "job-folder-gone",
                "The job was begun in {folder}, which is gone ({error}). The names of its files are counted "
                "from there. Put it back, or begin a new job.",
                folder=plan.folder,
                error=reason(error),
            ) from error
        try:
            program = cast("Any", context.find_root().command)
            words = ["--debug"] if log.isEnabledFor(logging.DEBUG) else []
            with program.make_context("vace", [*words, *plan.command], obj=resumed) as again:
                program.invoke(again)
        finally:
            os.chdir(before)


def _begun(task: str, run: Run, context: Context) -> KeptJob:
    plan = _plan(context)
    beside = Path(task) if run.output is None else place_of(run.output)
    path = beside.with_name(f"{beside.name[:_LONGEST]}{ENDING}") if beside.name else Path(f"{task}{ENDING}")
    try:
        folder = JobFolder.create(path, plan.to_json(), taken=_named if run.output is None else lambda _: False)
    except InputError as error:
        return KeptJob(None, plan, run.output, lost=str(error))  # said once it is known that a result can be written
    if folder.path != path and _is_unfinished(path):
        say(f"! An unfinished job of this name is there. To go on with that one: {_command(path)}", "yellow")
    return KeptJob(folder, plan, run.output)


def _named(folder: Path) -> bool:
    """Whether there is a result of the name that a folder gives its own."""
    return any(folder.with_suffix(ending).exists() for ending in ENDINGS)


def _is_unfinished(path: Path) -> bool:
    """Whether a folder is that of a job that has not ended and is not running."""
    with suppress(InputError), JobFolder.open(path) as folder:
        return folder.kept(WRITTEN) is None
    return False


def _take_away_older(folder: JobFolder, plan: Invocation) -> None:
    """Takes away the folder that an earlier job of the same result has left, whose name this one then gets."""
    usual = folder.path.with_name(f"{Path(plan.output).name[:_LONGEST]}{ENDING}")
    if folder.path == usual or folder.path.parent != usual.parent:
        return
    with suppress(InputError, OSError), JobFolder.open(usual) as older:
        if older.kept(WRITTEN) is not None and Invocation.of(older).output == plan.output and older.remove():
            folder.path = folder.path.rename(usual)


def _plan(context: Context) -> Invocation:
    words: list[str] = context.meta.get(_WORDS, [])
    return Invocation(command=tuple(words), folder=str(Path.cwd()), versions=_versions(), files={})


def _versions() -> dict[str, str]:
    return {"vace": __version__, "torch": torch.__version__}


def _command(folder: Path) -> str:
    return f"vace resume {_spoken([str(folder)])}"


def _spoken(words: Iterable[str]) -> str:
    return shlex.join(words) if os.name == "posix" else subprocess.list2cmdline(list(words))
