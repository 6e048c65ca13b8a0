"""Promises of the synthetic world: every truth that comes with a clip agrees with its pixels."""

import dataclasses

import pytest
import torch
from torch import Tensor

from vace_core.starter.drawing import TINTS
from vace_core.starter.world import (
    COLOURS,
    MAX_WORDS,
    VOCABULARY,
    Background,
    Keyframe,
    Scene,
    SceneClip,
    SceneObject,
    random_clip,
    random_scene,
    render,
)

SEEDS = range(60)
SQUARE = torch.tensor([-0.84, -0.84, 0.84, 0.84])  # edges of a square around its centre, in radii


@pytest.fixture(scope="module")
def clips() -> list[SceneClip]:
    return [random_clip(seed) for seed in SEEDS]


def make_clip(*objects: SceneObject, num_frames: int = 5) -> SceneClip:
    return render(Scene(background=Background(kind="plain", tint="gray"), objects=objects), num_frames=num_frames)


def straight(shape: str, colour: str, start: float, end: float, **kept: float | str) -> SceneObject:
    path = (Keyframe(time=0, x=start, y=0.5, radius=0.2), Keyframe(time=1, x=end, y=0.5, radius=0.2))
    return SceneObject(shape=shape, colour=colour, motion="moves right", path=path, **kept)


def saturation(frames: Tensor) -> Tensor:
    rgb = (frames[0] + 1) / 2
    return (rgb.amax(0) - rgb.amin(0)) / rgb.amax(0).clamp(min=1e-6)


def rim(mask: Tensor) -> Tensor:
    """Pixels `(T, H, W)` within two of the edge of a mask: the soft tip of a star reaches that far."""
    grown = torch.nn.functional.max_pool2d(mask, 5, stride=1, padding=2)
    shrunk = -torch.nn.functional.max_pool2d(-mask, 5, stride=1, padding=2)
    return grown != shrunk


def splat(mask: Tensor, flow: Tensor) -> Tensor:
    """`(H, W)` 0/1: where flow carries the pixels of a mask; each falls on the four nearest pixels."""
    height, width = mask.shape
    rows, columns = mask.nonzero(as_tuple=True)
    x, y = columns + flow[0, rows, columns], rows + flow[1, rows, columns]
    hits = torch.zeros(height, width)
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = x.floor() + dx, y.floor() + dy
            weight = (1 - (x - column).abs()) * (1 - (y - row).abs())
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            hits.index_put_((row[inside].long(), column[inside].long()), weight[inside], accumulate=True)
    return (hits > 0.5).float()


