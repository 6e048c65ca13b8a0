"""A scene in pixels, with everything that is true about it: masks, boxes, depth, flow, pose, references."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import Tensor

from .backdrops import draw_backdrop
from .captions import caption
from .drawing import Layer, Region
from .paths import Keyframe, Shot, shot, track
from .people import FACE_OUTLINE, draw_face, draw_person, joints_of, person_extent
from .poses import draw_pose
from .scene import Scene, SceneObject
from .shapes import Place, draw_shape, extent, outline

FPS = 8.0

_BACKDROP_FAR = 1.0  # a backdrop takes half a part in what the camera does, so that near things pass before it


@dataclass(frozen=True, kw_only=True)
class SceneClip:
    """A clip of N objects and everything that is true about it.

    Attributes:
        frames: `(1, 3, T, H, W)`, -1..1.
        caption: What is seen.
        object_words: The caption with every object as "a thing", for training with references.
        masks: `(N, 1, T, H, W)`, 1 = a visible pixel of object n (more than half covered by it), 0 = not.
        boxes: `(N, T, 4)`: left, top, right, bottom of the whole object in pixels, half-open; may leave the frame.
        depth: `(1, 3, T, H, W)`, -1 = far, 1 = near, three equal channels.
        flow: `(2, T-1, H, W)`: dx, dy in pixels from frame t to t+1, of objects and backdrop.
        joints: Of each person `(T, 16, 2)` in pixels: OpenPose's fourteen, then the middles of head and hips.
        background: `(1, 3, T, H, W)`, -1..1: the scene without objects.
        objects: The objects, in the order of `masks`, `boxes` and `references`.
        scene: What was drawn.
    """

    frames: Tensor
    caption: str
    object_words: str
    masks: Tensor
    boxes: Tensor
    depth: Tensor
    flow: Tensor
    joints: tuple[Tensor, ...]
    background: Tensor
    objects: tuple[SceneObject, ...]
    scene: Scene

    @cached_property
    def pose(self) -> Tensor | None:
        """`(1, 3, T, H, W)`, -1..1: stick figures on black, or None where there is no person."""
        height, width = self.frames.shape[-2:]
        drawn = [draw_pose(joints, height, width) for joints in self.joints]
        return _signed(torch.stack(drawn).amax(0)) if drawn else None

    @cached_property
    def references(self) -> tuple[Tensor, ...]:
        """One per object: `(1, 3, 1, H, W)`, -1..1, the object alone, large and centred, on white."""
        return tuple(reference(item, *self.frames.shape[-2:]) for item in self.objects)


@dataclass(frozen=True)
class _Drawn:
    """An object as drawn: its layer, the region of the layer, its boxes, and its joints if it has any."""

    layer: Layer
    region: Region
    boxes: Tensor
    joints: Tensor | None


def render(scene: Scene, *, num_frames: int = 17, height: int = 64, width: int = 64) -> SceneClip:
    """The clip of a scene, with all its truth; sizes in frames and pixels, 8 frames to a second."""
    size = (num_frames, height, width)
    times, seconds = torch.linspace(0, 1, num_frames), (num_frames - 1) / FPS
    camera = shot(scene.camera, times, seconds)
    background, carried = _backdrop(scene, camera, size)
    drawn = [_draw(item, camera, size) for item in scene.objects]
    frames, visible = background.clone(), torch.zeros(len(drawn), *size)
    depth = torch.linspace(0.05, 0.30, height)[:, None].expand(size).clone()
    for index in sorted(range(len(drawn)), key=lambda number: scene.objects[number].depth):
        layer, (rows, columns) = drawn[index].layer, drawn[index].region.slices
        for canvas, paint in ((frames, layer.colour), (depth, 0.5 + 0.5 * scene.objects[index].depth)):
            here = canvas[..., rows, columns]
            here += layer.coverage * (paint - here)
        visible[..., rows, columns] *= 1 - layer.coverage
        visible[index, :, rows, columns] = layer.coverage
    masks = visible > 0.5
    return SceneClip(
        frames=_signed(frames),
        caption=caption(scene),
        object_words=caption(scene, things=True),
        masks=masks[:, None].float(),
        boxes=torch.stack([item.boxes for item in drawn]) if drawn else torch.zeros(0, num_frames, 4),
        depth=_signed(depth.expand(3, *size)),
        flow=_flow(drawn, masks, carried),
        joints=tuple(item.joints for item in drawn if item.joints is not None),
        background=_signed(background),
        objects=scene.objects,
        scene=scene,
    )


def _signed(picture: Tensor) -> Tensor:
    """`(1, 3, T, H, W)`, -1..1 from `(3, T, H, W)`, 0..1."""
    return (picture * 2 - 1)[None]


def _backdrop(scene: Scene, camera: Shot, size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """The scene without objects `(3, T, H, W)`, 0..1, and how it moves `(2, T-1, H, W)` in pixels."""
    num_frames, height, width = size
    canvas = draw_backdrop(scene.backdrop, height, width)
    share = 1 - 0.5 * _BACKDROP_FAR
    centre = camera.centre * share
    # Where in the canvas, in frames from its middle, each pixel of the frame looks.
    x = ((torch.arange(width) + 0.5) / width - 0.5)[None, None, :]
    y = ((torch.arange(height) + 0.5) / height - 0.5)[None, :, None]
    zoom = camera.zoom[:, None, None]
    u, v = x / zoom + centre[0][:, None, None], y / zoom + centre[1][:, None, None]
    if scene.camera == "still":
        top, left = (canvas.shape[1] - height) // 2, (canvas.shape[2] - width) // 2
        still = canvas[:, None, top : top + height, left : left + width]
        return still.expand(3, *size), torch.zeros(2, num_frames - 1, height, width)
    rows, columns = canvas.shape[1:]
    grid = torch.stack(torch.broadcast_tensors(u * (2 * width / columns), v * (2 * height / rows)), dim=-1)
    seen = F.grid_sample(
        canvas[None].expand(num_frames, -1, -1, -1), grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    after = (u[:-1] - centre[0][1:, None, None]) * zoom[1:], (v[:-1] - centre[1][1:, None, None]) * zoom[1:]
    moves = torch.broadcast_tensors((after[0] - x) * width, (after[1] - y) * height)
    return seen.transpose(0, 1), torch.stack(moves)


def _draw(item: SceneObject, camera: Shot, size: tuple[int, int, int]) -> _Drawn:
    num_frames, height, width = size
    times, seconds = torch.linspace(0, 1, num_frames), (num_frames - 1) / FPS
    x, y, radius, angle = track(item.path, times)
    x, y = camera.seen(x, y, 1 - item.depth)
    unit = min(height, width)
    place = Place(*(one[:, None, None] for one in (x * width, y * height, radius * camera.zoom * unit, angle)))
    if item.shape != "person" and place.still and num_frames > 1:
        return _stretched(_draw_at(item, _first(place), times[:1], size), num_frames)
    return _draw_at(item, place, times * seconds, size)


def _first(place: Place) -> Place:
    return Place(place.x[:1], place.y[:1], place.radius[:1], place.angle[:1])


def _stretched(one: _Drawn, num_frames: int) -> _Drawn:
    """What stands still in all frames, from one."""
    rows, columns = (part.stop - part.start for part in one.region.slices)
    layer = Layer(
        coverage=one.layer.coverage.expand(num_frames, -1, -1),
        colour=one.layer.colour.expand(3, num_frames, rows, columns),
        flow=torch.zeros(2, num_frames - 1, rows, columns),
    )
    return _Drawn(layer, one.region, one.boxes.expand(num_frames, -1), None)


def _draw_at(item: SceneObject, place: Place, seconds: Tensor, size: tuple[int, int, int]) -> _Drawn:
    height, width = size[1:]
    joints = None
    if item.shape == "person":
        joints = joints_of(item.motion, seconds, item.variant, place)
        boxes = person_extent(joints, place)
    else:
        boxes = extent(place.points(FACE_OUTLINE if item.shape == "face" else outline(item.shape)))
    region = Region.around(boxes, height, width)
    if joints is not None:
        layer = draw_person(region, place, joints, item.colour, item.trousers, item.face.skin, item.motion)
    elif item.shape == "face":
        layer = draw_face(region, place, item.colour, item.face)
    else:
        layer = draw_shape(region, place, item.shape, item.colour, item.pattern)
    return _Drawn(layer, region, boxes, joints)


def _flow(drawn: list[_Drawn], masks: Tensor, carried: Tensor) -> Tensor:
    flow = carried.clone()
    for item, mask in zip(drawn, masks, strict=True):
        rows, columns = item.region.slices
        here = flow[..., rows, columns]
        here.copy_(torch.where(mask[:-1, rows, columns], item.layer.flow, here))
    return flow


def reference(item: SceneObject, height: int, width: int) -> Tensor:
    """`(1, 3, 1, H, W)`, -1..1: the object alone on white, upright and still, as large as the frame takes."""
    middle = (Keyframe(time=0, x=0.5, y=0.5, radius=0.46),)
    portrait = SceneObject(
        shape=item.shape,
        colour=item.colour,
        pattern=item.pattern,
        trousers=item.trousers,
        face=item.face,
        path=middle,
        variant=item.variant,
    )
    drawn = _draw(portrait, shot("still", torch.zeros(1), 0.0), (1, height, width))
    page = torch.ones(3, 1, height, width)
    rows, columns = drawn.region.slices
    here = page[..., rows, columns]
    here += drawn.layer.coverage * (drawn.layer.colour - here)
    return _signed(page)
