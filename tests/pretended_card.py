"""A graphics card that is not there: its memory is accounted and bounded, copies to it are counted, mixing is refused.

    with Card(budget=12 * 2**30) as card:
        model.to(card.device)

Like Apple's, it has no float64, unless it is told to. Numbers on it are computed on the CPU, or not at all
(`shadow=True`): then what is on the card has shapes alone, so that models of full size take no memory. Attention and
RMS norm count as one kernel each, as on a real card.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, ClassVar
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

aten = torch.ops.aten
FUSED = (F.scaled_dot_product_attention, F.rms_norm, torch.rms_norm)
SMALL = 4096  # numbers of a tensor that has values on a card of shadows too: noise levels and the like
ASKED = (aten._local_scalar_dense.default, aten.is_nonzero.default, aten.equal.default)
_setup_privateuseone_for_python_backend("gpu")
# What torch's checkpointing asks any accelerator that there is, also where it computes on the CPU.
torch.gpu.get_amp_supported_dtype = lambda: [torch.float32]  # type: ignore[attr-defined]


class OnCard(Tensor):
    """A tensor on the card; `elem` has its numbers, or is on meta."""

    elem: Tensor

    @staticmethod
    def __new__(cls, elem: Tensor) -> OnCard:
        one = torch.Tensor._make_wrapper_subclass(
            cls, elem.size(), strides=elem.stride(), storage_offset=elem.storage_offset(), dtype=elem.dtype,
            device=Card.device, requires_grad=False,
        )  # fmt: skip
        one.elem = elem
        return one

    def __repr__(self) -> str:
        return f"OnCard({tuple(self.shape)}, {self.dtype})"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            if func in FUSED and Card.now is not None:
                return Card.now.fused(func, args, kwargs or {})
            if func is Tensor.__getitem__ and isinstance(args[1], tuple):  # torch makes tensors of lists out of sight
                args = (args[0], tuple(_listed(part) for part in args[1]))
            return func(*args, **(kwargs or {}))

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert Card.now is not None, "the card is not there any more"
        return Card.now.run(func, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __init__(self, card: Card) -> None:
        super().__init__()
        self.card = card

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return self.card.run(func, args, kwargs or {})


class Card:
    """The card, in a `with` block.

    Attributes:
        budget: Bytes that it has.
        shadow: Whether what is on it has no values.
        float64: Whether it has float64.
        used: Bytes that are taken now.
        peak: The most that were taken at once since it was last set.
        copied: Bytes that came from the CPU since it was last set.
        asked: How often the CPU waited for a value, since it was last set.
    """

    device: ClassVar = torch.device("gpu:0")
    now: ClassVar[Card | None] = None

    def __init__(self, budget: int, *, shadow: bool = False, float64: bool = False) -> None:
        self.budget, self.shadow, self.float64 = budget, shadow, float64
        self.used = self.peak = self.copied = self.asked = 0
        self._held: Counter[int] = Counter()
        self._sizes: dict[int, int] = {}

    def __enter__(self) -> Card:
        assert Card.now is None
        Card.now, self._stack = self, ExitStack()
        self._overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        self._stack.enter_context(mock.patch("torch.tensor", self._tensor(torch.tensor)))
        self._stack.enter_context(_Mode(self))
        return self

    def __exit__(self, *_: Any) -> None:
        self._stack.close()
        torch.__future__.set_overwrite_module_params_on_conversion(self._overwrites)
        Card.now = None

    def free(self) -> int:
        return self.budget - self.used

    # What is there

    def put(self, elem: Tensor) -> OnCard:
        """A tensor on the card; its storage counts as long as something of it lives. Raises OutOfMemoryError."""
        if elem.dtype in (torch.float64, torch.complex128) and not self.float64:
            raise TypeError(f"pretended card: it has no {elem.dtype}")
        storage = elem.untyped_storage()
        key = storage._cdata
        if not self._held[key]:
            if self.used + storage.nbytes() > self.budget:
                raise torch.cuda.OutOfMemoryError(f"pretended card: out of memory, {storage.nbytes()} bytes wanted")
            self._sizes[key] = storage.nbytes()
            self.used += storage.nbytes()
            self.peak = max(self.peak, self.used)
        self._held[key] += 1
        one = OnCard(elem)
        weakref.finalize(one, self._drop, key).atexit = False
        return one

    def _drop(self, key: int) -> None:
        self._held[key] -= 1
        if not self._held[key]:
            self.used -= self._sizes.pop(key)

    def _placed(self, source: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        if source.is_meta or (self.shadow and source.numel() > SMALL):
            return torch.empty_like(source, device="meta", dtype=dtype)
        return source.to(dtype=dtype or source.dtype, copy=True)

    def _tensor(self, plain: Any) -> Any:
        def tensor(*args: Any, device: Any = None, **named: Any) -> Tensor:
            made = plain(*args, **named)
            return made if device is None else made.to(device)

        return tensor

    # What is done

    def fused(self, func: Any, args: Any, named: Any) -> Any:
        """A kernel that takes no memory beside its result."""
        leaves = [leaf for leaf in tree_leaves((args, named)) if isinstance(leaf, Tensor)]
        self._check_unmixed(func, leaves)
        if any(_elem(leaf).is_meta for leaf in leaves):
            return self.put(torch.empty_like(_elem(leaves[0]), device="meta"))
        return self.put(func(*tree_map(_elem, args), **tree_map(_elem, named)))

    def run(self, func: Any, args: Any, named: Any) -> Any:
        leaves = [leaf for leaf in tree_leaves((args, named)) if isinstance(leaf, Tensor)]
        here = [leaf for leaf in leaves if isinstance(leaf, OnCard)]
        places = (*args, named.get("device"))
        device = next((place for place in places if isinstance(place, torch.device)), None)
        to_card = device is not None and device.type == self.device.type
        if not here and not to_card:
            return func(*args, **named)
        if func._can_decompose() and func not in ASKED:  # in inference mode, some come as they were called
            with _Mode(self):
                return func.decompose(*args, **named)
        if func is aten._to_copy.default and (not here or (device is not None and not to_card)):
            return self._moved(leaves[0], named.get("dtype"))
        if func is aten.copy_.default and isinstance(args[0], OnCard) != isinstance(args[1], OnCard):
            return self._written(args[0], args[1])
        if func in ASKED:
            self.asked += 1
            return self._answer(func, leaves)
        if device is not None and not to_card:  # made beside the card, after something that is on it
            return func(*tree_map(_elem, args), **tree_map(_elem, named))
        if here:
            self._check_unmixed(func, leaves)
        return self._computed(func, args, named, new=not here)

    def _moved(self, source: Tensor, dtype: torch.dtype | None) -> Tensor:
        if not isinstance(source, OnCard):
            self.copied += source.nbytes
            return self.put(self._placed(source, dtype))
        self.asked += 1
        if source.elem.is_meta:
            return torch.zeros(source.shape, dtype=dtype or source.dtype)
        return source.elem.to(dtype=dtype or source.dtype, copy=True)

    def _written(self, target: Tensor, source: Tensor) -> Tensor:
        if isinstance(target, OnCard):
            self.copied += source.nbytes
        if not _elem(target).is_meta and not _elem(source).is_meta:
            _elem(target).copy_(_elem(source))
        return target

    def _answer(self, func: Any, leaves: list[Tensor]) -> Any:
        if any(_elem(leaf).is_meta for leaf in leaves):
            return True if func is not ASKED[0] or leaves[0].dtype == torch.bool else 0.5
        return func(*(_elem(leaf) for leaf in leaves))

    def _computed(self, func: Any, args: Any, named: Any, *, new: bool) -> Any:
        elems, named_elems = tree_map(_elem, args), tree_map(_elem, named)
        on_meta = tree_map(_on_meta, elems), tree_map(_on_meta, named_elems)
        if named.get("device") is not None:
            named_elems["device"], on_meta[1]["device"] = torch.device("cpu"), torch.device("meta")
        if any(isinstance(leaf, Tensor) and leaf.is_meta for leaf in tree_leaves((elems, named_elems))):
            elems, named_elems = on_meta
        elif new and self.shadow:
            shaped = func(*on_meta[0], **on_meta[1])
            if shaped.numel() > SMALL:
                return self.put(shaped)
        result = func(*elems, **named_elems)
        if func._schema.is_mutable and func._schema.name.endswith("_"):
            return args[0]
        if "out" in named:
            return named["out"]
        return tree_map(lambda leaf: self.put(leaf) if isinstance(leaf, Tensor) else leaf, result)

    def _check_unmixed(self, func: Any, leaves: list[Tensor]) -> None:
        elsewhere = [leaf for leaf in leaves if not isinstance(leaf, OnCard) and leaf.dim()]
        if elsewhere:
            shapes = [(type(leaf).__name__, tuple(leaf.shape)) for leaf in leaves]
            raise RuntimeError(f"{func}: tensors on the pretended card and on the CPU are mixed: {shapes}")


def _elem(one: Any) -> Any:
    return one.elem if isinstance(one, OnCard) else one


def _listed(part: Any) -> Any:
    return torch.tensor(part).to(Card.device) if isinstance(part, list) else part


def _on_meta(one: Any) -> Any:
    # What is there already stays itself, so that a view of it is no further storage.
    return torch.empty_like(one, device="meta") if isinstance(one, Tensor) and not one.is_meta else one


def resident(network: torch.nn.Module) -> int:
    """Bytes of the weights of a network that are on the card."""
    return sum(weight.nbytes for weight in network.parameters() if isinstance(weight, OnCard))


@contextmanager
def in_comfyui(card: Card, scale: int = 1) -> Iterator[None]:
    """ComfyUI's memory management, started with --cpu, takes the card for an NVIDIA one with bf16.

    Args:
        card: It.
        scale: How many bytes it takes each for, card and weights alike: it has least sizes that toy models are below.
    """
    from comfy import model_management as management
    from comfy.ldm.modules import attention

    size = management.module_size

    def free(device: Any = None, torch_free_too: bool = False) -> Any:
        there = card.free() * scale if _is_card(device) else 64 * 2**30
        return (there, 0) if torch_free_too else there

    def total(device: Any = None, torch_total_too: bool = False) -> Any:
        there = card.budget * scale if _is_card(device) else 64 * 2**30
        return (there, there) if torch_total_too else there

    def suits(device: Any = None, *_: Any, **__: Any) -> bool:
        return _is_card(device)

    changed = {
        "get_torch_device": lambda: card.device,
        "get_all_torch_devices": lambda *_, **__: [card.device],
        "get_free_memory": free,
        "get_total_memory": total,
        "should_use_bf16": suits,
        "should_use_fp16": lambda *_, **__: False,  # else files in bf16 would be converted
        "supports_fp8_compute": lambda *_, **__: False,
        "module_size": lambda module: size(module) * scale,
        "vram_state": management.VRAMState.NORMAL_VRAM,
        "set_vram_to": management.VRAMState.NORMAL_VRAM,
        "lowvram_available": True,
        "MIN_WEIGHT_MEMORY_RATIO": 0.0,
        "NUM_STREAMS": 0,
    }
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(attention, "optimized_attention", attention.attention_pytorch))
        for name, value in changed.items():
            if hasattr(management, name):
                stack.enter_context(mock.patch.object(management, name, value))
        try:
            yield
        finally:
            management.unload_all_models()


def _is_card(device: Any) -> bool:
    return device is None or torch.device(device).type == Card.device.type