def same(a: SceneClip, b: SceneClip) -> bool:
    def equal(x: object, y: object) -> bool:
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return torch.equal(x, y)
        if isinstance(x, tuple) and isinstance(y, tuple):
            return len(x) == len(y) and all(map(equal, x, y))
        return x == y

    return all(equal(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(SceneClip))


def test_same_seed_same_clip():
    for seed in range(12):
        assert same(random_clip(seed), random_clip(seed))


def test_different_seeds_differ(clips: list[SceneClip]):
    assert len({(clip.caption, clip.frames.sum().item()) for clip in clips}) == len(clips)


def test_seed_means_the_same_scene_forever():
    # A trained starter model and its reports name clips by seed.
    assert [random_scene(seed).caption for seed in (0, 7, 9, 36)] == [
        "a green star wanders on a hilly mint background",
        "a blue figure walks right on a checkered beige background",
        "a red striped ring moves left and a yellow square moves up on a hilly slate background",
        "a face with red hair grows on a checkered gray background",
    ]


def test_object_words_hide_only_the_objects():
    assert random_scene(9).object_words == "a thing moves left and a thing moves up on a hilly slate background"
    assert random_scene(36).object_words == "a thing grows on a checkered gray background"


def test_captions_keep_to_the_vocabulary():
    assert len(set(VOCABULARY)) == len(VOCABULARY) == 44
    spoken: set[str] = set()
    for scene in map(random_scene, range(500)):
        assert len(scene.caption.split()) <= MAX_WORDS
        spoken.update(scene.caption.split(), scene.object_words.split())
    assert spoken == set(VOCABULARY)


def test_every_kind_of_scene_has_its_share():
    scenes = [random_scene(seed).objects for seed in range(1000)]
    kinds = ["none" if not o else "two" if len(o) == 2 else o[0].shape for o in scenes]
    shares = {kind: kinds.count(kind) / 1000 for kind in ("none", "two", "figure", "face")}
    wanted = {"none": 0.03, "two": 0.14, "figure": 0.11, "face": 0.08}
    assert shares == pytest.approx(wanted, abs=0.03)


def test_masks_touch_their_boxes(clips: list[SceneClip]):
    for clip in clips:
        if len(clip.objects) != 1:
            continue
        for mask, box in zip(clip.masks[0, 0], clip.boxes[0], strict=True):
            rows, columns = mask.nonzero(as_tuple=True)
            edges = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            seen = torch.stack([box[0].clamp(0, 64), box[1].clamp(0, 64), box[2].clamp(0, 64), box[3].clamp(0, 64)])
            assert (torch.stack(edges) - seen).abs().max() < 1.5, clip.caption


def test_masks_lie_inside_their_boxes(clips: list[SceneClip]):
    centres = torch.arange(64) + 0.5
    for clip in clips:
        for mask, box in zip(clip.masks[:, 0].flatten(0, 1), clip.boxes.flatten(0, 1), strict=True):
            inside_x, inside_y = (centres > box[0]) & (centres < box[2]), (centres > box[1]) & (centres < box[3])
            assert not (mask.bool() & ~(inside_y[:, None] & inside_x)).any(), clip.caption


def test_masks_share_no_pixel(clips: list[SceneClip]):
    assert all(clip.masks.sum(0).max() <= 1 for clip in clips if clip.objects)


def test_the_nearer_object_hides_the_farther():
    far, near = straight("square", "red", 0.5, 0.5, depth=0.2), straight("circle", "blue", 0.5, 0.5, depth=0.9)
    for pair in ((far, near), (near, far)):
        clip = make_clip(*pair)
        middle = (clip.frames[0, :, 0, 32, 32] + 1) / 2
        assert middle.tolist() == pytest.approx(COLOURS["blue"], abs=1e-5)
        assert clip.masks[pair.index(near), 0, 0, 32, 32] == 1
        assert clip.masks[pair.index(far), 0, 0, 32, 32] == 0
        assert torch.equal(clip.boxes[pair.index(far), 0], torch.tensor([32, 32, 32, 32]) + 12.8 * SQUARE)


def test_background_shows_outside_the_masks(clips: list[SceneClip]):
    for clip in clips:
        covered = clip.masks.sum(0)[0]
        outside = (covered == 0) & ~rim(covered)
        assert torch.equal(clip.frames[0][:, outside], clip.background[0][:, outside]), clip.caption


def test_saturation_finds_the_objects(clips: list[SceneClip]):
    for clip in clips:
        covered = clip.masks.sum(0)[0]
        clear = ~rim(covered)
        found = saturation(clip.frames) > 0.3
        assert not found[clear & (covered == 0)].any(), clip.caption
        # Where blue hair meets skin, or one object another, two saturated colours mix to gray.
        mixed = len(clip.objects) > 1 or any(item.shape == "face" for item in clip.objects)
        wanted = 0.93 if mixed else 1
        assert found[clear & (covered > 0)].float().mean() >= wanted or not clip.objects, clip.caption
        assert saturation(clip.background).max() < 0.25


def test_colour_words_are_the_colours_of_the_pixels():
    for colour, rgb in COLOURS.items():
        clip = make_clip(straight("circle", colour, 0.5, 0.5))
        assert ((clip.frames[0, :, 2, 32, 32] + 1) / 2).tolist() == pytest.approx(rgb, abs=1e-5)
    assert not set(COLOURS) & set(TINTS)


def test_stripes_are_two_tones_of_one_hue():
    clip = make_clip(straight("square", "green", 0.5, 0.5, pattern="striped"))
    inside = clip.masks[0, 0, 0].bool() & ~rim(clip.masks[0, 0])[0]
    pixels = (clip.frames[0, :, 0][:, inside] + 1) / 2
    hue = pixels / pixels.amax(0)
    assert torch.allclose(hue, hue[:, :1].expand_as(hue), atol=1e-5)
    assert (pixels.amax(0).min() / pixels.amax(0).max()).item() == pytest.approx(0.5, abs=1e-5)


def test_flow_carries_each_mask_to_the_next_frame():
    for seed in SEEDS:
        # Large, so that rounding to whole pixels counts little.
        clip = random_clip(seed, num_frames=9, height=160, width=160)
        if len(clip.objects) != 1:
            continue
        for index, (before, after) in enumerate(zip(clip.masks[0, 0], clip.masks[0, 0, 1:], strict=False)):
            moved = splat(before, clip.flow[:, index])
            both, either = (moved * after).sum(), torch.maximum(moved, after).sum()
            # A leg that comes out from behind the other has no pixels that could be carried there.
            whole = moved.sum() if clip.objects[0].shape == "figure" else either
            assert both / whole > 0.9, (clip.caption, index)


def test_flow_is_the_path_in_pixels():
    clip = make_clip(straight("circle", "red", 0.25, 0.75))
    inside = clip.masks[0, 0, :-1].bool()
    assert torch.allclose(clip.flow[0][inside], torch.tensor(0.5 * 64 / 4), atol=1e-4)
    assert clip.flow[1].abs().max() < 1e-4
    assert clip.flow[:, ~inside].abs().max() == 0


def test_flow_of_growth_points_outwards():
    path = (Keyframe(time=0, x=0.5, y=0.5, radius=0.1), Keyframe(time=1, x=0.5, y=0.5, radius=0.3))
    clip = make_clip(SceneObject(shape="circle", colour="red", motion="grows", path=path), num_frames=3)
    # From radius 6.4 to 12.8: what is 4.5 pixels right of the centre, and half a pixel below, gets twice as far.
    assert clip.flow[:, 0, 32, 36].tolist() == pytest.approx([4.5, 0.5], abs=1e-4)


def test_motion_words_are_the_motion(clips: list[SceneClip]):
    directions = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1)}
    for clip in clips:
        for item, box in zip(clip.objects, clip.boxes, strict=True):
            first, last = item.path[0], item.path[-1]
            step = (last.x - first.x, last.y - first.y)
            word = item.motion.split()[-1]
            if word in directions:
                axis, sign = directions[word]
                assert step[axis] * sign > 0.2
                assert step[1 - axis] == 0
            elif word in ("grows", "shrinks"):
                change = (box[-1, 2] - box[-1, 0]) / (box[0, 2] - box[0, 0])
                assert change > 1.5 if word == "grows" else change < 1 / 1.5
                assert step == (0, 0)


