"""Clips that a node showed, found again by the name of their first picture, as long as ComfyUI holds them."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from threading import Lock
from typing import Any

import torch
from comfy_api.latest import ui
from torch import Tensor
from torch.nn import functional

from . import host

MOST_SHOWN, LONGEST_SIDE = 33, 512  # pictures, and pixels of their longer side
_MOST_KEPT = 64  # names
_decoded: weakref.WeakKeyDictionary[Any, tuple[Any, float]] = weakref.WeakKeyDictionary()
_one_decodes = Lock()
_kept: OrderedDict[tuple[str, str], tuple[weakref.ref[Any], float]] = OrderedDict()


def images_and_rate(clip: Any, fps: float) -> tuple[Any, float]:
    """An IMAGE at a rate; of a VIDEO its frames, at its own."""
    if isinstance(clip, Tensor):
        return clip, fps
    parts = clip.get_components()
    return parts.images, float(parts.frame_rate)


def kept_images_and_rate(clip: Any, fps: float) -> tuple[Any, float]:
    """As `images_and_rate`, but the frames of the last VIDEO stay as long as it does: it is decoded once."""
    if isinstance(clip, Tensor):
        return clip, fps
    with _one_decodes:
        if clip not in _decoded:
            _decoded.clear()  # before the next is decoded, so that both are never there at once
            _decoded[clip] = images_and_rate(clip, fps)
        return _decoded[clip]


def show(cls: Any, clip: Any, images: Tensor, fps: float) -> dict[str, Any]:
    """What the editor gets of a clip: pictures of frames evenly through it, and how large and long it is.

    Args:
        clip: IMAGE or VIDEO as it came, by which it is found again.
        images: IMAGE.
        fps: Frames per second.
    """
    images = (images if images.dim() == 4 else images[None])[..., :3]
    count, height, width = images.shape[:3]
    places = sorted(
        {round(n * (count - 1) / max(min(count, MOST_SHOWN) - 1, 1)) for n in range(min(count, MOST_SHOWN))}
    )
    scale = min(LONGEST_SIDE / max(height, width), 1.0)
    small = images[places].float().expand(-1, -1, -1, 3)
    if scale < 1:
        size = max(round(height * scale), 1), max(round(width * scale), 1)
        small = functional.interpolate(small.movedim(-1, 1), size=size, mode="area").movedim(1, -1)
    pictures = ui.PreviewImage(small.clamp(0, 1), cls=cls).as_dict()["images"]
    if pictures and isinstance(pictures[0], dict):
        _keep((pictures[0].get("subfolder", ""), pictures[0]["filename"]), clip, fps)
    said = {"width": width, "height": height, "frames": count, "fps": fps, "shown": places}
    return {host.CLIP_OF_DESK: pictures, f"{host.CLIP_OF_DESK}_info": [said]}


def find(subfolder: str, filename: str) -> tuple[Any, float] | None:
    """The clip whose first picture was shown under this name, and its rate; None where ComfyUI let it go."""
    there = _kept.get((subfolder, filename))
    clip = None if there is None else there[0]()
    return None if there is None or clip is None else (clip, there[1])


def _keep(name: tuple[str, str], clip: Any, fps: float) -> None:
    try:
        _kept[name] = weakref.ref(clip), fps
    except TypeError:  # a VIDEO of another pack that cannot be held so: the editor has its pictures alone
        return
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)


def levels(images: Tensor) -> Tensor:
    """IMAGE `[T, H, W, C]` as `(T, H, W, 3)` uint8."""
    return images[..., :3].detach().cpu().float().clamp(0, 1).mul(255).round().to(torch.uint8)
