"""Files as the tasks need them: clips and masks to be fitted, references, paths of boxes; and what is said of them."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ..errors import InputError
from ..inputs import fitting
from ..inputs.box_paths import paths_from_json
from ..inputs.fitted import Fitted, Source, Target, fit_clip, fit_mask
from ..inputs.layout import BoxKey, BoxPath
from ..inputs.references import crop_subject, on_white
from ..media.pictures import PICTURES, read_animation, read_image, read_mask, read_mask_levels
from ..media.video import Clip, from_uint8, read_video
from .models import profile_of
from .options import Paths, References, Wanted


def target_of(wanted: Wanted) -> Target:
    """What clips are fitted to for the chosen model, and what was asked for."""
    return Target(
        takes=profile_of(wanted).rule,
        length=wanted.length,
        fps=wanted.fps,
        height=wanted.height,
        width=wanted.width,
    )


def notes_of(fitted: Fitted, label: str) -> list[tuple[str, str]]:
    """What came and how it was fitted, as rows of a table."""
    source, begin, taken, count = fitted.source, fitted.begin, fitted.plan.source_frames, fitted.source.shape[0]
    part = f"Frames {begin} to {begin + taken - 1} of {count}: " if taken < count else ""
    name = source.path.name if source.path else label
    rows = [f"{name}. {part}{fitting.report(fitted.plan)}", *source.notes, *fitted.notes]
    return [(label, row) for row in rows]


def warnings_of(fitted: Fitted, wanted: Wanted) -> list[str]:
    """What was lost in fitting that nobody asked for, and how it is kept."""
    thinned = None if wanted.fps else fitting.thinning(fitted.plan)
    if thinned is None:
        return []
    count, fps = fitted.plan.num_frames, fitted.source.fps
    return [f"{thinned} To keep the rate, take the first {count / fps:.2f} s alone: --length {count} --fps {fps:.6g}"]


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


def read_source(path: Path, wanted: Wanted) -> Source:
    """A file's clip, as by `read_clip`, to be fitted."""
    clip = read_clip(path, wanted)
    return Source(frames=clip.frames, fps=clip.fps, times=clip.times, path=path, notes=clip.notes)


def fit_file(path: Path, wanted: Wanted) -> Fitted:
    """A file's clip, fitted to what the model likes or what was asked for."""
    return fit_clip(read_source(path, wanted), target_of(wanted))


def read_still(path: Path, wanted: Wanted) -> Source:
    """A clip of one frame.

    Raises:
        InputError: a video came.
    """
    source = read_source(path, wanted)
    if source.shape[0] != 1:
        raise InputError(
            "several-images",
            "{path} has {frames} frames. A single image is needed here. Choose an image, or save one frame as a .png.",
            path=path,
            frames=source.shape[0],
        )
    return source


def fit_mask_file(path: Path, fitted: Fitted) -> tuple[Tensor, list[tuple[str, str]]]:
    """A mask `(1, 1, T, H, W)` of 0 and 1 for a fitted clip, white = generate, and rows on what was done to it.

    Raises:
        ShapeError: as `fit_mask`.
        InputError: as `read_mask_levels`.
    """
    masks, notes = fit_mask(read_mask_levels(path).float() / 255, fitted, name=f"mask {path}")
    return masks, [("mask", note) for note in notes]


def read_references(given: References) -> list[Tensor]:
    """The reference pictures, each with its subject alone where there is a mask for it.

    Raises:
        InputError: not as many subject masks as pictures.
    """
    pictures, subjects = given.reference or [], given.subject or []
    if subjects and len(subjects) != len(pictures):
        raise InputError(
            "subjects-count",
            "There are {pictures} --reference and {masks} --subject. One mask for each image is needed, or "
            "none. Give as many.",
            pictures=len(pictures),
            masks=len(subjects),
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


def _read_reference(path: Path) -> Tensor:
    picture, alpha = read_image(path)
    frames = from_uint8(picture)
    return frames if alpha is None else on_white(frames, alpha.float()[None, None, None] / 255)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise InputError(
            "paths-unreadable",
            "The paths {path} cannot be read ({error}). A JSON file of box paths is needed. Check the name.",
            path=path,
            error=error,
        ) from error


def _pair(text: str, between: str, option: str, example: str) -> tuple[float, float]:
    try:
        first, second = (float(part) for part in text.split(between))
    except ValueError:
        raise InputError(
            "not-two-numbers",
            '{option} has "{value}". Two numbers as in "{example}" are needed. Change it.',
            option=option,
            value=text,
            example=example,
        ) from None
    return first, second
