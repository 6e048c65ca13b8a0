"""The video half of MiniMax H3's transformer: text and video tokens in one sequence; the audio has no tokens here.

Source: ComfyUI 0.33, comfy/ldm/minimax/model.py; names of the weights are those of its checkpoints. The adapter is of
these tests: its blocks are copies of every fifth block of the base, and read the text as it enters the base.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vace_core.adapter import Attachment, ContextAdapter
from vace_core.models import layers

from .latents import LATENTS, frames_of

PATCH = LATENTS.grid.patch
EPS = 1e-5
EVERY = 5  # blocks of the base to one of the adapter
VIDEO, TEXT, MODALITIES = 0, 1, 3
POSITIONS_OF_FRAME = 5 / 3
LEAST_SIGMA = 1e-6


@dataclass(frozen=True, kw_only=True)
class MiniMaxSizes:
    """Everything that differs between models of this architecture; the defaults are those of H3."""

    width: int = 5376
    ffn: int = 14336
    layers: int = 50
    text_width: int = 5120
    heads: int = 56
    head_width: int = 128
    refiners: int = 2
    frequencies: int = 256
    time_hidden: int = 5376
    time_width: int = 2688
    rotated: int = 16
    in_channels: int = LATENTS.channels
    audio_channels: int = 32
    vace_in_channels: int = LATENTS.vace_in_channels

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> MiniMaxSizes:
        """Reads the sizes from the shapes of a base model's weights."""
        head_width = shapes["blocks.0.attn.q_norm.weight"][0]
        time_hidden, frequencies = shapes["time_embedder.proj_in.weight"]
        return cls(
            width=shapes["video_patch_proj.weight"][0],
            ffn=shapes["blocks.0.mlp.fc2.weight"][1],
            layers=len({name.split(".")[1] for name in shapes if name.startswith("blocks.")}),
            text_width=shapes["condition_proj.weight"][1],
            heads=shapes["blocks.0.attn.out_proj.weight"][1] // head_width,
            head_width=head_width,
            refiners=len({name.split(".")[2] for name in shapes if name.startswith("token_refiner.blocks.")}),
            frequencies=frequencies,
            time_hidden=time_hidden,
            time_width=shapes["time_embedder.proj_out.weight"][0],
            rotated=shapes["rope.inv_freq"][0],
            in_channels=shapes["video_patch_proj.weight"][1] // PATCH**2,
            audio_channels=shapes["audio_patch_proj.weight"][1],
        )


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt `(B, S, D)` as the blocks read it, and what each token is, `(B, S)`."""

    tokens: Tensor
    tags: Tensor


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What all blocks of one pass share: time `(B, W)`, tags `(B, S + L)`, rotation `(S + L, P, 2)`, the prompt."""

    time: Tensor
    tags: Tensor
    rotation: Tensor
    prompt: Prompt


