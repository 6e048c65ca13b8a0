"""Clips that a node showed, found again by the name of their first picture, as long as ComfyUI holds them."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import torch
from comfy_api.latest import ui
from torch import Tensor
from torch.nn import functional

from ...vace_core.checks.room import check_room
from . import host

READ = 24  # bytes of a pixel while ComfyUI decodes a clip
MOST_SHOWN, LONGEST_SIDE = 33, 512  # pictures, and pixels of their longer side
_MOST_KEPT = 64  # names
_decoded: weakref.WeakKeyDictionary[Any, Tensor] = weakref.WeakKeyDictionary()
_one_decodes = Lock()


@dataclass(frozen=True, kw_only=True, eq=False)
class ShownClip:
    """A clip that a node showed, for the length of a request.

    Attributes:
        clip: IMAGE or VIDEO.
        held: Its frames as they were shown, where something holds them, as a VIDEO made of images does; else None.
        size: `(T, H, W)`.
        fps: Frames per second.
    """

    clip: Any
    held: Tensor | None
    size: tuple[int, int, int]
    fps: float

    def images(self) -> Tensor:
        """All of it as IMAGE. What was decoded of the last VIDEO is kept until `forget`, and no longer than the VIDEO.

        Raises:
            InputError: it does not fit into memory.
        """
        if self.held is not None:
            return self.held if self.held.dim() == 4 else self.held[None]
        with _one_decodes:
            if self.clip not in _decoded:
                _decoded.clear()  # before the next is decoded, so that both are never there at once
                count, height, width = self.size
                check_room(count * height * width * READ, "The clip", frames=count, height=height, width=width)
                _decoded[self.clip] = images_and_rate(self.clip, self.fps)[0]
            return _decoded[self.clip]


# By subfolder and name: the clip, its frames as they were shown, size and rate.
_kept: OrderedDict[tuple[str, str], tuple[weakref.ref[Any], weakref.ref[Tensor], tuple[int, int, int], float]]
_kept = OrderedDict()


def images_and_rate(clip: Any, fps: float) -> tuple[Any, float]:
    """An IMAGE at a rate; of a VIDEO its frames, at its own."""
    if isinstance(clip, Tensor):
        return clip, fps
    parts = clip.get_components()
    return parts.images, float(parts.frame_rate)


def forget() -> None:
    """Lets go of decoded frames."""
    with _one_decodes:
        _decoded.clear()


def show(cls: Any, clip: Any, images: Tensor, fps: float) -> dict[str, Any]:
    """What the editor gets of a clip: pictures of frames evenly through it, and how large and long it is.

    Args:
        clip: IMAGE or VIDEO as it came, by which it is found again.
        images: IMAGE.
        fps: Frames per second.
    """
    whole, images = images, (images if images.dim() == 4 else images[None])[..., :3]
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
        _keep((pictures[0].get("subfolder", ""), pictures[0]["filename"]), clip, whole, (count, height, width), fps)
    said = {"width": width, "height": height, "frames": count, "fps": fps, "shown": places}
    return {host.CLIP_OF_DESK: pictures, f"{host.CLIP_OF_DESK}_info": [said]}


def find(subfolder: str, filename: str) -> ShownClip | None:
    """The clip whose first picture was shown under this name; None where ComfyUI let it go."""
    there = _kept.get((subfolder, filename))
    clip = None if there is None else there[0]()
    if there is None or clip is None:
        return None
    return ShownClip(clip=clip, held=there[1](), size=there[2], fps=there[3])


def _keep(name: tuple[str, str], clip: Any, images: Tensor, size: tuple[int, int, int], fps: float) -> None:
    try:
        _kept[name] = weakref.ref(clip), weakref.ref(images), size, fps
    except TypeError:  # a VIDEO of another pack that cannot be held so: the editor has its pictures alone
        return
    while len(_kept) > _MOST_KEPT:
        _kept.popitem(last=False)


def levels(images: Tensor) -> Tensor:
    """IMAGE `[T, H, W, C]` as `(T, H, W, 3)` uint8."""
    return images[..., :3].detach().cpu().float().clamp(0, 1).mul(255).round().to(torch.uint8)
