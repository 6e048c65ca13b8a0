"""Pictures of what is in a clip, cut out of it and changed a little, so that a reference is no copy of a frame."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...checks.numbers import check_number
from ...inputs.masks import bounds, opencv
from ...inputs.references import crop_subject
from ...inputs.tracking import alike, look
from ...media.video import from_uint8, to_uint8

FACE_MARGIN = 0.3  # of a face's size, for hair and chin
SURE = 0.9  # of its colours that an object has in the frame of its reference
LEAST_SIDE = 24  # pixels: what is smaller shows nothing


@dataclass(frozen=True, kw_only=True)
class Changes:
    """How far a reference may differ from its frame; each is drawn anew, 0 = not at all. Source of the idea: VACE,
    arXiv 2503.07598, section 4.1; the paper names no numbers, these are ours.

    Attributes:
        turn: Degrees to either side.
        scale: Part of the size, up or down.
        light: Part of brightness and contrast, up or down.
        colour: Part of the saturation, up or down.
        mirror: How often it is mirrored, 0..1.

    Raises:
        InputError: a number out of range.
    """

    turn: float = 8.0
    scale: float = 0.15
    light: float = 0.12
    colour: float = 0.12
    mirror: float = 0.5

    def __post_init__(self) -> None:
        check_number("turn", self.turn, least=0, most=180)
        for name in ("scale", "light", "colour"):
            check_number(name, getattr(self, name), least=0, most=0.9)
        check_number("mirror", self.mirror, least=0, most=1)


def reference_of(
    frames: Tensor, mask: Tensor, changes: Changes | None, rng: random.Random, *, found: int = 0, face: bool = False
) -> Tensor | None:
    """A picture `(1, 3, 1, h, w)` in -1..1 of an object; None where too little of it is seen.

    Args:
        frames: `(T, H, W, 3)` uint8.
        mask: `(T, H, W)` bool, the object. Of the frames in which it has the colours that it was found with, that is
            taken in which most of it is seen, and if there is one, one in which it does not touch the edge.
        changes: What may be changed; None = nothing.
        rng: The dice.
        found: In which frame it was found.
        face: Cut out the box with some of its surroundings, and not the object alone on white.
    """
    place = _best(frames, mask, found)
    if place is None:
        return None
    frame, inside = from_uint8(frames[place]), mask[place][None, None, None].float()
    box = bounds(mask[place].numpy())
    if min(box.width, box.height) < LEAST_SIDE:
        return None
    if face:
        box = box.grown(round(FACE_MARGIN * max(box.width, box.height)), *mask.shape[1:])
        cut = frame[..., box.top : box.bottom, box.left : box.right].contiguous()
    else:
        cut = crop_subject(frame, inside)
    if changes is not None and face:  # its background would be turned too, and leave white corners
        changes = replace(changes, turn=0.0)
    return cut if changes is None else _changed(cut, changes, rng)


def _best(frames: Tensor, mask: Tensor, found: int) -> int | None:
    looks = [look(frame.numpy(), part.numpy()) for frame, part in zip(frames, mask, strict=True)]
    same = torch.tensor([alike(looks[found], one) >= SURE for one in looks])
    areas = mask.flatten(1).sum(1).float() * same
    edges = mask[:, 0].any(1) | mask[:, -1].any(1) | mask[:, :, 0].any(1) | mask[:, :, -1].any(1)
    if not bool(areas.max() > 0):
        return None
    whole = torch.where(edges, torch.zeros(()), areas)
    return int((whole if bool(whole.max() > 0) else areas).argmax())


def _changed(picture: Tensor, changes: Changes, rng: random.Random) -> Tensor:
    """Light and colour inside, then turned and scaled on white, of which as much is added as that needs."""
    cv2 = opencv()
    image: NDArray[np.uint8] = to_uint8(picture)[0].numpy()
    shown = (image != 255).any(axis=2)
    spread = rng.uniform(1 - changes.colour, 1 + changes.colour)
    contrast, light = (rng.uniform(1 - changes.light, 1 + changes.light) for _ in range(2))
    gray = image.mean(axis=2, keepdims=True)
    toned = ((gray + (image - gray) * spread - 128) * contrast + 128) * light
    image = np.where(shown[..., None], toned.clip(0, 254), 255).round().astype(np.uint8)
    if rng.random() < changes.mirror:
        image = np.ascontiguousarray(image[:, ::-1])
    angle = rng.uniform(-changes.turn, changes.turn)
    scale = rng.uniform(1 - changes.scale, 1 + changes.scale)
    height, width = image.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), angle, scale)
    across, down = np.abs(turn[:, :2]) @ np.array([width, height])
    size = max(round(across), 1), max(round(down), 1)
    turn[:, 2] += np.array(size) / 2 - np.array([width / 2, height / 2])
    turned = cv2.warpAffine(image, turn, size, flags=cv2.INTER_AREA, borderValue=(255, 255, 255))
    return from_uint8(torch.from_numpy(turned))
