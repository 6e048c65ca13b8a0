"""Files as the tasks need them: clips fitted to the model, masks with the same geometry, references, paths of boxes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..inputs import fitting
from ..inputs.box_paths import paths_from_json
from ..inputs.fitting import FitPlan
from ..inputs.layout import BoxKey, BoxPath
from ..inputs.references import crop_subject, on_white
from ..media.pictures import PICTURES, read_animation, read_image, read_mask
from ..media.video import Clip, from_uint8, read_video
from .film import Rest, rest_of
from .models import profile_of
from .options import Paths, References, Wanted
from .sizes import chosen_size, length

SAME_RATE = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A clip as the model gets it.

    Attributes:
        frames: `(1, 3, T, H, W)` in −1..1.
        clip: The part of the file that was taken.
        plan: How it was fitted.
        in_file: Frames of the whole file.
        begin: The first frame taken of it.
        rest: What is left of the file before or after the part that was taken; None where nobody asks for it.
    """

    frames: Tensor
    clip: Clip
    plan: FitPlan
    in_file: int
    begin: int = 0
    rest: Rest | None = None

    @property
    def size(self) -> tuple[int, int]:
        """`(H, W)`."""
        return self.plan.height, self.plan.width

    @property
    def fps(self) -> float | None:
        """Frames per second; None for a picture, which has none."""
        return self.plan.fps if self.in_file > 1 else None

    def notes(self, name: str) -> list[tuple[str, str]]:
        """What came and how it was fitted, as rows of a table."""
        taken = len(self.clip.frames)
        part = f"Frames {self.begin} to {self.begin + taken - 1} of {self.in_file}: " if taken < self.in_file else ""
        path = self.clip.path or Path(name)
        return [(name, f"{path.name}. {part}{fitting.report(self.plan)}"), *((name, note) for note in self.clip.notes)]

    def warnings(self, wanted: Wanted) -> list[str]:
        """What was lost in fitting that nobody asked for, and how it is kept."""
        thinned = None if wanted.fps else fitting.thinning(self.plan)
        if thinned is None:
            return []
        count, fps = self.plan.num_frames, self.clip.fps
        return [
            f"{thinned} To keep the rate, take the first {count / fps:.2f} s alone: --length {count} --fps {fps:.6g}"
        ]


def read_clip(path: Path, wanted: Wanted) -> Clip:
    """A video or an animated picture, or a picture as a clip of one frame at the model's rate.

    Raises:
        InputError: as `read_video` and `read_image`.
    """
    if path.suffix.lower() not in PICTURES:
        return read_video(path)
    if (animation := read_animation(path)) is not None:
        return animation
    picture, alpha = read_image(path)
    usual_fps = profile_of(wanted).rule.fps
    times = torch.tensor([[0.0, 1 / usual_fps]], dtype=torch.float64)
    return Clip(
        frames=picture[None], alpha=None if alpha is None else alpha[None], fps=usual_fps, times=times, path=path
    )


def fit_clip(path: Path, wanted: Wanted) -> Fitted:
    """A file's clip, fitted as by `fit`."""
    return fit(read_clip(path, wanted), wanted)


def fit(clip: Clip, wanted: Wanted, *, growth: float = 1.0) -> Fitted:
    """A whole clip at the size, length and rate that the model likes, or that were asked for.

    Args:
        clip: What came.
        wanted: Length and rate together take the beginning of the clip; one of them alone thins it out.
        growth: How many times its area the canvas will have, ≥ 1.
    """
    whole = clip
    if wanted.length and wanted.fps:
        clip = _part(clip, 0, _count_in(clip, wanted.length / wanted.fps))
    plan = plan_of(clip, wanted, growth=growth)
    return Fitted(frames=fitting.apply(clip.frames, plan), clip=clip, plan=plan, in_file=len(whole.frames))


def plan_of(clip: Clip, wanted: Wanted, *, growth: float = 1.0) -> FitPlan:
    """How `fit` fits all frames of a clip."""
    rule, (count, height, width) = profile_of(wanted).rule, clip.frames.shape[:3]
    plan = fitting.plan(count, height, width, rule.shared(growth), fps=clip.fps, times=clip.times)
    if not (wanted.length or wanted.fps or wanted.width or wanted.height):
        return plan
    frames = plan.num_frames
    if wanted.length or wanted.fps:
        frames = wanted.length or rule.grid.nearest_lengths(round(count / clip.fps * (wanted.fps or 1)))[0]
    size = chosen_size(wanted, plan)
    return fitting.plan_exact(count, height, width, rule.grid, length=frames, size=size, fps=clip.fps, times=clip.times)


def read_still(path: Path, wanted: Wanted) -> Clip:
    """A clip of one frame.

    Raises:
        InputError: a video came.
    """
    clip = read_clip(path, wanted)
    if len(clip.frames) != 1:
        raise InputError(
            f"{path} has {len(clip.frames)} frames. A single picture is needed here. Choose a picture, or save one "
            "frame as a .png."
        )
    return clip


def fit_still(clip: Clip, wanted: Wanted, *, growth: float = 1.0) -> Fitted:
    """A picture, fitted as by `fit`; length and rate are those of what will be made of it."""
    return fit(clip, replace(wanted, length=None, fps=None), growth=growth)


