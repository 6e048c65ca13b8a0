"""Wan 2.1 as it was published: sizes, lengths and settings."""

from __future__ import annotations

import pytest

from vace_core.inputs.fitting import plan
from vace_core.models.wan.family import WAN

# What holds 81 frames at 16 a second. Source: Wan-Video/Wan2.1, wan/configs; ali-vilab/VACE, models/wan.
PUBLISHED = {"wan-480p": (480, 832, 32_760), "wan-720p": (720, 1280, 75_600)}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_clip_of_the_published_size_and_length_is_taken_as_it_is(name):
    height, width, tokens = PUBLISHED[name]
    for size in ((height, width), (width, height)):
        fit = plan(81, *size, WAN.presets[name], fps=16.0)
        assert (fit.num_frames, fit.height, fit.width, fit.fps) == (81, *size, 16.0)
        assert WAN.grid.tokens(fit.num_frames, fit.height, fit.width) == tokens


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_larger_longer_faster_clip_comes_down_to_it(name):
    height, width, tokens = PUBLISHED[name]
    fit = plan(241, 2160, 3840, WAN.presets[name], fps=48.0)
    assert (fit.num_frames, fit.fps) == (81, pytest.approx(16.0, rel=0.02))
    assert 0.9 * height * width < fit.height * fit.width <= height * width
    assert 0.9 * tokens < WAN.grid.tokens(81, fit.height, fit.width) <= tokens


def test_settings_as_published():
    assert (WAN.options.shift, WAN.options.guidance_scale, WAN.options.steps) == (16.0, 5.0, 50)
    assert WAN.pair_options.shift == 12.0
    assert WAN.size == (480, 832)
    assert dict(WAN.released_layers) == {1536: 30, 5120: 40}
