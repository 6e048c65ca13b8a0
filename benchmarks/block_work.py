"""What one block takes for a pass: kernels, bytes read and written, and FLOP, counted at full size on meta tensors.

    COMFYUI_PATH=/path/to/ComfyUI python benchmarks/block_work.py

A step with guidance of Wan 14B in bfloat16, 81 frames of 832x480, by the same weights in vace_core and the peers. What
a block takes is the difference of a network with one block more, halved, as a step has two passes; of a block of the
adapter too. Views count nothing; attention and RMS norm count as one kernel, as on a card. Bytes are those of all
inputs and outputs of a kernel: what a card without a cache would move.

What a commit before took is counted by this file in a checkout of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any
from unittest import mock

import measuring
import peers
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

GIB = 2**30
WIDTH, FFN, LATENT = 5120, 13824, (21, 60, 104)
FREE = ("empty", "new_empty", "_unsafe_view", "lift_fresh")  # beside views
FUSED = (F.scaled_dot_product_attention, F.rms_norm, torch.rms_norm)


class Kernels(TorchDispatchMode):
    """Counts what is called inside: `kernels`, `bytes`, and bytes by the name of the kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.bytes = 0, 0
        self.by_name: Counter[str] = Counter()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = function(*args, **(kwargs or {}))
        name = str(function).removeprefix("aten.")
        if not function.is_view and not name.startswith(FREE):
            self.add(name.split(".")[0], (args, kwargs, made))
        return made

    def add(self, name: str, tensors: Any) -> None:
        moved = sum(one.numel() * one.itemsize for one in tree_leaves(tensors) if isinstance(one, Tensor))
        self.kernels, self.bytes = self.kernels + 1, self.bytes + moved
        self.by_name[name] += moved


class InOnePiece(TorchFunctionMode):
    """On meta tensors torch spells attention and RMS norm out; on a card they are one kernel."""

    def __init__(self, counted: Kernels) -> None:
        super().__init__()
        self.counted, self.attention = counted, 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function not in FUSED:
            return function(*args, **(kwargs or {}))
        given = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
        made = torch.empty_like(given[0])
        self.counted.add(function.__name__, (given, made))
        if function is FUSED[0]:
            self.attention += 4 * given[0].numel() * given[1].shape[-2]
        return made


def counted(work: Callable[[], Any]) -> tuple[int, int, int]:
    """Kernels, bytes and FLOP."""
    kernels, flop = Kernels(), FlopCounterMode(display=False)
    fused = InOnePiece(kernels)
    with flop, fused, kernels, torch.no_grad():
        work()
    return kernels.kernels, kernels.bytes, flop.get_total_flops() + fused.attention


def steps(layers: int, blocks: tuple[int, ...]) -> dict[str, Callable[[], Tensor]]:
    """One step of everyone who is there, with that many blocks and context blocks at these."""
    base = peers.wan.WanSizes(width=WIDTH, ffn=FFN, layers=layers)
    of = peers.DitSizes(wan=base, context_layers=blocks, latent=LATENT, text=60)
    with torch.device("meta"):
        network, adapter = peers.our_dit(of)
        weights = network.state_dict() | {
            peers.wan.official_adapter_key(name): value for name, value in adapter.state_dict().items()
        }
        inputs = made_inputs(of)
        found = {"vace_core": peers.our_step(of, weights, torch.bfloat16, inputs)[0]}
        if (peer := PEERS["ComfyUI"]) is not None:
            found["ComfyUI"] = peers.comfyui_steps(peer, of, weights, torch.bfloat16, inputs)["ComfyUI"]
        if (peer := PEERS["diffusers"]) is not None:
            found["diffusers"] = peers.diffusers_step(peer, of, weights, torch.bfloat16, inputs)
    return found


def made_inputs(of: peers.DitSizes) -> SimpleNamespace:
    text = [torch.empty(1, count, of.wan.text_width) for count in (of.text, peers.wan.TEXT_TOKENS)]
    return SimpleNamespace(
        latents=torch.empty(1, peers.wan.LATENTS.channels, *of.latent),
        context=torch.empty(1, peers.wan.LATENTS.vace_in_channels, *of.latent),
        texts=[text[0]] * 2,
        padded=[text[1]] * 2,
    )


PEERS: dict[str, Any] = {}


def vae_passes() -> dict[str, dict[str, int]]:
    """Encoding and decoding: kernels, bytes, those of the copies, and what is held between chunks, copied or viewed."""
    network = peers.WanVaeNetwork().bfloat16()
    passes = {
        "encode": (network.encode, torch.empty(1, 3, 81, 480, 832).bfloat16().split((1, *[4] * 20), dim=2)),
        "decode": (network.decode, torch.empty(1, 16, 21, 60, 104).bfloat16().split(1, dim=2)),
    }
    found: dict[str, dict[str, int]] = {}
    for name, (work, chunks) in passes.items():
        kernels, held = Kernels(), dict[str, int]()
        for how in ("copies", "views"):
            memory: Any = {}
            kept = mock.patch.object(torch.Tensor, "clone", lambda one, **_: one) if how == "views" else nullcontext()
            with kept, Kernels() if how == "views" else kernels, torch.no_grad():
                for chunk in chunks:
                    work(chunk, memory)
            held[how] = sum(one.untyped_storage().nbytes() for one in memory.values() if one is not None)
        found[name] = {"kernels": kernels.kernels, "bytes": kernels.bytes, "copied": kernels.by_name["clone"], **held}
    return found


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0])
    PEERS.update({"ComfyUI": peers.comfyui(), "diffusers": peers.diffusers()})
    results: dict[str, Any] = {}
    with torch.device("meta"), mock.patch.object(torch, "manual_seed"):
        by_size = {
            name: {who: counted(work) for who, work in steps(layers, blocks).items()}
            for name, (layers, blocks) in {"one": (2, (0,)), "base": (3, (0,)), "context": (2, (0, 1))}.items()
        }
    rows = []
    for name in ("base", "context"):
        results[name] = {}
        for who, work in by_size[name].items():
            less = by_size["one"][who]
            kernels, moved, flop = ((more - fewer) / 2 for more, fewer in zip(work, less, strict=True))
            results[name][who] = {"kernels": kernels, "bytes": moved, "flop": flop}
            rows.append([f"block of the {name}", who, f"{kernels:g}", f"{moved / GIB:.2f}", f"{flop / 1e12:.2f}"])
    head = ["", "", "kernels", "GiB read and written", "TFLOP"]
    measuring.show("One block and one pass, Wan 14B, 81 frames of 832x480, bfloat16", head, rows)
    with torch.device("meta"):
        results["vae"] = vae_passes()
    rows = [
        [name, f"{got['kernels']}", f"{got['bytes'] / GIB:.0f}", f"{got['copied'] / got['bytes']:.1%}",
         f"{got['copies'] / GIB:.2f}", f"{got['views'] / GIB:.2f}"]
        for name, got in results["vae"].items()
    ]  # fmt: skip
    head = ["", "kernels", "GiB read and written", "of that copies", "GiB held between chunks", "held by views"]
    measuring.show("Wan's VAE, 81 frames of 832x480, bfloat16", head, rows)
    measuring.save("block_work", results, options)


if __name__ == "__main__":
    main()
