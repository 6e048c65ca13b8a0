"""Tasks made of a clip: what is masked, kept and followed is drawn, and the clip itself is the answer.

Source of the kinds: VACE, arXiv 2503.07598, section 4.1 (data construction).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ... import tasks
from ...errors import InputError
from ...inputs import masks as mask_tools
from ...inputs.layout import draw_track
from ...inputs.references import crop_subject
from ...tasks.anything import animate_anything, expand_anything, swap_anything
from ...vcu import VideoConditionUnit, compose
from .material import Material

Build = Callable[[Material, random.Random], VideoConditionUnit]
LEAST_OBJECT = 0.005  # of a frame's area, for an object to count as there, here and where masks are made
MOST_HOLE = 0.5  # of a side, for a drawn hole


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What there is to make a task of, beside a clip or in the part of it that was drawn.

    Attributes:
        objects: Masks; of a part of a clip those whose object is large enough in it.
        references: Pictures.
        controls: Kinds of signals that were made elsewhere.
        moving: Whether there are two frames or more.
    """

    objects: int = 0
    references: int = 0
    controls: Collection[str] = ()
    moving: bool = True


def parts_of(clip: Material) -> Parts:
    """What there is in a part of a clip."""
    return Parts(
        objects=sum(map(_is_seen, clip.masks)),
        references=len(clip.references),
        controls=clip.controls,
        moving=clip.frames.shape[2] > 1,
    )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """How examples of one task are made.

    Attributes:
        build: Material and dice → unit.
        needs: Whether there is what the task needs.
        references: How many an example has at most.
    """

    build: Build
    needs: Callable[[Parts], bool]
    references: int = 0


def _text(clip: Material, rng: random.Random) -> VideoConditionUnit:
    t, h, w = clip.frames.shape[2:]
    return tasks.text(num_frames=t, height=h, width=w, fps=clip.fps)


def _inpaint(clip: Material, rng: random.Random) -> VideoConditionUnit:
    return tasks.inpaint(clip.frames, hole(clip, rng), fps=clip.fps)


def hole(clip: Material, rng: random.Random) -> Tensor:
    """`(1, 1, T, H, W)`: an object, from its silhouette to a box that holds still, or a drawn shape."""
    present = [mask for mask in clip.masks if bool(mask.any())]
    if not present or rng.random() < 0.3:
        return drawn_hole(clip.frames, rng)
    mask = rng.choice(present)
    if rng.random() < 0.3:
        mask = mask_tools.steady(mask, rng.choice((None, 1, 4)))
    mask = mask_tools.augment(
        mask, "random", expand_ratio=rng.uniform(0, 0.6), expand_iters=None, expand_lrtp=None, seed=rng.getrandbits(31)
    )
    return mask if bool((mask == 0).any()) else rng.choice(present)


def drawn_hole(frames: Tensor, rng: random.Random) -> Tensor:
    """`(1, 1, T, H, W)`: a box or an ellipse that stands still or wanders across the frame."""
    t, h, w = frames.shape[2:]
    height, width = (max(int(side * rng.uniform(0.2, MOST_HOLE)), 1) for side in (h, w))
    start, end = ((rng.uniform(0, h - height), rng.uniform(0, w - width)) for _ in range(2))
    end = start if rng.random() < 0.5 else end
    share = torch.linspace(0, 1, t)[:, None, None] if t > 1 else torch.zeros(1, 1, 1)
    top, left = (a + (b - a) * share for a, b in zip(start, end, strict=True))
    y = (torch.arange(h).view(1, h, 1) + 0.5 - top - height / 2) / (height / 2)
    x = (torch.arange(w).view(1, 1, w) + 0.5 - left - width / 2) / (width / 2)
    inside = torch.maximum(x.abs(), y.abs()) < 1 if rng.random() < 0.6 else x.square() + y.square() < 1
    return inside.float()[None, None]


