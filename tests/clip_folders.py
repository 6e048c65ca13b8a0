"""A folder of small clips with everything beside them that training can use."""

from __future__ import annotations

from pathlib import Path

import torch

from vace_core.media.pictures import write_image
from vace_core.media.write import write_video

SIZE = 9, 64, 96


def disc(seed: int) -> torch.Tensor:
    """`(1, 1, T, H, W)`: a disc that moves."""
    t, h, w = SIZE
    y, x = torch.arange(h).view(1, h, 1), torch.arange(w).view(1, 1, w)
    centre = torch.linspace(24, 72, t).view(t, 1, 1)
    return (((x - centre).square() + (y - 20 - 8 * seed).square()) < 16**2).float()[None, None]


def write(folder: Path, count: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        generator = torch.Generator().manual_seed(seed)
        ground = torch.nn.functional.interpolate(
            torch.rand(1, 3, 4, 6, generator=generator) * 2 - 1, size=SIZE[1:], mode="bilinear"
        )[:, :, None].expand(-1, -1, SIZE[0], -1, -1)
        mask = disc(seed)
        frames = torch.where(mask > 0, torch.tensor([1.0, -0.5, -1.0]).view(1, 3, 1, 1, 1), ground)
        write_video(folder / f"clip{seed}.mp4", frames, fps=16)
        write_video(folder / f"clip{seed}.mask.mp4", (mask * 2 - 1).expand(-1, 3, -1, -1, -1), fps=16)
        write_video(folder / f"clip{seed}.pose.mp4", (mask * 2 - 1).expand(-1, 3, -1, -1, -1).flip(1), fps=16)
        write_image(folder / f"clip{seed}.reference-1.png", frames[:, :, :1, 10:50, 10:50])
        (folder / f"clip{seed}.txt").write_text(f"a disc {seed}\nan orange disc {seed}", encoding="utf-8")
    return folder
