"""A task that was asked for on the command line, ready to be shown, counted or run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..geometry import Grid
from ..inputs.control_checks import ControlKind, check_control
from ..inputs.put_back import Original
from ..media.colour import BT709, Colour
from ..media.pictures import write_image
from ..media.video import from_uint8
from ..preview.sheet import contact_sheet
from ..preview.warnings import role_shares, warnings
from ..starter.outside import outside
from ..vcu import VideoConditionUnit
from .film import Rest
from .models import is_starter, profile_of
from .options import Wanted

SHARES = ("kept", "generated from a control", "generated freely")


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """A VCU, with notes on where it comes from.

    Attributes:
        vcu: The task.
        wanted: What was asked for.
        notes: What came and how it was fitted, as rows of a table.
        sound: A file whose sound goes with the result.
        sound_start: Seconds of it that are left out.
        control: The kind of control signal that came ready-made, which is looked over for faults.
        before: What comes before the VCU in the film that is written.
        after: What comes after it.
        cautions: Further warnings, known before there was a VCU.
        edit: The original that the result is put back onto; None = the result has the size of the VCU.
        times: `(T, 2)` seconds, start and end of each frame, where it may vary.
        colour: What the levels of the result stand for.
        most: Frames that the model takes of it in one pass; None = as many as there are.
        begin: The clip that a job with less noise begins from, `(1, 3, T, H, W)`; None = the source of the VCU, if any.
    """

    vcu: VideoConditionUnit
    wanted: Wanted
    notes: Sequence[tuple[str, str]] = ()
    sound: Path | None = None
    control: ControlKind | None = None
    before: Rest | None = None
    after: Rest | None = None
    cautions: Sequence[str] = ()
    sound_start: float = 0.0
    edit: Original | None = None
    times: Tensor | None = None
    colour: Colour = BT709
    most: int | None = None
    begin: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)` of what is written."""
        if self.edit is None:
            return self.vcu.shown_frames + sum(self.around), self.vcu.height, self.vcu.width
        return self.edit.shape

    @property
    def fps(self) -> float:
        """Frames per second of what is written."""
        return self.vcu.fps if self.edit is None else self.edit.film.fps

    @property
    def around(self) -> tuple[int, int]:
        """Frames of the film before and after those of the VCU."""
        before, after = (0 if rest is None else rest.plan.num_frames for rest in (self.before, self.after))
        return before, after

    def rows(self) -> list[tuple[str, str]]:
        """The report before anything is computed."""
        vcu = self.vcu
        size = f"{vcu.width} x {vcu.height} pixels"
        if vcu.num_frames > 1:
            count = vcu.shown_frames
            size = f"{count} frames of {size} at {vcu.fps:.4g} fps ({count / vcu.fps:.2f} s)"
        if vcu.references:
            size += f", {vcu.num_references} reference" + "s" * (vcu.num_references > 1)
        shares = zip(role_shares(vcu).mean(axis=0), SHARES, strict=True)
        parts = ", ".join(f"{share:.1%} {name}" for share, name in shares if share > 0)
        rows = [*self.notes, ("result", f"{size}; {parts}"), ("prompt", vcu.prompt or "none")]
        before, after = self.around
        if before + after:
            count = before + vcu.shown_frames + after
            film = f"{count} frames ({count / vcu.fps:.2f} s): the result, {before} before it and {after} after it"
            rows.append(("film", film))
        if (edit := self.edit) is not None:
            count, height, width = self.shape
            size = f"{count} frames of {width} x {height} at {self.fps:.4g} fps" if count > 1 else f"{width} x {height}"
            rows.append(("output", f"{size}: {edit.said}"))
        return rows

    def warnings(self, grid: Grid) -> list[str]:
        """What looks wrong with the task; the size must fit `grid`."""
        vcu = self.vcu
        grid.check(vcu.num_frames, vcu.height, vcu.width)
        found = [*self.cautions, *warnings(vcu, mask_frames=self._seen_frames())]
        if self.control is not None and vcu.control is not None:
            found += check_control(vcu.control, self.control)
        return found

    def first_line(self) -> str | None:
        """The first line: that the starter was not trained on what is asked for."""
        return outside(self.vcu) if is_starter(self.wanted) else None

    def write_sheet(self, path: Path) -> None:
        """The contact sheet as a .png, whole or not at all."""
        sheet = contact_sheet(self.vcu, mask_frames=self._seen_frames())
        write_image(path, from_uint8(torch.from_numpy(np.array(sheet))))

    def _seen_frames(self) -> list[int]:
        return profile_of(self.wanted).family.mask_frames(self.vcu.num_frames)
