"""`vace study`: the page on which raters judge videos blind, and the scores of what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from ..evaluation.manifest import read_manifest
from ..evaluation.study import KEY, PAGE, make_study, read_opinions, scores_json, scores_table
from .console import errors_as_exit_codes, print_table, result, say
from .evaluate import methods_of

studies = Typer(
    help="A blind study: raters judge videos from 1 to 5, several methods are compared.", no_args_is_help=True
)


@studies.command("make")
@errors_as_exit_codes()
def make(
    samples: Annotated[Path, Argument(help="A manifest, VACE-Benchmark or a folder of clips.", show_default=False)],
    folder: Annotated[Path, Argument(help="Gets study/ for the raters and key.json for you.", show_default=False)],
    *,
    method: Annotated[list[str] | None, Option("--method", help="NAME=FOLDER, as for evaluate. May repeat.")] = None,
) -> None:
    """Make the page that raters open: all clips without names, in another order for everybody."""
    count, problems = make_study(folder, read_manifest(samples), methods_of(method or (), samples))
    for one in problems:
        say(f"! {one.message}", "yellow")
    print_table([("clips", str(count)), ("left out", str(len(problems))), ("stays with you", str(folder / KEY))])
    result(str(folder / "study" / PAGE))


@studies.command("score")
@errors_as_exit_codes()
def score(
    key: Annotated[Path, Argument(help="The key.json of the study.", show_default=False)],
    ratings: Annotated[list[Path], Argument(help="The files that raters saved.", show_default=False)],
    *,
    json: Annotated[bool, Option("--json", help="Print JSON.")] = False,
) -> None:
    """Mean opinion scores with 95 % confidence intervals, and every two methods compared."""
    opinions = read_opinions(key, ratings)
    for one in opinions.problems:
        say(f"! {one.message}", "yellow")
    print_table([("raters", str(len(opinions.raters))), ("not used", str(len(opinions.problems)))])
    result(scores_json(opinions) if json else scores_table(opinions))
