"""Which weights of a model a LoRA file changes, found by names and shapes alone, before any weight is read.

The names that trainers and other programs give to one layer are all read: kohya (`lora_unet_`, `lora_down`, `alpha`),
diffusers and PEFT (`transformer.`, `lora_A`, also with an adapter's name), the official names with or without
`diffusion_model.`, and the whole differences of LightX2V (`diff`, `diff_b`, `diff_m`).
Source: ComfyUI, comfy/lora.py; huggingface/diffusers, loaders/lora_conversion_utils.py; ModelTC/LightX2V,
docs/EN/source/deploy_guides/lora_deploy.md.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..checks.numbers import check_number
from ..errors import InputError, WeightsError, shortened
from ..files import strict_json
from ..files.checkpoint import open_checkpoint, read_json
from ..files.tensors import TORCH_DTYPES, TensorFile
from ..models.family import Family
from .detection import Found
from .inspect import NOISE
from .lora import Change, Lora

log = logging.getLogger("vace")

# What may stand before a name with dots, several of them too, and before one with underscores.
DOTTED = ("diffusion_model.", "transformer.", "base_model.model.", "model.", "unet.", "pipe.", "dit.", "vace.")
UNDERSCORED = ("lora_unet__", "lora_unet_", "lora_transformer_", "lycoris_")
# What may stand behind the name of a layer, and what it is; PEFT puts the name of an adapter before ".weight".
PARTS = (
    ("down", re.compile(r"(?:\.lora_down|\.lora_A(?:\.\w+)?|[._]lora\.down|\.lora_linear_layer\.down)(?:\.weight)?")),
    ("up_bias", re.compile(r"\.lora_B(?:\.\w+)?\.bias")),
    ("up", re.compile(r"(?:\.lora_up|\.lora_B(?:\.\w+)?|[._]lora\.up|\.lora_linear_layer\.up)(?:\.weight)?")),
    ("alpha", re.compile(r"\.alpha")),
    ("diff", re.compile(r"\.diff")),
    ("diff_b", re.compile(r"\.diff_b")),
    ("diff_m", re.compile(r"\.diff_m")),
)
# Parts of names of kinds that are refused: programs disagree on what they mean, or they are no sum of two factors.
OTHER_KINDS = {
    ".dora_scale": "DoRA",
    ".lora_magnitude_vector": "DoRA",
    ".hada_w": "LoHa",
    ".lokr_w": "LoKr",
    ".oft_": "OFT",
    ".lora_mid.": "LoCon with a third factor",
    ".reshape_weight": "weights of another shape",
    ".set_weight": "weights that replace others",
}
PEFT_CONFIG = "lora_adapter_metadata"  # in the header of files that diffusers wrote
PEFT_FILE, PEFT_CONFIG_FILE = "adapter_model", "adapter_config.json"  # what PEFT itself writes into a folder


@dataclass(frozen=True, kw_only=True, eq=False)
class Match:
    """What a LoRA file changes in one network.

    Attributes:
        changes: By official name.
        unmatched: Names in the file for which the network has no weight.
        total: How many names the file has.
    """

    changes: Mapping[str, Change]
    unmatched: tuple[str, ...]
    total: int


def changes_for(
    loras: Sequence[Lora], *halves: tuple[Found, str], said: set[Path] | None = None
) -> dict[str, tuple[Change, ...]]:
    """What LoRA files change in a network, told from headers alone; unmatched names are said in a warning.

    Args:
        loras: In the order in which they are added; `noise` is not looked at.
        halves: The parts of the network, "base" and "adapter", and the files that they are in.
        said: Files of which it was said already what does not match; those of this call are added.

    Raises:
        WeightsError: a file matches nothing, does not fit, is damaged, or is of a kind that is not known here.
    """
    made: dict[str, list[Change]] = {}
    said = set() if said is None else said
    shapes = {name: found.weights.shape(name) for found, part in halves for name in found.parts[part]}
    for lora in loras:
        match = match_lora(lora, shapes, halves[0][0].family)
        if match.unmatched and lora.path not in said:
            said.add(lora.path)
            log.warning(
                "%s: %d of its %d names match nothing in this model and are left out: %s",
                lora.path.name,
                len(match.unmatched),
                match.total,
                ", ".join(shortened(name) for name in match.unmatched[:5])
                + (", ..." if len(match.unmatched) > 5 else ""),
            )
        for name, change in match.changes.items():
            made.setdefault(name, []).append(change)
    return {name: tuple(changes) for name, changes in made.items()}


def match_lora(lora: Lora, shapes: Mapping[str, tuple[int, ...]], family: Family) -> Match:
    """What a LoRA file changes in a network of these weights, by official names. Raises as `changes_for`."""
    file = open_checkpoint(lora.path)
    _check_kind(file)
    dotted = _names(shapes, family)
    underscored = {stem.replace(".", "_"): name for stem, name in dotted.items()}
    found: dict[str, dict[str, str]] = {}
    unmatched: list[str] = []
    for name in file.tensors:
        target = _target(name, dotted, underscored, shapes)
        if target is None:
            unmatched.append(name)
            continue
        weight, part = target
        if found.setdefault(weight, {}).setdefault(part, name) != name:
            raise _faulty(file, f"it changes {weight} twice, by {shortened(name)} and {shortened(found[weight][part])}")
    # The alpha of a layer of which nothing else is there says nothing.
    for weight in [weight for weight, parts in found.items() if parts.keys() <= {"alpha"}]:
        unmatched += found.pop(weight).values()
    if not found:
        first = ", ".join(shortened(name) for name in list(file.tensors)[:3]) or "nothing"
        raise WeightsError(
            "lora-matches-nothing",
            "{path} changes nothing in this model: none of its {count} names (the first are {first}) is that of "
            "a change of a layer of {model}. A LoRA for this model is needed. Choose one that was trained for it.",
            path=file.path,
            count=len(file.tensors),
            first=first,
            model=family.name,
        )
    scale = _peft_scale(file)
    changes: dict[str, Change] = {}
    for weight, parts in found.items():
        _check_shapes(file, weight, parts, shapes[weight])
        changes[weight] = Change(file=file, strength=lora.strength, parts=parts, usual_scale=scale)
    return Match(changes=changes, unmatched=tuple(unmatched), total=len(file.tensors))


def check_noise(loras: Sequence[Lora], *, pair: bool, say: bool = True) -> None:
    """Validate that LoRA files for one network of a pair are used with a pair; says where a name tells more.

    Raises:
        InputError: one is for a network of a pair, and there is none.
    """
    for lora in loras:
        if lora.noise is not None and not pair:
            raise InputError(
                "lora-noise",
                "The LoRA {path} is to change the {noise}-noise network, and the model is one network for all noise "
                "levels. A pair is needed for that. Leave {noise} out.",
                path=lora.path,
                noise=lora.noise,
            )
        words = set(NOISE.findall(lora.path.name.lower()))
        if say and pair and lora.noise is None and len(words) == 1:
            log.warning(
                "%s has %s in its name, and changes both networks of the pair: choose the %s-noise network for it if "
                "it was made for that one alone",
                lora.path.name,
                *words,
                *words,
            )


def _names(shapes: Iterable[str], family: Family) -> dict[str, str]:
    """By every name that a file may give to a layer, without what stands before it, the official name of its weight."""
    found: dict[str, str] = {}
    for naming in reversed(family.transformer):  # the official names go before others
        for name in shapes:
            found[naming.own(name).removesuffix(".weight")] = name
    return found


def _target(
    name: str, dotted: Mapping[str, str], underscored: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> tuple[str, str] | None:
    """Which weight a name in a LoRA file changes, and what part of the change it is; None if it is none of them."""
    for part, ending in PARTS:
        match = re.search(f"(?:{ending.pattern})$", name)
        if match is None:
            continue
        stem = name[: match.start()] + (".modulation" if part == "diff_m" else "")
        weight = _looked_up(stem, dotted, underscored)
        if part in ("diff_b", "up_bias") and weight is not None:
            weight = f"{weight.removesuffix('.weight')}.bias"
        if weight is not None and weight in shapes:
            return weight, "diff" if part in ("diff_b", "diff_m") else part
    return None


def _looked_up(stem: str, dotted: Mapping[str, str], underscored: Mapping[str, str]) -> str | None:
    for prefix in UNDERSCORED:
        if stem.startswith(prefix) and (found := underscored.get(stem[len(prefix) :].replace(".", "_"))):
            return found
    while stem not in dotted:
        prefix = next((prefix for prefix in DOTTED if stem.startswith(prefix)), None)
        if prefix is None:
            return None
        stem = stem[len(prefix) :]
    return dotted[stem]


def _check_kind(file: TensorFile) -> None:
    for name, info in file.tensors.items():
        kind = next((kind for part, kind in OTHER_KINDS.items() if part in name), None)
        if kind is None and info.dtype in TORCH_DTYPES and not TORCH_DTYPES[info.dtype].is_floating_point:
            kind = f"whole numbers ({info.dtype})"
        if kind is not None:
            raise WeightsError(
                "lora-kind",
                "{path} holds {kind} ({name}), which is not supported. LoRA of two factors (lora_up and lora_down, "
                "or lora_A and lora_B) and differences (diff, diff_b, diff_m) are. Choose one of these, or merge it "
                "into the model with the program that made it.",
                path=file.path,
                kind=kind,
                name=shortened(name),
            )


def _peft_scale(file: TensorFile) -> float:
    """Alpha over rank, where PEFT wrote them into the header of a file, or beside it, instead of beside the factors."""
    config: dict[str, Any] = strict_json.parse_table(file.metadata.get(PEFT_CONFIG, "{}"))
    if not config and file.path.stem == PEFT_FILE:
        config = read_json(file.path.parent / PEFT_CONFIG_FILE)
    said = {key.rpartition(".")[2]: value for key, value in config.items()}
    if any(said.get(key) for key in ("use_dora", "use_rslora", "alpha_pattern", "rank_pattern")):
        raise _faulty(file, "what PEFT says of it asks for DoRA, rsLoRA, or an alpha or rank for each layer of its own")
    alpha, rank = said.get("lora_alpha"), said.get("r")
    if alpha is None or rank is None:
        return 1.0
    for value in (alpha, rank):
        check_number("The alpha or rank that PEFT gives for a LoRA", value, above=0)
    return alpha / rank


def _check_shapes(file: TensorFile, weight: str, parts: Mapping[str, str], shape: tuple[int, ...]) -> None:
    came = {part: file.tensors[name].shape for part, name in parts.items()}
    if ("up" in came) != ("down" in came):
        raise _faulty(file, f"of {weight} it holds one factor without the other")
    if math.prod(came.get("alpha", ())) != 1:
        raise _faulty(file, f"its alpha of {weight} is not one number")
    # Some kernels of torch take a factor that is no number for 1.
    if "alpha" in parts and not math.isfinite(float(file.read(parts["alpha"]))):
        raise _faulty(file, f"its alpha of {weight} is no finite number")
    if "up" in came:
        up, down = came["up"], came["down"]
        fits = len(up) > 1 and len(down) > 1 and math.prod(up[1:]) == math.prod(down[:1]) > 0
        if not fits or (*up[:1], math.prod(down[1:])) != (*shape[:1], math.prod(shape[1:])):
            raise _other_shape(file, weight, f"factors of {up} and {down}", shape)
    for part in ("diff", "up_bias"):
        if part in came and _bare(came[part]) != _bare(shape):
            raise _other_shape(file, weight, f"a difference of {came[part]}", shape)


def _bare(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(side for side in shape if side != 1)


def _other_shape(file: TensorFile, weight: str, came: str, shape: tuple[int, ...]) -> WeightsError:
    return WeightsError(
        "lora-shape",
        "{path} changes {weight} by {came}, and in this model it has the shape {shape}. A LoRA for a model of this "
        "size is needed. Choose one that was trained for it.",
        path=file.path,
        weight=weight,
        came=came,
        shape=shape,
    )


def _faulty(file: TensorFile, reason: str) -> WeightsError:
    return WeightsError(
        "lora-faulty",
        "{path} cannot be used: {reason}. A whole LoRA file is needed, of two factors a layer. Download it again, or "
        "choose another one.",
        path=file.path,
        reason=reason,
    )
