"""How well the desk's tracker follows: the mask of a box drawn or outlined in the first frame, against the truth.

`python -m benchmarks.track_desk --count 24 --side 96` renders clips of the starter's world and prints, for each, the
mean intersection over union of the tracked mask with the visible object over all 17 frames.
"""

from __future__ import annotations

import argparse

import numpy as np

from vace_core.inputs.desk.document import DeskKey, DeskObject, Shape
from vace_core.inputs.desk.drawing import draw_object
from vace_core.inputs.desk.selecting import outlines
from vace_core.inputs.desk.tracker import track
from vace_core.media.video import to_uint8
from vace_core.starter.scenes.clips import HELD_OUT, Bucket
from vace_core.starter.scenes.clips import clip as drawn
from vace_core.starter.scenes.render import SceneClip


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max((one | other).sum(), 1))


def tracked_overlap(clip: SceneClip, item: int) -> list[float]:
    """For every frame that of the tracked mask with the truth; the object is outlined in the first frame alone."""
    truth = clip.masks[item, 0].numpy() > 0.5
    count, height, width = truth.shape
    rows, columns = np.nonzero(truth[0])
    left, top, right, low = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    box = {"x": (left + right) / 2 / width, "y": (top + low) / 2 / height}
    first = DeskKey(time=0, width=(right - left) / width, height=(low - top) / height, **box)
    one = DeskObject(action="remove", keys=(first,), shapes=(Shape(time=0, strokes=outlines(truth[0])),))
    keys = track(to_uint8(clip.frames), one, count, 0.0, 1.0)
    moved = DeskObject(action="remove", keys=(first, *keys), shapes=one.shapes)
    return [overlap(mask > 0, seen) for mask, seen in zip(draw_object(moved, count, height, width), truth, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--side", type=int, default=96)
    options = parser.parse_args()
    means, seed = list[float](), 0
    while len(means) < options.count:
        clip = drawn(HELD_OUT, seed, Bucket(num_frames=17, height=options.side, width=options.side))
        seed += 1
        if not len(clip.masks) or clip.masks[0, 0, 0].sum() < 20:
            continue
        found = tracked_overlap(clip, 0)
        means.append(float(np.mean(found)))
        shape = clip.objects[0]
        print(f"{seed - 1:4} {shape.shape:9} {shape.motion:14} mean {means[-1]:.3f} last {found[-1]:.3f}", flush=True)
    good = sum(one >= 0.8 for one in means)
    print(f"{len(means)} clips: mean {np.mean(means):.3f}, median {np.median(means):.3f}, {good} at 0.8 or more")


if __name__ == "__main__":
    main()
