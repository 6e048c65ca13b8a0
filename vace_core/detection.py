"""Which model a file of tensors is: one that is known here, or one that can at least be named.

Source: ComfyUI, comfy/model_detection.py and comfy/sd.py, for the names that tell models apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from .errors import UnsupportedModelError
from .files.tensors import TensorFile, damaged, shortened
from .models.wan import CONTEXT_CHANNELS, HEAD_WIDTH, LATENT_CHANNELS, WanSizes
from .models.wan_keys import official_key, official_vae_key
from .weights import Naming, Weights

Kind = Literal["vace", "base", "adapter", "vae", "text"]

BASE_MARK, ADAPTER_MARK = "head.modulation", "vace_blocks.0.after_proj.weight"
ADAPTER_NAMES = "vace_"
PREFIXES = ("", "model.diffusion_model.", "model.model.", "net.", "model.", "diffusion_model.")
VAE_PREFIXES = ("", "vae.", "first_stage_model.")
TEXT_PREFIXES = ("", "text_encoders.umt5xxl.transformer.")
TRANSFORMER = (
    Naming(name="official", marks=(BASE_MARK, ADAPTER_MARK), prefixes=PREFIXES),
    Naming(
        name="diffusers",
        marks=("condition_embedder.time_proj.weight", "vace_blocks.0.proj_out.weight"),
        prefixes=PREFIXES,
        official=official_key,
    ),
)
VAE = (
    Naming(name="official", marks=("decoder.middle.0.residual.0.gamma",), prefixes=VAE_PREFIXES),
    Naming(
        name="diffusers",
        marks=("decoder.mid_block.resnets.0.norm1.gamma",),
        prefixes=VAE_PREFIXES,
        official=official_vae_key,
    ),
)
TEXT = (
    Naming(name="official", marks=("blocks.0.attn.q.weight",), prefixes=TEXT_PREFIXES),
    Naming(name="transformers", marks=("encoder.block.0.layer.0.SelfAttention.q.weight",), prefixes=TEXT_PREFIXES),
    Naming(name="llama.cpp", marks=("enc.blk.0.attn_q.weight",), prefixes=TEXT_PREFIXES),
)
# The table of relative positions, by any of its names. umT5 has one in every layer, T5 only one.
POSITIONS = ("pos_embedding.embedding.weight", "relative_attention_bias.weight", "attn_rel_b.weight")

# First part of a name that only a variant of Wan has, and what that variant is.
VARIANTS = {
    "img_emb": "a Wan image-to-video model",
    "control_adapter": "a Wan Fun camera control model",
    "ref_conv": "a Wan Fun-Control model",
    "face_adapter": "a Wan Animate model",
    "casual_audio_encoder": "a Wan speech-to-video model",
    "audio_proj": "a Wan HuMo model",
}
# Part of a name that tells what else a file may be.
OTHERS = {
    ".lora_": "a LoRA, which changes a model but is not one",
    "lora_down": "a LoRA, which changes a model but is not one",
    "patchify_context_proj.": "an LTX-Video transformer with a VACE adapter",
    "adaln_single.emb.timestep_embedder.": "an LTX-Video transformer",
    "time_embed.emb.timestep_embedder.": "an LTX-Video transformer",
    "per_channel_statistics.": "an LTX-Video VAE",
}
MAX_BLOCKS = 256


@dataclass(frozen=True, kw_only=True)
class Found:
    """A known model in a file.

    Attributes:
        kind: "vace" is a base with its adapter in one; "base" and "adapter" are the halves.
        weights: Its weights.
        parts: Official names of the weights of each part that is there: "base", "adapter", "vae", "text".
    """

    kind: Kind
    weights: Weights
    parts: Mapping[str, tuple[str, ...]]


def identify(file: TensorFile) -> Found:
    """The model in `file`.

    Raises:
        UnsupportedModelError: none that is known; the message says what it is as far as that can be told.
    """
    if weights := Weights.find(file, TRANSFORMER):
        _refuse_variants(weights)
        return _halves(weights)
    if weights := Weights.find(file, VAE):
        _refuse_other_vae(weights)
        return Found(kind="vae", weights=weights, parts={"vae": tuple(weights.stored)})
    if weights := Weights.find(file, TEXT):
        _refuse_other_text(weights)
        return Found(kind="text", weights=weights, parts={"text": tuple(weights.stored)})
    known = next((what for part, what in OTHERS.items() if any(part in name for name in file.tensors)), None)
    if known is None:
        first = ", ".join(shortened(name) for name in list(file.tensors)[:5]) or "nothing"
        known = f"a model that is not known here (it begins with {first})"
    raise unsupported(file, known)


def base_sizes(weights: Weights) -> WanSizes:
    """The sizes of the base in `weights`.

    Raises:
        WeightsError: a weight that tells them is missing or of an impossible shape.
    """
    _ffn, width = _matrix(weights, "blocks.0.ffn.0.weight")
    _check_width(weights, width, "blocks.0.self_attn.q.weight")
    _matrix(weights, "text_embedding.0.weight")
    sizes = WanSizes.of({name: weights.shape(name) for name in weights.stored})
    if sizes.layers > MAX_BLOCKS:
        raise damaged(weights.file.path, f"it claims {sizes.layers} blocks")
    return sizes


def adapter_sizes(weights: Weights) -> tuple[WanSizes, int]:
    """The sizes of the adapter's blocks, and how many there are; its base may have more. Raises as `base_sizes`."""
    ffn, width = _matrix(weights, "vace_blocks.0.ffn.0.weight")
    _check_width(weights, width, "vace_blocks.0.self_attn.q.weight")
    blocks = len({name.split(".")[1] for name in weights.stored if name.startswith("vace_blocks.")})
    if blocks > MAX_BLOCKS:
        raise damaged(weights.file.path, f"it claims {blocks} context blocks")
    return WanSizes(width=width, ffn=ffn, layers=blocks), blocks


