"""What a training takes, before anything is loaded: a step of small parts of it, on tensors without contents.

A base with few blocks is stepped through three times, every allocation and product counted; what one more block of the
base and one more of the adapter add is then added as often as there are more.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from ..loading.detection import Found
from ..models.family import Family
from .data.batches import Stage
from .data.derive import KINDS
from .data.material import Bucket
from .optimisers import moments_of
from .precision import training_dtype
from .recipe import Recipe
from .run import needed_buckets, prepare
from .starting import layers_for
from .state import trainable
from .tuning import Tuned

TEXT_TOKENS = 128
HALF = 2  # bytes of a number of an example on disk
# Calls after which garbage is collected: tensors without contents hold each other in circles, real ones do not.
GARBAGE = 20
# Blocks of the base and of the adapter in the smallest one; an adapter without blocks has none there either.
FEW = (3, 1)


@dataclass(frozen=True, kw_only=True)
class TrainingCost:
    """What a training takes.

    Attributes:
        trained: Weights that are trained.
        frozen: Weights that are not.
        weights: Bytes of all of them.
        optimiser: Bytes of the moments and the running average.
        checkpoint: Bytes of one checkpoint; two are there while one is written.
        encoded: Bytes of all examples on disk, those that are held out too, if all of them were of the largest size.
        bucket: The largest size of clip, which the next four are for.
        references: The most that an example has.
        tokens: What the base works on, for one clip.
        tflop: Of all products of one micro-batch, forwards and backwards.
        working: Bytes at the worst moment besides the weights: what is kept for the gradients, and these.
    """

    trained: int
    frozen: int
    weights: int
    optimiser: int
    checkpoint: int
    encoded: int
    bucket: Bucket
    references: int
    tokens: int
    tflop: float
    working: int

    @property
    def peak(self) -> int:
        """Bytes at the worst moment, for one process that holds all weights."""
        return self.weights + self.optimiser + self.working


def training_cost(recipe: Recipe, found: Found, device: torch.device) -> TrainingCost:
    """The cost of a recipe on a base, from the header of its file alone.

    Args:
        device: Where it would be trained; it decides the precision.

    Raises:
        InputError: the recipe names no sizes, or blocks that the base does not have.
    """
    grid = found.family.grid
    sizes, layers = found.family.base_sizes(found.weights), layers_for(recipe, found)
    references = most_references(recipe)
    tokens = {
        bucket: grid.tokens(bucket.frames, bucket.height, bucket.width, references)
        for bucket in needed_buckets(recipe, grid)
    }
    largest = max(tokens, key=lambda bucket: tokens[bucket])
    held = training_dtype(device)
    with torch.device("meta"):
        whole = _tuned(recipe, found, sizes, layers, held)
    weights = list(whole.parameters())
    learning = trainable(whole)
    moments = moments_of(recipe.schedule.optimiser, learning)
    trained = sum(value.numel() for value in learning.values())
    kept = trained + sum(value.numel() * len(moments[name]) for name, value in learning.items())
    bases, adapters = FEW[0], min(FEW[1], len(layers))
    more = {(bases + 1, adapters): sizes.layers - bases}
    if layers:
        more[bases, adapters + 1] = len(layers) - adapters
    few, *others = (_stepped(recipe, found, largest, blocks, held) for blocks in ((bases, adapters), *more))
    tflop, working = (
        few[what] + sum(count * (other[what] - few[what]) for count, other in zip(more.values(), others, strict=True))
        for what in range(2)
    )
    return TrainingCost(
        trained=trained,
        frozen=sum(value.numel() for value in weights) - trained,
        weights=sum(value.numel() * value.element_size() for value in weights),
        optimiser=4 * kept,
        checkpoint=4 * (trained + kept),
        encoded=encoded_bytes(recipe, found.family),
        bucket=largest,
        references=references,
        tokens=tokens[largest],
        tflop=tflop,
        working=round(working),
    )


def most_references(recipe: Recipe) -> int:
    """The most references, each a latent frame in front, of an example that a stage of the recipe trains."""
    counts = [0]
    for stage in recipe.stages or (Stage(),):
        most = _most(stage.tasks or recipe.data.tasks)
        counts.append(most if stage.most_references is None else min(most, stage.most_references))
    return max(counts)


def _most(tasks: Mapping[str, float]) -> int:
    return max((KINDS[task].references for task, share in tasks.items() if share and task in KINDS), default=0)


def encoded_bytes(recipe: Recipe, family: Family) -> int:
    """Bytes on disk of all examples, if all were of the largest size. Raises InputError: the recipe names no sizes."""
    latents, references = family.latents, _most(recipe.data.tasks)
    sizes = (
        latents.grid.latent_size(one.frames, one.height, one.width) for one in needed_buckets(recipe, latents.grid)
    )
    cells = max((t + references) * h * w for t, h, w in sizes)
    example = HALF * (latents.channels + latents.vace_in_channels) * cells
    return (recipe.data.examples + recipe.data.held_out) * example


def _stepped(
    recipe: Recipe, found: Found, bucket: Bucket, blocks: tuple[int, int], held: torch.dtype
) -> tuple[float, int]:
    """Arithmetic (TFLOP) and memory (bytes) of one step with so many blocks of base and adapter."""
    family: Any = found.family
    sizes: Any = replace(family.base_sizes(found.weights), layers=blocks[0])
    count = recipe.schedule.at_a_time
    with FakeTensorMode():
        tuned = _tuned(recipe, found, sizes, tuple(range(blocks[1])), held)
        adapter: Any = tuned.adapter
        frames, *sides = family.grid.latent_size(bucket.frames, bucket.height, bucket.width)
        size = frames + most_references(recipe), *sides
        latents = torch.empty(count, family.latent_channels, *size)
        context = torch.empty(count, adapter.context_embedder.weight.shape[1], *size)
        prompts = [torch.empty(1, TEXT_TOKENS, sizes.text_width)] * count
        return counted(tuned, lambda: tuned(latents, torch.rand(count), prompts, bucket.fps, context))


def _tuned(recipe: Recipe, found: Found, sizes: Any, layers: Sequence[int], held: torch.dtype) -> Tuned:
    """As `run.build` makes it, but of no files."""
    usual = torch.get_default_dtype()
    # Tensors without contents cannot be converted afterwards.
    torch.set_default_dtype(torch.float32 if recipe.tuning.what == "full" else held)
    try:
        base = found.family.build_base(sizes)
    finally:
        torch.set_default_dtype(usual)
    adapter = found.family.build_adapter(sizes, layers)
    prepare(recipe.tuning, base, adapter)
    return Tuned(base, adapter, pads=found.family.pads_prompts, dtype=held)


def counted(module: torch.nn.Module, predict: Callable[[], Tensor]) -> tuple[float, int]:
    """Arithmetic (TFLOP) of a prediction and its gradients, and the most bytes at once besides the weights."""
    gc.collect()
    gc.freeze()  # so that looking for garbage, again and again, looks at what is new alone
    with FlopCounterMode(display=False) as products, _Allocations(module) as memory:
        predict().square().mean().backward()
    gc.unfreeze()
    return products.get_total_flops() / 1e12, memory.peak


class _Allocations(TorchDispatchMode):
    """Counts the bytes of all tensors that are alive, and the most there ever were; the weights are not counted."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.live, self.peak, self._calls = 0, 0, 0
        self._known = {_key(value.untyped_storage()) for value in module.parameters()}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in tree_leaves(result):
            if isinstance(value, Tensor):
                self._count(value.untyped_storage())
        self._calls += 1
        if self._calls % GARBAGE == 0:
            gc.collect()
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        key, size = _key(storage), storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def _key(storage: torch.UntypedStorage) -> int:
    return storage._cdata  # pyright: ignore[reportPrivateUsage]
