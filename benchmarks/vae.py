"""Encode and decode of the Wan VAE, beside the peers: at its full width, and at the starter's.

COMFYUI_PATH=/path/to/ComfyUI python benchmarks/vae.py
"""

from __future__ import annotations

import measuring
import peers
import torch

CLIPS = {"9x128x128": (9, 128, 128), "17x256x256": (17, 256, 256), "17x64x64": (17, 64, 64)}
QUICK = {"5x32x48": (5, 32, 48)}
WIDTHS = ["96", "16"]
OURS = "vace_core"


@torch.no_grad()
def measure(precision: str, width: int, clips, options) -> dict[str, dict]:
    pairs, results = peers.vaes(measuring.DTYPES[precision], width), {}
    for clip, (t, h, w) in clips.items():
        frames = torch.rand(1, 3, t, h, w, generator=torch.Generator().manual_seed(1)) * 2 - 1
        latents = torch.randn(1, 16, (t - 1) // 4 + 1, h // 8, w // 8, generator=torch.Generator().manual_seed(2))
        for work, place, given in (("encode", 0, frames), ("decode", 1, latents)):
            candidates = {name: lambda f=pair[place], x=given: f(x) for name, pair in pairs.items()}
            made = {name: run() for name, run in candidates.items()}
            got = measuring.timings(measuring.in_turn(candidates, options), OURS)
            for name, result in made.items():
                got[name]["largest_difference_from_ours"] = measuring.largest_difference(result, made[OURS])
                got[name]["distance_from_ours"] = measuring.distance(result, made[OURS])
            results[f"{work} {clip}"] = got
    return results


def main() -> None:
    options = measuring.arguments(
        __doc__.splitlines()[0], clip=list(CLIPS), precision=list(measuring.DTYPES), width=WIDTHS
    )
    clips = QUICK if options.quick else {name: CLIPS[name] for name in options.clip}
    widths = [8] if options.quick else [int(width) for width in options.width]
    for width in widths:
        _one_width(width, clips, options)


def _one_width(width: int, clips, options) -> None:
    results = {precision: measure(precision, width, clips, options) for precision in options.precision}
    rows = [
        [work, precision, name, f"{got['median_s']:.2f}", f"{got['ours_over_this']:.3f}",
         f"{got['largest_difference_from_ours']:.1e}", f"{got['distance_from_ours']:.1e}"]
        for precision, by_work in results.items()
        for work, by_name in by_work.items()
        for name, got in by_name.items()
    ]  # fmt: skip
    head = ["work", "precision", "", "s", "vace_core / this", "max diff / max", "l2 diff / l2"]
    measuring.show(f"The VAE, width {width}", head, rows)
    measuring.save("vae" if width == 96 else f"vae_{width}", results, options)


if __name__ == "__main__":
    main()
