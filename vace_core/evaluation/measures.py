"""All that is measured of one video, for the command and the node: each on its own, and what fails is named."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from ..errors import InputError, VaceError
from ..media.video import from_uint8
from ..pipeline.composite import composite
from ..protocols import VideoVae
from . import edits, vbench
from .backbones import Embed
from .indicators import Indicators, Shown

Found = TypeVar("Found")

KEPT = "kept part"


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


@dataclass(frozen=True, kw_only=True, eq=False)
class Given:
    """A clip that the video is compared with.

    Attributes:
        name: Where it is from, for messages.
        read: Gives it, `(1, C, T, H, W)`; raises `VaceError` where it cannot be read.
    """

    name: str
    read: Callable[[], Tensor]


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """A video, and what it was made from.

    Attributes:
        shown: The video, with its prompt.
        original: The true clip, -1..1, whose own change of colour is no drift.
        source: What is kept where the mask is 0, -1..1.
        mask: Of the source, 1 = generated; a single frame counts for all.
        decoded: The video before kept pixels were pasted back, -1..1.
        control: What was to be followed, -1..1.
        control_kind: What it shows, of which `edits.CONTROLS` can be measured.
        references: Gives the reference images, each `(H, W, 3)` uint8; None = there are none.
    """

    shown: Shown
    original: Given | None = None
    source: Given | None = None
    mask: Given | None = None
    decoded: Given | None = None
    control: Given | None = None
    control_kind: str | None = None
    references: Callable[[], Sequence[Tensor]] | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was measured of one video.

    Attributes:
        values: By the names of `results.PLAIN` and `vbench.BOUNDS`; what there is nothing to measure of is not there.
        errors: What could not be measured and why.
    """

    values: dict[str, float] = field(default_factory=dict[str, float])
    errors: list[tuple[str, VaceError]] = field(default_factory=list[tuple[str, VaceError]])


def measure(made: Made, how: How, *, before_each: Callable[[], None] | None = None) -> Measured:
    """Everything that can be measured of a video.

    Args:
        made: The video and what it is compared with.
        how: Which networks measure.
        before_each: Called before each measure; raising anything but `VaceError` stops.
    """
    work = _Work(before_each or (lambda: None))
    shown, embed = made.shown, how.indicators.embed
    for name, indicator in how.indicators.measured.items():
        if name != "overall consistency" or shown.prompt:
            work.add(name, lambda indicator=indicator: indicator(shown))
    frames = from_uint8(shown.frames)
    original, control, kind = made.original, made.control, made.control_kind
    work.add("drift", lambda: edits.drift(frames, None if original is None else _like(frames, original)))
    if control is not None and kind is not None and kind in edits.CONTROLS:
        work.add("control followed", lambda: edits.CONTROLS[kind](frames, _like(frames, control)))
    if made.mask is not None:
        _edit(work, made, made.mask, frames, how.vae)
    references = made.references
    if references is not None and embed is not None:
        work.add("identity", lambda: edits.identity(_features(shown.frames, embed), _seen(references(), embed)))
    return work.found


def through(vae: VideoVae, frames: Tensor) -> Tensor:
    """`frames` `(1, 3, T, H, W)` encoded and decoded, of the same size.

    What the VAE's grid asks for is added at the end, right and below as copies of the edge, and taken away again.
    """
    count, height, width = frames.shape[2:]
    more = vae.grid.nearest_lengths(count)[1] - count
    right, below = (-side % vae.grid.pixels for side in (width, height))
    padded = functional.pad(frames, (0, right, 0, below, 0, more), mode="replicate")
    return vae.decode(vae.encode(padded))[:, :, :count, :height, :width].float().cpu()


class _Work:
    """What is found, measure by measure, so that one that fails takes no other with it."""

    def __init__(self, before_each: Callable[[], None]) -> None:
        self.found, self._before_each = Measured(), before_each

    def add(self, name: str, work: Callable[[], float]) -> None:
        self._before_each()
        value = self.tried(name, work)
        if value is not None and not math.isnan(value):
            self.found.values[name] = value

    def tried(self, name: str, work: Callable[[], Found]) -> Found | None:
        try:
            return work()
        except VaceError as error:
            self.found.errors.append((name, error))
            return None


def _edit(work: _Work, made: Made, mask: Given, frames: Tensor, vae: VideoVae | None) -> None:
    """What was kept, and how visible it is where that ends."""
    masks = work.tried(KEPT, lambda: _like(frames, mask, for_all=True))
    given, decoded = made.source, made.decoded
    source = None if given is None else work.tried(KEPT, lambda: _like(frames, given))
    if masks is None:
        return
    work.add("seam", lambda: edits.seam(frames, masks))
    work.add("seam in time", lambda: edits.time_seam(frames, masks))
    if source is None:
        return
    work.add(f"{KEPT}, result", lambda: edits.kept_error(frames, source, masks))
    if decoded is not None:
        work.add(f"{KEPT}, decoded", lambda: edits.kept_error(_like(frames, decoded), source, masks))
    if vae is not None:
        # Holes are closed with what was generated: an edge of gray would cost what no real picture does.
        whole = composite(frames, source, masks)
        work.add(f"{KEPT}, VAE floor", lambda: edits.kept_error(through(vae, whole), source, masks))


def _features(frames: Tensor, embed: Embed) -> Tensor:
    """`(T, D)` of frames `(T, H, W, 3)` uint8."""
    return embed(vbench.dino_images(frames))


def _seen(pictures: Sequence[Tensor], embed: Embed) -> Tensor:
    """Features of reference images, each of a size of its own, `(R, D)`."""
    return torch.cat([_features(picture[None], embed) for picture in pictures])


def _like(frames: Tensor, given: Given, *, for_all: bool = False) -> Tensor:
    """A clip of the size and length of `frames`.

    Args:
        frames: The video.
        given: The clip.
        for_all: Whether its only frame may count for every one.

    Raises:
        InputError: it is of another size or length.
        VaceError: it cannot be read.
    """
    other = given.read()
    if for_all and other.shape[2] == 1:
        other = other.expand(-1, -1, frames.shape[2], -1, -1)
    ours, theirs = (tuple(one.shape[2:]) for one in (frames, other))
    if ours != theirs:
        raise InputError(
            "result-size",
            "The result has {frames} frames of {width} x {height}, and {path} has {other_frames} of "
            "{other_width} x {other_height}. The same are needed to compare them. Generate or export one to match.",
            frames=ours[0],
            width=ours[2],
            height=ours[1],
            path=given.name,
            other_frames=theirs[0],
            other_width=theirs[2],
            other_height=theirs[1],
        )
    return other
