"""Which examples are trained when: stages that draw tasks by shares, in batches of one size."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import torch
from torch import Tensor

from ...errors import InputError
from ...sampling.options import check_number, check_whole
from .cache import Cache, Item


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A part of the training, checked where it is born.

    Attributes:
        name: What messages call it.
        start: Fraction of the steps from which it lasts, 0..1; the first begins at 0.
        tasks: How often each task is drawn relative to the others; empty = all, as often as there are examples.
        most_references: Examples with more references are left out; None = all are taken.
        frames: Least and most latent frames of a clip; None = all lengths.
        largest: Examples of a larger video are left out; in latents, frames x height x width; None = all are taken.
        drop_references: Probability that a batch goes without its references, 0..1.

    Raises:
        InputError: a value out of range.
    """

    name: str = "all"
    start: float = 0.0
    tasks: Mapping[str, float] = field(default_factory=dict[str, float])
    most_references: int | None = None
    frames: tuple[int, int] | None = None
    largest: int | None = None
    drop_references: float = 0.0

    def __post_init__(self) -> None:
        check_number("start of a stage", self.start, least=0, most=1)
        check_number("drop_references", self.drop_references, least=0, most=1)
        for task, share in self.tasks.items():
            check_number(f"share of {task}", share, least=0)
        if self.most_references is not None:
            check_whole("most_references", self.most_references, least=0)
        if self.largest is not None:
            check_whole("largest", self.largest, least=1)

    def takes(self, item: Item) -> bool:
        """Whether an example is trained in this stage."""
        few = self.most_references is None or item.references <= self.most_references
        return few and self.fits(item.size) and (not self.tasks or self.tasks.get(item.task, 0.0) > 0)

    def fits(self, size: tuple[int, int, int]) -> bool:
        """Whether videos of a size `(t, h, w)` in latents are trained in this stage."""
        least, most = self.frames or (0, math.inf)
        return least <= size[0] <= most and (self.largest is None or math.prod(size) <= self.largest)


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Examples of one size.

    Attributes:
        targets: `(B, C, R+t, h, w)`, what is to come out.
        contexts: `(B, C', R+t, h, w)`, what is asked for; None for training a base.
        prompts: B texts.
        fps: Frames per second of the first, which is that of all where it matters.
    """

    targets: Tensor
    contexts: Tensor | None
    prompts: list[str]
    fps: float


class Batches:
    """Draws batches from a cache; one number, one batch, whatever came before.

    Args:
        cache: The examples.
        stages: Which of them are drawn when.
        size: Examples of a batch.
        p_zero: Probability of the empty prompt, 0..1.
        seed: Of what is drawn.
        fps_matters: Whether the clips of a batch must have one rate, up to a tenth of a frame per second.

    Raises:
        InputError: a stage for which there are no examples.
    """

    def __init__(
        self, cache: Cache, stages: Sequence[Stage], *, size: int, p_zero: float, seed: int, fps_matters: bool = True
    ) -> None:
        self._cache, self._size, self._p_zero, self._seed = cache, size, p_zero, seed
        self._stages = sorted(stages or [Stage()], key=lambda stage: stage.start)
        self._groups = [_Groups(cache.items, stage, fps_matters) for stage in self._stages]

    def names(self, progress: float, number: int) -> list[str]:
        """What the examples of a batch are called."""
        places, *_ = self._places(progress, number)
        return [self._cache.items[place].name for place in places]

    def draw(self, progress: float, number: int) -> Batch:
        """The batch of this number, of the stage that lasts at `progress` 0..1."""
        places, stage, rng = self._places(progress, number)
        found = [self._cache.read(place) for place in places]
        items = [self._cache.items[place] for place in places]
        first = items[0].references if rng.random() < stage.drop_references else 0
        prompts = ["" if rng.random() < self._p_zero else rng.choice(item.prompts) for item in items]
        contexts = [context[:, first:] for _, context in found if context is not None]
        return Batch(
            targets=torch.stack([target[:, first:] for target, _ in found]),
            contexts=torch.stack(contexts) if contexts else None,
            prompts=prompts,
            fps=items[0].fps,
        )

    def _places(self, progress: float, number: int) -> tuple[list[int], Stage, random.Random]:
        which = max(place for place, stage in enumerate(self._stages) if stage.start <= progress or not place)
        rng = random.Random(f"{self._seed} {number}")
        return self._groups[which].draw(rng, self._size), self._stages[which], rng


class _Groups:
    """The examples of one stage, in groups of one size and number of references, and where it matters of one rate."""

    def __init__(self, items: Sequence[Item], stage: Stage, fps_matters: bool) -> None:
        taken = [(place, item) for place, item in enumerate(items) if stage.takes(item)]
        counts = Counter(item.task for _, item in taken)
        if lacking := [task for task, share in stage.tasks.items() if share and task not in counts] or (
            [] if taken else ["any task"]
        ):
            raise InputError(
                "stage-without-examples",
                'The stage "{name}" trains {lacking}, of which there are no examples that it takes. At least one '
                "is needed. Add clips, draw more examples, or remove the task from the stage.",
                name=stage.name,
                lacking=", ".join(lacking),
            )
        self._groups: dict[tuple[object, ...], tuple[list[int], list[float]]] = {}
        for place, item in taken:
            weight = stage.tasks[item.task] / counts[item.task] if stage.tasks else 1.0
            rate = round(item.fps, 1) if fps_matters else None
            places, weights = self._groups.setdefault((item.size, item.references, rate), ([], []))
            places.append(place)
            weights.append(weight)
        self._kinds = list(self._groups)
        self._totals = list(accumulate(sum(weights) for _, weights in self._groups.values()))
        self._sums = {kind: list(accumulate(weights)) for kind, (_, weights) in self._groups.items()}

    def draw(self, rng: random.Random, count: int) -> list[int]:
        kind = rng.choices(self._kinds, cum_weights=self._totals)[0]
        return rng.choices(self._groups[kind][0], cum_weights=self._sums[kind], k=count)
