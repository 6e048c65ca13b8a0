"""The world of scenes: clips led by references for the base, every task for the adapter, in all its sizes."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from torch import Tensor

from ... import tasks
from ...media.video import to_uint8
from ...models.wan.dit import WanSizes
from ...training.data.example import Example
from ...training.schedule import Schedule
from ..scenes.captions import caption
from ..scenes.clips import STILLS, Bucket, clip
from ..scenes.conditions import draw_condition
from ..scenes.crops import CROPS, PLAIN, Crops, draw_crops
from ..scenes.render import FPS, SceneClip, render
from ..scenes.samples import HELD_OUT, Sample, draw_bucket, draw_sample, draw_task
from ..scenes.scene import large_object, random_scene
from ..scenes.text import SceneText
from .vae import Stage
from .world import Part, World

# How often a clip is led by so many of its references.
LEADING = (0.7, 0.2, 0.1)
# Wordings of one scene beside the one that leaves out what the objects look like.
WORDINGS = 5
# Of the single frames, how many show one large object alone; of the clips, how many are single frames.
LARGE, SINGLE = 0.3, 0.3
# Of what the base learns last, how much is one object alone, and in which size.
ONE, ALONE = 0.35, Bucket(num_frames=17, height=96, width=96)
# What is asked of large objects, and of single frames of scenes; recipes say how often each is trained.
LARGE_TASKS = ("object reference", "swap anything")
FRAME_TASKS = (
    *("text", "object reference", "face reference", "inpaint", "outpaint", "gray", "depth", "scribble", "pose"),
    *("layout", "stylization", "reference anything", "animate anything", "swap anything"),
)
# What the VAE is measured on, and ablations are trained on.
SMALL = Bucket(num_frames=17, height=64, width=64)


@dataclass(frozen=True)
class SceneStills:
    """Single frames and their words, for the base: where outlines come from, at a fifth of the cost of a clip.

    Attributes:
        first: Number of the first one.
    """

    first: int = 0

    @property
    def identity(self) -> str:
        return f"stills of the scenes from {self.first}"

    def draw(self, number: int) -> Example:
        return _still(number + self.first)


@dataclass(frozen=True)
class SceneClips:
    """Text to video, for the base, with single frames in between so that it does not forget them.

    Some clips have references in front, so that it has seen what those look like.

    Attributes:
        first: Number of the first clip.
    """

    first: int = 0

    @property
    def identity(self) -> str:
        return f"clips and stills of the scenes from {self.first}"

    def draw(self, number: int) -> Example:
        number += self.first
        if random.Random(f"single {number}").random() < SINGLE:
            return _still(number)
        bucket = draw_bucket(number)
        drawn = clip(0, number, bucket)
        leading = random.Random(f"base {number}").choices(range(len(LEADING)), weights=LEADING)[0]
        return _told(f"clip {number}", "clip", drawn, bucket, leading)


@dataclass(frozen=True)
class SceneOutlines:
    """As `SceneClips`, but many of the clips show one object alone before a muted backdrop: outlines that move.

    Attributes:
        first: Number of the first clip.
    """

    first: int = 0

    @property
    def identity(self) -> str:
        return f"clips of one object, clips and stills of the scenes from {self.first}"

    def draw(self, number: int) -> Example:
        number += self.first
        if random.Random(f"one {number}").random() >= ONE:
            return SceneClips().draw(number)
        scene = random_scene(f"one {number}", seconds=ALONE.seconds, aspect=ALONE.aspect, calm=True, kind="one")
        drawn = render(scene, num_frames=ALONE.num_frames, height=ALONE.height, width=ALONE.width)
        return _told(f"one {number}", "one object", drawn, ALONE, 0)


def _still(number: int) -> Example:
    bucket = draw_bucket(number, STILLS)
    large = random.Random(f"still {number}").random() < LARGE
    scene = large_object(number) if large else random_scene(f"still {number}", seconds=0, aspect=bucket.aspect)
    drawn = render(scene, num_frames=1, height=bucket.height, width=bucket.width)
    return _told(f"still {number}", "large object" if large else "still", drawn, bucket, 0)


def _told(name: str, task: str, drawn: SceneClip, bucket: Bucket, leading: int) -> Example:
    """A clip with its words, in several wordings."""
    unit = tasks.text(num_frames=bucket.num_frames, height=bucket.height, width=bucket.width, fps=FPS)
    wordings = [caption(replace(drawn.scene, wording=wording)) for wording in range(WORDINGS)]
    return Example(
        name=name,
        task=task,
        unit=replace(unit, references=drawn.references[:leading]),
        target=drawn.frames,
        prompts=(*wordings, drawn.object_words),
    )


@dataclass(frozen=True)
class SceneTasks:
    """Every task, for the adapter.

    Attributes:
        first: Number of the first example.
    """

    first: int = 0

    @property
    def identity(self) -> str:
        return f"tasks of the scenes from {self.first}"

    def draw(self, number: int) -> Example:
        number += self.first
        task = draw_task(number)
        return _asked(number, task, draw_sample(task, number, draw_bucket(number)))


@dataclass(frozen=True)
class SceneTaskStills:
    """Every task that a single frame can have, for the adapter: a thousand cost what a few dozen clips do.

    Attributes:
        first: Number of the first example.
    """

    first: int = 0

    @property
    def identity(self) -> str:
        return f"tasks of stills of the scenes from {self.first}"

    def draw(self, number: int) -> Example:
        number += self.first
        rng = random.Random(f"frame {number}")
        large = rng.random() < LARGE
        task = rng.choice(LARGE_TASKS) if large else rng.choice(FRAME_TASKS)
        sample = draw_sample(task, number, draw_bucket(number, STILLS), large=large)
        return _asked(number, f"large {task}" if large else task, sample)


def _asked(number: int, task: str, sample: Sample) -> Example:
    return Example(
        name=f"example {number}, {task}",
        task=task,
        unit=sample.vcu,
        target=sample.clip.frames,
        prompts=(sample.vcu.prompt,),
    )


def draw_clip(number: int) -> Tensor:
    """`(T, H, W, 3)` uint8 of 64x64 pixels: a scene, or what a task makes of one."""
    rng = random.Random(f"whole {number}")
    drawn = clip(0, number, SMALL)
    return to_uint8(drawn.frames if rng.random() < PLAIN else draw_condition(drawn, rng))


def _more_whole_clips(crops: tuple[Crops, ...]) -> tuple[Crops, ...]:
    return tuple(replace(one, share=one.share * (2 if one.side >= 64 else 1)) for one in crops)


SCENES = World(
    name="scenes",
    base=(
        Part("stills", SceneStills),
        Part("outlines", SceneStills),
        Part("clips", SceneClips),
        Part("base", SceneOutlines),
    ),
    adapter=(Part("task_stills", SceneTaskStills), Part("adapter", SceneTasks)),
    text=SceneText,
    sizes=WanSizes(width=256, ffn=768, layers=8),
    vae_width=16,
    vae_stages=(
        Stage(schedule=Schedule(steps=8000, learning_rate=8e-4, average=0.995, decay_from=0.05), crops=CROPS),
        Stage(
            schedule=Schedule(steps=1000, learning_rate=3e-4, average=0.997, decay_from=0.05, warmup=100),
            crops=_more_whole_clips(CROPS),
        ),
    ),
    draw_crops=draw_crops,
    draw_clip=draw_clip,
    held_out=HELD_OUT,
)
