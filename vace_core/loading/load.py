"""From files to models: base, adapter and VAE, each from the weights it needs and no others.

A model is built without weights first and then given those of the file, so memory holds the weights once. Loading is
strict: exactly the weights of the model, in exactly its shapes, or an error that says what differs.
Loaded models are ready to run and frozen; call `requires_grad_(True)` to train one.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import torch
from torch import nn

from ..adapter import ContextAdapter
from ..checks.room import check_room
from ..errors import InputError, WeightsError, shortened
from ..files.checkpoint import Part, open_checkpoint
from ..files.gguf_format import GgufFile
from ..files.packed import Packing
from ..files.tensors import damaged
from ..files.weights import OWN_DTYPES, Weights
from ..models import layers
from ..models.family import Family
from ..protocols import BaseModel, VideoVae
from .detection import Found, identify
from .inspect import are_context_layers, context_layers_of
from .lora import Changes, kept_change, merged

Model = TypeVar("Model", bound=nn.Module)

log = logging.getLogger("vace")

# Which of the models in a folder holds a part.
FOLDERS: dict[str, Part] = {"base": "transformer", "adapter": "transformer", "vae": "vae"}


def load_base(
    path: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    ops: ModuleType | Any = layers,
    keep_packed: bool = False,
    changes: Changes | None = None,
) -> BaseModel:
    """The base model in a file, an index of shards or a folder; an adapter in the same file is not read.

    Args:
        path: As for `inspect`.
        dtype: Of all weights; None = that of most of the file, bfloat16 if the file is quantised.
        device: Where the weights go.
        ops: Where the layers come from; whatever offers `Linear`, `LayerNorm` and `RMSNorm` as torch.nn does, and lets
            weights follow the precision of what comes in, as `models.layers` does. A
            `Linear` that streams its weights offers `held(x)` too: a context with weight and bias for uses with `x`.
            One that has a `packing`, as `models.layers.Linear`, can use weights as they are stored. Where `ops` has
            an `attention`, as `models.layers`, it is used.
        keep_packed: Whether quantised matrices (float8, blocks of GGUF) stay as they are stored until they are used,
            where `ops` can do that.
        changes: What is merged into the weights, in float32 and rounded once, and into those that stay as they are
            stored whenever they are used; from `lora_match.changes_for`.

    Raises:
        WeightsError: damaged, another kind of model, or weights missing, unexpected or of another shape.
        UnsupportedModelError: no model that is known here.
    """
    found = find_part(path, "base")
    sizes = found.family.base_sizes(found.weights)
    base: Any = _filled(
        lambda ops: found.family.build_base(sizes, ops),
        ops,
        found,
        "base",
        dtype,
        device,
        keep_packed=keep_packed,
        changes=changes,
    )
    return base


def load_adapter(
    path: str | Path,
    *,
    context_layers: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    ops: ModuleType | Any = layers,
    keep_packed: bool = False,
    changes: Changes | None = None,
) -> ContextAdapter:
    """The adapter in a file of its own, or out of a file that holds the base too; the base is not read.

    Args:
        path: As for `inspect`.
        context_layers: Indices of the base's blocks that receive a hint, ascending from 0; None = as the file, the
            config.json beside it, or even spacing says.
        dtype: As for `load_base`.
        device: As for `load_base`.
        ops: As for `load_base`.
        keep_packed: As for `load_base`.
        changes: As for `load_base`.

    Raises:
        InputError: nothing tells the context layers, so they must be given; or those that are given cannot be.
        WeightsError: As for `load_base`.
        UnsupportedModelError: As for `load_base`.
    """
    found = find_part(path, "adapter")
    family = found.family
    sizes, blocks = family.adapter_sizes(found.weights)
    chosen = context_layers_of(found) if context_layers is None else tuple(context_layers)
    if chosen is None:
        raise InputError(
            "context-layers-missing",
            "{path} holds an adapter of {blocks} context blocks of width {width}, and nothing tells which "
            "blocks of its base they belong to. The list is needed. Give it as context_layers.",
            path=found.weights.file.path,
            blocks=blocks,
            width=sizes.width,
        )
    if not are_context_layers(chosen, blocks):
        raise InputError(
            "context-layers-wrong",
            "context_layers is {context_layers}. The adapter in {path} has {blocks} context blocks, so {blocks} "
            "ascending numbers from 0 are needed. Give the ones that it was trained with.",
            context_layers=chosen,
            path=found.weights.file.path,
            blocks=blocks,
        )
    return _filled(
        lambda ops: family.build_adapter(sizes, chosen, ops),
        ops,
        found,
        "adapter",
        dtype,
        device,
        lambda ours: family.official_adapter_key(ours, chosen),
        keep_packed=keep_packed,
        changes=changes,
    )


def load_vae(
    path: str | Path, *, dtype: torch.dtype | None = None, device: str | torch.device = "cpu", tile: int | None = None
) -> VideoVae:
    """The VAE in a file, also beside other models, or in the vae folder of a diffusers model.

    Args:
        path: As for `inspect`.
        dtype: As for `load_base`.
        device: As for `load_base`.
        tile: Side in pixels of the pieces in which a frame is computed; None = whole frames.

    Raises:
        WeightsError: As for `load_base`.
        UnsupportedModelError: As for `load_base`.
    """
    found = find_part(path, "vae")
    sizes = found.family.vae_sizes(found.weights)
    network = _filled(lambda _: found.family.build_vae(sizes), layers, found, "vae", dtype, device)
    return found.family.ready_vae(network, tile)


def vae_sizes(found: Found) -> Any:
    """The sizes of the VAE in a file.

    Raises:
        WeightsError: a weight that tells them is missing or of an impossible shape.
    """
    return found.family.vae_sizes(found.weights)


def find_part(path: str | Path, part: str, family: Family | None = None) -> Found:
    """The model in `path` that has a part: "base", "adapter" or "vae".

    Args:
        path: As for `inspect`.
        part: What it must hold, perhaps with others.
        family: Whose part is named where it does not; None = that of what is there.

    Raises:
        WeightsError: damaged, or it holds something else.
        UnsupportedModelError: no model that is known here.
    """
    found = identify(open_checkpoint(path, FOLDERS[part]), FOLDERS[part])
    if part not in found.parts:
        raise WeightsError(
            "weights-other-part",
            "{path} holds {found}. What is needed here is {needed}. Choose a file that holds it.",
            path=found.weights.file.path,
            found=found.title,
            needed=_title(family or found.family, part),
        )
    return found


def _title(family: Family, part: str) -> str:
    return {"base": family.base_name, "adapter": "a VACE adapter", "vae": family.vae_name}[part]


def _filled(
    make: Callable[[Any], Model],
    ops: ModuleType | Any,
    found: Found,
    part: str,
    dtype: torch.dtype | None,
    device: str | torch.device,
    official: Callable[[str], str] = str,
    *,
    keep_packed: bool = False,
    changes: Changes | None = None,
) -> Model:
    """The model that `make` makes of `ops`, with its weights; `official` gives official names of the model's own."""
    with torch.device("meta"):
        plain = make(layers)  # other layers may have no weights yet that could be asked for their shapes
        model = plain if ops is layers else make(ops)
    weights, names = found.weights, found.parts[part]
    ours = {official(name): name for name in plain.state_dict()}
    shapes = {name: tuple(value.shape) for name, value in zip(ours, plain.state_dict().values(), strict=True)}
    _check(found, part, shapes)
    dtype, changes = dtype or weights.dtype(names), changes or {}
    packed = _packed(model, found, part, ours) if keep_packed else {}
    if torch.device(device).type == "cpu":
        stored = sum(weights.info(name).nbytes for name in packed)
        expanded = weights.count(name for name in names if name not in packed) * dtype.itemsize
        check_room(stored + expanded, f"The model in {weights.file.path}")
    for name, (layer, packing) in packed.items():
        change = kept_change(changes.get(name, ()), device)
        layers.keep_packed(
            layer, weights.read_packed(name, packing).to(device), dataclasses.replace(packing, change=change)
        )
    state = {ours[name]: _read(weights, name, dtype, device, changes) for name in names if name not in packed}
    state |= {ours[name]: layer.weight for name, (layer, _) in packed.items()}
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def _read(
    weights: Weights, name: str, dtype: torch.dtype, device: str | torch.device, changes: Changes
) -> torch.Tensor:
    """The weight with this official name, with what LoRA files change in it."""
    if name not in changes:
        return weights.read(name, dtype=dtype, device=device)
    return merged(weights.read(name, dtype=torch.float32, device=device), changes[name]).to(dtype)


