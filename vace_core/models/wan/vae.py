"""The video VAE of Wan 2.1: 4×8×8 pixels become one latent cell of 16 channels, causally in time.

One set of modules serves three uses. A whole clip in one call (training), a clip streamed chunk by chunk (`memory`
carries what each causal convolution saw last), and a window of a clip (`wan_vae_windows`). All three give the same
numbers, because nothing but the attention in the middle looks further than a few cells.

Source: Wan-Video/Wan2.1, wan/modules/vae.py; names and shapes of the weights are those of its checkpoints.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from .latents import LATENTS

# What each causal layer saw last, by layer. A fresh dictionary starts a clip.
Memory = dict[nn.Module, Tensor | None]

MULTIPLIERS = (1, 2, 4, 4)
HISTORY = 2  # frames of the past that a causal convolution of kernel 3 needs
SLOW = 20480  # features x frames x rows of a clip that torch convolves without oneDNN, up to so many


@dataclass(frozen=True, kw_only=True)
class VaeSizes:
    """Everything that differs between Wan VAEs of one architecture.

    Attributes:
        width: Features at full size. Wan 2.1: 96.
        blocks: Residual blocks in each level of the encoder. Wan 2.1: 2.
    """

    width: int = 96
    blocks: int = 2


class CausalConv3d(nn.Conv3d):
    """A convolution that looks at the present and two past frames, never at the future."""

    def __init__(self, inputs: int, outputs: int, kernel: int | tuple[int, int, int], stride: int = 1) -> None:
        size = (kernel, kernel, kernel) if isinstance(kernel, int) else kernel
        super().__init__(inputs, outputs, size, stride=(stride, 1, 1), padding=(0, size[1] // 2, size[2] // 2))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:  # type: ignore[override]
        if self.kernel_size[0] == 1:
            return super().forward(x)
        past = memory.get(self)
        if past is None:
            if x.shape[2] == 1 and self.stride[0] == 1:
                memory[self] = F.pad(x, (0, 0, 0, 0, 1, 0))
                return self._still(x)
            past = _zeros_before(x)
        x = torch.cat([past, x], dim=2)
        # A copy: a view would keep the whole input alive until the next chunk.
        past = memory[self] = x[:, :, -HISTORY:].clone()
        return self._by_frames(x) if self._is_slow(x) else super().forward(x)

    def _is_slow(self, x: Tensor) -> bool:
        """Whether torch would take its slow way on a CPU, which unfolds all of `x`: a single clip of few features.

        Other devices convolve it in the same way, so that all give the same values.
        """
        small = x.shape[0] == 1 and x.shape[1] * x.shape[2] * x.shape[3] <= SLOW
        return small and x.dtype == torch.float32 and self.kernel_size == (3, 3, 3)

    def _by_frames(self, x: Tensor) -> Tensor:
        """The same as images: the three frames that each new frame looks at are features of one image."""
        three = torch.cat([x[:, :, :-2], x[:, :, 1:-1], x[:, :, 2:]], dim=1)
        y = F.conv2d(three[0].transpose(0, 1), self.weight.transpose(1, 2).flatten(1, 2), self.bias, padding=1)
        return y.transpose(0, 1)[None]

    def _still(self, x: Tensor) -> Tensor:
        """The first frame of a clip: its past is zero, so one of the three temporal taps does all the work."""
        height, width = self.padding[1:]
        y = F.conv2d(x.squeeze(2), self.weight[:, :, -1], self.bias, padding=(int(height), int(width)))
        return y.unsqueeze(2)


def _zeros_before(x: Tensor) -> Tensor:
    """The past of a clip that begins with `x`, laid out as `x` is: otherwise joining the two copies both."""
    batch, channels, _, height, width = x.shape
    if x.is_contiguous(memory_format=torch.channels_last_3d):
        return x.new_zeros(batch, HISTORY, height, width, channels).permute(0, 4, 1, 2, 3)
    return x.new_zeros(batch, channels, HISTORY, height, width)


class ChannelNorm(nn.Module):
    """Scales every position to unit root mean square over its channels, times a learned weight."""

    def __init__(self, channels: int, dims: int = 3) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels, *(1,) * dims))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=1) * (self.gamma * x.shape[1] ** 0.5)


class NormSilu(ChannelNorm):
    """`ChannelNorm` followed by SiLU: the two always come together, and fuse when compiled."""

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(super().forward(x))


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        # Indices 1, 4 (SiLU) and 5 (dropout) of the checkpoint hold no weights.
        self.residual = nn.ModuleDict(
            {
                "0": NormSilu(inputs),
                "2": CausalConv3d(inputs, outputs, 3),
                "3": NormSilu(outputs),
                "6": CausalConv3d(outputs, outputs, 3),
            }
        )
        self.shortcut = CausalConv3d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        # One statement a layer, so that what a layer read is freed before the next one runs.
        y = self.residual["0"](x)
        y = self.residual["2"](y, memory)
        y = self.residual["3"](y)
        y = self.residual["6"](y, memory)
        return y + (x if self.shortcut is None else self.shortcut(x, memory))


class FrameAttention(nn.Module):
    """Every cell of a frame attends to every other cell of the same frame."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels, dims=2)
        self.to_qkv = nn.Conv2d(channels, channels * 3, 1)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        b, _, _, h, _ = x.shape
        qkv = self.to_qkv(self.norm(rearrange(x, "b c t h w -> (b t) c h w")))
        q, k, v = rearrange(qkv, "n (three c) h w -> three n 1 (h w) c", three=3)
        y = rearrange(F.scaled_dot_product_attention(q, k, v), "n 1 (h w) c -> n c h w", h=h)
        return x + rearrange(self.proj(y), "(b t) c h w -> b c t h w", b=b)


