"""LTX-Video at tiny sizes, made with the classes of the pack's `vace_core`: in memory, and as the published file is."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from filling import fill
from safetensors.torch import save_file

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
    return core.models.ltx.dit.LtxSizes(width=64, ffn=256, layers=4, text_width=4096)


def base(core: Any) -> Any:
    return fill(core.models.ltx.dit.LtxDit(sizes(core)), 1)


def adapter(core: Any) -> Any:
    return fill(core.models.ltx.dit.build_adapter(sizes(core), LAYERS), 2)


def vae_network(core: Any) -> Any:
    """With statistics that are not neutral."""
    network = fill(core.models.ltx.vae.LtxVaeNetwork(width=8), 3)
    values = torch.rand(2, 128, generator=torch.Generator().manual_seed(3))
    for index, name in enumerate(("mean-of-means", "std-of-means")):
        network.per_channel_statistics.get_buffer(name).copy_(index + values[index])
    return network


def library_model(core: Any) -> Any:
    """`VaceModel`."""
    return core.pipeline.VaceModel(
        expert=core.pipeline.Expert(base=base(core), adapter=adapter(core)),
        vae=core.models.ltx.vae.LtxVae(vae_network(core)),
        text=LetterText(),
        encode_masks=core.models.ltx.dit.encode_masks,
    )


def clip(frames: int = 9, height: int = 32, width: int = 64, seed: int = 0) -> torch.Tensor:
    """IMAGE of values that eight bits hold."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (frames, height, width, 3), generator=generator).float() / 255


def half_mask(frames: int = 9, height: int = 32, width: int = 64) -> torch.Tensor:
    """MASK: the right half is made."""
    mask = torch.zeros(frames, height, width)
    mask[:, :, width // 2 :] = 1
    return mask


def model_of(pack: Any) -> Any:
    """A VACE_MODEL of the pack, with the network that the library's result is made with."""
    family = pack.vace_core.models.ltx.family.LTX
    library = library_model(pack.vace_core)
    return pack.nodes.comfy.sockets.LibraryModel(core=library, family=family, usual=family.options)


def weights(core: Any) -> dict[str, dict[str, torch.Tensor]]:
    """Base, adapter and VAE under their official names."""
    key = core.models.ltx.keys.official_adapter_key
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


T5_SIZES = {"vocab_size": 3000, "d_model": 4096, "d_kv": 64, "d_ff": 8, "num_layers": 2, "num_heads": 2}


def t5() -> Any:
    """T5 of the package transformers: as wide as the real one, and small otherwise."""
    import transformers

    config = transformers.T5Config(**T5_SIZES, feed_forward_proj="gated-gelu")
    network = fill(transformers.T5EncoderModel(config), 4)
    for weight in network.parameters():
        weight.data = weight.data.half().float()  # ComfyUI may hold it in half precision
    return network.eval()


def write_t5(path: Path) -> Path:
    """Its file, with a weight by whose shape ComfyUI tells that it is T5-XXL."""
    mark = {"encoder.block.23.layer.1.DenseReluDense.wi_1.weight": torch.zeros(10_240, 4_096, dtype=torch.uint8)}
    weights = {name: value.contiguous() for name, value in t5().state_dict().items() if "embed_tokens" not in name}
    save_file(weights | mark, path)
    return path


def t5_clip(pack: Any, folder: Path) -> Any:
    """CLIP: the file as the pack has ComfyUI load it for LTX-Video, which is told the sizes."""
    import comfy.sd

    sized = functools.partial(comfy.sd.load_clip, model_options={"t5xxl_model_config": T5_SIZES})
    with mock.patch.object(comfy.sd, "load_clip", sized):
        return pack.nodes.comfy.host.load_clip(write_t5(folder / "t5.safetensors"), "LTXV")
