"""Trains the starter's base: a small Wan text-to-video model on clips of the synthetic world."""

from __future__ import annotations

import random
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from tqdm import tqdm

from ...files.safetensors_format import save
from ...models.wan.dit import WanDit, WanSizes
from ...protocols import VideoVae
from ...training.flow import flow_loss, pad_prompts
from ...training.loop import LossAndFigures, Schedule, train
from ...training.precision import seeded
from ..text import StarterText
from ..world import random_clip, random_scene

SIZES = WanSizes(width=256, ffn=768, layers=6)
SCHEDULE = Schedule(steps=10000, learning_rate=1e-3, average=0.999, decay_from=0.4)
BATCH = 32
MOST_REFERENCES = 2
ENCODE_BATCH = 16  # small frames keep a processor busy only in numbers
# How often a prompt says nothing, or leaves out what the objects look like.
SILENT, OBJECTLESS = 0.1, 0.15


@torch.no_grad()
def initialise(base: WanDit, seed: int = 0) -> None:
    """Starts the base with quiet branches and a head that says nothing, as diffusion transformers like it."""
    generator = torch.Generator().manual_seed(seed)
    for module in base.modules():
        if isinstance(module, nn.Linear | nn.Conv3d):  # the patch embedding is a linear map of each patch
            outputs, inputs = module.weight.flatten(1).shape
            bound = (6 / (outputs + inputs)) ** 0.5
            module.weight.copy_((torch.rand(module.weight.shape, generator=generator) * 2 - 1) * bound)
            module.bias.zero_()  # type: ignore[union-attr]
    used = base.text_embedding[0].weight  # type: ignore[union-attr]
    used.copy_(torch.randn(used.shape, generator=generator) * 0.1)  # type: ignore[union-attr,arg-type]
    base.time_projection[1].weight.mul_(0.1)  # type: ignore[union-attr,operator]
    base.head.head.weight.zero_()
    for block in base.blocks:
        block.modulation[:, [2, 5]] = 0.3  # type: ignore[index,operator]


class ClipCache:
    """Latents of many clips with their references, encoded once, on disk."""

    def __init__(self, path: Path, vae: VideoVae, seeds: range) -> None:
        if not path.exists():
            self._encode(path, vae, seeds)
        with safe_open(path, "pt") as file:
            self.clips = file.get_tensor("clips")
            self.references = file.get_tensor("references")
            self.counts = file.get_tensor("counts").tolist()
        scenes = [random_scene(seed) for seed in seeds]
        self.captions = [scene.caption for scene in scenes]
        self.objectless = [scene.object_words for scene in scenes]

    @staticmethod
    def _encode(path: Path, vae: VideoVae, seeds: range) -> None:
        clips: list[Tensor] = []
        references = torch.zeros(len(seeds), MOST_REFERENCES, vae.latent_channels, 8, 8, dtype=torch.float16)
        counts: list[int] = []
        for start in tqdm(range(0, len(seeds), ENCODE_BATCH), desc="encoding clips", mininterval=5):
            batch = [random_clip(seed) for seed in seeds[start : start + ENCODE_BATCH]]
            clips.append(vae.encode(torch.cat([clip.frames for clip in batch])).half())
            pictures = {
                (start + number, place): picture
                for number, clip in enumerate(batch)
                for place, picture in enumerate(clip.references[:MOST_REFERENCES])
            }
            if pictures:
                encoded = vae.encode(torch.cat(list(pictures.values())))[:, :, 0].half()
                for at, latents in zip(pictures, encoded, strict=True):
                    references[at] = latents
            counts += [min(len(clip.references), MOST_REFERENCES) for clip in batch]
        tensors = {"clips": torch.cat(clips).contiguous(), "references": references, "counts": torch.tensor(counts)}
        save(path, tensors)

    def batch(self, step: int) -> tuple[Tensor, list[str]]:
        """Clean latents `(B, 16, R+t, 8, 8)` and prompts for one step; all clips of a batch have as many references."""
        rng = random.Random(step)
        wanted = min(rng.choices((0, 1, 2), weights=(0.7, 0.2, 0.1))[0], max(self.counts))
        able = [number for number, count in enumerate(self.counts) if count >= wanted]
        chosen = rng.sample(able, BATCH) if len(able) >= BATCH else rng.choices(able, k=BATCH)
        video = self.clips[chosen].float()
        pictures = self.references[chosen, :wanted].float().transpose(1, 2)
        return torch.cat([pictures, video], dim=2), [self._prompt(number, rng) for number in chosen]

    def _prompt(self, number: int, rng: random.Random) -> str:
        draw = rng.random()
        if draw < SILENT:
            return ""
        return self.objectless[number] if draw < SILENT + OBJECTLESS else self.captions[number]


def train_base(cache: ClipCache, checkpoint: Path, schedule: Schedule = SCHEDULE, *, seed: int = 0) -> WanDit:
    """Trains on cached clips and returns the base with averaged weights.

    A part of the batches has references in front, so that the base has seen what leading pictures look like.
    """
    with seeded(seed):
        base = WanDit(SIZES)
    initialise(base, seed)
    encoder = StarterText()

    def loss_of(step: int) -> LossAndFigures:
        latents, prompts = cache.batch(step)
        text = base.prepare_text(pad_prompts([encoder.encode(prompt) for prompt in prompts]))
        loss = flow_loss(base, latents, text, torch.Generator().manual_seed(step))
        return loss, {"loss": float(loss.detach())}

    base.load_state_dict(train(base, loss_of, schedule, checkpoint=checkpoint), strict=False)
    return base
