"""What the starter was never taught, said before somebody takes its result for what VACE can do."""

from __future__ import annotations

from torch import Tensor

from ..vcu import VideoConditionUnit
from .model import LENGTH, SIDE
from .text import StarterText

SMALLEST, LARGEST, LONGEST = 0.25, 1.5, 1.5  # of the area and length that it was trained on
COARSE = 3.0  # of 255


def outside(vcu: VideoConditionUnit, *, num_frames: int | None = None) -> str | None:
    """What of a unit lies outside the starter's world, in a sentence or two; None where nothing does.

    Args:
        num_frames: Made of it in one pass; None = all.

    Looked at are the size, the length, whether there is one known word in the prompt, and whether the picture is flat
    as drawn shapes are. A prompt that is empty says nothing, so it is not outside.
    """
    found = list[str]()
    pictures = vcu.source if vcu.source is not None else vcu.control
    if pictures is not None and _detail(pictures) > COARSE:
        found.append("the clip does not look like drawn shapes")
    area = vcu.height * vcu.width / SIDE**2
    if not SMALLEST <= area <= LARGEST:
        found.append(f"{vcu.width} x {vcu.height} pixels are far from {SIDE} x {SIDE}")
    count = vcu.num_frames if num_frames is None else num_frames
    if count > LONGEST * LENGTH:
        found.append(f"{count} frames are far more than {LENGTH}")
    text = StarterText()
    if vcu.prompt.strip() and not text.known(vcu.prompt):
        found.append("the prompt has no word that it knows")
    if not found:
        return None
    return (
        f"This is a small teaching model for moving shapes, and this is outside its world: {'; '.join(found)}. The "
        "result says nothing of what VACE does with real weights. Choose a real model for it."
    )


def _detail(frames: Tensor) -> float:
    """By how many of 255 levels the brightness of a pixel and its neighbours differs, in the middle of all.

    At most 1.1 in 300 clips of the starter's world, 2.3 in 30 of them after H.264; 4.7 to 14.7 in six of seven
    photographs and films at its size.
    """
    gray = frames[:1].mean(1)
    here = gray[..., 1:, 1:]
    steps = ((here - gray[..., 1:, :-1]).abs()).maximum((here - gray[..., :-1, 1:]).abs())
    return float(steps.flatten(2).median(-1).values.median()) * 127.5 if steps.numel() else 0.0
