"""The clip that every graph starts with."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from refusal import refusal

PARTS = ("images", "fps", "mask", "objects", "depth", "pose", "paths", "caption")
OBJECTS = {
    "circle that moves right": 1,
    "star and triangle that pass": 2,
    "ring, first part": 1,
    "ring, second part": 1,
    "figure that walks": 1,
    "figure that waves": 1,
    "face that moves right": 1,
}


def draw(run, scene, length=17):
    made = run("VaceExampleClip", scene=scene, length=length)
    return SimpleNamespace(**dict(zip(PARTS, made.result, strict=True)), said=made.ui["text"][0])


@pytest.fixture(params=OBJECTS)
def clip(request, run):
    return SimpleNamespace(scene=request.param, **vars(draw(run, request.param)))


def test_the_form_offers_these_scenes(forms_of_standin):
    """Saved graphs hold their names."""
    assert forms_of_standin["VaceExampleClip"]["input"]["required"]["scene"][1]["options"] == list(OBJECTS)


def test_everything_has_the_clips_size_and_length(clip):
    assert clip.images.shape == clip.depth.shape == clip.pose.shape == (17, 96, 96, 3)
    assert clip.mask.shape == (17, 96, 96)
    assert clip.fps == 8.0
    assert clip.objects.shape == (OBJECTS[clip.scene], 96, 96, 3)
    assert all(0 <= float(one.min()) <= float(one.max()) <= 1 for one in (clip.images, clip.depth, clip.objects))


def test_the_editor_shows_the_first_frame_before_a_run(clip):
    """If this fails: `python -m tools.workflows.example_pictures` draws them anew."""
    from PIL import Image

    from tools.workflows.example_pictures import path_of

    shown = torch.from_numpy(np.array(Image.open(path_of(clip.scene)))).float() / 255
    assert float((shown - clip.images[0]).abs().max()) <= 0.5 / 255 + 1e-6


def test_the_mask_is_white_on_the_first_object(clip, pack):
    """Its pixels are colourful, and lie in the first box."""
    words = clip.caption.split()
    colour = next(word for word in words if word in pack.vace_core.starter.scenes.palette.COLOURS)
    inside = clip.images[clip.mask > 0.5]
    assert set(clip.mask.unique().tolist()) == {0.0, 1.0}
    assert float((inside.amax(1) - inside.amin(1)).mean()) > 0.3, colour
    boxes = pack.vace_core.inputs.box_paths.paths_from_json(clip.paths)
    holes = pack.vace_core.inputs.layout.path_mask(boxes[:1], num_frames=17, height=96, width=96)[0, 0]
    assert float((clip.mask * (1 - holes)).sum()) <= 0.02 * float(clip.mask.sum())


def test_the_starter_knows_every_word(clip, pack):
    assert pack.vace_core.starter.scenes.text.SceneText().unknown(clip.caption) == []
    assert clip.said == clip.caption


def test_boxes_are_named_and_as_many_as_objects(clip, pack):
    boxes = pack.vace_core.inputs.box_paths.paths_from_json(clip.paths)
    assert len(boxes) == OBJECTS[clip.scene]
    assert all(box.label in clip.caption for box in boxes)


def test_skeletons_are_drawn_where_there_is_a_figure(clip):
    assert bool(clip.pose.any()) == clip.scene.startswith("figure")


def test_nothing_leaves_the_frame(clip):
    assert not bool((clip.mask[:, [0, -1]] > 0).any())
    assert not bool((clip.mask[:, :, [0, -1]] > 0).any())


def test_the_second_part_of_the_ring_goes_on_where_the_first_would_be_later(run):
    parts = [draw(run, f"ring, {part} part").mask for part in ("first", "second")]
    columns = torch.arange(96.0)
    ways = [(part.sum(1) @ columns) / part.sum((1, 2)) for part in parts]
    step = [float(way.diff().mean()) for way in ways]
    assert step[0] == pytest.approx(step[1], abs=0.07)
    missing = float(ways[1][0] - ways[0][-1]) / step[0] - 1
    assert missing == pytest.approx(7, abs=0.6)


def test_the_same_scene_is_the_same_clip(run):
    first, again = (draw(run, "figure that walks") for _ in range(2))
    assert torch.equal(first.images, again.images)


def test_another_length_shows_the_same_more_slowly(run):
    short, long = (draw(run, "circle that moves right", length) for length in (17, 33))
    assert torch.allclose(long.images[::2], short.images, atol=1e-5)


def test_a_single_frame_is_the_first_with_the_boxes_of_the_clip(run):
    picture, clip = (draw(run, "circle that moves right", length) for length in (1, 17))
    assert torch.equal(picture.images, clip.images[:1])
    assert picture.paths == clip.paths


def test_other_lengths_are_refused(run):
    assert refusal(run, "VaceExampleClip", scene="figure that walks", length=18) == (
        "length-for-model: choice=17 or 21, lengths=4n + 1, num_frames=18, some=1, 5, 9"
    )
