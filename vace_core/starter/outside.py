"""What the starter was never taught, said before somebody takes its result for what VACE can do."""

from __future__ import annotations

from torch import Tensor

from ..vcu import VideoConditionUnit
from .model import LENGTH, SIDE
from .scenes.clips import BUCKETS
from .scenes.text import SceneText

SMALLER, LARGER, LONGER = 3.0, 1.5, 1.5  # times the least or most area and length that it was trained on
COARSE = 3.0  # of 255
CALM = 0.3  # of the pixels of a frame


def outside(vcu: VideoConditionUnit, *, num_frames: int | None = None) -> str | None:
    """What of a unit lies outside the starter's world, in a sentence or two; None where nothing does.

    Args:
        num_frames: Made of it in one pass; None = all.

    Looked at are the size, the length, whether there is one known word in the prompt, and whether the picture is as
    smooth between its edges as drawn things are. A prompt that is empty says nothing, so it is not outside.
    """
    found = list[str]()
    pictures = vcu.source if vcu.source is not None else vcu.control
    if pictures is not None and _grain(pictures) > COARSE:
        found.append("the clip does not look like drawn shapes")
    areas = [bucket.height * bucket.width for bucket in BUCKETS]
    if not min(areas) / SMALLER <= vcu.height * vcu.width <= max(areas) * LARGER:
        found.append(f"{vcu.width} x {vcu.height} pixels are far from {SIDE} x {SIDE}")
    count = vcu.num_frames if num_frames is None else num_frames
    if count > LONGER * max(bucket.num_frames for bucket in BUCKETS):
        found.append(f"{count} frames are far more than {LENGTH}")
    text = SceneText()
    if vcu.prompt.strip() and not text.known(vcu.prompt):
        found.append("the prompt has no word that it knows")
    if not found:
        return None
    return (
        "This is a small teaching model for drawn shapes, faces and people, and this is outside its world: "
        f"{'; '.join(found)}. The result says nothing of what VACE does with real weights. Choose a real model for it."
    )


def _grain(frames: Tensor) -> float:
    """By how many of 255 levels pixels are off the middle of their neighbours, in the calmest third of a frame.

    Drawn things have hard edges, stripes and slow noise, but something smooth between them; a photograph at this size
    has detail nearly everywhere. Below 3 in 299 of 300 clips of the starter's world and in 98 of 100 of them after
    H.264; 3.4 to 4.7 in four of five photographs and films at its size.
    """
    gray = frames[:1].mean(1)
    across = (gray[..., 2:] - 2 * gray[..., 1:-1] + gray[..., :-2])[..., 1:-1, :]
    down = (gray[..., 2:, :] - 2 * gray[..., 1:-1, :] + gray[..., :-2, :])[..., 1:-1]
    off = across.abs().maximum(down.abs()).flatten(2)
    if not off.numel():
        return 0.0
    third = round(CALM * (off.shape[2] - 1)) + 1
    return float(off.kthvalue(third, dim=2).values.median()) * 127.5
