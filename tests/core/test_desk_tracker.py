"""The desk finds and follows objects without a network: against the truth of the starter's world."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from refused import refused

from benchmarks.track_desk import overlap, tracked_overlap
from vace_core.errors import InputError
from vace_core.inputs.desk.document import DeskKey, DeskObject, Shape
from vace_core.inputs.desk.drawing import draw_shape
from vace_core.inputs.desk.selecting import outlines, select
from vace_core.inputs.desk.tracker import track
from vace_core.media.video import to_uint8
from vace_core.starter.scenes.render import SceneClip, render
from vace_core.starter.scenes.scene import random_scene

MOVES, GROWS, WANDERS, STANDS, STRIPED = 35, 39, 0, 29, 6  # seeds of clips


def one_shape(seed: int) -> SceneClip:
    """A clip of the starter's world with one shape before a muted backdrop."""
    return render(random_scene(seed, kind="one", calm=True), num_frames=17, height=96, width=96)


def film(frames: int = 9, height: int = 48, width: int = 80, step: int = 4) -> torch.Tensor:
    """A red square of 16 pixels on a gray texture, that goes right."""
    generator = torch.Generator().manual_seed(0)
    found = torch.randint(90, 130, (1, height, width, 3), generator=generator, dtype=torch.uint8)
    found = found.repeat(frames, 1, 1, 1)
    for n in range(frames):
        found[n, 16:32, 8 + n * step : 24 + n * step] = torch.tensor([220, 30, 30], dtype=torch.uint8)
    return found


def square(time: float, left: float, **more) -> DeskKey:
    return DeskKey(time=time, x=(left + 8) / 80, y=0.5, width=16 / 80, height=16 / 48, **more)


def lefts(keys) -> list[float]:
    return [(key.x - key.width / 2) * 80 for key in keys]


@pytest.mark.parametrize("seed", [MOVES, GROWS, WANDERS])
def test_a_tracked_mask_is_the_object(seed):
    assert np.mean(tracked_overlap(one_shape(seed), 0)) >= 0.8


def test_a_box_is_tracked_from_one_frame_to_another():
    one = DeskObject(action="remove", keys=(square(0, 8),))
    keys = track(film(), one, 9, 0.0, 1.0)
    assert [key.time for key in keys] == [n / 8 for n in range(1, 9)]
    assert all(key.tracked for key in keys)
    assert lefts(keys) == pytest.approx([8 + 4 * n for n in range(1, 9)], abs=0.7)
    assert [key.width for key in keys] == pytest.approx([0.2] * 8, abs=0.02)


def test_it_is_tracked_backwards_too_and_over_a_part():
    one = DeskObject(action="remove", keys=(square(1, 40),))
    keys = track(film()[4:], one, 9, 1.0, 0.5)
    assert [key.time for key in keys] == [0.5, 0.625, 0.75, 0.875]
    assert lefts(keys) == pytest.approx([24, 28, 32, 36], abs=0.7)


def test_keys_by_hand_stay_and_the_way_goes_through_them():
    high = DeskKey(time=0.5, x=(24 + 8) / 80, y=0.5 - 4 / 48, width=0.2, height=16 / 48)
    old = square(0.25, 60, tracked=True)
    one = DeskObject(action="remove", keys=(square(0, 8), old, high))
    keys = track(film(), one, 9, 0.0, 1.0)
    assert 0.5 not in [key.time for key in keys]
    assert 0.25 in [key.time for key in keys]
    up = [0.5 - key.y for key in keys if key.time < 0.5]
    assert up == pytest.approx([4 / 48 * n / 4 for n in (1, 2, 3)], abs=0.01)


