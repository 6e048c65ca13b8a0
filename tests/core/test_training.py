"""The training's promises: silent start, stopping and going on, latents on Wan's scale, examples that are true."""

from __future__ import annotations

import pytest
import tiny
import torch
from filling import fill

from vace_core.adapter import Attachment
from vace_core.context import encode_context
from vace_core.models.wan import dit as wan
from vace_core.models.wan.dit import WanSizes
from vace_core.models.wan.latents import LATENTS
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.starter.training import adapter as adapter_training
from vace_core.starter.training import base as base_training
from vace_core.starter.training import vae as vae_training
from vace_core.starter.training.base import ClipCache, train_base
from vace_core.starter.training.samples import HELD_OUT, TASKS, draw_sample, draw_task
from vace_core.starter.training.vae import STAGES, Stage, draw_clip, draw_crops, fold_statistics, train_vae
from vace_core.starter.world import random_clip
from vace_core.training.loop import Schedule, train
from vace_core.training.precision import mixed_precision, seeded, training_dtype
from vace_core.vcu import FOLLOW, KEEP

LATENT_MEAN, LATENT_STD = LATENTS.latents_mean, LATENTS.latents_std


@torch.no_grad()
def test_a_fresh_adapter_says_nothing():
    base, adapter = tiny.base(), wan.build_adapter(tiny.SIZES, tiny.LAYERS)
    adapter_training.initialise(adapter, base)
    generator = torch.Generator().manual_seed(0)
    latents, context = (torch.randn(1, channels, 2, 4, 6, generator=generator) for channels in (16, 96))
    text = base.prepare_text(tiny.LetterText().encode("a fox"))
    attachment = Attachment(adapter=adapter, context=adapter.embed(context))
    sigma = torch.tensor([0.6])
    assert torch.equal(base(latents, sigma, text, [attachment]), base(latents, sigma, text))


def test_a_fresh_adapter_is_a_copy_of_the_base():
    base, adapter = tiny.base(), wan.build_adapter(tiny.SIZES, tiny.LAYERS)
    adapter_training.initialise(adapter, base)
    for block, layer in zip(adapter.context_blocks, tiny.LAYERS, strict=True):
        ours, theirs = block.state_dict(), base.blocks[layer].state_dict()
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    weight = adapter.context_embedder.weight
    assert torch.equal(weight[:, :16], base.patch_embedding.weight)
    assert not weight[:, 32:].any()


STEPS = Schedule(steps=3, learning_rate=1e-3, warmup=1, save_every=2)


@pytest.fixture
def small(monkeypatch):
    """Batches of two and a small base, so that whole stages run in a second."""
    monkeypatch.setattr(base_training, "BATCH", 2)
    monkeypatch.setattr(adapter_training, "BATCH", 2)
    monkeypatch.setattr(vae_training, "WIDTH", 4)
    monkeypatch.setattr(base_training, "SIZES", WanSizes(width=128, ffn=128, layers=6))


def test_a_seed_gives_the_same_weights_to_the_bit(tmp_path, small):
    vae, seeds = WanVae(fill(WanVaeNetwork(width=4, blocks=1))), range(28, 31)
    clips = ClipCache(tmp_path / "clips", vae, seeds)
    examples = adapter_training.SampleCache(tmp_path / "examples", vae, seeds)
    frames = torch.stack([draw_clip(seed) for seed in range(2)])
    stage = Stage(schedule=STEPS, crops=((5, 32, 1, 1.0),))

    def weights(run: int) -> dict[str, torch.Tensor]:
        torch.manual_seed(run)  # the dice of the process, which must not matter
        network = train_vae(frames, {}, tmp_path / f"vae {run}", [stage], seed=5)
        base = train_base(clips, tmp_path / f"base {run}", STEPS, seed=5)
        adapter = adapter_training.train_adapter(base, examples, tmp_path / f"adapter {run}", STEPS, seed=5)
        parts = {"vae": network, "base": base, "adapter": adapter}
        return {f"{part} {name}": value for part, one in parts.items() for name, value in one.state_dict().items()}

    first, again = weights(1), weights(7)
    assert [name for name in first if not torch.equal(first[name], again[name])] == []
    assert all(bool(value.isfinite().all()) for value in first.values())


