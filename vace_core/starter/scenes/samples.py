"""Examples of every task on the starter's world: what is asked for, and the clip that fulfils it.

The same functions make what the adapter learns from and what the evaluation asks of it, from different seeds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from ... import tasks
from ...inputs import masks as mask_tools
from ...tasks.anything import animate_anything, expand_anything, move_anything, reference_anything, swap_anything
from ...vcu import VideoConditionUnit, compose
from .clips import BUCKETS, Bucket
from .conditions import box_hole, flow_control, paths_of
from .render import FPS, SceneClip, render
from .scene import Scene, large_object, random_scene
from .styles import random_style, stylise

MOST_REFERENCES = 2

HELD_OUT = 1_000_000
"""Examples from this number on are kept for the evaluation."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One example.

    Attributes:
        task: A name of `TASKS`.
        vcu: What is asked for.
        clip: A clip that fulfils it, with its truth.
    """

    task: str
    vcu: VideoConditionUnit
    clip: SceneClip


Built = VideoConditionUnit | tuple[VideoConditionUnit, SceneClip]
"""A unit, with the clip that fulfils it where that is another than the one it was made of."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """How examples of one task are made.

    Attributes:
        build: Clip, prompt and dice → unit.
        suits: Which scenes the task makes sense for.
        share: How often training draws it, relative to the others.
        tells: Probability that the prompt describes the objects; otherwise only the condition tells.
        kinds: What is drawn for it, names of `scene.KINDS`.
    """

    build: Callable[[SceneClip, str, random.Random], Built]
    share: float
    suits: Callable[[Scene], bool] = lambda scene: True
    tells: float = 0.9
    kinds: tuple[str, ...] = ()


def draw_bucket(seed: int, buckets: Mapping[Bucket, float] = BUCKETS) -> Bucket:
    """A size, drawn by the shares of `buckets`."""
    return random.Random(f"bucket {seed}").choices(list(buckets), list(buckets.values()))[0]


def draw_task(seed: int) -> str:
    """A task name, drawn by the tasks' shares."""
    names = list(TASKS)
    return random.Random(f"task {seed}").choices(names, [TASKS[name].share for name in names])[0]


def draw_sample(
    task: str,
    seed: int,
    bucket: Bucket,
    *,
    always_tell: bool | None = None,
    unseen: bool = False,
    calm: bool = False,
    large: bool = False,
) -> Sample:
    """The example of `task` with this seed, of this size.

    Args:
        task: A name of `TASKS`.
        seed: Which example.
        bucket: The size of the clip.
        always_tell: True or False fixes whether the prompt describes the objects; None draws it.
        unseen: As for `random_scene`.
        calm: As for `random_scene`.
        large: Whether the scene is one `large_object` instead.
    """
    rng = random.Random(f"{task} {seed} {bucket}")
    kind = TASKS[task]
    scene = large_object(rng.randrange(2**31), unseen=unseen) if large else None
    while scene is None or not kind.suits(scene):
        scene = random_scene(
            rng.randrange(2**31),
            seconds=bucket.seconds,
            aspect=bucket.aspect,
            unseen=unseen,
            calm=calm,
            kind=rng.choice(kind.kinds) if kind.kinds else None,
        )
    clip = render(scene, num_frames=bucket.num_frames, height=bucket.height, width=bucket.width)
    tell = rng.random() < kind.tells if always_tell is None else always_tell
    built = kind.build(clip, clip.caption if tell else clip.object_words, rng)
    vcu, clip = built if isinstance(built, tuple) else (built, clip)
    return Sample(task=task, vcu=vcu, clip=clip)


def _size(clip: SceneClip) -> tuple[int, int, int]:
    t, h, w = clip.frames.shape[2:]
    return t, h, w