def test_a_way_to_a_box_by_hand_grows_evenly_to_its_size():
    large = DeskKey(time=0.5, x=(24 + 8) / 80, y=0.5, width=0.4, height=32 / 48)
    keys = track(film(), DeskObject(action="remove", keys=(square(0, 8), large)), 9, 0.0, 1.0)
    first = [key for key in keys if key.time < 0.5]
    assert [key.width for key in first] == pytest.approx([0.2 * 2 ** (n / 4) for n in (1, 2, 3)], rel=0.05)
    assert [key.height for key in first] == pytest.approx([16 / 48 * 2 ** (n / 4) for n in (1, 2, 3)], rel=0.05)


def test_a_shape_alone_has_its_bounds_as_its_first_box():
    mask = np.zeros((48, 80), dtype=bool)
    mask[16:32, 8:24] = True
    one = DeskObject(action="remove", shapes=(Shape(time=0, strokes=outlines(mask)),))
    keys = track(film(), one, 9, 0.0, 1.0)
    assert len(keys) == 9
    assert lefts(keys) == pytest.approx([8 + 4 * n for n in range(9)], abs=0.7)


def test_where_it_is_lost_the_keys_end():
    frames = film()
    frames[5:] = frames[0, :, 40:41]
    keys = track(frames, DeskObject(action="remove", keys=(square(0, 8),)), 9, 0.0, 1.0)
    assert [key.time for key in keys] == [0.125, 0.25, 0.375, 0.5]


def test_what_is_not_there_cannot_be_tracked():
    for one, code in (
        (DeskObject(action="remove", keys=(square(0, 300),)), "desk-track-empty: least=4, pixels=0"),
        (DeskObject(action="remove"), "desk-track-empty: least=4, pixels=0"),
    ):
        with pytest.raises(InputError) as error:
            track(film(), one, 9, 0.0, 1.0)
        assert refused(error.value) == code


def drawn(strokes, height=48, width=80) -> np.ndarray:
    return draw_shape(Shape(time=0, strokes=strokes), height, width) > 0


def test_outlines_draw_their_mask_again_with_its_holes():
    rows, columns = np.mgrid[:96, :128] + 0.5
    away = (columns - 60) ** 2 + (rows - 50) ** 2
    mask = (away <= 34**2) & (away > 12**2)
    strokes = outlines(mask)
    assert [one.kind for one in strokes] == ["lasso", "cut"]
    assert overlap(drawn(strokes, 96, 128), mask) >= 0.97


def test_a_point_or_a_box_selects_an_object():
    picture, truth = film(1)[0].numpy(), np.zeros((48, 80), dtype=bool)
    truth[16:32, 8:24] = True
    assert overlap(drawn(select(picture, [(0.2, 0.5)])), truth) >= 0.95
    assert overlap(drawn(select(picture, [], box=(0.05, 0.2, 0.4, 0.8))), truth) >= 0.95


def test_a_point_outside_takes_away():
    picture = film(1)[0].numpy()
    picture[16:32, 24:40] = (220, 60, 60)  # nearly alike, and beside it
    both = drawn(select(picture, [(0.2, 0.5)]))
    one = drawn(select(picture, [(0.2, 0.5)], [(0.4, 0.5), (0.33, 0.4), (0.33, 0.6)]))
    assert one[24, 12]
    assert not one[24, 32]
    assert one.sum() <= both.sum()


@pytest.mark.parametrize(
    ("seed", "away", "least"), [(MOVES, [0.0], 0.8), (STANDS, [0.0], 0.8), (STRIPED, [0.0, 0.1], 0.9)]
)
def test_an_object_of_the_world_is_selected_by_clicks(seed, away, least):
    """A square and a heart by one, all but their dark rims; a triangle of two tones by one on each."""
    clip = one_shape(seed)
    truth = clip.masks[0, 0, 0].numpy() > 0.5
    rows, columns = np.nonzero(truth)
    x, y = (float(columns.mean()) + 0.5) / 96, (float(rows.mean()) + 0.5) / 96
    found = drawn(select(to_uint8(clip.frames)[0].numpy(), [(x, y + down) for down in away]), 96, 96)
    assert overlap(found, truth) >= least
