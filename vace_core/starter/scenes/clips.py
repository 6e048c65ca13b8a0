"""Clips for training and evaluation: pure in seed, index and bucket, with every truth."""

from __future__ import annotations

from dataclasses import dataclass

from .render import FPS, SceneClip, render
from .scene import random_scene


@dataclass(frozen=True, kw_only=True, order=True)
class Bucket:
    """A size of clips: frames (4n + 1), height and width in pixels (multiples of 16)."""

    num_frames: int
    height: int
    width: int

    @property
    def seconds(self) -> float:
        """From the first frame to the last."""
        return (self.num_frames - 1) / FPS

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    @property
    def tokens(self) -> int:
        """Tokens of a base model: 4 x 16 x 16 pixels each."""
        return ((self.num_frames + 3) // 4) * (self.height // 16) * (self.width // 16)


def _bucket(num_frames: int, height: int, width: int) -> Bucket:
    return Bucket(num_frames=num_frames, height=height, width=width)


BUCKETS: dict[Bucket, float] = {
    _bucket(17, 96, 96): 0.30,
    _bucket(9, 96, 96): 0.16,
    _bucket(17, 64, 64): 0.10,
    _bucket(17, 64, 96): 0.08,
    _bucket(17, 96, 64): 0.08,
    _bucket(33, 64, 64): 0.06,
    _bucket(5, 128, 128): 0.08,
    _bucket(9, 96, 128): 0.07,
    _bucket(9, 128, 96): 0.07,
}
"""Sizes that training shows, with the share of clips."""

STILLS: dict[Bucket, float] = {
    _bucket(1, 96, 96): 0.60,
    _bucket(1, 64, 96): 0.10,
    _bucket(1, 96, 64): 0.10,
    _bucket(1, 96, 128): 0.10,
    _bucket(1, 128, 96): 0.10,
}
"""Sizes of the single frames that training begins with, with their shares."""

UNSEEN_BUCKETS: tuple[Bucket, ...] = (_bucket(13, 80, 112), _bucket(25, 112, 80), _bucket(21, 80, 80))
"""Sizes that training never shows."""

HELD_OUT = -1
"""The seed of clips that no training draws: training takes seeds from 0."""


def clip(
    seed: int,
    index: int,
    bucket: Bucket,
    *,
    unseen: bool = False,
    calm: bool = False,
) -> SceneClip:
    """Clip number `index` of those with this seed and size; the same arguments give the same clip everywhere.

    Args:
        seed: Of a training run, ≥ 0; `HELD_OUT` has clips that no run sees.
        index: Which clip, ≥ 0.
        bucket: Its size.
        unseen: Whether it has a pair of shape and colour, or a backdrop, that training never shows.
        calm: Whether the backdrop is muted and the camera stands.
    """
    scene = random_scene(
        f"{seed} {index} {bucket.num_frames} {bucket.height} {bucket.width}",
        seconds=bucket.seconds,
        aspect=bucket.aspect,
        unseen=unseen,
        calm=calm,
    )
    return render(scene, num_frames=bucket.num_frames, height=bucket.height, width=bucket.width)
