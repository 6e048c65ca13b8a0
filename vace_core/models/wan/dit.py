"""The text-to-video transformer of Wan 2.1, and how an adapter for it is built.

Sizes are read from the weights, so 1.3B, 14B and anything between are the same class.
The large products are computed in the precision of the weights. The noise level, what is made of it, the tokens between
the parts of a block and the output are float32 in any case, as the official code has them.
Source: Wan-Video/Wan2.1, wan/modules/model.py; names of the weights are those of its checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ...adapter import Attachment, ContextAdapter
from ...errors import ShapeError
from .. import layers, rotary
from ..sharing import ALL, Share, Sharing, undivided
from .latents import LATENTS

GRID = LATENTS.grid
TEXT_TOKENS = 512
HEAD_WIDTH = 128
FREQUENCIES = 256
EPS = 1e-6
# Tokens that pass the feed-forward part at a time: enough to keep any device busy.
FFN_PIECE = 4096


@dataclass(frozen=True, kw_only=True)
class WanSizes:
    """Everything that differs between Wan models of one architecture.

    Attributes:
        width: Features of a token, a multiple of 128. 1.3B: 1536, 14B: 5120.
        ffn: Features inside the feed-forward part. 1.3B: 8960, 14B: 13824.
        layers: Number of blocks. 1.3B: 30, 14B: 40.
        text_width: Features of a text token as the encoder gives it.
        in_channels: Of the latents, in and out.
        vace_in_channels: Of the context latents.
    """

    width: int
    ffn: int
    layers: int
    text_width: int = 4096
    in_channels: int = LATENTS.channels
    vace_in_channels: int = LATENTS.vace_in_channels

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> WanSizes:
        """Reads the sizes from the shapes of a base model's weights, by their official names."""
        ffn, width = shapes["blocks.0.ffn.0.weight"]
        layers = len({name.split(".")[1] for name in shapes if name.startswith("blocks.")})
        return cls(width=width, ffn=ffn, layers=layers, text_width=shapes["text_embedding.0.weight"][1])


