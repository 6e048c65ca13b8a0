"""One plan for a clip and everything that belongs to it: its mask, its rest, the clip it is joined to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor
from torch.nn import functional

from ...vace_core.errors import InputError, ShapeError
from ...vace_core.geometry import Grid
from ...vace_core.inputs import fitting
from ...vace_core.inputs.fitting import FitPlan
from ...vace_core.models import FAMILIES
from ...vace_core.pipeline import check_unit
from ...vace_core.vcu import VideoConditionUnit
from .bridge import frames_of, images_of, masks_of, said_of_range
from .sockets import FITS

# A task knows no model. What no model takes it refuses; the rest is checked where the model is known.
LOOSEST = min((family.grid for family in FAMILIES), key=lambda grid: (grid.frames, grid.step))


def grid_of(fit: str) -> Grid:
    """How the models that a fit is for divide a clip; where it says nothing, what any model needs at least."""
    rule = FITS.get(fit)
    return LOOSEST if rule is None else rule.grid


def check_for_model(vcu: VideoConditionUnit, grid: Grid) -> None:
    """As `pipeline.check_unit`, with the fit that would have seen to it."""
    try:
        check_unit(vcu, grid)
    except ShapeError as error:
        named = " or ".join(f'"{name}"' for name, rule in FITS.items() if rule is not None and rule.grid == grid)
        raise ShapeError(
            f"{error} Where a video or picture comes in, the task does it by itself with fit set to {named}."
        ) from None


@dataclass(frozen=True, kw_only=True, eq=False)
class Fitted:
    """A clip as the model gets it.

    Attributes:
        frames: `(1, 3, T, H, W)` in −1..1.
        plan: How it was fitted.
        name: Of the input it came from.
        notes: What was done, in a sentence or two.
        rest: The frames that the model is not shown, as IMAGE of the same size; None = there are none.
    """

    frames: Tensor
    plan: FitPlan
    name: str
    notes: tuple[str, ...]
    rest: Tensor | None = None

    @property
    def size(self) -> tuple[int, int]:
        """`(H, W)`."""
        return self.plan.height, self.plan.width


def fit_clip(images: Any, fit: str, fps: float, *, name: str = "images", growth: float = 1.0) -> Fitted:
    """A whole clip by one of `FITS`.

    Args:
        images: IMAGE.
        fit: A name out of `FITS`.
        fps: Frames per second of the clip.
        name: What messages call it.
        growth: How many times its area the canvas will have, ≥ 1.
    """
    frames = frames_of(images, name)
    count, height, width = frames.shape[2:]
    return _fitted(frames, plan_of(count, height, width, fit, fps, growth), name, said_of_range(images))


def plan_of(count: int, height: int, width: int, fit: str, fps: float, growth: float = 1.0) -> FitPlan:
    """How `fit_clip` fits a clip of so many frames and pixels."""
    rule = FITS[fit]
    if rule is None:
        return fitting.plan_exact(count, height, width, LOOSEST, fps=fps)
    return fitting.plan(count, height, width, rule.shared(growth), fps=fps)


def fit_picture(image: Any, fit: str, fps: float, *, name: str = "image", growth: float = 1.0) -> Fitted:
    """A single picture by one of `FITS`.

    Raises:
        InputError: several pictures came.
    """
    frames = frames_of(image, name)
    if frames.shape[2] != 1:
        raise InputError(
            f"The {name} holds {frames.shape[2]} pictures. A single one is needed. Choose one with Image From Batch."
        )
    return fit_clip(image, fit, fps, name=name, growth=growth)


def fit_end(
    images: Any, fit: str, fps: float, *, keep: int, size: tuple[int, int] | None, at_end: bool, name: str
) -> Fitted:
    """The last (or first) frames of a clip, which something will be made after (or before).

    Args:
        images: IMAGE.
        fit: A name out of `FITS`; it decides the size, the length is `keep`.
        fps: Frames per second of the clip.
        keep: Frames taken, at most; a length that fits and is no longer than the clip is taken.
        size: `(H, W)` where another clip has decided it.
        at_end: Whether the last frames are taken.
        name: What messages call it.
    """
    frames = frames_of(images, name)
    count, height, width = frames.shape[2:]
    rule, grid = FITS[fit], grid_of(fit)
    if size is None:
        one = plan_of(1, height, width, fit, fps)
        size = one.height, one.width
    elif rule is None and size != (height, width):
        raise ShapeError(
            f"The {name} is {width} x {height} pixels, the other clip {size[1]} x {size[0]}. Both need the same size "
            'where fit is "as it is". Resize one of them, or set fit to "480p".'
        )
    taken = grid.nearest_lengths(min(keep, count))[0]
    kept = range(count - taken, count) if at_end else range(taken)
    whole = fitting.plan_exact(taken, height, width, grid, size=size, fps=fps)
    plan = replace(whole, source_frames=count, indices=tuple(kept), fps=fps)
    others = tuple(n for n in range(count) if n not in kept)
    rest = images_of(fitting.apply(frames, replace(plan, indices=others))) if others else None
    fitted = _fitted(frames, plan, name, said_of_range(images))
    notes = fitted.notes if rest is None else (_said_of_end(count, taken, at_end, name), *fitted.notes[1:])
    return replace(fitted, notes=notes, rest=rest)


def fit_mask(mask: Any, clip: Fitted, *, name: str = "mask") -> tuple[Tensor, tuple[str, ...]] | None:
    """The masks `(1, 1, T, H, W)` of a fitted clip, 0 or 1, and what was done; None where no mask came.

    Raises:
        ShapeError: it has another shape or length than its clip.
        InputError: as `masks_of`.
    """
    masks = masks_of(mask, name)
    if masks is None:
        return None
    notes, plan = list[str](), clip.plan
    count, height, width = masks.shape
    if count not in (1, plan.source_frames):
        raise ShapeError(
            f"The {name} has {count} frames, the {clip.name} {plan.source_frames}. One frame, which counts for all, or "
            "as many as the clip are needed. Connect the mask of this very clip."
        )
    if (height, width) != (plan.source_height, plan.source_width):
        masks = _same_size(masks, plan, name, clip.name)
        notes.append(
            f"The {name} of {width} x {height} was scaled to its clip's {plan.source_width} x {plan.source_height}."
        )
    if bool(((masks > 0) & (masks < 1)).any()):
        notes.append(f"The {name} has soft values: above one half is made anew.")
    return fitting.apply_masks(masks[None, None], plan), tuple(notes)


def needed_mask(mask: Any, clip: Fitted, *, name: str = "mask") -> tuple[Tensor, tuple[str, ...]]:
    """As `fit_mask`, where there is nothing to do without one.

    Raises:
        InputError: none came.
    """
    found = fit_mask(mask, clip, name=name)
    if found is None:
        raise InputError(
            f"The {name} is empty: it is the black one that Load Image gives for a picture without transparency. A "
            "mask that is white where something is to be made is needed. Paint one in the mask editor, or connect "
            "another."
        )
    return found


def growth_of(left: float, right: float, top: float, bottom: float) -> float:
    """How many times its area a picture has with its border."""
    return fitting.growth(left, right, top, bottom)


def _fitted(frames: Tensor, plan: FitPlan, name: str, notes: list[str]) -> Fitted:
    said = (f"{name}: {fitting.report(plan)}", *_said_of_thinning(plan), *notes)
    return Fitted(frames=fitting.apply(frames, plan), plan=plan, name=name, notes=said)


def _said_of_thinning(plan: FitPlan) -> list[str]:
    thinned, count = fitting.thinning(plan), plan.num_frames
    if thinned is None:
        return []
    way = f"take the first {count} frames alone ({count / plan.source_fps:.2f} s) with Image From Batch before the node"
    return [f"! {thinned} To keep the rate, {way}."]


def _said_of_end(count: int, taken: int, at_end: bool, name: str) -> str:
    where = f"last {taken}" if at_end else f"first {taken}"
    return f"{name}: the model is shown the {where} of {count} frames; the other {count - taken} are the rest."


def _same_size(masks: Tensor, plan: FitPlan, name: str, clip: str) -> Tensor:
    """`masks` at the size of the clip, if they have its shape."""
    height, width = masks.shape[1:]
    wanted = plan.source_height, plan.source_width
    scale = wanted[1] / width
    if abs(height * scale - wanted[0]) > max(scale, 1.0):
        raise ShapeError(
            f"The {name} is {width} x {height} pixels, the {clip} {wanted[1]} x {wanted[0]}, which is another shape. "
            f"A mask of its clip is needed. Make it from these very {clip}, or resize it."
        )
    return functional.interpolate(masks[:, None], size=wanted, mode="bilinear", align_corners=False)[:, 0].clamp(0, 1)
