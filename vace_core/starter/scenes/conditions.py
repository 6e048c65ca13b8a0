"""What tasks make of a clip, as pictures: the controls, holes and pages that a VAE has to carry too."""

from __future__ import annotations

import random
from collections.abc import Iterator

import torch
from torch import Tensor

from ...inputs import controls
from ...inputs.layout import BoxKey, BoxPath, draw_layout
from .render import SceneClip
from .styles import random_style, stylise

KINDS: dict[str, float] = {
    "depth": 1.0,
    "scribble": 1.0,
    "gray": 0.6,
    "flow": 0.8,
    "pose": 1.0,
    "layout": 1.0,
    "hole": 1.6,
    "hole filled": 0.6,
    "reference": 1.6,
    "style": 1.2,
}
"""Kinds of condition, and how often each is drawn where it can be."""


def draw_condition(clip: SceneClip, rng: random.Random) -> Tensor:
    """`(1, 3, T, H, W)`, -1..1: what a task could show the model of this clip."""
    kinds = dict(KINDS)
    if not clip.objects:
        kinds = {kind: kinds[kind] for kind in ("scribble", "gray", "style")}
    elif clip.pose is None:
        del kinds["pose"]
    if clip.frames.shape[2] < 2:
        kinds.pop("flow", None)
    kind = rng.choices(list(kinds), list(kinds.values()))[0]
    return _of(kind, clip, rng).clamp(-1, 1)


def _of(kind: str, clip: SceneClip, rng: random.Random) -> Tensor:
    if kind == "depth":
        return clip.depth
    if kind == "scribble":
        return controls.scribble(clip.frames)
    if kind == "gray":
        return controls.gray(clip.frames)
    if kind == "flow":
        return flow_control(clip)
    if kind == "pose":
        assert clip.pose is not None
        return clip.pose
    if kind == "layout":
        num_frames, height, width = clip.frames.shape[2:]
        return draw_layout(paths_of(clip), num_frames=num_frames, height=height, width=width)
    if kind == "reference":
        return rng.choice(clip.references).expand_as(clip.frames)
    if kind == "style":
        return stylise(clip.frames, random_style(rng))
    hole = box_hole(clip, rng)
    return clip.frames * (hole if kind == "hole filled" else 1 - hole)


def flow_control(clip: SceneClip) -> Tensor:
    """`(1, 3, T, H, W)`: the true motion on the colour wheel, the first picture twice as annotators give it."""
    pictures = controls.flow_image(clip.flow)
    return torch.cat([pictures[:, :, :1], pictures], dim=2)


def paths_of(clip: SceneClip) -> list[BoxPath]:
    """The objects' boxes as paths with one key a frame."""
    num_frames, height, width = clip.frames.shape[2:]
    scale = torch.tensor([width, height, width, height])
    return [
        BoxPath(keys=tuple(_keys(boxes / scale, num_frames)), order=order) for order, boxes in enumerate(clip.boxes)
    ]


def _keys(boxes: Tensor, num_frames: int) -> Iterator[BoxKey]:
    for frame, (left, top, right, bottom) in enumerate(boxes.tolist()):
        time = frame / max(num_frames - 1, 1)
        yield BoxKey(time=time, x=(left + right) / 2, y=(top + bottom) / 2, width=right - left, height=bottom - top)


def box_hole(clip: SceneClip, rng: random.Random) -> Tensor:
    """`(1, 1, T, H, W)`, 1 = hole: a box that stands or wanders, or the box of an object."""
    num_frames, height, width = clip.frames.shape[2:]
    rows, columns = torch.arange(height)[:, None], torch.arange(width)[None, :]
    if len(clip.boxes) and rng.random() < 0.4:
        left, top, right, bottom = rng.choice(clip.boxes.unbind(0)).unbind(1)
    else:
        size = [rng.uniform(0.25, 0.6) for _ in range(2)]
        at = [[rng.uniform(0, 1 - side) for side in size] for _ in range(2)]
        times = torch.linspace(0, 1, num_frames) * (rng.random() < 0.5)
        left, top = ((a + (b - a) * times) * side for a, b, side in zip(*at, (width, height), strict=True))
        right, bottom = left + size[0] * width, top + size[1] * height
    inside = (columns >= left[:, None, None]) & (columns < right[:, None, None])
    return (inside & (rows >= top[:, None, None]) & (rows < bottom[:, None, None]))[None, None].float()
