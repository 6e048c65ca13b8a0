"""A shot becomes a clip with everything beside it: filtered, captioned, its objects followed, its controls made."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...checks.numbers import check_number, check_whole
from ...errors import InputError
from ...evaluation.indicators import Indicator
from ...geometry import Box
from ...inputs.masks import mask_overlap
from ...inputs.tracking import follow
from ...media.footage import Footage
from ...media.pictures import write_image
from ...media.write import write_video
from . import films, measures
from .boxes import FACE, Detect, Found, Given, Kept, chosen
from .captions import captions_text
from .filters import Limits, Text, Verdict, judge, values_of
from .networks import Caption, Depth, depth_pictures
from .pose import Pose
from .references import Changes, reference_of
from .sheet import Seen, write_sheet
from .shots import DETECTORS, Shot
from .tracking import Track, present, tracked

BARS = ("cut", "drop", "keep")
CAPTION = "caption"


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What finds, follows and describes; each can be replaced by anything that meets its interface.

    Attributes:
        track: Follows boxes.
        detect: Finds objects in the first frame; None = only given boxes are followed.
        names: Names what is to be found in a clip, separated by full stops; None = what `How.objects` says.
        caption: Describes a clip that has no caption; None = such clips are dropped.
        depth: Makes the depth control; None = there is none.
        pose: Makes the pose control of clips with people; None = there is none.
        text: Measures burnt-in text; None = `measures.text_share`.
        aesthetic: Measures the aesthetic score; None = that filter is not asked.
    """

    track: Track = follow
    detect: Detect | None = None
    names: Caption | None = None
    caption: Caption | None = None
    depth: Depth | None = None
    pose: Pose | None = None
    text: Text | None = None
    aesthetic: Indicator | None = None


@dataclass(frozen=True, kw_only=True)
class How:
    """How clips are made.

    Attributes:
        shots: How cuts are found, a name of `shots.DETECTORS`.
        longest: Seconds; longer shots are divided into pieces of equal length.
        shorter_side: Most pixels of a clip's shorter side; larger films are scaled down. None = as they are.
        bars: What happens to black bars: "cut" = they are cut off, "drop" = the shot is dropped, "keep".
        limits: What a clip must have.
        kept: Which objects become masks.
        changes: How far references differ from their frames; None = not at all.
        objects: What the detector looks for.
        seed: Of what is drawn.

    Raises:
        InputError: a value out of range.
    """

    shots: str = "adaptive"
    longest: float = 10.0
    shorter_side: int | None = 720
    bars: str = "cut"
    limits: Limits = field(default_factory=Limits)
    kept: Kept = field(default_factory=Kept)
    changes: Changes | None = field(default_factory=Changes)
    objects: tuple[str, ...] = ("person", "animal", "vehicle", FACE)
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("longest", self.longest, above=0)
        if self.shorter_side is not None:
            check_whole("shorter_side", self.shorter_side, least=16)
        for what, value, known in (("shots", self.shots, tuple(DETECTORS)), ("bars", self.bars, BARS)):
            if value not in known:
                raise InputError(
                    "data-choice",
                    'For {what} came "{value}". Known are {known}. Choose one of them.',
                    what=what,
                    value=value,
                    known=", ".join(known),
                )

    def told(self) -> dict[str, Any]:
        """All of it, as JSON has it."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is known of a film before its shots are looked at.

    Attributes:
        film: The film.
        captions: What is said of it.
        given: Boxes that lie beside it.
    """

    film: Footage
    captions: tuple[str, ...] = ()
    given: Sequence[Given] = ()


@dataclass(kw_only=True)
class Built:
    """What a shot came to.

    Attributes:
        record: What is kept of it; "dropped" names the filter, None where it became a clip.
        frames: `(T, H, W, 3)` uint8; None where it was dropped before it was decoded.
        prompts: Its captions.
        masks: `(N, T, H, W)` bool.
        references: By the number of the mask of its object, from 1 on, as far as enough of it is seen.
        controls: `(T, H, W, 3)` uint8 by kind.
    """

    record: dict[str, Any]
    frames: Tensor | None = None
    prompts: tuple[str, ...] = ()
    masks: Tensor | None = None
    references: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    controls: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


