"""A clip to be edited: what the model gets of it, and where the result goes in the original."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ..inputs.crops import crop_masks
from ..inputs.fitted import Fitted, fit_clip
from ..inputs.fitted_masks import clip_mask, said_of_levels
from ..inputs.mask_films import MaskFilm, Masks
from ..inputs.put_back import Edit
from ..inputs.resizing import resize_masks
from .inputs import Given, crop_source, mask_film, notes_of, puts_back, read_mask_file, read_part, target_of
from .options import EditPart, FitName, Wanted


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """A clip to be edited, as the model gets it, with the place of the edit.

    Attributes:
        given: What came.
        fitted: What the model gets.
        hard: `(T, H, W)` uint8 at the size of what is fitted, above 127 = generated, or a film of them; or one for all
            frames. None = everywhere.
        edit: What is put back; None = the result is what the model works on.
        notes: Rows on all of it.
    """

    given: Given
    fitted: Fitted
    hard: Masks | None
    edit: Edit | None
    notes: list[tuple[str, str]]

    @property
    def fps(self) -> float:
        """Frames per second of the result."""
        return self.fitted.plan.fps

    @cached_property
    def masks(self) -> Tensor:
        """`(1, 1, T, H, W)`, where the model generates."""
        if self.hard is None:
            return torch.ones_like(self.fitted.frames[:, :1])
        if isinstance(self.hard, Tensor):
            return resize_masks(self.hard, self.fitted.plan)
        count = self.fitted.plan.num_frames
        plan = replace(self.fitted.plan, source_frames=count, indices=tuple(range(count)))
        return resize_masks(self.hard.levels(self.fitted.plan.indices), plan)

    def stretch(self, begin: int, end: int) -> Work:
        """The frames `begin` up to `end` of it alone."""
        return replace(self, fitted=self.fitted.stretch(begin, end))


def work_on(clip: Path, mask: Path | None, wanted: Wanted, part: EditPart) -> Work:
    """A clip and the mask of what is generated in it; None = everywhere.

    Raises:
        ShapeError: the mask belongs to another clip.
        InputError: a file cannot be read, or the part is longer than the model takes.
    """
    given = read_part(clip, wanted, part)
    official = part.fit is FitName.official
    back = puts_back(given.film, wanted, part.put_back, usual=mask is not None, official=official)
    if back and not wanted.length:
        given.film.checked(0, None)  # all of it will be written
    source, boxes, about = given.source, None, tuple[str, ...]()
    hard: Masks | None = None if mask is None else mask_film(mask, given, part)
    if isinstance(hard, MaskFilm):
        about = said_of_levels(hard.beginning(), name=f"mask {mask}")
    elif mask is not None:
        hard, about = clip_mask(read_mask_file(mask, given, part), source, name=f"mask {mask}")
    if back and wanted.length:
        source = source.part(0, min(wanted.length, source.shape[0]))
        hard = hard[: wanted.length] if isinstance(hard, Tensor) and len(hard) > 1 else hard
    if part.crop is not None:
        source, boxes = crop_source(source, hard if back and isinstance(hard, Tensor) else None, wanted, part)
    fitted = fit_clip(source, target_of(wanted, part, whole=back))
    shown = hard if boxes is None or not isinstance(hard, Tensor) else crop_masks(hard, boxes)
    if isinstance(shown, Tensor) and len(shown) > 1:
        shown = shown[: fitted.plan.source_frames]
    edit = Edit(
        film=given.film,
        begin=given.begin,
        count=len(fitted.plan.shown),
        masks=hard,
        boxes=boxes,
        cuts=wanted.length is not None,
    )
    notes = [*notes_of(fitted, "clip", given), *(("mask", note) for note in about)]
    return Work(given=given, fitted=fitted, hard=shown, edit=edit if back else None, notes=notes)
