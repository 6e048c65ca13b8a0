"""The names of LTX-Video's weights: in diffusers and in official files, each from the other, and an adapter's.

Source: huggingface/diffusers, src/diffusers/loaders/single_file_utils.py; ali-vilab/VACE, vace/models/ltx.
"""

from __future__ import annotations

from collections.abc import Sequence

ADAPTER_NAMES = ("patchify_context_proj.", "transformer_context_blocks.")

# Official → diffusers, parts of names.
MODEL = {"patchify_proj": "proj_in", "adaln_single": "time_embed", "q_norm": "norm_q", "k_norm": "norm_k"}
RESIDUAL = {"res_blocks": "resnets", "conv_shortcut": "conv_shortcut.conv"}
# Official place of a block of the VAE → its place in diffusers.
PLACES = {
    "encoder.down_blocks.0": "encoder.down_blocks.0",
    "encoder.down_blocks.1": "encoder.down_blocks.0.downsamplers.0",
    "encoder.down_blocks.2": "encoder.down_blocks.0.conv_out",
    "encoder.down_blocks.3": "encoder.down_blocks.1",
    "encoder.down_blocks.4": "encoder.down_blocks.1.downsamplers.0",
    "encoder.down_blocks.5": "encoder.down_blocks.1.conv_out",
    "encoder.down_blocks.6": "encoder.down_blocks.2",
    "encoder.down_blocks.7": "encoder.down_blocks.2.downsamplers.0",
    "encoder.down_blocks.8": "encoder.down_blocks.3",
    "encoder.down_blocks.9": "encoder.mid_block",
    "decoder.up_blocks.0": "decoder.mid_block",
    "decoder.up_blocks.1": "decoder.up_blocks.0",
    "decoder.up_blocks.2": "decoder.up_blocks.1.upsamplers.0",
    "decoder.up_blocks.3": "decoder.up_blocks.1",
    "decoder.up_blocks.4": "decoder.up_blocks.2.conv_in",
    "decoder.up_blocks.5": "decoder.up_blocks.2.upsamplers.0",
    "decoder.up_blocks.6": "decoder.up_blocks.2",
    "decoder.up_blocks.7": "decoder.up_blocks.3.conv_in",
    "decoder.up_blocks.8": "decoder.up_blocks.3.upsamplers.0",
    "decoder.up_blocks.9": "decoder.up_blocks.3",
}
STATISTICS = {
    "per_channel_statistics.mean-of-means": "latents_mean",
    "per_channel_statistics.std-of-means": "latents_std",
}


def diffusers_key(official: str) -> str:
    """The name in diffusers of a weight of the transformer; a name that is not official comes back as it is."""
    return ".".join(MODEL.get(part, part) for part in official.split("."))


def official_key(diffusers: str) -> str:
    """The official name of a weight of the transformer; the inverse of `diffusers_key`."""
    return ".".join(_inverse(MODEL).get(part, part) for part in diffusers.split("."))


def diffusers_vae_key(official: str) -> str:
    """The name in diffusers of a weight of the VAE; a name that is not official comes back as it is."""
    if official in STATISTICS:
        return STATISTICS[official]
    place, rest = _placed(official, PLACES)
    parts = (RESIDUAL.get(part, part) for part in rest.replace("norm3.norm", "norm3").split("."))
    return place + ".".join(parts)


def official_vae_key(diffusers: str) -> str:
    """The official name of a weight of the VAE; the inverse of `diffusers_vae_key`."""
    if diffusers in STATISTICS.values():
        return _inverse(STATISTICS)[diffusers]
    place, rest = _placed(diffusers, _inverse(PLACES))
    rest = rest.replace("conv_shortcut.conv.", "conv_shortcut.").replace("norm3.", "norm3.norm.")
    return place + rest.replace("resnets.", "res_blocks.")


def official_adapter_key(ours: str, context_layers: Sequence[int]) -> str:
    """The name in checkpoints of an adapter weight, for context layers 0 and 2:
    `after_proj.1.bias` → `transformer_context_blocks.2.after_proj.bias`.

    A context block has there the number of the base's block that gets its hint.
    """
    head, rest = ours.split(".", 1)
    if head == "context_embedder":
        return f"patchify_context_proj.{rest}"
    if head == "before_proj":
        return f"transformer_context_blocks.0.{ours}"
    index, name = rest.split(".", 1)
    inner = name if head == "context_blocks" else f"after_proj.{name}"
    return f"transformer_context_blocks.{context_layers[int(index)]}.{inner}"


def _placed(name: str, places: dict[str, str]) -> tuple[str, str]:
    """The other name of the longest place that `name` begins with, and the rest; nothing is put for no place."""
    found = max((place for place in places if name.startswith(f"{place}.")), key=len, default="")
    return places.get(found, ""), name[len(found) :]


def _inverse(table: dict[str, str]) -> dict[str, str]:
    return {theirs: ours for ours, theirs in table.items()}
