"""What transformers will take on a device, from the headers of their files or from sizes alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ...adapter import ContextAdapter
from ...files.packed import BLOCKS, Packing
from ...files.weights import FLOAT8
from ...models.family import Family
from ..detection import Found
from ..inspect import context_layers_of
from .plan import NetworkBytes

Size = Callable[[str, Tensor], int]
"""A weight's own name and shape → the bytes that it takes."""


def blocks_of(base: Any) -> Sequence[nn.Module]:
    """The blocks of a base in the order in which they are used; none where it does not keep them in one list."""
    lists = (child for child in base.children() if isinstance(child, nn.ModuleList))
    return next((tuple(found) for found in lists if len(found) == base.sizes.layers), ())


def units(base: Any, adapter: ContextAdapter | None) -> list[tuple[nn.Module, ...]]:
    """What comes to a device as one, in the order of use: a block, or a context block with its projection."""
    found = list[tuple[nn.Module, ...]]()
    layers = () if adapter is None else adapter.context_layers
    for layer, block in enumerate(blocks_of(base)):
        found.append((block,))
        for number, at in enumerate(layers):
            if at == layer and adapter is not None:
                found.append((adapter.context_blocks[number], adapter.after_proj[number]))
    return found


def bytes_from_sizes(
    family: Family, sizes: Any, context_blocks: int, dtype: torch.dtype, *, stored: str | None = None
) -> NetworkBytes:
    """Those of a transformer with an adapter of so many blocks, of which no file need be there.

    Args:
        family: Its model family.
        sizes: Of its base.
        context_blocks: Of its adapter; 0 = there is none.
        dtype: What it is held in.
        stored: What its matrices stay in: a kind of `files.packed.BLOCKS`, or one of `files.weights.FLOAT8`; None =
            in `dtype`.
    """
    layers = family.usual_layers(sizes.layers, context_blocks)
    plain, largest = _of_numbers(dtype), 0

    def size(name: str, tensor: Tensor) -> int:
        nonlocal largest
        if stored is None or tensor.dim() != 2 or not name.endswith(".weight"):
            return plain(name, tensor)
        largest = max(largest, tensor.numel())
        width, block = BLOCKS[stored][:2] if stored in BLOCKS else (1, 1)
        return tensor.numel() // block * width

    made = _measured(family, sizes, layers if context_blocks else None, size, size)
    return made if stored is None else replace(made, unpacking=_made(stored, largest, dtype))


def bytes_from_files(
    base: Found,
    adapter: Found | None,
    dtype: torch.dtype,
    *,
    keep_packed: bool = False,
    changed: Collection[str] = (),
) -> NetworkBytes:
    """Those of a transformer, and of the adapter that is attached to it, once they are loaded.

    Args:
        base: Where the base is.
        adapter: Where the adapter is.
        dtype: What they are held in.
        keep_packed: As for `load_base`.
        changed: Official names of the weights that LoRA files change: one that stays packed is made in float32 first.
    """
    family, sizes, layers = base.family, base.family.base_sizes(base.weights), None
    if adapter is not None:
        _, blocks = family.adapter_sizes(adapter.weights)
        layers = context_layers_of(adapter) or family.usual_layers(sizes.layers, blocks)
    plain = _of_numbers(dtype)
    if not keep_packed:
        return _measured(family, sizes, layers, plain, plain)
    of_adapter = plain if adapter is None else _as_stored(
        adapter, plain, lambda name: family.official_adapter_key(name, layers or ())
    )  # fmt: skip
    made = _measured(family, sizes, layers, _as_stored(base, plain, str), of_adapter)
    return NetworkBytes(rest=made.rest, blocks=made.blocks, unpacking=_unpacking(base, adapter, dtype, changed))


def is_packed(found: Found, part: str) -> bool:
    """Whether weights of a part are quantised in a way that they can be kept in."""
    return any(_kept(found, name) for name in found.parts.get(part, ()))


def _measured(
    family: Family, sizes: Any, layers: Sequence[int] | None, base_size: Size, adapter_size: Size
) -> NetworkBytes:
    with torch.device("meta"):
        base = family.build_base(sizes)
        adapter = None if layers is None else family.build_adapter(sizes, layers)
    taken = {
        id(tensor): size(name, tensor)
        for network, size in ((base, base_size), (adapter, adapter_size))
        if network is not None
        for name, tensor in network.state_dict(keep_vars=True).items()
    }
    blocks = [
        sum(taken[id(tensor)] for module in unit for tensor in module.state_dict(keep_vars=True).values())
        for unit in units(base, adapter)
    ]
    return NetworkBytes(rest=sum(taken.values()) - sum(blocks), blocks=tuple(blocks))


def _of_numbers(dtype: torch.dtype) -> Size:
    return lambda _, tensor: tensor.numel() * dtype.itemsize


def _as_stored(found: Found, plain: Size, official: Callable[[str], str]) -> Size:
    def size(name: str, tensor: Tensor) -> int:
        theirs = official(name)
        return found.weights.info(theirs).nbytes if _kept(found, theirs) else plain(name, tensor)

    return size


def _kept(found: Found, name: str) -> bool:
    if name not in found.weights.stored:
        return False
    info = found.weights.info(name)
    return len(info.shape) == 2 and name.endswith(".weight") and (info.dtype in FLOAT8 or info.dtype in BLOCKS)


def _unpacking(base: Found, adapter: Found | None, dtype: torch.dtype, changed: Collection[str]) -> int:
    """Bytes of the largest weight as numbers, and of what is made on the way to them."""
    most = 0
    for found, part in ((base, "base"), (adapter, "adapter")):
        for name in () if found is None else found.parts.get(part, ()):
            if found is not None and _kept(found, name):
                rows, columns = found.weights.shape(name)
                stored = found.weights.info(name).dtype
                most = max(most, _made(stored, rows * columns, dtype, changed=name in changed))
    return most


def _made(stored: str, numbers: int, dtype: torch.dtype, *, changed: bool = False) -> int:
    """Bytes that so many numbers of a quantised weight take beside it, while they are made."""
    return Packing(kind=stored if stored in BLOCKS else None).peak(numbers, dtype.itemsize, changed=changed)
