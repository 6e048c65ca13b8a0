"""A whole training's promises: from a folder of clips to an adapter that loads, for every family, to the bit."""

from __future__ import annotations

import copy
import json
import math
import random
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import clip_folders
import families
import pytest
import tiny
import tiny_ltx
import torch
from filling import fill
from model_files import text_encoder
from refused import refused
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from vace_core import tasks
from vace_core.adapter import Attachment
from vace_core.cli import app
from vace_core.errors import InputError, TrainingError, VaceError
from vace_core.files import replacing
from vace_core.files.checkpoint import open_checkpoint
from vace_core.loading.assembly import load_model, lora_changes
from vace_core.loading.detection import identify
from vace_core.loading.inspect import inspect
from vace_core.loading.load import load_adapter, load_base
from vace_core.loading.lora import Lora
from vace_core.loading.repack import join_model, split_model
from vace_core.models import FAMILIES
from vace_core.models.ltx import dit as ltx
from vace_core.models.wan import dit as wan
from vace_core.models.wan.family import WAN
from vace_core.pipeline import generate, sample
from vace_core.training import lora
from vace_core.training import run as training_run
from vace_core.training.cost import TEXT_TOKENS, counted, encoded_bytes, training_cost
from vace_core.training.data import cache as cache_module
from vace_core.training.data.batches import Stage
from vace_core.training.data.cache import Cache, Encoder, fill_cache
from vace_core.training.data.clips import ClipExamples
from vace_core.training.data.derive import KINDS, parts_of
from vace_core.training.data.material import Bucket, read_material
from vace_core.training.data.prompts import fill_prompts
from vace_core.training.data.sources import clips_in
from vace_core.training.objective import Objective
from vace_core.training.optimisers import optimiser_for
from vace_core.training.precision import training_dtype
from vace_core.training.recipe import RECIPES, Data, Recipe, Tuning, read_recipe
from vace_core.training.run import Files, prepare, train_model
from vace_core.training.schedule import Schedule
from vace_core.training.state import Average, save_state, trainable
from vace_core.training.tables import to_toml
from vace_core.training.tuning import Tuned, save_memory

SCHEDULE = Schedule(steps=4, learning_rate=1e-2, batch=2, warmup=1, save_every=2, validate_every=2, average=0.5)
TASKS = {"inpaint": 1.0, "extend": 1.0, "reference": 1.0, "swap": 1.0, "animate": 1.0}


class Letters(tiny.LetterText):
    width = 32


@pytest.fixture(params=["wan"])
def case(request, tmp_path):
    of = families.case(request.param)
    for part in ("base", "vae"):
        save_file(of.tensors(part), tmp_path / f"{part}.safetensors")
    data = clip_folders.write(tmp_path / "clips")
    files = Files(base=tmp_path / "base.safetensors", vae=tmp_path / "vae.safetensors", data=data)
    frames, height, width = of.clip
    bucket = Bucket(frames=frames, height=height, width=width)
    recipe = Recipe(
        tuning=Tuning(context_layers=of.context_layers, stored="float32", save_memory=True),
        data=Data(examples=8, held_out=2, share_held_out=0.3, buckets=(bucket,), tasks=TASKS),
        schedule=SCHEDULE,
        stages=(Stage(drop_references=0.3),),
    )
    with families.known():
        yield of, files, recipe


def trained(case, folder, **changes):
    of, files, recipe = case
    return train_model(replace(recipe, **changes), files, folder, text=of.text, cpu=True)


@pytest.mark.parametrize("case", families.NAMES, indirect=True)
def test_an_adapter_is_trained_from_clips_and_loads(case, tmp_path):
    of, files, recipe = case
    before = files.base.read_bytes()
    result = trained(case, tmp_path / "run")
    assert result.path is not None
    assert sum(result.used.values()) == 8
    assert files.base.read_bytes() == before
    assert read_recipe(tmp_path / "run" / "recipe.toml") == recipe
    base, adapter = load_base(files.base), load_adapter(result.path)
    assert adapter.context_layers == of.context_layers
    inputs = of.inputs()
    attachment = Attachment(adapter=adapter, context=adapter.embed(of.context()))
    assert not torch.equal(base(*inputs, [attachment]), base(*inputs))


def test_a_recipe_for_a_base_alone_is_refused_before_anything_is_encoded(case, tmp_path):
    with pytest.raises(InputError) as error:
        trained(case, tmp_path / "run", tuning=Tuning(what="base"))
    assert refused(error.value) == "recipe-base-alone"
    assert not (tmp_path / "run").exists()


def adapter_channels(adapter):
    return adapter.context_embedder.weight.shape[1]


def test_the_same_run_gives_the_same_file_stopped_or_not(case, tmp_path):
    _, files, recipe = case
    whole = trained(case, tmp_path / "whole").path
    for step in range(1, 4):
        part = train_model(recipe, files, tmp_path / "parts", text=tiny.LetterText, cpu=True, stop_after=0)
        assert (part.path, part.steps) == (None, step)
    parts = trained(case, tmp_path / "parts").path
    assert whole.read_bytes() == parts.read_bytes()


