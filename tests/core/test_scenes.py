"""Promises of the starter's world: every truth agrees with the pixels, and training never shows what is held out."""

from __future__ import annotations

import dataclasses
import random
from collections import Counter

import pytest
import torch
from torch import Tensor

from vace_core.starter.evaluation.outlines import shape_of, vivid
from vace_core.starter.scenes.backdrops import BACKDROPS, UNSEEN_BACKDROPS, Backdrop, draw_backdrop
from vace_core.starter.scenes.captions import FILLERS, SYNONYMS, VOCABULARY, WORDS, caption, meaning
from vace_core.starter.scenes.clips import BUCKETS, HELD_OUT, UNSEEN_BUCKETS, Bucket, clip
from vace_core.starter.scenes.conditions import KINDS, draw_condition
from vace_core.starter.scenes.crops import Crops, draw_crops
from vace_core.starter.scenes.palette import COLOURS, TINTS
from vace_core.starter.scenes.paths import CAMERAS, Keyframe
from vace_core.starter.scenes.people import MOUTHS
from vace_core.starter.scenes.render import SceneClip, render
from vace_core.starter.scenes.samples import TASKS, draw_bucket, draw_sample, draw_task
from vace_core.starter.scenes.scene import MOST_OBJECTS, Scene, SceneObject, random_scene
from vace_core.starter.scenes.shapes import PATTERNS, SHAPES, outline
from vace_core.starter.scenes.split import UNSEEN_PAIRS, unseen_pair
from vace_core.starter.scenes.styles import PALETTES, TEXTURES, Style, random_style, stylise
from vace_core.starter.scenes.text import SceneText

SMALL = Bucket(num_frames=5, height=64, width=64)
PLAIN = Backdrop(kind="plain", colour="gray")


@pytest.fixture(scope="module")
def clips() -> list[SceneClip]:
    return [clip(0, index, SMALL) for index in range(60)]


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [random_scene(seed) for seed in range(2500)]


def still(shape: str, colour: str = "red", **more: object) -> SceneObject:
    path = (Keyframe(time=0, x=0.5, y=0.5, radius=0.3),)
    return SceneObject(shape=shape, colour=colour, path=path, **more)


def shown(*objects: SceneObject, camera: str = "still", backdrop: Backdrop = PLAIN, num_frames: int = 5) -> SceneClip:
    scene = Scene(backdrop=backdrop, objects=objects, camera=camera)
    return render(scene, num_frames=num_frames, height=64, width=64)


def same(a: SceneClip, b: SceneClip) -> bool:
    def equal(x: object, y: object) -> bool:
        if isinstance(x, Tensor) and isinstance(y, Tensor):
            return torch.equal(x, y)
        if isinstance(x, tuple) and isinstance(y, tuple):
            return len(x) == len(y) and all(map(equal, x, y))
        return x == y

    return all(equal(getattr(a, field.name), getattr(b, field.name)) for field in dataclasses.fields(SceneClip))


def rim_of(mask: Tensor, reach: int = 2) -> Tensor:
    """Pixels `(T, H, W)` within `reach` of the edge of a mask."""
    grown = torch.nn.functional.max_pool2d(mask, 2 * reach + 1, stride=1, padding=reach)
    shrunk = -torch.nn.functional.max_pool2d(-mask, 2 * reach + 1, stride=1, padding=reach)
    return grown != shrunk


# Training never shows what is held out


def pairs_in(scene: Scene) -> set[tuple[str, str]]:
    return {(item.shape, item.colour) for item in scene.objects if item.shape in SHAPES}


def test_training_never_shows_an_unseen_pair_or_backdrop(scenes):
    shown_pairs = set().union(*map(pairs_in, scenes))
    assert not shown_pairs & UNSEEN_PAIRS
    # All others are shown, so that each shape and colour is known by itself.
    assert shown_pairs == {(shape, colour) for shape in SHAPES for colour in COLOURS} - UNSEEN_PAIRS
    assert {scene.backdrop.kind for scene in scenes} == set(BACKDROPS)
    assert not set(BACKDROPS) & set(UNSEEN_BACKDROPS)


def test_each_shape_and_colour_is_left_out_once():
    assert Counter(shape for shape, _ in UNSEEN_PAIRS) == Counter(SHAPES.keys())
    assert Counter(colour for _, colour in UNSEEN_PAIRS) == Counter(COLOURS.keys())


