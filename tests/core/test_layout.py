"""Layouts: boxes arrive, and drawing is the official one."""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np
import pytest
import torch
from box_paths import box_paths, key
from hypothesis import given, settings
from hypothesis import strategies as st
from refused import refused
from torch import Tensor

from vace_core.errors import InputError
from vace_core.inputs import layout
from vace_core.inputs.layout import BoxKey, BoxPath

quick = settings(max_examples=60, deadline=None, derandomize=True)


def row(of: BoxKey) -> list[float]:
    return torch.tensor([of.x, of.y, of.width, of.height]).tolist()


def levels(frames: Tensor) -> np.ndarray:
    """`(T, H, W, 3)`, 0..255."""
    return ((frames[0] + 1) * 127.5).round().byte().permute(1, 2, 3, 0).contiguous().numpy()


def extent(frame: np.ndarray) -> tuple[int, int, int, int]:
    """First and last column and row that are not white."""
    rows, columns = (frame.min(axis=-1) < 255).nonzero()
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


# Paths.


@quick
@given(box_paths(), st.integers(2, 90))
def test_a_box_starts_at_its_first_key_and_arrives_exactly_at_its_last(path, num_frames):
    found = layout.boxes(path, num_frames)
    assert found.shape == (num_frames, 4)
    if path.keys[0].time == 0:
        assert found[0].tolist() == row(path.keys[0])
    if path.keys[-1].time == 1:
        assert found[-1].tolist() == row(path.keys[-1])


@quick
@given(box_paths())
def test_every_key_is_met_and_nothing_swings_past_a_key(path):
    found = layout.boxes(path, 101)
    frames = [round(at.time * 100) for at in path.keys]
    for frame, at in zip(frames, path.keys, strict=True):
        assert torch.allclose(found[frame], torch.tensor(row(at)), rtol=1e-5, atol=1e-6)
    for first, last in pairwise(frames):
        # A place goes round a corner with "auto", a size never past a key.
        between = found[first : last + 1, 2 * (path.smooth == "auto") :]
        low, high = torch.minimum(between[0], between[-1]), torch.maximum(between[0], between[-1])
        assert (between >= low - 1e-4).all()
        assert (between <= high + 1e-4).all()


def test_a_box_stands_still_before_its_first_and_after_its_last_key():
    path = BoxPath(keys=(key(0.25, x=0.25), key(0.5, x=0.75)))
    assert layout.boxes(path, 9)[:, 0].tolist() == [0.25, 0.25, 0.25, 0.5, 0.75, 0.75, 0.75, 0.75, 0.75]


def test_smooth_eases_where_linear_turns_sharply():
    keys = (key(0, x=0), key(0.5, x=1), key(1, x=0))
    straight, eased = (layout.boxes(BoxPath(keys=keys, smooth=smooth), 9)[:, 0] for smooth in (False, True))
    assert straight.tolist() == [0, 0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]
    # By hand: leaves with the slope of its first straight line, comes level at the turn, so s + s² - s³ at s = 1/4 …
    assert eased.tolist() == [0, 0.296875, 0.625, 0.890625, 1, 0.890625, 0.625, 0.296875, 0]


def speeds(*keys: BoxKey, smooth: layout.Smooth) -> Tensor:
    """Of the centre from frame to frame, in frames of the layout by 1 of the clip."""
    return layout.boxes(BoxPath(keys=keys, smooth=smooth), 401)[:, :2].double().diff(dim=0).norm(dim=1) * 400


def test_auto_goes_through_a_corner_where_true_stops():
    corner = (key(0, x=0, y=0), key(0.5, x=1, y=0), key(1, x=1, y=1))
    assert speeds(*corner, smooth=True)[200] < 0.02
    # By hand: half of each side's velocity of 2, which is the slowest that it gets.
    assert speeds(*corner, smooth="auto").min() == pytest.approx(2**0.5, abs=0.02)


def test_auto_passes_its_keys_and_starts_from_rest():
    keys = (key(0, x=0.1, y=0.2), key(0.25, x=0.1, y=0.2), key(0.75, x=0.9, y=0.3), key(1, x=0.2, y=0.9))
    found = layout.boxes(BoxPath(keys=keys, smooth="auto"), 5)
    assert found[[0, 1, 3, 4]].tolist() == [row(key) for key in keys]
    assert speeds(*keys, smooth="auto")[:99].max() < 1e-4
    assert speeds(*keys, smooth="auto")[100] < 0.1