def unsupported(file: TensorFile, what: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{file.path} holds {what}. Known are Wan 2.1 text-to-video models, VACE adapters for them, the Wan 2.1 VAE "
        "and the umT5-XXL text encoder. Choose a file of one of these."
    )


def _halves(weights: Weights) -> Found:
    base = tuple(name for name in weights.stored if not name.startswith(ADAPTER_NAMES))
    adapter = tuple(name for name in weights.stored if name.startswith(ADAPTER_NAMES))
    if BASE_MARK not in weights.stored:
        return Found(kind="adapter", weights=weights, parts={"adapter": tuple(weights.stored)})
    if not adapter:
        return Found(kind="base", weights=weights, parts={"base": base})
    return Found(kind="vace", weights=weights, parts={"base": base, "adapter": adapter})


def _refuse_variants(weights: Weights) -> None:
    heads = {name.split(".", 1)[0] for name in weights.stored}
    variant = next((what for head, what in VARIANTS.items() if head in heads), None)
    if variant is None and any(".k_img." in name for name in weights.stored):
        variant = VARIANTS["img_emb"]
    channels = _inputs(weights, "patch_embedding.weight", LATENT_CHANNELS)
    if variant is None and channels != LATENT_CHANNELS:
        # TI2V-5B is the one whose output has as many channels as its input.
        tiny = weights.shape("head.head.weight")[:1] == (channels * 4,)
        variant = "the Wan 2.2 TI2V-5B model" if tiny else "a Wan image-to-video or Fun-Control model"
    if variant is not None:
        raise unsupported(weights.file, f"{variant}, whose input has {channels} channels instead of {LATENT_CHANNELS}")
    context = _inputs(weights, "vace_patch_embedding.weight", CONTEXT_CHANNELS)
    if context != CONTEXT_CHANNELS:
        raise unsupported(
            weights.file, f"an adapter whose context has {context} channels instead of {CONTEXT_CHANNELS}"
        )


def _refuse_other_vae(weights: Weights) -> None:
    channels = _inputs(weights, "decoder.conv1.weight", LATENT_CHANNELS)
    nested = "decoder.upsamples.0.upsamples.0.residual.2.weight" in weights.stored
    if nested or channels != LATENT_CHANNELS:
        raise unsupported(weights.file, f"the Wan 2.2 VAE of {channels} latent channels")


def _refuse_other_text(weights: Weights) -> None:
    tables = sum(name.endswith(POSITIONS) for name in weights.stored)
    if tables == 1:
        raise unsupported(weights.file, "a T5 text encoder, which is not umT5")


def _inputs(weights: Weights, name: str, default: int) -> int:
    """Input channels of a convolution, or `default` if it is not there to be asked."""
    shape = weights.shape(name)
    return shape[1] if len(shape) > 1 else default


def _matrix(weights: Weights, name: str) -> tuple[int, int]:
    shape = weights.shape(name)
    if len(shape) != 2 or 0 in shape:
        raise damaged(weights.file.path, f"its weight {name} is {'of shape ' + str(shape) if shape else 'missing'}")
    return shape[0], shape[1]


def _check_width(weights: Weights, width: int, square: str) -> None:
    if _matrix(weights, square) != (width, width) or width % HEAD_WIDTH:
        raise damaged(weights.file.path, f"its weight {square} does not fit a model of width {width}")
