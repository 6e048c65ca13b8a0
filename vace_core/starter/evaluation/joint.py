"""Numbers that no trick wins: how far a clip is from the true one, and whether a face has its parts."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ..scenes.palette import HAIRS, SKINS
from ..scenes.people import Face
from .objects import hsv, largest

_AREA, _LOWER = 0.98, 0.27


def truth_error(frames: Tensor, truth: Tensor, where: Tensor | None = None) -> float:
    """Root mean square difference in levels, 0..255, at half size, so that half a pixel of place counts little.

    It asks for the control and the prompt at once: brightness without colour, or a colour without texture, is far off.

    Args:
        frames: `(1, 3, T, H, W)`, -1..1.
        truth: The clip that fulfils what was asked, of the same shape.
        where: `(1, 1, T, H, W)`, only where this is not 0; None = everywhere.
    """
    error = F.avg_pool3d(frames.clamp(-1, 1) - truth, (1, 2, 2)).square().mean(1)
    if where is None:
        return float(error.mean().sqrt()) * 127.5
    weight = F.avg_pool3d((where != 0).float(), (1, 2, 2))[:, 0]
    return float(((error * weight).sum() / weight.sum().clamp(min=1e-6)).sqrt()) * 127.5


def face_parts(frames: Tensor, hair: str, face: Face) -> dict[str, float]:
    """For each part of a face the share of frames, 0..1, in which it is where it belongs.

    The skin is looked for first; where its outline is tells where hair, eyes and mouth should be.

    Args:
        frames: `(1, 3, T, H, W)`, -1..1.
        hair: Its colour, a name of `HAIRS`.
        face: What the face should look like.
    """
    pictures = (frames[0] + 1) / 2
    blobs = largest(skin_like(frames, face.skin))
    found = {"skin": 0.0, "hair": 0.0, "eyes": 0.0, "mouth": 0.0}
    for frame, blob in enumerate(blobs):
        if int(blob.sum()) < 0.015 * blob.numel():
            continue
        for part, there in _parts(pictures[:, frame], blob, HAIRS[hair]).items():
            found[part] += there / len(blobs)
    return found


def skin_like(frames: Tensor, skin: str) -> Tensor:
    """`(T, H, W)`: where `frames` `(1, 3, T, H, W)`, -1..1, have about the colour of a skin of `SKINS`."""
    paint = torch.tensor(SKINS[skin])[:, None, None, None]
    hue, saturation, _ = hsv(frames)
    own_hue, own_saturation, _ = hsv((paint * 2 - 1)[None])
    near = ((frames[0] + 1) / 2 - paint).norm(dim=0) < 0.26
    return near & ((hue - own_hue).abs() < 12) & (saturation > 0.78 * own_saturation)


def _parts(picture: Tensor, skin: Tensor, hair: tuple[float, float, float]) -> dict[str, bool]:
    # The visible skin of a face of radius 1 has an area of _AREA and its middle _LOWER below that of the face.
    rows, columns = skin.nonzero().float().add(0.5).unbind(1)
    radius = (len(rows) / _AREA) ** 0.5
    x, y = float(columns.mean()), float(rows.mean()) - _LOWER * radius

    def inside(x0: float, y0: float, x1: float, y1: float) -> Tensor:
        """`(3, N)`: the pixels of a box in radii around the middle of the face."""
        height, width = picture.shape[1:]
        across = slice(max(round(x + x0 * radius), 0), min(round(x + x1 * radius), width))
        down = slice(max(round(y + y0 * radius), 0), min(round(y + y1 * radius), height))
        return picture[:, down, across].flatten(1)

    def share(pixels: Tensor, paint: tuple[float, float, float], reach: float) -> float:
        if not pixels.shape[1]:
            return 0.0
        return float(((pixels - torch.tensor(paint)[:, None]).norm(dim=0) < reach).float().mean())

    eyes = [inside(side - 0.24, -0.2, side + 0.24, 0.26) for side in (-0.3, 0.3)]
    # White beside dark, in both places.
    seen = [share(pixels, (0.95, 0.95, 0.95), 0.35) > 0.04 and bool((pixels.mean(0) < 0.42).any()) for pixels in eyes]
    lips = inside(-0.45, 0.36, 0.45, 0.86)
    red = (lips[0] - lips[1:].amax(0) > 0.22) & (lips[0] > 0.4) if lips.shape[1] else torch.zeros(1, dtype=torch.bool)
    return {
        "skin": True,
        "hair": share(inside(-0.5, -0.98, 0.5, -0.5), hair, 0.38) > 0.35,
        "eyes": all(seen),
        "mouth": float(red.float().mean()) > 0.03,
    }
