"""A checkpoint of full size (1.3B, bf16, official names, random weights) is loaded and does one step of a short clip.

    python benchmarks/full_size_load.py --folder /somewhere/with/5/GB

The file is written and removed again, and a fresh process does the rest, so that its peak is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import measuring
import torch

from vace_core.adapter import Attachment
from vace_core.loading.load import load_adapter, load_base
from vace_core.models.wan import dit as wan
from vace_core.sampling.guidance import guide

GIB = 2**30
ALLOWED_BYTES = 12e9
FULL = (wan.WanSizes(width=1536, ffn=8960, layers=30), 15, (5, 32, 32))
QUICK = (wan.WanSizes(width=256, ffn=384, layers=4), 2, (2, 4, 4))


def write(path: Path, sizes: wan.WanSizes, blocks: int) -> int:
    """Writes the file weight by weight, so that it is never in memory; returns how many numbers it holds."""
    with torch.device("meta"):
        base = wan.WanDit(sizes)
        adapter = wan.build_adapter(sizes, wan.default_context_layers(sizes.layers, blocks))
    shapes = {name: value.shape for name, value in base.state_dict().items()}
    shapes |= {wan.official_adapter_key(name): value.shape for name, value in adapter.state_dict().items()}
    header, end = {}, 0
    for name, shape in shapes.items():
        begin, end = end, end + shape.numel() * 2
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    generator = torch.Generator().manual_seed(0)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            fan_in = shape[1:].numel() if len(shape) > 1 else 1
            values = torch.empty(shape, dtype=torch.bfloat16).uniform_(-1, 1, generator=generator).mul_(fan_in**-0.5)
            file.write(values.flatten().view(torch.uint8).numpy().data)
    return end // 2


def load_and_step(path: Path, latent: tuple[int, int, int]) -> dict[str, float]:
    """Seconds of each part and the peak of this process in bytes, files it has mapped included."""
    before, start = _peak(), time.perf_counter()
    base = load_base(path)
    base_read = time.perf_counter()
    adapter = load_adapter(path)
    adapter_read = time.perf_counter()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        texts = [base.prepare_text(torch.randn(1, 60, 4096, generator=generator), fps=16.0) for _ in range(2)]
        context = adapter.embed(torch.randn(1, wan.LATENTS.vace_in_channels, *latent, generator=generator))
    denoise = guide(base, *texts, guidance_scale=5.0, attachments=[Attachment(adapter=adapter, context=context)])
    prepared = time.perf_counter()
    result = denoise(torch.randn(1, wan.LATENTS.channels, *latent, generator=generator), 0.7)
    done = time.perf_counter()
    return {
        "load_base_s": base_read - start,
        "load_adapter_s": adapter_read - base_read,
        "prompts_and_context_s": prepared - adapter_read,
        "step_s": done - prepared,
        "peak_bytes": _peak(),
        "peak_bytes_before": before,
        "all_finite": bool(torch.isfinite(result).all()),
    }


def _peak() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def in_fresh_process(path: Path, latent: tuple[int, int, int], threads: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--measure", str(path), "--threads", str(threads)]
    command += ["--latent", *map(str, latent)]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="toy sizes, to see that the script runs; saves nothing")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument(
        "--folder", type=Path, help="where the file is written; the folder for temporary files if absent"
    )
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--latent", type=int, nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.measure:
        print(json.dumps(load_and_step(options.measure, tuple(options.latent))))
        return
    sizes, blocks, latent = QUICK if options.quick else FULL
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "synthetic_vace.safetensors"
        numbers, size = write(path, sizes, blocks), path.stat().st_size
        got = in_fresh_process(path, latent, options.threads) | {"parameters": numbers, "file_bytes": size}
    rows = [[name, f"{got[name] / GIB:.2f} GiB" if "bytes" in name else f"{got[name]:.1f}"] for name in got
            if name not in ("parameters", "all_finite")]  # fmt: skip
    measuring.show(f"Loading {numbers / 1e9:.2f} B weights and one step of 17 frames 256x256", ["", "measured"], rows)
    if not got["all_finite"] or got["peak_bytes"] > ALLOWED_BYTES:
        sys.exit(f"Failed: the peak is {got['peak_bytes'] / 1e9:.1f} GB of 12, or the result is not finite.")
    options.rounds = 1
    measuring.save("full_size_load", got, options)


if __name__ == "__main__":
    main()
