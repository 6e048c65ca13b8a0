"""The text-to-video transformer of LTX-Video 0.9, and how an adapter for it is built.

Sizes are read from the weights. Names of the weights are those of the official checkpoints.
Source: Lightricks/LTX-Video 0.9.1, ltx_video/models/transformers; ali-vilab/VACE, vace/models/ltx.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from ...adapter import Attachment, ContextAdapter
from .. import layers, rotary
from ..sharing import ALL, Share, Sharing, undivided
from .latents import LATENTS

GRID = LATENTS.grid
FREQUENCIES = 256
EPS = 1e-6
HEAD_EPS = 1e-5
# Cells of the mask that are folded into the channels of one latent cell: in time, down, across.
MASK_CELLS = (2, 8, 8)
# The ends of the axes on which positions lie: seconds, rows, columns.
MAX_POSITION = (20.0, 2048.0, 2048.0)
THETA = 10000.0
# The block whose attention the weaker prediction of spatio-temporal guidance goes without.
SKIP_LAYERS = frozenset({19})


@dataclass(frozen=True, kw_only=True)
class LtxSizes:
    """Everything that differs between LTX-Video models of one architecture.

    Attributes:
        width: Features of a token. 2B: 2048.
        ffn: Features inside the feed-forward part. 2B: 8192.
        layers: Number of blocks. 2B: 28.
        text_width: Features of a text token as the encoder gives it.
        heads: Of the attention; no weight tells them.
        in_channels: Of the latents, in and out.
        vace_in_channels: Of the context latents.
    """

    width: int
    ffn: int
    layers: int
    text_width: int = 4096
    heads: int = 32
    in_channels: int = LATENTS.channels
    vace_in_channels: int = LATENTS.vace_in_channels

    @classmethod
    def of(cls, shapes: Mapping[str, Sequence[int]]) -> LtxSizes:
        """Reads the sizes from the shapes of a base model's weights, by their official names."""
        ffn, width = shapes["transformer_blocks.0.ff.net.0.proj.weight"]
        layers = len({name.split(".")[1] for name in shapes if name.startswith("transformer_blocks.")})
        return cls(width=width, ffn=ffn, layers=layers, text_width=shapes["caption_projection.linear_1.weight"][1])


@dataclass(frozen=True, kw_only=True)
class LtxPrompt:
    """What all passes of one job have in common besides the adapters.

    Attributes:
        tokens: `(B, S, D)`, the prompt without padding: LTX is trained with padding behind a mask, which is the same.
        fps: Frames per second, > 0; positions in time are seconds.
        skipped: Blocks whose attention between tokens is left out, for spatio-temporal guidance.
    """

    tokens: Tensor
    fps: float
    skipped: frozenset[int] = frozenset()


@dataclass(frozen=True, kw_only=True)
class LtxStream:
    """What all blocks of one forward pass share.

    Attributes:
        modulation: `(B, 6, D)`, the noise level as shifts, scales and gates.
        rotation: `(L, D/2, 2)`, the position of every token as cosines and sines.
        prompt: Text, and the blocks whose attention is left out.
        share: Which tokens are here.
    """

    modulation: Tensor
    rotation: Tensor
    prompt: LtxPrompt
    share: Share = ALL


