"""How much encoding and decoding a task takes, counted in FLOP at full size and width without computing anything.

    python benchmarks/encoder_work.py

Frames are real, so that the library finds for itself what is gray; the VAE runs on meta tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import measuring
import peers
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from vace_core.context import content_box, encode_context
from vace_core.geometry import Box, Grid
from vace_core.models.wan.dit import encode_masks
from vace_core.models.wan.vae import WanVaeNetwork
from vace_core.models.wan.vae_stream import WanVae
from vace_core.vcu import FOLLOW, KEEP, REPAINT, VideoConditionUnit

TERA = 1e12


class CountedVae:
    """A VAE that only counts: its work happens on meta tensors, its latents are zeros."""

    latent_channels = 16

    def __init__(self, width: int = 96):
        with torch.device("meta"):
            self.vae = WanVae(WanVaeNetwork(width=width))
        self.flop = 0

    @property
    def grid(self) -> Grid:
        return self.vae.grid

    def encode(self, frames: Tensor, *, content: Box | None = None, on_chunk=None) -> Tensor:
        return self._count(lambda: self.vae.encode(frames.to("meta"), content=content))

    def decode(self, latents: Tensor, *, window: Box | None = None, on_chunk=None) -> Tensor:
        return self._count(lambda: self.vae.decode(latents.to("meta"), window=window))

    def _count(self, work: Callable[[], Tensor]) -> Tensor:
        with FlopCounterMode(display=False) as counter:
            result = work()
        self.flop += counter.get_total_flops()
        return torch.zeros(result.shape)


def units(t: int, h: int, w: int, hole: int) -> Iterator[tuple[str, VideoConditionUnit]]:
    """The tasks whose work is counted; the hole is a square in the middle."""
    clip = torch.rand(1, 3, t, h, w, generator=torch.Generator().manual_seed(1)) * 1.8 - 0.9
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
    ours = CountedVae(width).vae
    found = {"vace_core": (flop_of(lambda: ours.encode(frames)), flop_of(lambda: ours.decode(latents)))}
    if (peer := peers.diffusers()) is not None:
        with torch.device("meta"):
            theirs = peer.AutoencoderKLWan(base_dim=width, z_dim=16)
        encode = flop_of(lambda: theirs.encode(frames).latent_dist.mean)
        found["diffusers"] = (encode, flop_of(lambda: theirs.decode(latents).sample))
    return found


def of_task(unit: VideoConditionUnit, width: int) -> dict[str, int]:
    """FLOP of encoding its context in a first job, in a later one, and of decoding what it makes."""
    vae, counts = CountedVae(width), {}
    for name in ("encode_first", "encode_later"):
        encode_context(unit, vae, encode_masks)
        counts[name], vae.flop = vae.flop, 0
    t, h, w = vae.grid.latent_size(unit.num_frames, unit.height, unit.width)
    vae.decode(torch.zeros(1, vae.latent_channels, t, h, w), window=content_box(unit.masks))
    return counts | {"decode": vae.flop}


def main() -> None:
    options = measuring.arguments(__doc__.splitlines()[0])
    width, size, hole = (8, (9, 192, 256), 32) if options.quick else (96, (81, 480, 832), 128)
    by_peer = whole(width, *size)
    encode, decode = by_peer["vace_core"]
    tasks = {name: of_task(unit, width) for name, unit in units(*size, hole)}
    rows = [
        [f"every pixel, {name}", f"{first / TERA:.2f}", f"{first / encode:.3f}", "", f"{last / decode:.3f}"]
        for name, (first, last) in by_peer.items()
    ]
    for name, flop in tasks.items():
        shares = (flop["encode_first"] / encode, flop["encode_later"] / encode, flop["decode"] / decode)
        rows.append([name, f"{flop['encode_first'] / TERA:.2f}", *(f"{share:.3f}" for share in shares)])
    head = ["task", "encode, TFLOP", "in whole encodes, first job", "later jobs", "decode, in whole decodes"]
    measuring.show(f"Work of the VAE, {size[2]}x{size[1]}, {size[0]} frames", head, rows)
    measuring.save("encoder_work", {"clip": size, "whole": by_peer, "tasks": tasks}, options)


if __name__ == "__main__":
    main()
