"""An evaluation: every method's folder of results is measured sample by sample, and what fails is named and counted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError, VaceError
from ..media.pictures import read_image, read_mask
from ..media.video import from_uint8, read_video
from ..pipeline.composite import composite
from ..protocols import VideoVae
from . import edits, vbench
from .indicators import Indicators, Shown
from .manifest import VIDEOS, Item
from .results import Problem, Results, Scored, problem

Found = TypeVar("Found")

DECODED = "decoded"
"""The folder, among a method's results, of the same clips as they were decoded, before anything was pasted back."""

RESULTS = (*VIDEOS, ".png", ".webp", "")
OUT = "out_video"  # the official command's name of a result, in a folder of its own
PACKAGES = ("vace", "torch", "numpy", "transformers", "torchvision", "opencv-python-headless", "av")


@dataclass(frozen=True, kw_only=True)
class How:
    """How results are measured.

    Attributes:
        indicators: Those of the paper that can be measured.
        vae: Tells the floor of the kept part; None = it is not measured.
        rewritten: Whether results were made from the rewritten prompts, and are compared with these.
    """

    indicators: Indicators
    vae: VideoVae | None = None
    rewritten: bool = False


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
            found = _Measured(item, method, how)
            found.measure(folder)
            if found.values:
                scored.append(Scored(method=method, sample=item.name, task=item.task, values=found.values))
            problems += found.problems
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
    for place in (folder / name, folder / name / OUT):
        for ending in RESULTS:
            path = place.with_name(place.name + ending)
            if path.is_file() or (not ending and path.is_dir() and any(path.glob("*.png"))):
                return path
    raise InputError(
        "result-missing",
        "There is no result {name} in {folder}. A video of that name is needed, such as {name}.mp4, or "
        "{name}/out_video.mp4. Check the folder and the names.",
        name=name,
        folder=folder,
    )


def versions() -> dict[str, str]:
    """The versions of what measures, of those that are installed."""
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


class _Measured:
    """The values of one result; each measure on its own, so that one that fails takes no other with it."""

    def __init__(self, item: Item, method: str, how: How) -> None:
        self._item, self._method, self._how = item, method, how
        self.values: dict[str, float] = {}
        self.problems: list[Problem] = []

    def measure(self, folder: Path) -> None:
        clip = self._try("", lambda: read_video(find_result(folder, self._item.name)))
        if clip is None:
            return
        item, how = self._item, self._how
        prompt = item.rewritten if how.rewritten else item.prompt
        shown = Shown(frames=clip.frames, fps=clip.fps, prompt=prompt)
        for name, indicator in how.indicators.measured.items():
            if name == "overall consistency" and not prompt:
                continue
            self._add(name, lambda indicator=indicator: indicator(shown))
        frames = from_uint8(clip.frames)
        self._add("drift", lambda: edits.drift(frames, self._like(item.video, frames)))
        kind, control = item.control_kind, item.followed
        if control is not None and kind is not None and kind in edits.CONTROLS:
            self._add("control followed", lambda: edits.CONTROLS[kind](frames, self._needed(control, frames)))
        if item.edited is not None and item.mask is not None:
            self._edit(item.edited, item.mask, frames, folder)
        embed = how.indicators.embed
        if item.references and embed is not None:
            self._add("identity", lambda: edits.identity(embed(vbench.dino_images(clip.frames)), _shown(item, embed)))

    def _edit(self, edited: Path, mask: Path, frames: Tensor, folder: Path) -> None:
        masks = self._try("kept part", lambda: _mask(mask, frames))
        source = self._try("kept part", lambda: self._needed(edited, frames))
        if masks is None:
            return
        self._add("seam", lambda: edits.seam(frames, masks))
        self._add("seam in time", lambda: edits.time_seam(frames, masks))
        if source is None:
            return
        self._add("kept part, result", lambda: edits.kept_error(frames, source, masks))
        if (folder / DECODED).is_dir():

            def decoded() -> float:
                film = read_video(find_result(folder / DECODED, self._item.name))
                return edits.kept_error(_alike(from_uint8(film.frames), frames, film.path), source, masks)

            self._add("kept part, decoded", decoded)
        vae = self._how.vae
        if vae is not None:
            # Holes are closed with what was generated: an edge of gray would cost what no real picture does.
            whole = composite(frames, source, masks)
            self._add("kept part, VAE floor", lambda: edits.kept_error(through(vae, whole), source, masks))

    def _add(self, name: str, measure: Callable[[], float]) -> None:
        value = self._try(name, measure)
        if value is not None and not math.isnan(value):
            self.values[name] = value

    def _try(self, name: str, work: Callable[[], Found]) -> Found | None:
        try:
            return work()
        except VaceError as error:
            self.problems.append(problem(self._method, self._item.name, name, error))
            return None

    def _needed(self, path: Path, frames: Tensor) -> Tensor:
        return _alike(from_uint8(read_video(path).frames), frames, path)

    def _like(self, path: Path | None, frames: Tensor) -> Tensor | None:
        return None if path is None else self._needed(path, frames)


def through(vae: VideoVae, frames: Tensor) -> Tensor:
    """`frames` `(1, 3, T, H, W)` encoded and decoded, of the same size.

    What the VAE's grid asks for is added at the end, right and below as copies of the edge, and taken away again.
    """
    count, height, width = frames.shape[2:]
    more = vae.grid.nearest_lengths(count)[1] - count
    right, below = (-side % vae.grid.pixels for side in (width, height))
    padded = functional.pad(frames, (0, right, 0, below, 0, more), mode="replicate")
    return vae.decode(vae.encode(padded))[:, :, :count, :height, :width].float().cpu()


def _mask(path: Path, frames: Tensor) -> Tensor:
    mask = read_mask(path)[None, None]
    if mask.shape[2] == 1:
        mask = mask.expand(-1, -1, frames.shape[2], -1, -1)
    return _alike(mask, frames, path)


def _alike(other: Tensor, frames: Tensor, path: Path | None) -> Tensor:
    """`other`, which is of the size and length of `frames`.

    Raises:
        InputError: it is not.
    """
    ours, theirs = (tuple(one.shape[2:]) for one in (frames, other))
    if ours != theirs:
        raise InputError(
            "result-size",
            "The result has {frames} frames of {width} x {height}, and {path} has {other_frames} of "
            "{other_width} x {other_height}. The same are needed to compare them. Generate or export one to match.",
            frames=ours[0],
            width=ours[2],
            height=ours[1],
            path=path,
            other_frames=theirs[0],
            other_width=theirs[2],
            other_height=theirs[1],
        )
    return other


def _shown(item: Item, embed: Callable[[Tensor], Tensor]) -> Tensor:
    """Features of an item's references, `(R, D)`."""
    pictures = [read_image(path)[0] for path in item.references]
    return torch.cat([embed(vbench.dino_images(picture[None])) for picture in pictures])
