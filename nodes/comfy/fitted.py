"""Videos, pictures and masks of ComfyUI as the fit of the library takes them, and what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from ...vace_core.errors import InputError, ShapeError
from ...vace_core.geometry import Grid
from ...vace_core.inputs import fitted as core
from ...vace_core.inputs import fitting
from ...vace_core.inputs.fitted import Fitted, Source, Target
from ...vace_core.inputs.fitted_masks import fit_mask as fit_masks
from ...vace_core.inputs.fitting import FitPlan
from ...vace_core.inputs.resizing import resize_frames
from ...vace_core.models import FAMILIES
from ...vace_core.pipeline import check_vcu
from ...vace_core.vcu import VideoConditionUnit
from .bridge import frames_of, images_of, masks_of, range_warning, unseen_mask
from .sockets import ALL_FRAMES, ANY_LENGTH, FITS

# A task knows no model. What no model takes it refuses; the rest is checked where the model is known.
ANY_GRID = min((family.grid for family in FAMILIES), key=lambda grid: (grid.frames, grid.step))


def grid_of(fit: str) -> Grid:
    """How the models that a fit is for divide a clip; where it says nothing, what any model needs at least."""
    return target_of(fit).grid


def target_of(fit: str, length: int | None = None) -> Target:
    """What a fit brings clips to.

    Args:
        fit: A name out of `FITS`.
        length: Frames of the result, where a node asks for them.
    """
    return Target(
        takes=FITS.get(fit) or ANY_GRID,
        length=length,
        all_frames=fit in ALL_FRAMES or fit in ANY_LENGTH,
        any_length=fit in ANY_LENGTH,
    )


def check_for_model(vcu: VideoConditionUnit, grid: Grid) -> None:
    """As `pipeline.check_vcu`, with the fit that would have seen to it."""
    try:
        check_vcu(vcu, grid)
    except ShapeError as error:
        fits = [name for name, rule in FITS.items() if rule is not None and rule.grid == grid]
        named = " or ".join(f'"{name}"' for name in fits if name not in (*ALL_FRAMES, *ANY_LENGTH))
        raise ShapeError(
            "size-for-model",
            "{error} Where a video or image comes in, the task does it by itself with fit set to {choice}.",
            error=error,
            choice=named,
        ) from None


def source_of(images: Any, fps: float, name: str = "images") -> Source:
    """An IMAGE at a rate, as a clip to be fitted."""
    return Source(frames=frames_of(images, name), fps=fps, name=name, notes=tuple(range_warning(images)))


def picture_of(image: Any, fps: float, name: str = "image") -> Source:
    """As `source_of`, for a single picture.

    Raises:
        InputError: several pictures came.
    """
    source = source_of(image, fps, name)
    if source.shape[0] != 1:
        raise InputError(
            "several-images",
            "The {name} holds {pictures} images. A single one is needed. Choose one with Image From Batch.",
            name=name,
            pictures=source.shape[0],
        )
    return source


def fit_clip(images: Any, fit: str, fps: float, *, name: str = "images", growth: float = 1.0) -> Fitted:
    """A whole IMAGE by one of `FITS`; `growth` as for the library's `fit_clip`.

    Raises:
        InputError: as the library's, in the words of nodes.
    """
    try:
        return core.fit_clip(source_of(images, fps, name), target_of(fit), growth=growth)
    except InputError as error:
        if error.code != "clip-too-long":
            raise
        said = error.fields
        raise InputError(
            "clip-too-long",
            'The input "{name}" has {frames} frames ({seconds:.2f} s), and the model takes at most {most} of {width} x '
            "{height} pixels in one pass ({most_seconds:.2f} s). A part that fits, or windows, are needed. Take {most} "
            'frames with Image From Batch; or set fit to "any length", for VACE Plan Windows and VACE Sample Long '
            "Video; or to one without all frames, which thins the clip out in time.",
            name=said["name"],
            frames=said["frames"],
            seconds=said["seconds"],
            most=said["most"],
            width=said["width"],
            height=said["height"],
            most_seconds=said["most_seconds"],
        ) from None


def fit_picture(image: Any, fit: str, fps: float, *, growth: float = 1.0) -> Fitted:
    """As `fit_clip`, for a single picture."""
    return core.fit_clip(picture_of(image, fps), target_of(fit), growth=growth)


def fit_mask(mask: Any, clip: Fitted) -> tuple[Tensor | None, tuple[str, ...]]:
    """As the library's `fit_mask`; no masks where none came, with the note on one that counts as none."""
    masks = masks_of(mask)
    return (None, unseen_mask(mask)) if masks is None else fit_masks(masks, clip)


def fit_where(mask: Any, clip: Fitted) -> tuple[Tensor | None, tuple[str, ...]]:
    """As `fit_mask`, of where something is done.

    Raises:
        InputError: that is nowhere.
    """
    return fit_mask(mask, clip) if masks_of(mask) is None else require_mask(mask, clip)


def require_mask(mask: Any, clip: Fitted) -> tuple[Tensor, tuple[str, ...]]:
    """As `fit_mask`, where there is nothing to do without one.

    Raises:
        InputError: none came.
    """
    return fit_masks(mask_given(mask), clip)


def mask_given(mask: Any) -> Tensor:
    """A MASK, `(T, H, W)` in 0..1, that is white somewhere.

    Raises:
        InputError: none came, or one that generates nothing.
    """
    masks = masks_of(mask)
    if masks is None or float(masks.max()) <= 0.5:
        raise InputError(
            "mask-empty",
            "The mask is white nowhere, so that nothing would be generated; what Load Image gives for an image "
            "without transparency is such a mask, and what a detector gives that found nothing. A mask that is white "
            "where something is to be generated is needed. Paint one in the mask editor, or connect another.",
        )
    return masks


def rest_of(end: Fitted | None) -> Tensor | None:
    """The frames of a clip that the model is not shown, as IMAGE of the same size; None = there are none."""
    return None if end is None or end.rest is None else images_of(resize_frames(end.source.frames, end.rest))


def notes_of(clip: Fitted) -> tuple[str, ...]:
    """What came and how it was fitted."""
    return (f"{clip.source.name}: {fitting.report(clip.plan)}", *_said_of_thinning(clip.plan), *clip.source.notes)


def notes_of_ends(ends: Sequence[Fitted]) -> list[str]:
    """As `notes_of`, for clips of which the model is shown an end alone."""
    notes = list[str]()
    for end in ends:
        said = notes_of(end)
        notes += [said[0] if end.rest is None else _said_of_end(end), *said[1:], *end.notes]
    return notes


def padded(vcu: VideoConditionUnit, clip: Fitted) -> VideoConditionUnit:
    """A VCU of a clip, that knows which of its frames only fill a length that the model takes."""
    return replace(vcu, padding=clip.plan.padding)


def _said_of_thinning(plan: FitPlan) -> list[str]:
    thinned, count = fitting.thinning(plan), plan.num_frames
    if thinned is None:
        return []
    way = f"take the first {count} frames alone ({count / plan.source_fps:.2f} s) with Image From Batch before the node"
    return [f"! {thinned} To keep the rate, {way}."]


def _said_of_end(end: Fitted) -> str:
    count, taken = end.source.shape[0], end.plan.num_frames
    where = f"last {taken}" if end.begin else f"first {taken}"
    name = end.source.name
    return f"{name}: the model is shown the {where} of {count} frames; the other {count - taken} are the rest."
