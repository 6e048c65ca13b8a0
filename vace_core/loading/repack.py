"""From files to files: a full model split into base and adapter, and the two joined again, bit for bit.

Weights are copied one at a time as they are stored, with the scales that belong to them, under their official names.
What else a file holds, such as a VAE, stays with the base; the names are then behind a prefix, as they were.
"""

from __future__ import annotations

import json
from pathlib import Path

from ..errors import AdapterMismatchError, InputError, UnsupportedModelError, WeightsError
from ..files.checkpoint import open_checkpoint
from ..files.gguf_format import GgufFile
from ..files.safetensors_format import write
from ..files.tensors import TensorFile
from ..files.weights import MARKER
from ..media.files import check_target
from .detection import Found, identify
from .inspect import CONTEXT_LAYERS_KEY, check_fits, context_layers_of

Places = dict[str, tuple[TensorFile, str]]


def split_model(path: str | Path, base_out: Path, adapter_out: Path) -> None:
    """Writes the base and the adapter of a full model to files of their own.

    Args:
        path: A model that holds both, in one file, shards or a folder.
        base_out: The base, a .safetensors file; replaced if it exists.
        adapter_out: The adapter, likewise. Its metadata say which blocks of the base it is for.

    Raises:
        InputError: the two outputs are one file, or a file of the model itself, or cannot be written.
        WeightsError: the model does not hold both.
        UnsupportedModelError: a GGUF file, whose blocks safetensors cannot hold.
    """
    found = _open(path, "vace", "a base together with its adapter")
    outputs = {base_out.resolve(), adapter_out.resolve()}
    if len(outputs) < 2 or outputs & {source.resolve() for source in found.weights.file.paths}:
        raise InputError(
            "split-onto-itself",
            "{path} would be split into {base_out} and {adapter_out}. Two files other than the model itself "
            "are needed. Change the names.",
            path=path,
            base_out=base_out,
            adapter_out=adapter_out,
        )
    layers = context_layers_of(found)
    places, others = _places(found), _others(found)
    is_adapter = found.family.is_adapter_name
    adapter = {name: place for name, place in places.items() if is_adapter(name) or name == MARKER}
    base = {name: place for name, place in places.items() if not is_adapter(name)}
    for out, parts in ((adapter_out, (adapter,)), (base_out, (base, others))):
        check_target(out, ".safetensors", room=_bytes(*parts))
    metadata = dict(found.weights.file.metadata)
    _copy(adapter, adapter_out, metadata | {CONTEXT_LAYERS_KEY: json.dumps(layers)})
    metadata.pop(CONTEXT_LAYERS_KEY, None)
    _copy(_beside(others, base, found), base_out, metadata)


def join_model(base: str | Path, adapter: str | Path, out: Path) -> None:
    """Write a base model and an adapter that fits it as one full checkpoint; undoes `split_model`.

    What else the base's file holds comes along.

    Args:
        base: A base without adapter.
        adapter: An adapter without base.
        out: A .safetensors file; replaced if it exists.

    Raises:
        InputError: the file cannot be written.
        AdapterMismatchError: the adapter was made for another base.
        WeightsError: one of the two is something else.
        UnsupportedModelError: a GGUF file, whose blocks safetensors cannot hold.
    """
    base_found = _open(base, "base", "a base without adapter")
    adapter_found = _open(adapter, "adapter", "an adapter without base")
    family, theirs = base_found.family, adapter_found.family
    if family is not theirs:
        raise AdapterMismatchError(
            "adapter-other-family",
            "{adapter} is made for {found}, and {base} holds {needed}. Both must be of one family. Choose "
            "the adapter that belongs to it.",
            adapter=adapter,
            found=theirs.name,
            base=base,
            needed=family.base_name,
        )
    check_fits(base_found, adapter_found)
    layers = context_layers_of(adapter_found)
    metadata = {**adapter_found.weights.file.metadata, **base_found.weights.file.metadata}
    if layers is not None:
        metadata[CONTEXT_LAYERS_KEY] = json.dumps(layers)
    places, others = _places(base_found) | _places(adapter_found), _others(base_found)
    check_target(out, ".safetensors", room=_bytes(places, others))
    _copy(_beside(others, places, base_found), out, metadata)


def _open(path: str | Path, kind: str, needed: str) -> Found:
    found = identify(open_checkpoint(path))
    file = found.weights.file
    if found.kind != kind:
        raise WeightsError(
            "weights-other-part",
            "{path} is not what is needed here: {needed}. Choose a file that holds that.",
            path=file.path,
            needed=needed,
        )
    if isinstance(file, GgufFile):
        raise UnsupportedModelError(
            "gguf-not-copied",
            "{path} is a GGUF file, whose weights cannot be copied to safetensors as they are. A safetensors "
            "file is needed. Choose one.",
            path=file.path,
        )
    return found


def _bytes(*parts: Places) -> int:
    return sum(file.tensors[name].nbytes for places in parts for file, name in places.values())


def _places(found: Found) -> Places:
    """Where every tensor is that belongs to the model, by the name it is written under."""
    weights = found.weights
    file = weights.file
    marker = f"{weights.prefix}{MARKER}"
    places = {name: (file, stored) for name, stored in (weights.stored | weights.beside).items()}
    return places | ({MARKER: (file, marker)} if marker in file.tensors else {})


def _others(found: Found) -> Places:
    """What a file holds beside the model, by its name there."""
    weights = found.weights
    known = {*weights.stored.values(), *weights.beside.values(), f"{weights.prefix}{MARKER}"}
    return {name: (weights.file, name) for name in weights.file.tensors if name not in known}


def _beside(others: Places, places: Places, found: Found) -> Places:
    """The model's weights with others, if there are any; these are why its names have a prefix."""
    return {f"{found.weights.prefix}{name}": place for name, place in places.items()} | others if others else places


def _copy(places: Places, out: Path, metadata: dict[str, str]) -> None:
    write(
        out,
        {name: file.tensors[stored] for name, (file, stored) in places.items()},
        lambda name: places[name][0].read_bytes(places[name][1]),
        metadata,
    )
