"""AMT-S, which makes the frame half way between two: motion smoothness is how near a true frame is to its own.

The network is that of the paper (arXiv 2304.09790), the small one; sizes and names of weights are those with which
VBench measures. Its code and weights are published for non-commercial use (CC BY-NC 4.0); this is another
implementation, and the weights are not part of it.
Source: Z. Li et al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation", sections 3 and 4.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..checks.room import check_room
from .backbones import Interpolate, filled, padding_to, state_of

CELL = 16  # pixels of a side that the coarsest features cover
WIDTHS = (20, 32, 44, 56)  # channels of the features at a half, a quarter, an eighth and a sixteenth of the size
SIDE = 20  # channels of a residual block that are worked on once more
MATCHED, LEVELS, REACH = 84, 4, 3  # channels that are compared, sizes at which, and places around each
FIELDS = 3  # motions for each pixel, of which a frame is merged
COPIES = 8  # of the table of all pairs that are held: both ways, at four sizes, with what they are made of


class _Bottleneck(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        narrow = outputs // 4
        self.conv1, self.conv3 = nn.Conv2d(inputs, narrow, 1), nn.Conv2d(narrow, outputs, 1)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, stride, 1)
        self.downsample = None if stride == 1 else nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for conv in (self.conv1, self.conv2, self.conv3):
            y = _rectified(conv(y))
        return functional.relu((x if self.downsample is None else functional.instance_norm(self.downsample(x))) + y)


class _Matched(nn.Module):
    """Features at an eighth of the size, by which places of both pictures are compared."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 32, 7, 2, 3), nn.Conv2d(96, MATCHED, 1)
        self.layer1, self.layer2, self.layer3 = (
            nn.Sequential(_Bottleneck(inputs, outputs, stride), _Bottleneck(outputs, outputs, 1))
            for inputs, outputs, stride in ((32, 32, 1), (32, 64, 2), (64, 96, 2))
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer3(self.layer2(self.layer1(_rectified(self.conv1(x)))))
        return self.conv2(x)


class _Pyramid(nn.Module):
    """Features at a half, a quarter, an eighth and a sixteenth of the size."""

    def __init__(self) -> None:
        super().__init__()
        for level, (inputs, outputs) in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False), start=1):
            self.add_module(f"pyramid{level}", nn.Sequential(_curved(inputs, outputs, 2), _curved(outputs, outputs)))

    def forward(self, x: Tensor) -> list[Tensor]:
        found: list[Tensor] = []
        for level in self.children():
            x = level(x)
            found.append(x)
        return found


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv3 = _curved(width, width), _curved(width, width)
        self.conv2, self.conv4 = _curved(SIDE, SIDE), _curved(SIDE, SIDE)
        self.conv5, self.prelu = nn.Conv2d(width, width, 3, 1, 1), nn.PReLU(width)

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for whole, side in ((self.conv1, self.conv2), (self.conv3, self.conv4)):
            y = whole(y)
            y = torch.cat((y[:, :-SIDE], side(y[:, -SIDE:])), dim=1)
        return self.prelu(x + self.conv5(y))