def _text(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = _size(clip)
    return tasks.text(num_frames=t, height=h, width=w, prompt=prompt, fps=FPS)


def _reference(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = _size(clip)
    return tasks.reference(clip.references[:1], num_frames=t, height=h, width=w, prompt=prompt, fps=FPS)


def _all_references(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = _size(clip)
    pages = clip.references[:MOST_REFERENCES]
    return reference_anything(pages, masks=[None] * len(pages), num_frames=t, height=h, width=w, prompt=prompt, fps=FPS)


def _inpaint(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.inpaint(clip.frames, _hole(clip, rng), prompt=prompt, fps=FPS)


def _hole(clip: SceneClip, rng: random.Random) -> Tensor:
    """A part of the clip to make anew: an object with some room, or a box that stands or wanders."""
    if len(clip.masks) and rng.random() < 0.5:
        number = rng.randrange(len(clip.masks))
        around = mask_tools.grow(clip.masks[number : number + 1], rng.randint(1, 5))
        return rng.choice((mask_tools.box, mask_tools.hull, lambda masks: masks))(around)
    return box_hole(clip, rng)


def _sides(clip: SceneClip, rng: random.Random) -> dict[str, int]:
    """How many pixels are cut off, and so to be made, on each side."""
    _, h, w = _size(clip)
    chosen = rng.sample(("left", "right", "top", "bottom"), rng.randint(1, 4))
    most = {"left": w // 4, "right": w // 4, "top": h // 4, "bottom": h // 4}
    return {side: rng.randint(6, most[side]) if side in chosen else 0 for side in most}


def _inside(frames: Tensor, sides: dict[str, int]) -> Tensor:
    h, w = frames.shape[-2:]
    return frames[..., sides["top"] : h - sides["bottom"], sides["left"] : w - sides["right"]]


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


def _extend(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    """Frames are known at the beginning, at the end, or at both."""
    t = clip.frames.shape[2]
    known = rng.choice([count for count in (1, 1, 5, 9) if count < t])
    first, last = clip.frames[:, :, :known], clip.frames[:, :, t - known :]
    ends: list[tuple[Tensor | None, Tensor | None]] = [(first, None), (first, None), (None, last)]
    if 2 * known < t:
        ends.append((first, last))
    return tasks.extend(*rng.choice(ends), num_frames=t, prompt=prompt, fps=FPS)


def _keyframes(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t = clip.frames.shape[2]
    at = sorted(rng.sample(range(t), rng.randint(1, 4)))
    pictures = {frame: clip.frames[:, :, frame : frame + 1] for frame in at}
    return tasks.keyframes(pictures, num_frames=t, prompt=prompt, fps=FPS)


def _gray(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.gray(clip.frames, prompt=prompt, fps=FPS)


def _depth(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.depth(clip.depth, prompt=prompt, fps=FPS)


def _scribble(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    return tasks.scribble(clip.frames, prompt=prompt, fps=FPS)


def _flow(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    """Half of them from the true motion, half from what the library itself sees in the frames."""
    if rng.random() < 0.5:
        return tasks.flow(clip.frames, prompt=prompt, fps=FPS)
    return tasks.control(flow_control(clip), prompt=prompt, fps=FPS)


def _pose(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    assert clip.pose is not None
    return tasks.pose(clip.pose, prompt=prompt, fps=FPS)


def _layout(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t, h, w = _size(clip)
    return tasks.layout(paths_of(clip), num_frames=t, height=h, width=w, prompt=prompt, fps=FPS)


def _move(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    t = clip.frames.shape[2]
    return move_anything(clip.frames[:, :, :1], paths_of(clip), num_frames=t, prompt=prompt, fps=FPS)


def _animate(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    assert clip.pose is not None
    return animate_anything(clip.pose, clip.references[:1], prompt=prompt, fps=FPS)


def _swap(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    hole = mask_tools.box(mask_tools.grow(clip.masks[:1], rng.randint(1, 4)))
    return swap_anything(clip.frames, hole, clip.references[:1], prompt=prompt, fps=FPS)


def _expand(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    sides = _sides(clip, rng)
    return expand_anything(
        _inside(clip.frames[:, :, :1], sides),
        clip.references[:1],
        num_frames=clip.frames.shape[2],
        left=sides["left"],
        right=sides["right"],
        top=sides["top"],
        bottom=sides["bottom"],
        prompt=prompt,
        fps=FPS,
    )


def _stylise(clip: SceneClip, prompt: str, rng: random.Random) -> tuple[VideoConditionUnit, SceneClip]:
    """The same geometry and motion in a style that words name, or that a picture of another scene shows."""
    style = random_style(rng)
    h, w = clip.frames.shape[-2:]
    control = rng.choice((_scribble, _gray, _gray, _depth))(clip, f"{prompt}, {style.words}", rng)
    if style.name is None or rng.random() < 0.4:
        other = random_scene(rng.randrange(2**31), aspect=w / h, kind=rng.choice(("two", "three", "face")))
        page = stylise(render(other, num_frames=1, height=h, width=w).frames, style)
        control = replace(control, references=(page,))
        if rng.random() < 0.7:
            control = replace(control, prompt=prompt)
    return control, replace(clip, frames=stylise(clip.frames, style))


def _mixed(clip: SceneClip, prompt: str, rng: random.Random) -> VideoConditionUnit:
    """A control inside a hole, or after given frames: what composing units makes of two tasks."""
    control = rng.choice((_gray, _depth, _scribble, _layout, _flow))(clip, prompt, rng)
    return compose(rng.choice((_inpaint, _extend))(clip, prompt, rng), control)


def _something(scene: Scene) -> bool:
    return bool(scene.objects)


_SHAPES, _ANYTHING = ("one", "one", "two", "three", "four"), ("one", "two", "person", "face")

TASKS: dict[str, Task] = {
    "text": Task(build=_text, share=0.6, tells=1.0),
    "object reference": Task(build=_reference, share=1.6, tells=0.3, kinds=("one", "one", "two", "person")),
    "face reference": Task(build=_reference, share=0.9, tells=0.3, kinds=("face",)),
    "inpaint": Task(build=_inpaint, share=1.2),
    "outpaint": Task(build=_outpaint, share=0.8),
    "extend": Task(build=_extend, share=1.4),
    "gray": Task(build=_gray, share=0.6),
    "depth": Task(build=_depth, suits=_something, share=0.7),
    "scribble": Task(build=_scribble, suits=_something, share=0.7),
    "pose": Task(build=_pose, share=0.7, kinds=("person",)),
    "flow": Task(build=_flow, suits=_something, share=0.7),
    "layout": Task(build=_layout, share=1.2, kinds=_SHAPES),
    "stylization": Task(build=_stylise, suits=_something, share=1.0),
    "reference anything": Task(build=_all_references, share=0.9, tells=0.3, kinds=("two", "three")),
    "move anything": Task(build=_move, share=1.0, tells=0.6, kinds=("one", "one", "two")),
    "animate anything": Task(build=_animate, share=0.7, tells=0.3, kinds=("person",)),
    "swap anything": Task(build=_swap, share=1.2, tells=0.3, kinds=("one", "one", "two", "face")),
    "expand anything": Task(build=_expand, share=0.8, tells=0.3, kinds=_ANYTHING),
    "keyframes": Task(build=_keyframes, share=0.6),
    "mixed": Task(build=_mixed, suits=_something, share=1.0),
}
"""The thirteen tasks, the five compositions, and two more that only training needs."""

COMPOSED = ("reference anything", "move anything", "animate anything", "swap anything", "expand anything", "mixed")
"""Tasks that training adds after the single ones."""
