"""VACE Desk: what the node hands on of what was drawn, and of what other packs drew."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from refusal import refusal

AT = {"time": 0.0, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}


def clip(frames=5, height=32, width=48):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (frames, height, width, 3), generator=generator).float() / 255


def drawn(*objects, **more):
    return json.dumps({"version": 1, "objects": [{"action": "remove", "keys": [AT], **one} for one in objects], **more})


def run_desk(run, text, **values):
    return run("VaceDesk", **{"clip": clip(), "desk": text, "fps": 8.0, "fit": "as it is", **values})


def test_the_unit_is_that_of_inpainting_with_the_mask(run):
    out = run_desk(run, drawn({"grow": 1, "prompt": "a cat"}), prompt="a street")
    same = run("VaceInpaintVideo", images=clip(), mask=out[1], fps=8.0, fit="as it is", prompt="a street; a cat")[0]
    assert torch.equal(out[0].roles, same.roles)
    assert torch.equal(out[0].frames, same.frames)
    assert (out[0].prompt, out[0].fps) == (same.prompt, same.fps)


def test_masks_of_objects_come_one_after_the_other(run):
    out = run_desk(run, drawn({}, {"keys": [{**AT, "x": 0.1, "width": 0.1}], "action": "keep"}))
    assert out[1].shape == (5, 32, 48)
    assert out[2].shape == (10, 32, 48)
    assert torch.equal(out[1], out[2][:5])
    assert not torch.equal(out[2][:5], out[2][5:])


def test_a_feather_is_in_the_masks_alone(run):
    hard, soft = (run_desk(run, drawn({"feather": n})) for n in (0, 4))
    assert torch.equal(hard[0].roles, soft[0].roles)
    assert torch.equal(hard[1] > 0, soft[1] > 0)
    assert bool(((soft[1] > 0) & (soft[1] < 1)).any())


def test_paths_boxes_points_and_tracks_say_where_the_object_goes(run):
    end = {**AT, "time": 1.0, "x": 0.75}
    out = run_desk(run, drawn({"label": "ball", "action": "move", "path": {"keys": [AT, end]}}))
    (path,) = json.loads(out[3])["paths"]
    assert [key["x"] for key in path["keys"]] == [0.5, 0.75]
    assert run("VaceComposeMasks", paths=out[3], images=clip())[0][4, 16, 40] == 1
    assert out[4] == [[{"x": 12, "y": 8, "width": 24, "height": 16}]] * 5
    assert json.loads(out[7])[0][0] == {"x": 24.0, "y": 16.0}
    assert json.loads(out[7])[0][-1] == {"x": 36.0, "y": 16.0}
    assert out[8]["track_path"].shape == (5, 1, 2)
    assert out[8]["track_path"][4, 0].tolist() == [36.0, 16.0]


def test_what_it_hands_on_it_takes_back(run):
    """KJNodes' points, core's tracks and boxes: objects to generate at the same places."""
    out = run_desk(run, drawn({"keys": [AT, {**AT, "time": 1.0, "x": 0.75}]}))
    from_points = run_desk(run, out[7])
    from_tracks = run_desk(run, "", tracks=out[8])
    from_boxes = run_desk(run, "", boxes=out[4])
    assert from_points[7] == from_tracks[7] == out[7]
    assert torch.equal(from_boxes[1], out[1])


def test_links_lie_behind_what_was_drawn(run):
    out = run_desk(run, drawn({"action": "generate", "order": -3}), boxes=[(0, 0, 40, 30)])
    assert torch.equal(out[2][:5], (out[0].masks[0, 0] * out[2][:5]))
    assert out[2].shape[0] == 10


def test_pictures_are_references_by_their_number(run):
    out = run_desk(run, drawn({"action": "replace", "picture": 2}), pictures=clip(3, 20, 20))
    assert out[0].num_references == 1
    assert torch.equal(out[5].pictures[0], clip(3, 20, 20)[1].movedim(-1, 0)[None, :, None] * 2 - 1)


def test_control_is_followed(run):
    out = run_desk(run, drawn({"action": "control"}), control=clip(5, 32, 48).flip(0))
    inside = out[1] > 0
    assert torch.allclose((out[0].frames[0].movedim(0, -1) + 1)[inside] / 2, clip().flip(0)[inside], atol=1e-6)


def test_strengths_are_those_of_the_objects(run):
    weak = run_desk(run, drawn({"strength": 0.5}))[6]
    assert weak.overall == 1
    assert torch.equal(weak.space[0, 0] == 0.5, run_desk(run, drawn({}))[1] > 0)
    strong = run_desk(run, drawn({"strength": 2.0}))[6]
    assert strong.overall == 2
    assert strong.space.min() == 0.5
    assert run_desk(run, drawn({}))[6].space is None


def test_a_video_brings_its_rate(run):
    video = SimpleNamespace(get_components=lambda: SimpleNamespace(images=clip(), frame_rate=12))
    out = run_desk(run, drawn({}), clip=video)
    assert out[0].fps == 12
    assert torch.equal(out[0].source, run_desk(run, drawn({}))[0].source)


def test_masks_are_fitted_with_the_clip(run):
    out = run_desk(run, drawn({}), clip=clip(9, 100, 150), fit="480p")
    assert out[1].shape == (9, 100, 150)
    again = run("VaceInpaintVideo", images=clip(9, 100, 150), mask=out[1], fps=8.0, fit="480p")[0]
    assert torch.equal(out[0].roles, again.roles)


def test_an_empty_desk_waits_and_shows_the_clip(run):
    for text in ("", "[]", '{"version": 1, "objects": []}'):
        out = run_desk(run, text, clip=clip(41))
        assert out.block_execution is not None
        assert len(out.ui["vace_clip"]) == 33
        said = out.ui["vace_clip_info"][0]
        assert (said["width"], said["height"], said["frames"], said["fps"]) == (48, 32, 41, 8.0)
        assert (said["shown"][0], said["shown"][-1]) == (0, 40)


def test_another_clip_than_was_drawn_on_is_told(run):
    text = drawn({}, clip={"width": 48, "height": 32, "frames": 9})
    assert "! The drawing was made on a clip of 9 frames" in run_desk(run, text).ui["text"][0]


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ('{"nodes": []}', {}, "desk-not-ours: fields=['nodes']"),
        (drawn({"action": "replace"}), {}, "desk-picture: count=0, name=Object 1, which=a picture, and none is chosen"),
        (drawn({"keys": [{**AT, "x": 7}]}), {}, "desk-nothing: why=Object 1 is outside of the frame, or empty, in "
         "every frame: it does nothing."),
        (drawn({}), {"tracks": {"track_path": torch.full((5, 1, 2), np.nan)}}, "tracks-not-finite"),
        (drawn({}), {"clip": 3}, "input-type: fitting=An IMAGE is needed. Connect an IMAGE output., name=clip, "
         "value=an int"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(run, text, values, message):
    assert refusal(run_desk, run, text, **values) == message