class _Decoder(nn.Module):
    """Features of one size to those of twice that size."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.convblock = nn.Sequential(
            _curved(inputs, hidden), _Residual(hidden), nn.ConvTranspose2d(hidden, outputs, 4, 2, 1)
        )

    def forward(self, *parts: Tensor) -> Tensor:
        return self.convblock(torch.cat(parts, dim=1))


class _Update(nn.Module):
    """What the compared places change in features and motion; at an eighth of the size, whatever theirs is."""

    def __init__(self, width: int, factor: int) -> None:
        super().__init__()
        self.factor = factor
        self.convc1 = nn.Conv2d(2 * LEVELS * (2 * REACH + 1) ** 2, 64, 1)
        self.convf1, self.convf2 = nn.Conv2d(4, 40, 7, padding=3), nn.Conv2d(40, 20, 3, padding=1)
        self.conv = nn.Conv2d(84, 68, 3, padding=1)
        self.gru, self.feat_head, self.flow_head = (
            nn.Sequential(nn.Conv2d(inputs, 76, 3, padding=1), nn.LeakyReLU(0.1), nn.Conv2d(76, outputs, 3, padding=1))
            for inputs, outputs in ((68 + 4 + width, 76), (76, width), (76, 4))
        )

    def forward(self, features: Tensor, flow: Tensor, matches: Tensor) -> tuple[Tensor, Tensor]:
        seen = _leaky(self.convc1(matches))
        moved = _leaky(self.convf2(_leaky(self.convf1(flow))))
        joined = _leaky(self.conv(torch.cat((seen, moved), dim=1)))
        state = self.gru(torch.cat((joined, flow, _resized(features, 1 / self.factor)), dim=1))
        return (
            _resized(self.feat_head(state), self.factor),
            self.factor * _resized(self.flow_head(state), self.factor),
        )


class Amt(nn.Module):
    """The network, under the names of the published weights."""

    def __init__(self) -> None:
        super().__init__()
        one, two, three, four = WIDTHS
        self.feat_encoder, self.encoder = _Matched(), _Pyramid()
        self.decoder4 = _Decoder(2 * four + 1, 2 * four, three + 4)
        self.decoder3 = _Decoder(3 * three + 4, 3 * three, two + 4)
        self.decoder2 = _Decoder(3 * two + 4, 3 * two, one + 4)
        self.decoder1 = _Decoder(3 * one + 4, 3 * one, 8 * FIELDS)
        self.update4, self.update3, self.update2 = _Update(three, 1), _Update(two, 2), _Update(one, 4)
        self.comb_block = nn.Sequential(
            nn.Conv2d(3 * FIELDS, 6 * FIELDS, 3, 1, 1), nn.PReLU(6 * FIELDS), nn.Conv2d(6 * FIELDS, 3, 3, 1, 1)
        )

    @torch.no_grad()
    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """The frame half way between two, all `(1, 3, H, W)` in 0..1, of sides that 16 divides, 128 at least."""
        mean = torch.cat((before, after), dim=2).mean((1, 2, 3), keepdim=True)
        pair = torch.cat((before, after)) - mean
        pairs = _Pairs(*self.feat_encoder(pair).split(1))
        levels = self.encoder(pair)
        coarsest = levels[-1]
        half = torch.full_like(coarsest[:1, :1], 0.5)
        found = self.decoder4(coarsest[:1], coarsest[1:], half)
        flow, features = found[:, :4], found[:, 4:]
        steps = ((self.update4, self.decoder3), (self.update3, self.decoder2), (self.update2, self.decoder1))
        for (update, decoder), seen in zip(steps, reversed(levels[:-1]), strict=True):
            small = _resized(flow, 1 / update.factor) / update.factor
            more, moved = update(features, small, pairs.around(small))
            features, flow = features + more, flow + moved
            found = decoder(features, _warped(seen[:1], flow[:, :2]), _warped(seen[1:], flow[:, 2:]), flow)
            if decoder is not self.decoder1:
                flow, features = found[:, :4] + 2 * _resized(flow, 2), found[:, 4:]
        return self._merged(pair, mean, 2 * _resized(flow, 2), found)

    def _merged(self, pair: Tensor, mean: Tensor, flow: Tensor, found: Tensor) -> Tensor:
        """Both pictures moved along every field, mixed by its mask."""
        moves, masks, rest = found.split((4 * FIELDS, FIELDS, 3 * FIELDS), dim=1)
        toward = [
            moves[:, at : at + 2 * FIELDS] + way.repeat(1, FIELDS, 1, 1)
            for at, way in ((0, flow[:, :2]), (2 * FIELDS, flow[:, 2:]))
        ]
        one, two = (
            _warped(picture.expand(FIELDS, -1, -1, -1), way.unflatten(1, (FIELDS, 2))[0])
            for picture, way in zip(pair.split(1), toward, strict=True)
        )
        mask = masks.sigmoid()[0][:, None]
        frames = mask * one + (1 - mask) * two + mean + rest.unflatten(1, (FIELDS, 3))[0]
        return (frames.mean(0, keepdim=True) + self.comb_block(frames.flatten(0, 1)[None])).clamp(0, 1)


class _Pairs:
    """How alike every place of one picture is to every place of the other, both ways, at four sizes.

    Args:
        before: Features `(1, C, h, w)` of one picture.
        after: Of the other.
    """

    def __init__(self, before: Tensor, after: Tensor) -> None:
        _, channels, height, width = before.shape
        check_room(COPIES * 4 * (height * width) ** 2, "The table of motion smoothness", height=height, width=width)
        table = before.flatten(2)[0].T @ after.flatten(2)[0] / math.sqrt(channels)
        self._ways = [self._sizes(way.reshape(-1, 1, height, width)) for way in (table, table.T)]
        rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        self._places = torch.stack((columns, rows)).to(before)[None]
        steps = torch.linspace(-REACH, REACH, 2 * REACH + 1).to(before)
        # The first axis of the window goes right, the second down.
        self._window = torch.stack(torch.meshgrid(steps, steps, indexing="ij"), dim=-1)

    @staticmethod
    def _sizes(table: Tensor) -> list[Tensor]:
        found = [table]
        for _ in range(LEVELS - 1):
            found.append(functional.avg_pool2d(found[-1], 2, 2))
        return found

    def around(self, flow: Tensor) -> Tensor:
        """What is at the places that a flow `(1, 4, h, w)` from the middle frame to both pictures leads to.

        A way from the middle is half of the way, in the other direction, between the pictures.
        """
        ends = (self._places + 2 * flow[:, 2:], self._places + 2 * flow[:, :2])
        return torch.cat([self._seen(sizes, end) for sizes, end in zip(self._ways, ends, strict=True)], dim=1)

    def _seen(self, sizes: list[Tensor], ends: Tensor) -> Tensor:
        height, width = ends.shape[2:]
        middle = ends[0].flatten(1).T[:, None, None]
        found: list[Tensor] = []
        for level, table in enumerate(sizes):
            far = torch.tensor([side - 1 for side in reversed(table.shape[2:])]).to(middle)
            grid = 2 * (middle / 2**level + self._window) / far - 1
            found.append(functional.grid_sample(table, grid, align_corners=True).flatten(1))
        return torch.cat(found, dim=1).T.unflatten(1, (height, width))[None]


def load_amt(path: Path, device: torch.device) -> Interpolate:
    """AMT-S from a file: two pictures `(1, 3, H, W)` in 0..1 → the one half way between them.

    They are padded to sides that it can take, which VBench does in the same way for sides of 128 pixels and more.
    """
    network = filled(Amt(), path, state_of(path), "AMT-S").to(device)

    def interpolate(before: Tensor, after: Tensor) -> Tensor:
        height, width = before.shape[2:]
        left, _, top, _ = pads = padding_to(height, width, CELL)
        both = [functional.pad(one.to(device), pads, mode="replicate") for one in (before, after)]
        return network(*both)[:, :, top : top + height, left : left + width].float().cpu()

    return interpolate


def _curved(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.PReLU(outputs))


def _rectified(x: Tensor) -> Tensor:
    return functional.relu(functional.instance_norm(x))


def _leaky(x: Tensor) -> Tensor:
    return functional.leaky_relu(x, 0.1)


def _resized(x: Tensor, factor: float) -> Tensor:
    return x if factor == 1 else functional.interpolate(x, scale_factor=factor, mode="bilinear")


def _warped(picture: Tensor, flow: Tensor) -> Tensor:
    """`(N, C, H, W)`: what is `flow` `(N, 2, H, W)` pixels right and down of every pixel; beyond the edge the edge."""
    height, width = flow.shape[2:]
    ways = (torch.linspace(-1, 1, height), torch.linspace(-1, 1, width))
    rows, columns = torch.meshgrid(*ways, indexing="ij")
    scale = torch.tensor([(width - 1) / 2, (height - 1) / 2]).to(flow)
    grid = torch.stack((columns, rows), dim=-1).to(flow) + flow.movedim(1, -1) / scale
    return functional.grid_sample(picture, grid, padding_mode="border", align_corners=True)
