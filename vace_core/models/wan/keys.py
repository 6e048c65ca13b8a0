"""The names that diffusers gives to the weights of Wan, and the official names, each from the other.

Official names are those of Wan-Video/Wan2.1 and ali-vilab/VACE; ComfyUI uses them too, and so does this library.
Source: huggingface/diffusers, src/diffusers/loaders/single_file_utils.py; models/transformers/transformer_wan_vace.py.
"""

from __future__ import annotations

import re

# Official → diffusers, without ".weight" and ".bias".
MODEL = {
    "patch_embedding": "patch_embedding",
    "vace_patch_embedding": "vace_patch_embedding",
    "text_embedding.0": "condition_embedder.text_embedder.linear_1",
    "text_embedding.2": "condition_embedder.text_embedder.linear_2",
    "time_embedding.0": "condition_embedder.time_embedder.linear_1",
    "time_embedding.2": "condition_embedder.time_embedder.linear_2",
    "time_projection.1": "condition_embedder.time_proj",
    "head.head": "proj_out",
    "head.modulation": "scale_shift_table",
}
ATTENTION = {"q": "to_q", "k": "to_k", "v": "to_v", "o": "to_out.0", "norm_q": "norm_q", "norm_k": "norm_k"}
BLOCK = {
    **{f"self_attn.{ours}": f"attn1.{theirs}" for ours, theirs in ATTENTION.items()},
    **{f"cross_attn.{ours}": f"attn2.{theirs}" for ours, theirs in ATTENTION.items()},
    "modulation": "scale_shift_table",
    "norm3": "norm2",  # the only one of a block's three norms that has weights; both call it by another number
    "ffn.0": "ffn.net.0.proj",
    "ffn.2": "ffn.net.2",
    "before_proj": "proj_in",
    "after_proj": "proj_out",
}
# Recognised so that a model that cannot be used is named for what it is.
IMAGE_BLOCK = {
    "cross_attn.k_img": "attn2.add_k_proj",
    "cross_attn.v_img": "attn2.add_v_proj",
    "cross_attn.norm_k_img": "attn2.norm_added_k",
}
IMAGE_MODEL = {
    "img_emb.proj.0": "condition_embedder.image_embedder.norm1",
    "img_emb.proj.1": "condition_embedder.image_embedder.ff.net.0.proj",
    "img_emb.proj.3": "condition_embedder.image_embedder.ff.net.2",
    "img_emb.proj.4": "condition_embedder.image_embedder.norm2",
}
ALL_MODEL, ALL_BLOCK = MODEL | IMAGE_MODEL, BLOCK | IMAGE_BLOCK

RESIDUAL = {
    "residual.0": "norm1",
    "residual.2": "conv1",
    "residual.3": "norm2",
    "residual.6": "conv2",
    "shortcut": "conv_shortcut",
}
RESAMPLE = {"resample.1": "resample.1", "time_conv": "time_conv"}
FRAME_ATTENTION = {"norm": "norm", "to_qkv": "to_qkv", "proj": "proj"}
NAME = re.compile(r"((?:vace_)?blocks\.\d+\.)?(.*?)(\.weight|\.bias|\.gamma)?", re.DOTALL)


def _vae_names() -> dict[str, str]:
    names = {"conv1": "quant_conv", "conv2": "post_quant_conv"}
    layers: list[tuple[str, str, dict[str, str]]] = []
    for half in ("encoder", "decoder"):
        ends = (("conv1", "conv_in"), ("head.0", "norm_out"), ("head.2", "conv_out"))
        names |= {f"{half}.{ours}": f"{half}.{theirs}" for ours, theirs in ends}
        layers.append((f"{half}.middle.0", f"{half}.mid_block.resnets.0", RESIDUAL))
        layers.append((f"{half}.middle.1", f"{half}.mid_block.attentions.0", FRAME_ATTENTION))
        layers.append((f"{half}.middle.2", f"{half}.mid_block.resnets.1", RESIDUAL))
    for index in range(11):
        layers.append((f"encoder.downsamples.{index}", f"encoder.down_blocks.{index}", RESIDUAL | RESAMPLE))
    for index in range(15):
        # A level of the decoder is three residual blocks and, but for the last, what doubles the size.
        level, place = divmod(index, 4)
        theirs = f"resnets.{place}" if place < 3 else "upsamplers.0"
        layers.append(
            (f"decoder.upsamples.{index}", f"decoder.up_blocks.{level}.{theirs}", RESIDUAL if place < 3 else RESAMPLE)
        )
    for ours, theirs, inner in layers:
        names |= {f"{ours}.{a}": f"{theirs}.{b}" for a, b in inner.items()}
    return names


VAE = _vae_names()


def diffusers_key(official: str) -> str:
    """The name in diffusers of a transformer or adapter weight; a name that is not official comes back as it is."""
    return _renamed(official, ALL_MODEL, ALL_BLOCK)


def official_key(diffusers: str) -> str:
    """The official name of a transformer or adapter weight; the inverse of `diffusers_key`."""
    return _renamed(diffusers, _inverse(ALL_MODEL), _inverse(ALL_BLOCK))


def diffusers_vae_key(official: str) -> str:
    """The name in diffusers of a weight of the VAE; a name that is not official comes back as it is."""
    return _renamed(official, VAE, {})


def official_vae_key(diffusers: str) -> str:
    """The official name of a weight of the VAE; the inverse of `diffusers_vae_key`."""
    return _renamed(diffusers, _inverse(VAE), {})


def _renamed(name: str, model: dict[str, str], block: dict[str, str]) -> str:
    match = NAME.fullmatch(name)
    assert match is not None
    place, stem, kind = match.groups("")
    table = block if place else model
    return f"{place}{table[stem]}{kind}" if stem in table else name


def _inverse(table: dict[str, str]) -> dict[str, str]:
    return {theirs: ours for ours, theirs in table.items()}
