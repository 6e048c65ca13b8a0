"""Console output: results on standard output, everything for the eye on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from typing import Any

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text
from torch import Tensor

from ..checks.room import is_short_of_memory
from ..errors import InputError, ModelError, VaceError
from ..pipeline.parallel.processes import is_first_to_fail, rank_and_count

OTHER, INPUT, MODEL, INTERRUPTED = 1, 3, 4, 130
EXIT_CODES = """
Exit codes: 0 done, 1 something unforeseen, 2 wrong usage, 3 the input does not fit (what was given or typed),
4 something is wrong with a model file, 130 interrupted. A result appears under its name when it is complete, or not
at all.
"""

_HINTS = "vace_hints"
SHORT_OF_MEMORY = (
    "Memory ran out. What the job takes at each stage is said with --dry-run. Make the clip shorter or smaller, set "
    "--tile or --vae-dtype bfloat16, or close other programs that use it."
)

eye = Console(stderr=True, highlight=False)
log = logging.getLogger("vace")


def set_debug(debug: bool) -> None:
    """Whether errors are shown with their traceback, and everything that is logged."""
    log.setLevel(logging.DEBUG if debug else logging.INFO)


@contextmanager
def quiet(is_quiet: bool) -> Generator[None, None, None]:
    """Inside, nothing is printed, if so: of several processes of a job the first one speaks."""
    with ExitStack() as stack:
        if is_quiet:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield


@contextmanager
def errors_as_exit_codes(short_of_memory: str = SHORT_OF_MEMORY) -> Generator[None, None, None]:
    """Turns the library's errors into their message and an exit code; also a decorator.

    Args:
        short_of_memory: What is said where memory runs out: what helps differs from command to command.
    """
    handler = RichHandler(console=eye, show_time=False, show_path=False, show_level=False, markup=False)
    if not any(isinstance(one, RichHandler) for one in log.handlers):  # a command that another one runs says all once
        log.addHandler(handler)
    rank, processes = rank_and_count()
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        if isinstance(error, (typer.Exit, typer.Abort)) or processes == 1:
            code = _said(error, short_of_memory)
        else:  # whichever of several processes fails first says why, and all others end because of it
            with redirect_stderr(sys.__stderr__ or sys.stderr), quiet(not is_first_to_fail()):
                code = _said(error, short_of_memory)
                if code is None:
                    say(f"Process {rank} of {processes} failed: {type(error).__name__}: {error}", "red")
                    code = OTHER
        if code is None:
            raise
        raise typer.Exit(code) from None
    finally:
        log.removeHandler(handler)


def _said(error: BaseException, short_of_memory: str) -> int | None:
    """Says what went wrong; the exit code for it, or None where it was not foreseen."""
    if isinstance(error, KeyboardInterrupt):
        say("Interrupted. No unfinished file is left.", "yellow")
        code = INTERRUPTED
    elif isinstance(error, VaceError):
        if log.isEnabledFor(logging.DEBUG):
            eye.print_exception()
        say(str(error), "red")
        code = MODEL if isinstance(error, ModelError) else INPUT if isinstance(error, InputError) else OTHER
    elif is_short_of_memory(error):
        if log.isEnabledFor(logging.DEBUG):
            eye.print_exception()
        say(short_of_memory, "red")
        code = INPUT
    else:
        code = None
    _say_hints(error)
    return code


def hint(error: BaseException, text: str) -> None:
    """Has `text` said after the message of an error."""
    error.__dict__.setdefault(_HINTS, []).append(text)


def _say_hints(error: BaseException) -> None:
    for text in error.__dict__.get(_HINTS, ()):
        say(text, "yellow")


def say(message: str, style: str = "") -> None:
    """One message for the eye; nothing in it is markup."""
    eye.print(Text(message, style=style), soft_wrap=not eye.is_terminal)


def print_table(rows: Iterable[tuple[str, str]]) -> None:
    """Names and values in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold cyan", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(Text(name), Text(value))
    eye.print(grid)


def result(value: object) -> None:
    """What scripts read: a path as it is, anything else as one JSON document."""
    typer.echo(value if isinstance(value, str) else json.dumps(value, indent=2, default=str))


class Bars:
    """Progress of one job: pixels in, steps, pixels out."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description:<8}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=eye
        )
        self._bars: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._progress.stop()

    def show(self, what: str, done: int, total: int) -> None:
        """Moves the bar named `what`; a bar that is full starts again, as for the second half of a condition."""
        if what not in self._bars:
            self._bars[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._bars[what], completed=done, total=total)

    def on_step(self, index: int, total: int, _denoised: Tensor) -> None:
        """What a solver calls."""
        self.show("steps", index + 1, total)
