"""A plan: which networks are on the device at which stage of a job, and which blocks come to it one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

TILES: tuple[int | None, ...] = (None, 512, 256, 128)
"""Sides in pixels of the pieces that a VAE works in, the one that needs most memory first; None = whole frames."""

LEAST_SHARE = 1 / 8
SLOTS = 2  # blocks that are on the device while they are streamed: the one in use, and the next


@dataclass(frozen=True, kw_only=True)
class NetworkBytes:
    """What a transformer takes on a device, its adapter with it.

    Attributes:
        rest: Bytes of what is no block, which is there while the transformer works.
        blocks: Bytes of each block, in the order in which they are used; these may be streamed.
        unpacking: Bytes that one layer takes beside its weights while they are made into numbers.
    """

    rest: int
    blocks: tuple[int, ...] = ()
    unpacking: int = 0

    @property
    def total(self) -> int:
        return self.rest + sum(self.blocks)

    @property
    def slots(self) -> int:
        """Bytes that streaming takes."""
        return SLOTS * max(self.blocks, default=0)

    def streamed(self, share: float) -> int:
        """Bytes that come to the device in every step if this share of the blocks stays there."""
        stays = resident(self.blocks, share)
        return sum(size for number, size in enumerate(self.blocks) if number not in stays)

    def on_device(self, share: float) -> int:
        """Bytes that are there while it works, with what streaming takes."""
        streamed = self.streamed(share)
        return self.total - streamed + (self.slots if streamed else 0)


@dataclass(frozen=True, kw_only=True)
class PlacingPlan:
    """How a model and a job share a device.

    Attributes:
        stays: Whether all networks are on it for the whole job. Otherwise each comes for its stage and leaves again.
        share: How much of a transformer's blocks stays on it while it samples, 0..1; the others are streamed.
        together: Whether all passes of a step go block by block, so that a streamed block comes once for all of them.
        tile: Side in pixels of the pieces that the VAE works in; None = whole frames.
        keep_packed: Whether quantised weights stay as they are stored until they are used.
        text: Whether prompts are encoded on it.
    """

    stays: bool = True
    share: float = 1.0
    together: bool = True
    tile: int | None = None
    keep_packed: bool = False
    text: bool = False

    @property
    def streams(self) -> bool:
        return self.share < 1

    def smaller(self) -> PlacingPlan | None:
        """The next plan that needs less memory while sampling; None = there is none."""
        if self.stays:
            return replace(self, stays=False)
        if self.share > 0:
            return replace(self, share=self.share / 2 if self.share > LEAST_SHARE else 0.0)
        return replace(self, together=False) if self.together else None

    def smaller_tiles(self) -> PlacingPlan | None:
        """The next plan that needs less memory while the VAE works; None = there is none."""
        if self.stays:
            return replace(self, stays=False)
        smaller = next((tile for tile in TILES if tile and (not self.tile or tile < self.tile)), None)
        return None if smaller is None else replace(self, tile=smaller)


def resident(sizes: Sequence[int], share: float) -> frozenset[int]:
    """The numbers of the blocks that stay on a device, spread evenly, with at most this share of all bytes."""
    chosen, held, passed = set[int](), 0, 0
    for number, size in enumerate(sizes):
        passed += size
        if held + size <= share * passed:
            chosen.add(number)
            held += size
    return frozenset(chosen)
