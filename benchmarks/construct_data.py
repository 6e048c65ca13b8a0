"""What data construction finds in rendered scenes, whose truth is known: cuts, and masks without a network.

python benchmarks/construct_data.py            # twenty films of three scenes, twenty clips
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from vace_core.geometry import Box
from vace_core.inputs.tracking import follow
from vace_core.media.sources import open_footage
from vace_core.media.video import to_uint8
from vace_core.media.write import write_video
from vace_core.starter.scenes.clips import HELD_OUT, Bucket, clip
from vace_core.starter.scenes.render import SceneClip
from vace_core.training.construction.shots import find_shots

SCENE, CUTS = 20, {20, 40}  # frames of a scene of a film; where films are cut
WIDE = Bucket(num_frames=SCENE, height=64, width=96)
LARGE = Bucket(num_frames=17, height=96, width=128)


def scene(seed: int, bucket: Bucket) -> tuple[int, SceneClip]:
    """The first clip from a seed on that has an object, and its seed."""
    while not len((found := clip(HELD_OUT, seed, bucket)).masks):
        seed += 1
    return seed, found


def shots(count: int) -> None:
    """Cuts that are found, missed and invented."""
    for detector in ("adaptive", "content"):
        found, invented = 0, 0
        for film in range(count):
            seeds = [300 + 30 * film + 7 * part for part in range(3)]
            scenes = [to_uint8(scene(seed, WIDE)[1].frames) for seed in seeds]
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "film.mp4"
                write_video(path, torch.cat(scenes), fps=16)
                begins = {shot.begin for shot in find_shots(open_footage(path), detector)} - {0}
            found, invented = found + len(begins & CUTS), invented + len(begins - CUTS)
        print(f"{detector}: {found} of {count * len(CUTS)} cuts found, {invented} invented")


def masks(count: int) -> None:
    """Intersection over union of masks, the mean over the frames of each object."""
    seed, values = 0, []
    for _ in range(count):
        seed, found = scene(seed, LARGE)
        seed += 1
        boxes = [Box(*(round(side) for side in box[0].tolist())).grown(0, 96, 128) for box in found.boxes]
        for mask, truth in zip(follow(to_uint8(found.frames), boxes), found.masks[:, 0] > 0, strict=True):
            both, either = (mask & truth).flatten(1).sum(1), (mask | truth).flatten(1).sum(1)
            values.append(float(torch.where(either > 0, both / either.clamp(min=1), torch.ones(())).mean()))
    overlaps = torch.tensor(values)
    print(
        f"{len(overlaps)} objects: mean {overlaps.mean():.3f}, median {overlaps.median():.3f}, "
        f"least {overlaps.min():.3f}, {(overlaps >= 0.7).sum()} of 0.7 or more"
    )


if __name__ == "__main__":
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    shots(number)
    masks(number)