class Attention(nn.Module):
    def __init__(self, sizes: MiniMaxSizes, ops: ModuleType | Any) -> None:
        super().__init__()
        inner = sizes.heads * sizes.head_width
        self.head_width = sizes.head_width
        self.qkv_proj = ops.Linear(sizes.width, 3 * inner, bias=False)
        self.q_norm, self.k_norm = (ops.RMSNorm(sizes.head_width, eps=EPS) for _ in range(2))
        self.out_proj = ops.Linear(inner, sizes.width, bias=False)

    def forward(self, x: Tensor, rotation: Tensor | None = None) -> Tensor:
        q, k, v = (part.unflatten(-1, (-1, self.head_width)).transpose(1, 2) for part in self.qkv_proj(x).chunk(3, -1))
        q, k = self.q_norm(q), self.k_norm(k)
        if rotation is not None:
            q, k = _turned(q, rotation), _turned(k, rotation)
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, sizes: MiniMaxSizes, ops: ModuleType | Any) -> None:
        super().__init__()
        self.fc1 = ops.Linear(sizes.width, 2 * sizes.ffn, bias=False)
        self.fc2 = ops.Linear(sizes.ffn, sizes.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, value = self.fc1(x).chunk(2, -1)
        return self.fc2(F.silu(gate) * value)


class Modulation(nn.Module):
    """The noise level as `count` vectors for each modality."""

    def __init__(self, sizes: MiniMaxSizes, count: int, modalities: int, ops: ModuleType | Any) -> None:
        super().__init__()
        self.shape = (modalities, count, sizes.width)
        self.linear = ops.Linear(sizes.time_width, math.prod(self.shape))

    def forward(self, time: Tensor, tags: Tensor) -> Sequence[Tensor]:
        """Time `(B, W)` and tags `(B, L)` → `count` tensors `(B, L, D)`."""
        every = self.linear(F.silu(time)).unflatten(-1, self.shape)
        return torch.stack([rows[each] for rows, each in zip(every, tags, strict=True)]).unbind(2)


class Block(nn.Module):
    """A block of the base, on text and video in one sequence."""

    def __init__(self, sizes: MiniMaxSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        self.norm1, self.norm2 = (ops.RMSNorm(sizes.width, eps=EPS) for _ in range(2))
        self.attn, self.mlp = Attention(sizes, ops), Mlp(sizes, ops)
        self.adaln_proj = Modulation(sizes, 6, MODALITIES, ops)

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        shift_attn, scale_attn, gate_attn, shift_mlp, scale_mlp, gate_mlp = self.adaln_proj(stream.time, stream.tags)
        x = x + gate_attn * self.attn(self.norm1(x) * (1 + scale_attn) + shift_attn, stream.rotation)
        return x + gate_mlp * self.mlp(self.norm2(x) * (1 + scale_mlp) + shift_mlp)


class ContextBlock(Block):
    """The same on the context's tokens `(B, L, D)`, with the text in front of them."""

    def forward(self, x: Tensor, stream: Stream) -> Tensor:
        words = stream.prompt.tokens
        return super().forward(torch.cat([words, x], dim=1), stream)[:, words.shape[1] :]


class Refiner(nn.Module):
    def __init__(self, sizes: MiniMaxSizes, ops: ModuleType | Any) -> None:
        super().__init__()
        self.norm1, self.norm2 = (ops.RMSNorm(sizes.width, eps=EPS) for _ in range(2))
        self.attn, self.mlp = Attention(sizes, ops), Mlp(sizes, ops)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Patches(nn.Linear):
    """Latents `(B, C, t, h, w)` → tokens `(B, L, D)` in the order frame, row, column."""

    def forward(self, x: Tensor) -> Tensor:
        b, c, t, h, w = x.shape
        cells = x.reshape(b, c, t, h // PATCH, PATCH, w // PATCH, PATCH).permute(0, 2, 3, 5, 1, 4, 6)
        return super().forward(cells.reshape(b, -1, c * PATCH**2).to(self.weight.dtype))


class Head(nn.Module):
    def __init__(self, sizes: MiniMaxSizes, ops: ModuleType | Any) -> None:
        super().__init__()
        self.norm = ops.RMSNorm(sizes.width, eps=EPS)
        self.adaln_proj = Modulation(sizes, 2, 1, ops)
        self.video_out = ops.Linear(sizes.width, sizes.in_channels * PATCH**2)
        self.audio_out = ops.Linear(sizes.width, sizes.audio_channels)  # of no use without audio

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        shift, scale = self.adaln_proj(time, torch.zeros(x.shape[:2], dtype=torch.long, device=x.device))
        return self.video_out(self.norm(x) * (1 + scale) + shift)


class MiniMaxDit(nn.Module):
    """`vace_core.protocols.BaseModel` says what the calls mean."""

    def __init__(self, sizes: MiniMaxSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        self.sizes = sizes
        self.video_patch_proj = Patches(sizes.in_channels * PATCH**2, sizes.width)
        self.audio_patch_proj = ops.Linear(sizes.audio_channels, sizes.width)  # of no use without audio
        self.condition_proj = ops.Linear(sizes.text_width, sizes.width)
        self.time_embedder = nn.ModuleDict(
            {
                "proj_in": ops.Linear(sizes.frequencies, sizes.time_hidden),
                "proj_out": ops.Linear(sizes.time_hidden, sizes.time_width),
            }
        )
        self.rope = nn.Module()
        self.rope.register_buffer("inv_freq", torch.zeros(sizes.rotated))
        self.token_refiner = nn.ModuleDict(
            {
                "blocks": nn.ModuleList(Refiner(sizes, ops) for _ in range(sizes.refiners)),
                "final_norm": ops.RMSNorm(sizes.width, eps=EPS),
            }
        )
        self.blocks = nn.ModuleList(Block(sizes, ops) for _ in range(sizes.layers))
        self.final_layer = Head(sizes, ops)

    def prepare_text(self, text_embeds: tuple[Tensor, Tensor], *, fps: float = 24.0) -> Prompt:
        """Two tensors: the encoder's states `(B, S, text_width)`, and what each token is, `(B, S)`."""
        states, tags = text_embeds
        tokens = self.condition_proj(states)
        for block in self.token_refiner["blocks"]:
            tokens = block(tokens)
        return Prompt(tokens=self.token_refiner["final_norm"](tokens), tags=tags)

    def forward(self, latents: Tensor, sigma: Tensor, text: Prompt, attachments: Sequence[Attachment] = ()) -> Tensor:
        video = self.video_patch_proj(latents)
        words = text.tokens.expand(len(latents), -1, -1)
        of_words = text.tags.expand(len(latents), -1)
        stream = Stream(
            time=self._time(1 - sigma.to(latents.device).clamp(min=LEAST_SIGMA)),
            tags=torch.cat([of_words, torch.full(video.shape[:2], VIDEO, device=video.device)], dim=1),
            rotation=self._rotation(words.shape[1], *latents.shape[2:]),
            prompt=Prompt(tokens=words, tags=of_words),
        )
        chains = [attachment.chain(video) for attachment in attachments]
        tokens = torch.cat([words, video], dim=1)
        for layer, block in enumerate(self.blocks):
            tokens = block(tokens, stream)
            words, video = tokens.split((words.shape[1], video.shape[1]), dim=1)
            for chain in chains:
                video = chain.add_hint(layer, video, stream)
            tokens = torch.cat([words, video], dim=1)
        return -self._unpatch(self.final_layer(video, stream.time), latents.shape)

    def _time(self, t: Tensor) -> Tensor:
        half = self.sizes.frequencies // 2
        waves = torch.exp(-math.log(10000.0) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
        angles = t.float()[:, None] * waves
        hidden = self.time_embedder["proj_in"](torch.cat([angles.cos(), angles.sin()], dim=1))
        return self.time_embedder["proj_out"](F.silu(hidden))

    def _rotation(self, words: int, t: int, h: int, w: int) -> Tensor:
        """Words lie on the axis of time, and the video after them, on axes of which the area is one."""
        spans = torch.tensor([0.0, *(POSITIONS_OF_FRAME * n for n in frames_of(t)[:-1])], dtype=torch.float64)
        side = math.sqrt(h * w)
        axes = [words + spans.cumsum(0), _axis(h, side), _axis(w, side)]
        video = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).flatten(0, 2)
        places = torch.zeros(words, 3, dtype=torch.float64)
        places[:, 0] = torch.arange(words)
        inverse = self.rope.get_buffer("inv_freq").float()
        angles = (torch.cat([places, video]).float().to(inverse.device)[..., None] * inverse).flatten(1)
        return torch.stack([angles.cos(), angles.sin()], dim=-1)

    @staticmethod
    def _unpatch(tokens: Tensor, shape: Sequence[int]) -> Tensor:
        b, c, t, h, w = shape
        cells = tokens.reshape(b, t, h // PATCH, w // PATCH, c, PATCH, PATCH)
        return cells.permute(0, 4, 1, 2, 5, 3, 6).reshape(b, c, t, h, w)


def build_adapter(sizes: MiniMaxSizes, context_layers: Sequence[int], ops: ModuleType | Any = layers) -> ContextAdapter:
    """An adapter for bases of these sizes."""
    return ContextAdapter(
        embedder=Patches(sizes.vace_in_channels * PATCH**2, sizes.width),
        blocks=[ContextBlock(sizes, ops) for _ in context_layers],
        width=sizes.width,
        context_layers=context_layers,
        ops=ops,
    )


def encode_masks(masks: Tensor) -> Tensor:
    """Masks `(B, 1, T, H, W)` as one channel `(B, 1, t, h, w)`: whether there is anything to generate in a cell."""
    side = LATENTS.grid.pixels
    cells = F.max_pool3d(masks, (1, side, side))
    frames = cells.split(frames_of(LATENTS.grid.latent_frames(masks.shape[2])), dim=2)
    return torch.cat([part.amax(dim=2, keepdim=True) for part in frames], dim=2)


def _axis(cells: int, side: float) -> Tensor:
    count, ratio = cells // PATCH, cells / side
    return (torch.arange(count, dtype=torch.float64) * (ratio / count) + (1 - ratio) / 2) * 32


def _turned(x: Tensor, rotation: Tensor) -> Tensor:
    """`(B, H, L, W)` with feature p and feature P + p of every head turned together; what is left is not."""
    cos, sin = rotation.unbind(-1)
    count = cos.shape[-1]
    first, second, rest = x.split((count, count, x.shape[-1] - 2 * count), dim=-1)
    return torch.cat([first * cos - second * sin, first * sin + second * cos, rest], dim=-1)
