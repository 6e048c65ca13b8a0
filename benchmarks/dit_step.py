"""One denoising step (prompt and negative prompt) of the transformer with its adapter, beside the peers.

COMFYUI_PATH=/path/to/ComfyUI python benchmarks/dit_step.py
"""

from __future__ import annotations

import measuring
import peers

CONFIGS = {"tiny": peers.sizes(256, 1536, 6, 3), "mid": peers.sizes(768, 3584, 12, 6)}
QUICK = peers.sizes(256, 384, 4, 2, latent=(2, 4, 6))
OURS, BASE = "vace_core", "vace_core, base alone"


def measure(of: peers.DitSizes, options) -> dict[str, dict]:
    """Results by precision: seconds, and how far each result is from diffusers' (else our own) in float32."""
    weights, inputs = peers.dit_weights(of), peers.dit_inputs(of)
    comfyui, diffusers = peers.comfyui(), peers.diffusers()
    results, reference = {}, None
    for name in ("fp32", "bf16"):
        dtype = measuring.DTYPES[name]
        ours, base = peers.our_step(of, weights, dtype, inputs)
        candidates = {OURS: ours, BASE: base}
        if comfyui is not None:
            candidates |= peers.comfyui_steps(comfyui, of, weights, dtype, inputs)
        if diffusers is not None:
            candidates["diffusers"] = peers.diffusers_step(diffusers, of, weights, dtype, inputs)
        made = {name: run() for name, run in candidates.items() if name != BASE}
        reference = made.get("diffusers", made[OURS]) if reference is None else reference
        if name not in options.precision:
            continue
        results[name] = measuring.timings(measuring.in_turn(candidates, options), OURS)
        for candidate, result in made.items():
            results[name][candidate] |= {
                "largest_difference_from_fp32": measuring.largest_difference(result, reference),
                "distance_from_fp32": measuring.distance(result, reference),
            }
        del candidates, ours, base
    return results


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0], config=list(CONFIGS), precision=list(measuring.DTYPES))
    configs = {"quick": QUICK} if options.quick else {name: CONFIGS[name] for name in options.config}
    results = {name: measure(of, options) for name, of in configs.items()}
    rows = []
    for config, by_precision in results.items():
        for precision, by_name in by_precision.items():
            for name, got in by_name.items():
                cells = [config, precision, name, f"{got['median_s']:.3f}", f"{got['ours_over_this']:.3f}"]
                far = (got.get("largest_difference_from_fp32"), got.get("distance_from_fp32"))
                rows.append(cells + ["" if value is None else f"{value:.1e}" for value in far])
            share = 1 - 1 / by_name[BASE]["ours_over_this"]
            rows.append([config, precision, "adapter's share of the time", f"{share:.1%}", "", "", ""])
    head = ["config", "precision", "", "s per step", "vace_core / this", "max diff / max", "l2 diff / l2"]
    measuring.show("One denoising step", head, rows)
    measuring.save("dit_step", results, options)


if __name__ == "__main__":
    main()
