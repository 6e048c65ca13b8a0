"""`vace evaluate`: results of any method measured alike, in one table and a page with plots and videos."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import torch
from typer import Argument, Option

from ..errors import InputError
from ..evaluation.indicators import open_indicators
from ..evaluation.manifest import FILE, read_manifest, write_manifest
from ..evaluation.measures import How
from ..evaluation.report import SHOWN, markdown, write_report
from ..evaluation.results import Results, read_results, write_results
from ..evaluation.run import evaluate as measure
from ..loading.load import load_vae
from ..media.files import check_target
from ..protocols import VideoVae
from ..starter.model import WEIGHTS, part_file
from .console import Bars, errors_as_exit_codes, print_table, result, say
from .files import STARTER_NAME
from .given import check_not_among
from .models import device_of
from .options import Run

SHORT_OF_MEMORY = (
    "Memory ran out. Run the networks on the CPU with --device cpu, measure shorter or smaller clips, or close other "
    "programs that use it."
)


@errors_as_exit_codes(SHORT_OF_MEMORY)
def evaluate(
    samples: Annotated[
        Path, Argument(help="A manifest (.json), VACE-Benchmark, or a folder of clips.", show_default=False)
    ],
    *,
    method: Annotated[
        list[str] | None,
        Option(
            "--method",
            help="NAME=FOLDER: results of a method, SAMPLE.mp4 or SAMPLE/out_video.mp4. May repeat. "
            "Default: the clips themselves.",
        ),
    ] = None,
    output: Annotated[
        Path, Option("--output", "-o", help="The page, a .html; results go to a .json beside it.")
    ] = Path("evaluation.html"),
    weights: Annotated[
        Path | None, Option(help="A folder with the indicators' networks. What is not there is not measured.")
    ] = None,
    vae: Annotated[
        str | None, Option(help="A VAE, or 'starter': how near to its source any model that uses it can keep a part.")
    ] = None,
    rewritten: Annotated[bool, Option("--rewritten", help="Results were made from the rewritten prompts.")] = False,
    earlier: Annotated[
        list[Path] | None, Option("--with", help="The .json of an earlier evaluation, whose methods join. May repeat.")
    ] = None,
    show: Annotated[int, Option(min=0, help="Samples of each type that the page shows.")] = SHOWN,
    manifest: Annotated[
        Path | None, Option("--write-manifest", help="Only write what was found as a manifest, to be completed.")
    ] = None,
    device: Annotated[str, Option(help="auto, cpu, cuda, …")] = "auto",
    json: Annotated[bool, Option("--json", help="Print where page and results are as JSON.")] = False,
) -> None:
    """Measure videos: the paper's eight indicators, and what was kept, seams, drift and controls without a network."""
    items = read_manifest(samples)
    if manifest is not None:
        check_target(manifest, ".json")
        write_manifest(manifest, items)
        result(str(manifest))
        return
    check_target(output, ".html")
    check_not_among([samples, samples / FILE, *(earlier or ())], output.with_suffix(".json"))
    before = [read_results(path) for path in earlier or ()]
    folders = methods_of(method or (), samples)
    place = device_of(Run(device=device))
    indicators = open_indicators(weights, place)
    for name, why in indicators.missing.items():
        say(f"! {name}: not measured ({why})", "yellow")
    keeper = None if vae is None else _vae(vae, place)
    how = How(indicators=indicators, vae=keeper, rewritten=rewritten)
    with Bars() as bars:
        about = {
            "samples": f"{len(items)} of {samples}",
            "prompts": "rewritten" if rewritten else "original",
            "made": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        found = measure(items, folders, how, about=about, on_done=lambda done, total: bars.show("clips", done, total))
    _check_measured(found)
    now = found
    for path, one in zip(earlier or (), before, strict=True):
        if differ := now.unlike(one):
            say(f"! {path} was measured on other {' and '.join(differ)}: compare the means with care", "yellow")
        found = found.with_earlier(one, path.name)
    write_results(output.with_suffix(".json"), found)
    write_report(output, found, items, folders, shown=show)
    told = [("measured", f"{len(found.scored)} results"), ("problems", str(len(found.problems))), ("page", str(output))]
    print_table(told)
    result({"page": str(output), "results": str(output.with_suffix(".json"))} if json else markdown(found))


def _check_measured(found: Results) -> None:
    """Refuses an evaluation of nothing, which a script would take for one that went well."""
    if not found.scored:
        raise InputError(
            "evaluated-none",
            "No result could be measured: {count} problems, such as: {first} At least one result is needed. Check the "
            "folders and that results have the names of their samples.",
            count=len(found.problems),
            first=found.problems[0].message if found.problems else "No measure suits the samples.",
        )


def _vae(named: str, device: torch.device) -> VideoVae:
    """In float32: a processor is very slow with halves, in which VAEs are stored, and a floor should be one."""
    path = part_file(WEIGHTS, "vae") if named == STARTER_NAME else Path(named)
    return load_vae(path, dtype=torch.float32, device=device)


def methods_of(said: list[str] | tuple[str, ...], samples: Path) -> dict[str, Path]:
    """The folders of the methods, by name.

    Raises:
        InputError: one is not NAME=FOLDER, is no folder or comes twice; or there is none, and the samples are a file.
    """
    if not said and samples.is_dir():
        return {"clips": samples}
    found: dict[str, Path] = {}
    for one in said:
        name, equals, folder = one.partition("=")
        if not equals or not name or name in found or not Path(folder).is_dir():
            raise InputError(
                "method-wrong",
                "The method {method!r} cannot be used. NAME=FOLDER is needed, with a name of its own and an existing "
                "folder. Correct it.",
                method=one,
            )
        found[name] = Path(folder)
    if not found:
        raise InputError(
            "method-none",
            "No method was given. Results are needed to measure them. Give --method NAME=FOLDER.",
        )
    return found