def build(source: Source, shot: Shot, name: str, how: How, tools: Tools) -> Built:
    """Everything that is made of a shot, nothing of it written yet.

    Raises:
        InputError: frames cannot be decoded or do not fit into memory.
    """
    film, limits = source.film, how.limits
    seconds = round(float(film.times[shot.end - 1, 1] - film.times[shot.begin, 0]), 6)
    side = float(min(film.height, film.width))
    record: dict[str, Any] = {"seconds": round(seconds, 3), "begin": shot.begin, "end": shot.end}
    built = Built(record=record)
    if _dropped(built, judge({"seconds": lambda: seconds, "side": lambda: side}, limits)):
        return built
    built.frames = frames = films.read_frames(film, shot, size := films.scaled_size(film, how.shorter_side))
    inside = Box(0, 0, size[1], size[0]) if how.bars == "keep" else measures.inside_bars(frames)
    if _bars(built, inside, size, side, how):
        return built
    inside = films.even(inside)
    built.frames = frames = films.cropped(frames, inside)
    values = values_of(frames, shot.count / seconds, text=tools.text, aesthetic=tools.aesthetic)
    if _dropped(built, judge(values, limits)):
        return built
    built.prompts = source.captions or ((tools.caption(frames),) if tools.caption else ())
    if not any(prompt.strip() for prompt in built.prompts):
        record["dropped"] = CAPTION
        return built
    record["prompts"] = list(built.prompts)
    found = _found(source, shot, frames, inside, size, how, tools)
    _objects(built, found, random.Random(f"{how.seed} {name}"), how, tools)
    _controls(built, tools)
    return built


def write(folder: Path, name: str, fps: float, times: Tensor | None, built: Built) -> None:
    """Writes the files of a shot, as a training reads them, and its contact sheet; of one that was dropped the sheet.

    Args:
        folder: Where to.
        name: By which they begin.
        fps: Frames per second.
        times: As `write_video`, where the rate varies.
        built: What is written.

    Raises:
        InputError: a file cannot be written.
    """
    if built.frames is None:
        return
    write_sheet(folder / f"{name}.sheet.jpg", _seen(name, built))
    if built.record["dropped"] is not None:
        return
    for number, mask in enumerate([] if built.masks is None else built.masks, start=1):
        shown = mask.to(torch.uint8).mul(255)[..., None].expand(-1, -1, -1, 3)
        write_video(folder / f"{name}.mask-{number}.mp4", shown.contiguous(), fps=fps, times=times)
    for number, picture in built.references.items():
        write_image(folder / f"{name}.reference-{number}.png", picture)
    for kind, control in built.controls.items():
        write_video(folder / f"{name}.{kind}.mp4", control, fps=fps, times=times)
    (folder / f"{name}.txt").write_text(captions_text(built.prompts), encoding="utf-8")
    write_video(folder / f"{name}.mp4", built.frames, fps=fps, times=times)


def _dropped(built: Built, verdict: Verdict) -> bool:
    built.record.setdefault("measured", {}).update({name: round(value, 5) for name, value in verdict.measured.items()})
    built.record["dropped"] = verdict.dropped
    return verdict.dropped is not None


def _bars(built: Built, inside: Box, size: tuple[int, int], side: float, how: How) -> bool:
    """Notes black bars, and whether the shot is dropped because of them or because of how little they leave."""
    height, width = size
    if (inside.width, inside.height) == (width, height):
        return False
    built.record["bars"] = [inside.left, inside.top, width - inside.right, height - inside.bottom]
    if how.bars == "drop":
        built.record["dropped"] = "bars"
        return True
    left = side * min(inside.width, inside.height) / min(size)
    values = {"picture": lambda: inside.area / (height * width), "side": lambda: left}
    return _dropped(built, judge(values, how.limits))


