"""What ComfyUI's managed layers cost where everything fits: a pass of the starter with them over one with torch's own.

    COMFYUI_PATH=/path/to/ComfyUI PYTHON_OF_COMFYUI benchmarks/managed_layers.py

The numbers must be equal to the bit.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
from pathlib import Path

import measuring
import torch

sys.path.insert(0, str(measuring.ROOT / "tests" / "nodes"))
import boot as booting
from conftest import load_pack


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0])
    path = Path(os.environ["COMFYUI_PATH"])
    with tempfile.TemporaryDirectory() as folder:
        booting.boot(path, Path(folder))
        pack = load_pack("vace_pack")
        adapter = importlib.import_module("vace_pack.vace_core.adapter")
        starter = importlib.import_module("vace_pack.vace_core.starter.model")
        expert = {
            name: starter.load_starter(ops=ops).expert
            for name, ops in (("torch", torch.nn), ("managed", pack.nodes.comfy.placement.managed_layers()))
        }
    generator = torch.Generator().manual_seed(0)
    size = (2, 4, 4) if options.quick else (5, 8, 8)
    latents, context = (torch.randn(1, channels, *size, generator=generator) for channels in (16, 96))

    def one(name: str) -> torch.Tensor:
        base, part = expert[name].base, expert[name].adapter
        with torch.inference_mode():
            text = base.prepare_text(torch.ones(1, 4, base.sizes.text_width))
            attachment = adapter.Attachment(adapter=part, context=part.embed(context))
            return base(latents, torch.tensor([0.7]), text, [attachment])

    if not torch.equal(one("torch"), one("managed")):
        sys.exit("Failed: the numbers differ.")
    seconds = measuring.in_turn({name: lambda name=name: one(name) for name in expert}, options)
    ratio = measuring.ratio(seconds, "managed", "torch")
    version = (path / "comfyui_version.py").read_text().split('"')[-2]
    rows = [["equal", f"{ratio:.3f}"]]
    measuring.show(f"A pass of the starter in ComfyUI {version}", ["numbers", "managed over torch"], rows)
    measuring.save(f"managed_layers_{version}", measuring.timings(seconds, "managed"), options)


if __name__ == "__main__":
    main()
