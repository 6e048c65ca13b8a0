"""How much encoding and decoding a task takes, counted in FLOP at full size and width without computing anything.

    python benchmarks/encoder_work.py

Frames are real, so that the library finds for itself what is gray; the VAE runs on meta tensors. Once by the library's
own VAE, and once by the nodes on ComfyUI's (VACE Apply VCU, Attach Adapter, Decode Video), of which a stand-in has the
weights; with COMFYUI_PATH its own class counts a whole clip, too.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import cache
from types import ModuleType

import measuring

sys.path.insert(0, str(measuring.ROOT / "tests" / "nodes"))
import peers
import standin
import torch
from conftest import load_pack
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode
from vae_of_comfyui import Counting
from vae_of_comfyui import standin as vae_of_comfyui

from vace_core.context import content_box, encode_context
from vace_core.models.wan.dit import encode_masks
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.protocols import VideoVae
from vace_core.vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit

TERA = 1e12


def own_vae(width: int) -> tuple[Counting, VideoVae]:
    """The library's VAE, which only counts, and what encodes by it."""
    with torch.device("meta"):
        vae = Counting(WanVae(WanVaeNetwork(width=width)))
    return vae, vae


@cache
def nodes() -> ModuleType:
    standin.install()
    return load_pack("vace_pack")


def native_vae(width: int) -> tuple[Counting, VideoVae]:
    """The same for ComfyUI's VAE, as the nodes use it."""
    pack = nodes()
    with torch.device("meta"):
        vae = vae_of_comfyui(pack.vace_core, width)
    counting = Counting(pack.nodes.comfy.native.NativeVae(vae))
    return counting, pack.nodes.comfy.kept_latents.KeepingVae(counting, vae.first_stage_model)


def units(t: int, h: int, w: int, hole: int, seed: int) -> Iterator[tuple[str, VideoConditionUnit]]:
    """The tasks whose work is counted; the hole is a square in the middle."""
    clip = torch.rand(1, 3, t, h, w, generator=torch.Generator().manual_seed(seed)) * 1.8 - 0.9
    free = torch.zeros(1, 1, t, h, w, dtype=torch.uint8)
    top, left = (h - hole) // 2 // 8 * 8, (w - hole) // 2 // 8 * 8
    inside = (..., slice(top, top + hole), slice(left, left + hole))
    share = hole * hole / (h * w)
    yield "text to video", VideoConditionUnit(roles=free)
    yield "reference to video, 1 picture", VideoConditionUnit(roles=free, references=(clip[:, :, :1],))
    yield "video to video (control)", VideoConditionUnit(roles=free + FOLLOW, control=clip)
    masked = free + KEEP
    masked[inside] = REPAINT
    yield f"inpaint, {share:.1%} hole, gray inside", VideoConditionUnit(roles=masked, source=clip)
    masked = masked.clone()
    masked[inside] = REPAINT | FOLLOW
    unit = VideoConditionUnit(roles=masked, source=clip, control=clip)
    yield f"inpaint, {share:.1%} hole, content inside", unit


def flop_of(work: Callable[[], Tensor]) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return counter.get_total_flops()


def whole(width: int, t: int, h: int, w: int) -> dict[str, tuple[int, int]]:
    """FLOP of one encode and one decode of every pixel, in vace_core and, where it is there, diffusers."""
    latents = torch.empty(1, 16, (t - 1) // 4 + 1, h // 8, w // 8, device="meta")
    frames = torch.empty(1, 3, t, h, w, device="meta")
    with torch.device("meta"):
        ours = WanVae(WanVaeNetwork(width=width))
    found = {"vace_core": (flop_of(lambda: ours.encode(frames)), flop_of(lambda: ours.decode(latents)))}
    if (peer := peers.diffusers()) is not None:
        with torch.device("meta"):
            theirs = peer.AutoencoderKLWan(base_dim=width, z_dim=16)
        encode = flop_of(lambda: theirs.encode(frames).latent_dist.mean)
        found["diffusers"] = (encode, flop_of(lambda: theirs.decode(latents).sample))
    if (peer := peers.comfyui()) is not None:
        with torch.device("meta"):
            network = peer.WanVAE(dim=width, z_dim=16, temperal_downsample=[False, True, True])
        found["ComfyUI"] = (flop_of(lambda: network.encode(frames)), flop_of(lambda: network.decode(latents)))
    return found


def of_task(first: VideoConditionUnit, later: VideoConditionUnit, counting: Counting, vae: VideoVae) -> dict[str, int]:
    """FLOP of encoding the context in a first job, in one with other pictures, with another prompt; and of decoding."""
    counts = {}
    for name, unit in {"encode_first": first, "encode_later": later, "encode_again": later}.items():
        encode_context(unit, vae, encode_masks)
        counts[name], counting.flop = counting.flop, 0
    t, h, w = vae.grid.latent_size(first.num_frames, first.height, first.width)
    vae.decode(torch.zeros(1, vae.latent_channels, t, h, w), window=content_box(first.masks))
    counts["decode"], counting.flop = counting.flop, 0
    return counts


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0])
    width, size, hole = (8, (9, 192, 256), 32) if options.quick else (96, (81, 480, 832), 128)
    tasks: dict[str, dict[str, dict[str, int]]] = {}
    for path, make in {"own VAE": own_vae, "ComfyUI's VAE": native_vae}.items():
        pairs = zip(units(*size, hole, 1), units(*size, hole, 2), strict=True)
        tasks[path] = {name: of_task(first, later, *make(width)) for (name, first), (_, later) in pairs}
    by_peer = whole(width, *size)  # last: it makes a ComfyUI known, which would move the weights of the stand-in
    encode, decode = by_peer["vace_core"]
    rows = [
        [f"every pixel, {name}", "", f"{first / TERA:.2f}", f"{first / encode:.3f}", "", "", f"{last / decode:.3f}"]
        for name, (first, last) in by_peer.items()
    ]
    for path, counts in tasks.items():
        for name, flop in counts.items():
            shares = [flop[part] / encode for part in ("encode_first", "encode_later", "encode_again")]
            shown = (f"{share:.3f}" for share in (*shares, flop["decode"] / decode))
            rows.append([name, path, f"{flop['encode_first'] / TERA:.2f}", *shown])
    head = ["task", "", "encode, TFLOP", "in whole encodes, first job", "other pictures", "another prompt",
            "decode, in whole decodes"]  # fmt: skip
    measuring.show(f"Work of the VAE, {size[2]}x{size[1]}, {size[0]} frames", head, rows)
    measuring.save("encoder_work", {"clip": size, "whole": by_peer, "tasks": tasks}, options)


if __name__ == "__main__":
    main()
