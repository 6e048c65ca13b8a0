"""The official pair rules: what the original composition annotator makes of two results.

`vcu.compose` is the algebra to use. This is the original, for comparison and for repeating its results. It knows
pairs only, and it knows three kinds of units; what it makes of a pair depends on their kinds and on their order.

Where the two agree:

| first, second        | official                                  | `compose`                                       |
|----------------------|-------------------------------------------|-------------------------------------------------|
| extension, extension | kept where either keeps, first in front   | the same                                        |
| extension, control   | kept frames, the rest follows             | the same                                        |
| repaint, control     | the masked part follows, in either order  | the same                                        |
| control, control     | the second                                | the same                                        |
| repaint, repaint     | the masks united                          | the same for two inpaintings; the border of an  |
|                      |                                           | outpainting counts as said by nobody, so that a |
|                      |                                           | unit that has pixels for it may keep them there |
| extension, repaint   | the extension's frames are kept whole     | the same for outpainting; an inpainting mask    |
|                      |                                           | holds in the extension's frames too             |
| repaint, extension   | the repaint shows in the frames the       | as in the other order: the extension's frames   |
|                      | extension keeps; the extension's pixels   | are kept, the rest is as the repaint has it     |
|                      | are lost, and so is the rest              |                                                 |
| control, extension   | the control is followed in the frames the | as in the other order: the extension's frames   |
|                      | extension keeps; nothing is kept          | are kept, the rest follows                      |

Source: ali-vilab/VACE, annotators/composition.py, CompositionAnnotator.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from vace_core.errors import InputError
from vace_core.vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit, compose

Kind = Literal["extension", "repaint", "control"]


def kind_of(vcu: VideoConditionUnit) -> Kind:
    """Which of the three kinds that the original distinguishes a unit is.

    A control keeps nothing and follows everything; an extension keeps frames whole and frees the others; a repaint
    keeps a part of its frames.

    Raises:
        InputError: the unit is none of them, for instance a composition, or a unit that says nothing.
    """
    follows = (vcu.roles & FOLLOW) != 0
    kept = (vcu.roles & (KEEP | REPAINT)) == KEEP
    if bool(follows.all()) and not bool(kept.any()):
        return "control"
    if not bool(follows.any()) and bool(kept.any()):
        whole = kept.flatten(3).all(dim=3) | ~kept.flatten(3).any(dim=3)
        repaints = bool(((vcu.roles & REPAINT) != 0).any())
        return "extension" if bool(whole.all()) and not repaints else "repaint"
    raise InputError(
        "official-rules",
        "One of the units is neither an extension, nor a repaint, nor a control. The official rules know only these "
        "three, uncombined. Use compose, which takes any units.",
    )


def compose_official(first: VideoConditionUnit, second: VideoConditionUnit) -> VideoConditionUnit:
    """The two units as the original combines them: every pixel is taken whole, with its mask, from one of them.

    What is under the mask, where a soft edge shows it, is the source that either of them has there, as by `compose`.

    References and prompts, of which the original says nothing, are joined as by `compose`. The original cuts the
    longer of the two; here they need the same length.

    Raises:
        InputError: a unit is of none of the three kinds, or the frame rates differ.
        ShapeError: different sizes or lengths.
    """
    from_second = _from_second(first, second, (kind_of(first), kind_of(second)))
    joined = compose(first, second)
    roles = torch.where(from_second, second.roles, first.roles)
    under = joined.has_source & (torch.where(from_second, second.masks, first.masks) > 0)
    return replace(
        joined,
        roles=torch.where(under, roles | KEEP | REPAINT, roles),
        source=_either(from_second & ~under, joined.source, second.source),
        control=_either(from_second, first.control, second.control),
    )


def _from_second(first: VideoConditionUnit, second: VideoConditionUnit, kinds: tuple[Kind, Kind]) -> Tensor:
    """Where the pixel of the second unit is taken."""
    if kinds[0] == "extension" or kinds == ("repaint", "control"):
        return first.masks > 0
    if kinds == ("control", "repaint"):
        return second.masks == 0
    return second.masks > 0


def _either(from_second: Tensor, first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return torch.where(from_second, second, first)