def test_the_time_of_a_run_counts_from_its_begin_and_encoding_stops_in_between(case, tmp_path, monkeypatch):
    of, files, recipe = case
    monkeypatch.setattr(cache_module, "SHARD", 4)
    command = partial(train_model, recipe, files, tmp_path / "parts", text=of.text, cpu=True)
    first = command(stop_after=0)
    assert (first.path, first.steps, sum(first.used.values())) == (None, 0, 4)
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["examples"]
    asked = []
    monkeypatch.setattr(training_run, "fit", lambda *_, stop_after, **__: asked.append(stop_after) or 1 / 0)
    begun = time.monotonic()
    with pytest.raises(ZeroDivisionError):
        command(stop_after=1000)
    assert 1000 - (time.monotonic() - begun) <= asked[0] < 1000 - 1e-3
    assert len(Cache(tmp_path / "parts" / "examples").items) == 8


def test_two_trainings_in_one_folder_do_not_both_write(case, tmp_path):
    of, files, recipe = case
    other, refusals = replace(recipe, schedule=replace(SCHEDULE, learning_rate=1e-6)), list[str]()

    def text():
        """The first training has encoded its clips here, and not begun its steps."""
        with pytest.raises(InputError) as error:
            train_model(other, files, tmp_path / "run", text=of.text, cpu=True)
        refusals.append(refused(error.value))
        return of.text()

    first = train_model(recipe, files, tmp_path / "run", text=text, cpu=True).path
    assert refusals == [f"training-folder-held: folder={tmp_path / 'run'}"]
    assert first.read_bytes() == trained(case, tmp_path / "alone").path.read_bytes()
    assert trained(case, tmp_path / "run").path == first  # and one after the other goes on


def test_what_a_killed_training_had_begun_to_write_is_taken_away(case, tmp_path, monkeypatch):
    class Killed(BaseException):
        """As SIGKILL: nothing is tidied up."""

    def die(part):
        if ".checkpoint." in part.name or ".examples-" in part.name:
            raise Killed

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(replacing, "_to_disk", die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            trained(case, run)
    train_model(case[2], case[1], run, text=case[0].text, cpu=True, stop_after=0)
    mine = [run / ".holiday.0123456789abcdef.part", run / "examples" / ".notes"]
    for path in mine:
        path.write_text("")
    with monkeypatch.context() as patch:
        patch.setattr(replacing, "_to_disk", die)
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        with pytest.raises(Killed):
            trained(case, run)
    assert [path.stat().st_size > 0 for path in run.glob(".checkpoint.*.part")] == [True]
    trained(case, run)
    assert sorted(path for path in run.rglob(".*") if path.is_file()) == sorted(mine)


def test_a_trained_adapter_is_trained_on(case, tmp_path):
    _, files, _ = case
    first = trained(case, tmp_path / "first").path
    warm = replace(files, adapter=first)
    second = trained((case[0], warm, case[2]), tmp_path / "second").path
    was, now = load_file(first), load_file(second)
    assert was.keys() == now.keys()
    assert any(not torch.equal(was[name], now[name]) for name in was)


def test_an_adapter_in_the_file_of_the_base_is_not_dropped_without_a_word(case, tmp_path, caplog):
    of, files, recipe = case
    whole = tmp_path / "whole.safetensors"
    join_model(files.base, trained(case, tmp_path / "first").path, whole)
    both = (of, replace(files, base=whole), recipe)
    caplog.clear()
    trained(both, tmp_path / "anew")
    assert [record.args for record in caplog.records if "--adapter" in record.msg] == [(whole,)]
    caplog.clear()
    trained((of, replace(files, base=whole, adapter=whole), recipe), tmp_path / "on")
    assert not [record for record in caplog.records if "--adapter" in record.msg]
    full = Tuning(what="full", stored="float32")
    with pytest.raises(InputError) as error:
        trained(both, tmp_path / "full", tuning=full)
    assert refused(error.value) == f"base-with-adapter: path={whole}"
    model = trained(case, tmp_path / "full", tuning=full).path
    for tuning in (full, recipe.tuning):
        with pytest.raises(InputError) as error:
            trained((of, replace(files, base=model), recipe), tmp_path / "more", tuning=tuning)
        assert refused(error.value) == f"base-with-adapter: path={model}"
    assert trained((of, replace(files, base=model, adapter=model), recipe), tmp_path / "more", tuning=full).path


def test_a_run_that_came_to_no_number_goes_on_with_a_lower_rate(case, tmp_path, monkeypatch, caplog):
    steep, gentle = (replace(SCHEDULE, steps=6, save_every=2, learning_rate=rate) for rate in (1e-2, 1e-3))
    real = Objective.losses

    def spoiled(self, velocity, wanted, sigmas):
        """As at a rate that is too high: no number from the fourth step on."""
        calls.append(1)
        return real(self, velocity, wanted, sigmas) * (math.nan if len(calls) > 3 else 1)

    calls = list[int]()
    with monkeypatch.context() as patch:
        patch.setattr(Objective, "losses", spoiled)
        with pytest.raises(TrainingError) as error:
            trained(case, tmp_path / "run", schedule=replace(steep, validate_every=0))
    assert error.value.fields["step"] == 4
    assert "the state after step 2 is kept" in error.value.fields["kept"]
    encoded = {path: path.stat().st_mtime_ns for path in tmp_path.glob("run/*/examples-*")}
    with pytest.raises(InputError) as refusal:
        trained(case, tmp_path / "run", schedule=replace(gentle, weight_decay=0.5))
    assert refusal.value.fields["changes"] == "schedule.weight_decay was 0.0001 and is 0.5"
    result = trained(case, tmp_path / "run", schedule=gentle)
    assert result.steps == 6
    assert sum("schedule.learning_rate" in record.getMessage() for record in caplog.records) == 1
    rates = [json.loads(line)["rate"] for line in (tmp_path / "run" / "losses.jsonl").read_text().splitlines()]
    assert rates == [schedule.rate(step) for step, schedule in enumerate([steep] * 2 + [gentle] * 4)]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("run/*/examples-*")} == encoded


