"""Examples of every task on the synthetic world: a unit, and the clip that fulfils it.

The same functions make what the adapter learns from and what the evaluation asks of it, from different seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ... import tasks
from ...inputs import masks as mask_tools
from ...inputs.layout import BoxKey, BoxPath
from ...tasks.anything import animate_anything, expand_anything, move_anything, reference_anything, swap_anything
from ...training.data.derive import drawn_keyframes
from ...vcu import VideoConditionUnit, compose
from ..world import Scene, SceneClip, random_scene, render

FPS = 8.0
# Seeds from here on are kept for the evaluation.
HELD_OUT = 1_000_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One example.

    Attributes:
        task: A name of `TASKS`.
        vcu: What is asked for.
        clip: A clip that fulfils it, with its ground truth.
    """

    task: str
    vcu: VideoConditionUnit
    clip: SceneClip


@dataclass(frozen=True, kw_only=True)
class Task:
    """How examples of one task are made.

    Attributes:
        build: Clip, prompt and dice → unit.
        suits: Which scenes the task makes sense for.
        share: How often training draws it, relative to the others.
        tells: Probability that the prompt describes the objects; otherwise only the condition tells.
    """

    build: Callable[[SceneClip, str, random.Random], VideoConditionUnit]
    suits: Callable[[Scene], bool]
    share: float
    tells: float = 0.9


def draw_sample(task: str, seed: int, *, always_tell: bool | None = None) -> Sample:
    """The example of `task` with this seed.

    Args:
        always_tell: True or False fixes whether the prompt describes the objects; None draws it.
    """
    rng = random.Random(f"{task} {seed}")
    kind = TASKS[task]
    scene = random_scene(rng.randrange(2**31))
    while not kind.suits(scene):
        scene = random_scene(rng.randrange(2**31))
    clip = render(scene)
    tell = rng.random() < kind.tells if always_tell is None else always_tell
    return Sample(task=task, vcu=kind.build(clip, clip.caption if tell else clip.object_words, rng), clip=clip)


def draw_task(seed: int) -> str:
    """A task name, drawn by the tasks' shares."""
    names = list(TASKS)
    return random.Random(seed).choices(names, weights=[TASKS[name].share for name in names])[0]


def paths_of(clip: SceneClip) -> list[BoxPath]:
    """The objects' boxes as paths with one key a frame."""
    height, width = clip.frames.shape[-2:]
    return [_path_of(boxes, height, width, order) for order, boxes in enumerate(clip.boxes)]


def _path_of(boxes: Tensor, height: int, width: int, order: int) -> BoxPath:
    left, top, right, bottom = (boxes / torch.tensor([width, height, width, height])).unbind(1)
    keys = [
        BoxKey(time=frame / (len(boxes) - 1), x=float((left + right)[frame] / 2), y=float((top + bottom)[frame] / 2),
               width=float((right - left)[frame]), height=float((bottom - top)[frame]))
        for frame in range(len(boxes))
    ]  # fmt: skip
    return BoxPath(keys=tuple(keys), order=order)


