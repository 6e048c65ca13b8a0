"""A task that was asked for on the command line, ready to be shown, counted or run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..geometry import Grid
from ..inputs.control_checks import ControlKind, check_control
from ..inputs.fitted import Fitted
from ..inputs.put_back import Original
from ..media.colour import BT709, Colour
from ..media.pictures import write_image
from ..media.video import from_uint8
from ..pipeline.parts import Parts, lengthened, parts_of
from ..preview.sheet import contact_sheet, long_contact_sheet
from ..preview.warnings import role_shares, warnings
from ..sampling.windows import Plan
from ..starter.outside import outside
from ..vcu import VideoConditionUnit
from .film import Rest
from .inputs import Given
from .models import is_starter, profile_of
from .options import Wanted


@dataclass(frozen=True, kw_only=True, eq=False)
class Stretches:
    """A clip that goes by windows, asked for window by window.

    Attributes:
        num_frames: Of the whole result.
        parts: The VCU of any stretch of it.
    """

    num_frames: int
    parts: Parts


SHARES = ("kept", "generated from a control", "generated freely")
_FIRST = 5  # latent frames that are looked at first of a clip whose windows a plan says


@dataclass(frozen=True, kw_only=True, eq=False)
class Request:
    """A VCU, with notes on where it comes from.

    Attributes:
        vcu: The task; of one that is asked for in stretches what the model is given first.
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
        plan: The windows that the task itself has; None = as options and length say.
        stretches: Where the whole VCU is not held, how any stretch of it is had.
        clip: The clip that all frames of the VCU are of, as it came and as it is fitted; None = it is made otherwise.
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
    plan: Plan | None = None
    stretches: Stretches | None = None
    clip: tuple[Given, Fitted] | None = None

    @property
    def num_frames(self) -> int:
        """Frames of the whole result, without those around it."""
        return self.vcu.shown_frames if self.stretches is None else self.stretches.num_frames

    @property
    def parts(self) -> Parts:
        """The VCU of any stretch of the whole."""
        return parts_of(self.vcu) if self.stretches is None else self.stretches.parts

    def keeps(self, plan: Plan | None) -> bool:
        """Whether anything of a clip is kept or lies under a mask, in any window.

        What a task has of clips is in its first stretch or in its last; a plan may have keyframes between them.
        """
        if plan is None or self.vcu.source is not None:
            return self.vcu.source is not None
        return bool(plan.keyframes) or self.parts(plan.windows[-1].begin, self.num_frames).source is not None

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(T, H, W)` of what is written."""
        if self.edit is None:
            return self.num_frames + sum(self.around), self.vcu.height, self.vcu.width
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
        count = self.num_frames
        if count > 1 or vcu.num_frames > 1:
            size = f"{count} frames of {size} at {vcu.fps:.4g} fps ({count / vcu.fps:.2f} s)"
        if vcu.references:
            size += f", {vcu.num_references} reference" + "s" * (vcu.num_references > 1)
        shares = zip(role_shares(vcu).mean(axis=0), SHARES, strict=True)
        parts = ", ".join(f"{share:.1%} {name}" for share, name in shares if share > 0)
        if self.stretches is not None:
            parts += f" in the first {vcu.shown_frames} frames"
        rows = [*self.notes, ("result", f"{size}; {parts}"), ("prompt", vcu.prompt or "none")]
        before, after = self.around
        if before + after:
            count = before + self.num_frames + after
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
        found = [*self.cautions, *warnings(vcu, mask_frames=self._seen_frames(vcu.num_frames))]
        if self.control is not None and vcu.control is not None:
            found += check_control(vcu.control, self.control)
        return found

    def first_line(self) -> str | None:
        """The first line: that the starter was not trained on what is asked for."""
        return outside(self.vcu) if is_starter(self.wanted) else None

    def write_sheet(self, path: Path, also: Sequence[VideoConditionUnit] = ()) -> None:
        """The contact sheet as a .png, whole or not at all; below it those of further conditions of its size."""
        if self.stretches is None:
            seen = self._seen_frames(self.vcu.num_frames)
            first = contact_sheet(self.vcu, mask_frames=seen, caution=self.first_line())
            sheets = [first, *(contact_sheet(one, mask_frames=seen) for one in also)]
        else:  # of which one window is held at once, and further conditions are refused
            count, stretch = self.stretches.num_frames, self.vcu.shown_frames
            seen = self._seen_frames(count)
            parts, caution = self.stretches.parts, self.first_line()
            sheets = [long_contact_sheet(parts, count, stretch=stretch, mask_frames=seen, caution=caution)]
        write_image(path, from_uint8(torch.from_numpy(np.concatenate([np.array(sheet) for sheet in sheets]))))

    def _seen_frames(self, num_frames: int) -> list[int]:
        return profile_of(self.wanted).family.mask_frames(num_frames)


def request_of(
    whole: Callable[[], VideoConditionUnit],
    parts: Parts | None,
    num_frames: int,
    wanted: Wanted,
    *,
    most: int | None = None,
) -> Request:
    """What is asked for with its prompts: as a whole, or where it goes by windows in stretches.

    Args:
        whole: Its VCU.
        parts: The VCU of any stretch of it, equal to that stretch of the whole; None = it is held as a whole.
        num_frames: Of the result.
        wanted: What was asked for.
        most: Frames that the model takes of it in one pass; None = as many as there are.
    """
    rule = profile_of(wanted).rule

    def spoken(vcu: VideoConditionUnit) -> VideoConditionUnit:
        return replace(vcu, prompt=wanted.prompt, negative_prompt=wanted.negative or "")

    if parts is None or not wanted.cuts(rule.grid.nearest_lengths(num_frames)[1], most):
        return Request(vcu=spoken(whole()), wanted=wanted, most=most)
    shown = min(num_frames, wanted.windows or most or rule.grid.pixel_frames(_FIRST))
    length = rule.grid.nearest_lengths(shown)[1]
    first = lengthened(spoken(parts(0, shown)), length, padding=length - shown)
    stretches = Stretches(num_frames=num_frames, parts=lambda begin, end: spoken(parts(begin, end)))
    return Request(vcu=first, wanted=wanted, most=most, stretches=stretches)
