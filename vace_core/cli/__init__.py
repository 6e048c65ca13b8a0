"""The command `vace`: every task from a terminal.

`tasks` has one function per task, `options` what they share, `where` where and when conditions act, `inputs` the input
files, `editing` clips that are edited, `files` and `models` the model, `run` runs a task, `film` adds the rest of the
video around its result, `jobs` keeps what a job has come to, `long` makes clips by windows, `console` prints; `plan`,
`tools`, `demo`, `data`, `train`, `ablate`, `evaluate` and `study` are the commands that are no tasks.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper
from typing import Annotated

from typer import Exit, Option, Typer

from .. import __version__
from ..pipeline.parallel.processes import rank_and_count
from . import ablate, data, demo, evaluate, plan, study, tools, train
from .console import EXIT_CODES, quiet, result, set_debug
from .jobs import Remembering
from .options import Sheet
from .run import preview, run
from .spread import spread
from .tasks import TASKS
from .where import FullRun

app = Typer(
    cls=Remembering,
    help="Video creation and editing with VACE: one model, every task.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
)
previews = Typer(help="Preview a task as a contact sheet, without a model.", no_args_is_help=True)


def show_version(wanted: bool) -> None:
    """Says the version and ends."""
    if wanted:
        result(__version__)
        raise Exit


@app.callback()
def common(
    debug: Annotated[bool, Option("--debug", help="Show errors with their traceback.")] = False,
    _version: Annotated[
        bool, Option("--version", help="Show the version.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """Video creation and editing with VACE: one model, every task."""
    set_debug(debug)


app.command("demo")(demo.demo)
for task in TASKS:
    app.command(task.__name__)(spread(task, FullRun, run))
    previews.command(task.__name__)(spread(task, Sheet, preview))
app.add_typer(previews, name="preview")
app.command("plan")(plan.plan)
app.command("data")(data.data)
app.command("train")(train.train)
app.command("ablate")(ablate.ablate)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(study.studies, name="study")
for name, tool in tools.COMMANDS.items():
    app.command(name)(tool)


def main() -> None:
    """Runs the command; the exit code is that of the help."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # what a terminal has no letter for does not stop the job
    with quiet(is_quiet=rank_and_count()[0] > 0):
        app()