def _each_frame(module: nn.Module, x: Tensor) -> Tensor:
    """Applies a 2-D module to every frame of `(B, C, T, H, W)`."""
    return rearrange(module(rearrange(x, "b c t h w -> (b t) c h w")), "(b t) c h w -> b c t h w", b=len(x))


class Downsample(nn.Module):
    """Halves height and width; with `in_time` also the frames after the clip's first."""

    def __init__(self, channels: int, *, in_time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(channels, channels, 3, stride=2))
        self.time_conv = CausalConv3d(channels, channels, (3, 1, 1), stride=2) if in_time else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        x = _each_frame(self.resample, x)
        return x if self.time_conv is None else self._halve(x, self.time_conv, memory)

    @staticmethod
    def _halve(x: Tensor, conv: CausalConv3d, memory: Memory) -> Tensor:
        # The clip's first frame passes as it is; every later output sees one frame before its pair.
        last = memory.get(conv)
        memory[conv] = x[:, :, -1:].clone()
        if last is not None:
            return F.conv3d(torch.cat([last, x], dim=2), conv.weight, conv.bias, conv.stride)
        if x.shape[2] == 1:
            return x
        return torch.cat([x[:, :, :1], F.conv3d(x, conv.weight, conv.bias, conv.stride)], dim=2)


