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
from vace_core.starter.training.scenes import SCENES
from vace_core.starter.training.vae import Stage, fold_statistics
from vace_core.starter.training.world import World
from vace_core.training.data import cache
from vace_core.training.data.batches import Stage as Tasks
from vace_core.training.data.cache import Cache
from vace_core.training.recipe import Data, Recipe, Tuning, read_recipe
from vace_core.training.schedule import Schedule

LATENT_MEAN, LATENT_STD = LATENTS.latents_mean, LATENTS.latents_std

STEPS = Schedule(steps=3, learning_rate=1e-3, batch=2, warmup=1, save_every=2, validate_every=2)
SMALL = Recipe(
    tuning=Tuning(context_layers=(0, 2)), data=Data(examples=4, held_out=2), schedule=STEPS, stages=(Tasks(),)
)


@pytest.fixture
def small(monkeypatch) -> World:
    """Small networks and one short stage of the VAE, so that a whole training runs in a few seconds."""
    monkeypatch.setattr(starter_training, "STATISTICS", 2)
    monkeypatch.setattr(cache, "SHARD", 2)
    crops = (Crops(num_frames=5, side=32, count=1, share=1.0),)
    stage = Stage(schedule=Schedule(steps=2, learning_rate=1e-3, warmup=1, validate_every=0), crops=crops)
    sizes = WanSizes(width=128, ffn=128, layers=4)
    return replace(SCENES, sizes=sizes, vae_width=4, vae_stages=(stage,))


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


PARTS = {part.name: part for part in (*SCENES.base, *SCENES.adapter)}


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_the_starters_recipes_fit_its_world(part):
    recipe = read_recipe(SCENES.recipe(part.name))
    examples = part.examples(0)
    drawn = {examples.draw(number).task for number in range(200)} if recipe.stages else set()
    named = {task for stage in recipe.stages for task in stage.tasks}
    assert named <= drawn
    assert max(recipe.tuning.context_layers, default=0) < SCENES.sizes.layers


def test_the_last_part_of_each_network_is_called_by_its_name():
    assert (SCENES.base[-1].name, SCENES.adapter[-1].name) == ("base", "adapter")


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


def test_crops_are_drawn_by_the_step():
    crops = SCENES.vae_stages[0].crops
    assert torch.equal(SCENES.draw_crops(crops, 4), SCENES.draw_crops(crops, 4))
    one, other = (SCENES.draw_crops(crops, seed)[:1, :, :5, :32, :32] for seed in (4, 9))
    assert not torch.equal(one, other)


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_part_draws_the_same_from_a_number_and_something_else_from_another(part):
    examples = part.examples(0)
    one, again, other = examples.draw(3), examples.draw(3), examples.draw(5)
    assert torch.equal(one.target, again.target)
    assert one.prompts == again.prompts
    assert one.target.shape != other.target.shape or not torch.equal(one.target, other.target)
    assert SCENES.text().encode(one.prompts[0]).shape[2] == SCENES.sizes.text_width