def test_training_leaves_the_dice_of_the_process_alone():
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    with seeded(9):
        torch.rand(100)
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize(("fast", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_training_computes_in_what_the_processor_is_fast_at(monkeypatch, fast, dtype):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": fast}, raising=False)
    assert training_dtype() == dtype
    layer, x = torch.nn.Linear(4, 4), torch.ones(2, 4)
    with mixed_precision():
        assert layer(x).dtype == dtype


def run(folder, name: str, steps: int, schedule_steps: int = 12) -> dict[str, torch.Tensor]:
    """Trains a small layer for `steps` of a schedule; a second call with the same name goes on."""
    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)

    class Stop(Exception):
        pass

    def loss_of(step: int):
        if step == steps:
            raise Stop
        x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
        loss = (layer(x) - x[:, :2]).square().mean()
        return loss, {"loss": float(loss.detach())}

    schedule = Schedule(steps=schedule_steps, learning_rate=0.05, warmup=2, save_every=4)
    try:
        return train(layer, loss_of, schedule, checkpoint=folder / f"{name}.safetensors")
    except Stop:
        return {}


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(tmp_path):
    whole = run(tmp_path, "whole", steps=12)
    run(tmp_path, "parts", steps=6)
    assert (tmp_path / "parts.safetensors").exists()
    parts = run(tmp_path, "parts", steps=12)
    assert all(torch.allclose(parts[name], whole[name], atol=1e-6) for name in whole)
    assert not list(tmp_path.glob("*.part"))


def test_the_learning_rate_rises_holds_and_falls():
    schedule = Schedule(steps=100, learning_rate=1.0, warmup=10, decay_from=0.5)
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10:50] == [1.0] * 40
    assert rates[51:] == sorted(rates[51:], reverse=True)
    assert rates[-1] < 0.01


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
        assert vcu.num_references <= adapter_training.MOST_REFERENCES


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


def test_the_caches_hold_what_encoding_one_by_one_gives(tmp_path):
    vae, seeds = WanVae(fill(WanVaeNetwork(width=4, blocks=1))), range(20, 26)
    clips = ClipCache(tmp_path / "clips", vae, seeds)
    examples = adapter_training.SampleCache(tmp_path / "examples", vae, seeds)
    for number, seed in enumerate(seeds):
        clip = random_clip(seed)
        assert torch.allclose(clips.clips[number].float(), vae.encode(clip.frames)[0], rtol=2e-3, atol=2e-3)
        for place, picture in enumerate(clip.references[: clips.counts[number]]):
            wanted = vae.encode(picture)[0, :, 0]
            assert torch.allclose(clips.references[number, place].float(), wanted, rtol=2e-3, atol=2e-3)
        sample = draw_sample(draw_task(seed), seed)
        context = encode_context(sample.vcu, vae, wan.fold_masks)[0]
        length, references = context.shape[1], sample.vcu.num_references
        assert torch.allclose(examples.contexts[number, :, :length].float(), context, rtol=2e-3, atol=2e-3)
        video = vae.encode(sample.clip.frames)[0]
        assert torch.allclose(examples.targets[number, :, references:length].float(), video, rtol=2e-3, atol=2e-3)
        assert torch.equal(examples.targets[number, :, :references], examples.contexts[number, :16, :references])
        assert examples.prompts[number] == sample.vcu.prompt
    assert not list(tmp_path.glob("*.part"))


def test_crops_are_drawn_by_the_step():
    clips = torch.stack([draw_clip(seed) for seed in range(3)])
    assert clips.shape == (3, 17, 64, 64, 3)
    crops = STAGES[0].crops
    assert torch.equal(draw_crops(clips, crops, 4), draw_crops(clips, crops, 4))
    one, other = (draw_crops(clips, crops, seed)[:1, :, :5, :32, :32] for seed in (4, 9))
    assert not torch.equal(one, other)
