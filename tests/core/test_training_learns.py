"""Every path of gradients is live: one clip of each task is learned by heart, and the frozen base stays as it was.

The full proof has every task: VACE_TRAINING_TASKS=all. Here a swap is learned: source, hole and reference.
"""

from __future__ import annotations

import os
import random

import clip_folders
import pytest
import tiny
import torch

from vace_core.models.wan import dit as wan
from vace_core.training.data.cache import Cache, Encoder, fill_cache
from vace_core.training.data.derive import KINDS
from vace_core.training.data.example import Example
from vace_core.training.data.material import Bucket, read_material
from vace_core.training.data.sources import clips_in
from vace_core.training.engine import train
from vace_core.training.objective import Objective
from vace_core.training.schedule import Schedule
from vace_core.training.tuning import Tuned, copy_base
from vace_core.training.validation import Validation

STEPS = 150
UNABLE = {"depth", "control", "references"}  # no clip of the folder has what they need
TASKS = sorted(set(KINDS) - UNABLE) if os.environ.get("VACE_TRAINING_TASKS") == "all" else ["swap"]


class One:
    """One clip as one task."""

    def __init__(self, task: str, folder) -> None:
        self.identity, self.clips = task, clips_in(folder)[0]

    def draw(self, number: int) -> Example:
        rng = random.Random(number)
        clip = read_material(self.clips[0], [Bucket(frames=5, height=32, width=48)], wan.GRID, rng)
        unit = KINDS[self.identity].build(clip, rng)
        return Example(name=self.identity, task=self.identity, unit=unit, target=clip.frames, prompts=("a disc",))


@pytest.mark.parametrize("task", TASKS)
def test_a_clip_is_learned_by_heart_and_the_base_stays(task, tmp_path):
    encoder = Encoder(vae=tiny.vae(), encode_masks=wan.encode_masks)
    fill_cache(tmp_path / "examples", One(task, clip_folders.write(tmp_path / "clips", 1)), range(1), encoder)
    base = tiny.base().requires_grad_(False)
    base.head.head.weight *= 4  # what is normalised before it has a fixed length, which bounds what a base can say
    adapter = wan.build_adapter(tiny.SIZES, tiny.LAYERS)
    copy_base(adapter, base)
    tuned = Tuned(base, adapter)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    fixed = Validation(Cache(tmp_path / "examples"), Objective(), tiny.LetterText(), size=1)
    (start,) = fixed.losses(tuned)
    targets, context = Cache(tmp_path / "examples").read(0)
    noise = torch.randn(targets.shape, generator=torch.Generator().manual_seed(0))

    def losses_of(module, draw):
        noisy = (targets + noise)[None] / 2  # the noise and noise level of the validation
        velocity = module(noisy, torch.tensor([0.5]), [tiny.LetterText().encode("a disc")], 16.0, context[None])
        return Objective().losses(velocity, (noise - targets)[None], torch.tensor([0.5]))

    schedule = Schedule(steps=STEPS, learning_rate=3e-3, warmup=20, average=0.0, weight_decay=0.0, save_every=STEPS)
    outcome = train(tuned, losses_of, schedule, folder=tmp_path / "run")
    tuned.load_state_dict(outcome.weights, strict=False)
    (end,) = fixed.losses(tuned)
    assert end < 0.01 * start
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
    untouched = [name for name, p in adapter.named_parameters() if p.grad is None]
    assert untouched == []
