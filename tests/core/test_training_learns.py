"""Every path of gradients is live: one clip of each task is learned by heart, and the frozen base stays as it was.

Here a swap is learned, which has source, hole and reference, by every family. The full proof has every task:
VACE_TRAINING_TASKS=all.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import replace
from types import SimpleNamespace

import clip_folders
import families
import pytest
import tiny
import torch
from filling import fill

from vace_core.geometry import Grid
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

STEPS = 40
TASKS = sorted(KINDS) if os.environ.get("VACE_TRAINING_TASKS") == "all" else ["swap"]
# The frozen last layer of a base bounds what it can say: it must be as wide as a token's numbers are many, and, for
# what comes before it has a fixed length, strong enough.
WIDE = 256


class One:
    """One clip as one task."""

    def __init__(self, task: str, folder, size, grid: Grid) -> None:
        frames, height, width = size
        self.identity, self.bucket, self.grid = task, Bucket(frames=frames, height=height, width=width), grid
        clip_folders.write(folder, 1)
        for kind in ("depth", "control"):
            shutil.copy(folder / "clip0.pose.mp4", folder / f"clip0.{kind}.mp4")
        shutil.copy(folder / "clip0.reference-1.png", folder / "clip0.reference-2.png")
        (self.clip,), _ = clips_in(folder)

    def draw(self, number: int) -> Example:
        rng = random.Random(number)
        clip = read_material(self.clip, [self.bucket], self.grid, rng)
        unit = KINDS[self.identity].build(clip, rng)
        return Example(name=self.identity, task=self.identity, unit=unit, target=clip.frames, prompts=("a disc",))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", families.NAMES)
def test_a_clip_is_learned_by_heart_and_the_base_stays(name, task, tmp_path):
    of = families.case(name)
    sizes = replace(of.sizes, width=WIDE)
    encoder = Encoder(vae=of.make_vae(), encode_masks=of.family.encode_masks)
    fill_cache(tmp_path / "examples", One(task, tmp_path / "clips", of.clip, of.family.grid), range(1), encoder)
    base = fill(of.family.build_base(sizes), 1).requires_grad_(False)
    base.get_submodule(of.last).weight *= 4
    adapter = of.family.build_adapter(sizes, of.context_layers)
    copy_base(adapter, base)
    tuned = Tuned(base, adapter)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    fixed = Validation(Cache(tmp_path / "examples"), Objective(), of.text(), size=1)
    (start,) = fixed.losses(tuned)
    targets, context = Cache(tmp_path / "examples").read(0)
    noise = torch.randn(targets.shape, generator=torch.Generator().manual_seed(0))
    prompt = of.text().encode("a disc")

    def losses_of(module, draw):
        noisy = (targets + noise)[None] / 2  # the noise and noise level of the validation
        velocity = module(noisy, torch.tensor([0.5]), [prompt], 16.0, context[None])
        return Objective().losses(velocity, (noise - targets)[None], torch.tensor([0.5]))

    schedule = Schedule(steps=STEPS, learning_rate=3e-3, warmup=20, average=0.0, weight_decay=0.0, save_every=STEPS)
    outcome = train(tuned, losses_of, schedule, folder=tmp_path / "run")
    tuned.load_state_dict(outcome.weights, strict=False)
    (end,) = fixed.losses(tuned)
    assert end < 0.01 * start
    assert all(torch.equal(value, before[name]) for name, value in base.state_dict().items())
    untouched = [name for name, p in adapter.named_parameters() if p.grad is None]
    assert untouched == []


def test_validation_asks_at_the_noise_levels_that_are_trained():
    class Asked(torch.nn.Linear):
        def forward(self, latents, sigmas, prompts, fps, context):
            levels.extend(sigmas.tolist())
            return latents

    items = [
        SimpleNamespace(task="text", number=n, prompts=[""], size=(1, 8, 8), references=0, fps=16) for n in range(4)
    ]
    cache = SimpleNamespace(items=items, read=lambda place: (torch.zeros(1, 1, 1, 1), None))
    for lowest, highest, first in ((0.0, 1.0, 0.125), (0.875, 1.0, 0.890625)):
        levels = []
        Validation(cache, Objective(lowest=lowest, highest=highest), tiny.LetterText(), size=1)(Asked(1, 1))
        assert levels == [first + n * (highest - lowest) / 4 for n in range(4)]
