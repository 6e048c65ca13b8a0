"""Crop and stitch against the full frame: tokens, time, memory, and what the starter makes of its own world.

    python benchmarks/crop.py [--clips 6]

Held-out clips of the starter's world, 17 frames of 128 x 128, of which a square of some share of the frame is made
again without a prompt: by way of the full frame; of a box around the mask as it is; and of that box brought to 64
pixels or more, which the model was trained on. PSNR is that of the hole against the clip. The seam is the mean
difference of neighbouring pixels across it, in levels of 255, beside that of the clip itself in the same place. Memory
is the most that tensors took at once in one step and the decoding, the model left out; time is that of a job.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import measuring
import torch
from memory import LiveBytes
from torch import Tensor

from vace_core import tasks
from vace_core.geometry import Grid
from vace_core.inputs.blending import BlendMode, seam_steps
from vace_core.inputs.crops import crop_boxes, crop_masks
from vace_core.inputs.fitted import Source, Target, fit_clip
from vace_core.inputs.put_back import stitch
from vace_core.inputs.resizing import resize_masks
from vace_core.pipeline import VaceModel, finish, sample
from vace_core.starter.model import STARTER_OPTIONS, STARTER_PRESET, load_starter
from vace_core.starter.world import random_clip
from vace_core.vcu import VideoConditionUnit

SIDE, FRAMES, SHARES, HELD_OUT = 128, 17, (0.01, 0.04, 0.16, 0.5), 9_000_000
BLENDS: tuple[BlendMode, ...] = ("feather", "multiband")
ANY = Grid(frames=STARTER_PRESET.grid.frames, pixels=1, patch=1)


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """What the model is given, and what becomes of its frames."""

    vcu: VideoConditionUnit
    back: Callable[[Tensor], Tensor]


def hole(share: float, seed: int) -> Tensor:
    """`(1, H, W)` bool, a square at some place."""
    side = round(math.sqrt(share) * SIDE)
    top, left = torch.randint(0, SIDE - side + 1, (2,), generator=torch.Generator().manual_seed(seed)).tolist()
    where = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    where[0, top : top + side, left : left + side] = True
    return where


def full(frames: Tensor, where: Tensor) -> Job:
    masks = where.float()[None, None].expand(-1, -1, FRAMES, -1, -1).contiguous()
    return Job(vcu=tasks.inpaint(frames, masks, fps=STARTER_PRESET.fps), back=lambda made: made)


def cropped(frames: Tensor, where: Tensor, least: int) -> Job:
    boxes = crop_boxes(where, step=STARTER_PRESET.grid.step)
    (box,) = boxes
    height, width = (max(side, least) for side in (box.height, box.width))
    part = frames[..., box.top : box.bottom, box.left : box.right]
    target = Target(takes=ANY, height=height, width=width, all_frames=True, whole=True)
    fitted = fit_clip(Source(frames=part, fps=STARTER_PRESET.fps), target)
    masks = resize_masks(crop_masks(where, boxes).float(), fitted.plan)
    vcu = tasks.inpaint(fitted.frames, masks, fps=STARTER_PRESET.fps)
    return Job(vcu=vcu, back=lambda made: stitch(made, frames, where, boxes))


WAYS: dict[str, Callable[[Tensor, Tensor], Job]] = {
    "full frame": full,
    "crop": lambda frames, where: cropped(frames, where, 0),
    "crop, 64 or more": lambda frames, where: cropped(frames, where, 64),
}


def psnr(result: Tensor, truth: Tensor, where: Tensor) -> float:
    error = ((result - truth) / 2).square()[where[None, None].expand_as(result)].mean()
    return -10 * math.log10(float(error))


def peak(model: VaceModel, job: Job) -> float:
    """MiB of tensors beside the model."""
    tracker = LiveBytes()
    for part in (model.expert.base, model.expert.adapter, model.vae, model.text):
        module = part if isinstance(part, torch.nn.Module) else getattr(part, "network", None)
        if isinstance(module, torch.nn.Module):
            tracker.ignore(module)
    with torch.no_grad(), tracker:
        latents = sample(model, job.vcu, replace(STARTER_OPTIONS, steps=1))
        finish(model.vae, job.vcu, latents)
    return tracker.peak / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=6)
    parser.add_argument("--steps", type=int, default=STARTER_OPTIONS.steps)
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES)
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    model = load_starter()
    grid, rows, found = STARTER_PRESET.grid, [], []
    for share in chosen.shares:
        for way, make in WAYS.items():
            scores: dict[str, list[float]] = {name: [] for name in ("seconds", "psnr", "own", *BLENDS)}
            for seed in range(chosen.clips):
                clip = random_clip(HELD_OUT + seed, num_frames=FRAMES, height=SIDE, width=SIDE)
                where = hole(share, seed).expand(FRAMES, -1, -1)
                job = make(clip.frames, where[:1])
                begin = time.process_time()
                latents = sample(model, job.vcu, replace(STARTER_OPTIONS, seed=seed, steps=chosen.steps))
                made = {blend: finish(model.vae, job.vcu, latents, blend_mode=blend) for blend in BLENDS[:1]}
                scores["seconds"].append(time.process_time() - begin)
                made["multiband"] = finish(model.vae, job.vcu, latents, blend_mode="multiband")
                results = {blend: job.back(frames) for blend, frames in made.items()}
                inside = where[None, None]
                scores["psnr"].append(psnr(results["feather"], clip.frames, where))
                scores["own"].append(127.5 * seam_steps(clip.frames, inside)[0])
                for blend, result in results.items():
                    scores[blend].append(127.5 * seam_steps(result, inside)[0])
                kept = max(float((one - clip.frames).abs()[~inside.expand_as(one)].max()) for one in results.values())
                assert kept == 0, "a kept pixel has changed"
            mean = {name: sum(values) / len(values) for name, values in scores.items()}
            vcu = job.vcu
            tokens = grid.tokens(FRAMES, vcu.height, vcu.width)
            row = {"mask": share, "way": way, "size": f"{vcu.width} x {vcu.height}", "tokens": tokens,
                   "peak": peak(model, job), **mean}  # fmt: skip
            found.append(row | {"each": scores["psnr"]})
            rows.append([
                f"{share:.0%}", way, row["size"], str(tokens), f"{mean['seconds']:.2f} s", f"{row['peak']:.0f} MiB",
                f"{mean['psnr']:.1f} dB", f"{mean['own']:.2f}", f"{mean['feather']:.2f}", f"{mean['multiband']:.2f}",
            ])  # fmt: skip
            print(rows[-1], flush=True)
    head = ["mask", "shown to the model", "size", "tokens", "time", "peak", "hole", "seam of the clip", "hard edge",
            "multiband"]  # fmt: skip
    measuring.show("Crop and stitch against the full frame", head, rows)
    (Path(__file__).parent / "results" / "crop.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
