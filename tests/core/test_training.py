"""The starter's training: one seed, one starter; latents on Wan's scale; examples that are true."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from filling import fill

from vace_core.models.wan.dit import WanSizes
from vace_core.models.wan.latents import LATENTS
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.starter.scenes.crops import Crops
from vace_core.starter.training import starter as starter_training
from vace_core.starter.training.samples import HELD_OUT, TASKS, draw_sample, draw_task
from vace_core.starter.training.scenes import SCENES
from vace_core.starter.training.shapes import MOST_REFERENCES, SHAPES
from vace_core.starter.training.vae import Stage, fold_statistics
from vace_core.starter.training.world import World
from vace_core.training.data import cache
from vace_core.training.data.batches import Stage as Tasks
from vace_core.training.data.cache import Cache
from vace_core.training.recipe import Data, Recipe, Tuning, read_recipe
from vace_core.training.schedule import Schedule
from vace_core.vcu import FOLLOW, KEEP

LATENT_MEAN, LATENT_STD = LATENTS.latents_mean, LATENTS.latents_std

STEPS = Schedule(steps=3, learning_rate=1e-3, batch=2, warmup=1, save_every=2, validate_every=2)
SMALL = Recipe(
    tuning=Tuning(context_layers=(0, 2)), data=Data(examples=4, held_out=2), schedule=STEPS, stages=(Tasks(),)
)


WORLDS = {world.name: world for world in (SHAPES, SCENES)}


@pytest.fixture(params=WORLDS)
def small(request, monkeypatch) -> World:
    """Small networks and one short stage of the VAE, so that a whole training runs in a few seconds."""
    monkeypatch.setattr(starter_training, "STATISTICS", 2)
    monkeypatch.setattr(cache, "SHARD", 2)
    crops = (Crops(num_frames=5, side=32, count=1, share=1.0),)
    stage = Stage(schedule=Schedule(steps=2, learning_rate=1e-3, warmup=1, validate_every=0), crops=crops)
    sizes = WanSizes(width=128, ffn=128, layers=4)
    return replace(WORLDS[request.param], sizes=sizes, vae_width=4, vae_stages=(stage,))


def weights(folder) -> dict[str, torch.Tensor]:
    parts = ("vae", "base", "adapter")
    found = {part: starter_training.load(folder / f"{part}.safetensors") for part in parts}
    return {f"{part} {name}": value for part, one in found.items() for name, value in one.items()}


def test_a_seed_gives_the_same_starter_to_the_bit_stopped_or_not(tmp_path, small):
    torch.manual_seed(1)  # the dice of the process, which must not matter
    recipes = {part.name: SMALL for part in (*small.base, *small.adapter)}
    assert starter_training.StarterTraining(small, tmp_path / "whole", seed=28, recipes=recipes).run()
    torch.manual_seed(7)
    starts, encoded = 0, list[int]()
    while not starter_training.StarterTraining(small, tmp_path / "parts", seed=28, recipes=recipes).run(stop_after=0):
        starts += 1
        encoded.append(len([*(tmp_path / "parts").rglob("examples-*")]))
    assert starts > 3
    # Encoding stops for the clock too: never both shards of examples in one go.
    assert max(after - before for before, after in pairwise(encoded)) <= 2
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert [name for name in whole if not torch.equal(whole[name], parts[name])] == []
    assert all(bool(value.isfinite().all()) for value in whole.values())
    assert not list(tmp_path.rglob("*.part"))
    assert len(Cache(tmp_path / "whole" / "adapter-held-out").items) == 2


PARTS = {
    f"{world.name}, {part.name}": (world, part) for world in WORLDS.values() for part in (*world.base, *world.adapter)
}


@pytest.mark.parametrize(("world", "part"), PARTS.values(), ids=PARTS)
def test_the_starters_recipes_fit_their_world(world, part):
    recipe = read_recipe(world.recipe(part.name))
    examples = part.examples(0)
    drawn = {examples.draw(number).task for number in range(200)} if recipe.stages else set()
    named = {task for stage in recipe.stages for task in stage.tasks}
    assert named <= drawn
    assert max(recipe.tuning.context_layers, default=0) < world.sizes.layers


def test_the_last_part_of_each_network_is_called_by_its_name():
    assert {(world.base[-1].name, world.adapter[-1].name) for world in WORLDS.values()} == {("base", "adapter")}


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


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_crops_are_drawn_by_the_step(world):
    crops = world.vae_stages[0].crops
    assert torch.equal(world.draw_crops(crops, 4), world.draw_crops(crops, 4))
    one, other = (world.draw_crops(crops, seed)[:1, :, :5, :32, :32] for seed in (4, 9))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(("world", "part"), PARTS.values(), ids=PARTS)
def test_a_part_draws_the_same_from_a_number_and_something_else_from_another(world, part):
    examples = part.examples(0)
    one, again, other = examples.draw(3), examples.draw(3), examples.draw(5)
    assert torch.equal(one.target, again.target)
    assert one.prompts == again.prompts
    assert one.target.shape != other.target.shape or not torch.equal(one.target, other.target)
    assert world.text().encode(one.prompts[0]).shape[2] == world.sizes.text_width