def test_a_clip_whose_loss_is_no_number_is_left_out_by_its_name(case, tmp_path, monkeypatch):
    real = Cache.read

    def spoiled(self, place):
        target, context = real(self, place)
        return (target * math.nan if self.items[place].name.startswith("clip0.mp4, ") else target), context

    monkeypatch.setattr(Cache, "read", spoiled)
    schedule, run = replace(SCHEDULE, steps=20, validate_every=0, learning_rate=1e-3), tmp_path / "run"
    data = replace(case[2].data, held_out=0, tasks={"inpaint": 1.0})
    with pytest.raises(TrainingError) as error:
        trained(case, run, schedule=schedule, data=data)
    assert "clip0.mp4, inpaint" in error.value.fields["clips"]
    names = error.value.fields["file"]
    names.write_text("clip9.mp4\n")
    with pytest.raises(InputError) as refusal:
        trained(case, run, schedule=schedule, data=data)
    assert (refusal.value.code, refusal.value.fields["name"]) == ("leave-out-unknown", "clip9.mp4")
    for line in ("clip0.mp4", "clip0.mp4, inpaint"):
        names.write_text(f"{line}\n\n")
        result = trained(case, run, schedule=schedule, data=data)
        assert (result.path, result.steps) == (run / "adapter.safetensors", 20)
        assert all(bool(value.isfinite().all()) for value in load_file(result.path).values())


def test_a_run_of_another_recipe_or_of_other_clips_is_refused(case, tmp_path):
    _, files, recipe = case
    train_model(recipe, files, tmp_path / "run", text=tiny.LetterText, cpu=True, stop_after=0)
    with pytest.raises(InputError) as error:
        trained(case, tmp_path / "run", objective=Objective(shift=3.0))
    assert error.value.code == "checkpoint-other-recipe"
    assert "objective.shift was 5.0 and is 3.0" in error.value.fields["changes"]
    clip_folders.write(files.data, count=4)
    with pytest.raises(InputError) as error:
        trained(case, tmp_path / "run")
    assert error.value.code == "checkpoint-other-recipe"


