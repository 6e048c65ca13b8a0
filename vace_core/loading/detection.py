"""Which model a file of tensors is: one that is known here, or one that can at least be named.

Source: ComfyUI, comfy/model_detection.py and comfy/sd.py, for the names that tell models apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from ..errors import ModelError, UnsupportedModelError, WeightsError, shortened
from ..files.checkpoint import Part
from ..files.tensors import TensorFile
from ..files.weights import Naming, Weights
from ..models import FAMILIES
from ..models.family import Family

Kind = Literal["vace", "base", "adapter", "vae", "text"]
PARTS: tuple[Part, ...] = ("transformer", "vae", "text_encoder")

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
        family: Which bases it belongs to; of a text encoder, the first that reads it.
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

    @property
    def readers(self) -> str:
        """The families that read a text encoder, in words."""
        return " and ".join(family.text.reader for family in FAMILIES if family.text.name == self.family.text.name)


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


def unsupported(file: TensorFile, what: str) -> UnsupportedModelError:
    names = " and ".join(family.name for family in FAMILIES)
    return UnsupportedModelError(
        "model-unsupported",
        "{path} holds {what}. Known are the text-to-video models, VACE adapters, VAEs and text encoders of "
        "{known}. Choose a file of one of these.",
        path=file.path,
        what=what,
        known=names,
    )


def _transformer(file: TensorFile) -> Found | None:
    alike = _alike(file, lambda family: family.transformer)
    best = _best(file, alike, lambda family, weights: family.variant(weights), _transformer_names)
    return best and _halves(*best)


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
    alike = _alike(file, lambda family: family.vae)
    best = _best(file, alike, lambda family, weights: family.vae_variant(weights), _vae_names)
    if best is None:
        return None
    family, weights = best
    return Found(kind="vae", family=family, weights=weights, parts={"vae": family.vae_weights(weights)})


def _text(file: TensorFile) -> Found | None:
    alike = _alike(file, lambda family: family.text.namings)
    for family, weights in alike:
        if family.text.owns(weights):
            return Found(kind="text", family=family, weights=weights, parts={"text": tuple(weights.stored)})
    if alike:
        raise unsupported(file, alike[0][0].text.unlike)
    return None


def _alike(file: TensorFile, namings: Callable[[Family], Iterable[Naming]]) -> list[tuple[Family, Weights]]:
    """The families of which a file shows a mark, and its weights by the names of each.

    Raises:
        ModelError: it shows some, and can be read as none of them.
    """
    alike: list[tuple[Family, Weights]] = []
    errors: list[ModelError] = []
    for family in FAMILIES:
        try:
            if weights := Weights.find(file, namings(family)):
                alike.append((family, weights))
        except ModelError as error:
            errors.append(error)
    if errors and not alike:
        raise errors[0]
    return alike


def _best(
    file: TensorFile,
    alike: list[tuple[Family, Weights]],
    variant: Callable[[Family, Weights], str | None],
    own_names: Callable[[Family, Weights], set[str]],
) -> tuple[Family, Weights] | None:
    """Of the families that can use a file, the one whose own network has most of its names; None if none is alike.

    Raises:
        UnsupportedModelError: none of them can use it.
    """

    def shared(pair: tuple[Family, Weights]) -> float:
        if len(alike) == 1:
            return 1.0
        try:
            names = own_names(*pair)
        except WeightsError:
            return 0.0
        return len(names & pair[1].stored.keys()) / len(names | pair[1].stored.keys())

    if not alike:
        return None
    best = max(alike, key=lambda pair: (variant(*pair) is None, shared(pair)))
    if what := variant(*best):
        raise unsupported(file, what)
    return best


def _transformer_names(family: Family, weights: Weights) -> set[str]:
    """Of a base or adapter of the sizes that the weights tell."""
    names: set[str] = set()
    with torch.device("meta"):
        if family.has_base(weights):
            names |= family.build_base(family.base_sizes(weights)).state_dict().keys()
        if any(family.is_adapter_name(name) for name in weights.stored):
            sizes, blocks = family.adapter_sizes(weights)
            layers = family.recorded_layers(weights) or tuple(range(blocks))
            adapter = family.build_adapter(sizes, layers)
            names |= {family.official_adapter_key(name, layers) for name in adapter.state_dict()}
    return names


def _vae_names(family: Family, weights: Weights) -> set[str]:
    with torch.device("meta"):
        return set(family.build_vae(family.vae_sizes(weights)).state_dict())
