"""`vace data`: raw videos become a folder that `vace train` learns from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import torch
from typer import Argument, Option

from ..errors import InputError, ModelError, shortened
from ..evaluation.indicators import open_indicators
from ..media.sources import open_footage
from ..training.construction import networks
from ..training.construction.build import BARS, CAPTION, How, Tools
from ..training.construction.captions import GivenCaptions, read_captions
from ..training.construction.films import Film, films_in, shard_of
from ..training.construction.filters import MOST, Limits
from ..training.construction.folder import OutputFolder, begun
from ..training.construction.given import MADE_OF, changes, given
from ..training.construction.make import Summary, make_clips, summarise
from ..training.construction.pose import load_pose
from ..training.construction.references import Changes
from ..training.construction.shots import DETECTORS
from ..training.data.sources import named
from .console import Bars, errors_as_exit_codes, print_table, result, say
from .models import device_of
from .options import Run

NETWORKS, FILTERING = "Networks, each a folder in the format of transformers", "What is kept"
GIVE_CAPTIONS = "write fox.txt beside fox.mp4 or give --captions"
MOST_FAULTS = 8  # that are printed
SHORT_OF_MEMORY = (
    "Memory ran out. Run the networks on the CPU with --device cpu, begin another folder with a lower --longest or "
    "--shorter-side, or close other programs that use it."
)
_LIMITS = ", ".join(f"{name}={'off' if value is None else f'{value:g}'}" for name, value in asdict(Limits()).items())


@errors_as_exit_codes(SHORT_OF_MEMORY)
def data(
    raw: Annotated[Path, Argument(help="A folder of videos; subfolders are looked through.", show_default=False)],
    out: Annotated[Path, Argument(help="Gets clips/, sheets/ and records/; goes on if begun.", show_default=False)],
    *,
    shots: Annotated[str, Option(help=f"How cuts are found: {', '.join(DETECTORS)}.")] = "adaptive",
    longest: Annotated[float, Option(help="Seconds; longer shots are divided.")] = 10.0,
    shorter_side: Annotated[
        int, Option("--shorter-side", min=0, help="Pixels; larger videos are scaled down to it. 0 = as they are.")
    ] = 720,
    filters: Annotated[
        list[str] | None,
        Option("--filter", help=f"NAME=NUMBER or NAME=off; may repeat. {_LIMITS}.", rich_help_panel=FILTERING),
    ] = None,
    bars: Annotated[str, Option(help=f"Black bars: {', '.join(BARS)}.", rich_help_panel=FILTERING)] = "cut",
    objects: Annotated[
        str, Option(help="What the detector looks for, separated by full stops.", rich_help_panel=FILTERING)
    ] = "person. animal. vehicle. face.",
    augment: Annotated[
        bool, Option("--augment/--no-augment", help="Change references a little.", rich_help_panel=FILTERING)
    ] = True,
    seed: Annotated[int, Option(min=0, help="Of what is drawn for references.", rich_help_panel=FILTERING)] = 0,
    captions: Annotated[
        Path | None,
        Option(help="A .csv of video (a name in its folder or RAW) and prompt; fox.txt beside fox.mp4 goes first."),
    ] = None,
    captioner: Annotated[
        Path | None, Option(help="Describes clips without a caption; any VLM.", rich_help_panel=NETWORKS)
    ] = None,
    name_objects: Annotated[
        bool, Option("--name-objects", help="The captioner says what to look for.", rich_help_panel=NETWORKS)
    ] = False,
    detector: Annotated[
        Path | None, Option(help="Finds objects in first frames: Grounding DINO.", rich_help_panel=NETWORKS)
    ] = None,
    segmenter: Annotated[
        Path | None, Option(help="Follows objects: SAM 2 video. Default: GrabCut and flow.", rich_help_panel=NETWORKS)
    ] = None,
    depth: Annotated[Path | None, Option(help="Depth Anything or DPT.", rich_help_panel=NETWORKS)] = None,
    pose: Annotated[Path | None, Option(help="ViTPose, for objects called person.", rich_help_panel=NETWORKS)] = None,
    weights: Annotated[
        Path | None, Option(help="As for evaluate: clip-l14/ and aesthetic.safetensors.", rich_help_panel=NETWORKS)
    ] = None,
    shard: Annotated[str, Option(help="i/n: the i-th of n processes, each in one OUT.")] = "1/1",
    retry: Annotated[
        bool, Option("--retry", help="Try again what could not be used before, though nothing of it changed.")
    ] = False,
    dry_run: Annotated[bool, Option("--dry-run", help="Only says what would happen.")] = False,
    device: Annotated[str, Option(help="auto, cpu, cuda, …")] = "auto",
    json: Annotated[bool, Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Make a training folder out of raw videos: shots, filters, captions, masks, references and controls.

    Stopped at any time, the same command goes on with the shot it was at. Boxes of objects may lie beside a video:
    fox.boxes.json holds [{"box": [0.1, 0.2, 0.5, 0.9], "label": "fox", "time": 0}]: left, top, right and bottom in
    fractions of the frame.
    """
    how = How(
        shots=shots, longest=longest, shorter_side=shorter_side or None, bars=bars, seed=seed,
        limits=Limits().with_changes(filters or ()), objects=_words(objects), changes=Changes() if augment else None,
    )  # fmt: skip
    if name_objects and captioner is None:
        raise InputError(
            "data-names-without-captioner",
            "--name-objects was given without --captioner. The network that names objects is needed. Give --captioner.",
        )
    folders = {
        "captioner": captioner, "detector": detector, "segmenter": segmenter, "depth": depth, "pose": pose,
        "weights": weights,
    }  # fmt: skip
    used = {name: str(path) for name, path in folders.items() if path is not None}
    settings = how.told() | used | ({"name_objects": True} if name_objects else {})
    found, aside = films_in(raw, out)
    ours = shard_of(found, *_shard(shard))
    said = read_captions(captions, raw, found)
    for fault in said.faults:
        say(f"! {fault}", "yellow")
    if dry_run:
        _plan(ours, len(found), _aside(aside, raw), out, settings, said)
        return
    if captioner is None and not _captioned(ours, said):
        say(f"! No video has a caption, and clips without one are dropped: {GIVE_CAPTIONS} or --captioner.", "yellow")
    folder = OutputFolder(out, settings)
    tools = _tools(folders, device_of(Run(device=device)), name_objects)
    with Bars() as progress:
        make_clips(
            ours, folder, how, tools, said, retry=retry, on_film=lambda done, of: progress.show("videos", done, of)
        )
    summary = summarise(folder)
    folder.summarise(asdict(summary))
    print_table([*_told(summary, how.limits), *_aside(aside, raw)])
    result(asdict(summary) if json else str(folder.clips))


