"""LTX-Video at tiny sizes, made with the classes of the pack's `vace_core`: in memory, and as the published file is."""

from __future__ import annotations

from typing import Any

import torch
from filling import fill

LAYERS = (0, 2)


class LetterText:
    """A text encoder with a row for each letter, so that different prompts differ."""

    width = 4096

    def encode(self, prompt: str) -> torch.Tensor:
        letters = [ord(letter) % 64 for letter in prompt] or [1]
        rows = torch.zeros(1, len(letters), 4096)
        rows[0, :, :64] = torch.nn.functional.one_hot(torch.tensor(letters), 64) * 4.0
        return rows


class PaddedClip:
    """What is used of ComfyUI's CLIP for LTX-Video: the rows of `LetterText`, and more behind a mask."""

    def tokenize(self, text: str) -> str:
        return text

    def encode_from_tokens_scheduled(self, tokens: str) -> list[Any]:
        rows = LetterText().encode(tokens)
        mask = torch.zeros(1, 128, dtype=torch.long)
        mask[0, : rows.shape[1]] = 1
        padded = torch.nn.functional.pad(rows, (0, 0, 0, 128 - rows.shape[1]), value=3.0)
        return [[padded, {"pooled_output": None, "attention_mask": mask}]]


def sizes(core: Any) -> Any:
    """Of a width that is told by its 32 heads, as every other program tells it."""
    return core.models.ltx.LtxSizes(width=64, ffn=256, layers=4, text_width=4096)


def base(core: Any) -> Any:
    return fill(core.models.ltx.LtxDit(sizes(core)), 1)


def adapter(core: Any) -> Any:
    return fill(core.models.ltx.build_adapter(sizes(core), LAYERS), 2)


def vae_network(core: Any) -> Any:
    """With statistics that are not neutral."""
    network = fill(core.models.ltx_vae.LtxVaeNetwork(width=8), 3)
    values = torch.rand(2, 128, generator=torch.Generator().manual_seed(3))
    for index, name in enumerate(("mean-of-means", "std-of-means")):
        network.per_channel_statistics.get_buffer(name).copy_(index + values[index])
    return network


def library_model(core: Any) -> Any:
    """`VaceModel`."""
    return core.pipeline.VaceModel(
        expert=core.pipeline.Expert(base=base(core), adapter=adapter(core)),
        vae=core.models.ltx_vae.LtxVae(vae_network(core)),
        text=LetterText(),
        fold_masks=core.models.ltx.fold_masks,
    )


def weights(core: Any) -> dict[str, dict[str, torch.Tensor]]:
    """Base, adapter and VAE under their official names."""
    key = core.models.ltx_keys.official_adapter_key
    return {
        "base": dict(base(core).state_dict()),
        "adapter": {key(name, LAYERS): value for name, value in adapter(core).state_dict().items()},
        "vae": dict(vae_network(core).state_dict()),
    }


def checkpoint(core: Any) -> dict[str, torch.Tensor]:
    """As the published file is: the transformer with its context blocks, and the VAE, each behind a prefix."""
    parts = weights(core)
    transformer = {f"model.diffusion_model.{name}": value for name, value in (parts["base"] | parts["adapter"]).items()}
    vae = {f"vae.{name}": value for name, value in parts["vae"].items()}
    return {name: value.contiguous() for name, value in (transformer | vae).items()}
