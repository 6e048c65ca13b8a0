"""Trains the starter's VAE: a Wan VAE of small width, on pieces of a world's clips and of what tasks make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

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
from ..scenes.crops import Crops

DrawCrops = Callable[[Sequence[Crops], int], Tensor]
"""Sizes of pieces and a seed → the pieces of one step as frames `(B, 3, T, H, W)` in −1..1; one seed, one batch."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One part of the training.

    Attributes:
        schedule: How long and how fast.
        crops: Sizes of the pieces that a step learns from. Small ones learn faster per second, whole clips teach the
            borders and the attention.
    """

    schedule: Schedule
    crops: tuple[Crops, ...]


KL_WEIGHT = 1e-4
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


def as_frames(clip: Tensor) -> Tensor:
    """`(T, H, W, 3)` uint8 as `(3, T, H, W)` in −1..1."""
    return clip.permute(3, 0, 1, 2).float() / 127.5 - 1


def _chroma(frames: Tensor) -> Tensor:
    return frames - frames.mean(dim=1, keepdim=True)


@torch.no_grad()
def reconstruction(network: WanVaeNetwork, clips: Sequence[Tensor]) -> float:
    """Decibels between `clips`, each `(T, H, W, 3)` uint8 of one size, and what comes back of them through the VAE."""
    frames = torch.stack([as_frames(clip) for clip in clips]).contiguous(memory_format=torch.channels_last_3d)
    with mixed_precision(frames.device):
        mean, _ = network.encode(frames, {})
        got = network.decode(mean, {}).float().clamp(-1, 1)
    return float(10 * torch.log10(4 / (got - frames).square().mean()))


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
    draw: DrawCrops,
    held_out: Mapping[str, Sequence[Tensor]],
    folder: Path,
    stages: Sequence[Stage],
    *,
    width: int,
    seed: int = 0,
    processes: Any = None,
    stop_after: float | None = None,
) -> WanVaeNetwork | None:
    """Trains on crops of clips, and returns the network with averaged weights; None if it was stopped before its end.

    Args:
        draw: Makes the pieces.
        held_out: Sets of clips `(T, H, W, 3)` uint8, whose reconstruction is logged in decibels.
        folder: Where the run is saved, and resumed from; each stage adds its number to the name.
        stages: Parts of the training, one after the other; each starts from the averaged weights of the one before.
        width: Of the network; Wan's own has 96.
        seed: Of the first weights, and of what is drawn.
        processes: As for `engine.train`.
        stop_after: As for `engine.train`.
    """
    with seeded(seed):
        network = WanVaeNetwork(width=width, blocks=1)
    initialise(network, seed)
    channels_last(network)
    whole = AutoEncoder(network)

    def validate(_: nn.Module) -> dict[str, float]:
        return {name: reconstruction(network, clips) for name, clips in held_out.items()}

    done = 0
    for number, stage in enumerate(stages, start=1):

        def losses_of(module: nn.Module, which: Draw, stage: Stage = stage, done: int = done) -> Tensor:
            drawn = seed + done + which.number
            frames = draw(stage.crops, drawn)
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
