"""Commands that are no tasks: jobs gone on with, a window made again, files inspected, models split, words listed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Context, Option

from ..files.checkpoint import WEIGHTS
from ..inputs import fitting
from ..inputs.fitted import Fitted, Source, Target, fit_clip
from ..loading import repack
from ..loading.inspect import ModelFile, inspect
from ..media.footage import Footage
from ..media.stills import PICTURES
from ..models import FAMILIES
from ..starter.scenes.captions import SYNONYMS, WORDS, caption
from ..starter.scenes.clips import HELD_OUT
from ..starter.scenes.paths import FACE_MOTIONS, MOTIONS, PERSON_MOTIONS
from ..starter.scenes.scene import random_scene
from .console import errors_as_exit_codes, print_table, result
from .inputs import open_film
from .jobs import Redo, go_on
from .models import STARTER
from .options import Wanted

AsJson = Annotated[bool, Option("--json", help="Print JSON on standard output.")]
NewFile = Annotated[Path, Argument(help="A .safetensors to write.", show_default=False)]
RULES = {name: rule for family in FAMILIES for name, rule in family.presets.items()} | {"starter": STARTER.rule}


@errors_as_exit_codes()
def inspect_file(
    file: Annotated[
        Path, Argument(help="A model's file or folder, a video, an image or a folder of them.", show_default=False)
    ],
    *,
    json: AsJson = False,
) -> None:
    """Say what a model file is and needs, or how a video or image would be fitted to each model."""
    if _is_model(file):
        found = inspect(file)
        rows, data = _about_model(found), found.to_json()
    else:
        rows, data = _about_clip(open_film(file, Wanted()))
    print_table(rows)
    if json:
        result(data)


@errors_as_exit_codes()
def resume(
    context: Context,
    job: Annotated[Path, Argument(help="The folder OUTPUT.vace-job that the job left.", show_default=False)],
    *,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write the result here instead of where it was to go.")
    ] = None,
) -> None:
    """Go on with a job that was interrupted or could not be written, from its last finished step.

    The result is the one that the job would have had, bit for bit. Its files and its model must be what they were.
    """
    go_on(context, job, output)


@errors_as_exit_codes()
def redo(
    context: Context,
    job: Annotated[Path, Argument(help="The folder OUTPUT.vace-job of a clip made by windows.", show_default=False)],
    *,
    window: Annotated[int, Option("--window", "-w", min=0, help="Its number, as vace plan counts; the first is 0.")],
    seed: Annotated[int | None, Option(min=0, help="Of its noise. Default: the one that it had.")] = None,
    and_after: Annotated[
        bool,
        Option("--and-after", help="Make the windows behind it anew too, up to the next hard cut."),
    ] = False,
    output: Annotated[
        Path | None, Option("--output", "-o", help="Write the result here instead of in place of the one before.")
    ] = None,
) -> None:
    """Make one window of a long clip again; all others stay as they are, bit for bit.

    It leads from the window before up to the first frames of the one behind. The windows are in OUTPUT.vace-job, as
    films that can be watched; prompts, strengths and seeds may be changed in its windows.json before.
    """
    go_on(context, job, output, Redo(window=window, seed=seed, and_after=and_after))


@errors_as_exit_codes()
def split(
    model: Annotated[Path, Argument(help="A full VACE checkpoint: base model and adapter.", show_default=False)],
    base: NewFile,
    adapter: NewFile,
) -> None:
    """Split a full VACE checkpoint into a base model file and an adapter file, bit for bit.

    What else the file holds, such as a VAE, stays with the base model.
    """
    repack.split_model(model, base, adapter)
    result(f"{base}\n{adapter}")


@errors_as_exit_codes()
def join_weights(
    base: Annotated[Path, Argument(help="A base model without adapter.", show_default=False)],
    adapter: Annotated[Path, Argument(help="A VACE adapter that fits it.", show_default=False)],
    output: NewFile,
) -> None:
    """Join a base model and an adapter into one full checkpoint; undoes split."""
    repack.join_model(base, adapter, output)
    result(str(output))


@errors_as_exit_codes()
def words(*, json: AsJson = False) -> None:
    """List the words that the starter model understands.

    It reads many others as one of these, such as "scarlet" as "red"; what it does not know it leaves out, and says so.
    """
    motions = dict.fromkeys((*MOTIONS, *PERSON_MOTIONS, *FACE_MOTIONS))
    alike: dict[str, list[str]] = {}
    for word, meant in SYNONYMS.items():
        alike.setdefault(meant, []).append(word)
    rows = [("words", " ".join(WORDS)), ("motions", ", ".join(motions))]
    rows.append(("read as", "; ".join(f"{meant}: {' '.join(words)}" for meant, words in alike.items())))
    print_table(rows)
    print_table(("such as", caption(random_scene(f"{HELD_OUT} {number}"), plain=True)) for number in range(4))
    if json:
        result(list(WORDS))


COMMANDS: dict[str, Callable[..., None]] = {
    "resume": resume,
    "redo": redo,
    "inspect": inspect_file,
    "split": split,
    "join-weights": join_weights,
    "words": words,
}


def _is_model(path: Path) -> bool:
    """Whether it is to be read as a model; a folder of images alone is a clip."""
    told = (*WEIGHTS, ".json", ".pth", ".pt", ".ckpt", ".bin")
    if not path.is_dir():
        return path.suffix.lower() in told
    inside = {file.suffix.lower() for file in path.iterdir()}
    return not inside & {*PICTURES} or bool(inside & {*told})


def _about_model(found: ModelFile) -> list[tuple[str, str]]:
    parts = ", ".join(f"{part} {count:,}" for part, count in found.parameters.items())
    sizes = {"width": found.width, "ffn": found.ffn, "blocks": found.layers, "hints at": found.context_layers}
    rows = [
        ("file", str(found.path)),
        ("family", found.family),
        ("holds", found.kind + (f", {found.noise} noise" if found.noise else "")),
        ("stored", f"{found.container}, {found.storage}, {found.bytes / 2**30:.2f} GiB, {found.naming} names"),
        ("weights", parts),
        *((name, str(value)) for name, value in sizes.items() if value is not None),
        ("fits", found.fits),
    ]
    return [*rows, *(("needs", need) for need in found.needs)]


def _about_clip(film: Footage) -> tuple[list[tuple[str, str]], dict[str, Any]]:
    count, height, width = film.count, film.height, film.width
    source = Source(frames=film, fps=film.fps, times=film.times, aspect=float(film.aspect))
    fits = {
        name: fit_clip(source, Target(takes=rule, all_frames=True, any_length=True)) for name, rule in RULES.items()
    }
    clips = {"file": str(film.path), "frames": count, "width": width, "height": height, "fps": film.fps}
    rows = [("file", str(film.path)), *(("note", note) for note in film.notes)]
    rows += [(name, _about_fit(fit)) for name, fit in fits.items()]
    return rows, clips | {"fits": {name: asdict(fit.plan) for name, fit in fits.items()}}


def _about_fit(fit: Fitted) -> str:
    by_windows = f" It goes by windows of {fit.most}." if fit.most and fit.plan.num_frames > fit.most else ""
    return fitting.report(fit.plan) + by_windows
