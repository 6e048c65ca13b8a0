"""The synthetic world of the starter model: short clips with the exact truth for every task of VACE.

A scene (`random_scene`) is drawn analytically, antialiased, so that masks, boxes, depth, flow, pose and references
are not estimated but known. Object colours are saturated, backgrounds muted: HSV saturation above 0.3 is an object.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .drawing import COLOURS, EXTENTS, Layer, Place, Region, draw_background, draw_shape
from .figures import draw_face, draw_figure, draw_pose, figure_extent, place_joints, skeleton
from .scene import MAX_WORDS, VOCABULARY, Background, Keyframe, Scene, SceneObject, random_scene

__all__ = [
    "COLOURS",
    "MAX_WORDS",
    "VOCABULARY",
    "Background",
    "Keyframe",
    "Scene",
    "SceneClip",
    "SceneObject",
    "random_clip",
    "random_scene",
    "render",
]


@dataclass(frozen=True, kw_only=True)
class SceneClip:
    """A clip of N objects and everything that is true about it.

    Attributes:
        frames: `(1, 3, T, H, W)`, -1..1.
        caption: What is seen, in words of `VOCABULARY`.
        object_words: The caption with every object as "a thing", for training with references.
        masks: `(N, 1, T, H, W)`, 1 = a visible pixel of object n (more than half covered by it), 0 = not.
        boxes: `(N, T, 4)`: left, top, right, bottom of the whole object in pixels, half-open; may leave the frame.
        depth: `(1, 3, T, H, W)`, -1 = far, 1 = near, three equal channels.
        flow: `(2, T-1, H, W)`: dx, dy in pixels from frame t to t+1; 0 on the background.
        pose: `(1, 3, T, H, W)`, -1..1: the stick figure on black, or None without a figure.
        references: One per object: `(1, 3, 1, H, W)`, -1..1, the object alone, large and centred, on white.
        background: `(1, 3, T, H, W)`, -1..1: the scene without objects.
        objects: The objects, in the order of the caption, of `masks`, `boxes` and `references`.
    """

    frames: Tensor
    caption: str
    object_words: str
    masks: Tensor
    boxes: Tensor
    depth: Tensor
    flow: Tensor
    pose: Tensor | None
    references: tuple[Tensor, ...]
    background: Tensor
    objects: tuple[SceneObject, ...]


@dataclass(frozen=True)
class _Drawn:
    """An object as drawn: its layer, the region of the layer, its boxes, and its joints if it has any."""

    layer: Layer
    region: Region
    boxes: Tensor
    joints: Tensor | None


def random_clip(seed: int, *, num_frames: int = 17, height: int = 64, width: int = 64) -> SceneClip:
    """The clip of `random_scene(seed)`; sizes in frames and pixels."""
    return render(random_scene(seed), num_frames=num_frames, height=height, width=width)


def render(scene: Scene, *, num_frames: int = 17, height: int = 64, width: int = 64) -> SceneClip:
    """The clip of a scene, with all its truth; sizes in frames and pixels."""
    size = (num_frames, height, width)
    still = draw_background(scene.background.kind, scene.background.tint, scene.background.phase, height, width)
    background = still[:, None].expand(3, *size)
    drawn = [_draw(item, num_frames, height, width) for item in scene.objects]
    frames, visible = background.clone(), torch.zeros(len(drawn), *size)
    depth = torch.linspace(0.08, 0.35, height)[:, None].expand(size).clone()
    for index in sorted(range(len(drawn)), key=lambda number: scene.objects[number].depth):
        layer, (rows, columns) = drawn[index].layer, drawn[index].region.slices
        for canvas, paint in ((frames, layer.colour), (depth, 0.55 + 0.45 * scene.objects[index].depth)):
            here = canvas[..., rows, columns]
            here += layer.coverage * (paint - here)
        visible[..., rows, columns] *= 1 - layer.coverage
        visible[index, :, rows, columns] = layer.coverage
    masks = visible > 0.5
    poses = [draw_pose(item.joints, height, width) for item in drawn if item.joints is not None]
    return SceneClip(
        frames=_signed(frames),
        caption=scene.caption,
        object_words=scene.object_words,
        masks=masks[:, None].float(),
        boxes=torch.stack([item.boxes for item in drawn]) if drawn else torch.zeros(0, num_frames, 4),
        depth=_signed(depth.expand(3, *size)),
        flow=_flow(drawn, masks),
        pose=_signed(torch.stack(poses).amax(0)) if poses else None,
        references=tuple(_reference(item, height, width) for item in scene.objects),
        background=_signed(background),
        objects=scene.objects,
    )


def _signed(picture: Tensor) -> Tensor:
    """`(1, 3, T, H, W)`, -1..1 from `(3, T, H, W)`, 0..1."""
    return (picture * 2 - 1)[None]


def _draw(item: SceneObject, num_frames: int, height: int, width: int) -> _Drawn:
    times = torch.linspace(0, 1, num_frames)
    x, y, radius = item.track(times)[:, :, None, None]
    place = Place(x * width, y * height, radius * min(height, width))
    joints = None
    if item.shape == "figure":
        joints = place_joints(skeleton(item.motion, times, item.variant), place)
        boxes = figure_extent(joints, place)
    else:
        corners = torch.tensor(EXTENTS[item.shape])
        boxes = torch.cat([place.x, place.y, place.x, place.y], dim=2)[:, 0] + corners * place.radius[:, :, 0]
    region = Region.around(boxes, height, width)
    if joints is not None:
        layer = draw_figure(region, place, joints, item.colour, item.motion)
    elif item.shape == "face":
        layer = draw_face(region, place, item.colour, item.variant)
    else:
        layer = draw_shape(region, place, item.shape, item.colour, item.pattern)
    return _Drawn(layer, region, boxes, joints)


def _flow(drawn: list[_Drawn], masks: Tensor) -> Tensor:
    flow = torch.zeros(2, masks.shape[1] - 1, *masks.shape[2:])
    for item, mask in zip(drawn, masks, strict=True):
        rows, columns = item.region.slices
        here = flow[..., rows, columns]
        here.copy_(torch.where(mask[:-1, rows, columns], item.layer.flow, here))
    return flow


def _reference(item: SceneObject, height: int, width: int) -> Tensor:
    """The object alone on white, standing still, as large as the frame takes."""
    middle = (Keyframe(time=0, x=0.5, y=0.5, radius=0.45),)
    portrait = SceneObject(
        shape=item.shape, colour=item.colour, pattern=item.pattern, path=middle, variant=item.variant
    )
    drawn = _draw(portrait, 1, height, width)
    page = torch.ones(3, 1, height, width)
    rows, columns = drawn.region.slices
    here = page[..., rows, columns]
    here += drawn.layer.coverage * (drawn.layer.colour - here)
    return _signed(page)