class Upsample(nn.Module):
    """Doubles height and width and halves the channels; with `in_time` also doubles the frames after the first."""

    def __init__(self, channels: int, *, in_time: bool) -> None:
        super().__init__()
        self.resample = nn.Sequential(
            nn.Upsample(scale_factor=2.0, mode="nearest-exact"), nn.Conv2d(channels, channels // 2, 3, padding=1)
        )
        self.time_conv = CausalConv3d(channels, channels * 2, (3, 1, 1)) if in_time else None

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        return _each_frame(self.resample, x if self.time_conv is None else self._double(x, self.time_conv, memory))

    @staticmethod
    def _double(x: Tensor, conv: CausalConv3d, memory: Memory) -> Tensor:
        parts: list[Tensor] = []
        if conv not in memory:
            # The first latent frame stays one frame, and this convolution never sees it.
            memory[conv] = None
            parts, x = [x[:, :, :1]], x[:, :, 1:]
        if x.shape[2]:
            past = memory[conv]
            past = x.new_zeros(*x.shape[:2], HISTORY, *x.shape[3:]) if past is None else past
            x = torch.cat([past, x], dim=2)
            memory[conv] = x[:, :, -HISTORY:].clone()
            pairs = F.conv3d(x, conv.weight, conv.bias).unflatten(1, (2, -1))
            parts.append(torch.stack(pairs.unbind(1), dim=3).flatten(2, 3))
        return torch.cat(parts, dim=2) if len(parts) > 1 else parts[0]


class Encoder(nn.Module):
    """Frames `(B, 3, T, H, W)` to features `(B, 2·latent_channels, t, h, w)`."""

    def __init__(self, width: int, latent_channels: int, blocks: int = 2) -> None:
        super().__init__()
        self.conv1 = CausalConv3d(3, width, 3)
        layers: list[nn.Module] = []
        channels = width
        for level, multiplier in enumerate(MULTIPLIERS):
            for _ in range(blocks):
                layers.append(ResidualBlock(channels, width * multiplier))
                channels = width * multiplier
            if level < 3:
                layers.append(Downsample(channels, in_time=level > 0))
        self.downsamples = nn.ModuleList(layers)
        self.middle = nn.ModuleList(
            [ResidualBlock(channels, channels), FrameAttention(channels), ResidualBlock(channels, channels)]
        )
        self.head = nn.ModuleDict({"0": NormSilu(channels), "2": CausalConv3d(channels, latent_channels * 2, 3)})
        # The layers up to each halving, which see only a few cells around, and the rest, which sees the whole frame.
        per_level = blocks + 1
        self.local_stages: list[list[nn.Module]] = [
            [*([self.conv1] if level == 0 else []), *layers[level * per_level : (level + 1) * per_level]]
            for level in range(3)
        ]
        self.global_stage: list[nn.Module] = [*layers[3 * per_level :], *self.middle]

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        for stage in self.local_stages:
            x = run_layers(stage, x, memory)
        return self.finish(x, memory)

    def finish(self, x: Tensor, memory: Memory) -> Tensor:
        """The layers after the last halving: `(B, C, t, h, w)` of the whole frame."""
        x = run_layers(self.global_stage, x, memory)
        return self.head["2"](self.head["0"](x), memory)


class Decoder(nn.Module):
    """Features `(B, latent_channels, t, h, w)` to frames `(B, 3, T, H, W)`."""

    def __init__(self, width: int, latent_channels: int, blocks: int = 2) -> None:
        super().__init__()
        channels = width * MULTIPLIERS[-1]
        self.conv1 = CausalConv3d(latent_channels, channels, 3)
        self.middle = nn.ModuleList(
            [ResidualBlock(channels, channels), FrameAttention(channels), ResidualBlock(channels, channels)]
        )
        layers: list[nn.Module] = []
        for level, multiplier in enumerate(reversed(MULTIPLIERS)):
            for _ in range(blocks + 1):
                layers.append(ResidualBlock(channels, width * multiplier))
                channels = width * multiplier
            if level < 3:
                layers.append(Upsample(channels, in_time=level < 2))
                channels //= 2
        self.upsamples = nn.ModuleList(layers)
        self.head = nn.ModuleDict({"0": NormSilu(channels), "2": CausalConv3d(channels, 3, 3)})
        per_level = blocks + 2
        self.local_stages: list[list[nn.Module]] = [
            layers[level * per_level : (level + 1) * per_level] for level in range(4)
        ]

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        x = self.start(x, memory)
        for stage in self.local_stages:
            x = run_layers(stage, x, memory)
        return self.finish(x, memory)

    def start(self, x: Tensor, memory: Memory) -> Tensor:
        """The layers that see the whole frame, before the first doubling."""
        return run_layers([self.conv1, *self.middle], x, memory)

    def finish(self, x: Tensor, memory: Memory) -> Tensor:
        return self.head["2"](self.head["0"](x), memory)


def run_layers(layers: list[nn.Module], x: Tensor, memory: Memory) -> Tensor:
    """Sends `x` through layers that share one `memory`."""
    for layer in layers:
        x = layer(x, memory)
    return x


class WanVaeNetwork(nn.Module):
    """The weights, and one call each way on raw (not normalised) latents. `WanVae` is what the pipeline uses."""

    def __init__(self, *, width: int = 96, latent_channels: int = LATENTS.channels, blocks: int = 2) -> None:
        super().__init__()
        self.width, self.latent_channels = width, latent_channels
        self.encoder = Encoder(width, latent_channels, blocks)
        self.conv1 = CausalConv3d(latent_channels * 2, latent_channels * 2, 1)
        self.conv2 = CausalConv3d(latent_channels, latent_channels, 1)
        self.decoder = Decoder(width, latent_channels, blocks)

    def encode(self, frames: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the latents, each `(B, 16, t, h, w)`."""
        mean, log_variance = self.conv1(self.encoder(frames, memory), memory).chunk(2, dim=1)
        return mean, log_variance

    def decode(self, latents: Tensor, memory: Memory) -> Tensor:
        """Frames `(B, 3, T, H, W)`, not clamped."""
        return self.decoder(self.conv2(latents, memory), memory)
