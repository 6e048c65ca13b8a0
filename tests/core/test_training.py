"""The starter's training: one seed, one starter; latents on Wan's scale; examples that are true."""

from __future__ import annotations

import pytest
import torch
from filling import fill

from vace_core.models.wan.dit import WanSizes
from vace_core.models.wan.latents import LATENTS
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.starter.training import starter as starter_training
from vace_core.starter.training import vae as vae_training
from vace_core.starter.training.examples import MOST_REFERENCES
from vace_core.starter.training.samples import HELD_OUT, TASKS, draw_sample, draw_task
from vace_core.starter.training.vae import STAGES, Stage, draw_clip, draw_crops, fold_statistics
from vace_core.training.data.batches import Stage as Tasks
from vace_core.training.data.cache import Cache
from vace_core.training.recipe import Data, Recipe, Tuning
from vace_core.training.schedule import Schedule
from vace_core.vcu import FOLLOW, KEEP

LATENT_MEAN, LATENT_STD = LATENTS.latents_mean, LATENTS.latents_std

STEPS = Schedule(steps=3, learning_rate=1e-3, batch=2, warmup=1, save_every=2, validate_every=2)
SMALL = Recipe(
    tuning=Tuning(context_layers=(0, 2)), data=Data(examples=4, held_out=2), schedule=STEPS, stages=(Tasks(),)
)


@pytest.fixture
def small(monkeypatch):
    """Small networks and one short stage of the VAE, so that a whole training runs in a few seconds."""
    monkeypatch.setattr(vae_training, "WIDTH", 4)
    monkeypatch.setattr(starter_training, "WIDTH", 4)
    monkeypatch.setattr(starter_training, "STATISTICS", 2)
    monkeypatch.setattr(starter_training, "SIZES", WanSizes(width=128, ffn=128, layers=4))
    stage = Stage(schedule=Schedule(steps=2, learning_rate=1e-3, warmup=1, validate_every=0), crops=((5, 32, 1, 1.0),))
    monkeypatch.setattr(vae_training.train_vae, "__defaults__", ((stage,),))


def weights(folder) -> dict[str, torch.Tensor]:
    parts = ("vae", "base", "adapter")
    found = {part: starter_training.load(folder / f"{part}.safetensors") for part in parts}
    return {f"{part} {name}": value for part, one in found.items() for name, value in one.items()}


def test_a_seed_gives_the_same_starter_to_the_bit_stopped_or_not(tmp_path, small):
    torch.manual_seed(1)  # the dice of the process, which must not matter
    assert starter_training.StarterTraining(tmp_path / "whole", seed=28, base=SMALL, adapter=SMALL).run()
    torch.manual_seed(7)
    starts = 0
    while not starter_training.StarterTraining(tmp_path / "parts", seed=28, base=SMALL, adapter=SMALL).run(
        stop_after=0
    ):
        starts += 1
    assert starts > 3
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert all(bool(value.isfinite().all()) for value in whole.values())
    assert not list(tmp_path.rglob("*.part"))
    assert len(Cache(tmp_path / "whole" / "adapter-held-out").items) == 2


def test_the_starters_recipes_are_whole():
    for part in ("base", "adapter"):
        recipe = starter_training.read(part)
        assert set(recipe.stages[0].tasks if recipe.stages else ()) <= set(TASKS)


@torch.no_grad()
def test_folded_statistics_put_the_latents_on_wans_scale_and_change_no_picture():
    network = fill(WanVaeNetwork(width=4, blocks=1))
    clips = torch.randint(0, 256, (3, 5, 32, 32, 3), generator=torch.Generator().manual_seed(0)).byte()
    frames = clips.permute(0, 4, 1, 2, 3) / 127.5 - 1
    before = network.decode(network.encode(frames, {})[0], {})
    fold_statistics(network, clips)
    mean, _ = network.encode(frames, {})
    assert torch.allclose(mean.mean((0, 2, 3, 4)), torch.tensor(LATENT_MEAN), atol=1e-3)
    assert torch.allclose(mean.std((0, 2, 3, 4)), torch.tensor(LATENT_STD), rtol=1e-2)
    assert torch.allclose(network.decode(mean, {}), before, atol=1e-4)


@pytest.mark.parametrize("task", sorted(TASKS))
def test_every_example_is_fulfilled_by_its_clip(task):
    for seed in range(3):
        sample = draw_sample(task, HELD_OUT + seed)
        vcu, truth = sample.vcu, sample.clip.frames
        assert (vcu.num_frames, vcu.height, vcu.width) == (17, 64, 64)
        kept = (vcu.masks == 0).expand_as(truth)
        assert torch.equal(vcu.frames[kept], truth[kept])
        assert vcu.num_references <= MOST_REFERENCES


def test_examples_are_the_same_for_a_seed_and_others_for_another():
    first, again, other = (draw_sample("swap anything", seed).vcu for seed in (1, 1, 2))
    assert torch.equal(first.frames, again.frames)
    assert first.prompt == again.prompt
    assert not torch.equal(first.frames, other.frames)


def test_a_prompt_can_be_made_to_say_nothing_of_the_objects():
    silent = draw_sample("object reference", 5, always_tell=False)
    assert silent.vcu.prompt == silent.clip.object_words
    assert draw_sample("object reference", 5, always_tell=True).vcu.prompt == silent.clip.caption


def test_mixed_examples_keep_and_follow():
    roles = [draw_sample("mixed", seed).vcu.roles for seed in range(4)]
    assert all(bool((role & KEEP).any()) and bool((role & FOLLOW).any()) for role in roles)


def test_every_task_is_drawn():
    assert {draw_task(seed) for seed in range(600)} == set(TASKS)


def test_crops_are_drawn_by_the_step():
    crops = STAGES[0].crops
    assert torch.equal(draw_crops(draw_clip, crops, 4), draw_crops(draw_clip, crops, 4))
    one, other = (draw_crops(draw_clip, crops, seed)[:1, :, :5, :32, :32] for seed in (4, 9))
    assert not torch.equal(one, other)


def test_crops_are_cut_from_clips_of_any_size_that_hold_them():
    sizes = [(17, 64, 96), (5, 48, 48), (9, 40, 56)]

    def draw(seed: int) -> torch.Tensor:
        return torch.full((*sizes[seed % 3], 3), seed % 3).byte()

    drawn = [draw_crops(draw, [(9, 48, 2, 1.0)], seed) for seed in range(3)]
    assert all(crop.shape == (2, 3, 9, 48, 48) for crop in drawn)
    assert all(torch.equal(crop, torch.full_like(crop, -1)) for crop in drawn)