def _tools(folders: dict[str, Path | None], device: torch.device, name_objects: bool) -> Tools:
    """The networks whose folders were given."""
    loaders: dict[str, tuple[str, Any]] = {
        "captioner": ("caption", networks.load_captioner), "detector": ("detect", networks.load_detector),
        "segmenter": ("track", networks.load_segmenter), "depth": ("depth", networks.load_depth),
        "pose": ("pose", load_pose),
    }  # fmt: skip
    found: dict[str, Any] = {
        tool: load(path, device) for name, (tool, load) in loaders.items() if (path := folders[name]) is not None
    }
    captioner, weights = folders["captioner"], folders["weights"]
    if name_objects and captioner is not None:
        found["names"] = networks.load_captioner(captioner, device, ask=networks.NAME)
    if weights is not None:
        indicators = open_indicators(weights, device)
        if "aesthetic quality" not in indicators.measured:
            raise ModelError(
                "data-aesthetic",
                "The weights {weights} do not hold what measures the aesthetic score ({why}). clip-l14/ and "
                "aesthetic.safetensors are needed. Complete the folder, or leave --weights out.",
                weights=weights,
                why=indicators.missing.get("aesthetic quality", "they are not there"),
            )
        found["aesthetic"] = indicators.measured["aesthetic quality"]
    return Tools(**found)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(".") if word.strip())


