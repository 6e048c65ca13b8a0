"""Several devices for one job: efficiency computed from stated rates, and the proof that processes agree.

    python benchmarks/parallel.py              # the table: computed, nothing is measured
    python benchmarks/parallel.py --check      # 2 and 4 processes on this CPU against one, a few minutes

The table: all arithmetic of a pass is shared out evenly, what is sent is not hidden behind it, and text and pixels are
left out. Rates are stated, not measured.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measuring

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from vace_core.loading.profiles import Profile
from vace_core.models.attention import heads_of
from vace_core.models.family import Family
from vace_core.pipeline.parallel.spread import shared_out
from vace_core.pipeline.parallel.traffic import bytes_of_pass, bytes_of_step
from vace_core.starter.profiles import profile_named

TEXT, HALF = 60, 2  # tokens of a prompt; bytes of a number
CLIPS = {
    "wan-1.3b-480p": (81, 480, 832),
    "wan-14b-480p": (81, 480, 832),
    "wan-14b-720p": (81, 720, 1280),
    "ltx": (97, 512, 768),
}


@dataclass(frozen=True)
class Cards:
    """Arithmetic of one card in a second, and bytes that it sends to others in a second, each way."""

    name: str
    flop: float
    link: float


CARDS = (
    Cards("data centre: 400 TFLOP/s, 300 GB/s", 400e12, 300e9),
    Cards("desktop: 80 TFLOP/s, PCIe 20 GB/s", 80e12, 20e9),
)


def seconds(profile: Profile, clip: tuple[int, int, int], cards: Cards, way: Any, count: int) -> float:
    """A step with guidance on so many cards."""
    family: Family = profile.family
    tokens, sizes = family.grid.tokens(*clip), profile.base
    flop = family.costs.base_flop(sizes, tokens, TEXT)
    flop += family.costs.adapter_flop(sizes, profile.context_blocks, tokens, TEXT)
    halves, parts = shared_out(way, count, guided=True)
    t, h, w = family.grid.latent_size(*clip)
    latents = family.latent_channels * t * h * w
    a_pass = bytes_of_pass(
        width=sizes.width, blocks=sizes.layers + profile.context_blocks, tokens=tokens, parts=parts,
        numbers_out=latents // tokens, bytes_per_number=HALF, ring=heads_of(sizes) % parts > 0,
    )  # fmt: skip
    sent = bytes_of_step(a_pass, predictions=2, halves=halves, latents=4 * latents) if count > 1 else 0
    return 2 * flop / count / cards.flop + sent / cards.link


def table() -> None:
    rows: list[list[str]] = []
    for name, clip in CLIPS.items():
        profile = profile_named(name)
        for cards in CARDS:
            alone = seconds(profile, clip, cards, "sequence", 1)
            for way in ("sequence", "guidance"):
                each = [alone / count / seconds(profile, clip, cards, way, count) for count in (2, 4, 8)]
                rows.append([name, cards.name, way, f"{alone:.1f}", *(f"{one:.0%}" for one in each)])
    heads = ["profile", "cards", "shared by", "s a step on one", "2", "4", "8"]
    measuring.show("Efficiency on several cards (computed)", heads, rows)


def check() -> int:
    import processes
    import tiny
    import torch
    from core import test_parallel as proof
    from processes import started

    processes.SECONDS = 1200

    def starter() -> Any:
        model, _, options = proof.starter()
        return model, proof.half(tiny.clip(17, 64, 64)), options

    rows: list[list[str]] = []
    worst = 0.0
    for make in (starter, proof.ltx):
        for count in (2, 4):
            for way in ("sequence", "guidance"):
                ends = started(count, lambda make=make, way=way: _case(proof, torch, make, way))
                if any(end.status for end in ends):
                    print(ends[0].err)
                    return 1
                far = max(end.value["far"] for end in ends)
                worst = max(worst, far)
                sent = ends[0].value["sent"] / proof.STEPS
                rows.append([make.__name__, str(count), way, f"{far:.1e}", f"{sent:,.0f}"])
    heads = ["model", "processes", "shared by", "from one, relative", "bytes a process sends a step"]
    measuring.show("Processes against one", heads, rows)
    return int(worst > proof.CLOSE)


def _case(proof: Any, torch: Any, make: Any, way: str) -> Any:
    with proof.joined(torch.device("cpu")):
        return proof.one_of_all(make, way)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare processes on this CPU with one")
    if parser.parse_args().check:
        return check()
    table()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
