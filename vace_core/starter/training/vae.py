"""Trains the starter's VAE: a Wan VAE of small width, on clips of the synthetic world and what tasks make of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...media.video import to_uint8
from ...models.wan.latents import LATENTS
from ...models.wan.vae import (
    CausalConv3d,
    ChannelNorm,
    Downsample,
    FrameAttention,
    ResidualBlock,
    Upsample,
    WanVaeNetwork,
)
from ...models.wan.vae_stream import channels_last
from ...training.engine import Draw, train
from ...training.precision import mixed_precision, seeded
from ...training.schedule import Schedule
from ...training.tables import plain
from ..world import random_clip
from .samples import HELD_OUT, draw_sample, draw_task

DrawClip = Callable[[int], Tensor]
"""Seed → clip `(T, H, W, 3)` uint8."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of the training.

    Attributes:
        schedule: How long and how fast.
        crops: Frames, side in pixels and clips of a crop, with how often it is drawn. Small crops learn faster per
            second, whole clips teach the borders and the attention.
    """

    schedule: Schedule
    crops: tuple[tuple[int, int, int, float], ...]


# The second starts from the averaged weights of the first and brought 0.4 dB.
STAGES = (
    Stage(
        schedule=Schedule(steps=12000, learning_rate=8e-4, average=0.995, decay_from=0.05),
        crops=((5, 32, 8, 0.25), (9, 48, 4, 0.55), (17, 64, 1, 0.2)),
    ),
    Stage(
        schedule=Schedule(steps=4500, learning_rate=5e-4, average=0.997, decay_from=0.05, warmup=100),
        crops=((5, 32, 8, 0.15), (9, 48, 4, 0.5), (17, 64, 1, 0.35)),
    ),
)
WIDTH = 16
KL_WEIGHT = 1e-4
# How often a training clip is a plain scene; otherwise it is what an adapter's condition looks like.
PLAIN = 0.6
# Colour differences are small beside those of brightness, and without a weight of their own are learned last.
CHROMA_WEIGHT = 2.0


@torch.no_grad()
def initialise(network: WanVaeNetwork, seed: int = 0) -> None:
    """Starts the network as a chain of local averages that carries the picture through from the first step.

    With torch's default initialisation this depth of unnormalised convolutions sits at the mean picture for
    hundreds of steps.
    """
    generator = torch.Generator().manual_seed(seed)

    def randomise(weight: Tensor, gain: float = 1.0) -> None:
        weight.copy_(torch.randn(weight.shape, generator=generator) * gain / weight[0].numel() ** 0.5)

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            randomise(module.weight)
            module.bias.zero_()  # type: ignore[union-attr]
        if isinstance(module, CausalConv3d) and module.kernel_size[0] == 3:
            # Only the present at first: the past is learned.
            module.weight[:, :, :-1] *= 0.1
            module.weight[:, :, -1] *= 3**0.5
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            module.residual["6"].weight *= 0.3  # type: ignore[operator]
        elif isinstance(module, FrameAttention):
            module.proj.weight.zero_()
        elif isinstance(module, Downsample):
            conv = module.resample[1]
            conv.weight *= 0.3  # type: ignore[operator]
            conv.weight[:, :, :2, :2] += torch.eye(len(conv.weight))[:, :, None, None] / 4  # type: ignore[index,arg-type,operator]
            if module.time_conv is not None:
                _pass_on(module.time_conv, 1, keep=0.3)
        elif isinstance(module, Upsample):
            if module.time_conv is not None:
                _pass_on(module.time_conv, 2, keep=0.3)
        elif isinstance(module, ChannelNorm):
            module.gamma.fill_(1.0)
    network.conv1.bias[network.latent_channels :] = -5.0  # type: ignore[index]


def _pass_on(conv: CausalConv3d, copies: int, *, keep: float) -> None:
    """Makes a temporal convolution hand its newest frame on, `copies` times, plus a little of what it was."""
    channels = conv.weight.shape[1]
    conv.weight *= keep
    conv.weight[:, :, -1, 0, 0] += torch.eye(channels).repeat(copies, 1)


def draw_clip(seed: int) -> Tensor:
    """`(17, 64, 64, 3)` uint8: a scene, or what a task makes of one."""
    plain = random.Random(seed).random() < PLAIN
    return to_uint8(random_clip(seed).frames) if plain else draw_condition(seed)


def draw_condition(seed: int) -> Tensor:
    """`(17, 64, 64, 3)` uint8: what a task shows the model: control, hole, either half of both, a still reference."""
    rng = random.Random(f"condition {seed}")
    unit = draw_sample(draw_task(seed), seed).vcu
    if unit.references and rng.random() < 0.7:
        return to_uint8(unit.references[0].expand(-1, -1, unit.num_frames, -1, -1))
    return to_uint8(rng.choice((unit.frames, *unit.decouple())))


@torch.no_grad()
def fold_statistics(network: WanVaeNetwork, clips: Iterable[Tensor]) -> None:
    """Makes the latents of `clips` have the mean and deviation that Wan's constants promise, channel by channel.

    Whoever normalises with those constants, here or elsewhere, then gets latents of mean 0 and deviation 1. Both sides
    of the latents are convolutions of size 1, which take a change of scale exactly.

    Args:
        clips: Each `(T, H, W, 3)` uint8.
    """
    means = [network.encode(as_frames(clip)[None], {})[0].flatten(2) for clip in clips]
    raw = torch.cat(means, dim=2)[0]
    mean, deviation = raw.mean(dim=1), raw.std(dim=1)
    wanted_mean, wanted_deviation = torch.tensor(LATENTS.latents_mean), torch.tensor(LATENTS.latents_std)
    gain = wanted_deviation / deviation
    count = len(gain)
    assert network.conv1.bias is not None
    assert network.conv2.bias is not None
    network.conv1.weight[:count] *= gain.view(-1, 1, 1, 1, 1)
    network.conv1.bias[:count] = (network.conv1.bias[:count] - mean) * gain + wanted_mean
    network.conv1.bias[count:] += 2 * gain.log()
    back = mean - wanted_mean / gain
    network.conv2.bias += network.conv2.weight[:, :, 0, 0, 0] @ back
    network.conv2.weight /= gain.view(1, -1, 1, 1, 1)


def draw_crops(draw: DrawClip, crops: Sequence[tuple[int, int, int, float]], seed: int) -> Tensor:
    """Random crops of drawn clips as frames `(B, 3, T, H, W)`; one seed, one batch. Smaller clips are drawn anew."""
    rng = random.Random(f"crops {seed}")
    length, side, count, _ = rng.choices(crops, weights=[crop[3] for crop in crops])[0]
    cut: list[Tensor] = []
    while len(cut) < count:
        clip = draw(rng.randrange(HELD_OUT))
        spare = [have - want for have, want in zip(clip.shape, (length, side, side), strict=False)]
        if min(spare) >= 0:
            t, y, x = (rng.randint(0, most) for most in spare)
            cut.append(as_frames(clip[t : t + length, y : y + side, x : x + side]))
    return torch.stack(cut).contiguous(memory_format=torch.channels_last_3d)


def as_frames(clip: Tensor) -> Tensor:
    """`(T, H, W, 3)` uint8 as `(3, T, H, W)` in −1..1."""
    return clip.permute(3, 0, 1, 2).float() / 127.5 - 1


def _chroma(frames: Tensor) -> Tensor:
    return frames - frames.mean(dim=1, keepdim=True)


@torch.no_grad()
def reconstruction(network: WanVaeNetwork, clips: Sequence[Tensor]) -> float:
    """Decibels between `clips`, each `(T, H, W, 3)` uint8, and what comes back of them through the VAE."""
    errors: list[Tensor] = []
    for clip in clips:
        frames = as_frames(clip)[None].contiguous(memory_format=torch.channels_last_3d)
        with mixed_precision(frames.device):
            mean, _ = network.encode(frames, {})
            errors.append((network.decode(mean, {}).float().clamp(-1, 1) - frames).square().flatten())
    return float(10 * torch.log10(4 / torch.cat(errors).mean()))


class AutoEncoder(nn.Module):
    """A VAE's way from frames to frames as one call, and how far its latents are from a standard normal."""

    def __init__(self, network: WanVaeNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Frames `(B, 3, T, H, W)` as they come back, and the divergence of the latents."""
        with mixed_precision(frames.device):
            mean, log_variance = self.network.encode(frames, {})
            mean, log_variance = mean.float(), log_variance.float().clamp(-20, 10)
            spread = torch.randn(mean.shape, generator=noise).to(mean.device)
            got = self.network.decode(mean + spread * (0.5 * log_variance).exp(), {}).float()
        return got, 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).mean()


def train_vae(
    draw: DrawClip,
    held_out: Mapping[str, Sequence[Tensor]],
    folder: Path,
    stages: Sequence[Stage] = STAGES,
    *,
    seed: int = 0,
    processes: Any = None,
    stop_after: float | None = None,
) -> WanVaeNetwork | None:
    """Trains on crops of clips, and returns the network with averaged weights; None if it was stopped before its end.

    Args:
        draw: Makes the clips; its seeds are below `HELD_OUT`.
        held_out: Sets of clips `(T, H, W, 3)` uint8, whose reconstruction is logged in decibels.
        folder: Where the run is saved, and resumed from; each stage adds its number to the name.
        stages: Parts of the training, one after the other.
        seed: Of the first weights, and of what is drawn.
        processes: As for `engine.train`.
        stop_after: As for `engine.train`.
    """
    with seeded(seed):
        network = WanVaeNetwork(width=WIDTH, blocks=1)
    initialise(network, seed)
    channels_last(network)
    whole = AutoEncoder(network)

    def validate(_: nn.Module) -> dict[str, float]:
        return {name: reconstruction(network, clips) for name, clips in held_out.items()}

    done = 0
    for number, stage in enumerate(stages, start=1):

        def losses_of(module: nn.Module, which: Draw, stage: Stage = stage, done: int = done) -> Tensor:
            drawn = seed + done + which.number
            frames = draw_crops(draw, stage.crops, drawn)
            got, divergence = module(frames, torch.Generator().manual_seed(drawn))
            loss = _unlikeness(got, frames)
            return (loss + KL_WEIGHT * min((done + which.step) / 1000, 1.0) * divergence)[None]

        outcome = train(
            whole,
            losses_of,
            stage.schedule,
            folder=folder.with_name(f"{folder.name}-{number}"),
            recipe={"stage": plain(stage), "seed": seed},
            names_of=lambda which: [f"the crops of step {which.step + 1}"],
            validate=validate if held_out else None,
            processes=processes,
            stop_after=stop_after,
        )
        if not outcome.finished:
            return None
        whole.load_state_dict(outcome.weights, strict=False)
        done += stage.schedule.steps
    return network


def _unlikeness(got: Tensor, frames: Tensor) -> Tensor:
    """How far frames are from those they were made of: in every pixel, and in colour once more."""
    loss = F.l1_loss(got, frames) + 2 * F.mse_loss(got, frames)
    return loss + CHROMA_WEIGHT * F.mse_loss(_chroma(got), _chroma(frames))