def fit_end(path: Path, wanted: Wanted, *, keep: int | None, at_end: bool, share: int = 2) -> Fitted:
    """The last (or first) frames of a clip, which another part will be joined to.

    Args:
        path: A video or a picture.
        wanted: What the result is to be.
        keep: Frames taken, of a length that fits; None = a part of the result, or all there are.
        at_end: Whether the last frames are taken.
        share: The part taken is one of so many.
    """
    profile = profile_of(wanted)
    grid, clip = profile.rule.grid, read_clip(path, wanted)
    count, height, width = clip.frames.shape[:3]
    plan = fitting.plan(1, height, width, profile.rule, fps=clip.fps)
    size = chosen_size(wanted, plan)
    fps = wanted.fps or clip.fps
    same = count == 1 or abs(fps / clip.fps - 1) < SAME_RATE
    there = count if same else int(count / clip.fps * fps)
    room = length(wanted, size) // share
    keep = keep or grid.nearest_lengths(min(there, max(room, 1)))[0]
    if keep > there:
        raise InputError(
            f"{path} has {there} frames at {fps:g} fps, and {keep} are to be kept. Not more than there are can be. "
            f"Set --keep to {grid.nearest_lengths(there)[0]} or less."
        )
    taken = keep if same else min(round(keep * clip.fps / fps), count)
    begin = count - taken if at_end else 0
    part = _part(clip, begin, begin + taken)
    plan = fitting.plan_exact(taken, height, width, grid, length=keep, size=size, fps=clip.fps, times=part.times)
    left = (0, begin) if at_end else (taken, count)
    rest = rest_of(clip, *left, plan, plan.fps if same else fps)
    return Fitted(frames=fitting.apply(part.frames, plan), clip=part, plan=plan, in_file=count, begin=begin, rest=rest)


def fit_mask(path: Path, fitted: Fitted) -> Tensor:
    """A mask `(1, 1, T, H, W)` of 0 and 1 for a fitted clip: white = generate.

    Raises:
        ShapeError: it has another size or length than the file of the clip.
        InputError: as `read_mask`.
    """
    masks = read_mask(path)
    count, height, width = masks.shape
    wanted_height, wanted_width = fitted.clip.frames.shape[1:3]
    if (height, width) != (wanted_height, wanted_width) or count not in (1, fitted.in_file):
        raise ShapeError(
            f"The mask {path} has {_frames(count)} of {width} x {height} pixels, the clip {_frames(fitted.in_file)} of "
            f"{wanted_width} x {wanted_height}. A mask needs the size of its clip, and one frame or as many. "
            "Export the mask from this very clip."
        )
    if count > 1:
        masks = masks[fitted.begin : fitted.begin + len(fitted.clip.frames)]
    return fitting.apply_masks(masks, fitted.plan)


def read_references(given: References) -> list[Tensor]:
    """The reference pictures, each with its subject alone where there is a mask for it.

    Raises:
        InputError: not as many subject masks as pictures.
    """
    pictures, subjects = given.reference or [], given.subject or []
    if subjects and len(subjects) != len(pictures):
        raise InputError(
            f"There are {len(pictures)} --reference and {len(subjects)} --subject. One mask for each picture is "
            "needed, or none. Give as many."
        )
    found = [_read_reference(path) for path in pictures]
    if not subjects:
        return found
    masks = [read_mask(path)[None, None] for path in subjects]
    return [crop_subject(picture, mask) for picture, mask in zip(found, masks, strict=True)]


def read_paths(given: Paths, size: tuple[int, int]) -> list[BoxPath]:
    """The paths of boxes that were typed or lie in JSON files.

    Args:
        given: What was typed.
        size: `(H, W)` of the picture that points in pixels refer to.

    Raises:
        InputError: a text is neither, or a number is out of range.
    """
    box = _pair(given.box, "x", "--box", "0.25x0.25")
    found: list[BoxPath] = []
    for text in given.path:
        if text.lower().endswith(".json"):
            pixels = (box[0] * size[1], box[1] * size[0])
            found += paths_from_json(_read_text(Path(text)), size=(size[1], size[0]), box=pixels)
        else:
            points = [_pair(point, ",", "--path", "0.2,0.5 0.8,0.5") for point in text.split()]
            last = max(len(points) - 1, 1)
            keys = [BoxKey(time=n / last, x=x, y=y, width=box[0], height=box[1]) for n, (x, y) in enumerate(points)]
            found.append(BoxPath(keys=tuple(keys)))
    return found


def _part(clip: Clip, begin: int, end: int) -> Clip:
    times = clip.times[begin:end]
    return replace(
        clip,
        frames=clip.frames[begin:end],
        alpha=None if clip.alpha is None else clip.alpha[begin:end],
        times=times - times[0, 0],
    )


def _count_in(clip: Clip, seconds: float) -> int:
    """Frames that begin before `seconds` are over, up to a hundredth of a frame, which a typed rate is short of."""
    there = float(clip.times[-1, 1])
    if seconds > there + 1 / clip.fps:
        raise InputError(
            f"{clip.path} is {there:.2f} s long, and {seconds:.2f} s were asked for with --length and --fps. "
            "Not more than there is can be taken. Set a smaller length or a higher rate."
        )
    return int((clip.times[:, 0] < seconds - 0.01 / clip.fps).sum())


def _read_reference(path: Path) -> Tensor:
    picture, alpha = read_image(path)
    frames = from_uint8(picture)
    return frames if alpha is None else on_white(frames, alpha.float()[None, None, None] / 255)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            f"The paths {path} cannot be read ({error}). A JSON file of box paths is needed. Check the name."
        ) from error


def _pair(text: str, between: str, option: str, example: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(between))
    except ValueError:
        raise InputError(f'{option} has "{text}". Two numbers as in "{example}" are needed. Change it.') from None
    return first, second


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count} frames"
