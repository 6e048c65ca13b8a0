"""ViCLIP, which compares a video of eight frames with a prompt: CLIP ViT-L/14 with attention over all frames at once.

Source: OpenGVLab/InternVideo (Apache-2.0), ViCLIP; Vchitect/VBench, vbench/third_party/ViCLIP.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import WeightsError
from .backbones import Compare, filled, library, state_of

HEAD = 64  # features of one attention head, in both towers
MOST_TOKENS = 32


@dataclass(frozen=True, kw_only=True)
class ViclipSizes:
    """What the shapes of the weights say.

    Attributes:
        width: Features of a patch.
        layers: Blocks of the video's tower.
        patch: Pixels of a patch's side.
        places: Patches of a frame, and one.
        num_frames: Frames of a video.
        text_width: Features of a token.
        text_layers: Blocks of the text's tower.
        vocabulary: Tokens that there are.
        max_tokens: Tokens of a prompt.
        joint: Features of the result.
    """

    width: int = 1024
    layers: int = 24
    patch: int = 14
    places: int = 257
    num_frames: int = 8
    text_width: int = 768
    text_layers: int = 12
    vocabulary: int = 49408
    max_tokens: int = MOST_TOKENS
    joint: int = 768


class _QuickGelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class _Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, max(width // HEAD, 1), batch_first=True)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, 4 * width), "gelu": _QuickGelu(), "c_proj": nn.Linear(4 * width, width)}
        )

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False, attn_mask=mask)[0]
        y = self.ln_2(x)
        for part in self.mlp.values():
            y = part(y)
        return x + y


class _Blocks(nn.Module):
    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width) for _ in range(layers))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        for block in self.resblocks:
            x = block(x, mask)
        return x


class _Video(nn.Module):
    def __init__(self, sizes: ViclipSizes) -> None:
        super().__init__()
        width, kernel = sizes.width, (1, sizes.patch, sizes.patch)
        self.conv1 = nn.Conv3d(3, width, kernel, kernel, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(sizes.places, width))
        self.temporal_positional_embedding = nn.Parameter(torch.zeros(1, sizes.num_frames, width))
        self.ln_pre, self.ln_post = nn.LayerNorm(width), nn.LayerNorm(width)
        self.transformer = _Blocks(width, sizes.layers)
        self.proj = nn.Parameter(torch.zeros(width, sizes.joint))

    def forward(self, pictures: Tensor) -> Tensor:
        """Features `(joint,)` of `(T, 3, H, W)`."""
        patches = self.conv1(pictures.transpose(0, 1)[None])[0].flatten(2).permute(1, 2, 0)
        patches = patches + self.positional_embedding[1:] + self.temporal_positional_embedding[0, :, None]
        # One class token for the whole video.
        first = (self.class_embedding + self.positional_embedding[0])[None]
        tokens = torch.cat([first, patches.flatten(0, 1)])[None]
        return self.ln_post(self.transformer(self.ln_pre(tokens)))[0, 0] @ self.proj


class _Text(nn.Module):
    def __init__(self, sizes: ViclipSizes) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(sizes.vocabulary, sizes.text_width)
        self.positional_embedding = nn.Parameter(torch.zeros(sizes.max_tokens, sizes.text_width))
        self.transformer = _Blocks(sizes.text_width, sizes.text_layers)
        self.ln_final = nn.LayerNorm(sizes.text_width)
        self.text_projection = nn.Parameter(torch.zeros(sizes.text_width, sizes.joint))

    def forward(self, tokens: Tensor) -> Tensor:
        """Features `(joint,)` of `(S,)` tokens, of which the end token has the largest number."""
        x = self.token_embedding(tokens) + self.positional_embedding[: len(tokens)]
        later = torch.full((len(tokens), len(tokens)), float("-inf"), device=tokens.device).triu(1)
        x = self.ln_final(self.transformer(x[None], later))[0]
        return x[tokens.argmax()] @ self.text_projection


class Viclip(nn.Module):
    """Both towers, under the names of the published weights."""

    def __init__(self, sizes: ViclipSizes) -> None:
        super().__init__()
        self.vision_encoder, self.text_encoder = _Video(sizes), _Text(sizes)

    @torch.no_grad()
    def compare(self, pictures: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Features `(joint,)` of a video `(T, 3, H, W)` and of the tokens `(S,)` of a prompt."""
        return self.vision_encoder(pictures).float().cpu(), self.text_encoder(tokens).float().cpu()


def sizes_of(state: dict[str, Tensor], path: Path) -> ViclipSizes:
    """The sizes that the shapes of the weights tell.

    Raises:
        WeightsError: they are of another model.
    """
    video, text = "vision_encoder.", "text_encoder."
    try:
        kernel, projection = state[f"{video}conv1.weight"], state[f"{video}proj"]
        words = state[f"{text}token_embedding.weight"]
        return ViclipSizes(
            width=kernel.shape[0],
            layers=_count(state, f"{video}transformer.resblocks."),
            patch=kernel.shape[-1],
            places=state[f"{video}positional_embedding"].shape[0],
            num_frames=state[f"{video}temporal_positional_embedding"].shape[1],
            text_width=words.shape[1],
            text_layers=_count(state, f"{text}transformer.resblocks."),
            vocabulary=words.shape[0],
            max_tokens=state[f"{text}positional_embedding"].shape[0],
            joint=projection.shape[1],
        )
    except (KeyError, IndexError) as error:
        raise WeightsError(
            "viclip-weights",
            "The weights {path} are not those of ViCLIP: {error} is missing. ViClip-InternVid-10M-FLT is needed. "
            "Choose that file.",
            path=path,
            error=error,
        ) from error


def load_viclip(path: Path, tokenizer: Path, device: torch.device) -> Compare:
    """ViCLIP from a file, with the tokenizer of a CLIP folder."""
    state = state_of(path)
    network: Any = filled(Viclip(sizes_of(state, path)), path, state, "ViCLIP").to(device)
    words = library("transformers", "Overall consistency").CLIPTokenizer.from_pretrained(
        tokenizer, local_files_only=True
    )

    def compare(pictures: Tensor, prompt: str) -> tuple[Tensor, Tensor]:
        numbers = words(prompt, truncation=True, max_length=MOST_TOKENS)["input_ids"]
        return network.compare(pictures.to(device), torch.tensor(numbers, device=device))

    return compare


def _count(state: dict[str, Tensor], start: str) -> int:
    return 1 + max((int(name[len(start) :].split(".")[0]) for name in state if name.startswith(start)), default=-1)
