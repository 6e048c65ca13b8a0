"""How far the decoder carries what is generated into kept cells: the starter's VAE alone, no sampling.

    OMP_NUM_THREADS=1 python benchmarks/decoder_reach.py

Latents of a held-out clip as pinning leaves them, cells kept whole equal to the source's, all others those of another
clip. Decibels of the decoded clip to the true one in cells kept whole, by how far the nearest other cell is, beside the
VAE's floor there. Prints a table.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import torch
from pinning import USUAL, WHOLE, decibels, places

from vace_core.models.wan.dit import GRID
from vace_core.sampling.pinning import kept_cells
from vace_core.starter.model import load_starter
from vace_core.starter.scenes.samples import HELD_OUT, draw_sample


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=12)
    options = parser.parse_args()
    vae = load_starter().vae
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(options.clips):
        one, other = (draw_sample("inpaint", HELD_OUT + n, USUAL) for n in (number, number + 500))
        truth = one.clip.frames
        latents, strange = vae.encode(truth), vae.encode(other.clip.frames)
        mixed = torch.where(kept_cells(one.vcu.masks, GRID), latents, strange)
        floor, made = (vae.decode(some) - truth for some in (latents, mixed))
        for kind, where in places(one.vcu.masks).items():
            if kind in WHOLE and bool(where.any()):
                found[kind].append((decibels(floor, where), decibels(made, where)))
    for kind in WHOLE:
        floor, made = (sum(some) / len(some) for some in zip(*found[kind], strict=True))
        print(f"| {kind} | {floor:.2f} | {made:.2f} | {floor - made:.2f} |")


if __name__ == "__main__":
    main()