@quick
@given(st.lists(st.floats(-1, 1), min_size=3, max_size=6, unique=True))
def test_auto_never_swings_past_a_key_of_a_line_that_goes_one_way(places):
    places = sorted(places)
    keys = [key(n / (len(places) - 1), x=place, y=place) for n, place in enumerate(places)]
    x = layout.boxes(BoxPath(keys=tuple(keys), smooth="auto"), 20 * len(keys))[:, 0]
    assert x.diff().min() >= -1e-6


# Drawing.


def test_a_layout_box_is_outlined_on_white_where_its_mask_is():
    path = BoxPath(keys=(key(0, x=0.25, y=0.5, width=0.25, height=0.5), key(1, x=0.75, y=0.5, width=0.25, height=0.5)))
    frames = layout.draw_layout([path], num_frames=3, height=40, width=80)
    masks = layout.path_mask([path], num_frames=3, height=40, width=80)
    assert frames.shape == (1, 3, 3, 40, 80)
    assert sorted(frames.unique().tolist()) == [-1, 1]
    # A line of thickness 2 is three pixels wide in OpenCV: one to each side of the box's outermost pixels.
    assert [extent(frame) for frame in levels(frames)] == [(9, 9, 30, 30), (29, 9, 50, 30), (49, 9, 70, 30)]
    assert [int(mask.sum()) for mask in masks[0, 0]] == [400, 400, 400]
    assert masks[0, 0, 2, 10:30, 50:70].all()


@pytest.mark.parametrize("where", [(-0.3, 0.5), (0.5, -0.3), (1.3, 0.5), (0.5, 1.3), (-0.3, -0.3)])
def test_a_box_outside_of_the_frame_masks_nothing(where):
    path = BoxPath(keys=(key(0, x=where[0], y=where[1], width=0.25, height=0.25),))
    assert layout.path_mask([path], num_frames=2, height=40, width=80).sum() == 0


def test_a_box_that_is_never_seen_is_named():
    seen, never = BoxPath(keys=(key(0, x=-1.0), key(1, x=0.0))), BoxPath(keys=(key(0, x=2.0), key(1, x=1.3)))
    assert layout.said_of_paths([seen], 5) == ["1 box that moves."]
    said = layout.said_of_paths([seen, never, never], 5)
    assert [one.split(" is ")[0] for one in said] == ["3 boxes that move.", "Box 2", "Box 3"]


def test_a_box_of_constant_size_does_not_flicker():
    path = BoxPath(keys=(key(0, x=0.2, width=0.1), key(1, x=0.8, width=0.1)))
    masks = layout.path_mask([path], num_frames=33, height=8, width=50)
    assert masks.sum(dim=(0, 1, 3, 4)).unique().tolist() == [20]


def test_what_is_in_front_is_drawn_over_what_is_behind():
    near = BoxPath(keys=(key(0),), order=1, colour=(255, 0, 0))
    far = BoxPath(keys=(key(0),), order=0, colour=(0, 0, 255))
    for paths in ((near, far), (far, near)):
        drawn = levels(layout.draw_layout(paths, num_frames=1, height=32, width=32))
        assert drawn[0, 8, 16].tolist() == [255, 0, 0]


def test_a_box_may_leave_the_frame():
    path = BoxPath(keys=(key(0, x=-0.5), key(0.5, x=0), key(1, x=9)))
    masks = layout.path_mask([path], num_frames=3, height=20, width=20)
    assert [int(mask.sum()) for mask in masks[0, 0]] == [0, 50, 0]
    assert (layout.draw_layout([path], num_frames=3, height=20, width=20)[:, :, 2] == 1).all()


@quick
@given(box_paths(), st.integers(1, 3), st.integers(1, 20), st.integers(1, 20))
def test_any_path_can_be_drawn_at_any_size(path, num_frames, height, width):
    frames = layout.draw_layout([path], num_frames=num_frames, height=height, width=width)
    masks = layout.path_mask([path], num_frames=num_frames, height=height, width=width)
    assert frames.shape == (1, 3, num_frames, height, width)
    assert set(masks.unique().tolist()) <= {0, 1}


