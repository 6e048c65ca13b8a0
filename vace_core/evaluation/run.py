"""An evaluation: every method's folder of results is measured sample by sample, and what fails is named and counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from torch import Tensor

from ..errors import InputError, VaceError
from ..inputs.references import on_white
from ..media.pictures import PICTURES, read_image, read_mask
from ..media.sources import VIDEOS
from ..media.video import from_uint8, read_video, to_uint8
from .indicators import Shown
from .manifest import Item
from .measures import Given, How, Made, Measured, measure
from .results import Problem, Results, Scored, problem

DECODED = "decoded"
"""The folder, among a method's results, of the same clips as they were decoded, before anything was pasted back."""

RESULTS = (*VIDEOS, ".png", ".webp", "")
OUT = "out_video"  # the official command's name of a result, in a folder of its own
PACKAGES = ("vace", "torch", "numpy", "transformers", "torchvision", "opencv-python-headless", "av")


def evaluate(
    items: Sequence[Item],
    methods: Mapping[str, Path],
    how: How,
    *,
    about: Mapping[str, str] | None = None,
    on_done: Callable[[int, int], None] | None = None,
) -> Results:
    """Measures the results of all methods.

    What is missing or damaged, of another size or length is a `Problem`; everything else is measured all the same.

    Args:
        items: The samples.
        methods: A folder of results for each name: `SAMPLE.mp4`, or any other film or folder of pictures of that name,
            or `SAMPLE/out_video.mp4`.
        how: How to measure.
        about: What a report says of the run.
        on_done: Called as (results done, results in all) after each; raising stops.
    """
    scored: list[Scored] = []
    problems: list[Problem] = []
    total = len(items) * len(methods)
    for index, item in enumerate(items):
        for number, (method, folder) in enumerate(methods.items()):
            found = _measured(item, folder, how)
            if found.values:
                scored.append(Scored(method=method, sample=item.name, task=item.task, values=found.values))
            problems += [problem(method, item.name, name, error) for name, error in found.errors]
            if on_done is not None:
                on_done(index * len(methods) + number + 1, total)
    return Results(
        # One method after the other, as the table has them.
        scored=tuple(sorted(scored, key=lambda one: list(methods).index(one.method))),
        problems=tuple(problems),
        missing=how.indicators.missing,
        versions=versions(),
        about=dict(about or {}),
    )


def find_result(folder: Path, name: str) -> Path:
    """A method's result for a sample.

    Raises:
        InputError: there is none.
    """
    # Folders of pictures last: the official command writes its references beside its out_video.mp4.
    for ending in RESULTS:
        for place in (folder / name, folder / name / OUT):
            for spelt in (ending, ending.upper()):  # cameras write fox.MP4
                path = place.with_name(place.name + spelt)
                if path.is_file() or (not ending and path.is_dir() and _holds_pictures(path)):
                    return path
    raise InputError(
        "result-missing",
        "There is no result {name} in {folder}. A video of that name is needed, such as {name}.mp4, or "
        "{name}/out_video.mp4. Check the folder and the names.",
        name=name,
        folder=folder,
    )


def read_reference(path: Path) -> Tensor:
    """A reference image `(H, W, 3)` uint8 as the model is shown it: on white where it is transparent.

    Raises:
        InputError: it cannot be read.
    """
    picture, alpha = read_image(path)
    if alpha is None:
        return picture
    return to_uint8(on_white(from_uint8(picture), alpha[None, None, None].float() / 255))[0]


def _holds_pictures(folder: Path) -> bool:
    return any(file.suffix.lower() in PICTURES for file in folder.iterdir())


def versions() -> dict[str, str]:
    """The versions of what measures, of those that are installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _measured(item: Item, folder: Path, how: How) -> Measured:
    """The values of one result."""
    try:
        clip = read_video(find_result(folder, item.name))
    except VaceError as error:
        return Measured(errors=[("", error)])
    prompt = item.rewritten if how.rewritten else item.prompt
    edited, control = item.edited, item.followed
    made = Made(
        shown=Shown(frames=clip.frames, fps=clip.fps, prompt=prompt),
        original=_given(item.video),
        source=_given(edited),
        mask=None if edited is None or item.mask is None else _given_mask(item.mask),
        decoded=_decoded(folder, item.name),
        control=_given(control),
        control_kind=item.control_kind,
        references=(lambda: [read_reference(path) for path in item.references]) if item.references else None,
    )
    return measure(made, how)


def _given(path: Path | None) -> Given | None:
    return None if path is None else Given(name=str(path), read=lambda: from_uint8(read_video(path).frames))


def _given_mask(path: Path) -> Given:
    return Given(name=str(path), read=lambda: read_mask(path)[None, None])


def _decoded(folder: Path, name: str) -> Given | None:
    """The clip as it was decoded, where a method has such clips at all."""
    place = folder / DECODED
    if not place.is_dir():
        return None
    return Given(name=f"{place / name}", read=lambda: from_uint8(read_video(find_result(place, name)).frames))