def test_unseen_scenes_have_something_unseen_each():
    for scene in (random_scene(seed, unseen=True) for seed in range(400)):
        assert pairs_in(scene) & UNSEEN_PAIRS or scene.backdrop.kind in UNSEEN_BACKDROPS
        assert all(unseen_pair(*pair) for pair in pairs_in(scene))


def test_training_has_sizes_of_its_own():
    assert not set(BUCKETS) & set(UNSEEN_BUCKETS)
    assert sum(BUCKETS.values()) == pytest.approx(1)
    for bucket in (*BUCKETS, *UNSEEN_BUCKETS):
        assert (bucket.num_frames % 4, bucket.height % 16, bucket.width % 16) == (1, 0, 0)
        assert 5 <= bucket.num_frames <= 33
        assert 64 <= min(bucket.height, bucket.width) <= max(bucket.height, bucket.width) <= 128


def test_held_out_clips_are_no_training_clips():
    trained = {clip(0, index, SMALL).frames.sum().item() for index in range(20)}
    assert not trained & {clip(HELD_OUT, index, SMALL).frames.sum().item() for index in range(20)}


# What is drawn


def test_the_same_clip_comes_from_the_same_numbers():
    for index in range(8):
        assert same(clip(3, index, SMALL), clip(3, index, SMALL))
    assert len({clip(3, index, SMALL).frames.sum().item() for index in range(8)}) == 8


def test_drawing_leaves_the_dice_of_the_process_alone():
    torch.manual_seed(3)
    random.seed(3)
    expected = torch.rand(2), random.random()
    torch.manual_seed(3)
    random.seed(3)
    clip(0, 1, SMALL)
    assert torch.equal(torch.rand(2), expected[0])
    assert random.random() == expected[1]


def test_every_kind_of_thing_occurs(scenes):
    items = [item for scene in scenes for item in scene.objects]
    assert {len(scene.objects) for scene in scenes} == set(range(MOST_OBJECTS + 1))
    assert {item.pattern for item in items} == set(PATTERNS)
    assert {scene.camera for scene in scenes} == set(CAMERAS)
    mouths = Counter(item.face.mouth for item in items if item.shape == "face")
    assert min(mouths[mouth] for mouth in MOUTHS) > 0.25 * mouths.total()


@pytest.mark.parametrize("bucket", [*BUCKETS, UNSEEN_BUCKETS[0]], ids=str)
def test_truths_have_the_size_of_the_clip(bucket):
    one = clip(1, 4, bucket)
    size, count = (bucket.num_frames, bucket.height, bucket.width), len(one.objects)
    assert one.frames.shape == one.depth.shape == one.background.shape == (1, 3, *size)
    assert one.masks.shape == (count, 1, *size)
    assert one.boxes.shape == (count, bucket.num_frames, 4)
    assert one.flow.shape == (2, bucket.num_frames - 1, *size[1:])
    assert all(page.shape == (1, 3, 1, *size[1:]) for page in one.references)
    assert -1 <= one.frames.min() <= one.frames.max() <= 1


def test_a_picture_is_a_clip_of_one_frame():
    for index in range(40):
        one = clip(0, index, Bucket(num_frames=1, height=64, width=64))
        assert one.frames.shape == (1, 3, 1, 64, 64)
        assert one.flow.shape == (2, 0, 64, 64)


def test_objects_are_in_sight_and_their_masks_share_no_pixel(clips):
    for one in clips:
        if one.objects:
            assert one.masks.sum(0).max() <= 1
            # Something of each is seen at some time, even if another hides it or the camera leaves it behind.
            assert (one.masks.flatten(1).sum(1) > 0).all(), one.caption


def test_masks_lie_inside_their_boxes(clips):
    centres = torch.arange(64) + 0.5
    for one in clips:
        for mask, box in zip(one.masks[:, 0].flatten(0, 1), one.boxes.flatten(0, 1), strict=True):
            inside_x = (centres > box[0] - 0.6) & (centres < box[2] + 0.6)
            inside_y = (centres > box[1] - 0.6) & (centres < box[3] + 0.6)
            assert not (mask.bool() & ~(inside_y[:, None] & inside_x)).any(), one.caption


