"""From clips to a finished video by the command alone: a base that was trained to read the condition itself."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import clip_folders
import pytest
import torch
from filling import fill
from model_files import vae_weights
from pretended_card import Card, resident
from safetensors.torch import load_file, save_file
from typer.main import get_command
from typer.testing import CliRunner

from vace_core.cli import app
from vace_core.media.pictures import read_image
from vace_core.models.wan.dit import WanDit, WanSizes
from vace_core.models.wan.text import UMT5
from vace_core.training.data.material import Bucket
from vace_core.training.recipe import Data, Recipe, Tuning
from vace_core.training.run import Result
from vace_core.training.schedule import Schedule
from vace_core.training.tables import to_toml

RECIPE = Recipe(
    tuning=Tuning(what="full", stored="float32"),
    data=Data(examples=4, buckets=(Bucket(frames=5, height=32, width=48),), tasks={"inpaint": 1.0}),
    schedule=Schedule(steps=3, learning_rate=1e-2, batch=2, warmup=1, validate_every=0),
)


def vace(*words: object) -> str:
    done = CliRunner().invoke(app, [*map(str, words)])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A base, a VAE, and what became of the base."""
    folder = tmp_path_factory.mktemp("full")
    save_file(fill(WanDit(WanSizes(width=128, ffn=128, layers=2)), 1).state_dict(), folder / "base.safetensors")
    save_file(vae_weights(), folder / "vae.safetensors")
    (folder / "mine.toml").write_text(to_toml(RECIPE.told()), encoding="utf-8")
    written = vace(
        "train", folder / "mine.toml", "-o", folder / "run", "--base", folder / "base.safetensors", *rest(folder),
        "--data", clip_folders.write(folder / "clips", 2), "--cpu",
    )  # fmt: skip
    assert written.strip() == str(folder / "run" / "model.safetensors")
    return folder


@pytest.fixture(scope="module")
def umt5(tmp_path_factory) -> Path:
    folder = pytest.importorskip("tiny_t5").write_t5(tmp_path_factory.mktemp("text"))
    weights = load_file(folder / "text_encoder" / "model.safetensors")
    # umT5 has positions in every block, T5 in the first alone.
    positions = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
    weights[positions.format(1)] = weights[positions.format(0)].clone()
    save_file(weights, folder / "text_encoder" / "model.safetensors")
    return folder


def test_the_sizes_of_the_examples_are_told(folder):
    again = CliRunner().invoke(
        app,
        ["train", str(folder / "mine.toml"), "-o", str(folder / "run"), "--base", str(folder / "base.safetensors"),
         *map(str, rest(folder)), "--data", str(folder / "clips"), "--cpu"],
    )  # fmt: skip
    assert again.exit_code == 0, again.output
    assert re.search(r"sizes\s+5 x 48x32: 4\n", again.output)


@pytest.mark.parametrize(("options", "there"), [((), True), (("--cpu",), False)])
def test_prompts_are_encoded_on_the_device_in_what_is_fast_there(folder, umt5, monkeypatch, options, there):
    encoders = []

    def run(*_, text, **__):
        encoders.append(text())
        return Result(path=None, steps=0, used={}, left_out={})

    command = sys.modules["vace_core.cli.train"]
    monkeypatch.setattr(command, "train_model", run)
    monkeypatch.setattr(command, "best_device", lambda: Card.device)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": False}, raising=False)
    with Card(2**30):
        vace("train", folder / "mine.toml", "-o", folder / "none", "--base", folder / "base.safetensors", "--data",
             folder, "--vae", folder / "vae.safetensors", "--text-encoder", umt5, *options)  # fmt: skip
        (encoder,) = encoders
        assert bool(resident(encoder.model)) == there
        assert {value.dtype for value in encoder.model.parameters()} == {torch.float32}
        assert encoder.kind is UMT5


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("train wan-1.3b -o none", "train._recipe"),
        ("ablate none", "ablate.read_recipe"),
        ("data none none", "data.films_in"),
        ("evaluate none", "evaluate.read_manifest"),
    ],
)
def test_what_is_advised_where_memory_runs_out_is_an_option_of_the_command(monkeypatch, words, part):
    def full(*_):
        raise MemoryError

    module, name = part.split(".")
    monkeypatch.setattr(sys.modules[f"vace_core.cli.{module}"], name, full)
    said = CliRunner().invoke(app, words.split())
    assert said.exit_code == 3
    advised = set(re.findall(r"--[a-z-]+", said.output))
    assert "Memory ran out." in said.output
    options = {name for one in get_command(app).commands[words.split()[0]].params for name in one.opts}
    assert advised <= options


def rest(folder: Path) -> tuple[object, ...]:
    return "--vae", folder / "vae.safetensors", "--text-encoder", "starter"


def picture(folder: Path, out: Path, model: Path, *words: object) -> torch.Tensor:
    size = ("--length", 1, "--width", 48, "--height", 32, "--steps", 2, "-p", "a red star")
    vace("text", *size, *rest(folder), "-m", model, "-o", out, *words)
    return read_image(out)[0]


def test_what_full_fine_tuning_made_is_inspected_sampled_split_and_joined_by_the_command(folder, tmp_path):
    model = folder / "run" / "model.safetensors"
    found = json.loads(vace("inspect", model, "--json"))
    assert (found["kind"], found["context_layers"]) == ("vace", [])
    made = picture(folder, tmp_path / "made.png", model)
    assert not torch.equal(made, picture(folder, tmp_path / "unseen.png", model, "--strength", 0))
    assert not torch.equal(made, picture(folder, tmp_path / "old.png", folder / "base.safetensors", "--adapter", model))
    base, adapter, joined = (tmp_path / f"{name}.safetensors" for name in ("base", "adapter", "joined"))
    vace("split", model, base, adapter)
    assert torch.equal(made, picture(folder, tmp_path / "apart.png", base, "--adapter", adapter))
    vace("join-weights", base, adapter, joined)
    assert torch.equal(made, picture(folder, tmp_path / "joined.png", joined))
