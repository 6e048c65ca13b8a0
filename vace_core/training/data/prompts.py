"""Prompts as numbers, encoded once and kept on disk, so that a large text encoder need not stay in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from ...errors import InputError, shortened
from ...files import strict_json
from ...files.safetensors_format import SafetensorsFile, save
from ...models.text import TextEmbeds, TextEncoder

SHARD = 256
PROMPTS, ENCODER = "prompts", "encoder"


class CachedPrompts:
    """What an encoder made of prompts; meets `TextEncoder` for those that were encoded.

    Args:
        folder: Where they are.
        encoder: What tells the encoder from others; "" = it is not asked.

    Raises:
        InputError: another encoder made them.
    """

    def __init__(self, folder: Path, encoder: str = "") -> None:
        self._places: dict[str, tuple[SafetensorsFile, list[str]]] = {}
        for path in sorted(folder.glob("prompts-*.safetensors")):
            file = SafetensorsFile(path)
            made_by = file.metadata.get(ENCODER, "")
            if encoder and made_by and made_by != encoder:
                raise InputError(
                    "prompts-other-encoder",
                    "The prompts in {folder} were encoded with another text encoder than the one that was given. All "
                    "prompts of a training need the same one. Give that one, or choose another folder to start over.",
                    folder=folder,
                )
            told = strict_json.parse_table(file.metadata.get(PROMPTS, "")).get(PROMPTS, [])
            names: dict[str, list[str]] = {}
            for name in sorted(file.tensors):
                names.setdefault(name.split(".")[0], []).append(name)
            self._places |= {prompt: (file, names[str(number)]) for number, prompt in enumerate(told)}

    @property
    def width(self) -> int | None:
        return next((file.tensors[names[0]].shape[-1] for file, names in self._places.values()), None)

    def __contains__(self, prompt: str) -> bool:
        return prompt in self._places

    def encode(self, prompt: str) -> TextEmbeds:
        """As the encoder gave it, numbers with a point in float32.

        Raises:
            InputError: it was not among those that were encoded.
        """
        if prompt not in self._places:
            raise InputError(
                "prompt-not-encoded",
                "The prompt {prompt!r} is not among those that were encoded. All prompts of the data are needed. "
                "Delete the folder of encoded prompts to encode them again.",
                prompt=shortened(prompt),
            )
        file, names = self._places[prompt]
        parts = tuple(part.float() if part.is_floating_point() else part for part in map(file.read, names))
        return parts[0] if len(parts) == 1 else parts


def fill_prompts(folder: Path, encoder: TextEncoder, prompts: Iterable[str], told: str = "") -> CachedPrompts:
    """Encodes those prompts, and the empty one, that are not yet in `folder`.

    Args:
        told: What tells the encoder from others, as for `CachedPrompts`.

    Raises:
        InputError: the folder cannot be written, or another encoder made what is there.
    """
    there = CachedPrompts(folder, told)
    lacking = sorted(prompt for prompt in {*prompts, ""} if prompt not in there)
    if not lacking:
        return there
    folder.mkdir(parents=True, exist_ok=True)
    first, metadata = len(list(folder.glob("prompts-*.safetensors"))), {ENCODER: told} if told else {}
    for shard, start in enumerate(tqdm(range(0, len(lacking), SHARD), desc="encoding prompts", mininterval=5)):
        part = lacking[start : start + SHARD]
        with torch.no_grad():
            tensors = {
                f"{number}.{place}": tensor.cpu()
                for number, prompt in enumerate(part)
                for place, tensor in enumerate(_parts(encoder.encode(prompt)))
            }
        save(
            folder / f"prompts-{first + shard:05}.safetensors",
            tensors,
            metadata | {PROMPTS: json.dumps({PROMPTS: part})},
        )
    return CachedPrompts(folder)


def _parts(embeds: TextEmbeds) -> tuple[Tensor, ...]:
    return (embeds,) if isinstance(embeds, Tensor) else embeds
