"""What the starter was never taught, said before somebody takes its result for what VACE can do."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..vcu import FOLLOW, VideoConditionUnit
from .model import LENGTH, SIDE
from .scenes.clips import BUCKETS, Bucket
from .scenes.text import SceneText

MARGIN = 1.5  # times the least or most side and the most tokens that it was trained on
COARSE = 1.0  # of 255
CALM = 0.2  # of the pixels of a frame
FEW = 64  # pixels of a frame tell nothing


def outside(vcu: VideoConditionUnit, *, num_frames: int | None = None) -> str | None:
    """What of a unit lies outside the starter's world, in a sentence or two; None where nothing does.

    Args:
        num_frames: Made of it in one pass; None = all.

    Looked at are the size, the length, whether there is one known word in the prompt, and whether what is given, of the
    clip or as a reference, is as smooth between its edges as drawn things are. A prompt that is empty says nothing, so
    it is not outside.
    """
    found = list[str]()
    given = ((vcu.source, vcu.has_source), (vcu.control, (vcu.roles & FOLLOW) != 0))
    if any(frames is not None and _grain(frames, where) > COARSE for frames, where in given):
        found.append("the clip does not look like drawn shapes")
    if any(_grain(picture) > COARSE for picture in vcu.references):
        found.append("a reference does not look like drawn shapes")
    count = vcu.num_frames if num_frames is None else num_frames
    size = Bucket(num_frames=count, height=vcu.height, width=vcu.width)
    sides = [side for bucket in BUCKETS for side in (bucket.height, bucket.width)]
    if not min(sides) / MARGIN <= min(vcu.height, vcu.width) <= max(vcu.height, vcu.width) <= max(sides) * MARGIN:
        found.append(f"{vcu.width} x {vcu.height} pixels are far from {SIDE} x {SIDE}")
    elif size.tokens > MARGIN * max(bucket.tokens for bucket in BUCKETS):
        found.append(f"{count} frames of this size are far more than {LENGTH} of {SIDE} x {SIDE}")
    text = SceneText()
    if vcu.prompt.strip() and not text.known(vcu.prompt):
        found.append("the prompt has no word that it knows")
    if not found:
        return None
    return (
        "This is a small teaching model for drawn shapes, faces and people, and this is outside its world: "
        f"{'; '.join(found)}. The result says nothing of what VACE does with real weights. Choose a real model for it."
    )


def _grain(frames: Tensor, where: Tensor | None = None) -> float:
    """By how many of 255 levels pixels are off the middle of their neighbours, in the calmest fifth of a frame.

    Drawn things have hard edges, stripes and slow noise, but something smooth between them; a photograph at this size
    has detail nearly everywhere. Below 1 in 98 of 100 frames of the starter's world as they were drawn; above 1 in all
    of 779 photographs and films at its size.

    Args:
        frames: `(1, 3, T, H, W)`, -1..1.
        where: `(1, 1, T, H, W)`, the only pixels that count; None = all.
    """
    gray = frames[:1].mean(1)
    across = (gray[..., 2:] - 2 * gray[..., 1:-1] + gray[..., :-2])[..., 1:-1, :]
    down = (gray[..., 2:, :] - 2 * gray[..., 1:-1, :] + gray[..., :-2, :])[..., 1:-1]
    off = across.abs().maximum(down.abs())[0]
    inside = torch.ones_like(off, dtype=torch.bool)
    if where is not None:
        # Whole neighbourhoods: the border of what is kept is an edge of its own.
        inside = F.max_pool2d((~where[0, 0]).float()[:, None], 3, stride=1)[:, 0] == 0
    each = [one[here] for one, here in zip(off, inside, strict=True)]
    quantiles = [torch.quantile(one, CALM) for one in each if one.numel() >= FEW]
    return float(torch.stack(quantiles).median()) * 127.5 if quantiles else 0.0
