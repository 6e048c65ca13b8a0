"""The VCUs of windows: cut out of the whole or asked for in parts, brought to length, with frames that are kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..errors import InputError, ShapeError
from ..inputs.references import stack
from ..sampling.windows import Plan
from ..vcu import KEEP, VideoConditionUnit

Parts = Callable[[int, int], VideoConditionUnit]
"""First frame and frame after the last of a stretch of the whole clip → its VCU, without padding. Asked window by
window, so that a long clip never lies in memory as a whole."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlanPictures:
    """The images that a plan names, `(B, 3, 1, h, w)` by name. One that is both is here twice, as each is shown.

    Attributes:
        references: Of any size.
        keyframes: Of the size of the clip.
    """

    references: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    keyframes: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])


def parts_of(vcu: VideoConditionUnit) -> Parts:
    """The stretches of a VCU that is there as a whole."""

    def part(begin: int, end: int) -> VideoConditionUnit:
        if (begin, end) == (0, vcu.shown_frames):
            return vcu
        span = slice(begin, min(end, vcu.shown_frames))
        cut = (None if one is None else one[:, :, span] for one in (vcu.source, vcu.control))
        source, control = cut
        return replace(vcu, roles=vcu.roles[:, :, span], source=source, control=control, padding=0)

    return part


def window_unit(
    plan: Plan, number: int, parts: Parts, pictures: PlanPictures, *, leads_back: bool = False
) -> VideoConditionUnit:
    """What a window asks for: its stretch of the whole, its prompts, references and keyframes, of a model's length.

    Args:
        plan: The plan.
        number: The window.
        parts: Of the whole.
        pictures: The images that the plan names.
        leads_back: Whether the frames beyond the end of the clip are used; otherwise they are padding.

    Raises:
        InputError: an image is missing, or the part has another length.
        ShapeError: a keyframe has another size.
    """
    window = plan.windows[number]
    end = min(window.end, plan.num_frames)
    vcu = parts(window.begin, end)
    if vcu.shown_frames != end - window.begin:
        raise ShapeError(
            "part-length",
            "The frames {begin} to {end} came as a VCU of {frames} frames. As many as were asked for are needed. Give "
            "the VCU of these frames.",
            begin=window.begin,
            end=end - 1,
            frames=vcu.shown_frames,
        )
    if window.prompt is not None:
        vcu = replace(vcu, prompt=window.prompt)
    if window.negative_prompt is not None:
        vcu = replace(vcu, negative_prompt=window.negative_prompt)
    if window.references is not None:
        shown = [_picture(pictures.references, name) for name in window.references]
        vcu = replace(vcu, references=stack(shown, vcu.height, vcu.width))
    for place, name in plan.keyframes_in(window.begin, end).items():
        vcu = keeping(vcu, place, _picture(pictures.keyframes, name))
    length = plan.length(number)
    return lengthened(vcu, length, padding=0 if leads_back else length - (end - window.begin))


def lengthened(vcu: VideoConditionUnit, length: int, *, padding: int) -> VideoConditionUnit:
    """The VCU with so many frames in all: its last one repeated, or padding cut."""
    more = length - vcu.num_frames
    if not more:
        return replace(vcu, padding=padding)

    def longer(frames: Tensor | None) -> Tensor | None:
        if frames is None or more < 0:
            return None if frames is None else frames[:, :, :length]
        return torch.cat([frames, frames[:, :, -1:].expand(-1, -1, more, -1, -1)], dim=2)

    roles = longer(vcu.roles)
    assert roles is not None
    return replace(vcu, roles=roles, source=longer(vcu.source), control=longer(vcu.control), padding=padding)


def keeping(vcu: VideoConditionUnit, at: int, frames: Tensor) -> VideoConditionUnit:
    """The VCU that keeps `frames` `(B, 3, n, H, W)` from its frame `at` on, whatever it said there.

    Raises:
        ShapeError: they have another size, or are more than there is room for.
    """
    count, (b, _, t, h, w) = frames.shape[2], vcu.roles.shape
    if frames.shape != (b, 3, count, h, w) or not 0 <= at <= t - count:
        raise ShapeError(
            "kept-frames-size",
            "Frames of shape {shape} were to be kept from frame {at} on of a clip of {frames} frames of {width} x "
            "{height} pixels. Frames of this size that lie in the clip are needed. Fit them to it.",
            shape=tuple(frames.shape),
            at=at,
            frames=t,
            width=w,
            height=h,
        )
    span = slice(at, at + count)
    roles = vcu.roles.clone()
    roles[:, :, span] = KEEP
    source = frames.new_zeros(b, 3, t, h, w) if vcu.source is None else vcu.source.clone()
    source[:, :, span] = frames.to(source)
    return replace(vcu, roles=roles, source=source)


def placed(vcu: VideoConditionUnit, begin: int, clips: Mapping[int, Tensor]) -> VideoConditionUnit:
    """The VCU of a stretch from frame `begin` of a whole on, that keeps what of the clips lies in it.

    Args:
        vcu: The stretch.
        begin: Its first frame.
        clips: `(B, 3, n, H, W)` by the frame of the whole that each begins at.
    """
    for start, clip in clips.items():
        first, last = max(start, begin), min(start + clip.shape[2], begin + vcu.num_frames)
        if first < last:
            vcu = keeping(vcu, first - begin, clip[:, :, first - start : last - start])
    return vcu


def check_pictures(plan: Plan, pictures: PlanPictures) -> None:
    """Validate that all images of a plan are there, before the first window is made.

    Raises:
        InputError: one is missing.
    """
    for keyframe in plan.keyframes:
        _picture(pictures.keyframes, keyframe.picture)
    for window in plan.windows:
        for name in window.references or ():
            _picture(pictures.references, name)


def _picture(pictures: Mapping[str, Tensor], name: str) -> Tensor:
    if name not in pictures:
        raise InputError(
            "plan-picture",
            'The plan names the image "{name}", and {there} came. This one is needed. Give it, or take it out of the '
            "plan.",
            name=name,
            there=_listed(list(pictures)),
        )
    return pictures[name]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "none"
