"""Which model a file of tensors is: one that is known here, or one that can at least be named.

Source: ComfyUI, comfy/model_detection.py and comfy/sd.py, for the names that tell models apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..errors import UnsupportedModelError, shortened
from ..files.checkpoint import Part
from ..files.tensors import TensorFile
from ..files.weights import Naming, Weights
from ..models import FAMILIES
from ..models.family import Family, FileSizes

Kind = Literal["vace", "base", "adapter", "vae", "text"]
PARTS: tuple[Part, ...] = ("transformer", "vae", "text_encoder")

TEXT_PREFIXES = ("", *(family.text.prefix for family in FAMILIES))
TEXT = (
    Naming(name="official", marks=("blocks.0.attn.q.weight",), prefixes=TEXT_PREFIXES),
    Naming(name="transformers", marks=("encoder.block.0.layer.0.SelfAttention.q.weight",), prefixes=TEXT_PREFIXES),
    Naming(name="llama.cpp", marks=("enc.blk.0.attn_q.weight",), prefixes=TEXT_PREFIXES),
)
# The table of relative positions, by any of its names. umT5 has one in every layer, T5 only one.
POSITIONS = ("pos_embedding.embedding.weight", "relative_attention_bias.weight", "attn_rel_b.weight")
# Part of a name that tells what else a file may be.
OTHERS = {
    ".lora_": "a LoRA, which changes a model but is not one",
    "lora_down": "a LoRA, which changes a model but is not one",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A known model in a file.

    Attributes:
        kind: "vace" is a base with its adapter in one; "base" and "adapter" are the halves.
        family: Which bases it belongs to.
        weights: Its weights.
        parts: Official names of the weights of each part that is there: "base", "adapter", "vae", "text".
    """

    kind: Kind
    family: Family
    weights: Weights
    parts: Mapping[str, tuple[str, ...]]

    @property
    def title(self) -> str:
        """What it is, in a sentence: "a Wan text-to-video base without adapter"."""
        return {
            "vace": f"{self.family.base_name} with its VACE adapter",
            "base": f"{self.family.base_name} without adapter",
            "adapter": "a VACE adapter without base",
            "vae": self.family.vae_name,
            "text": f"the {self.family.text.name} text encoder",
        }[self.kind]


def identify(file: TensorFile, part: Part = "transformer") -> Found:
    """The model in `file`.

    Args:
        file: Its header is enough.
        part: What is looked for first, in files that hold several models.

    Raises:
        UnsupportedModelError: none that is known; the message says what it is as far as that can be told.
    """
    readers = {"transformer": _transformer, "vae": _vae, "text_encoder": _text}
    for name in sorted(PARTS, key=lambda other: other != part):
        if found := readers[name](file):
            return found
    known = next((what for part, what in OTHERS.items() if any(part in name for name in file.tensors)), None)
    if known is None:
        first = ", ".join(shortened(name) for name in list(file.tensors)[:5]) or "nothing"
        known = f"a model that is not known here (it begins with {first})"
    raise unsupported(file, known)


def base_sizes(weights: Weights) -> FileSizes:
    """The sizes of the base in `weights`.

    Raises:
        WeightsError: a weight that tells them is missing or of an impossible shape.
    """
    return _family_of(weights).base_sizes(weights)


def adapter_sizes(weights: Weights) -> tuple[FileSizes, int]:
    """The sizes of the adapter's blocks, and how many there are; its base may have more. Raises as `base_sizes`."""
    return _family_of(weights).adapter_sizes(weights)


def unsupported(file: TensorFile, what: str) -> UnsupportedModelError:
    names = " and ".join(family.name for family in FAMILIES)
    return UnsupportedModelError(
        f"{file.path} holds {what}. Known are the text-to-video models, VACE adapters, VAEs and text encoders of "
        f"{names}. Choose a file of one of these."
    )


def _family_of(weights: Weights) -> Family:
    return next(family for family in FAMILIES if family.owns(weights))


def _transformer(file: TensorFile) -> Found | None:
    for family in FAMILIES:
        if weights := Weights.find(file, family.transformer):
            if variant := family.variant(weights):
                raise unsupported(file, variant)
            return _halves(family, weights)
    return None


def _halves(family: Family, weights: Weights) -> Found:
    base, adapter = (
        tuple(name for name in weights.stored if family.is_adapter_name(name) == wanted) for wanted in (False, True)
    )
    if not family.has_base(weights):
        return Found(kind="adapter", family=family, weights=weights, parts={"adapter": tuple(weights.stored)})
    if not adapter:
        return Found(kind="base", family=family, weights=weights, parts={"base": base})
    return Found(kind="vace", family=family, weights=weights, parts={"base": base, "adapter": adapter})


def _vae(file: TensorFile) -> Found | None:
    for family in FAMILIES:
        if weights := Weights.find(file, family.vae):
            if variant := family.vae_variant(weights):
                raise unsupported(file, variant)
            return Found(kind="vae", family=family, weights=weights, parts={"vae": family.vae_weights(weights)})
    return None


def _text(file: TensorFile) -> Found | None:
    weights = Weights.find(file, TEXT)
    if weights is None:
        return None
    own_tables = sum(name.endswith(POSITIONS) for name in weights.stored) != 1
    family = next((family for family in FAMILIES if family.text.tables == own_tables), None)
    if family is None:
        raise unsupported(file, "a text encoder of the T5 family that none of them reads")
    return Found(kind="text", family=family, weights=weights, parts={"text": tuple(weights.stored)})