def test_clips_that_cannot_be_read_are_named_and_counted_and_others_drawn(case, tmp_path):
    of, files, recipe = case
    whole = (files.data / "clip0.mp4").read_bytes()
    (files.data / "silent.mp4").write_bytes(whole)
    (files.data / "foreign.mp4").write_bytes(whole)
    (files.data / "foreign.txt").write_bytes("ein Kreis, grün".encode("cp1252"))
    for name, content in (("none.mp4", b"no video"), ("cut.mp4", whole[: len(whole) // 2])):
        (files.data / name).write_bytes(content)
        (files.data / name).with_suffix(".txt").write_text("a fault")
    command = partial(train_model, recipe, files, tmp_path / "run", text=of.text, cpu=True)
    stopped, result = command(stop_after=0), command()
    assert sum(result.used.values()) == 8
    names = ("silent.mp4 has no prompt", "foreign.txt is not UTF-8", "none.mp4", "cut.mp4")
    drawn = {name: [count for reason, count in result.left_out.items() if name in reason] for name in names}
    assert drawn["silent.mp4 has no prompt"] == drawn["foreign.txt is not UTF-8"] == [0]
    assert all(count > 0 for name in ("none.mp4", "cut.mp4") for count in drawn[name] or [0])
    assert stopped.left_out == result.left_out


def test_data_without_a_clip_that_can_be_used_is_refused_with_the_reason(case, tmp_path):
    _, files, _ = case
    for clip in files.data.glob("clip*.mp4"):
        if clip.stem.count(".") == 0:
            clip.write_bytes(b"no video")
    with pytest.raises(InputError) as error:
        trained(case, tmp_path / "run")
    assert error.value.code == "data-empty"
    assert "clip0.mp4" in error.value.fields["faults"]


def test_every_kind_of_task_can_be_made_and_is_fulfilled_by_its_clip(tmp_path):
    clips, _ = clips_in(clip_folders.write(tmp_path, count=1))
    rng = random.Random(0)
    material = read_material(clips[0], [Bucket(frames=9, height=32, width=48)], wan.GRID, rng)
    able = {name for name, kind in KINDS.items() if kind.needs(parts_of(material))}
    assert set(KINDS) - able == {"depth", "control", "references"}
    for name in sorted(able):
        for _ in range(8):
            unit = KINDS[name].build(material, rng)
            kept = (unit.masks == 0).expand_as(material.frames)
            assert torch.equal(unit.frames[kept], material.frames[kept]), name
            assert bool((unit.masks > 0).any()), name


def test_the_command_trains_by_a_recipe_file(case, tmp_path):
    _, files, recipe = case
    (tmp_path / "mine.toml").write_text(to_toml(recipe.told()), encoding="utf-8")
    given = ["--base", str(files.base), "--vae", str(files.vae), "--data", str(files.data), "--cpu"]
    command = ["train", str(tmp_path / "mine.toml"), "--output", str(tmp_path / "run"), *given]
    missing = CliRunner().invoke(app, command)
    assert missing.exit_code == 3
    assert "--text-encoder" in " ".join(missing.output.split())
    t5 = tmp_path / "t5.safetensors"  # as wide as umT5, so that nothing else would tell
    shapes = text_encoder(2, 1, "encoder.block.{}.layer.0.SelfAttention.q.weight")
    save_file({name: torch.zeros(shape) for name, shape in shapes.items()}, t5)
    wrong = CliRunner().invoke(app, [*command, "--text-encoder", str(t5)])
    assert wrong.exit_code == 4
    assert "the T5 text encoder" in " ".join(wrong.output.split())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_recipes_that_come_along_are_whole_and_fit_their_grid(name):
    recipe = read_recipe(RECIPES[name])
    grid = ltx.GRID if name.startswith("ltx") else wan.GRID
    for bucket in recipe.data.buckets:
        grid.check(bucket.frames, bucket.height, bucket.width)
    assert set(recipe.data.tasks) <= set(KINDS)
    for stage in recipe.stages:
        assert set(stage.tasks) <= set(recipe.data.tasks)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[data]\nexamples = 1", "recipe-entry-missing: entry=schedule"),
        (
            "[data]\nexamples = 1\n[schedule]\nsteps = 1\nlearning_rate = 1\nspeed = 2",
            "recipe-entry-unknown: entry=schedule.speed, ",
        ),
        (
            '[data]\nexamples = "many"\n[schedule]\nsteps = 1',
            "recipe-value: needed=A whole number, value=many, where=data.examples",
        ),
        ("[data]\nexamples = true\n[schedule]\nsteps = 1\nlearning_rate = 1", "recipe-value: needed=A whole number, "),
        (
            "[data]\nexamples = 1\n[schedule]\nsteps = 0\nlearning_rate = 1",
            "number-range: needed=whole [1, inf), value=0, what=number of steps",
        ),
        ("[data", "recipe-not-toml"),
        (
            "[data]\nexamples = 1\n[schedule]\nsteps = 1\nlearning_rate = 1\nseed = 99999999999999999999",
            "number-range: needed=whole [0, 18446744073709551615], value=99999999999999999999, what=seed",
        ),
        (
            "[data]\nexamples = 1\ntasks = {inpaint = 1}\n[schedule]\nsteps = 1\nlearning_rate = 1\n"
            "[[stages]]\ntasks = {inpaint = 1, inpant = 1}",
            "stage-task-unknown: lacking=inpant, name=all",
        ),
    ],
)
def test_a_recipe_that_is_wrong_is_a_sentence(tmp_path, text, said):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(InputError) as error:
        read_recipe(path)
    assert refused(error.value).startswith(said)


def test_where_a_recipe_is_no_toml_is_said_and_the_mark_of_an_editor_is_no_fault(tmp_path):
    path = tmp_path / "recipe.toml"
    text = "[data]\nexamples = 1\n[schedule]\nsteps = 1\nlearning_rate = 1\n"
    path.write_text(f"{text}steps = 2\n")
    with pytest.raises(InputError) as error:
        read_recipe(path)
    assert "(at line 6, column 1" in str(error.value)
    path.write_text(text, encoding="utf-8-sig")
    assert read_recipe(path).data.examples == 1


@pytest.mark.parametrize("layers", [(-1, 0), (0, 9), (1, 2), (2, 0)])
def test_context_layers_that_a_base_does_not_have_are_refused(case, tmp_path, layers):
    with pytest.raises(InputError) as error:
        trained(case, tmp_path / "run", tuning=replace(case[2].tuning, context_layers=layers))
    assert error.value.code == "context-layers-recipe"


def test_an_adapter_that_cannot_be_gone_on_from_is_refused_before_clips_are_encoded(case, tmp_path):
    of, files, recipe = case
    first = trained(case, tmp_path / "first").path
    tuning = replace(recipe.tuning, context_layers=(0,))
    for adapter, code in ((files.base, "weights-other-part"), (first, "context-layers-adapter")):
        with pytest.raises(VaceError) as error:
            trained((of, replace(files, adapter=adapter), recipe), tmp_path / "run", tuning=tuning)
        assert error.value.code == code
        assert not (tmp_path / "run").exists()
    unsaid = replace(recipe.tuning, context_layers=())
    trained((of, replace(files, adapter=first), recipe), tmp_path / "second", tuning=unsaid)


def test_a_run_goes_on_only_with_the_files_it_was_begun_with(case, tmp_path):
    _, files, recipe = case
    first = trained(case, tmp_path / "first").path
    train_model(recipe, files, tmp_path / "run", text=tiny.LetterText, cpu=True, stop_after=0)
    other = tmp_path / "other.safetensors"
    save_file({name: value * 1.5 for name, value in load_file(files.base).items()}, other)
    for changed, name in ((replace(files, base=other), "base file"), (replace(files, adapter=first), "adapter file")):
        with pytest.raises(InputError) as error:
            trained((case[0], changed, recipe), tmp_path / "run")
        assert error.value.code == "checkpoint-other-recipe"
        assert error.value.fields["changes"].startswith(f"{name} was ")
    files.base.rename(tmp_path / "moved.safetensors")
    files.data.rename(tmp_path / "moved")
    moved = replace(files, base=tmp_path / "moved.safetensors", data=tmp_path / "moved")
    trained((case[0], moved, recipe), tmp_path / "run")


def test_what_was_encoded_goes_on_only_with_its_own_vae_and_text_encoder(case, tmp_path):
    of, files, recipe = case

    def stopped():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # before there is a checkpoint
        train_model(recipe, files, tmp_path / "run", text=stopped, cpu=True)
    other = tmp_path / "other.safetensors"
    save_file({name: value * 1.5 for name, value in load_file(files.vae).items()}, other)
    with pytest.raises(InputError) as error:
        train_model(recipe, replace(files, vae=other), tmp_path / "run", text=of.text, cpu=True)
    assert error.value.fields["changes"].startswith("VAE file was ")
    fill_prompts(tmp_path / "run" / "prompts", of.text(), ["a disc"], "one")
    with pytest.raises(InputError) as error:
        train_model(recipe, files, tmp_path / "run", text=of.text, encoder="another", cpu=True)
    assert error.value.code == "prompts-other-encoder"


def test_a_folder_that_cannot_be_made_and_a_tracker_that_is_unknown_are_said(case, tmp_path):
    _, files, recipe = case
    with pytest.raises(InputError) as error:
        trained(case, files.base)
    assert error.value.code == "file-unwritable"
    with pytest.raises(InputError) as error:
        train_model(recipe, files, tmp_path / "run", text=tiny.LetterText, cpu=True, trackers=["tensorbord"])
    assert error.value.code == "tracker-unknown"
    assert "tensorboard" in str(error.value)


def test_that_nothing_can_be_validated_is_said(case, tmp_path, caplog):
    _, files, _ = case
    for path in (*files.data.glob("clip1.*"), *files.data.glob("clip2.*")):
        path.unlink()
    trained(case, tmp_path / "run")
    assert "nothing is validated" in caplog.text


@pytest.mark.parametrize(
    ("frames", "buckets", "sizes"),
    [
        ((13, 64), (), "none"),  # no size has so many
        ((13, 64), (Bucket(frames=49, height=32, width=48),), "49 frames of 48x32"),  # and no clip
        ((0, 1), (Bucket(frames=1, height=640, width=960),), "1 frames of 960x640"),  # no clip is as large
    ],
)
def test_a_stage_for_which_no_clip_is_long_and_large_enough_is_refused_before_anything_is_encoded(
    case, tmp_path, frames, buckets, sizes
):
    data = replace(case[2].data, buckets=(*case[2].data.buckets, *buckets))
    with pytest.raises(InputError) as error:
        trained(case, tmp_path / "run", data=data, stages=(Stage(), Stage(name="last", start=0.5, frames=frames)))
    assert refused(error.value) == f"stage-without-clips: name=last, sizes={sizes}"
    assert list((tmp_path / "run").iterdir()) == []


def test_shares_of_nothing_are_no_tasks(case, tmp_path):
    with pytest.raises(InputError) as error:
        trained(case, tmp_path / "run", data=replace(case[2].data, tasks={"inpaint": 0.0}))
    assert error.value.code == "recipe-without-tasks"


@pytest.mark.parametrize("bucket", [Bucket(frames=6, height=32, width=48), Bucket(frames=5, height=30, width=48)])
def test_a_size_that_cannot_be_trained_has_no_cost(case, bucket):
    _, files, recipe = case
    changed = replace(recipe, data=replace(recipe.data, buckets=(bucket,)))
    with pytest.raises(InputError):
        training_cost(changed, identify(open_checkpoint(files.base)), torch.device("cpu"))


def test_the_space_that_is_told_is_that_of_the_examples_on_disk(tmp_path):
    bucket = Bucket(frames=5, height=32, width=48)
    recipe = Recipe(
        data=Data(
            examples=3, held_out=2, buckets=(bucket, Bucket(frames=1, height=32, width=48)), tasks={"reference": 1.0}
        ),
        schedule=Schedule(steps=1, learning_rate=1),
    )
    (clip,), _ = clips_in(clip_folders.write(tmp_path / "clips", count=1))
    drawn = ClipExamples(clips=[clip], buckets=(bucket,), tasks={"reference": 1.0}, grid=wan.GRID)
    fill_cache(tmp_path / "run", drawn, range(1), Encoder(vae=tiny.vae(), encode_masks=wan.encode_masks))
    (shard,) = (tmp_path / "run").iterdir()
    assert encoded_bytes(recipe, WAN) == 5 * sum(value.nbytes for value in load_file(shard).values())


@pytest.mark.parametrize("saves", [True, False])
def test_the_cost_that_is_told_is_that_of_a_step(tmp_path, saves):
    sizes = wan.WanSizes(width=128, ffn=512, layers=7, text_width=32)
    base = wan.WanDit(sizes).requires_grad_(False)
    save_file(base.state_dict(), tmp_path / "base.safetensors")
    adapter = wan.build_adapter(sizes, (0, 2, 4, 6))
    bucket = Bucket(frames=9, height=64, width=64)
    recipe = Recipe(
        tuning=Tuning(context_layers=(0, 2, 4, 6), save_memory=saves),
        data=Data(
            examples=1, buckets=(Bucket(frames=1, height=64, width=64), bucket), tasks={"references": 1, "text": 1}
        ),
        schedule=Schedule(steps=1, learning_rate=1, batch=4, micro_batch=2),
        stages=(Stage(tasks={"text": 1}), Stage(start=0.5, most_references=2)),
    )
    told = training_cost(recipe, identify(open_checkpoint(tmp_path / "base.safetensors")), torch.device("cpu"))
    base.to(training_dtype())
    tuned = Tuned(base, adapter)
    if saves:
        save_memory(base.blocks, adapter.context_blocks)
    latents, context = torch.zeros(2, 16, 2 + 3, 8, 8), torch.zeros(2, 96, 2 + 3, 8, 8)
    prompts = [torch.zeros(1, TEXT_TOKENS, 32)] * 2
    tflop, working = counted(tuned, lambda: tuned(latents, torch.tensor([0.2, 0.5]), prompts, 16.0, context))
    assert (told.bucket, told.references, told.tokens) == (bucket, 2, 80)
    assert told.trained == sum(value.numel() for value in adapter.parameters())
    assert told.tflop == pytest.approx(tflop, rel=1e-6)
    assert told.working == pytest.approx(working, rel=0.1)


@pytest.mark.parametrize("tuning", [Tuning(what="full"), Tuning(what="lora", rank=4, context_layers=(0, 2))])
def test_the_cost_that_is_told_is_that_of_what_is_trained(tmp_path, tuning):
    sizes = wan.WanSizes(width=128, ffn=256, layers=5, text_width=32)
    base = wan.WanDit(sizes)
    save_file(base.state_dict(), tmp_path / "base.safetensors")
    recipe = Recipe(
        tuning=tuning,
        data=Data(examples=1, buckets=(Bucket(frames=5, height=32, width=32),)),
        schedule=Schedule(steps=1, learning_rate=1),
    )
    told = training_cost(recipe, identify(open_checkpoint(tmp_path / "base.safetensors")), torch.device("cpu"))
    adapter = wan.build_adapter(sizes, tuning.context_layers)
    prepare(tuning, base, adapter)
    if tuning.what == "lora":
        base.to(training_dtype())
    tuned = Tuned(base, adapter)
    latents, context = torch.zeros(1, 16, 2, 4, 4), torch.zeros(1, 96, 2, 4, 4)
    prompts = [torch.zeros(1, TEXT_TOKENS, 32)]
    tflop, working = counted(tuned, lambda: tuned(latents, torch.tensor([0.2]), prompts, 16.0, context))
    weights = list(tuned.parameters())
    assert told.trained == sum(value.numel() for value in weights if value.requires_grad)
    assert told.trained + told.frozen == sum(value.numel() for value in weights)
    assert told.weights == sum(value.nbytes for value in weights)
    assert told.tflop == pytest.approx(tflop, rel=1e-6)
    assert told.working == pytest.approx(working, rel=0.1)


@pytest.mark.parametrize("on", ["adapter", "base"])
def test_a_lora_changes_nothing_at_first_and_is_what_it_is_merged_into(case, tmp_path, on):
    _, files, recipe = case
    first = trained(case, tmp_path / "first").path
    assert first is not None
    tuning = replace(recipe.tuning, what="lora", lora_on=on, rank=4)
    path = trained((case[0], replace(files, adapter=first), recipe), tmp_path / "run", tuning=tuning).path
    assert path is not None
    written = load_file(tmp_path / "run" / "lora.safetensors")
    layers = {name.removeprefix("diffusion_model.").rsplit(".", 2)[0] for name in written}
    assert all(layer.startswith("vace_blocks." if on == "adapter" else "blocks.") for layer in layers)
    assert len(written) == 2 * 10 * (2 if on == "adapter" else 4)  # q, k, v, o twice and two of the feed-forward part
    if on == "adapter":
        was, now = load_file(first), load_file(path)
        for name, value in was.items():
            layer = name.removesuffix(".weight")
            down, up = (written.get(f"diffusion_model.{layer}.{part}.weight") for part in ("lora_A", "lora_B"))
            wanted = value if down is None or up is None else value + up @ down
            assert torch.allclose(now[name], wanted, atol=1e-6), name
        assert_loads(files.base, first, tmp_path / "run" / "lora.safetensors", path)
    assert any(bool(value.any()) for name, value in written.items() if "lora_B" in name)


def test_of_a_frozen_base_nothing_is_gathered_for_the_adapter_that_is_written(monkeypatch):
    base = tiny.base()
    adapter = fill(wan.build_adapter(tiny.SIZES, tiny.LAYERS), 2)
    before = {f"adapter.{name}": value.clone() for name, value in adapter.state_dict().items()}
    tuned = Tuned(base, adapter)
    prepare(Tuning(what="lora", rank=4), base, adapter)
    trained = {name: torch.ones_like(value) for name, value in trainable(tuned).items()}
    gathered, whole = [], lora.whole
    monkeypatch.setattr(lora, "whole", lambda value: gathered.append(value) or whole(value))
    found = lora.merged_weights(tuned, trained, ("adapter.",))
    assert found.keys() == before.keys()
    changed = {name for name, value in found.items() if not torch.equal(value, before[name])}
    assert changed == {f"{name.rsplit('.', 1)[0]}.weight" for name in trained}
    assert len(gathered) == len(before)  # what a LoRA is beside is gathered too
    assert lora.merged_weights(tuned, trained, ("adapter.",), keeps=False) == {}
    assert len(gathered) == 2 * len(before)  # the other processes have parts of it


@pytest.mark.parametrize("on", ["adapter", "base"])
def test_a_lora_without_an_adapter_which_no_gradient_reaches_is_refused(case, tmp_path, on):
    _, files, recipe = case
    changed = replace(recipe, tuning=replace(recipe.tuning, what="lora", lora_on=on))
    with pytest.raises(InputError) as error:
        trained((case[0], files, changed), tmp_path / "run")
    assert refused(error.value) == "lora-without-adapter"
    assert not (tmp_path / "run").exists()
    (tmp_path / "mine.toml").write_text(to_toml(changed.told()), encoding="utf-8")
    command = ["train", str(tmp_path / "mine.toml"), "--output", str(tmp_path), "--base", str(files.base), "--dry-run"]
    told = CliRunner().invoke(app, command)
    assert told.exit_code == 3
    assert "--adapter" in told.output


@torch.no_grad()
def assert_loads(base, adapter, lora, wanted):
    """The adapter with the LoRA computes what the adapter does that the training wrote with the LoRA in it."""
    (changes,) = lora_changes([Lora(path=lora)], [base], [adapter])
    network, generator = load_base(base, changes=changes), torch.Generator().manual_seed(0)
    latents, context = (torch.randn(1, channels, 2, 4, 4, generator=generator) for channels in (16, 96))
    text = network.prepare_text(tiny.LetterText().encode("a fox"), fps=16.0)

    def velocity(adapter):
        attachment = Attachment(adapter=adapter, context=adapter.embed(context))
        return network(latents, torch.tensor([0.7]), text, [attachment])

    trained, written = velocity(load_adapter(adapter, changes=changes)), velocity(load_adapter(wanted))
    assert torch.allclose(trained, written, atol=1e-5)
    assert not torch.allclose(velocity(load_adapter(adapter)), written, atol=1e-4)


def test_a_lora_counts_where_a_clip_is_worked_on_piece_by_piece(monkeypatch):
    block = fill(wan.WanBlock(tiny.SIZES), 3)
    lora.add_lora(block, 4)
    with torch.no_grad():
        for name, value in block.named_parameters():
            if name.endswith("lora_B"):
                value.normal_(generator=torch.Generator().manual_seed(len(name)))
    x = torch.randn(1, 10, 128, generator=torch.Generator().manual_seed(0))
    whole = block.ffn(x)
    monkeypatch.setattr(wan, "FFN_PIECE", 4)
    assert torch.allclose(block.ffn(x), whole, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_added_context_tokens_are_a_patch_embedding_of_both_side_by_side(family):
    """What the paper's text says of full fine-tuning, and what its ablation does, are one map."""
    made = {"Wan 2.1": tiny.base, "LTX-Video 0.9": tiny_ltx.base}[family.name]()
    adapter = fill(family.build_adapter(made.sizes, ()), 4)
    embedder = getattr(made, "patch_embedding", None) or made.patchify_proj
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(1, family.latent_channels, 2, 4, 4, generator=generator)
    context = torch.randn(1, adapter_channels(adapter), 2, 4, 4, generator=generator)
    text = made.prepare_text(tiny.LetterText().encode("a fox"), fps=8.0)
    added = made(latents, torch.tensor([0.7]), text, [Attachment(adapter=adapter, context=adapter.embed(context))])
    widened = copy.deepcopy(made)
    wide = getattr(widened, "patch_embedding", None) or widened.patchify_proj
    wide.weight = torch.nn.Parameter(torch.cat([embedder.weight, adapter.context_embedder.weight], dim=1))
    wide.bias = torch.nn.Parameter(embedder.bias + adapter.context_embedder.bias)
    forward = type(wide).forward
    wide.forward = lambda x: forward(wide, torch.cat([x, context], dim=1))
    assert torch.allclose(widened(latents, torch.tensor([0.7]), text), added, atol=1e-5)


@pytest.mark.parametrize("case", ["wan", "ltx"], indirect=True)
def test_a_base_that_learns_to_read_the_condition_is_a_model_like_any(case, tmp_path):
    of, files, recipe = case
    family = of.family
    path = trained(case, tmp_path / "run", tuning=Tuning(what="full", stored="float32")).path
    assert path == tmp_path / "run" / "model.safetensors"
    found = inspect(path)
    assert (found.kind, found.family, found.context_layers) == ("vace", family.name, ())
    model = load_model(path, vae=files.vae, text=Letters(), adapter=path)
    bucket = recipe.data.buckets[0]
    source = tiny.clip(bucket.frames, bucket.height, bucket.width)
    unit = tasks.inpaint(source, (source[:, :1] > 0).float())
    options = replace(family.options, steps=2, stg_scale=0.0)
    made = generate(model, unit, options)
    assert torch.equal(made[unit.masks.expand_as(made) == 0], source[unit.masks.expand_as(made) == 0])
    unseen = sample(model, unit, replace(options, strength=0.0))
    assert not torch.equal(sample(model, unit, options), unseen)
    base, adapter = tmp_path / "base.part.safetensors", tmp_path / "adapter.part.safetensors"
    split_model(path, base, adapter)
    apart = load_model(base, vae=files.vae, text=Letters(), adapter=adapter)
    assert torch.equal(generate(apart, unit, options), made)
    join_model(base, adapter, tmp_path / "joined.safetensors")
    assert load_file(tmp_path / "joined.safetensors").keys() == load_file(path).keys()


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_the_checkpoint_that_is_told_is_as_large_as_the_one_that_is_written(tmp_path, optimiser):
    sizes = wan.WanSizes(width=128, ffn=256, layers=2, text_width=32)
    base, adapter = wan.WanDit(sizes), wan.build_adapter(sizes, (0,))
    save_file(base.state_dict(), tmp_path / "base.safetensors")
    recipe = Recipe(
        tuning=Tuning(context_layers=(0,)),
        data=Data(examples=1, buckets=(Bucket(frames=5, height=32, width=32),)),
        schedule=Schedule(steps=1, learning_rate=1, optimiser=optimiser),
    )
    told = training_cost(recipe, identify(open_checkpoint(tmp_path / "base.safetensors")), torch.device("cpu"))
    tuned = Tuned(base.requires_grad_(False), adapter)
    steps = optimiser_for(optimiser, trainable(tuned), learning_rate=1.0, weight_decay=0.0)
    for value in trainable(tuned).values():
        value.grad = torch.ones_like(value)
    steps.step()
    path = tmp_path / "checkpoint.safetensors"
    save_state(path, tuned, steps, Average(tuned, 0.5), step=1, recipe={})
    assert told.checkpoint == sum(value.nbytes for value in load_file(path).values())
    assert told.optimiser == told.checkpoint - 4 * told.trained