def _packed(model: nn.Module, found: Found, part: str, ours: Mapping[str, str]) -> dict[str, tuple[nn.Module, Packing]]:
    """By their official names, the weights that stay as they are stored: the layer that takes them, and how."""
    packed: dict[str, tuple[nn.Module, Packing]] = {}
    expanded: set[str] = set()
    for name in found.parts[part]:
        place, _, kind = ours[name].rpartition(".")
        layer = model.get_submodule(place)
        if kind != "weight" or not hasattr(layer, "packing"):
            continue
        packing = found.weights.packing(name)
        if packing is not None:
            packed[name] = (layer, packing)
        elif (stored := found.weights.info(name).dtype) not in OWN_DTYPES:
            expanded.add(stored)
    if expanded:
        log.warning(
            "%s stores weights as %s, which take more memory here than in the file: Q8_0, Q6_K, Q5_K, Q4_K and their "
            "like, and fp8, stay as they are",
            found.weights.file.path.name,
            ", ".join(sorted(expanded)),
        )
    return packed


def _check(found: Found, part: str, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Validate that these are exactly the weights named in `shapes`, before any of them is read."""
    weights, names = found.weights, found.parts[part]
    path = weights.file.path
    faults = [
        _listed("lacks", [name for name in shapes if name not in weights.stored]),
        _listed("holds the unknown", [name for name in names if name not in shapes]),
    ]
    if any(faults):
        raise WeightsError(
            "weights-keys",
            "{path} {faults}. Exactly the {count} weights of {title} are needed. {advice}",
            path=path,
            faults=" and ".join(filter(None, faults)),
            count=len(shapes),
            title=_title(found.family, part),
            advice=_advice(found, shapes),
        )
    for name, shape in shapes.items():
        if weights.shape(name) != shape:
            raise damaged(path, f"its weight {name} has the shape {weights.shape(name)} instead of {shape}")


def _listed(fault: str, names: list[str]) -> str:
    count = f"{len(names)} weights" if len(names) > 1 else "the weight"
    if fault.endswith("unknown") and len(names) == 1:
        count = "weight"
    shown = ", ".join(shortened(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{fault} {count} {shown}" if names else ""


def _advice(found: Found, shapes: Mapping[str, tuple[int, ...]]) -> str:
    lost = [name for name, shape in shapes.items() if len(shape) > 4 and name not in found.weights.stored]
    if lost and isinstance(found.weights.file, GgufFile):
        return (
            "Converters to GGUF leave out weights of five dimensions, which a second step puts back: "
            'choose a file that was made with ComfyUI-GGUF\'s "fix_5d_tensors", or a .safetensors file.'
        )
    return "Choose a complete file of this model, or download it again."