def _outpaint(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """A border on some sides; or, of an object, everything around it (its mask inverted)."""
    present = [mask for mask in clip.masks if bool(mask.any())]
    if present and rng.random() < 0.4:
        kept = mask_tools.augment(rng.choice(present), "random", expand_lrtp=None, seed=rng.getrandbits(31))
        around = mask_tools.invert(kept)
        if bool(around.any()):
            return tasks.inpaint(clip.frames, around, fps=clip.fps)
    return tasks.inpaint(clip.frames, _border(clip.frames, rng), fps=clip.fps)


def _border(frames: Tensor, rng: random.Random) -> Tensor:
    h, w = frames.shape[3:]
    inside = torch.ones_like(frames[:, :1])
    for side in rng.sample(("left", "right", "top", "bottom"), rng.randint(1, 4)):
        across = max(int(rng.uniform(0.05, 0.35) * (w if side in ("left", "right") else h)), 1)
        edges = {
            "left": (..., slice(None), slice(0, across)),
            "right": (..., slice(None), slice(w - across, None)),
            "top": (..., slice(0, across), slice(None)),
            "bottom": (..., slice(h - across, None), slice(None)),
        }
        inside[edges[side]] = 0
    return 1 - inside


def _extend(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """From the first frame, to the last, between both, around random frames, or between segments at both ends."""
    t = clip.frames.shape[2]
    part = max(t // 3, 1)
    variant = rng.choice(("first", "last", "both", "first clip", "last clip", "both clips", "random"))
    if variant == "random":
        return _keyframes(clip, rng)
    long = "clip" in variant
    before, after = (rng.randint(1, part) if long else 1 for _ in range(2))
    first = clip.frames[:, :, :before] if variant.startswith(("first", "both")) else None
    last = clip.frames[:, :, t - after :] if variant.startswith(("last", "both")) else None
    return tasks.extend(first, last, num_frames=t, fps=clip.fps)


def _keyframes(clip: Material, rng: random.Random) -> VideoConditionUnit:
    return tasks.keyframes(drawn_keyframes(clip.frames, rng), num_frames=clip.frames.shape[2], fps=clip.fps)


def drawn_keyframes(frames: Tensor, rng: random.Random) -> dict[int, Tensor]:
    """At most a quarter of the frames `(1, 3, T, H, W)`, drawn, by their places."""
    t = frames.shape[2]
    at = sorted(rng.sample(range(t), rng.randint(1, max(t // 4, 1))))
    return {frame: frames[:, :, frame : frame + 1] for frame in at}


def _control(signal: Callable[[Material], VideoConditionUnit]) -> Build:
    return lambda clip, _: signal(clip)


def _given(kind: str) -> Build:
    return lambda clip, _: tasks.control(clip.controls[kind], fps=clip.fps)


def _layout(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """Boxes around the objects, or their outlines."""
    boxes = rng.random() < 0.7
    masks = [mask_tools.box(mask) if boxes else mask for mask in clip.masks]
    drawn = draw_track(masks[0])
    for mask in masks[1:]:
        drawn = torch.minimum(drawn, draw_track(mask))
    return tasks.control(drawn, fps=clip.fps)


def pictures(clip: Material, most: int, rng: random.Random) -> list[Tensor]:
    """Up to `most` references: those that came with the clip, or its objects cut out of one of its frames."""
    if clip.references:
        return list(clip.references[:most])
    found: list[Tensor] = []
    for mask in clip.masks:
        large = (mask.mean((0, 1, 3, 4)) >= LEAST_OBJECT).nonzero().flatten().tolist()
        if large:
            frame = slice(at := rng.choice(large), at + 1)
            found.append(crop_subject(clip.frames[:, :, frame], mask[:, :, frame]))
    if not found:
        raise InputError(
            "object-too-small",
            "No object of the clip is large enough for a reference. It must cover at least {least:.1%} of the frame. "
            "Remove the clip.",
            least=LEAST_OBJECT,
        )
    return found[:most]


def _reference(most: int) -> Build:
    def build(clip: Material, rng: random.Random) -> VideoConditionUnit:
        t, h, w = clip.frames.shape[2:]
        return tasks.reference(pictures(clip, most, rng), num_frames=t, height=h, width=w, fps=clip.fps)

    return build


def _swap(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """One of the objects that are seen is taken out, and comes back by its own picture."""
    place = rng.choice([place for place, mask in enumerate(clip.masks) if _is_seen(mask)])
    own = clip.own_references[place] if clip.own_references else None
    alone = replace(clip, masks=(clip.masks[place],), references=() if own is None else (own,))
    mask = mask_tools.augment(
        clip.masks[place], rng.choice(("bbox", "bbox_expand", "hull_expand")), seed=rng.getrandbits(31)
    )
    return swap_anything(clip.frames, mask, pictures(alone, 1, rng), fps=clip.fps)


def _move(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """The first frame, and boxes of the objects in all frames."""
    still = tasks.extend(clip.frames[:, :, :1], num_frames=clip.frames.shape[2], fps=clip.fps)
    return compose(still, _layout(clip, rng))


def _animate(clip: Material, rng: random.Random) -> VideoConditionUnit:
    return animate_anything(clip.controls["pose"], pictures(clip, 1, rng), fps=clip.fps)


def _expand(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """The middle of the first frame and an object's picture; the rest is made."""
    t, h, w = clip.frames.shape[2:]
    step = 8
    across, down = (max(int(rng.uniform(0.1, 0.3) * side) // step * step, step) for side in (w, h))
    middle = clip.frames[:, :, :1, down : h - down, across : w - across]
    return expand_anything(
        middle, pictures(clip, 1, rng), num_frames=t, left=across, right=across, top=down, bottom=down, step=1,
        fps=clip.fps,
    )  # fmt: skip


def _as_given(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """The control that came with the clip, its masks and its first picture, whichever are there.

    Source: modelscope/DiffSynth-Studio, pipelines/wan_video.py (the unit of VACE).
    """
    given = clip.controls.get("control")
    unit = _text(clip, rng) if given is None else tasks.control(given, fps=clip.fps)
    if given is not None and clip.masked:
        masks = torch.stack(clip.masks).amax(0)
        unit = compose(tasks.inpaint(given, masks, fps=clip.fps), tasks.control(given, masks=masks, fps=clip.fps))
    t, h, w = clip.frames.shape[2:]
    seen = (
        tasks.reference(clip.references[:1], num_frames=t, height=h, width=w, fps=clip.fps) if clip.references else unit
    )
    return compose(unit, seen)


def _mixed(clip: Material, rng: random.Random) -> VideoConditionUnit:
    """A control inside a hole or after given frames."""
    there = parts_of(clip)
    able = [name for name in ("gray", "scribble", "flow", "depth", "pose", "layout") if KINDS[name].needs(there)]
    control = KINDS[rng.choice(able)].build(clip, rng)
    return compose(rng.choice((_inpaint, _extend))(clip, rng), control)


def _is_seen(mask: Tensor) -> bool:
    return bool((mask.mean((0, 1, 3, 4)) >= LEAST_OBJECT).any())


def _always(_: Parts) -> bool:
    return True


def _moving(there: Parts) -> bool:
    return there.moving


def _objects(there: Parts) -> bool:
    return there.objects > 0


def _pictured(there: Parts) -> bool:
    return there.references > 0 or there.objects > 0


def _several(there: Parts) -> bool:
    return there.references > 1 if there.references else there.objects > 1  # as `pictures` takes them


def _has(kind: str) -> Callable[[Parts], bool]:
    return lambda there: kind in there.controls


KINDS: dict[str, Kind] = {
    "text": Kind(build=_text, needs=_always),
    "inpaint": Kind(build=_inpaint, needs=_always),
    "outpaint": Kind(build=_outpaint, needs=_always),
    "extend": Kind(build=_extend, needs=_moving),
    "gray": Kind(build=_control(lambda clip: tasks.gray(clip.frames, fps=clip.fps)), needs=_always),
    "scribble": Kind(build=_control(lambda clip: tasks.scribble(clip.frames, fps=clip.fps)), needs=_always),
    "flow": Kind(build=_control(lambda clip: tasks.flow(clip.frames, fps=clip.fps)), needs=_moving),
    "depth": Kind(build=_given("depth"), needs=_has("depth")),
    "pose": Kind(build=_given("pose"), needs=_has("pose")),
    "control": Kind(build=_given("control"), needs=_has("control")),
    "layout": Kind(build=_layout, needs=_objects),
    "reference": Kind(build=_reference(1), needs=_pictured, references=1),
    "references": Kind(build=_reference(4), needs=_several, references=4),
    "swap": Kind(build=_swap, needs=_objects, references=1),
    "move": Kind(build=_move, needs=lambda there: _moving(there) and _objects(there)),
    "animate": Kind(build=_animate, needs=lambda there: "pose" in there.controls and _pictured(there), references=1),
    "expand": Kind(build=_expand, needs=lambda there: _moving(there) and _pictured(there), references=1),
    "mixed": Kind(build=_mixed, needs=_moving),
    "as given": Kind(build=_as_given, needs=_always, references=1),
}
"""Every task that can be made of a clip and its files, by name."""
