"""What was drawn on a clip, as one condition: every object's action by the tasks that do it.

| action | what is generated | what else |
|---|---|---|
| keep | nothing: in front of all others; where it is the only action, all the rest | |
| remove | its mask | behind all others |
| generate | its mask | its words |
| replace | its mask | its picture is a reference |
| control | its mask | the control is followed there |
| move | where it was, and with `grow` a rim around where it lands | its cut-out is kept where it lands |

Masks are grown first. In front is what has the higher order; a pixel belongs to the object in front.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import InputError
from ..geometry import Box
from ..inputs.desk.document import Desk, DeskObject
from ..inputs.desk.drawing import Masks, Placed, boxes_at, carry, draw_object, grown, moments, way_at
from ..inputs.fitted import Fitted
from ..inputs.fitting import FitPlan
from ..inputs.masks import bounds, opencv
from ..inputs.resizing import resize_masks
from ..vcu import VideoConditionUnit, compose
from .basic import control, inpaint, reference, text

CLAIMS = ("generate", "replace", "control", "move")
"""Actions that lie over others and under those in front of them."""

Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layers:
    """What the objects of a desk ask for, `(T, H, W)` in pixels of the clip.

    Attributes:
        objects: Each object's mask where it is in the clip, grown, 0 or 255.
        made: Of each object what is generated for it, bool.
        landed: Of each moved object where its cut-out is seen, bool; None of the others.
        rest: What is generated around kept objects where nothing else is asked for, bool.
    """

    objects: tuple[Masks, ...]
    made: tuple[Flags, ...]
    landed: tuple[Flags | None, ...]
    rest: Flags

    @property
    def generated(self) -> Flags:
        """All that is generated."""
        found = self.rest.copy()
        for one in self.made:
            found |= one
        return found


@dataclass(frozen=True, kw_only=True, eq=False)
class DeskCondition:
    """The condition of a desk.

    Attributes:
        vcu: For the model.
        strengths: `(1, 1, T, H, W)` in 0..2 of the VCU's size, the strength of each pixel; None = 1 everywhere.
        references: Images `(1, 3, 1, h, w)` that replace objects, each once, in the order in which they are used.
        notes: What is to be known, one sentence each.
    """

    vcu: VideoConditionUnit
    strengths: Tensor | None
    references: tuple[Tensor, ...]
    notes: tuple[str, ...]


def layers_of(desk: Desk, num_frames: int, height: int, width: int, *, frames: Sequence[int] | None = None) -> Layers:
    """What the objects of a desk ask for in a clip.

    Args:
        desk: What was drawn.
        num_frames: Frames of the clip.
        height: Pixels of the clip.
        width: Pixels of the clip.
        frames: Those that are looked at; in the others nothing is asked for. None = all.

    Raises:
        InputError: it does not fit into memory.
    """
    empty = np.zeros((num_frames, height, width), dtype=bool)
    drawn = [draw_object(one, num_frames, height, width, frames=frames) for one in desk.objects]
    masks = [grown(mask, one.grow, frames=frames) for mask, one in zip(drawn, desk.objects, strict=True)]
    kept, taken = empty.copy(), empty.copy()
    for mask, one in zip(masks, desk.objects, strict=True):
        if one.action == "keep":
            kept |= mask > 0
    taken |= kept
    made, landed = [empty] * len(masks), list[Flags | None]([None] * len(masks))
    rims = dict[int, Flags]()
    for n in _from_the_front(desk):
        one = desk.objects[n]
        if one.action != "move":
            made[n] = (masks[n] > 0) & ~taken
            taken |= made[n]
            continue
        there = draw_object(one, num_frames, height, width, frames=frames, there=True)
        landed[n] = (there > 0) & ~taken
        rims[n] = (grown(there, max(one.grow, 0), frames=frames) > 0) & ~(there > 0) & ~taken
        taken = taken | landed[n]
    for n, one in enumerate(desk.objects):
        if one.action == "remove":
            made[n] = (masks[n] > 0) & ~_covered(kept, landed)
        elif one.action == "move":
            # A hole is behind all that landed and all that is kept; an object that stays where it is leaves none.
            made[n] = ((drawn[n] > 0) | (masks[n] > 0) | rims[n]) & ~_covered(kept, landed)
    rest = empty
    if desk.objects and all(one.action == "keep" for one in desk.objects):
        rest = ~kept
    return Layers(objects=tuple(masks), made=tuple(made), landed=tuple(landed), rest=rest)


def desk_condition(
    desk: Desk,
    clip: Fitted,
    *,
    pictures: Sequence[Tensor] = (),
    follow: Callable[[], Tensor] | None = None,
    prompt: str = "",
    negative_prompt: str = "",
    layers: Layers | None = None,
) -> DeskCondition:
    """The condition that a desk asks for.

    Args:
        desk: What was drawn.
        clip: The clip that it was drawn on, fitted to a model.
        pictures: Images `(1, 3, 1, h, w)` that may replace objects, the first is number 1.
        follow: Gives the control `(1, 3, T, H, W)` of the fitted clip, where there is one.
        prompt: What the whole shows; the objects' words are joined to it in order.
        negative_prompt: What it should not show.
        layers: `layers_of` the clip, where they are known; else they are drawn for the frames that the model gets.

    Raises:
        InputError: a picture or the control is missing, something moves that has no box, or nothing is generated.
    """
    count, height, width = clip.source.shape
    if clip.begin or clip.plan.source_frames != count:
        raise InputError(
            "desk-part-of-clip",
            "The clip is fitted from frame {begin} on. The whole clip is needed, which was drawn on. Fit all of it.",
            begin=clip.begin,
        )
    used = _pictures_used(desk, pictures)
    if follow is None and any(one.action == "control" for one in desk.objects):
        raise _lacks(desk, "control", "is to follow a control, and none is connected", "Connect control")
    if layers is None:
        layers = layers_of(desk, count, height, width, frames=clip.plan.indices)
    masks = _fitted(layers.generated, clip.plan)
    if not bool(masks.any()):
        raise InputError(
            "desk-nothing",
            "Nothing of the clip is generated: {why} An object inside the frame that is removed, replaced, generated "
            "or moved is needed. Draw one, or change an action.",
            why=" ".join(_unseen(desk, layers, clip.plan)) or "no object asks for it.",
        )
    source = moved(desk, clip, layers)
    if not clip.plan.whole and any(one is not None for one in layers.landed):
        masks = masks * (1 - _landed(layers, clip.plan))
    units = [inpaint(source, masks, prompt=prompt, negative_prompt=negative_prompt, fps=clip.plan.fps)]
    if used:
        _, _, count, height, width = masks.shape
        units.append(reference(used, num_frames=count, height=height, width=width, fps=clip.plan.fps))
    followed = [made for made, one in zip(layers.made, desk.objects, strict=True) if one.action == "control"]
    if follow is not None and followed:
        units.append(control(follow(), masks=_fitted(np.any(followed, axis=0), clip.plan), fps=clip.plan.fps))
    said = [one.prompt for one in desk.objects if one.prompt.strip() and one.is_drawn]
    units += [_words(one, masks, clip.plan.fps) for one in said]
    vcu = replace(compose(*units), padding=clip.plan.padding)
    notes = (*_unseen(desk, layers, clip.plan), *_moves(desk))
    return DeskCondition(vcu=vcu, strengths=_strengths(desk, layers, clip.plan), references=used, notes=notes)


def _words(prompt: str, masks: Tensor, fps: float) -> VideoConditionUnit:
    """A unit of the size of masks that says nothing but words."""
    _, _, count, height, width = masks.shape
    return text(num_frames=count, height=height, width=width, prompt=prompt, fps=fps)


def moved(desk: Desk, clip: Fitted, layers: Layers) -> Tensor:
    """The frames `(1, 3, T, H, W)` of a fitted clip with every cut-out where its path takes it."""
    frames = clip.frames
    goes = [n for n, one in enumerate(desk.objects) if layers.landed[n] is not None and one.path is not None]
    if not goes:
        return frames
    found = frames.clone()
    for n in goes:
        seen = layers.landed[n]
        assert seen is not None
        masks = _fitted(seen, clip.plan)
        for place, index in enumerate(clip.plan.indices):
            where = masks[0, 0, place] > 0
            if not bool(where.any()):
                continue
            way = _on_plan(_way_of(desk.objects[n], clip, index), clip.plan)
            part, gone = _warped(frames[0, :, place], way, bounds(where.numpy()))
            found[0, :, place][part] = torch.where(where[part[1:]], gone, found[0, :, place][part])
    return found


def _warped(picture: Tensor, way: NDArray[np.float64], lands: Box) -> tuple[Any, Tensor]:
    """The part of a picture `(3, H, W)` that `lands` covers, as what an affine map brings there."""
    cv2, (height, width) = opencv(), picture.shape[1:]
    corners = np.array([[x, y] for x in (lands.left, lands.right) for y in (lands.top, lands.bottom)], dtype=np.float64)
    came = cv2.transform(corners[None], cv2.invertAffineTransform(way))[0]
    (left, top), (right, low) = np.floor(came.min(0)).astype(int), np.ceil(came.max(0)).astype(int) + 1
    begin_x, begin_y = min(max(left - 2, 0), width - 1), min(max(top - 2, 0), height - 1)
    end_x, end_y = max(min(right + 2, width), begin_x + 1), max(min(low + 2, height), begin_y + 1)
    cut = np.ascontiguousarray(picture[:, begin_y:end_y, begin_x:end_x].permute(1, 2, 0).cpu().numpy())
    moved_way = way.copy()
    moved_way[:, 2] += way[:, :2] @ np.array([begin_x, begin_y]) - (lands.left, lands.top)
    size = lands.width, lands.height
    gone = cv2.warpAffine(cut, moved_way, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    part = (slice(None), slice(lands.top, lands.bottom), slice(lands.left, lands.right))
    return part, torch.from_numpy(gone).permute(2, 0, 1).clamp(-1, 1).to(picture)


def _way_of(one: DeskObject, clip: Fitted, index: int) -> NDArray[np.float64]:
    """The affine map of pixels of the clip that takes an object along in one frame."""
    count, height, width = clip.source.shape
    assert one.path is not None
    time = moments(count)[index : index + 1]
    here: Placed = boxes_at(one.keys, time, height, width, smooth=one.smooth)[0]
    return carry(here, way_at(one.path, time, height, width)[0])


def _on_plan(way: NDArray[np.float64], plan: FitPlan) -> NDArray[np.float64]:
    """An affine map of pixels of a clip as one of what it is fitted to, between centres of pixels."""
    scaled_height, scaled_width = plan.scaled_size
    fit = np.diag([scaled_width / plan.source_width, scaled_height / plan.source_height, 1.0])
    fit[:2, 2] = -plan.crop.left - 0.5, -plan.crop.top - 0.5
    square = np.vstack([way, [0.0, 0.0, 1.0]])
    return (fit @ square @ np.linalg.inv(fit))[:2]


def _from_the_front(desk: Desk) -> list[int]:
    """The objects that lie over others, the one in front first."""
    over = [n for n, one in enumerate(desk.objects) if one.action in CLAIMS]
    return sorted(over, key=lambda n: (desk.objects[n].order, n), reverse=True)


def _covered(kept: Flags, landed: Sequence[Flags | None]) -> Flags:
    found = kept.copy()
    for one in landed:
        if one is not None:
            found |= one
    return found


def _fitted(flags: Flags, plan: FitPlan) -> Tensor:
    """`(1, 1, T, H, W)` of 0 and 1, as the model gets them."""
    levels = torch.from_numpy(flags.astype(np.uint8) * np.uint8(255))
    return resize_masks(levels, plan)


def _landed(layers: Layers, plan: FitPlan) -> Tensor:
    found = [_fitted(one, plan) for one in layers.landed if one is not None]
    return torch.stack(found).amax(dim=0)


def _strengths(desk: Desk, layers: Layers, plan: FitPlan) -> Tensor | None:
    own = [n for n, one in enumerate(desk.objects) if one.strength != 1]
    if not own:
        return None
    found = torch.ones(1, 1, plan.num_frames, plan.height, plan.width)
    for n in own:
        found[_fitted(layers.made[n], plan) > 0] = desk.objects[n].strength
    return found


def _pictures_used(desk: Desk, pictures: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The pictures that replace something, each once."""
    numbers = dict[int, None]()
    for n, one in enumerate(desk.objects):
        if one.action != "replace":
            continue
        if not 1 <= one.picture <= len(pictures):
            which = f"picture {one.picture}" if one.picture else "a picture, and none is chosen"
            raise InputError(
                "desk-picture",
                "{name} is to be replaced with {which}; {count} pictures are connected. A picture for it is needed. "
                "Connect it to pictures and choose its number, or take the action generate.",
                name=desk.named(n),
                which=which,
                count=len(pictures),
            )
        numbers[one.picture] = None
    return tuple(pictures[number - 1] for number in numbers)


def _lacks(desk: Desk, action: str, what: str, cure: str) -> InputError:
    number = next(n for n, one in enumerate(desk.objects) if one.action == action)
    return InputError(
        "desk-lacks",
        "{name} {what}. It is needed. {cure}, or choose another action.",
        name=desk.named(number),
        what=what,
        cure=cure,
    )


def _unseen(desk: Desk, layers: Layers, plan: FitPlan) -> list[str]:
    """What is said of objects that do nothing."""
    said, frames = list[str](), sorted(set(plan.indices))
    for n, mask in enumerate(layers.objects):
        if not desk.objects[n].is_drawn:
            said.append(f"{desk.named(n)} is not drawn yet: it has no box and no stroke, and does nothing.")
        elif not any(mask[frame].any() for frame in frames):
            said.append(f"{desk.named(n)} is outside of the frame, or empty, in every frame: it does nothing.")
    return said


def _moves(desk: Desk) -> list[str]:
    return [
        f"{desk.named(n)} is to move and has no path: it stays where it is. Draw one."
        for n, one in enumerate(desk.objects)
        if one.action == "move" and one.path is None
    ]
