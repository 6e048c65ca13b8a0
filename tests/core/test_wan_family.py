"""Wan 2.1 as it was published: sizes, lengths and settings."""

from __future__ import annotations

import pytest
import tiny
import torch
from filling import fill
from safetensors.torch import save_file

from vace_core.errors import ModelError
from vace_core.files.checkpoint import open_checkpoint
from vace_core.files.weights import Weights
from vace_core.inputs.fitting import plan
from vace_core.loading.load import load_adapter
from vace_core.models.family import block_numbers, count_blocks
from vace_core.models.wan import dit as wan
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


@torch.no_grad()
def test_an_adapter_without_blocks_is_its_embedding_alone(tmp_path):
    adapter = fill(wan.build_adapter(tiny.SIZES, ()), 3)
    names = {WAN.official_adapter_key(name, ()): value for name, value in adapter.state_dict().items()}
    assert set(names) == {"vace_patch_embedding.weight", "vace_patch_embedding.bias"}
    save_file(names, tmp_path / "a.safetensors")
    found = load_adapter(tmp_path / "a.safetensors", dtype=torch.float32, context_layers=())
    assert (found.width, found.context_layers) == (128, ())
    context = torch.randn(1, 96, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(found.embed(context), adapter.embed(context))


@pytest.mark.parametrize(("count", "taken"), [(256, True), (257, False)])
def test_no_model_has_more_than_256_blocks(tmp_path, count, taken):
    names = [f"blocks.{number}.self_attn.q.weight" for number in range(count)]
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "many.safetensors")
    weights = Weights(open_checkpoint(tmp_path / "many.safetensors"), WAN.transformer[0], "")
    if taken:
        assert block_numbers(weights, "blocks.", "blocks") == tuple(range(count))
        return
    with pytest.raises(ModelError) as error:
        count_blocks(weights, "blocks.", "blocks")
    assert error.value.code == "weights-damaged"


def test_numbers_of_blocks_are_short_and_in_order(tmp_path):
    names = ["blocks.10.a", "blocks.2.a", "blocks.x.a", "blocks.123456789.a", "blocks.1234567890.a", "other.1.a"]
    save_file({name: torch.zeros(1) for name in names}, tmp_path / "few.safetensors")
    weights = Weights(open_checkpoint(tmp_path / "few.safetensors"), WAN.transformer[0], "")
    assert block_numbers(weights, "blocks.", "blocks") == (2, 10, 123456789)
    assert count_blocks(weights, "blocks.", "blocks") == 3