class Attention(nn.Module):
    """Attention of the tokens to each other or to the text; queries and keys are normalised over all heads at once."""

    def __init__(self, sizes: LtxSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        width = sizes.width
        self.heads = sizes.heads
        self.to_q, self.to_k, self.to_v = (ops.Linear(width, width) for _ in range(3))
        self.to_out = nn.ModuleList([ops.Linear(width, width)])
        self.q_norm, self.k_norm = (ops.RMSNorm(width, eps=HEAD_EPS) for _ in range(2))
        self.attend = layers.attention_of(ops)

    def to_tokens(self, x: Tensor, rotation: Tensor, share: Share = ALL) -> Tensor:
        """Tokens `(B, L, D)` to each other."""
        q = rotary.turned(self.q_norm(self.to_q(x)), rotation)
        k = rotary.turned(self.k_norm(self.to_k(x)), rotation)
        return self.to_out[0](share.attend(self.attend, *map(self._heads, (q, k, self.to_v(x)))))

    def to_text(self, x: Tensor, text: Tensor) -> Tensor:
        """Tokens `(B, L, D)` to those of the text `(B, S, D)`."""
        q, k, v = map(self._heads, (self.q_norm(self.to_q(x)), self.k_norm(self.to_k(text)), self.to_v(text)))
        # One prompt for all clips of a batch: kernels want as many of each.
        return self.to_out[0](self.attend(q, *(y.expand(len(q), -1, -1, -1) for y in (k, v))))

    def skip_attention(self, x: Tensor) -> Tensor:
        """Every token to itself alone, as the weaker prediction of spatio-temporal guidance has it ("stg_a")."""
        return self.to_out[0](x)

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class FeedForward(nn.Module):
    def __init__(self, sizes: LtxSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        inner = nn.ModuleDict({"proj": ops.Linear(sizes.width, sizes.ffn)})
        # Index 1 (dropout) of the checkpoint holds no weights.
        self.net = nn.ModuleDict({"0": inner, "2": ops.Linear(sizes.ffn, sizes.width)})

    def forward(self, x: Tensor) -> Tensor:
        first: Any = self.net["0"]
        return self.net["2"](F.gelu(first["proj"](x), approximate="tanh"))


class LtxBlock(nn.Module):
    """Self-attention, attention to the text, feed-forward. The adapter's context blocks are of this class too.

    Attributes:
        index: Its place in the base; a context block has that of the base's block that gets its hint.
    """

    def __init__(self, sizes: LtxSizes, index: int, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        self.index = index
        self.scale_shift_table = nn.Parameter(torch.zeros(6, sizes.width))
        self.attn1 = Attention(sizes, ops)
        self.attn2 = Attention(sizes, ops)
        self.ff = FeedForward(sizes, ops)

    def forward(self, tokens: Tensor, stream: LtxStream) -> Tensor:
        return self.work(tokens, stream, skips=self.index in stream.prompt.skipped)

    def work(self, tokens: Tensor, stream: LtxStream, *, skips: bool) -> Tensor:
        """What a block does, which does not depend on its place; this can be compiled once for all blocks."""
        shifts = (self.scale_shift_table.to(stream.modulation) + stream.modulation).to(tokens.dtype)
        shift_attn, scale_attn, gate_attn, shift_ffn, scale_ffn, gate_ffn = shifts.unsqueeze(2).unbind(1)
        # One name for what each part makes of the one before, so that no part keeps the last one's result alive.
        x = torch.addcmul(shift_attn, _rms(tokens), 1 + scale_attn)
        x = self.attn1.skip_attention(x) if skips else self.attn1.to_tokens(x, stream.rotation, stream.share)
        tokens = torch.addcmul(tokens, x, gate_attn)
        x = self.attn2.to_text(tokens, stream.prompt.tokens)
        tokens = tokens + x
        x = self.ff(torch.addcmul(shift_ffn, _rms(tokens), 1 + scale_ffn))
        return torch.addcmul(tokens, x, gate_ffn)


class Tokens(nn.Linear):
    """Latents `(B, C, t, h, w)` → tokens `(B, L, D)` in the order frame, row, column."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        # A program that streams weights may leave these where they are stored.
        weight, bias = self.weight.to(x.device), self.bias.to(x.device)
        return F.linear(x.flatten(2).transpose(1, 2).to(weight.dtype), weight, bias)


class TimeEmbedding(nn.Module):
    """The noise level: `(B, D)` for the output, and from it `(B, 6, D)` for the blocks."""

    def __init__(self, width: int, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        layers = nn.ModuleDict({"linear_1": ops.Linear(FREQUENCIES, width), "linear_2": ops.Linear(width, width)})
        self.emb = nn.ModuleDict({"timestep_embedder": layers})
        self.linear = ops.Linear(width, 6 * width)

    def forward(self, waves: Tensor) -> tuple[Tensor, Tensor]:
        layers: Any = self.emb["timestep_embedder"]
        embedded = layers["linear_2"](F.silu(layers["linear_1"](waves)))
        return embedded, self.linear(F.silu(embedded)).unflatten(1, (6, -1))


class LtxDit(nn.Module):
    """The base: noisy latents, noise level and text in, velocity out.

    Attributes:
        sizes: What was read from the weights.
    """

    def __init__(self, sizes: LtxSizes, ops: ModuleType | Any = layers) -> None:
        super().__init__()
        self.sizes = sizes
        width = sizes.width
        self.patchify_proj = Tokens(sizes.in_channels, width)
        self.adaln_single = TimeEmbedding(width, ops)
        self.caption_projection = nn.ModuleDict(
            {"linear_1": ops.Linear(sizes.text_width, width), "linear_2": ops.Linear(width, width)}
        )
        self.transformer_blocks = nn.ModuleList(LtxBlock(sizes, index, ops) for index in range(sizes.layers))
        self.scale_shift_table = nn.Parameter(torch.zeros(2, width))
        self.proj_out = ops.Linear(width, sizes.in_channels)
        self.share: Sharing = undivided
        self._rotation = rotary.Table()

    def prepare_text(self, text_embeds: Tensor, *, fps: float = 25.0) -> LtxPrompt:
        """Embeds a prompt once for a whole job of `fps` frames per second.

        Args:
            text_embeds: `(B, S, text_width)`, one prompt's encoder output without padding, on the device of the job.
            fps: Of the clip, > 0.
        """
        first, second = self.caption_projection["linear_1"], self.caption_projection["linear_2"]
        hidden = F.gelu(first(text_embeds.to(self.scale_shift_table.dtype)), approximate="tanh")
        return LtxPrompt(tokens=second(hidden), fps=fps)

    def perturb(self, text: LtxPrompt) -> LtxPrompt:
        """The same prompt for the weaker prediction that spatio-temporal guidance leads away from."""
        return replace(text, skipped=SKIP_LAYERS)

    def forward(
        self, latents: Tensor, sigma: Tensor, text: LtxPrompt, attachments: Sequence[Attachment] = ()
    ) -> Tensor:
        """Velocity `(B, 128, t, h, w)`: noise minus data, as the network sees it.

        Args:
            latents: `(B, 128, t, h, w)` noisy, VAE-normalised; leading frames are references where there are some.
            sigma: `(B,)` noise level, 1..0.
            text: From `prepare_text`.
            attachments: Adapters that act in this call. The base keeps nothing of them.
        """
        return self.passes(latents, sigma, [text], attachments)[0]

    def passes(
        self, latents: Tensor, sigma: Tensor, texts: Sequence[LtxPrompt], attachments: Sequence[Attachment] = ()
    ) -> list[Tensor]:
        """What `forward` gives for each of `texts`, to the bit; one block does its work for all before the next."""
        dtype = self.scale_shift_table.dtype
        first = self.patchify_proj(latents).to(dtype)
        share = self.share(first.shape[1])
        first = share.own(first)
        embedded, modulation = self.adaln_single(sinusoid(sigma * 1000.0).to(latents.device, dtype))
        rotation = share.own(self._places(latents, texts[0].fps), 0)
        streams = [LtxStream(modulation=modulation, rotation=rotation, prompt=text, share=share) for text in texts]
        attachments = [attachment.shared(share.own) for attachment in attachments]
        each = [first for _ in texts]
        chains = [[attachment.chain(tokens) for attachment in attachments] for tokens in each]
        del first
        for attachment in attachments:
            each = [attachment.begin(tokens) for tokens in each]
        for layer, block in enumerate(self.transformer_blocks):
            for number, stream in enumerate(streams):
                each[number] = block(each[number], stream)
            for number, stream in enumerate(streams):
                for chain in chains[number]:
                    each[number] = chain.add_hint(layer, each[number], stream)
        table = self.scale_shift_table.to(embedded.device)
        shift, scale = (table + embedded.unsqueeze(1)).unsqueeze(2).unbind(1)

        def finished(tokens: Tensor) -> Tensor:
            tokens = torch.addcmul(shift, F.layer_norm(tokens, tokens.shape[-1:], eps=EPS), 1 + scale)
            return share.whole(self.proj_out(tokens)).transpose(1, 2).unflatten(2, latents.shape[2:])

        return [finished(tokens) for tokens in each]

    def forget(self) -> None:
        """Frees what is kept between passes."""
        self._rotation.forget()

    def _places(self, latents: Tensor, fps: float) -> Tensor:
        """As `rotations`, where the latents are."""
        size, device, width = tuple(latents.shape[2:]), latents.device, self.sizes.width
        return self._rotation.get((size, fps, device), lambda: rotations(*size, width=width, fps=fps).to(device))


def build_adapter(sizes: LtxSizes, context_layers: Sequence[int], ops: ModuleType | Any = layers) -> ContextAdapter:
    """An adapter for bases of these sizes, its weights not yet loaded."""
    return ContextAdapter(
        embedder=Tokens(sizes.vace_in_channels, sizes.width),
        blocks=[LtxBlock(sizes, layer, ops) for layer in context_layers],
        width=sizes.width,
        context_layers=context_layers,
        ops=ops,
    )


def encode_masks(masks: Tensor) -> Tensor:
    """Masks `(B, 1, T, H, W)` as latent channels `(B, 128, t, h, w)`, soft where a mask changes in time or space.

    They are resampled so that both ends are met exactly, then 2 x 8 x 8 cells are folded into a latent one.
    Source: ali-vilab/VACE, vace/models/ltx/pipelines/pipeline_ltx_video.py.
    """
    frames, rows, columns = MASK_CELLS
    t, h, w = GRID.latent_size(*masks.shape[2:])
    size = (t * frames, h * rows, w * columns)
    cells = F.interpolate(masks, size=size, mode="trilinear", align_corners=True)
    return rearrange(cells, "b 1 (t f) (h p) (w q) -> b (f p q) t h w", f=frames, p=rows, q=columns)


def mask_frames(num_frames: int) -> list[int]:
    """The mask frames that the model reads at least a part of: those next to the places of the resampling."""
    cells = MASK_CELLS[0] * GRID.latent_frames(num_frames)
    last, gaps = num_frames - 1, cells - 1
    places = [cell * last for cell in range(cells)]  # in units of 1 / gaps frames
    return sorted({place // gaps for place in places} | {-(-place // gaps) for place in places})


def sinusoid(timestep: Tensor) -> Tensor:
    """`(B,)` timesteps 0..1000 → `(B, 256)`, cosines first; in float32, as the official code computes it."""
    half = FREQUENCIES // 2
    exponent = -math.log(10000.0) * torch.arange(half, dtype=torch.float32, device=timestep.device) / half
    angles = timestep.float()[:, None] * exponent.exp()
    return torch.cat([angles.cos(), angles.sin()], dim=1)


def rotations(t: int, h: int, w: int, *, width: int, fps: float) -> Tensor:
    """`(L, width/2, 2)` rotations of the tokens of a latent grid.

    The place of a token is in seconds and pixels, from −1 to 1 on axes that end at `MAX_POSITION`; every frequency
    turns one pair for each of the three. What is left of the width comes first and is not turned.
    Computed on the CPU in float32: the angles are so large that another way of rounding is another result.
    """
    frequencies = (THETA ** torch.linspace(0.0, 1.0, width // 6)) * math.pi / 2
    scales = (GRID.frames / fps, float(GRID.pixels), float(GRID.pixels))
    axes = [
        torch.arange(count, dtype=torch.float32) * scale / end
        for count, scale, end in zip((t, h, w), scales, MAX_POSITION, strict=True)
    ]
    places = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).reshape(-1, 3)
    angles = (frequencies * (places.unsqueeze(-1) * 2 - 1)).transpose(1, 2).flatten(1)
    angles = F.pad(angles, (width // 2 - angles.shape[1], 0))
    return rotary.cos_sin(angles)


def _rms(x: Tensor) -> Tensor:
    return F.rms_norm(x, x.shape[-1:], eps=EPS)