def test_paths_pass_through_their_keyframes():
    path = tuple(Keyframe(time=t, x=x, y=0.5, radius=0.2) for t, x in ((0, 0.2), (0.25, 0.8), (1, 0.4)))
    track = SceneObject(shape="circle", colour="red", motion="wanders", path=path).track(torch.linspace(0, 1, 5))
    assert track[0, [0, 1, 4]].tolist() == pytest.approx([0.2, 0.8, 0.4])
    assert torch.allclose(track[1:], torch.tensor([[0.5], [0.2]]).expand(2, 5))


def test_depth_is_nearer_on_objects(clips: list[SceneClip]):
    for clip in clips:
        covered = clip.masks.sum(0)[0] > 0
        clear = ~rim(covered.float())
        assert (clip.depth[0][:, ~covered & clear] <= -0.3 + 1e-5).all()
        # Between a figure's arm and its body, a pixel may be mostly, not wholly, figure.
        nearer = clip.depth[0, 0, covered & clear] >= 0.1 - 1e-5
        assert nearer.float().mean() > 0.96 or not clip.objects, clip.caption
        assert torch.equal(clip.depth[:, :1].expand(-1, 3, -1, -1, -1), clip.depth)


def test_pose_belongs_to_figures_and_lies_on_them(clips: list[SceneClip]):
    figures = 0
    for clip in clips:
        assert (clip.pose is not None) == any(item.shape == "figure" for item in clip.objects)
        if clip.pose is None:
            continue
        figures += 1
        inked = (clip.pose[0] > -1).any(0)
        near = torch.nn.functional.max_pool2d(clip.masks[0, 0], 3, stride=1, padding=1) > 0
        assert inked.any(2).any(1).all()
        assert (inked & near).sum() / inked.sum() > 0.95
    assert figures >= 5


def test_references_stand_alone_on_white(clips: list[SceneClip]):
    for clip in clips:
        assert len(clip.references) == len(clip.objects)
        for page in clip.references:
            assert page.shape == (1, 3, 1, 64, 64)
            assert (page[..., [0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
            rows, columns = (saturation(page)[0] > 0.3).nonzero(as_tuple=True)
            assert max(rows.max() - rows.min(), columns.max() - columns.min()) > 40
            assert (rows.max() + rows.min() - 63).abs() < 16
            assert (columns.max() + columns.min() - 63).abs() < 3


def test_empty_scene_is_its_background():
    clip = make_clip()
    assert clip.caption == clip.object_words == "an empty plain gray background"
    assert torch.equal(clip.frames, clip.background)
    assert (clip.masks.shape, clip.boxes.shape) == ((0, 1, 5, 64, 64), (0, 5, 4))
    assert clip.pose is None
    assert clip.references == ()


@pytest.mark.parametrize(("num_frames", "height", "width"), [(9, 48, 80), (5, 80, 48), (1, 64, 64), (5, 50, 34)])
def test_any_size(num_frames: int, height: int, width: int):
    for seed in (2, 5, 7, 15):
        clip = random_clip(seed, num_frames=num_frames, height=height, width=width)
        count, size = len(clip.objects), (num_frames, height, width)
        assert clip.frames.shape == clip.depth.shape == clip.background.shape == (1, 3, *size)
        assert clip.masks.shape == (count, 1, *size)
        assert clip.flow.shape == (2, num_frames - 1, height, width)
        assert (clip.masks.flatten(1).sum(1) > 0).all()
        assert -1 <= clip.frames.min() <= clip.frames.max() <= 1
        assert clip.pose is None or clip.pose.shape == (1, 3, *size)


def test_object_outside_the_frame_is_not_drawn():
    clip = make_clip(straight("circle", "red", 2.0, 3.0))
    assert torch.equal(clip.frames, clip.background)
    assert clip.masks.sum() == 0
    assert clip.boxes[0, 0].tolist() == pytest.approx([128 - 12.8, 32 - 12.8, 128 + 12.8, 32 + 12.8])