def _found(
    source: Source, shot: Shot, frames: Tensor, inside: Box, size: tuple[int, int], how: How, tools: Tools
) -> list[Found]:
    """The objects of a clip: given boxes whose time is in the shot, otherwise what a detector finds."""
    starts = source.film.times[:, 0]
    found: list[Found] = []
    for one in source.given:
        frame = int((starts <= one.time + 1e-6).sum()) - 1
        if shot.begin <= frame < shot.end:
            whole = one.at(frame - shot.begin, *size)
            left, top, right, bottom = whole.box.left, whole.box.top, whole.box.right, whole.box.bottom
            box = Box(left - inside.left, top - inside.top, right - inside.left, bottom - inside.top)
            found.append(Found(box=box, label=whole.label, frame=whole.frame))
    if source.given or tools.detect is None:
        return found
    labels = how.objects
    if tools.names is not None:
        labels = tuple(dict.fromkeys(name.strip() for name in tools.names(frames).split(".") if name.strip()))
    return tools.detect(frames[0], labels) if labels else []


def _objects(built: Built, found: Sequence[Found], rng: random.Random, how: How, tools: Tools) -> None:
    """Follows what was found, and keeps what is there for long enough."""
    assert built.frames is not None
    height, width = built.frames.shape[1:3]
    stay, dropped = chosen(found, height, width, how.kept)
    masks = tracked(tools.track, built.frames, stay)
    shares = [present(mask, how.kept) for mask in masks]
    there = [place for place, share in enumerate(shares) if share >= how.kept.present]
    kept: list[int] = []
    for place in there:  # boxes of several frames may be of one object
        if all(mask_overlap(masks[place], masks[other]) <= how.kept.overlap for other in kept):
            kept.append(place)
    for why, count in (("gone too soon", len(stay) - len(there)), ("twice", len(there) - len(kept))):
        if count:
            dropped[why] = dropped.get(why, 0) + count
    built.masks = masks[kept]
    built.record["objects"] = [_told(stay[place], shares[place]) for place in kept]
    built.record["objects dropped"] = dropped
    for number, place in enumerate(kept, start=1):
        face = stay[place].label.lower() == FACE
        picture = reference_of(built.frames, masks[place], how.changes, rng, found=stay[place].frame, face=face)
        if picture is not None:
            built.references[number] = picture
    built.record["references"] = len(built.references)


def _told(one: Found, share: float) -> Mapping[str, Any]:
    box = [one.box.left, one.box.top, one.box.right, one.box.bottom]
    return {
        "label": one.label,
        "score": round(one.score, 4),
        "frame": one.frame,
        "box": box,
        "present": round(share, 4),
    }


def _controls(built: Built, tools: Tools) -> None:
    assert built.frames is not None
    if tools.depth is not None:
        built.controls["depth"] = depth_pictures(tools.depth(built.frames))
    if tools.pose is not None and built.masks is not None:
        labels = [one["label"] for one in built.record["objects"]]
        people = [mask for mask, label in zip(built.masks, labels, strict=True) if "person" in label.lower()]
        if people:
            built.controls["pose"] = tools.pose(built.frames, torch.stack(people))
    built.record["controls"] = sorted(built.controls)


def _seen(name: str, built: Built) -> Seen:
    record, frames = built.record, built.frames
    assert frames is not None
    dropped = record["dropped"]
    measured = ", ".join(f"{what} {value:g}" for what, value in record["measured"].items())
    lines = [f"{len(frames)} frames, {frames.shape[2]} x {frames.shape[1]}, {record['seconds']:g} s; {measured}"]
    if "bars" in record:
        lines.append(f"black bars (left, top, right, bottom): {record['bars']}")
    if record.get("objects dropped"):
        lines.append(
            "objects left out: " + ", ".join(f"{count} {why}" for why, count in record["objects dropped"].items())
        )
    lines += [f"caption: {prompt}" for prompt in built.prompts[:2]]
    labels = [f"{number} {one['label']}" for number, one in enumerate(record.get("objects", []), start=1)]
    return Seen(
        title=name if dropped is None else f"{name}: dropped by the filter {dropped}",
        lines=lines,
        frames=frames,
        masks=built.masks,
        labels=labels,
        references=list(built.references.values()),
        controls=list(built.controls.items()),
        derived=dropped is None,
    )