def _text(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = clip.frames.shape[2:]
    return tasks.text(num_frames=t, height=h, width=w, prompt=prompt, fps=FPS)


def _reference(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = clip.frames.shape[2:]
    return tasks.reference(clip.references[:1], num_frames=t, height=h, width=w, prompt=prompt, fps=FPS)


def _all_references(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = clip.frames.shape[2:]
    return reference_anything(
        clip.references, masks=[None] * len(clip.references), num_frames=t, height=h, width=w, prompt=prompt, fps=FPS
    )


def _inpaint(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.inpaint(clip.frames, _hole(clip, rng), prompt=prompt, fps=FPS)


def _hole(clip: SceneClip, rng: random.Random) -> Tensor:
    """A part of the clip to make anew: an object with some room, or a box that stands or wanders."""
    if len(clip.masks) and rng.random() < 0.5:
        around = mask_tools.grow(clip.masks[:1], rng.randint(1, 4))
        return rng.choice((mask_tools.box, mask_tools.hull, lambda masks: masks))(around)
    return _wandering_box(clip, rng)


def _wandering_box(clip: SceneClip, rng: random.Random) -> Tensor:
    t, h, w = clip.frames.shape[2:]
    holes = torch.zeros(1, 1, t, h, w)
    height, width = rng.randint(h // 5, h // 2), rng.randint(w // 5, w // 2)
    starts = [(rng.randint(0, h - height), rng.randint(0, w - width)) for _ in range(2)]
    ends = starts if rng.random() < 0.6 else starts[::-1]
    for frame in range(t):
        share = frame / (t - 1)
        top, left = (round(a + (b - a) * share) for a, b in zip(starts[0], ends[0], strict=True))
        holes[:, :, frame, top : top + height, left : left + width] = 1
    return holes


def _outpaint(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    sides = _sides(clip, rng)
    return tasks.outpaint(
        _inside(clip.frames, sides),
        left=sides["left"],
        right=sides["right"],
        top=sides["top"],
        bottom=sides["bottom"],
        prompt=prompt,
        fps=FPS,
    )


def _sides(clip: SceneClip, rng: random.Random) -> dict[str, int]:
    """How many pixels are cut off, and so to be made, on each side."""
    h, w = clip.frames.shape[-2:]
    chosen = rng.sample(("left", "right", "top", "bottom"), rng.randint(1, 4))
    most = {"left": w // 4, "right": w // 4, "top": h // 4, "bottom": h // 4}
    return {side: rng.randint(6, most[side]) if side in chosen else 0 for side in most}


def _inside(frames: Tensor, sides: dict[str, int]) -> Tensor:
    h, w = frames.shape[-2:]
    return frames[..., sides["top"] : h - sides["bottom"], sides["left"] : w - sides["right"]]


def _extend(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t = clip.frames.shape[2]
    known = rng.choice((1, 1, 5, 9))
    first, last = clip.frames[:, :, :known], clip.frames[:, :, t - known :]
    ends = rng.choice(((first, None), (first, None), (None, last), (first[:, :, :5], last[:, :, -5:])))
    return tasks.extend(*ends, num_frames=t, prompt=prompt, fps=FPS)


def _keyframes(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t = clip.frames.shape[2]
    return tasks.keyframes(drawn_keyframes(clip.frames, rng), num_frames=t, prompt=prompt, fps=FPS)


def _gray(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.gray(clip.frames, prompt=prompt, fps=FPS)


def _depth(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.depth(clip.depth, prompt=prompt, fps=FPS)


def _scribble(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.scribble(clip.frames, prompt=prompt, fps=FPS)


def _flow(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.flow(clip.frames, prompt=prompt, fps=FPS)


def _pose(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    assert clip.pose is not None
    return tasks.pose(clip.pose, prompt=prompt, fps=FPS)


def _layout(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = clip.frames.shape[2:]
    return tasks.layout(paths_of(clip), num_frames=t, height=h, width=w, prompt=prompt, fps=FPS)


def _move(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t = clip.frames.shape[2]
    return move_anything(clip.frames[:, :, :1], paths_of(clip), num_frames=t, prompt=prompt, fps=FPS)


def _animate(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    assert clip.pose is not None
    return animate_anything(clip.pose, clip.references[:1], prompt=prompt, fps=FPS)


def _swap(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    hole = mask_tools.box(mask_tools.grow(clip.masks[:1], rng.randint(1, 3)))
    return swap_anything(clip.frames, hole, clip.references[:1], prompt=prompt, fps=FPS)


def _expand(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    sides = _sides(clip, rng)
    picture = _inside(clip.frames[:, :, :1], sides)
    t = clip.frames.shape[2]
    return expand_anything(
        picture,
        clip.references[:1],
        num_frames=t,
        left=sides["left"],
        right=sides["right"],
        top=sides["top"],
        bottom=sides["bottom"],
        prompt=prompt,
        fps=FPS,
    )


def _mixed(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    """A control inside a hole, or after given frames: what composing units makes of two tasks."""
    control = rng.choice((_gray, _depth, _scribble, _layout, _flow))(clip, prompt, rng)
    return compose(rng.choice((_inpaint, _extend))(clip, prompt, rng), control)


def _any(scene: Scene) -> bool:
    return True


def _has(*shapes: str, least: int = 1) -> Callable[[Scene], bool]:
    """Scenes with at least `least` objects, all of one of `shapes`."""
    return lambda scene: len(scene.objects) >= least and all(item.shape in shapes for item in scene.objects)


_SHAPES = ("circle", "square", "triangle", "star", "ring", "cross")
_object, _pair, _figure, _face = _has(*_SHAPES), _has(*_SHAPES, least=2), _has("figure"), _has("face")
_something = _has(*_SHAPES, "figure", "face")

# The twelve tasks of the benchmark, the five compositions, and two more that only training needs.
TASKS: dict[str, Task] = {
    "text": Task(build=_text, suits=_any, share=0.6, tells=1.0),
    "object reference": Task(build=_reference, suits=_object, share=1.6, tells=0.3),
    "face reference": Task(build=_reference, suits=_face, share=0.6, tells=0.3),
    "inpaint": Task(build=_inpaint, suits=_any, share=1.2),
    "outpaint": Task(build=_outpaint, suits=_any, share=0.8),
    "extend": Task(build=_extend, suits=_any, share=1.4),
    "gray": Task(build=_gray, suits=_any, share=0.6),
    "depth": Task(build=_depth, suits=_something, share=0.7),
    "scribble": Task(build=_scribble, suits=_something, share=0.7),
    "pose": Task(build=_pose, suits=_figure, share=0.7),
    "flow": Task(build=_flow, suits=_something, share=0.7),
    "layout": Task(build=_layout, suits=_object, share=1.2),
    "reference anything": Task(build=_all_references, suits=_pair, share=0.7, tells=0.3),
    "move anything": Task(build=_move, suits=_object, share=1.0, tells=0.6),
    "animate anything": Task(build=_animate, suits=_figure, share=0.7, tells=0.3),
    "swap anything": Task(build=_swap, suits=_object, share=1.2, tells=0.3),
    "expand anything": Task(build=_expand, suits=_something, share=0.8, tells=0.3),
    "keyframes": Task(build=_keyframes, suits=_any, share=0.6),
    "mixed": Task(build=_mixed, suits=_object, share=1.0),
}