# The official rules. Numbers: ali-vilab/VACE 48eb44f, layout.py, run with OpenCV 5.0; checksums are zlib.crc32 of the
# uint8 frames.


def test_outlines_of_a_track_are_the_official_ones():
    y, x = np.mgrid[:60, :90]
    first = ((x - 30) ** 2 / 200 + (y - 25) ** 2 / 90 < 1) | ((abs(x - 55) < 6) & (abs(y - 40) < 4))
    second = ((x - 40) ** 2 / 200 + (y - 28) ** 2 / 90 < 1) | ((abs(x - 60) < 3) & (abs(y - 15) < 9))
    masks = torch.from_numpy(np.stack((first, second))).float()[None, None]
    frames = levels(layout.draw_track(masks, colour=(10, 200, 30)))
    assert [int((frame.min(axis=-1) < 255).sum()) for frame in frames] == [480, 509]
    assert zlib.crc32(frames.tobytes()) == 1658796175


def test_a_hole_in_a_track_is_not_outlined():
    masks = torch.zeros(1, 1, 1, 40, 40)
    masks[..., 4:36, 4:36] = 1
    whole = layout.draw_track(masks)
    masks[..., 16:24, 16:24] = 0
    assert torch.equal(layout.draw_track(masks), whole)


def test_a_track_keeps_its_batch_apart():
    masks = torch.zeros(2, 1, 3, 20, 20)
    masks[1, 0, 2, 5:15, 5:15] = 1
    frames = layout.draw_track(masks)
    assert frames.shape == (2, 3, 3, 20, 20)
    assert (frames < 1).any(dim=1).sum(dim=(2, 3)).gt(0).tolist() == [[False, False, False], [False, False, True]]


# What Python callers can get wrong.


def test_a_path_needs_a_key_and_rising_times():
    with pytest.raises(InputError) as caught:
        BoxPath(keys=())
    assert refused(caught.value) == "path-empty"


def test_a_layout_needs_a_size():
    for name, size in (("length", (0, 8, 8)), ("height", (1, 0, 8)), ("width", (1, 8, 0))):
        for draw in (layout.draw_layout, layout.path_mask):
            with pytest.raises(InputError) as caught:
                draw([], num_frames=size[0], height=size[1], width=size[2])
            assert refused(caught.value) == f"number-range: needed=whole [1, inf), value=0, what=The {name}"


@pytest.mark.parametrize(
    "colour", [(0, 0, -1), (256, 0, 0), (0, 0), (0, 0, 0, 0), (0.0, 0, 0), (True, 0, 0), [0, 0, 0]]
)
def test_a_colour_is_three_bytes(colour):
    keys = (BoxKey(time=0, x=0.5, y=0.5, width=0.1, height=0.1),)
    with pytest.raises(InputError) as caught:
        BoxPath(keys=keys, colour=colour)
    assert caught.value.code == "colour-range"
    assert BoxPath(keys=keys, colour=(0, 255, 1)).colour == (0, 255, 1)


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [("time", 0, 1), ("x", -10, 10), ("y", -10, 10), ("width", 0.0001, 10), ("height", 0.0001, 10)],
)
def test_a_key_lies_within_its_limits(name, least, most):
    usual = {"time": 0.5, "x": 0.5, "y": 0.5, "width": 0.5, "height": 0.5}
    for value in (least, most):
        assert getattr(BoxKey(**{**usual, name: value}), name) == value
    for value in (least - 0.00006, most + 0.001):
        with pytest.raises(InputError) as caught:
            BoxKey(**{**usual, name: value})
        assert caught.value.code == "number-range"


@pytest.mark.parametrize("wrong", [{"order": 1.0}, {"order": True}, {"label": 3}, {"smooth": 1}])
def test_values_of_another_type_are_refused(wrong):
    with pytest.raises(InputError) as caught:
        BoxPath(keys=(BoxKey(time=0, x=0.5, y=0.5, width=0.1, height=0.1),), **wrong)
    assert caught.value.code == "value-type"
