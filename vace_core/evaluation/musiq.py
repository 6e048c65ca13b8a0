"""MUSIQ, which rates the technical quality of a picture, 0..100, from patches of it at three sizes.

The network is that of the paper (arXiv 2108.05997); sizes, names of weights and bicubic resizing are those with which
VBench measures.
Source: google-research/google-research (Apache-2.0), musiq/model.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .backbones import Embed, filled, state_of

PATCH, GRID, SCALES = 32, 10, (224, 384)  # pixels of a patch, places of a side, longer sides beside the picture's own
TOKEN = 64  # channels of the stem


class _StandardConv(nn.Conv2d):
    """A convolution of standardised weights, padded so that every stride begins a cell."""

    def forward(self, input: Tensor) -> Tensor:
        axes = (1, 2, 3)
        weight = self.weight - self.weight.mean(axes, keepdim=True)
        weight = weight / (weight.std(axes, keepdim=True) + 1e-5)
        kernel, stride = self.kernel_size[0], self.stride[0]
        return functional.conv2d(_same(input, kernel, stride), weight, None, stride)


class _Bottleneck(nn.Module):
    def __init__(self, width: int, wide: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = _conv(width, width, 1), _conv(width, width, 3)
        self.conv3, self.conv_proj = _conv(width, wide, 1), _conv(width, wide, 1)
        self.gn1, self.gn2 = (nn.GroupNorm(32, width, eps=1e-4) for _ in range(2))
        self.gn3, self.gn_proj = (nn.GroupNorm(32, wide, eps=1e-4) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.gn1(self.conv1(x)))
        y = functional.relu(self.gn2(self.conv2(y)))
        return functional.relu(self.gn3(self.conv3(y)) + self.gn_proj(self.conv_proj(x)))


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        parts = [one(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for one in (self.query, self.key, self.value)]
        return self.out(functional.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(2))


class _Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, hidden), nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(functional.gelu(self.fc1(x)))


class _Block(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention, self.mlp = _Attention(width, heads), _Mlp(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Table(nn.Module):
    """Learned rows, under the name that the weights have."""

    def __init__(self, name: str, *shape: int) -> None:
        super().__init__()
        self.register_parameter(name, nn.Parameter(torch.zeros(*shape)))

    def rows(self) -> Tensor:
        return next(self.parameters()).flatten(0, -2)


class _Encoder(nn.Module):
    def __init__(self, width: int, hidden: int, heads: int, layers: int) -> None:
        super().__init__()
        self.posembed_input = _Table("position_emb", 1, GRID * GRID, width)
        self.scaleembed_input = _Table("scale_emb", len(SCALES) + 1, width)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.transformer = nn.ModuleDict(
            {f"encoderblock_{number}": _Block(width, hidden, heads) for number in range(layers)}
        )

    def forward(self, x: Tensor, places: Tensor, scales: Tensor) -> Tensor:
        x = x + self.posembed_input.rows()[places] + self.scaleembed_input.rows()[scales]
        x = torch.cat([self.cls, x[None]], dim=1)
        for block in self.transformer.values():
            x = block(x)
        return self.encoder_norm(x)[0, 0]


class Musiq(nn.Module):
    """The network, under the names of the weights that VBench uses."""

    def __init__(self, *, width: int = 384, hidden: int = 1152, heads: int = 6, layers: int = 14) -> None:
        super().__init__()
        self.conv_root, self.gn_root = _conv(3, TOKEN, 7, 2), nn.GroupNorm(32, TOKEN, eps=1e-6)
        self.block1 = _Bottleneck(TOKEN, 4 * TOKEN)
        self.embedding = nn.Linear(4 * TOKEN * (PATCH // 4) ** 2, width)
        self.transformer_encoder = _Encoder(width, hidden, heads, layers)
        self.head = nn.Linear(width, 1)

    @torch.no_grad()
    def forward(self, picture: Tensor) -> Tensor:
        """The score `(1,)`, 0..100, of a picture `(1, 3, H, W)` in 0..1."""
        picture = 2 * picture - 1
        longer = max(picture.shape[2:])
        sizes = [tuple(round(side * scale / longer) for side in picture.shape[2:]) for scale in SCALES]
        shown = [functional.interpolate(picture, size=size, mode="bicubic") for size in sizes]
        parts = [_patches(one) for one in (*shown, picture)]
        patches, places = (torch.cat(some) for some in zip(*parts, strict=True))
        scales = torch.cat([torch.full((len(part[1]),), number) for number, part in enumerate(parts)])
        x = functional.relu(self.gn_root(self.conv_root(patches)))
        x = self.block1(functional.max_pool2d(_same(x, 3, 2), 3, 2))
        tokens = self.embedding(x.permute(0, 2, 3, 1).flatten(1))
        return self.head(self.transformer_encoder(tokens, places.to(x.device), scales.to(x.device)))


def load_musiq(path: Path, device: torch.device) -> Embed:
    """MUSIQ from a file: pictures `(1, 3, H, W)` in 0..1 → the score `(1,)`, 0..100."""
    network = filled(Musiq(), path, state_of(path), "MUSIQ").to(device)
    return lambda picture: network(picture.to(device)).float().cpu()


def _patches(picture: Tensor) -> tuple[Tensor, Tensor]:
    """Patches `(N, 3, 32, 32)` of a picture, padded by zeros, and their places on a grid of ten by ten."""
    rows, columns = (math.ceil(side / PATCH) for side in picture.shape[2:])
    cut = functional.unfold(_same(picture, PATCH, PATCH), PATCH, stride=PATCH)[0].T
    down, across = (torch.arange(count) * GRID // count for count in (rows, columns))
    return cut.unflatten(1, (3, PATCH, PATCH)), (down[:, None] * GRID + across).flatten()


def _same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """`x` padded by zeros to one result for every `stride` pixels begun; an odd rest goes to the right and below."""
    below, right = ((math.ceil(side / stride) - 1) * stride + kernel - side for side in x.shape[2:])
    return functional.pad(x, (right // 2, right - right // 2, below // 2, below - below // 2))


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return _StandardConv(inputs, outputs, kernel, stride, bias=False)
