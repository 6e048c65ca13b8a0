"""Every frame is kept at its own rate, and what is repeated to fill a length is known as padding."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from refused import refused

from vace_core.errors import InputError
from vace_core.inputs.all_frames import plan_all_frames, resampled
from vace_core.models.ltx.dit import GRID as LTX_GRID
from vace_core.models.wan.dit import GRID

SIZE = {"height": 64, "width": 96, "size": (32, 48), "grid": GRID}


@given(st.integers(1, 90), st.sampled_from([GRID, LTX_GRID]))
def test_frames_stay_and_the_last_is_repeated_up_to_a_length_that_the_model_takes(count, grid):
    size = (64, 96)
    plan = plan_all_frames(count, 64, 96, grid, size=size, fps=25.0)
    assert plan.indices[:count] == tuple(range(count))
    assert set(plan.indices[count:]) <= {count - 1}
    assert plan.padding == len(plan.indices) - count < grid.frames
    assert plan.num_frames == grid.pixel_frames(grid.latent_frames(plan.num_frames))
    assert plan.fps == 25.0


def test_a_length_is_the_beginning():
    plan = plan_all_frames(40, fps=25.0, length=10, **SIZE)
    assert plan.indices == (*range(10), 9, 9, 9)
    assert plan.padding == 3
    with pytest.raises(InputError) as short:
        plan_all_frames(9, fps=25.0, length=10, name="clip", **SIZE)
    assert refused(short.value) == "clip-too-short: fps=25, length=10, name=clip, num_frames=9"
    assert plan_all_frames(10, fps=25.0, length=10, **SIZE).padding == 3


@pytest.mark.parametrize(("count", "fps", "rate"), [(2, 30.0, 5.0), (5, 16.0, 1.0)])
def test_a_clip_that_is_shorter_than_a_step_of_the_rate_is_one_frame(count, fps, rate):
    plan = plan_all_frames(count, fps=fps, rate=rate, **SIZE)
    assert (plan.indices, plan.padding, plan.fps) == ((count // 2,), 0, rate)


def test_what_is_longer_than_one_pass_is_refused_and_what_just_fits_is_not():
    assert plan_all_frames(18, fps=25.0, most=21, **SIZE).num_frames == 21
    assert plan_all_frames(21, fps=25.0, most=21, **SIZE).padding == 0
    with pytest.raises(InputError) as error:
        plan_all_frames(22, fps=25.0, most=21, **SIZE)
    assert error.value.code == "clip-too-long"
    assert (error.value.fields["frames"], error.value.fields["most"]) == (22, 21)
    assert error.value.fields["seconds"] == pytest.approx(0.88)
    # A length that is asked for goes before what fits.
    assert plan_all_frames(60, fps=25.0, most=21, length=25, **SIZE).num_frames == 25


def test_a_rate_is_resampled_to_and_one_that_is_nearly_the_same_is_not():
    half = plan_all_frames(50, fps=25.0, rate=12.5, **SIZE)
    assert half.indices[:25] == tuple(range(1, 50, 2)) or half.indices[:25] == tuple(range(0, 50, 2))
    assert half.fps == 12.5
    near = plan_all_frames(50, fps=25.0, rate=25.1, **SIZE)
    assert (near.fps, near.indices[:50]) == (25.0, tuple(range(50)))
    other = plan_all_frames(50, fps=25.0, rate=26.0, **SIZE)
    assert other.fps == 26.0
    assert len(other.indices) - other.padding == 52
    assert plan_all_frames(1, fps=25.0, rate=8.0, **SIZE).indices == (0,)  # a picture has no rate


def test_variable_rate_is_resampled_by_what_is_on_show():
    edges = torch.tensor([[0.0, 0.1], [0.1, 0.5], [0.5, 0.6], [0.6, 1.0]], dtype=torch.float64)
    assert resampled(edges, 0, 4, 10.0) == (0, 1, 1, 1, 1, 2, 3, 3, 3, 3)
    assert resampled(edges, 1, 3, 10.0) == (1, 1, 1, 1, 2)