def default_context_layers(layers: int, blocks: int) -> tuple[int, ...]:
    """Which base blocks receive a hint, where no configuration says so: evenly spaced from the first.

    Source: ComfyUI, comfy/ldm/wan/model.py. 30 layers, 15 blocks → 0, 2, …, 28; 40 layers, 8 blocks → 0, 5, …, 35.
    """
    return tuple(range(0, layers, layers // blocks))[:blocks] if blocks else ()


@dataclass(frozen=True, kw_only=True)
class TextTokens:
    """A prompt as the blocks read it.

    Attributes:
        tokens: `(B, S, D)`. The padding to 512 that Wan was trained with is one token, for all of it is alike.
        bias: `(B, 1, 1, S)` added to the attention scores: the logarithm of how many positions a token stands for.
    """

    tokens: Tensor
    bias: Tensor | None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """What all blocks of one forward pass share.

    Attributes:
        modulation: `(B, 6, D)` float32, the noise level as shifts, scales and gates.
        rotation: `(L, 64, 2)`, the position of every token as cosines and sines.
        text: The prompt, in the precision that products are computed in.
        share: Which tokens are here.
    """

    modulation: Tensor
    rotation: Tensor
    text: TextTokens
    share: Share = ALL


class SelfAttention(nn.Module):
    def __init__(self, width: int, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (ops.Linear(width, width) for _ in range(4))
        self.norm_q = ops.RMSNorm(width, eps=EPS)
        self.norm_k = ops.RMSNorm(width, eps=EPS)
        self.attend = layers.attention_of(ops)

    def forward(self, x: Tensor, rotation: Tensor, share: Share = ALL) -> Tensor:
        q = rotary.turned(self.norm_q(self.q(x)), rotation)
        k = rotary.turned(self.norm_k(self.k(x)), rotation)
        return self.o(share.attend(self.attend, _heads(q), _heads(k), _heads(self.v(x))))


class CrossAttention(SelfAttention):
    def forward(self, x: Tensor, text: TextTokens) -> Tensor:  # type: ignore[override]
        q = _heads(self.norm_q(self.q(x)))
        k, v = (_heads(y).expand(len(q), -1, -1, -1) for y in (self.norm_k(self.k(text.tokens)), self.v(text.tokens)))
        return self.o(self.attend(q, k, v, text.bias))  # as many of each, for kernels: one prompt serves all clips


class FeedForward(nn.Sequential):
    """Piece by piece: between its layers a token is three to six times as wide, the largest tensor of all."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        if x.shape[1] <= FFN_PIECE:
            return super().forward(x)
        result = torch.empty_like(x)
        widen, activation, narrow = self
        # Weights that are streamed come once, and not for every piece.
        with _held(widen, x) as up, _held(narrow, x) as down:
            for start in range(0, x.shape[1], FFN_PIECE):
                piece = slice(start, start + FFN_PIECE)
                result[:, piece] = F.linear(activation(F.linear(x[:, piece], *up)), *down)
        return result


class WanBlock(nn.Module):
    """Self-attention, attention to the text, feed-forward. The adapter's context blocks are of this class too."""

    def __init__(self, sizes: WanSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        width = sizes.width
        self.modulation = nn.Parameter(torch.zeros(1, 6, width))
        self.self_attn = SelfAttention(width, ops)
        self.norm3 = ops.LayerNorm(width, eps=EPS)
        self.cross_attn = CrossAttention(width, ops)
        self.ffn = FeedForward(ops.Linear(width, sizes.ffn), nn.GELU("tanh"), ops.Linear(sizes.ffn, width))

    def forward(self, tokens: Tensor, stream: Stream) -> Tensor:
        """Tokens `(B, L, D)` float32, before and after; written into where no gradients are recorded."""
        shifts = (self.modulation.to(stream.modulation) + stream.modulation).to(tokens.dtype)
        shift_attn, scale_attn, gate_attn, shift_ffn, scale_ffn, gate_ffn = shifts.unsqueeze(2).unbind(1)
        dtype = stream.text.tokens.dtype
        y = self.self_attn(_modulate(tokens, shift_attn, scale_attn).to(dtype), stream.rotation, stream.share)
        tokens = torch.addcmul(tokens, y, gate_attn, out=_room(tokens))
        y = self.cross_attn(self.norm3(tokens).to(dtype), stream.text)
        tokens = torch.add(tokens, y, out=_room(tokens))
        y = self.ffn(_modulate(tokens, shift_ffn, scale_ffn).to(dtype))
        return torch.addcmul(tokens, y, gate_ffn, out=_room(tokens))


class Head(nn.Module):
    def __init__(self, sizes: WanSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        self.modulation = nn.Parameter(torch.zeros(1, 2, sizes.width))
        self.head = ops.Linear(sizes.width, sizes.in_channels * GRID.patch**2)

    def forward(self, tokens: Tensor, time: Tensor) -> Tensor:
        shift, scale = (self.modulation.to(time) + time.unsqueeze(1)).to(tokens.dtype).unsqueeze(2).unbind(1)
        return self.head(_modulate(tokens, shift, scale))


class Patches(nn.Conv3d):
    """Latents `(B, C, t, h, w)` → tokens `(B, L, D)` in the order frame, row, column."""

    def __init__(self, channels: int, width: int) -> None:
        kernel = (1, GRID.patch, GRID.patch)
        super().__init__(channels, width, kernel, stride=kernel)

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        # A convolution whose windows do not overlap is one matrix product, which every backend does faster.
        cells = rearrange(x, "b c t (h p) (w q) -> b (t h w) (c p q)", p=GRID.patch, q=GRID.patch)
        # A program that streams weights may leave these where they are stored.
        bias = None if self.bias is None else self.bias.to(x.device)
        return F.linear(cells.to(self.weight.dtype), self.weight.to(x.device).flatten(1), bias)


class WanDit(nn.Module):
    """The base: noisy latents, noise level and text in, velocity out.

    Attributes:
        sizes: What was read from the weights.
    """

    def __init__(self, sizes: WanSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        self.sizes = sizes
        self.reads_fps = False  # clips of several rates can be one batch
        width = sizes.width
        self.patch_embedding = Patches(sizes.in_channels, width)
        self.text_embedding = nn.Sequential(
            ops.Linear(sizes.text_width, width), nn.GELU("tanh"), ops.Linear(width, width)
        )
        self.time_embedding = nn.Sequential(ops.Linear(FREQUENCIES, width), nn.SiLU(), ops.Linear(width, width))
        self.time_projection = nn.Sequential(nn.SiLU(), ops.Linear(width, width * 6))
        self.blocks = nn.ModuleList(WanBlock(sizes, ops) for _ in range(sizes.layers))
        self.head = Head(sizes, ops)
        self.share: Sharing = undivided
        self._takes_bias: bool = getattr(layers.attention_of(ops), "takes_bias", True)
        self._rotation = rotary.Table()

    def prepare_text(self, text_embeds: Tensor, *, fps: float | None = None) -> TextTokens:
        """Embeds a prompt once for a whole job.

        Args:
            text_embeds: `(B, S, text_width)`, S ≤ 512, one prompt's encoder output without padding, on the device of
                the job. Wan reads 512 positions whatever the prompt's length, with zeros after the end; those are
                added here.
            fps: Of the clip; Wan counts frames and has no use for it.

        Raises:
            ShapeError: more positions than Wan reads.
        """
        spare = TEXT_TOKENS - text_embeds.shape[1]
        if spare < 0:
            raise ShapeError(
                "prompt-tokens",
                "A prompt comes as {tokens} tokens. Wan reads {limit}. Let the text encoder cut it, as "
                "vace_core.loading.t5 does, or shorten the prompt.",
                tokens=text_embeds.shape[1],
                limit=TEXT_TOKENS,
            )
        embeds = text_embeds.to(self.head.modulation.dtype)
        if spare < 1:
            return TextTokens(tokens=self.text_embedding(embeds), bias=None)
        tokens = self.text_embedding(F.pad(embeds, (0, 0, 0, 1)))
        if not self._takes_bias:
            return TextTokens(tokens=torch.cat([tokens, tokens[:, -1:].expand(-1, spare - 1, -1)], dim=1), bias=None)
        bias = tokens.new_zeros(len(tokens), 1, 1, tokens.shape[1])
        bias[..., -1] = math.log(spare)
        return TextTokens(tokens=tokens, bias=bias)

    def forward(
        self, latents: Tensor, sigma: Tensor, text: TextTokens, attachments: Sequence[Attachment] = ()
    ) -> Tensor:
        """Velocity `(B, 16, t, h, w)` float32: noise minus data, as the network sees it.

        Args:
            latents: `(B, 16, t, h, w)` noisy, VAE-normalised; leading frames are references where there are some.
            sigma: `(B,)` noise level, 1..0; on the CPU, where nothing has to be waited for.
            text: From `prepare_text`.
            attachments: Adapters that act in this call. The base keeps nothing of them.
        """
        return self.passes(latents, sigma, [text], attachments)[0]

    def passes(
        self, latents: Tensor, sigma: Tensor, texts: Sequence[TextTokens], attachments: Sequence[Attachment] = ()
    ) -> list[Tensor]:
        """What `forward` gives for each of `texts`, to the bit; one block does its work for all before the next."""
        first = self.patch_embedding(latents).float()
        share = self.share(first.shape[1])
        time, modulation, rotation = self._places(latents, sigma)
        streams = [
            Stream(modulation=modulation, rotation=share.own(rotation, 0), text=text, share=share) for text in texts
        ]
        attachments = [attachment.shared(share.own) for attachment in attachments]
        first = share.own(first)
        # Blocks write into their tokens.
        each = [first, *(first.clone() for _ in texts[1:])]
        chains = [[attachment.chain(tokens) for attachment in attachments] for tokens in each]
        del first
        for attachment in attachments:
            each = [attachment.begin(tokens) for tokens in each]
        for layer, block in enumerate(self.blocks):
            for number, stream in enumerate(streams):
                each[number] = block(each[number], stream)
            for number, stream in enumerate(streams):
                for chain in chains[number]:
                    each[number] = chain.add_hint(layer, each[number], stream)
        with layers.as_given(latents.device):
            return [self._unpatch(share.whole(self.head(tokens, time)), latents.shape) for tokens in each]

    def forget(self) -> None:
        """Frees what is kept between passes."""
        self._rotation.forget()

    def _places(self, latents: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The noise level, for the output and for the blocks, and the rotation of all tokens."""
        with layers.as_given(latents.device):
            time = self.time_embedding(sinusoid(sigma * 1000.0).to(latents.device))
            modulation = self.time_projection(time).unflatten(1, (6, self.sizes.width))
        size, device = tuple(latents.shape[2:]), latents.device
        return time, modulation, self._rotation.get((size, device), lambda: rotations(*size, device=device))

    @staticmethod
    def _unpatch(tokens: Tensor, shape: Sequence[int]) -> Tensor:
        t, h, p = shape[2], shape[3] // GRID.patch, GRID.patch
        return rearrange(tokens, "b (t h w) (p q c) -> b c t (h p) (w q)", t=t, h=h, p=p, q=p)


def build_adapter(sizes: WanSizes, context_layers: Sequence[int], ops: ModuleType | Any = layers) -> ContextAdapter:
    """An adapter for bases of these sizes, its weights not yet loaded."""
    return ContextAdapter(
        embedder=Patches(sizes.vace_in_channels, sizes.width),
        blocks=[WanBlock(sizes, ops) for _ in context_layers],
        width=sizes.width,
        context_layers=context_layers,
        ops=ops,
    )


def adapter_key(official: str) -> str:
    """Our name of an adapter weight from that in checkpoints: `vace_blocks.3.after_proj.bias` → `after_proj.3.bias`."""
    if official.startswith("vace_patch_embedding."):
        return official.replace("vace_patch_embedding", "context_embedder", 1)
    _, index, rest = official.split(".", 2)
    if rest.startswith("before_proj."):
        return rest
    if rest.startswith("after_proj."):
        return rest.replace("after_proj", f"after_proj.{index}", 1)
    return f"context_blocks.{index}.{rest}"


def official_adapter_key(ours: str) -> str:
    """The name in checkpoints of an adapter weight; the inverse of `adapter_key`."""
    head, rest = ours.split(".", 1)
    if head == "context_embedder":
        return f"vace_patch_embedding.{rest}"
    if head == "before_proj":
        return f"vace_blocks.0.{ours}"
    index, name = rest.split(".", 1)
    return f"vace_blocks.{index}.{name if head == 'context_blocks' else f'after_proj.{name}'}"


def encode_masks(masks: Tensor) -> Tensor:
    """Masks `(B, 1, T, H, W)` as latent channels `(B, 64, t, h, w)`: 8×8 pixels folded, nearest frame in time.

    Frame k of t is read at floor((k + ½)·T/t), so for T > 1 neither the first nor the last frame is ever seen; the
    released models were trained that way. Source: ali-vilab/VACE, vace/models/wan/wan_vace.py, vace_encode_masks.
    """
    folded = rearrange(masks, "b 1 t (h p) (w q) -> b (p q) t h w", p=GRID.pixels, q=GRID.pixels)
    return folded[:, :, mask_frames(masks.shape[2])]


def mask_frames(num_frames: int) -> list[int]:
    """The mask frames that the model reads, one per latent frame."""
    latent_frames = GRID.latent_frames(num_frames)
    return [int((k + 0.5) * num_frames / latent_frames) for k in range(latent_frames)]


def sinusoid(timestep: Tensor) -> Tensor:
    """`(B,)` timesteps 0..1000 → `(B, 256)` on the CPU, cosines first.

    Computed in float64, as the official code does, and on the CPU, for not every device has it.
    """
    half = FREQUENCIES // 2
    exponent = torch.arange(half, dtype=torch.float64, device="cpu") / half
    angles = timestep.cpu().double()[:, None] * torch.pow(10000.0, -exponent)
    return torch.cat([angles.cos(), angles.sin()], dim=1).float()


def rotations(t: int, h: int, w: int, *, device: torch.device | None = None) -> Tensor:
    """`(L, 64, 2)` rotations of the tokens of a latent grid: 22 pairs for time, 21 each for row and column.

    The angles are computed in float64 on the CPU, for not every device has it.
    """
    third = 2 * (HEAD_WIDTH // 6)
    widths = (HEAD_WIDTH - 2 * third, third, third)
    counts = (t, h // GRID.patch, w // GRID.patch)
    parts: list[Tensor] = []
    for axis, (width, count) in enumerate(zip(widths, counts, strict=True)):
        exponent = torch.arange(0, width, 2, dtype=torch.float64, device="cpu") / width
        places = torch.arange(count, dtype=torch.float64, device="cpu")
        angles = torch.outer(places, torch.pow(10000.0, -exponent))
        shape = [1, 1, 1, width // 2, 2]
        shape[axis] = count
        parts.append(rotary.cos_sin(angles).to(device or "cpu").reshape(shape).expand(*counts, -1, -1))
    return torch.cat(parts, dim=-2).reshape(-1, HEAD_WIDTH // 2, 2)


def _held(layer: Any, x: Tensor) -> AbstractContextManager[tuple[Tensor, Tensor | None]]:
    """Weight and bias of a layer for several uses with `x`; `loading.load_base` says what layers may offer for it."""
    return layer.held(x) if hasattr(layer, "held") else nullcontext((layer.weight, layer.bias))


def _heads(x: Tensor) -> Tensor:
    return x.unflatten(-1, (-1, HEAD_WIDTH)).transpose(1, 2)


def _room(tokens: Tensor) -> Tensor | None:
    """Where a sum with `tokens` goes: into their place, unless their old values are needed for gradients."""
    return None if torch.is_grad_enabled() else tokens


def _modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return torch.addcmul(shift, F.layer_norm(x, x.shape[-1:], eps=EPS), 1 + scale)