@pytest.mark.parametrize("shape", [*SHAPES, "face", "person"])
def test_boxes_touch_what_they_hold(shape):
    one = shown(still(shape))
    rows, columns = one.masks[0, 0, 0].nonzero(as_tuple=True)
    edges = torch.tensor([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    assert (edges - one.boxes[0, 0]).abs().max() < 1.6


def test_backdrop_shows_outside_the_masks(clips):
    for one in clips:
        if not one.objects:
            continue
        covered = one.masks.sum(0)[0]
        outside = (covered == 0) & ~rim_of(covered, 5)  # the tips of a moon fade out over some pixels
        assert torch.equal(one.frames[0][:, outside], one.background[0][:, outside]), one.caption


def test_the_nearer_object_hides_the_farther():
    far, near = still("square", "red", depth=0.2), still("circle", "blue", depth=0.9)
    for pair in ((far, near), (near, far)):
        one = shown(*pair)
        assert one.masks[pair.index(near), 0, 0, 32, 32] == 1
        assert one.masks[pair.index(far), 0, 0, 32, 32] == 0
        red, _, blue = one.frames[0, :, 0, 32, 32]
        assert blue > red


def test_depths_differ_so_that_who_hides_whom_is_never_chance(scenes):
    for scene in scenes:
        depths = [item.depth for item in scene.objects]
        assert len(set(depths)) == len(depths)


@pytest.mark.parametrize("colour", COLOURS)
def test_an_object_has_the_hue_of_its_word(colour):
    pixels = (shown(still("circle", colour)).frames[0, :, 0, 20:44, 20:44].flatten(1) + 1) / 2
    nearest = {
        name: (pixels / pixels.amax(0) - torch.tensor(paint)[:, None] / max(paint)).abs().mean()
        for name, paint in COLOURS.items()
    }
    assert min(nearest, key=lambda name: nearest[name]) == colour


def test_a_star_has_five_points_and_a_moon_a_hollow():
    reach = outline("star").norm(dim=1)
    peaks = (reach > reach.roll(1)) & (reach >= reach.roll(-1)) & (reach > 0.9)
    assert int(peaks.sum()) == 5
    assert SHAPES["moon"](torch.tensor(0.3), torch.tensor(0.0)) > 0


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_distances_near_their_edge(shape):
    # Soft edges are one pixel wide only if a step of a pixel changes the distance by one.
    x = torch.linspace(-1.1, 1.1, 221).expand(221, 221)
    distance = SHAPES[shape](x, x.T.contiguous())
    slope = torch.stack(torch.gradient(distance, spacing=0.01)).norm(dim=0)
    near = (distance.abs() < 0.05)[1:-1, 1:-1]
    assert slope[1:-1, 1:-1][near].median() == pytest.approx(1, abs=0.03)
    assert slope[1:-1, 1:-1][near].max() < 1.5


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


@pytest.mark.parametrize("kind", ["one", "face", "person"])
def test_flow_carries_each_mask_to_the_next_frame(kind):
    for seed in range(8):
        scene = dataclasses.replace(random_scene(seed, kind=kind), objects=random_scene(seed, kind=kind).objects[:1])
        one = render(scene, num_frames=9, height=128, width=128)
        for index, (before, after) in enumerate(zip(one.masks[0, 0], one.masks[0, 0, 1:], strict=False)):
            moved = splat(before, one.flow[:, index])
            both, either = (moved * after).sum(), torch.maximum(moved, after).sum()
            # A leg that comes out from behind the other has no pixels that could be carried there.
            whole = moved.sum() if kind == "person" else either
            assert both / whole > 0.9, (one.caption, index)


@pytest.mark.parametrize("camera", CAMERAS[1:])
def test_flow_of_the_backdrop_is_what_the_camera_does(camera):
    one = shown(camera=camera, backdrop=Backdrop(kind="cloudy", colour="gray", second="white", seed=3))
    frame, after = one.frames[0, 0, 0], one.frames[0, 0, 1]
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    x, y = columns + one.flow[0, 0], rows + one.flow[1, 0]
    grid = torch.stack([(2 * x + 1) / 64 - 1, (2 * y + 1) / 64 - 1], dim=-1)[None]
    carried = torch.nn.functional.grid_sample(after[None, None], grid, align_corners=False)[0, 0]
    middle = (slice(12, 52), slice(12, 52))
    assert (carried - frame)[middle].abs().mean() < 0.25 * (after - frame)[middle].abs().mean()
    assert one.flow.abs().mean() > 0.2


def test_what_stands_still_does_not_move(clips):
    for one in clips:
        if one.scene.camera == "still" and all(item.motion == "stays still" for item in one.objects):
            assert torch.equal(one.frames, one.frames[:, :, :1].expand_as(one.frames))
            assert not one.flow.any()


def test_motion_words_are_the_motion(scenes):
    ways = {"right": (0, 1), "left": (0, -1), "down": (1, 1), "up": (1, -1)}
    for item in (item for scene in scenes for item in scene.objects):
        first, last = item.path[0], item.path[-1]
        step, word = (last.x - first.x, last.y - first.y), item.motion.split()[-1]
        if word in ways:
            axis, sign = ways[word]
            assert step[axis] * sign > 0.2
            assert step[1 - axis] == 0
        elif word in ("grows", "shrinks"):
            assert (last.radius > 1.5 * first.radius) if word == "grows" else (first.radius > 1.5 * last.radius)
        elif word == "spins":
            assert abs(last.angle - first.angle) > 2


@pytest.mark.parametrize(("num_frames", "slow"), [(5, 0.15), (33, 0.3)])
def test_motion_keeps_its_speed_in_longer_clips(num_frames, slow):
    bucket = Bucket(num_frames=num_frames, height=64, width=64)
    moved = [
        abs(item.path[-1].x - item.path[0].x)
        for index in range(150)
        for item in random_scene(index, seconds=bucket.seconds, kind="one").objects
        if item.motion == "moves right"
    ]
    assert moved
    mean = sum(moved) / len(moved)
    assert (mean < slow) if num_frames == 5 else (mean > slow)


def test_references_stand_alone_on_white(clips):
    for one in clips:
        assert len(one.references) == len(one.objects)
        for page in one.references:
            assert (page[..., [0, 0, -1, -1], [0, -1, 0, -1]] == 1).all()
            rows, columns = (page[0, :, 0] < 0.9).any(0).nonzero(as_tuple=True)
            assert max(rows.max() - rows.min(), columns.max() - columns.min()) > 45


def test_people_have_a_pose_that_lies_on_them(clips):
    people = 0
    for one in clips:
        assert (one.pose is not None) == any(item.shape == "person" for item in one.objects)
        if one.pose is None or len(one.objects) > 1:
            continue
        people += 1
        near = torch.nn.functional.max_pool2d(one.masks[0, 0], 5, stride=1, padding=2) > 0
        inked = (one.pose[0] > -1).any(0)
        assert (inked & near).sum() / inked.sum() > 0.93
    assert people >= 3


@pytest.mark.parametrize("mouth", MOUTHS)
def test_a_face_shows_its_parts(mouth):
    faces = [
        dataclasses.replace(still("face", "green").face, eyes="blue", mouth=mouth, glasses=glasses)
        for glasses in (False, True)
    ]
    plain, glasses = (shown(still("face", "green", face=face)).frames[0, :, 0] for face in faces)
    red, green, blue = plain
    hair, eyes, lips = (slice(14, 20), slice(28, 36)), (slice(28, 37), slice(21, 43)), (slice(38, 50), slice(24, 40))
    assert ((green > red + 0.4) & (green > blue + 0.4))[hair].float().mean() > 0.8
    assert ((blue > red + 0.4) & (blue > green))[eyes].sum() >= 4
    assert ((plain.amin(0) > 0.6)[eyes]).sum() >= 4
    assert ((red > green + 0.6) & (red > blue + 0.6))[lips].sum() >= 6
    assert ((glasses - plain).abs().amax(0) > 0.3)[eyes].sum() > 20


@pytest.mark.parametrize("kind", [*BACKDROPS, *UNSEEN_BACKDROPS])
def test_backdrops_look_the_same_at_any_size(kind):
    backdrop = Backdrop(kind=kind, colour="slate", second="white", phase=(0.3, 0.6, 0.1, 0.4), seed=5)
    small, large = draw_backdrop(backdrop, 64, 64), draw_backdrop(backdrop, 128, 128)
    halved = torch.nn.functional.avg_pool2d(large, 2)
    spread = (small - small.mean((1, 2), keepdim=True)).abs().mean()
    assert (small - halved).abs().mean() < max(0.45 * float(spread), 1e-6)
    assert kind == "plain" or spread > 0.02


def test_muted_colours_are_muted():
    for tint in TINTS.values():
        assert (max(tint) - min(tint)) / max(tint) < 0.3
    for scene in (random_scene(seed, calm=True) for seed in range(200)):
        assert {scene.backdrop.colour, scene.backdrop.second or "gray"} <= set(TINTS)
        assert (scene.camera, scene.backdrop.kind == "blurry") == ("still", False)


# Words


def test_every_word_of_a_caption_is_known_and_said(scenes):
    spoken: set[str] = set()
    for scene in scenes:
        for text in (caption(scene), caption(scene, things=True), caption(scene, plain=True)):
            clauses, unknown = meaning(text)
            assert unknown == [], text
            spoken.update(word for clause in clauses for word in clause)
    styles = [Style(palette=PALETTES[name], texture=texture, name=name) for name in PALETTES for texture in TEXTURES]
    for style in styles:
        clauses, unknown = meaning(style.words)
        assert unknown == []
        spoken.update(word for clause in clauses for word in clause)
    assert set(WORDS) - spoken == {"smooth"}


def test_captions_vary_and_mean_the_same():
    scene = next(scene for scene in map(random_scene, range(99)) if len(scene.objects) == 1)
    wordings = {caption(dataclasses.replace(scene, wording=number)) for number in range(60)}
    assert len(wordings) > 20
    plain, _ = meaning(caption(scene, plain=True))
    needed = {word for clause in plain for word in clause} - {"on", "stays", "still"}
    for text in wordings:
        assert needed <= {word for clause in meaning(text)[0] for word in clause}, text


def test_a_thing_is_named_without_what_it_looks_like(scenes):
    for scene in scenes[:300]:
        words = {word for clause in meaning(caption(scene, things=True))[0] for word in clause}
        looks = {*SHAPES, "face", "hair", "shirt", *PATTERNS} | (
            {item.colour for item in scene.objects} - {scene.backdrop.colour, scene.backdrop.second}
        )
        kinds = {scene.backdrop.kind}
        assert not words & (looks - kinds), caption(scene, things=True)


def test_clauses_keep_a_colour_with_its_thing():
    clauses, unknown = meaning("A scarlet, spotted star goes left behind a blue ball on the striped wall!")
    assert clauses == [
        ["red", "dotted", "star", "moves", "left"],
        ["behind", "blue", "circle"],
        ["on", "striped", "background"],
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("prompt", "unknown"),
    [
        ("a shiny red star", ["shiny"]),
        ("赤い星が右に動く", ["赤い星が右に動く"]),
        ("красная звезда", ["красная", "звезда"]),
        ("a red ⭐ star", []),
        ("", []),
    ],
)
def test_words_nobody_knows_are_said_in_any_script(prompt, unknown):
    assert meaning(prompt)[1] == unknown


def test_synonyms_mean_words_of_the_vocabulary():
    assert len(set(VOCABULARY)) == len(VOCABULARY)
    assert set(SYNONYMS.values()) <= set(VOCABULARY)
    assert not set(SYNONYMS) & set(VOCABULARY)
    assert not FILLERS & (set(VOCABULARY) | set(SYNONYMS))


# Styles, conditions, crops


def test_a_style_changes_the_colours_and_not_where_things_are():
    one = shown(still("star", "yellow"), backdrop=Backdrop(kind="plain", colour="slate"))
    for texture in ("smooth", "posterised"):
        styled = stylise(one.frames, Style(palette=PALETTES["night"], texture=texture, name="night"))
        inside, outside = (one.masks[0, 0] > 0) & ~rim_of(one.masks[0], 3)[0], one.masks[0, 0] == 0
        assert styled.shape == one.frames.shape
        assert styled[0, 2][inside].mean() > styled[0, 2][outside & ~rim_of(one.masks[0], 3)[0]].mean() + 0.2
        assert styled[0, 2].mean() > styled[0, 0].mean() + 0.2


def test_styles_are_drawn_by_seed_and_named_only_where_a_word_tells():
    assert [random_style(random.Random(n)) for n in range(9)] == [random_style(random.Random(n)) for n in range(9)]
    for n in range(40):
        style = random_style(random.Random(n))
        assert (style.name is None) == (style.palette not in PALETTES.values())
        assert "None" not in style.words


@pytest.mark.parametrize("texture", TEXTURES)
def test_every_texture_of_a_style_looks_different(texture):
    one = shown(still("heart", "pink"), backdrop=Backdrop(kind="gradient", colour="white", second="blue"))
    plain = stylise(one.frames, Style(palette=PALETTES["sepia"], texture="smooth"))
    styled = stylise(one.frames, Style(palette=PALETTES["sepia"], texture=texture))
    assert (styled - plain).abs().mean() > 0.03 or texture == "smooth"
    assert -1 <= styled.min() <= styled.max() <= 1


def test_conditions_of_all_kinds_are_pictures_of_the_clip(clips):
    seen: set[str] = set()
    for number, one in enumerate(clips[:40]):
        drawn = draw_condition(one, random.Random(number))
        assert drawn.shape == one.frames.shape
        assert -1 <= drawn.min() <= drawn.max() <= 1
        assert torch.equal(drawn, draw_condition(one, random.Random(number)))
        seen.add(str(drawn.shape))
    assert len(KINDS) == 10


def test_crops_of_a_step_come_from_its_number():
    kinds = (Crops(num_frames=5, side=32, count=4, share=1),)
    batch = draw_crops(kinds, 3)
    assert batch.shape == (4, 3, 5, 32, 32)
    assert torch.equal(batch, draw_crops(kinds, 3))
    assert not torch.equal(batch, draw_crops(kinds, 4))


# Tasks and text


@pytest.mark.parametrize("task", TASKS)
def test_examples_of_every_task_are_what_their_clip_fulfils(task):
    for seed, bucket in ((0, SMALL), (1, Bucket(num_frames=9, height=64, width=96))):
        sample = draw_sample(task, seed, bucket)
        unit, truth = sample.vcu, sample.clip.frames
        assert (unit.num_frames, unit.height, unit.width) == (bucket.num_frames, bucket.height, bucket.width)
        assert truth.shape == (1, 3, bucket.num_frames, bucket.height, bucket.width)
        if unit.source is not None:
            kept = (unit.masks == 0).expand_as(truth)
            assert torch.equal(unit.source[kept], truth[kept])
        again = draw_sample(task, seed, bucket)
        assert torch.equal(again.vcu.frames, unit.frames)
        assert again.vcu.prompt == unit.prompt
        assert unit.num_references <= 2
    assert SceneText().unknown(unit.prompt) == []


def test_the_thirteenth_task_keeps_where_things_are_and_tells_the_look():
    told = shown_by_picture = 0
    for seed in range(12):
        sample = draw_sample("stylization", seed, SMALL)
        plain = render(sample.clip.scene, num_frames=5, height=64, width=64)
        assert torch.equal(plain.masks, sample.clip.masks)
        assert not torch.equal(plain.frames, sample.clip.frames)
        says = "style" in sample.vcu.prompt
        assert says or sample.vcu.references, "something must tell the style"
        told, shown_by_picture = told + says, shown_by_picture + bool(sample.vcu.references)
    assert min(told, shown_by_picture) > 2


def test_tasks_and_sizes_are_drawn_by_their_shares():
    assert {draw_task(seed) for seed in range(600)} == set(TASKS)
    assert {draw_bucket(seed) for seed in range(300)} == set(BUCKETS)


def test_a_prompt_is_a_row_a_word_with_its_clause(caplog):
    text = SceneText()
    rows = text.encode("a red star and a blue ring")
    assert rows.shape == (1, 6, 4096)
    red, star, _, blue, _, end = rows[0]
    used = 2 * len(VOCABULARY) + 9
    assert not rows[..., used:].any()
    assert red[VOCABULARY.index("red")] > 0
    assert star[len(VOCABULARY) + VOCABULARY.index("red")] > 0
    assert blue[len(VOCABULARY) + VOCABULARY.index("red")] == 0
    assert torch.equal(text.encode("")[0, 0], end)
    assert torch.equal(text.encode("the scarlet star"), text.encode("a red star"))
    assert caplog.text == ""


def test_what_the_encoder_does_not_know_it_says(caplog):
    text = SceneText()
    text.encode("a glittering red star")
    assert "does not know glittering; it follows the rest" in caplog.text
    caplog.clear()
    rows = text.encode("赤い星")
    assert "knows no word of the prompt (赤い星)" in caplog.text
    assert torch.equal(rows, text.encode(""))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_told_by_its_outline_however_it_is_turned(shape):
    path = (Keyframe(time=0, x=0.5, y=0.5, radius=0.3), Keyframe(time=1, x=0.55, y=0.5, radius=0.25, angle=2.0))
    one = shown(SceneObject(shape=shape, colour="pink", path=path))
    assert shape_of(vivid(one.frames)) == shape
    assert shape_of(torch.zeros(3, 64, 64, dtype=torch.bool)) is None
