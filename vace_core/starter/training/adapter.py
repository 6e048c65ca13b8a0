"""Trains the starter's Context Adapter on a frozen base: context adapter tuning, as the paper does it.

The context blocks start as copies of the base's blocks, the projections and the mask weights at zero, so that the
first step is the base itself. Single tasks come first, compositions join later.
Source: VACE, arXiv 2503.07598, section 3.3 and 4.1.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor, nn
from tqdm import tqdm

from ...adapter import Attachment, ContextAdapter
from ...context import encode_context
from ...files.safetensors_format import save
from ...models.wan.dit import WanDit, build_adapter, fold_masks
from ...models.wan.latents import LATENTS
from ...protocols import VideoVae
from ...training.flow import flow_loss, pad_prompts
from ...training.loop import LossAndFigures, Schedule, train
from ...training.precision import mixed_precision, seeded
from ..text import StarterText
from .base import BATCH, ENCODE_BATCH, SILENT
from .samples import Sample, draw_sample, draw_task, stack_units

CONTEXT_LAYERS = (0, 2, 4)
SCHEDULE = Schedule(steps=12000, learning_rate=1e-3, average=0.999, decay_from=0.4)
MOST_REFERENCES = 2
# Examples drawn before those alike are encoded together; they lie in memory, 4 MB each.
DRAWN = 256
COMPOSED = ("reference anything", "move anything", "animate anything", "swap anything", "expand anything", "mixed")
# Share of the training after which compositions are drawn.
COMPOSED_FROM = 0.25


@torch.no_grad()
def initialise(adapter: ContextAdapter, base: WanDit) -> None:
    """Makes the adapter a copy of the base that says nothing yet."""
    for block, layer in zip(adapter.context_blocks, adapter.context_layers, strict=True):
        block.load_state_dict(base.blocks[layer].state_dict())
    embedder = adapter.context_embedder
    assert isinstance(embedder, nn.Conv3d)
    embedder.weight.zero_()
    for half in range(2):
        embedder.weight[:, half * LATENTS.channels : (half + 1) * LATENTS.channels] = base.patch_embedding.weight
    assert embedder.bias is not None
    embedder.bias.zero_()
    for projection in (adapter.before_proj, *adapter.after_proj):
        projection.weight.zero_()  # type: ignore[union-attr,operator]
        projection.bias.zero_()  # type: ignore[union-attr,operator]


class SampleCache:
    """Context and target latents of many examples, encoded once, on disk."""

    def __init__(self, path: Path, vae: VideoVae, seeds: range) -> None:
        if not path.exists():
            self._encode(path, vae, seeds)
        with safe_open(path, "pt") as file:
            self.contexts, self.targets = file.get_tensor("contexts"), file.get_tensor("targets")
            counts: list[int] = file.get_tensor("references").tolist()
            self.prompts = file.metadata()["prompts"].split("\n")
        names = [draw_task(seed) for seed in seeds]
        # Examples by their number of references, first the single tasks alone, then all.
        self.single = _grouped(counts, [name not in COMPOSED for name in names])
        self.all = _grouped(counts, [True] * len(names))

    @staticmethod
    def _encode(path: Path, vae: VideoVae, seeds: range) -> None:
        longest = MOST_REFERENCES + 5
        contexts = torch.zeros(len(seeds), LATENTS.vace_in_channels, longest, 8, 8, dtype=torch.float16)
        targets = torch.zeros(len(seeds), LATENTS.channels, longest, 8, 8, dtype=torch.float16)
        counts, prompts = [], []
        for start in tqdm(range(0, len(seeds), DRAWN), desc="encoding examples", mininterval=5):
            samples = [draw_sample(draw_task(seed), seed) for seed in seeds[start : start + DRAWN]]
            for alike in _alike(samples):
                units = stack_units([samples[number].vcu for number in alike])
                clips = torch.cat([samples[number].clip.frames for number in alike])
                context = encode_context(units, vae, fold_masks).half()
                at = torch.tensor(alike) + start
                references, length = units.num_references, context.shape[2]
                contexts[at, :, :length] = context
                # The target of a reference is the reference itself, which is its inactive half.
                targets[at, :, :references] = context[:, : LATENTS.channels, :references]
                targets[at, :, references:length] = vae.encode(clips).half()
            counts += [sample.vcu.num_references for sample in samples]
            prompts += [sample.vcu.prompt for sample in samples]
        tensors = {"contexts": contexts, "targets": targets, "references": torch.tensor(counts)}
        save(path, tensors, {"prompts": "\n".join(prompts)})

    def batch(self, step: int, *, composed: bool) -> tuple[Tensor, Tensor, list[str]]:
        """Target latents, context latents and prompts of one step; all have as many references."""
        rng = random.Random(step)
        groups = self.all if composed else self.single
        references = rng.choices(list(groups), weights=[len(group) for group in groups.values()])[0]
        chosen = rng.choices(groups[references], k=BATCH)
        length = references + 5
        prompts = ["" if rng.random() < SILENT else self.prompts[number] for number in chosen]
        return self.targets[chosen, :, :length].float(), self.contexts[chosen, :, :length].float(), prompts


def _alike(samples: Sequence[Sample]) -> Iterator[list[int]]:
    """Numbers of samples whose units can be stacked, a batch at a time."""
    groups: dict[tuple[bool, bool, int], list[int]] = {}
    for number, sample in enumerate(samples):
        unit = sample.vcu
        groups.setdefault((unit.source is None, unit.control is None, unit.num_references), []).append(number)
    for group in groups.values():
        for start in range(0, len(group), ENCODE_BATCH):
            yield group[start : start + ENCODE_BATCH]


def _grouped(counts: list[int], wanted: list[bool]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = {}
    for number, (count, want) in enumerate(zip(counts, wanted, strict=True)):
        if want:
            groups.setdefault(count, []).append(number)
    return groups


def train_adapter(
    base: WanDit, cache: SampleCache, checkpoint: Path, schedule: Schedule = SCHEDULE, *, seed: int = 0
) -> ContextAdapter:
    """Trains an adapter for `base`, which stays as it is, and returns it with averaged weights."""
    base.requires_grad_(False)
    with seeded(seed):
        adapter = build_adapter(base.sizes, CONTEXT_LAYERS)
    initialise(adapter, base)
    encoder = StarterText()

    def loss_of(step: int) -> LossAndFigures:
        targets, contexts, prompts = cache.batch(step, composed=step >= COMPOSED_FROM * schedule.steps)
        text = base.prepare_text(pad_prompts([encoder.encode(prompt) for prompt in prompts]))
        with mixed_precision():
            attachment = Attachment(adapter=adapter, context=adapter.embed(contexts).float())
        loss = flow_loss(base, targets, text, torch.Generator().manual_seed(step), [attachment])
        return loss, {"loss": float(loss.detach())}

    adapter.load_state_dict(train(adapter, loss_of, schedule, checkpoint=checkpoint), strict=False)
    return adapter
