"""Seams of edits that are put back onto real footage: a hard edge, feathers and the multiband blend.

    python benchmarks/seams.py CLIP [CLIP ...]

A model that errs in known ways stands for a generated part: every frame is scaled to the model's area and back, and
beside that has other colours, light that drifts over the frame, or shapes that are displaced. Under the mask the source
shows something else, the frame mirrored, as where an object is replaced. So what is right inside the mask is known.
Masks are ellipses of some share of the frame. The steepness across the edge is given over that just outside
(`seam_steps`): the truth's own is in the first column.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from pathlib import Path

import measuring
import torch
from torch import Tensor
from torch.nn import functional

from vace_core import tasks
from vace_core.geometry import Box
from vace_core.inputs.blending import BlendMode, seam_steps
from vace_core.inputs.fitted import Source, Target, fit_clip
from vace_core.inputs.put_back import stitch
from vace_core.inputs.resizing import resize_masks
from vace_core.media.sources import open_footage
from vace_core.media.video import from_uint8
from vace_core.models.wan.dit import GRID
from vace_core.pipeline.composite import composite_vcu

AREA, SHARES, FRAMES = 832 * 480, (0.01, 0.04, 0.16, 0.5), 1
WAYS: dict[str, tuple[int, BlendMode]] = {
    "hard edge": (0, "feather"),
    "feather 8": (8, "feather"),
    "feather 16": (16, "feather"),
    "multiband": (0, "multiband"),
}


def colours(frames: Tensor) -> Tensor:
    """Less contrast, and a shift of each channel."""
    return frames * 0.95 + torch.tensor([12.0, -8.0, 6.0]).view(1, 3, 1, 1, 1) / 255


def drift(frames: Tensor) -> Tensor:
    """Light that differs softly from place to place, by up to some 5 %."""
    noise = torch.randn(1, 3, 4, 5, generator=torch.Generator().manual_seed(1)) * 0.05
    return frames + functional.interpolate(noise, frames.shape[3:], mode="bicubic")[:, :, None]


def displaced(frames: Tensor) -> Tensor:
    """Shapes moved by some pixels, differently from place to place, and the other two errors."""
    height, width = frames.shape[3:]
    way = torch.randn(1, 2, 5, 7, generator=torch.Generator().manual_seed(2)) * 3
    way = functional.interpolate(way, (height, width), mode="bicubic")[0].permute(1, 2, 0)
    still = functional.affine_grid(torch.eye(2, 3)[None], [1, 1, height, width], align_corners=False)
    grid = still + way * torch.tensor([2 / width, 2 / height])
    moved = functional.grid_sample(frames[0].transpose(0, 1), grid.expand(frames.shape[2], -1, -1, -1),
                                   padding_mode="border", align_corners=False)  # fmt: skip
    return drift(colours(moved.transpose(0, 1)[None]))


ERRORS: dict[str, Callable[[Tensor], Tensor]] = {
    "scaled": lambda frames: frames,
    "colours": colours,
    "drift": drift,
    "displaced": displaced,
}


def ellipse(share: float, height: int, width: int) -> Tensor:
    """`(1, H, W)` bool, in the middle."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return (x.square() + y.square() < share * 4 / math.pi)[None]


def psnr(result: Tensor, truth: Tensor, inside: Tensor) -> float:
    error = ((result - truth) / 2).square()[inside.expand_as(result)].mean()
    return -10 * math.log10(max(float(error), 1e-10))


def steepness(result: Tensor, inside: Tensor) -> float:
    across, beside = seam_steps(result, inside)
    return across / beside


def measure(path: Path) -> list[dict[str, object]]:
    film = open_footage(path)
    places = [film.count // 4, film.count // 2][:FRAMES]
    truth = torch.cat([from_uint8(chunk.frames) for chunk in film.chunks(indices=places)], dim=2)
    _, _, count, height, width = truth.shape
    scale = min(1.0, math.sqrt(AREA / (height * width)))
    size = [round(side * scale / 16) * 16 for side in (height, width)]
    found: list[dict[str, object]] = []
    for share in SHARES:
        where = ellipse(share, height, width)
        inside = where.expand(count, -1, -1)[None, None]
        source = torch.where(inside, truth.flip(4), truth)
        # One frame at a time: a model takes 4n + 1.
        vcus, made = [], []
        for n in range(count):
            target = Target(takes=GRID, height=size[0], width=size[1], all_frames=True, whole=True)
            shown, wanted = (fit_clip(Source(frames=clip[:, :, n : n + 1], fps=16), target) for clip in (source, truth))
            vcus.append(tasks.inpaint(shown.frames, resize_masks(where.float(), shown.plan)))
            made.append(wanted.frames)
        for error, change in ERRORS.items():
            for way, (feather, blend) in WAYS.items():
                parts = [
                    composite_vcu(change(one).clamp(-1, 1), vcu, blend_mode=blend)
                    for one, vcu in zip(made, vcus, strict=True)
                ]
                result = stitch(torch.cat(parts, dim=2), source, where, [Box(0, 0, width, height)], feather=feather,
                                blend_mode=blend)  # fmt: skip
                kept = float((result - truth).abs()[~inside.expand_as(truth)].max())
                found.append({
                    "clip": f"{width} x {height}", "mask": share, "error": error, "way": way,
                    "seam": steepness(result, inside), "own": steepness(truth, inside),
                    "psnr": psnr(result, truth, inside), "kept": kept,
                })  # fmt: skip
                print(found[-1], file=sys.stderr, flush=True)
    return found


def main() -> None:
    torch.set_num_threads(1)
    rows = [row for path in sys.argv[1:] for row in measure(Path(path))]
    cells = {(row["clip"], row["mask"], row["error"], row["way"]): row for row in rows}
    table: list[list[str]] = []
    for clip, share, error in dict.fromkeys((row["clip"], row["mask"], row["error"]) for row in rows):
        each = [cells[clip, share, error, way] for way in WAYS]
        cellsof = [f"{one['seam']:.2f}, {one['psnr']:.1f}" for one in each]
        table.append([str(clip), f"{share:.0%}", str(error), f"{each[0]['own']:.2f}", *cellsof])
    measuring.show("Seam ratio, and PSNR inside the mask in dB", ["clip", "mask", "error", "truth", *WAYS], table)
    for way in WAYS:
        of = [row for row in rows if row["way"] == way]
        mean = sum(abs(math.log(row["seam"])) for row in of) / len(of)
        worst = min(row["psnr"] - cells[row["clip"], row["mask"], row["error"], "hard edge"]["psnr"] for row in of)
        kept = max(row["kept"] for row in of)
        print(
            f"{way}: mean |log seam| {mean:.3f}, PSNR over the hard edge at worst {worst:+.2f} dB, kept error {kept:g}"
        )
    (Path(__file__).parent / "results" / "seams.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
