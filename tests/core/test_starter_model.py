"""The starter as it is loaded: what its files say, and one sentence where they are not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from filling import fill
from refused import refused
from safetensors.torch import save_file

from vace_core.errors import ModelError, WeightsError
from vace_core.inputs import fitting
from vace_core.loading.inspect import CONTEXT_LAYERS_KEY
from vace_core.models.wan.dit import WanDit, WanSizes, build_adapter, official_adapter_key
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.pipeline import SamplingOptions, generate
from vace_core.starter.model import LENGTH, SIDE, STARTER_PRESET, is_starter_folder, load_starter
from vace_core.starter.scenes.text import TEXT_WIDTH, SceneText
from vace_core.tasks.basic import text

SIZES = WanSizes(width=128, ffn=192, layers=6, text_width=TEXT_WIDTH)


def write_starter(folder: Path, layers: tuple[int, ...]) -> None:
    metadata = {CONTEXT_LAYERS_KEY: json.dumps(layers)}
    adapter = fill(build_adapter(SIZES, layers), 1).state_dict()
    for part, weights in {
        "base": fill(WanDit(SIZES)).state_dict(),
        "adapter": {official_adapter_key(name): value for name, value in adapter.items()},
        "vae": fill(WanVaeNetwork(width=8, blocks=1), 2).state_dict(),
    }.items():
        values = {name: value.half() for name, value in weights.items()}
        save_file(values, folder / f"{part}.safetensors", metadata if part == "adapter" else None)


def test_context_layers_are_those_of_the_file(tmp_path):
    write_starter(tmp_path, (0, 2, 3))
    adapter = load_starter(folder=tmp_path).expert.adapter

    assert adapter is not None
    assert adapter.context_layers == (0, 2, 3)


def test_the_starter_runs_in_float32_with_its_own_words(tmp_path):
    write_starter(tmp_path, (0, 2, 4))
    model = load_starter(folder=tmp_path)
    unit = text(num_frames=5, height=32, width=32, prompt="a red circle")
    frames = generate(model, unit, SamplingOptions(steps=2))

    assert isinstance(model.text, SceneText)
    assert {value.dtype for value in model.expert.base.state_dict().values()} == {torch.float32}
    assert frames.shape == (1, 3, 5, 32, 32)


def test_a_missing_file_is_named(tmp_path):
    write_starter(tmp_path, (0, 2, 4))
    (tmp_path / "base.safetensors").unlink()

    assert not is_starter_folder(tmp_path)
    with pytest.raises(ModelError) as caught:
        load_starter(folder=tmp_path)
    assert refused(caught.value) == f"starter-file-missing: path={tmp_path / 'base.safetensors'}"


def test_a_damaged_file_is_no_starter(tmp_path):
    write_starter(tmp_path, (0, 2, 4))
    (tmp_path / "vae.safetensors").write_bytes(b"not weights")

    with pytest.raises(WeightsError):
        load_starter(folder=tmp_path)


def test_its_rule_gives_the_clips_it_was_trained_on():
    plan = fitting.plan(LENGTH, SIDE, SIDE, STARTER_PRESET, fps=STARTER_PRESET.fps)

    assert (plan.num_frames, plan.height, plan.width) == (LENGTH, SIDE, SIDE)
    wide = fitting.plan(300, 720, 1280, STARTER_PRESET, fps=24.0)
    assert (wide.num_frames, wide.height, wide.width) == (LENGTH, 64, 144)