def _shard(text: str) -> tuple[int, int]:
    part, _, of = text.partition("/")
    try:
        return int(part), int(of)
    except ValueError as error:
        raise InputError(
            "data-shard-unreadable",
            'The shard is "{text}". i/n is needed, such as 1/3. Correct it.',
            text=shortened(text),
        ) from error


def _captioned(films: Sequence[Film], said: GivenCaptions) -> int:
    """How many films have a caption; one that cannot be read is named when its film is looked at."""
    count = 0
    for film in films:
        with suppress(InputError):
            count += bool(said.of(film.path))
    return count


def _plan(
    ours: Sequence[Film],
    total: int,
    aside: list[tuple[str, str]],
    out: Path,
    settings: dict[str, Any],
    said: GivenCaptions,
) -> None:
    """Says what would be done, from the headers alone."""
    there = OutputFolder(out, settings) if begun(out) else None
    left = [film for film in ours if there is None or not _done(film, there, said)]
    seconds, captioned, faults = 0.0, _captioned(left, said), dict[str, str]()
    for film in left:
        try:
            seconds += open_footage(film.path).seconds
        except InputError as error:
            faults[film.name] = str(error)
    print_table(
        [
            ("videos", f"{total}, of which this process has {len(ours)}; {len(ours) - len(left)} are done"),
            ("to do", f"{len(left)} videos, {seconds:.1f} s"),
            ("captions", f"given for {captioned} of them"),
            *aside,
            *((f"! {name}", fault) for name, fault in faults.items()),
            *((name, str(value)) for name, value in settings.items()),
        ]
    )
    counts = {"videos": total, "ours": len(ours), "to do": len(left), "captioned": captioned}
    result(counts | {"seconds": round(seconds, 2), "faults": faults})


def _done(film: Film, out: OutputFolder, said: GivenCaptions) -> bool:
    """Whether a film is done, of what it is now."""
    record = out.film(film.name)
    was = None if record is None else record.get(MADE_OF)
    return record is not None and not changes(was, given(film, said, was))


def _aside(files: Sequence[Path], raw: Path) -> list[tuple[str, str]]:
    """What is in the folder of raw videos and is none of them."""
    told = f"{len(files)} files that are no video by their ending, or a part of a clip: {named(files, raw)}"
    return [("left aside", told)] if files else []


def _dropped(summary: Summary, limits: Limits) -> list[tuple[str, str]]:
    """A row for each filter that dropped anything: what came, what is needed, what to do."""
    rows: list[tuple[str, str]] = []
    for name, count in summary.dropped.items():
        if name == CAPTION:
            text = f"no caption; {GIVE_CAPTIONS}, and the same command; or --captioner and a new OUT"
        elif name in summary.beyond:
            low, high = summary.beyond[name]
            came = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            edge, all_kept = ("at most", math.ceil(1e4 * high)) if name in MOST else ("at least", math.floor(1e4 * low))
            limit = f"{edge} {getattr(limits, name):g} is kept"
            text = f"{came}, {limit}; to keep all --filter {name}={all_kept / 1e4:g} and a new OUT"
        else:
            text = "black bars; to keep them --bars cut or keep and a new OUT"
        rows.append((f"- {name}", f"{count}: {text}"))
    return rows


def _told(summary: Summary, limits: Limits) -> list[tuple[str, str]]:
    def counted(counts: Any) -> str:
        return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"

    faults = list(summary.faults.items())
    rows = [
        ("videos", str(summary.films)),
        ("shots", str(summary.shots)),
        ("clips", f"{summary.clips}, {summary.seconds:g} s"),
        ("dropped", str(sum(summary.dropped.values()))),
        *_dropped(summary, limits),
        ("objects", f"{summary.objects}; left out: {counted(summary.objects_dropped)}"),
        ("references", str(summary.references)),
        ("clips for tasks", counted(summary.tasks)),
        ("not usable", str(len(faults))),
        *((f"! {name}", fault) for name, fault in faults[:MOST_FAULTS]),
    ]
    return rows + ([("", f"and {len(faults) - MOST_FAULTS} more, in the summary")] if len(faults) > MOST_FAULTS else [])
